"""Who turned to what, for training: in order, only with the consent to train, and never what a bot did."""

from __future__ import annotations

from typing import Any

import pytest

from storage.bots import MOST_ACTS
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Forbidden
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.visits import training_visits

ENGINEER = Principal("ada", Role.ENGINEER)
BACKEND = Principal("shop", Role.SERVICE)
START = 1_700_000_000_000


def record(db: Database, user: str, *rows: tuple[str, int, list[str]], train: bool = True) -> None:
    events = []
    for number, (event, at, items) in enumerate(rows):
        row: dict[str, Any] = {"event_id": f"{user}-{number}", "event": event, "user_id": user, "timestamp": START + at}
        row |= {"items": [{"item_id": item} for item in items], "consent": {"train": train}}
        events.append(parse_event(row))
    assert record_events(db, BACKEND, events).rejected == ()


def test_by_user_and_time_and_only_what_was_turned_to(database: Database) -> None:
    record(
        database,
        "u",
        ("add_to_cart", 5, ["b"]),
        ("view_item", 1, ["a"]),
        ("view_item_list", 2, ["x", "y"]),
        ("search", 3, []),
        ("purchase", 7, ["b", "c"]),
        ("remove_from_cart", 6, ["b"]),
    )
    record(database, "t", ("select_item", 9, ["d"]))
    assert list(training_visits(database, ENGINEER)) == [
        ("t", "d", START + 9),
        ("u", "a", START + 1),
        ("u", "b", START + 5),
        ("u", "b", START + 7),
        ("u", "c", START + 7),
    ]


def test_only_with_consent_then_and_now(database: Database) -> None:
    record(database, "never", ("view_item", 1, ["a"]), train=False)
    record(database, "withdrew", ("view_item", 1, ["a"]))
    record(database, "agrees", ("view_item", 1, ["a"]))
    set_consent(database, Principal("withdrew", Role.CUSTOMER), "withdrew", Consent(train=False))
    assert [user for user, _, _ in training_visits(database, ENGINEER)] == ["agrees"]


def test_a_bot_teaches_nothing(database: Database) -> None:
    fast = MOST_ACTS[60_000]
    record(database, "bot", *(("view_item", 10 * number, [f"i{number}"]) for number in range(fast + 1)))
    record(database, "quick", *(("view_item", 10 * number, [f"i{number}"]) for number in range(fast // 2)))
    assert {user for user, _, _ in training_visits(database, ENGINEER)} == {"quick"}


def test_only_who_may_train(database: Database) -> None:
    for role in (Role.CUSTOMER, Role.SERVICE, Role.AGENT):
        with pytest.raises(Forbidden):
            next(training_visits(database, Principal("x", role)))
