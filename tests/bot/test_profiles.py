"""Profiles that are kept in memory say what a replay says, whoever wrote the events."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event as listening

from bot import profiles
from bot.profiles import Profiles
from retrieval.profile import MOST_EVENTS, Meanings, PriceLevels, Profile
from storage.beliefs import hide_belief
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import NotFound
from storage.event import Event, parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.tables import events
from tests.retrieval.behavior import DAY, NOW, SHOP

LEVELS = PriceLevels.of_products(SHOP.values())
ALICE = Principal("alice", Role.CUSTOMER)
BACKEND = Principal("shop", Role.SERVICE)


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "now_ms", lambda: NOW)


@pytest.fixture
def meanings() -> Meanings:
    return Meanings(SHOP.get, LEVELS)


@pytest.fixture
def kept(database: Database) -> Profiles:
    return Profiles(database, Consent())


def viewed(number: int, item: str, user: str = "alice", **fields: Any) -> Event:
    row = {"event_id": f"e{number}", "event": "view_item", "user_id": user, "timestamp": NOW - 1_000 * number}
    return parse_event(row | {"items": [{"item_id": item}]} | fields)


def fresh(database: Database, meanings: Meanings) -> Profile:
    return Profiles(database, Consent()).of(ALICE, "alice", meanings)


def test_each_batch_is_in_the_next_profile(database: Database, kept: Profiles, meanings: Meanings) -> None:
    assert kept.of(ALICE, "alice", meanings).empty
    batches = [[1, 5, 9], [2], [900, 3], [1, 9]]  # late ones and repeated ones too
    for batch in batches:
        record_events(database, ALICE, [viewed(number, f"p{number % 8 + 1}") for number in batch])
        assert kept.of(ALICE, "alice", meanings) == fresh(database, meanings)
    assert len(kept.of(ALICE, "alice", meanings).recent) == 6


def test_only_what_is_new_is_read(database: Database, kept: Profiles, meanings: Meanings) -> None:
    record_events(database, ALICE, [viewed(number, "p1") for number in range(300)])
    kept.of(ALICE, "alice", meanings)
    asked: list[str] = []
    rows: list[int] = []

    def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    listening.listen(database.engine, "after_cursor_execute", count)
    record_events(database, ALICE, [viewed(301, "p2")])
    asked.clear()
    rows.append(len(kept.of(ALICE, "alice", meanings).interests["item", "p1"].events))
    assert rows == [300]
    assert not any("ORDER BY events.timestamp" in statement for statement in asked), "no replay"
    listening.remove(database.engine, "after_cursor_execute", count)


def test_what_is_hidden_or_withdrawn_holds_at_once(database: Database, kept: Profiles, meanings: Meanings) -> None:
    record_events(database, ALICE, [viewed(number, "p1") for number in range(5)])
    assert kept.of(ALICE, "alice", meanings).strength("brand", "Acme") > 0
    hide_belief(database, ALICE, "alice", "brand", "acme")
    assert kept.of(ALICE, "alice", meanings).strength("brand", "Acme") == 0
    set_consent(database, ALICE, "alice", Consent(personalize=False))
    assert kept.of(ALICE, "alice", meanings).empty
    set_consent(database, ALICE, "alice", Consent())
    assert kept.of(ALICE, "alice", meanings).strength("category", "Trail shoes") > 0


def test_who_is_erased_is_forgotten_at_once(database: Database, kept: Profiles, meanings: Meanings) -> None:
    record_events(database, ALICE, [viewed(number, "p1") for number in range(5)])
    assert not kept.of(ALICE, "alice", meanings).empty
    with database.write() as connection:
        connection.execute(events.delete())
    assert kept.of(ALICE, "alice", meanings).empty


def test_another_catalog_is_another_profile(database: Database, kept: Profiles, meanings: Meanings) -> None:
    record_events(database, ALICE, [viewed(1, "p1"), viewed(2, "p7")])
    assert kept.of(ALICE, "alice", meanings).strength("category", "Tents") > 0
    half = Meanings({"p1": SHOP["p1"]}.get, LEVELS)
    assert {value for kind, value in kept.of(ALICE, "alice", half).interests if kind == "item"} == {"p1"}
    assert kept.of(ALICE, "alice", meanings) == fresh(database, meanings), "they came back"


def test_many_events_are_as_the_newest(database: Database, kept: Profiles, meanings: Meanings) -> None:
    few = [viewed(number, f"p{number % 8 + 1}", timestamp=NOW - DAY - 7_000 * number) for number in range(MOST_EVENTS)]
    old = [
        viewed(10_000 + number, "p7", timestamp=NOW - 90 * DAY - 7_000 * number) for number in range(2 * MOST_EVENTS)
    ]
    record_events(database, ALICE, few)
    before = kept.of(ALICE, "alice", meanings)
    record_events(database, ALICE, old)
    assert kept.of(ALICE, "alice", meanings) == fresh(database, meanings) == before


def test_one_shopper_never_gets_anothers(database: Database, kept: Profiles, meanings: Meanings) -> None:
    record_events(database, BACKEND, [viewed(1, "p1"), viewed(2, "p7", user="bob")])
    assert kept.of(BACKEND, "bob", meanings).strength("brand", "Acme") == 0
    kept.of(BACKEND, "alice", meanings)
    with pytest.raises(NotFound):
        kept.of(Principal("bob", Role.CUSTOMER), "alice", meanings)


def test_those_who_came_last_are_kept(
    database: Database, kept: Profiles, meanings: Meanings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "SHOPPERS", 2)
    record_events(database, BACKEND, [viewed(number, "p1", user=f"u{number}") for number in range(5)])
    for _ in range(2):
        for number in range(5):
            assert not kept.of(BACKEND, f"u{number}", meanings).empty
    assert len(kept._kept) == 2
