from __future__ import annotations

import pytest
import torch
from torch import nn

from finetune import loop
from finetune.loop import Loop
from finetune.settings import Settings


def loop_of(module: nn.Module) -> Loop:
    return Loop(module, [{"params": list(module.parameters()), "lr": 1e-3}], total=4, warm_up=0.5)


def test_what_was_trained_is_released_as_it_was_made() -> None:
    """Mixed precision wraps `forward` in place: traced for serving so, the graph would hold its roundings."""
    torch.manual_seed(0)
    module = nn.Linear(64, 8)
    started = loop_of(module)
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
        loop_of(module).release()
    assert module.forward.__func__ is nn.Linear.forward  # type: ignore[attr-defined]


def test_hardware_that_computes_bf16_gets_more_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = []
    for capable in (False, True):
        monkeypatch.setattr(loop, "computes_bf16", lambda capable=capable: capable)
        epochs.append(Settings().recipe(500_000).epochs)
    assert epochs[0] < epochs[1]
