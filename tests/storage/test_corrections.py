"""What agents say of the intents of their customers' turns; on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from storage.consent import Consent
from storage.conversations import Turn, append, conversation, start
from storage.corrections import LONGEST_NAME, MOST_INTENTS, PANEL, correct_intent, corrections_of
from storage.database import Database
from storage.errors import Forbidden, InvalidInput, NotFound
from storage.labels import Label, labels_by_turn, put_labels, request_labels, training_conversations, turn_key_of
from storage.personal import delete_rows
from storage.principal import Principal, Role
from storage.tables import conversations, labels
from storage.tickets import hand_to_team

ALICE = Principal("alice", Role.CUSTOMER)
MIA = Principal("mia", Role.AGENT, "support")
OTHER_TEAM = Principal("tom", Role.AGENT, "sales")
SUPERVISOR = Principal("sue", Role.SUPERVISOR)
ENGINEER = Principal("eve", Role.ENGINEER)


@pytest.fixture
def talk(database: Database) -> str:
    """A conversation of Alice's with two turns of hers, m1 and m2, which the team "support" may see."""
    talk = start(database, ALICE)
    said = [("user", "m1", "where is it"), ("assistant", "a1", "Which one?"), ("user", "m2", "my parcel")]
    append(database, ALICE, talk, [Turn(role=role, message_id=id, content=text) for role, id, text in said])  # type: ignore[arg-type]
    hand_to_team(database, ALICE, talk, "support")
    return talk


def given(database: Database, talk: str) -> dict[str, tuple[tuple[str, ...], str, str]]:
    found = corrections_of(database, SUPERVISOR, talk)
    return {message: (label.intents, label.labelled_by, label.source) for message, label in found.items()}


def test_the_last_correction_counts_and_becomes_a_label(database: Database, talk: str) -> None:
    first = correct_intent(database, MIA, talk, "m1", ["search"])
    changed = conversation(database, MIA, talk).updated_at
    assert correct_intent(database, SUPERVISOR, talk, "m1", ["search"]) == first, "who said it first is kept"
    assert conversation(database, MIA, talk).updated_at == changed
    correct_intent(database, SUPERVISOR, talk, "m1", [" order_status ", "complaint", "order_status"])
    correct_intent(database, MIA, talk, "m2", ["refine"])
    assert conversation(database, MIA, talk).updated_at > changed, "other windows are told"
    assert given(database, talk) == {
        "m1": (("order_status", "complaint"), "sue", PANEL),
        "m2": (("refine",), "mia", PANEL),
    }
    assert corrections_of(database, MIA, talk) == corrections_of(database, SUPERVISOR, talk)
    assert labels_by_turn(database, ENGINEER) == {
        turn_key_of(message): label for message, label in corrections_of(database, MIA, talk).items()
    }


def test_files_of_labels_and_agents_write_the_same_row(database: Database, talk: str) -> None:
    key = turn_key_of("m1")
    request_labels(database, ENGINEER, {key: "m1"})
    assert corrections_of(database, MIA, talk) == {}
    correct_intent(database, MIA, talk, "m1", ["search"])
    assert put_labels(database, ENGINEER, {key: ["order_status"]}, "a.csv").replaced[key].labelled_by == "mia"
    assert given(database, talk) == {"m1": (("order_status",), "eve", "a.csv")}
    correct_intent(database, MIA, talk, "m1", ["complaint"])
    assert given(database, talk) == {"m1": (("complaint",), "mia", PANEL)}


class TestWhoMay:
    @pytest.mark.parametrize("role", [Role.CUSTOMER, Role.ENGINEER, Role.ADMIN, Role.SERVICE])
    def test_only_those_at_the_desk(self, database: Database, talk: str, role: Role) -> None:
        who = Principal("alice", role)
        with pytest.raises(Forbidden):
            correct_intent(database, who, talk, "m1", ["search"])
        with pytest.raises(Forbidden):
            corrections_of(database, who, talk)

    def test_another_teams_conversation_looks_like_none(self, database: Database, talk: str) -> None:
        told = set()
        for name in (talk, "no-such-talk"):
            for act in (
                lambda name: correct_intent(database, OTHER_TEAM, name, "m1", ["search"]),
                lambda name: corrections_of(database, OTHER_TEAM, name),
            ):
                with pytest.raises(NotFound) as error:
                    act(name)
                told.add(str(error.value).replace(name, "X"))
        assert len(told) == 1
        assert labels_by_turn(database, ENGINEER) == {}

    def test_a_conversation_that_nobody_handed_over_is_the_supervisors(self, database: Database) -> None:
        talk = start(database, ALICE)
        append(database, ALICE, talk, [Turn(role="user", message_id="m9", content="hi")])
        with pytest.raises(NotFound):
            correct_intent(database, MIA, talk, "m9", ["greet"])
        assert isinstance(correct_intent(database, SUPERVISOR, talk, "m9", ["greet"]), Label)

    def test_only_the_customers_turns_of_that_conversation(self, database: Database, talk: str) -> None:
        other = start(database, ALICE)
        append(database, ALICE, other, [Turn(role="user", message_id="elsewhere", content="hi")])
        for message in ("a1", "elsewhere", "none"):
            with pytest.raises(NotFound, match="of the customer's"):
                correct_intent(database, MIA, talk, message, ["search"])


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "names no intent"),
        (["  ", ""], "names no intent"),
        ([f"label {number}" for number in range(MOST_INTENTS + 1)], "for one message"),
        (["x" * (LONGEST_NAME + 1)], "is no intent's name"),
    ],
)
def test_what_is_no_correction_changes_nothing(database: Database, talk: str, names: list[str], problem: str) -> None:
    correct_intent(database, MIA, talk, "m1", ["search"])
    with pytest.raises(InvalidInput, match=problem):
        correct_intent(database, MIA, talk, "m1", names)
    assert given(database, talk) == {"m1": (("search",), "mia", PANEL)}


def test_it_goes_with_its_conversation(database: Database, talk: str) -> None:
    correct_intent(database, MIA, talk, "m1", ["search"])
    with database.write() as connection:
        delete_rows(connection, "alice")
        assert connection.execute(select(labels)).all() == []
    with pytest.raises(NotFound):
        corrections_of(database, MIA, talk)


def test_a_narrower_choice_of_training_conversations_asks_for_consent_as_well(database: Database, talk: str) -> None:
    def read(default: Consent) -> list[str]:
        mine = conversations.c.team == "support"
        return [each.conversation_id for each in training_conversations(database, ENGINEER, default, mine)]

    append(database, ALICE, start(database, ALICE), [Turn(role="user", content="not handed over")])
    assert read(Consent(train=True)) == [talk]
    assert read(Consent(train=False)) == []
