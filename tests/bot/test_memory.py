"""The kept state is the fold, whoever adds turns, and is nobody's but the shopper's."""

from __future__ import annotations

import pytest

from bot import memory
from bot.memory import Memory
from bot.state import fold
from storage.conversations import Turn, append, start, turns_of
from storage.database import Database
from storage.errors import NotFound
from storage.principal import Principal, Role
from tests.bot.conftest import Conversation

ANN = Principal("ann", Role.CUSTOMER)


def test_it_is_the_fold_after_every_turn_whoever_wrote_it(talk: Conversation, database: Database) -> None:
    ours, theirs = Memory(database), Memory(database)
    for number, words in enumerate(["kettles", "not plastic", "cheaper", "headphones", "the second one", "thanks"]):
        talk.say("search" if number in (0, 3) else "refine", words)
        stored = turns_of(database, talk.principal, talk.id or "")
        standing = (ours if number % 2 else theirs).of(talk.principal, talk.id or "")
        assert standing.state == fold(stored)
        assert standing.count == len(stored)
        assert list(standing.recent) == stored[-memory.RECENT :]
    append(database, talk.principal, talk.id or "", [Turn(role="agent", content="Hello, I am Sam.")])
    assert ours.of(talk.principal, talk.id or "").recent[-1].role == "agent"


def test_only_what_is_new_is_read(talk: Conversation, database: Database) -> None:
    talk.say("search", "kettles")
    stored = turns_of(database, talk.principal, talk.id or "")
    assert turns_of(database, talk.principal, talk.id or "", after=1) == stored[1:]
    assert turns_of(database, talk.principal, talk.id or "", after=2) == []


def test_what_is_kept_is_no_way_around_the_owner(database: Database) -> None:
    kept = Memory(database)
    conversation = start(database, ANN)
    append(database, ANN, conversation, [Turn(role="user", content="hi")])
    assert kept.of(ANN, conversation).count == 1
    with pytest.raises(NotFound):
        kept.of(Principal("bob", Role.CUSTOMER), conversation)


def test_the_oldest_fall_out_and_are_folded_anew(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT", 2)
    kept = Memory(database)
    talks = [start(database, ANN) for _ in range(4)]
    for each in talks:
        append(database, ANN, each, [Turn(role="user", content="hi")])
    assert [kept.of(ANN, each).count for each in (*talks, *talks)] == [1] * 8
    assert len(kept._kept) == 2
