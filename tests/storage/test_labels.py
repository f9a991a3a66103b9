from __future__ import annotations

import pytest
from sqlalchemy import delete, insert

from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import Forbidden, NotFound
from storage.labels import (
    labels_by_turn,
    put_labels,
    request_labels,
    training_conversations,
    turn_to_label,
    turns_to_label,
)
from storage.principal import Principal, Role
from storage.tables import conversations, turns

ENGINEER = Principal("eve", Role.ENGINEER)
NEVER = Consent(train=False)


def talk(database: Database, user_id: str, *said: str) -> list[str]:
    """A conversation of user turns; returns their message ids."""
    who = Principal(user_id, Role.CUSTOMER)
    added = [Turn(role="user", content=text, data={"secret": "size 9"}) for text in said]
    append(database, who, start(database, who), added)
    return [turn.message_id for turn in added]


def consents(database: Database, user_id: str, train: bool) -> None:
    set_consent(database, Principal(user_id, Role.CUSTOMER), user_id, Consent(train=train))


def texts(database: Database, default: Consent = NEVER) -> set[str]:
    return {turn.content for each in training_conversations(database, ENGINEER, default) for turn in each.turns}


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SERVICE])
def test_others_neither_read_nor_label(database: Database, role: Role) -> None:
    who = Principal("alice", role, team="sales")
    request_labels(database, ENGINEER, {"t1": None})
    with pytest.raises(Forbidden):
        next(training_conversations(database, who, NEVER))
    with pytest.raises(Forbidden):
        request_labels(database, who, {"t2": None})
    with pytest.raises(Forbidden):
        put_labels(database, who, {"t1": ["search"]}, "x.csv")
    with pytest.raises(Forbidden):
        labels_by_turn(database, who)
    assert labels_by_turn(database, ENGINEER) == {"t1": None}


class TestConsent:
    def test_only_those_who_agreed_are_read(self, database: Database) -> None:
        for user_id in ("yes", "no", "silent"):
            talk(database, user_id, f"{user_id} said this")
        consents(database, "yes", True)
        consents(database, "no", False)
        assert texts(database) == {"yes said this"}
        assert texts(database, Consent(train=True)) == {"yes said this", "silent said this"}

    def test_who_withdraws_is_read_no_more(self, database: Database) -> None:
        talk(database, "alice", "hello")
        consents(database, "alice", True)
        assert texts(database) == {"hello"}
        consents(database, "alice", False)
        assert texts(database) == set()

    def test_withdrawn_while_somebody_reads(self, database: Database) -> None:
        people = [f"user-{number:03}" for number in range(501)]  # one more than a page
        head = {"team": None, "created_at": 1, "updated_at": 1}
        said = {"number": 1, "role": "user", "content": "hello", "language": "en", "created_at": 1, "data": {}}
        with database.write() as connection:
            connection.execute(insert(conversations), [{"conversation_id": id, "user_id": id, **head} for id in people])
            connection.execute(insert(turns), [{"conversation_id": id, "message_id": id, **said} for id in people])
        reading = training_conversations(database, ENGINEER, Consent(train=True))
        assert next(reading).user_id == "user-000"
        consents(database, "user-500", False)
        assert [each.conversation_id for each in reading] == people[1:500]


def test_conversations_come_oldest_first_redacted_and_without_data(database: Database) -> None:
    [first, second] = talk(database, "alice", "mail me at alice@example.com", "and then?")
    talk(database, "bob", "later")
    read = list(training_conversations(database, ENGINEER, Consent(train=True)))
    assert [each.user_id for each in read] == ["alice", "bob"]
    found = [each.turns for each in read]
    assert [[turn.content for turn in said] for said in found] == [
        ["mail me at REDACTED_EMAIL", "and then?"],
        ["later"],
    ]
    assert [turn.message_id for turn in found[0]] == [first, second]
    assert all(turn.data == {} for said in found for turn in said)


class TestAnswers:
    def test_later_ones_replace_and_repeated_ones_change_nothing(self, database: Database) -> None:
        supervisor = Principal("sue", Role.SUPERVISOR)
        request_labels(database, ENGINEER, {"t1": None, "t2": None, "t3": None})
        first = put_labels(database, ENGINEER, {"t1": ["search", "ask_policy"], "t2": ["greet"]}, "a.csv")
        assert (first.added, first.unchanged, first.replaced) == (2, 0, {})
        before = labels_by_turn(database, ENGINEER)
        again = put_labels(database, supervisor, {"t1": ["search", "ask_policy"], "t2": ["greet"]}, "b.csv")
        assert (again.added, again.unchanged, again.replaced) == (0, 2, {})
        assert labels_by_turn(database, ENGINEER) == before
        changed = put_labels(database, supervisor, {"t1": ["ask_policy", "search"], "t3": ["退货"]}, "b.csv")
        assert (changed.added, changed.unchanged) == (1, 0)
        assert changed.replaced == {"t1": before["t1"]}
        after = labels_by_turn(database, supervisor)
        assert [(each.intents, each.labelled_by, each.source) for each in after.values() if each] == [
            (("ask_policy", "search"), "sue", "b.csv"),
            (("greet",), "eve", "a.csv"),
            (("退货",), "sue", "b.csv"),
        ]

    def test_an_unknown_turn_stores_nothing(self, database: Database) -> None:
        request_labels(database, ENGINEER, {"t1": None})
        with pytest.raises(NotFound, match="t9"):
            put_labels(database, ENGINEER, {"t1": ["search"], "t9": ["search"]}, "a.csv")
        assert labels_by_turn(database, ENGINEER) == {"t1": None}

    def test_handing_out_again_keeps_the_answer(self, database: Database) -> None:
        request_labels(database, ENGINEER, {"t1": None})
        put_labels(database, ENGINEER, {"t1": ["search"]}, "a.csv")
        before = labels_by_turn(database, ENGINEER)
        request_labels(database, ENGINEER, {"t1": None})
        assert labels_by_turn(database, ENGINEER) == before

    def test_a_turn_takes_its_label_with_it(self, database: Database) -> None:
        [message] = talk(database, "alice", "hello")
        request_labels(database, ENGINEER, {"t1": message, "t2": None, "gone": "no-such-message"})
        put_labels(database, ENGINEER, {"t1": ["greet"]}, "a.csv")
        with database.write() as connection:
            connection.execute(delete(conversations).where(conversations.c.user_id == "alice"))
        assert labels_by_turn(database, ENGINEER) == {"t2": None}


class TestToLabel:
    def test_what_was_handed_out_comes_with_what_was_said_before_redacted(self, database: Database) -> None:
        first, second = talk(database, "alice", "my mail is a@b.example", "and where is it?")
        request_labels(database, ENGINEER, {"t1": first})
        request_labels(database, ENGINEER, {"t2": second, "of a file": None})
        found = turns_to_label(database, ENGINEER, Consent(train=True), limit=9)
        assert (found.turns, found.in_files) == (2, 1)
        assert "a@b.example" not in found.first[0].text
        assert found.first[1].text == "and where is it?"
        assert found.first[1].before == (("user", found.first[0].text),)
        put_labels(database, ENGINEER, {"t1": ["search"]}, "review")
        left = turns_to_label(database, ENGINEER, Consent(train=True))
        assert [each.turn_key for each in left.first] == ["t2"]
        again = turn_to_label(database, ENGINEER, Consent(train=True), "t1")
        assert again.label is not None
        assert again.label.intents == ("search",)

    def test_who_does_not_agree_is_not_shown(self, database: Database) -> None:
        (message,) = talk(database, "alice", "hello")
        request_labels(database, ENGINEER, {"t1": message})
        assert turns_to_label(database, ENGINEER, NEVER).turns == 0
        with pytest.raises(NotFound):
            turn_to_label(database, ENGINEER, NEVER, "t1")
        consents(database, "alice", True)
        assert turns_to_label(database, ENGINEER, NEVER).turns == 1

    @pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SERVICE])
    def test_others_see_none(self, database: Database, role: Role) -> None:
        who = Principal("alice", role, team="support")
        with pytest.raises(Forbidden):
            turns_to_label(database, who, Consent(train=True))
        with pytest.raises(Forbidden):
            turn_to_label(database, who, Consent(train=True), "t1")
