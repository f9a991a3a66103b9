from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from finetune.data_report import Conflict, DataReport, LabelTurns, about_tokens, describe
from finetune.logs import Dialogue, Message, Reading, read_logs
from finetune.split import split_dialogues
from storage.rows import RowProblem
from tests.finetune.conftest import made_up_dialogues, write_log


def single(number: int, text: str, *labels: str, split: str = "", language: str = "") -> Dialogue:
    return Dialogue(str(number), (Message("user", text, labels),), split, language=language)


def described(dialogues: Sequence[Dialogue], *, cut: int | None = None) -> DataReport:
    """With the parts as `split_dialogues` makes them, or the first `cut` dialogues for training and the others held out."""
    parts = split_dialogues(dialogues) if cut is None else (dialogues[:cut], dialogues[cut:])
    test = [dialogue for dialogue in dialogues if dialogue.split == "test"]
    return describe(Reading(dialogues=list(dialogues)), *parts, test)


def warned(report: DataReport, text: str) -> bool:
    return any(text in warning for warning in report.warnings)


def test_a_sound_log_is_described_without_a_warning(tmp_path: Path) -> None:
    rows = made_up_dialogues(150, seed=4)
    path = write_log(tmp_path / "log.jsonl", [*rows, "{broken", {"messages": []}, {"messages": []}])
    reading = read_logs([path])
    training, validation = split_dialogues(reading.dialogues)
    report = describe(reading, training, validation)
    assert report.files == reading.hashes
    assert (report.rows, report.rejected, report.dialogues) == (153, 3, 150)
    assert next(iter(report.rejected_by_reason.items())) == ("messages: missing or empty", 2)
    assert (report.messages, report.user_turns, report.labelled_turns) == (900, 450, 450)
    assert (report.training_dialogues, report.validation_dialogues) == (len(training), len(validation))
    in_scope = sum(turns.training + turns.validation for turns in report.labels.values())
    assert in_scope + report.out_of_scope_turns == 450
    assert set(report.labels) == {"search", "cart_add", "ask_policy", "accept"}
    assert report.languages == {"en": 150}
    assert (report.conflicts, report.leaks, report.left_out, report.long_turns) == (0, 0, 0, 0)
    assert report.warnings == ()
    assert json.loads(json.dumps(asdict(report)))["labels"]["search"]["training"] == report.labels["search"].training
    assert len(report.lines()) == 5
    assert all(len(line) < 200 for line in report.lines())


def test_labels_are_counted_by_part_and_the_imbalance_is_that_of_training() -> None:
    dialogues = [
        single(0, "show me tents", "search"),
        single(1, "any blue kettle", "search", "refine"),
        single(2, "who is the president", "out_of_scope"),
        single(3, "a lamp for the desk", "search"),
        single(4, "the cheaper one", "refine"),
        single(5, "hello there", "greet"),
    ]
    report = described(dialogues, cut=4)
    assert report.labels == {
        "search": LabelTurns(3, 0, 0),
        "refine": LabelTurns(1, 1, 0),
        "greet": LabelTurns(0, 1, 0),
    }
    assert report.imbalance == 3
    assert report.out_of_scope_turns == 1
    assert report.rare_labels == {"greet": 1, "refine": 2, "search": 3}
    assert report.unlearnt_labels == ("greet",)
    assert warned(report, "'greet' has no turn in training")
    assert warned(report, "'greet' has 1 turn")
    assert warned(report, "'refine', 'search' have fewer than 5 turns")


def test_labels_written_in_two_ways_are_named_and_not_merged() -> None:
    names = ["Refund", "refund", "cafe\u0301", "caf\u00e9", "cart_add", "cart add", "search"]
    report = described([single(number, f"text number {number}", name) for number, name in enumerate(names)])
    assert set(report.label_variants) == {
        ("Refund", "refund"),
        ("cafe\u0301", "caf\u00e9"),
        ("cart add", "cart_add"),
    }
    assert len(report.labels) == 7
    assert warned(report, "'Refund', 'refund' are trained as different labels")


def conversation(number: int, reply: str, text: str, label: str) -> Dialogue:
    return Dialogue(
        str(number),
        (Message("user", f"opening {number}"), Message("assistant", reply), Message("user", text, (label,))),
    )


def test_one_input_under_two_labels_is_a_conflict_and_one_text_is_ambiguous() -> None:
    opening = (Message("user", "hi"), Message("assistant", "shall I add it?"))
    dialogues = [
        Dialogue("0", (*opening, Message("user", "Yes", ("accept",)))),
        Dialogue("1", (*opening, Message("user", "yes", ("accept",)))),
        Dialogue("2", (*opening, Message("user", "yes ", ("thank",)))),
        conversation(3, "more of these?", "yes", "refine"),
        single(4, "the red one", "search"),
        single(5, "the red one", "refine"),
    ]
    report = described(dialogues, cut=5)
    assert report.duplicate_turns == 1
    assert report.conflicts == 2
    assert report.conflict_examples == (
        Conflict("Yes", {"accept": 2, "thank": 1}),
        Conflict("the red one", {"search": 1, "refine": 1}),
    )
    assert report.ambiguous_texts == 2
    assert warned(report, "2 inputs stand under different labels")


def test_at_most_twenty_conflicts_are_shown() -> None:
    dialogues = [
        single(number, f"text {'abcdefghijklmnopqrstuvwxyz'[number // 2]}", f"label {number % 2}")
        for number in range(52)
    ]
    report = described(dialogues, cut=40)
    assert report.conflicts == 26
    assert [each.text for each in report.conflict_examples][:2] == ["text a", "text b"]
    assert len(report.conflict_examples) == 20


def test_leaks_between_marked_parts_are_counted_and_left_out() -> None:
    tent, lamp = "a blue tent for four people with a bag", "two red lamps for the desk in my room please"
    dialogues = [
        single(0, tent, "search", split="train"),
        single(1, f"{tent}!", "search", split="validation"),
        single(2, lamp, "search", split="train"),
        single(3, lamp.upper(), "search", split="test"),
        single(4, "where is the order that I placed last week", "order_status", split="train"),
        single(5, "hello there and good morning", "greet", split="validation"),
    ]
    report = described(dialogues)
    assert (report.leaks, report.leaked_ids) == (2, ("1", "3"))
    assert report.left_out == 2
    assert (report.training_dialogues, report.validation_dialogues, report.test_dialogues) == (1, 2, 1)
    assert (report.near_duplicate_groups, report.near_duplicates) == (2, 2)
    assert warned(report, "2 dialogues marked validation or test nearly repeat one for training")


def test_languages_are_those_of_the_log_or_else_of_the_words() -> None:
    dialogues = [
        single(0, "hola", "greet", language="es-MX"),
        single(1, "show me a kettle", "search"),
        single(2, "我想找一个水壶", "search"),
        single(3, "Добрый день, где мой заказ", "order_status"),
    ]
    assert described(dialogues).languages == {"es": 1, "en": 1, "zh": 1, "other": 1}


def test_turns_that_the_model_would_cut_are_counted() -> None:
    dialogues = [single(0, "word " * 61, "search"), single(1, "word " * 59, "search"), single(2, "水" * 81, "search")]
    assert described(dialogues).long_turns == 2
    assert about_tokens("a kettle 水壶") == 5


def test_an_empty_log_and_one_without_labels_say_so() -> None:
    for dialogues in ([], [single(0, "hello")]):
        report = described(dialogues)
        assert report.imbalance is None
        assert report.warnings == ("No user turn is labelled: give `intents` on user turns.",)
        assert report.lines()


@pytest.mark.parametrize(
    ("dialogues", "warning"),
    [
        ([single(number, f"text {number:b}", "search") for number in range(9)], "The only label is 'search'"),
        ([single(number, f"i want {number}", "ab"[number % 2]) for number in range(9)], "No labelled turn is held out"),
        ([single(number, f"{number:b}", "a", split="test") for number in range(9)], "No dialogue is left for training"),
        (
            [
                single(number, f"text {number:b}", f"label {number % 3}", split=("", "val")[number > 27])
                for number in range(30)
            ],
            "Validation has 2 turns for 3 labels",
        ),
    ],
)
def test_what_makes_no_model_or_a_bad_one_is_warned_of(dialogues: list[Dialogue], warning: str) -> None:
    dialogues = [Dialogue(each.id, each.messages, each.split.replace("val", "validation")) for each in dialogues]
    assert warned(described(dialogues), warning)


def test_two_hundred_labels_do_not_flood_the_terminal() -> None:
    dialogues = [single(number, f"text {number:b} {number:o}", f"label {number}") for number in range(200)]
    report = described(dialogues, cut=150)
    assert len(report.labels) == 200
    assert sum(map(len, report.lines())) < 1500
    assert warned(report, "and 195 more have 1 turn")


def test_reasons_that_differ_in_numbers_are_one_and_ids_are_redacted() -> None:
    problems = [RowProblem(line, f"messages[{line}].role: unknown", "{}") for line in range(1, 8)]
    tent = "a blue tent for four people with a bag"
    leaks = [Dialogue("jo.doe@example.org", (Message("user", tent, ("search",)),), "test"), single(1, tent, "search")]
    report = describe(Reading(dialogues=leaks, problems=problems, rows=9), leaks[1:], [])
    assert report.rejected_by_reason == {"messages[N].role: unknown": 7}
    assert report.leaked_ids == ("REDACTED_EMAIL",)
