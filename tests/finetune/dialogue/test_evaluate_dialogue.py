"""Journeys and simulated shoppers on a small demo shop with the real models; the whole of them runs in `make soak`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.service import Assistant
from finetune.dialogue.journeys import Journey
from finetune.dialogue.report import DialogueReport
from finetune.evaluate_dialogue import evaluate_dialogue
from storage.errors import InvalidInput

SHOPPERS = 6
FLOOR = 0.88


@pytest.fixture(scope="module")
def report(rehearsed: Assistant, third: Sequence[Journey]) -> DialogueReport:
    return evaluate_dialogue(rehearsed, third, SHOPPERS, seed=3, wordings=1)


def test_most_journeys_end_as_they_should_and_nothing_is_made_up(report: DialogueReport) -> None:
    values = report.values()
    assert values["pass_rate"] >= FLOOR, report.text()
    assert values["unbacked_claims"] == 0, report.text()
    assert values["wrong_writes"] == 0, report.text()
    assert values["violated_constraints"] == 0, report.text()
    assert values["simulated"] is True
    assert set(values["by_language"]) >= {"en", "zh"}


def test_simulated_shoppers_find_what_they_need(report: DialogueReport) -> None:
    assert [each.success for each in report.visits].count(True) >= SHOPPERS - 1, report.text()
    assert {each.language for each in report.visits} == {"en", "zh"}


def test_the_same_seed_shops_the_same_way(rehearsed: Assistant, report: DialogueReport) -> None:
    again = evaluate_dialogue(rehearsed, [], 1, seed=3)
    said = [
        [line for line in each.transcript if line.startswith("shopper:")]
        for each in (again.visits[0], report.visits[0])
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("speaker", ["echo", "stateless"])
def test_who_understands_nothing_fails_by_the_same_harness(
    rehearsed: Assistant, third: Sequence[Journey], report: DialogueReport, speaker: str
) -> None:
    null = evaluate_dialogue(rehearsed, third[::3], 2, seed=3, wordings=1, speaker=speaker).values()
    assert null["pass_rate"] <= 0.5 * report.values()["pass_rate"]
    assert null["success"] == 0


def test_what_went_wrong_is_written_down(tmp_path: Path, rehearsed: Assistant, third: Sequence[Journey]) -> None:
    null = evaluate_dialogue(rehearsed, third[:2], 1, seed=3, wordings=1, speaker="echo")
    null.write(tmp_path / "report")
    assert third[0].name in (tmp_path / "report" / "journeys.txt").read_text("utf-8")
    assert "shopper:" in (tmp_path / "report" / "shoppers.txt").read_text("utf-8")


def test_a_speaker_that_does_not_exist_is_named(rehearsed: Assistant) -> None:
    with pytest.raises(InvalidInput, match="echo, stateless"):
        evaluate_dialogue(rehearsed, [], 0, speaker="parrot")
