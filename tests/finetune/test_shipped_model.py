"""The intent model that ships: small, and as good on wording its training data never had as its README says."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from bot.intent import IntentModel
from bot.labels import LABELS
from demo.dialogues import generate_dialogues
from finetune.evaluate_intent import evaluate_intent
from finetune.logs import read_logs

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "demo" / "model" / "intent"
PHRASINGS = ROOT / "tests" / "phrasings"
HELD_OUT = 120
"""Generated dialogues of each language."""


def scored(model: IntentModel, *logs: Path) -> dict[str, float]:
    metrics = evaluate_intent(model, read_logs(logs).dialogues)
    return {name: value for name, value in metrics.items() if value is not None}


@pytest.fixture(scope="module")
def on_phrasings(demo_model: IntentModel) -> dict[str, float]:
    return scored(demo_model, PHRASINGS / "en.jsonl", PHRASINGS / "zh.jsonl")


@pytest.mark.parametrize("space", ["latin", "han"])
def test_an_encoder_is_at_most_five_megabytes(space: str) -> None:
    assert 0 < sum(file.stat().st_size for file in (SHIPPED / space).iterdir()) <= 5_000_000


def test_it_knows_the_built_in_labels(demo_model: IntentModel) -> None:
    assert set(demo_model.labels) == set(LABELS)


def test_unseen_phrasings_are_understood(on_phrasings: dict[str, float]) -> None:
    assert on_phrasings["macro_f1"] >= 0.80
    assert on_phrasings["oos_auroc"] >= 0.80


@pytest.mark.parametrize("language", ["en", "zh"])
def test_neither_language_is_left_behind(demo_model: IntentModel, language: str) -> None:
    assert scored(demo_model, PHRASINGS / f"{language}.jsonl")["macro_f1"] >= 0.76


def test_generated_wording_is_no_easier_than_fifteen_points(
    demo_model: IntentModel, on_phrasings: dict[str, float], tmp_path: Path
) -> None:
    held_out = tmp_path / "generated.jsonl"
    with held_out.open("w", encoding="utf-8") as file:
        for language in ("english", "chinese"):
            others = {"english": 0, "chinese": 0} | {language: 3000}
            tests = (each for each in generate_dialogues(**others) if each["split"] == "test")
            file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in islice(tests, HELD_OUT))
    generated = scored(demo_model, held_out)
    assert generated["n"] > 500
    assert generated["macro_f1"] - on_phrasings["macro_f1"] <= 0.15
