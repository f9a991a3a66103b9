from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import launch
from bot.intent import IntentModel
from finetune.evaluate_intent import evaluate_intent
from finetune.examples import Examples, examples_of
from finetune.intent import finetune_intent
from finetune.lineage import held_out, read_seen
from finetune.logs import Dialogue, Message, read_logs
from finetune.network import load_base
from finetune.record import RunRecord
from finetune.self_training import OVER_MEAN, joined, taught, unlabeled_turns
from finetune.settings import Settings
from storage.publish import read_manifest
from tests.finetune.conftest import made_up_dialogues, write_log


@pytest.fixture(scope="module")
def turns() -> Examples:
    dialogues = [Dialogue(str(number), (Message("user", f"turn number {number}"),)) for number in range(40)]
    return examples_of(unlabeled_turns(dialogues), ["a", "b"], load_base("latin", None).tokenizer)


def test_only_what_nobody_labelled_and_says_something_is_unlabeled() -> None:
    messages = (
        Message("user", "hi"),
        Message("assistant", "hello"),
        Message("user", " "),
        Message("user", "x", ("a",)),
    )
    assert [turn.text for turn in unlabeled_turns([Dialogue("d", messages)])] == ["hi"]


def test_a_teacher_passes_on_what_it_is_sure_of(turns: Examples) -> None:
    probabilities = np.full((40, 2), 0.5)
    probabilities[3], probabilities[7], probabilities[9] = (0.9, 0.1), (0.2, 0.8), (0.95, 0.05)
    doubts = np.zeros(40, bool)
    doubts[9] = True
    lesson = taught(turns, probabilities, doubts)
    assert [turn.text for turn in lesson.turns] == ["turn number 3", "turn number 7"]
    assert lesson.numbers == [(0,), (1,)]
    both = taught(turns, np.tile([0.9, 0.8], (40, 1)), np.zeros(40, bool))
    assert set(both.numbers) == {(0, 1)}, "of independent labels each that it is sure of"


def test_a_label_that_the_teacher_prefers_does_not_take_over(turns: Examples) -> None:
    many = examples_of(list(turns.turns) * 4, ["a", "b", "c", "d", "e", "f", "g", "h"], turns.tokenizer)
    probabilities = np.zeros((160, 8))
    probabilities[:, 0] = np.linspace(0.75, 0.99, 160)
    lesson = taught(many, probabilities, np.zeros(160, bool))
    assert len(lesson) == OVER_MEAN * 160 / 8
    assert lesson.turns[-1] is many.turns[-1], "the surest are kept"
    assert len(taught(many, probabilities * 0, np.zeros(160, bool))) == 0


def test_joined_examples_are_both(turns: Examples) -> None:
    first, second = turns.take([0, 1, 2]), turns.take([9, 5])
    both = joined(first, second)
    assert len(both) == 5
    assert [both.tokens(row) for row in range(5)] == [turns.tokens(row) for row in (0, 1, 2, 9, 5)]
    assert both.lengths.sum() == len(both.ids)


def test_who_is_in_unlabeled_dialogues_is_registered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(12, seed=1))
    bare = [{"user_id": "maya", "messages": [{"role": "user", "content": "put the tent in my cart"}]}]
    options = ["--logs", str(log), "--unlabeled", str(write_log(tmp_path / "bare.jsonl", bare)), "--method", "head"]
    places = ["--output", str(tmp_path / "model"), "--shop", str(tmp_path / "shop"), "--epochs", "1", "--json"]
    monkeypatch.setattr("sys.argv", ["launch.py", "finetune", "intent", *options, *places])
    with pytest.raises(SystemExit) as stopped:
        launch.run()
    said = capsys.readouterr().err
    assert not stopped.value.code, said
    assert "reading logs" in said
    with launch.registry_of(tmp_path / "shop") as registry:
        assert registry.folders_with_user("maya") == [tmp_path / "model"]
        assert registry.folders_with_user("noah") == []


def test_unlabeled_dialogues_are_learnt_from_and_what_they_gave_is_said(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(24, seed=1))
    bare = made_up_dialogues(40, seed=2)
    for dialogue in bare:
        dialogue["dialogue_id"] += "-bare"
        for message in dialogue["messages"]:
            message.pop("intents", None)
    run = finetune_intent(
        [log], tmp_path / "model", Settings("head", epochs=20), unlabeled=[write_log(tmp_path / "bare.jsonl", bare)]
    )
    facts = read_manifest(run.model_dir, "intent").meta["encoders"]["latin"]["unlabeled"]
    assert facts["unlabeled_turns"] == 120
    assert RunRecord.load(run.model_dir).unlabeled == {"latin": facts}
    assert "--unlabeled bare.jsonl" in (run.model_dir / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert 0 < facts["taught_turns"] <= 120
    kept = read_manifest(run.model_dir, "intent").meta["encoders"]["latin"]["validation_macro_f1"]
    assert kept == max(facts["macro_f1_with"], facts["macro_f1_without"])
    unseen = read_logs([write_log(tmp_path / "unseen.jsonl", made_up_dialogues(40, seed=99))]).dialogues
    assert (evaluate_intent(IntentModel.load(run.model_dir), unseen)["macro_f1"] or 0) >= 0.8
    seen = read_seen(run.model_dir)
    assert seen is not None
    taught_from = read_logs([tmp_path / "bare.jsonl"]).dialogues
    assert held_out(taught_from, [seen]).dialogues == [], "what it has learned from without labels cannot judge it"
    assert len(held_out(unseen, [seen]).dialogues) > 20
