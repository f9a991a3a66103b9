"""Slates and what followed them: with consent then and now, in order, thumbs included, and dirt as it was logged."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sqlalchemy import update

from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import Forbidden
from storage.event import parse_event
from storage.events import record_events
from storage.feedback import put_feedback
from storage.principal import Principal, Role
from storage.slates import Audience, Response, ShownCard, ShownSlate, training_slates
from storage.tables import event_items

ENGINEER = Principal("ada", Role.ENGINEER)
BACKEND = Principal("shop", Role.SERVICE)
START = 1_700_000_000_000
NONE, ALL = Consent(), Consent(train=True)


def record(db: Database, *rows: dict[str, Any]) -> None:
    base = {"user_id": "u", "consent": {"train": True}}
    events = [parse_event({"event_id": f"e{number}"} | base | row) for number, row in enumerate(rows)]
    assert record_events(db, BACKEND, events).rejected == ()


def shown(slate_id: str, at: int, *items: str, **more: Any) -> dict[str, Any]:
    cards = [
        {
            "item_id": item,
            "slate_id": slate_id,
            "position": place,
            "propensity": 0.5,
            "policy_version": "v",
            "index": place,
        }
        for place, item in enumerate(items)
    ]
    return {"event": "recommendation_shown", "timestamp": START + at, "items": cards, **more}


def did(event: str, item: str, at: int, **more: Any) -> dict[str, Any]:
    return {"event": event, "items": [{"item_id": item}], "timestamp": START + at, **more}


def read(db: Database, default: Consent = NONE) -> list[Audience]:
    return list(training_slates(db, ENGINEER, default))


def test_slates_and_what_followed_by_user_and_time(database: Database) -> None:
    record(
        database,
        did("purchase", "a", 9),
        did("view_item", "b", 5),
        shown("s1", 1, "a", "b"),
        did("remove_from_cart", "a", 6),
        did("search", "a", 7),
        did("view_item", "a", 5, user_id="never shown anything"),
        shown("s2", 3, "c", user_id="v"),
    )

    def card(item_id: str, place: int) -> ShownCard:
        return ShownCard(item_id, position=place, propensity=0.5, index=place, price=None)

    assert read(database) == [
        Audience(
            "u",
            [
                ShownSlate(
                    "s1",
                    START + 1,
                    "v",
                    (card("a", 0), card("b", 1)),
                )
            ],
            [Response("view_item", "b", None, START + 5), Response("purchase", "a", None, START + 9)],
        ),
        Audience("v", [ShownSlate("s2", START + 3, "v", (card("c", 0),))], []),
    ]


def test_only_with_consent_then_and_now(database: Database) -> None:
    no = {"train": False}
    record(
        database,
        shown("s1", 1, "a"),
        shown("s2", 2, "a", consent=no),
        did("purchase", "a", 3, consent=no),
        did("view_item", "a", 4),
        shown("s3", 5, "a", user_id="withdrew"),
        shown("s4", 6, "a", user_id="never agreed", consent=no),
    )
    set_consent(database, BACKEND, "withdrew", NONE)
    (audience,) = read(database)
    assert [slate.slate_id for slate in audience.slates] == ["s1"]
    assert [response.event for response in audience.responses] == ["view_item"]


def test_thumbs_of_both_kinds(database: Database) -> None:
    feedback = {"event": "recommendation_feedback", "timestamp": START + 5}
    item = {"items": [{"item_id": "a", "slate_id": "s1"}]}
    record(
        database,
        shown("s1", 1, "a", "b"),
        {**feedback, **item, "value": 1},
        {**feedback, **item, "value": 0},
        {**feedback, **item},
    )
    conversation = start(database, BACKEND, "u")
    message = Turn(role="assistant", content="Here")
    append(database, BACKEND, conversation, [message])
    put_feedback(database, BACKEND, message.message_id, "b", "down")
    put_feedback(database, BACKEND, message.message_id, None, "down")
    (audience,) = read(database)
    assert [response.up for response in audience.responses] == [True, False, None], (
        "nobody said that thumbs may be used"
    )
    (audience,) = read(database, ALL)
    assert [(each.item_id, each.slate_id, each.up) for each in audience.responses][3:] == [
        ("b", message.message_id, False)
    ]


def test_dirt_is_read_as_it_is(database: Database) -> None:
    row = shown("s1", 1, "a", "b")
    row["items"][0].update(position="first", propensity=7, index=-1)
    record(database, row, {"event": "recommendation_shown", "timestamp": START, "items": []})
    (audience,) = read(database)
    assert audience.slates[0].cards[0] == ShownCard("a", None, None, None, None)
    with database.write() as connection:
        connection.execute(update(event_items).values(propensity=math.nan))
    (audience,) = read(database)
    found = audience.slates[0].cards[1].propensity
    assert found is None or math.isnan(found), "SQLite has no NaN, PostgreSQL does"


def test_only_those_who_train_read_it(database: Database) -> None:
    for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.SERVICE):
        with pytest.raises(Forbidden):
            list(training_slates(database, Principal("x", role), ALL))
