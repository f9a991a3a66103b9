"""What agents answered, as pairs to learn from; on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from storage import suggestions, tickets
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import Forbidden
from storage.personal import delete_rows
from storage.principal import Principal, Role
from storage.reply_pairs import Began, ReplyPair, reply_pairs
from storage.suggestions import Proposal
from storage.tables import suggestions as suggestion_rows
from storage.tables import turns

MIA = Principal("mia", Role.AGENT, "support")
ENGINEER = Principal("eve", Role.ENGINEER)
YES = Consent(train=True)


def asks(database: Database, user_id: str, *texts: str) -> tuple[str, list[str]]:
    """A conversation that was handed over, with the customer's turns; returns its id and theirs."""
    who = Principal(user_id, Role.CUSTOMER)
    talk = start(database, who)
    said = [Turn(role="user", content=text) for text in texts]
    append(database, who, talk, said)
    tickets.hand_to_team(database, who, talk)
    tickets.claim(database, MIA, talk)
    return talk, [turn.message_id for turn in said]


def answer(database: Database, talk: str, text: str) -> str:
    turn = Turn(role="agent", content=text)
    tickets.answer(database, MIA, talk, turn)
    return turn.message_id


def pairs(database: Database, default: Consent = YES) -> list[ReplyPair]:
    return list(reply_pairs(database, ENGINEER, default))


def test_a_pair_is_what_was_said_until_then_and_the_reply(database: Database) -> None:
    talk, _ = asks(database, "alice", "where is my order?", "write to alice@example.com")
    first = answer(database, talk, "On its way. Call +49 170 1234567 for more.")
    answer(database, talk, "Anything else?")
    append(database, Principal("alice", Role.CUSTOMER), talk, [Turn(role="user", content="谢谢", language="zh")])
    second = answer(database, talk, "不客气。")
    assert pairs(database) == [], "the ticket is open still"
    tickets.close(database, MIA, talk, "resolved")
    found = pairs(database)
    assert [(each.message_id, each.language, each.reply) for each in found] == [
        (first, "en", "On its way. Call REDACTED_PHONE for more."),
        (second, "zh", "不客气。"),
    ], "the second of two messages in a row answers nothing that the customer said"
    assert [(turn.role, turn.content) for turn in found[1].history] == [
        ("user", "where is my order?"),
        ("user", "write to REDACTED_EMAIL"),
        ("agent", "On its way. Call REDACTED_PHONE for more."),
        ("agent", "Anything else?"),
        ("user", "谢谢"),
    ], "nobody said what the system notes"
    assert {(each.user_id, each.conversation_id, each.code, each.began) for each in found} == {
        ("alice", talk, "resolved", None)
    }


def test_only_what_was_said_in_a_closed_ticket(database: Database) -> None:
    talk, _ = asks(database, "alice", "hello?")
    answer(database, talk, "Hello, I am Mia.")
    tickets.close(database, MIA, talk, "resolved")
    alice = Principal("alice", Role.CUSTOMER)
    append(database, alice, talk, [Turn(role="user", content="one more thing")])
    tickets.hand_to_team(database, alice, talk)
    tickets.claim(database, MIA, talk)
    answer(database, talk, "Not over yet.")
    assert [each.reply for each in pairs(database)] == ["Hello, I am Mia."]


def test_which_suggestion_it_began_as(database: Database) -> None:
    talk, [asked] = asks(database, "alice", "where is it?")
    proposals = [Proposal("reply", "r1", "It is at 10.0.0.1 now."), Proposal("macro", "m1", "We are looking.")]
    used, other = suggestions.show(database, MIA, talk, asked, proposals)
    reply = answer(database, talk, "It is at 10.0.0.1 today.")
    suggestions.mark_sent(database, MIA, talk, used.suggestion_id, "It is at 10.0.0.1 today.")
    append(database, Principal("alice", Role.CUSTOMER), talk, [Turn(role="user", content="and now?")])
    later = answer(database, talk, "Still there.")
    with database.write() as connection:  # two minutes lie between the two answers
        moved = update(suggestion_rows).where(suggestion_rows.c.suggestion_id == used.suggestion_id)
        connection.execute(moved.values(sent_at=suggestion_rows.c.sent_at - 120_000))
        connection.execute(update(turns).where(turns.c.message_id == reply).values(created_at=turns.c.created_at - 1))
    tickets.close(database, MIA, talk, "resolved")
    first, second = pairs(database)
    assert (first.message_id, second.message_id) == (reply, later)
    assert first.began == Began("reply", "r1", "It is at REDACTED_IP now.", 4)
    assert second.began is None
    assert other.sent_at is None


def test_who_never_agreed_or_withdrew_is_not_in_it(database: Database) -> None:
    for user_id in ("alice", "bob"):
        talk, _ = asks(database, user_id, "hello?")
        answer(database, talk, f"Hello {user_id}.")
        tickets.close(database, MIA, talk, "resolved")
    set_consent(database, Principal("alice", Role.CUSTOMER), "alice", YES)
    assert [each.reply for each in pairs(database, Consent(train=False))] == ["Hello alice."]
    set_consent(database, Principal("alice", Role.CUSTOMER), "alice", Consent(train=False))
    assert [each.reply for each in pairs(database)] == ["Hello bob."]
    with database.write() as connection:
        delete_rows(connection, "bob")
    assert pairs(database) == []


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SERVICE])
def test_others_may_not_read_them(database: Database, role: Role) -> None:
    with pytest.raises(Forbidden):
        next(reply_pairs(database, Principal("alice", role, "support"), YES))
