from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bot.intent_network import IntentNetwork
from finetune.checkpoint import Checkpoint
from finetune.contrastive import contrastive_loss, has_few, warm_up
from finetune.examples import Examples, collate, examples_of, turns_of
from finetune.logs import read_logs
from finetune.network import build_network, load_base
from finetune.trainer import Recipe, Step, network_inputs
from tests.finetune.conftest import made_up_dialogues, write_log

LABELS = ["search", "cart_add", "ask_policy", "accept"]


def test_the_loss_by_hand() -> None:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    # rows 0 and 1 are each other's only positive, beside one negative of cosine 0: -log(e^10 / (e^10 + e^0)); row 2 has none
    expected = 2 * np.log(1 + np.exp(-10)) / 3
    assert float(contrastive_loss(vectors, torch.tensor([4, 4, 9]))) == pytest.approx(expected, rel=1e-3)
    assert contrastive_loss(vectors, torch.tensor([4, 9, 4])) > 1


def test_few_is_by_the_median_label(small_log: Path) -> None:
    tokenizer = load_base("latin", None).tokenizer
    turns = turns_of(read_logs([small_log]).dialogues)
    assert not has_few(examples_of(turns, LABELS, tokenizer))
    assert has_few(examples_of(turns[:60], LABELS, tokenizer))
    assert not has_few(examples_of(turns[:60], ["search"], tokenizer))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    log = write_log(tmp_path_factory.mktemp("few") / "log.jsonl", made_up_dialogues(12, seed=1))
    return examples_of(turns_of(read_logs([log]).dialogues), LABELS, load_base("latin", None).tokenizer)


def separation(network: IntentNetwork, examples: Examples) -> float:
    """Mean cosine of turns of one label less that of turns of two labels, by the encoder's mean over the last turn."""
    network.eval()
    rows = [row for row, numbers in enumerate(examples.numbers) if numbers]
    inputs = network_inputs(network, collate(examples, rows, 0))
    with torch.inference_mode():
        turns, _ = network.head.pooled(network.states(*inputs), *inputs[1:]).chunk(2, dim=-1)
    unit = torch.nn.functional.normalize(turns, dim=-1)
    labels = torch.tensor([examples.numbers[row][0] for row in rows])
    cosines, same = unit @ unit.T, labels[:, None] == labels[None, :]
    return float(cosines[same].mean() - cosines[~same].mean())


def test_the_warm_up_draws_unseen_turns_of_one_label_together(few: Examples, tmp_path: Path) -> None:
    unseen_log = write_log(tmp_path / "unseen.jsonl", made_up_dialogues(12, seed=50))
    unseen = examples_of(turns_of(read_logs([unseen_log]).dialogues), LABELS, few.tokenizer)
    base = load_base("latin", None)
    network = build_network(base, len(LABELS), "full")
    before = separation(network, unseen)
    steps: list[Step] = []
    warm_up(network, few, base.pad_id, Recipe(epochs=1, rate=1e-4, contrastive_steps=25), progress=steps.append)
    assert all(each.requires_grad for each in network.head.parameters())
    assert steps[-1].done == steps[-1].total
    assert steps[-1].loss < steps[0].loss
    assert separation(network, unseen) > before + 0.1


def test_a_warm_up_that_was_killed_goes_on_to_the_same_weights(few: Examples, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def run(checkpoint: Checkpoint | None, stop_at: int | None = None) -> dict[str, torch.Tensor]:
        def progress(step: Step) -> None:
            if step.done == stop_at:
                raise Killed

        torch.manual_seed(0)
        base = load_base("latin", None)
        network = build_network(base, len(LABELS), "lora")
        warm_up(
            network,
            few,
            base.pad_id,
            Recipe(epochs=1, rate=1e-3, contrastive_steps=8),
            progress=progress,
            checkpoint=checkpoint,
        )
        return {name: each for name, each in network.state_dict().items() if "lora" in name}

    path = tmp_path / "warm-up.safetensors"
    with pytest.raises(Killed):
        run(Checkpoint(path, "f", every=0), stop_at=5)
    resumed, whole = run(Checkpoint(path, "f")), run(None)
    assert all(torch.equal(each, whole[name]) for name, each in resumed.items())
