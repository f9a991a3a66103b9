from __future__ import annotations

import math
from pathlib import Path

import pytest

from bot.intent import IntentModel
from finetune.evaluate_intent import evaluate_intent
from finetune.logs import Dialogue, Message, read_logs
from finetune.noise import NOISES
from finetune.robustness import robustness
from storage.errors import InvalidInput

PHRASINGS = Path(__file__).parents[1] / "phrasings"


@pytest.fixture(scope="module")
def held_out() -> list[Dialogue]:
    """20 English and 10 Chinese dialogues, some turns of which are out of scope or have two labels."""
    english, chinese = (read_logs([PHRASINGS / f"{name}.jsonl"]).dialogues for name in ("en", "zh"))
    return [*english[:20], *chinese[:10]]


@pytest.fixture(scope="module")
def report(demo_model: IntentModel, held_out: list[Dialogue]) -> dict[str, dict[str, float]]:
    return robustness(demo_model, held_out)


def test_clean_accuracy_is_that_of_the_evaluation(
    demo_model: IntentModel, held_out: list[Dialogue], report: dict[str, dict[str, float]]
) -> None:
    metrics = evaluate_intent(demo_model, held_out)
    assert report["clean"] == {"accuracy": metrics["accuracy"], "drop": 0, "n": metrics["n"]}


def test_every_kind_has_its_drop(report: dict[str, dict[str, float]]) -> None:
    assert list(report) == ["clean", *NOISES, "mean"]
    clean = report["clean"]["accuracy"]
    for row in report.values():
        assert math.isfinite(row["drop"])
        assert row["drop"] == pytest.approx(clean - row["accuracy"])
        assert row["n"] == report["clean"]["n"]
    assert report["mean"]["drop"] == pytest.approx(sum(report[kind]["drop"] for kind in NOISES) / 7)
    assert any(report[kind]["drop"] for kind in NOISES)


def test_the_shipped_model_bears_noise(report: dict[str, dict[str, float]]) -> None:
    assert report["mean"]["drop"] <= 0.08


def test_a_large_log_is_sampled_by_the_seed(demo_model: IntentModel, held_out: list[Dialogue]) -> None:
    first = robustness(demo_model, held_out, seed=1, limit=12)
    assert first["clean"]["n"] == 12
    assert first == robustness(demo_model, held_out, seed=1, limit=12)


def test_without_turns_in_scope_it_says_so(demo_model: IntentModel) -> None:
    dialogue = Dialogue("a", (Message("user", "write a poem", ("out_of_scope",)), Message("user", "hm")))
    with pytest.raises(InvalidInput, match="no labelled in-scope turn"):
        robustness(demo_model, [dialogue])
