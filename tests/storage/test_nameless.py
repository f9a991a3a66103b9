"""Reads over everybody for figures: by role, without ids, and only of those who agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from storage.behavior import Crowd, Wanted, nameless_behaviors
from storage.beliefs import hide_belief
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Forbidden
from storage.event import Event, parse_event
from storage.events import record_events
from storage.principal import FIGURES, Principal, Role
from storage.purchases import nameless_buyers
from storage.slates import nameless_slates

NOON = 1_767_323_045_000
ADMIN = Principal("ann", Role.ADMIN)
SHOP = Principal("shop", Role.SERVICE)
ALL = Consent(train=True)


def did(user: str, number: int, name: str = "view_item", **fields: Any) -> Event:
    row = {
        "event_id": f"e{number}",
        "event": name,
        "timestamp": NOON + number,
        "user_id": user,
        "search_term": "secret",
    }
    return parse_event(
        row | {"items": [{"item_id": f"p{number}", "slate_id": "s"}], "consent": ALL.model_dump()} | fields
    )


READS: dict[str, Callable[[Database, Principal], Iterable[Any]]] = {
    "behaviors": lambda db, who: nameless_behaviors(
        db,
        who,
        Crowd(frozenset({"view_item"}), NOON, 3),
        Wanted(frozenset({"view_item"}), NOON - 100, 2),
        NOON + 99,
        ALL,
    ),
    "buyers": lambda db, who: nameless_buyers(db, who, ALL, NOON + 99),
    "slates": lambda db, who: nameless_slates(db, who, ALL, NOON),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("role", Role)
def test_only_those_who_may_see_figures_read(
    database: Database, role: Role, read: Callable[[Database, Principal], Iterable[Any]]
) -> None:
    record_events(
        database, SHOP, [did("alice", 1), did("alice", 2, "purchase"), did("alice", 3, "recommendation_shown")]
    )
    who = Principal("alice", role)
    if role not in FIGURES:
        with pytest.raises(Forbidden):
            list(read(database, who))
    else:
        found = list(read(database, who))
        assert len(found) == 1
        assert "alice" not in str(found)
        assert "secret" not in str(found)


def test_the_latest_people_with_their_newest_events(database: Database) -> None:
    record_events(
        database,
        SHOP,
        [
            did("a", -50),
            did("a", 1),
            did("a", 2),
            did("b", 5),
            did("c", 3),
            did("d", 4),
            did("old", -1),
            did("a", 99_999),
        ],
    )
    hide_belief(database, Principal("b", Role.CUSTOMER), "b", "brand", "Acme")
    found = sorted(
        ([event.event_id for event in each.events], sorted(each.hidden)) for each in READS["behaviors"](database, ADMIN)
    )
    assert found == [(["e3"], []), (["e4"], []), (["e5"], [("brand", "Acme")])]


def test_of_one_the_newest_are_read_with_their_consent(database: Database) -> None:
    record_events(database, SHOP, [did("a", number, consent={"personalize": number != 3}) for number in (1, 2, 3)])
    (found,) = READS["behaviors"](database, ADMIN)
    assert [(each.event_id, each.consent.personalize, each.user_id) for each in found.events] == [
        ("e2", True, None),
        ("e3", False, None),
    ]


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_who_withdrew_is_in_none(database: Database, read: Callable[[Database, Principal], Iterable[Any]]) -> None:
    record_events(database, SHOP, [did("a", 1), did("a", 2, "purchase"), did("a", 3, "recommendation_shown")])
    set_consent(database, SHOP, "a", Consent(personalize=False))
    assert list(read(database, ADMIN)) == []


def test_slates_before_the_instant_are_not_read(database: Database) -> None:
    record_events(database, SHOP, [did("a", -1, "recommendation_shown"), did("a", 1, "recommendation_shown")])
    (found,) = nameless_slates(database, ADMIN, ALL, NOON)
    assert [each.timestamp for each in found.slates] == [NOON + 1]
