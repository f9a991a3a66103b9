"""From unlabelled dialogues to a log that training reads: the command line, with a real model and both databases."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import launch
from bot.intent import IntentModel
from finetune.candidates import candidates_of, opinion_of
from finetune.intent import Finetuned
from finetune.logs import Dialogue, Message, read_logs
from finetune.registry import Registry
from finetune.turn_keys import keyed, with_labels
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.labels import labels_by_turn
from storage.principal import Principal, Role
from tests.finetune.conftest import made_up_dialogues, write_log
from tests.fixtures import Run

ENGINEER = Principal("eve", Role.ENGINEER)


@pytest.fixture
def shop(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop's folder whose database is one of each kind."""
    monkeypatch.setenv("AISLE_DATABASE_URL", database_url)
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """30 dialogues of which only the first has labels."""
    rows = made_up_dialogues(30, seed=9)
    for row in rows[1:]:
        for message in row["messages"]:
            message.pop("intents", None)
    return write_log(tmp_path / "dialogues.jsonl", rows)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def write_rows(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def test_round_trip_of_log_files(
    run: Run, shop: Path, tmp_path: Path, unlabelled: Path, small_model: Finetuned
) -> None:
    to_label, labelled = tmp_path / "to-label.csv", tmp_path / "labelled.jsonl"
    common = ["label", "--shop", shop, "--model", small_model.model_dir, "--json"]
    status, out, err = run(*common, "--logs", unlabelled, "--count", 8, "--output", to_label)
    assert status == 0, err
    assert json.loads(out)["turns"] == 8
    rows = rows_of(to_label)
    assert len({row["id"] for row in rows}) == 8
    assert "search" in (tmp_path / "to-label.labels.txt").read_text(encoding="utf-8-sig").split()

    # As a person would: another order, a European spreadsheet, some rows left empty, one with two labels.
    for row in rows[:6]:
        row["label"] = "1"
    rows[0]["label"], rows[1]["label"] = "Cart add; search", "oos"
    empty = dict.fromkeys(rows[0], "")
    write_rows(to_label, [*reversed(rows), empty, empty], delimiter=";")
    status, out, err = run(*common, "--answers", to_label)
    assert status == 0, err
    report = json.loads(out)
    assert (report["read"], report["added"], report["empty"], report["rejected"]) == (8, 6, 2, 0)
    again = json.loads(run(*common, "--answers", to_label)[1])
    assert (again["added"], again["unchanged"], again["replaced"]) == (0, 6, 0)

    status, out, err = run(*common, "--logs", unlabelled, "--export", labelled)
    assert status == 0, err
    labelled_turns = json.loads(out)["answers"]
    answered = {row["id"] for row in rows[:6]}
    keys = [key for each in read_logs([unlabelled]).dialogues for key in keyed(each).keys.values()]
    assert labelled_turns == sum(key in answered for key in keys), (
        "what opens several dialogues alike is labelled in each"
    )
    assert answered <= set(keys)
    before, after = read_logs([unlabelled]), read_logs([labelled])
    assert after.problems == []
    assert after.dialogues == [
        each for each in labels_for_file(shop, before.dialogues) if any(message.intents for message in each.messages)
    ]
    given = sorted(message.intents for each in after.dialogues[1:] for message in each.messages if message.intents)
    assert ("cart_add", "search") in given
    assert ("out_of_scope",) in given
    assert len(given) == labelled_turns
    assert after.dialogues[0] == before.dialogues[0], "what the log has stays"


def labels_for_file(shop: Path, dialogues: list[Dialogue]) -> list[Dialogue]:
    with launch.opened(shop) as database:
        labels = labels_by_turn(database, ENGINEER)
    return [with_labels(keyed(dialogue), labels) for dialogue in dialogues]


def test_nothing_is_handed_out_twice(
    run: Run, shop: Path, tmp_path: Path, unlabelled: Path, small_model: Finetuned
) -> None:
    common = ["label", "--shop", shop, "--model", small_model.model_dir, "--logs", unlabelled, "--json"]
    first, second, third = (tmp_path / f"{name}.csv" for name in ("first", "second", "third"))
    left = json.loads(run(*common, "--count", 5, "--output", first)[1])["candidates"]
    assert json.loads(run(*common, "--count", 5, "--output", second)[1])["candidates"] <= left - 5
    ids = {row["id"] for row in rows_of(first)}
    assert not ids & {row["id"] for row in rows_of(second)}
    turns = [row["turn"] for path in (first, second) for row in rows_of(path)]
    assert len(set(turns)) == 10, "no turn is asked twice in another dialogue either"
    rows = rows_of(first)
    rows[0]["label"] = "search"
    write_rows(first, rows)
    assert run("label", "--shop", shop, "--model", small_model.model_dir, "--answers", first)[0] == 0
    run(*common, "--count", 500, "--again", "--output", third)
    offered = {row["id"] for row in rows_of(third)}
    assert rows[0]["id"] not in offered
    assert {row["id"] for row in rows[1:]} <= offered
    assert json.loads(run(*common, "--output", tmp_path / "none.csv")[1]) == {
        "candidates": 0,
        "turns": 0,
        "output": None,
        "labels": None,
    }


def test_round_trip_of_the_database_by_consent(run: Run, shop: Path, tmp_path: Path, small_model: Finetuned) -> None:
    with launch.opened(shop) as database:
        for user_id in ("maya", "noah", "olga"):
            shopper = Principal(user_id, Role.CUSTOMER)
            talk(database, shopper, f"do you sell a {user_id} tent? write to {user_id}@example.com")
        for user_id, train in (("maya", True), ("noah", False)):
            set_consent(database, Principal(user_id, Role.CUSTOMER), user_id, Consent(train=train))
    to_label, labelled = tmp_path / "to-label.csv", tmp_path / "labelled.jsonl"
    common = ["label", "--shop", shop, "--model", small_model.model_dir, "--json"]
    status, _, err = run(*common, "--output", to_label)
    assert status == 0, err
    rows = rows_of(to_label)
    tent = "do you sell a maya tent? write to REDACTED_EMAIL"
    assert {row["turn"] for row in rows} == {"hello there", tent}, "who said no, or nothing, is not in it"
    asked = next(row for row in rows if row["turn"] == tent)
    assert asked["conversation"] == "customer: hello there\nassistant: Good day! What can I find?"
    asked["label"] = "ask_policy"
    write_rows(to_label, rows)
    assert run(*common, "--answers", to_label)[0] == 0
    assert run(*common, "--export", labelled)[0] == 0
    status, _, err = run(*common, "--export", labelled)
    assert status == 1
    assert "is there already" in err
    [dialogue] = read_logs([labelled]).dialogues
    assert [(message.role, message.intents) for message in dialogue.messages] == [
        ("user", ()),
        ("assistant", ()),
        ("user", ("ask_policy",)),
    ]
    assert (dialogue.user_id, dialogue.language) == ("maya", "en")
    with launch.opened(shop) as database:
        registry, trained = Registry(shop, database, ENGINEER), tmp_path / "runs" / "one"
        with registry.run("intent", trained, [labelled]):
            shutil.copytree(small_model.model_dir, trained)
        assert registry.folders_with_user("maya") == [trained], "erasure finds what learned from the export"
        assert registry.folders_with_user("noah") == []
        set_consent(database, Principal("maya", Role.CUSTOMER), "maya", Consent(train=False))
    status, out, err = run(*common, "--export", tmp_path / "later.jsonl")
    assert (status, out) == (2, ""), "who withdrew is in no log from then on"
    assert "No turn here has a label" in err


def talk(database: Database, shopper: Principal, wanted: str) -> None:
    said = [("user", "hello there"), ("assistant", "Good day! What can I find?"), ("user", wanted)]
    turns = [Turn.model_validate({"role": role, "content": content}) for role, content in said]
    append(database, shopper, start(database, shopper), turns)


def test_rows_that_cannot_be_used_are_told_and_kept(
    run: Run, shop: Path, tmp_path: Path, unlabelled: Path, small_model: Finetuned
) -> None:
    to_label = tmp_path / "to-label.csv"
    common = ["label", "--shop", shop, "--model", small_model.model_dir, "--json"]
    run(*common, "--logs", unlabelled, "--count", 30, "--output", to_label)
    rows = rows_of(to_label)
    rows[0]["label"], rows[1]["label"] = "serach", "search"
    write_rows(to_label, rows)
    status, out, err = run(*common, "--answers", to_label)
    assert status == 0, err
    report = json.loads(out)
    assert (report["added"], report["rejected"]) == (1, 1)
    assert "row 2: the label 'serach' is unknown: is it 'search'?" in err
    [kept] = Path(report["rejected_file"]).read_text(encoding="utf-8").splitlines()
    assert json.loads(kept)["line"] == 2
    rows[1]["label"] = "accept"
    write_rows(to_label, rows[1:2])
    report = json.loads(run(*common, "--answers", to_label)[1])
    assert (report["replaced"], report["replaced_of"]) == (1, ["operator, to-label.csv"])
    for row in rows:
        row["label"] = "nonsense"
    write_rows(to_label, rows)
    status, out, err = run(*common, "--answers", to_label)
    assert (status, out) == (3, "")
    assert "--max-rejected" in err
    assert run(*common, "--answers", to_label, "--new-labels")[0] == 0
    assert run(*common, "--answers", to_label)[0] == 0, "a label that was accepted once is known"


@pytest.mark.parametrize(
    "options", [[], ["--output", "a.csv", "--export", "b.jsonl"], ["--answers", "a.csv", "--output", "b.csv"]]
)
def test_one_thing_at_a_time(run: Run, tmp_path: Path, options: list[str]) -> None:
    status, _, err = run("label", "--shop", tmp_path, *options)
    assert status == 2
    assert "--output, --answers and --export" in err


class TestCandidates:
    def test_a_turn_that_nearly_repeats_another_is_left_out(self) -> None:
        said = [
            "do you have a red kettle under 30 dollars please",
            "Do you have a red kettle under 50 dollars, please?",
            "where is the order that i placed last week",
            "do you have the opening hours of the shop in town",
        ]
        seen = Message("user", "where is the order that i placed last week?", ("order_status",))
        logs = [Dialogue(str(number), (Message("user", text),)) for number, text in enumerate(said)]
        found = candidates_of([keyed(each) for each in [Dialogue("seen", (seen,)), *logs]], taken=())
        assert {each.turn for each in found} in [{said[0], said[3]}, {said[1], said[3]}]

    def test_a_short_turn_is_told_apart_by_what_it_answers(self) -> None:
        def yes(question: str) -> Dialogue:
            return Dialogue(question, (Message("assistant", question), Message("user", "yes")))

        asked = ["Shall I put the tent in your cart?", "Do you want to speak to a person?"]
        found = candidates_of([keyed(yes(each)) for each in [*asked, *asked]], taken=())
        assert sorted(each.messages[0].content for each in found) == sorted(asked)

    def test_only_users_who_say_something_are_candidates(self) -> None:
        said = (Message("assistant", "hello"), Message("user", "  "), Message("agent", "anything?"))
        assert candidates_of([keyed(Dialogue("a", said))], taken=()) == []


def test_keys_are_of_what_was_said_and_not_of_its_label() -> None:
    plain = Dialogue("a", (Message("user", "yes"), Message("assistant", "ok"), Message("user", "yes")))
    labelled = Dialogue("b", (Message("user", "yes", ("accept",)), *plain.messages[1:]))
    other = Dialogue("a", (Message("assistant", "yes"), Message("user", "yes")))
    keys = keyed(plain).keys
    assert keys == keyed(labelled).keys
    assert len({*keys.values(), *keyed(other).keys.values()}) == 3


@pytest.fixture(scope="module")
def sayings(small_log: Path) -> list[list[dict[str, object]]]:
    reading = read_logs([small_log])
    return [messages for dialogue in reading.dialogues[:20] for messages, _ in dialogue.labelled()]


def test_the_batch_is_read_as_serving_reads_each_turn(
    small_model: Finetuned, sayings: list[list[dict[str, object]]]
) -> None:
    told: list[tuple[int, int]] = []
    opinion = opinion_of(small_model.model_dir, sayings, lambda *step: told.append(step))
    model = IntentModel.load(small_model.model_dir)
    alone = [model.predict(each) for each in sayings]
    scores = np.array([[each.scores[name] for name in opinion.labels] for each in alone])
    assert np.abs(opinion.probabilities - scores).max() < 0.02
    agree = [bool(mine) == each.out_of_scope for mine, each in zip(opinion.suspected, alone, strict=True)]
    assert np.mean(agree) > 0.95
    assert told[-1] == (len(sayings), len(sayings))


def test_without_answers_logs_stay_as_they_are(database: Database) -> None:
    dialogues = [Dialogue("a", (Message("user", "hi", ("greet",)),))]
    assert [with_labels(keyed(each), labels_by_turn(database, ENGINEER)) for each in dialogues] == dialogues
