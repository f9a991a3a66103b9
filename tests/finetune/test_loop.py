"""The loop that every phase shares: how the rate goes up and down, and which epoch's weights are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from finetune.checkpoint import Checkpoint
from finetune.loop import Loop
from finetune.settings import Settings


def loop_of(module: nn.Module, total: int, warm_up: float, checkpoint: Checkpoint | None = None) -> Loop:
    groups = [
        {"params": [module.get_parameter("weight")], "lr": 0.1},
        {"params": [module.get_parameter("bias")], "lr": 0.01},
    ]
    return Loop(module, groups, total, warm_up, checkpoint)


def rates(total: int, warm_up: float) -> list[tuple[float, ...]]:
    module = nn.Linear(2, 1)
    loop = loop_of(module, total, warm_up)
    found = []
    for _ in range(total):
        loop.step(module(torch.ones(1, 2).to(loop.device)).sum())
        found.append(tuple(float(group["lr"]) for group in loop.optimizer.param_groups))
    return found


def test_the_rate_rises_and_falls_in_a_line_and_each_group_keeps_its_own() -> None:
    first, second = zip(*rates(10, 0.4), strict=True)
    assert first == pytest.approx(
        [0.025, 0.05, 0.075, 0.1, 0.1, 0.1 * 5 / 6, 0.1 * 4 / 6, 0.1 * 3 / 6, 0.1 * 2 / 6, 0.1 / 6]
    )
    assert second == pytest.approx([each / 10 for each in first])


@pytest.mark.parametrize(("total", "warm_up"), [(1, 0.1), (2, 0.1), (3, 1.0), (5, 0.0)])
def test_short_runs_have_a_rate_at_every_step(total: int, warm_up: float) -> None:
    assert all(0 < rate <= 0.1 for rate, _ in rates(total, warm_up))


def test_the_weights_of_the_best_epoch_are_kept_of_equals_the_later() -> None:
    module = nn.Linear(2, 1)
    loop = loop_of(module, 4, 0.0)
    weights = []
    for score in (0.5, 0.7, 0.7, 0.6):
        loop.step(module(torch.ones(1, 2).to(loop.device)).sum())
        weights.append(module.weight.detach().clone())
        loop.end_epoch(score)
    assert (loop.position.best, loop.position.worse, loop.position.epoch) == (0.7, 2, 4)
    loop.finish()
    assert torch.equal(module.weight, weights[2])
    assert not torch.equal(module.weight, weights[3])


def test_a_later_epoch_that_is_as_good_by_chance_is_kept_and_ends_nothing() -> None:
    module = nn.Linear(2, 1)
    loop = loop_of(module, 6, 0.0)
    weights = []
    for score in (0.9, 0.95, 0.93, 0.94, 0.91, 0.92):
        loop.step(module(torch.ones(1, 2).to(loop.device)).sum())
        weights.append(module.weight.detach().clone())
        loop.end_epoch(score, tolerance=0.021)
    position = loop.position
    assert (position.best, position.kept, position.kept_epoch, position.worse) == (0.95, 0.94, 4, 2)
    loop.finish()
    assert torch.equal(module.weight, weights[3])


def test_a_rate_goes_on_where_it_was(tmp_path: Path) -> None:
    module = nn.Linear(2, 1)
    for half in range(2):
        loop = loop_of(module, 4, 0.5, Checkpoint(tmp_path / "loop.safetensors", "f"))
        assert loop.position.step == 2 * half
        for _ in range(2):
            loop.step(module(torch.ones(1, 2).to(loop.device)).sum())
        loop.end_epoch(0.5)
    assert loop.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 1 / 2)


def test_what_was_trained_is_released_as_it_was_made() -> None:
    """Mixed precision wraps `forward` in place: traced for serving so, the graph would hold its roundings."""
    torch.manual_seed(0)
    module = nn.Linear(64, 8)
    started = loop_of(module, 4, 0.5)
    started.step(started.parallel(torch.ones(2, 64)).float().square().mean())
    started.release()
    assert module.forward.__func__ is nn.Linear.forward  # type: ignore[attr-defined]
    assert not module.training
    found = module(torch.ones(2, 64))
    assert found.dtype == torch.float32
    assert torch.equal(found, nn.functional.linear(torch.ones(2, 64), module.weight, module.bias))


def test_a_module_goes_through_two_loops_and_comes_out_plain() -> None:
    module = nn.Linear(4, 2)
    for _ in range(2):
        loop_of(module, 4, 0.5).release()
    assert module.forward.__func__ is nn.Linear.forward  # type: ignore[attr-defined]


def test_hardware_that_computes_bf16_gets_more_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = []
    for capable in (False, True):
        monkeypatch.setattr("finetune.loop.computes_bf16", lambda capable=capable: capable)
        epochs.append(Settings().recipe(500_000).epochs)
    assert epochs[0] < epochs[1]
