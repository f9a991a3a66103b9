"""Many shoppers as counts: what is not known of one is not known of the crowd."""

from __future__ import annotations

from typing import Any

import pytest

from retrieval.crowd import Crowd, Eyes, crowd_of
from retrieval.profile import Meanings
from storage.behavior import Behavior
from storage.consent import Consent
from storage.event import Event, parse_event
from tests.retrieval.behavior import DAY, NOW, SHOP

EYES = Eyes(Meanings(SHOP.get), lambda item: SHOP[item].categories[-1] if item in SHOP else None, True, lambda _: False)


def did(item: str, age: int, name: str = "view_item", **fields: Any) -> Event:
    row = {"event_id": f"{name}-{item}-{age}", "event": name, "timestamp": NOW - age, "items": [{"item_id": item}]}
    return parse_event(row | fields)


def count(*people: Behavior) -> Crowd:
    return crowd_of(people, EYES, NOW, NOW - 7 * DAY)


def of(*events: Event, hidden: frozenset[tuple[str, str]] = frozenset()) -> Behavior:
    return Behavior(events, True, None, hidden, True)


def test_people_are_counted_once_for_each_of_their_favorites() -> None:
    found = count(of(did("p1", 1_000), did("p3", 2_000)), of(did("p6", 3_000), did("p7", 500)))
    assert found.people == 2
    assert found.categories["Trail shoes"] == 2
    assert found.brands == {"Acme": 2, "Borel": 1}


def test_stages_are_of_those_who_were_there_lately() -> None:
    ready = of(did("p1", 60_000), did("p1", 30_000, "add_to_cart"))
    found = count(ready, of(did("p2", 1_000)), of(did("p2", 8 * DAY)))
    assert found.people == 3
    assert found.stages == {"ready": 1, "browsing": 1}


def test_a_removed_belief_counts_nowhere() -> None:
    assert count(of(did("p2", 1_000), hidden=frozenset({("brand", "Borel")}))).brands == {}


@pytest.mark.parametrize(
    "person",
    [
        of(),
        of(did("p1", 1_000, consent=Consent(personalize=False).model_dump())),
        of(*[did("p1", age) for age in range(150)]),
    ],
    ids=["nothing done", "not willing", "a bot"],
)
def test_who_is_not_known_is_not_counted(person: Behavior) -> None:
    assert count(person) == Crowd(0, {}, {}, {})
