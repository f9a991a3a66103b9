"""What people chose after a search: in its session, in time, and only with the consent to train."""

from __future__ import annotations

from typing import Any

import pytest

from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Forbidden
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.searches import WITHIN_MS, Choice, training_choices

ENGINEER = Principal("ada", Role.ENGINEER)
BACKEND = Principal("shop", Role.SERVICE)
START = 1_700_000_000_000


def record(db: Database, *rows: dict[str, Any]) -> None:
    events = [
        parse_event({"event_id": f"e{number}", "session_id": "s", "user_id": "u", "consent": {"train": True}} | row)
        for number, row in enumerate(rows)
    ]
    assert record_events(db, BACKEND, events).rejected == ()


def search(text: str, at: int, **more: Any) -> dict[str, Any]:
    return {"event": "search", "search_term": text, "timestamp": START + at, **more}


def chose(event: str, item: str, at: int, **more: Any) -> dict[str, Any]:
    return {"event": event, "items": [{"item_id": item}], "timestamp": START + at, **more}


def test_what_was_chosen_belongs_to_the_search_before_it(database: Database) -> None:
    record(
        database,
        chose("view_item", "before", 0),
        search("tent", 1),
        chose("select_item", "t1", 2),
        chose("purchase", "t2", 3),
        search("lamp", 4),
        chose("view_item", "l1", 5),
        chose("remove_from_cart", "l2", 6),
        chose("view_item", "late", 5 + WITHIN_MS),
        chose("view_item", "elsewhere", 7, session_id="other"),
    )
    assert list(training_choices(database, ENGINEER)) == [
        Choice("u", "tent", "t1", "select_item", START + 1),
        Choice("u", "tent", "t2", "purchase", START + 1),
        Choice("u", "lamp", "l1", "view_item", START + 4),
    ]


def test_only_with_consent_then_and_now(database: Database) -> None:
    record(
        database,
        search("secret", 1, user_id="private", consent={"train": False}),
        chose("view_item", "a", 2, user_id="private", consent={"train": False}),
        search("tent", 3, user_id="withdrew"),
        chose("view_item", "b", 4, user_id="withdrew"),
        search("lamp", 5, user_id="agreed"),
        chose("view_item", "c", 6, user_id="agreed"),
    )
    set_consent(database, BACKEND, "withdrew", Consent(train=False))
    assert [choice.user_id for choice in training_choices(database, ENGINEER)] == ["agreed"]


def test_only_who_trains_may_read_them(database: Database) -> None:
    with pytest.raises(Forbidden):
        list(training_choices(database, Principal("agent", Role.AGENT)))
