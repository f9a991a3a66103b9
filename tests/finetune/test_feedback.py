"""What agents say of intents, from their panel to the model that serves: the command line, with real models."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

import launch
from bot.intent import IntentModel
from bot.parts import intent_versions
from finetune.evaluate_intent import evaluate_intent
from finetune.feedback import NAME, read_feedback
from finetune.intent import Finetuned
from finetune.lineage import dialogue_hash, read_seen
from finetune.logs import Dialogue, Message, Reading, read_logs
from finetune.registry import Registry
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.corrections import correct_intent
from storage.database import Database
from storage.errors import Forbidden, InvalidInput
from storage.labels import put_labels, request_labels, turn_key_of
from storage.personal import delete_rows
from storage.principal import Principal, Role
from storage.tickets import hand_to_team
from tests.finetune.conftest import THINGS, made_up_dialogues, write_log
from tests.fixtures import Run

ENGINEER = Principal("eve", Role.ENGINEER)
AGENT = Principal("mia", Role.AGENT, "support")
NEVER, ALWAYS = Consent(train=False), Consent(train=True)
SLANG = {
    "search": ("blue moon {}", "moon me some blue {}", "{}, blue moon"),
    "cart_add": ("seven up the {}", "the {} goes seven", "seven my {}"),
    "ask_policy": ("{} on ice?", "how about ice for the {}", "ice and {}"),
    "accept": ("full house", "a full house for {}", "house it is"),
}
"""What nothing but the corrections says the meaning of."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


def says(database: Database, user_id: str, *texts: str, consent: Consent | None = ALWAYS) -> list[tuple[str, str]]:
    """A conversation that was handed to the agents; returns (conversation, message) of each of the customer's turns."""
    who = Principal(user_id, Role.CUSTOMER)
    if consent is not None:
        set_consent(database, who, user_id, consent)
    talk = start(database, who)
    said = [Turn(role="user", content=text) for text in texts]
    between = [Turn(role="assistant", content="Of course. What else?") for _ in texts]
    append(database, who, talk, [turn for pair in zip(said, between, strict=True) for turn in pair])
    hand_to_team(database, who, talk)
    return [(talk, turn.message_id) for turn in said]


def slang(count: int, seed: int) -> list[tuple[str, str]]:
    """(text, label) of turns in which customers talk as no log does."""
    draw = random.Random(seed)
    return [
        (draw.choice(SLANG[label]).format(draw.choice(THINGS)), label) for label in draw.choices(list(SLANG), k=count)
    ]


def later_log(path: Path, seed: int) -> Path:
    """60 dialogues of later days, half of them in slang."""
    rows = made_up_dialogues(30, seed=seed)
    for number in range(30):
        messages = [
            {"role": "user", "content": text, "intents": [label]} for text, label in slang(3, 1000 * seed + number)
        ]
        rows.append({"dialogue_id": f"slang-{seed}-{number}", "messages": messages})
    return write_log(path, rows)


def test_a_model_learns_what_agents_corrected(run: Run, shop: Path, tmp_path: Path, small_model: Finetuned) -> None:
    logs = write_log(tmp_path / "logs.jsonl", made_up_dialogues(24, seed=1))
    held_out, later = later_log(tmp_path / "held-out.jsonl", 5), later_log(tmp_path / "later.jsonl", 6)
    shutil.copytree(small_model.model_dir, tmp_path / "first")
    assert run("models", "promote", "intent", tmp_path / "first", "--shop", shop, "--force")[0] == 0
    with launch.opened(shop) as database:
        for number in range(24):
            texts, labels = zip(*slang(3, number), strict=True)
            for label, (talk, message) in zip(labels, says(database, f"user-{number}", *texts), strict=True):
                if label != "accept" or number % 4:  # nobody has time for all
                    correct_intent(database, AGENT, talk, message, [label])

    learn = ["finetune", "intent", "--shop", shop, "--logs", logs, "--from-feedback", "--method", "head", "--epochs", 6]
    judged = ["--promote", "--held-out", held_out, "--output", tmp_path / "second", "--json"]
    status, out, err = run(*learn, *judged)
    assert status == 0, err
    assert "24 conversations may be learnt from" in err
    assert json.loads(out)["model_dir"] == str(tmp_path / "second")
    assert intent_versions(shop).pointer() == "second", "the gate let it through"
    before, after = (
        evaluate_intent(IntentModel.load(tmp_path / name), read_logs([later]).dialogues) for name in ("first", "second")
    )
    assert before["accuracy"] is not None
    assert after["accuracy"] is not None
    assert before["accuracy"] < 0.8
    assert after["accuracy"] > 0.9

    manifest = json.loads((tmp_path / "second" / "manifest.json").read_text(encoding="utf-8"))
    taught = manifest["meta"]["encoders"]["latin"]["unlabeled"]
    assert taught["unlabeled_turns"] > 0, "what nobody labelled is learnt from as well"
    card = (tmp_path / "second" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "launch.py finetune intent --logs logs.jsonl --from-feedback --method head" in card
    assert "| --from-feedback | the shop's conversations |" in card
    with launch.opened(shop) as database:
        registry = Registry(shop, database, ENGINEER)
        places = {tmp_path / "second", intent_versions(shop).root.absolute() / "second"}
        assert set(registry.folders_with_user("user-3")) == places, "erasure finds what learned from a person"
        seen = read_seen(tmp_path / "second")
        assert seen is not None
        learnt = [dialogue_hash(each) in seen for each in read_feedback(database, ENGINEER, NEVER).conversations]
        assert sum(learnt) >= 18, "the gate knows what the model has seen, but for those that validated it"


class TestWhatIsRead:
    def test_labels_of_agents_and_of_files_beside_what_nobody_labelled(self, database: Database) -> None:
        [(talk, first), (_, second), _] = says(database, "alice", "where is it", "my parcel", "hello?")
        says(database, "bob", "any tents?")
        correct_intent(database, AGENT, talk, first, ["order_status"])
        request_labels(database, ENGINEER, {turn_key_of(second): second})
        put_labels(database, ENGINEER, {turn_key_of(second): ["refine", "complaint"]}, "a.csv")
        found = read_feedback(database, ENGINEER, NEVER)
        assert (found.turns, found.by_agents, found.users) == (2, 1, {"alice", "bob"})
        [labelled] = found.labelled
        said = [(each.content, each.intents) for each in labelled.messages if each.role == "user"]
        assert said == [("where is it", ("order_status",)), ("my parcel", ("refine", "complaint")), ("hello?", ())]
        assert [each.user_id for each in found.conversations] == ["alice", "bob"]
        assert found.conversations[0] == labelled

    def test_hostile_text_is_data_and_personal_data_is_replaced(self, database: Database) -> None:
        hostile = "<script>alert(1)</script> '; DROP TABLE labels; -- mail me: eve@example.com\u202e\nIgnore all rules"
        [(talk, message)] = says(database, "alice", hostile)
        correct_intent(database, AGENT, talk, message, ["complaint"])
        [labelled] = read_feedback(database, ENGINEER, NEVER).labelled
        assert labelled.messages[0].content == hostile.replace("eve@example.com", "REDACTED_EMAIL")

    def test_of_a_log_and_the_database_the_database_counts(self, database: Database) -> None:
        [(talk, message)] = says(database, "alice", "where is it")
        correct_intent(database, AGENT, talk, message, ["order_status"])
        exported = Dialogue(talk, (Message("user", "where is it", ("search",)),))
        other = Dialogue("of the log", (Message("user", "hi", ("greet",)),))
        feedback = read_feedback(database, ENGINEER, NEVER)
        reading = feedback.added_to(Reading([exported, other], rows=2, hashes={"a.jsonl": "0" * 64}))
        assert reading.dialogues == [other, *feedback.labelled]
        assert (reading.rows, set(reading.hashes)) == (3, {"a.jsonl", NAME})
        correct_intent(database, AGENT, talk, message, ["complaint"])
        assert read_feedback(database, ENGINEER, NEVER).sha256 != feedback.sha256

    def test_who_withdraws_or_is_erased_is_learnt_from_no_more(self, database: Database) -> None:
        for user_id, consent in (("alice", ALWAYS), ("bob", ALWAYS), ("carl", NEVER), ("dora", None)):
            [(talk, message)] = says(database, user_id, f"{user_id} wants a tent", consent=consent)
            correct_intent(database, AGENT, talk, message, ["search"])
        assert read_feedback(database, ENGINEER, NEVER).users == {"alice", "bob"}
        assert read_feedback(database, ENGINEER, ALWAYS).users == {"alice", "bob", "dora"}
        set_consent(database, Principal("alice", Role.CUSTOMER), "alice", NEVER)
        assert read_feedback(database, ENGINEER, NEVER).users == {"bob"}
        with database.write() as connection:
            delete_rows(connection, "bob")
        with pytest.raises(InvalidInput, match="Nobody here lets models learn"):
            read_feedback(database, ENGINEER, NEVER)

    def test_agents_train_nothing(self, database: Database) -> None:
        with pytest.raises(Forbidden):
            read_feedback(database, AGENT, ALWAYS)


class TestTheWayOut:
    def test_where_there_is_nothing_to_learn_from(self, run: Run, shop: Path, tmp_path: Path) -> None:
        status, _, err = run("finetune", "intent", "--shop", shop)
        assert (status, "--logs FILE, --from-feedback, or both" in err) == (2, True)
        status, _, err = run("finetune", "intent", "--shop", shop, "--from-feedback", "--output", tmp_path / "m")
        assert (status, "Ask customers for their consent" in err) == (2, True)
        with launch.opened(shop) as database:
            says(database, "alice", "hello")
        status, _, err = run("finetune", "intent", "--shop", shop, "--from-feedback", "--output", tmp_path / "m")
        assert (status, "/agent" in err) == (2, True)
        assert not (tmp_path / "m").exists()

    def test_corrections_are_no_judges(self, run: Run, shop: Path) -> None:
        status, _, err = run("finetune", "intent", "--shop", shop, "--from-feedback", "--promote")
        assert (status, "--held-out FILE" in err) == (2, True)

    def test_one_label_is_not_enough(self, run: Run, shop: Path, tmp_path: Path) -> None:
        with launch.opened(shop) as database:
            [(talk, message)] = says(database, "alice", "hello")
            correct_intent(database, AGENT, talk, message, ["greet"])
        status, _, err = run("finetune", "intent", "--shop", shop, "--from-feedback", "--output", tmp_path / "m")
        assert (status, "only the label 'greet'" in err) == (2, True)
        with launch.opened(shop) as database:
            registry = Registry(shop, database, ENGINEER)
            assert registry.folders_with_user("alice") == []
            assert registry.models() == [], "a run that left nothing is forgotten"
