"""What `--unlabeled` reads, what it refuses, and what it keeps away from dialogues that a model is judged on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import launch
from finetune.corpus import corpus_of
from finetune.data_report import DataReport
from finetune.intent import finetune_intent
from finetune.lineage import held_out, read_seen, write_seen
from finetune.logs import Dialogue, Message, read_logs
from finetune.self_training import unlabeled_turns
from finetune.settings import Settings
from finetune.unlabeled import read_unlabeled
from storage.errors import InvalidInput, TooManyRejected
from tests.finetune.conftest import made_up_dialogues, write_log

CSV = "text,label\nput the tent in my cart,\nwhere is it,order_status\n,order_status\nhi,\n"


def said(path: Path) -> list[str]:
    return [turn.text for turn in unlabeled_turns(read_unlabeled([path]).dialogues)]


def bare(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The same dialogues without their labels, under other ids."""
    copy: list[dict[str, object]] = json.loads(json.dumps(rows).replace('"intents"', '"was"'))
    return [{**row, "dialogue_id": f"bare {row['dialogue_id']}"} for row in copy]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "put the tent in my cart\n\nmail jo@example.org please\n", 2),
        ("a.csv", CSV, 2),
        ("a.csv", "id;Text\n1;put the tent in my cart\n", 1),
        ("a.jsonl", '{"text": "put the tent in my cart"}\n', 1),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "put the tent in my cart"}]}\n', 1),
        ("dialogues.log", '{"messages": [{"role": "user", "content": "put the tent in my cart"}]}\n', 1),
    ],
)
def test_texts_and_dialogues_are_read(name: str, content: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    found = said(tmp_path / name)
    assert len(found) == expected
    assert found[0] == "put the tent in my cart"
    assert "example.org" not in " ".join(found)
    assert said(tmp_path / f"{name}.gz") == found


def test_rows_that_cannot_be_used_say_in_which_file_they_stand(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"messages": [}\n{"messages": [{"role": "user", "content": "hi"}]}\n')
    reading = read_unlabeled([tmp_path / "a.csv", tmp_path / "b.jsonl"])
    assert reading.rows == 6
    assert [problem.reason.split(":")[0] for problem in reading.problems] == ["b.jsonl", "a.csv"]
    assert len({dialogue.id for dialogue in reading.dialogues}) == len(reading.dialogues) == 4
    (tmp_path / "c.csv").write_text("question,answer\nhi,hello\n")
    with pytest.raises(InvalidInput, match="no column text"):
        read_unlabeled([tmp_path / "c.csv"])


def test_a_file_of_bad_rows_ends_the_run_and_is_kept(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(20, seed=1))
    broken = write_log(tmp_path / "bare.jsonl", [*bare(made_up_dialogues(5, seed=2)), *["{broken jo@example.org"] * 12])
    with pytest.raises(TooManyRejected, match="12 of 17 rows"):
        finetune_intent([log], tmp_path / "model", Settings("head", epochs=1), unlabeled=[broken])
    kept = (tmp_path / "model" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(kept) == 12
    assert all("bare.jsonl: " in row and "example.org" not in row for row in kept)


def test_no_turn_to_learn_from_is_said_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(write_log(tmp_path / "log.jsonl", made_up_dialogues(20, seed=1)))
    options = ["--logs", log, "--unlabeled", log, "--output", str(tmp_path / "model"), "--shop", str(tmp_path / "shop")]
    monkeypatch.setattr("sys.argv", ["launch.py", "finetune", "intent", *options])
    with pytest.raises(SystemExit) as stopped:
        launch.run()
    assert stopped.value.code == 2
    assert "20 rows of --unlabeled have no user turn to learn from" in capsys.readouterr().err


def test_what_nearly_repeats_a_held_out_dialogue_is_not_learnt_from() -> None:
    def dialogue(number: int, said: str, label: str, split: str = "") -> Dialogue:
        return Dialogue(str(number), (Message("user", said, (label,) if label else ()),), split)

    labelled = [
        dialogue(number, f"please {what} number {word}", what, split)
        for what in ("cancel", "search")
        for number, (word, split) in enumerate(
            [("one", ""), ("two", ""), ("three", "validation"), ("four a b c d e f", "test")]
        )
    ]
    free = [
        dialogue(1, "Please CANCEL number three", ""),
        dialogue(2, "please search number four a b c d e f!", ""),
        dialogue(3, "please cancel number one", ""),
        dialogue(4, "quite another thing", ""),
    ]
    corpus = corpus_of(labelled, 0, unlabeled=free)
    kept = [turn.text for part in corpus.parts.values() for turn in part.unlabeled]
    assert kept == ["please cancel number one", "quite another thing"]
    assert corpus.unlabeled_repeats == 2


class Stopped(BaseException):
    """Ends a run before it trains."""


def test_a_log_given_again_without_labels_leaves_dialogues_to_judge_by(tmp_path: Path) -> None:
    rows = made_up_dialogues(40, seed=1)
    log = write_log(tmp_path / "log.jsonl", rows)
    everything = write_log(tmp_path / "bare.jsonl", bare([*rows, *made_up_dialogues(10, seed=2)]))
    told: list[DataReport] = []

    def stop(data: DataReport) -> None:
        told.append(data)
        raise Stopped

    with pytest.raises(Stopped):
        finetune_intent([log], tmp_path / "model", Settings("head"), unlabeled=[everything], told=stop)
    [data] = told
    assert data.unlabeled_repeats >= data.validation_dialogues > 0
    assert data.unlabeled_turns == 3 * (50 - data.unlabeled_repeats)
    assert f"{data.unlabeled_turns} turns without labels to learn from, 0 rows rejected" in "\n".join(data.lines())
    dialogues = read_logs([log]).dialogues
    corpus = corpus_of(dialogues, 0, unlabeled=read_unlabeled([everything]).dialogues)
    write_seen(tmp_path, corpus.learnt_from)
    unseen = held_out(dialogues, [read_seen(tmp_path)]).dialogues
    assert {dialogue.id for dialogue in corpus.validation} <= {dialogue.id for dialogue in unseen}
