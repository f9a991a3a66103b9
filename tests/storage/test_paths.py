"""Paths to learn from: of those who allow it, then and now, in order, with nothing in them that is not needed."""

from __future__ import annotations

from typing import Any

import pytest

from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Forbidden
from storage.event import parse_event
from storage.events import record_events
from storage.paths import training_paths
from storage.principal import Principal, Role

ENGINEER, BACKEND = Principal("ada", Role.ENGINEER), Principal("shop", Role.SERVICE)
START = 1_700_000_000_000


def record(db: Database, *rows: dict[str, Any]) -> None:
    base = {"event": "view_item", "consent": {"train": True}, "timestamp": START}
    events = [parse_event({"event_id": f"e{number}"} | base | row) for number, row in enumerate(rows)]
    assert record_events(db, BACKEND, events).rejected == ()


def test_by_user_and_time_with_their_items(database: Database) -> None:
    record(
        database,
        {"user_id": "v", "timestamp": START + 5, "items": [{"item_id": "b"}, {"item_id": "a"}], "dwell_ms": 9},
        {"user_id": "u", "event": "search", "search_term": "a private matter", "session_id": "s"},
        {"user_id": "v", "timestamp": START + 1, "items": [{"item_id": "c"}]},
    )
    found = list(training_paths(database, ENGINEER))
    assert [user for user, _ in found] == ["u", "v"]
    (search,), looks = (events for _, events in found)
    assert (search.event, search.session_id, search.items) == ("search", "s", ())
    assert [[item.item_id for item in event.items] for event in looks] == [["c"], ["b", "a"]]
    assert looks[1].dwell_ms == 9
    assert "private" not in repr(found)


def test_only_with_consent_then_and_now(database: Database) -> None:
    record(
        database,
        {"user_id": "no", "consent": {"train": False}},
        {"user_id": "silent", "consent": None},
        {"user_id": "withdrawn"},
        {"user_id": "yes"},
    )
    withdrawn = Principal("withdrawn", Role.CUSTOMER)
    set_consent(database, withdrawn, "withdrawn", Consent(train=False))
    assert [user for user, _ in training_paths(database, ENGINEER)] == ["yes"]


def test_only_who_trains_reads_it(database: Database) -> None:
    for role in (Role.CUSTOMER, Role.AGENT, Role.SERVICE):
        with pytest.raises(Forbidden):
            next(training_paths(database, Principal("x", role)))
