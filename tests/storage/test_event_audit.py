"""What is wrong with many events together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from storage.bots import MOST_ACTS
from storage.database import Database
from storage.event import CLOCK_SKEW_MS, EARLIEST_MS, Event, parse_event
from storage.event_audit import (
    LONGEST_DWELL_MS,
    EventAudit,
    Findings,
    clean_batch,
    date_problem,
    unknown_share,
)
from storage.events import popularity, record_events
from storage.principal import Principal

NOON = 1_767_323_045_000
MINUTE = 60_000


def did(number: int, at: int = 0, name: str = "view_item", **fields: Any) -> Event:
    row: dict[str, Any] = {"event_id": f"e{number}", "event": name, "timestamp": NOON + at, "user_id": "alice"}
    return parse_event(row | {"session_id": "s", "items": [{"item_id": "p1"}]} | fields)


def audited(events: Sequence[Event]) -> Findings:
    audit = EventAudit()
    for event in events:
        audit.add(event)
    return audit.findings()


def test_nothing_is_wrong_with_nothing() -> None:
    found = audited([])
    assert (found.users, found.first, found.bots, found.dwell.known) == (0, None, (), 0)
    assert found.repeated.tolist() == []
    assert clean_batch([]) == ([], [], 0)


@pytest.mark.parametrize(
    ("timestamp", "problem"),
    [
        (NOON, None),
        (NOON + CLOCK_SKEW_MS, None),
        (NOON + CLOCK_SKEW_MS + 1, "future"),
        (EARLIEST_MS, None),
        (EARLIEST_MS - 1, "no date"),
        (0, "no date"),
    ],
)
def test_dates_that_cannot_be(timestamp: int, problem: str | None) -> None:
    said = date_problem(timestamp, NOON)
    assert said is None if problem is None else problem in str(said)


def test_the_same_under_another_id_is_repeated_and_the_first_stays() -> None:
    one = did(1)
    other = [
        did(2, user_id="bob"),
        did(3, at=1),
        did(4, name="add_to_cart"),
        did(5, items=[{"item_id": "p2"}]),
        did(6, session_id="t"),
        did(7, items=[{"item_id": "p1", "quantity": 2}]),
        did(8, name="search", search_term="tent", items=[]),
        did(9, name="search", search_term="tents", items=[]),
    ]
    again = [did(20), did(21), did(4, name="add_to_cart"), did(22, name="search", search_term="tent", items=[])]
    events = [one, *other, *again]
    found = audited(events)
    assert [events[place].event_id for place in range(len(events)) if found.repeated[place]] == ["e20", "e21", "e22"]
    clean, places, repeated = clean_batch(events)
    assert repeated == 3
    assert [events[place] for place in places] == clean
    assert [event.event_id for event in clean].count("e4") == 2, "the same id twice is for the database to tell"


class TestDwell:
    def impossible(self, *events: Event) -> list[str]:
        found = audited(events)
        return [event.event_id for event, bad in zip(events, found.impossible, strict=True) if bad]

    def test_hours_are_no_look(self) -> None:
        assert self.impossible(did(1, dwell_ms=LONGEST_DWELL_MS), did(2, at=9**9, dwell_ms=LONGEST_DWELL_MS + 1)) == [
            "e2"
        ]

    def test_a_look_must_fit_before_or_after(self) -> None:
        """Whether the event is written when a look begins or when it ends is the shop's choice."""
        visit = [did(1), did(2, at=10_000, dwell_ms=25_000), did(3, at=30_000)]
        assert self.impossible(*visit) == ["e2"]
        assert self.impossible(visit[0], did(2, at=10_000, dwell_ms=20_000), visit[2]) == [], "before the next"
        assert self.impossible(did(1), did(2, at=25_000, dwell_ms=25_000), visit[2]) == [], "since the last"
        assert self.impossible(*visit[1:]) == [], "the first of a session may have begun whenever"
        assert self.impossible(*visit[:2]) == [], "and the last may have gone on"

    def test_disorder_and_other_sessions_change_nothing(self) -> None:
        visit = [did(3, at=30_000), did(1), did(2, at=10_000, dwell_ms=25_000)]
        assert self.impossible(*visit, did(4, at=11_000, session_id="t")) == ["e2"]
        apart = [
            did(1, session_id="a"),
            did(2, at=10_000, dwell_ms=25_000, session_id="b"),
            did(3, at=30_000, session_id="c"),
        ]
        assert self.impossible(*apart) == []
        assert self.impossible(*[each.model_copy(update={"session_id": None}) for each in visit]) == []

    def test_a_repeated_event_is_no_neighbour(self) -> None:
        assert self.impossible(did(1), did(2, at=20_000, dwell_ms=15_000), did(9, at=20_000, dwell_ms=15_000)) == []

    def test_it_becomes_null_and_the_event_stays(self) -> None:
        clean, _, _ = clean_batch([did(1), did(2, at=10_000, dwell_ms=25_000), did(3, at=30_000)])
        assert [event.dwell_ms for event in clean] == [None, None, None]
        assert len(clean) == 3

    def test_its_distribution_leaves_the_impossible_out(self) -> None:
        looks = [did(number, at=number * 200_000, dwell_ms=(number + 1) * 1_000) for number in range(100)]
        dwell = audited([*looks, did(500, at=9**9, dwell_ms=LONGEST_DWELL_MS + 5), did(501, at=9**9 + 1)]).dwell
        assert (dwell.known, dwell.impossible, dwell.p50) == (100, 1, 50.5)
        assert dwell.missing_share == pytest.approx(2 / 102)


class TestBots:
    def burst(self, user: str, count: int, span: int, items: int = 20) -> list[Event]:
        start = -NOON % 3_600_000  # a full hour, so that no span is cut
        return [
            did(
                number,
                start + number * span // count,
                user_id=user,
                event_id=f"{user}{number}",
                items=[{"item_id": f"p{number % items}"}],
            )
            for number in range(count)
        ]

    def test_too_many_in_a_minute_or_an_hour(self) -> None:
        events = [
            *self.burst("fast", MOST_ACTS[MINUTE] + 1, MINUTE),
            *self.burst("keen", MOST_ACTS[MINUTE], MINUTE),
            *self.burst("steady", MOST_ACTS[60 * MINUTE] + 1, 60 * MINUTE),
        ]
        found = audited(events)
        assert [(bot.user_id, bot.acts, bot.minutes) for bot in found.bots] == [("steady", 401, 60), ("fast", 101, 1)]
        assert found.bot_events == 502

    def test_what_is_no_act_is_not_counted(self) -> None:
        lists = [each.model_copy(update={"event": "view_item_list"}) for each in self.burst("x", 500, MINUTE)]
        assert audited(lists).bots == ()

    def test_bots_make_nothing_popular(self, database: Database, backend: Principal) -> None:
        record_events(database, backend, self.burst("fast", MOST_ACTS[MINUTE] + 1, MINUTE))
        record_events(database, backend, self.burst("steady", MOST_ACTS[60 * MINUTE] + 1, 60 * MINUTE))
        assert popularity(database) == {}
        record_events(database, backend, [did(1, user_id="person")])
        record_events(database, backend, self.burst("keen", MOST_ACTS[MINUTE], MINUTE, items=1))
        assert popularity(database) == {"p1": 1.0, "p0": 1.0}


def test_what_is_far_above_the_rest_is_counted() -> None:
    sales = [did(number, number, name="purchase", value=1_000 + number, currency="USD") for number in range(200)]
    odd = did(900, 900, name="purchase", value=10_000_000, currency="USD")
    assert audited([*sales, odd]).odd_values == 1
    yen = did(901, 901, name="purchase", value=10_000_000, currency="JPY")
    assert audited([*sales, yen]).odd_values == 0, "another currency is another scale"
    assert audited([did(1, items=[{"item_id": "p", "quantity": 5_000}])]).odd_quantities == 1


def test_items_that_the_catalog_lacks() -> None:
    found = audited([did(1), did(2, 1), did(3, 2, items=[{"item_id": "gone"}]), did(4, 3, items=[])])
    assert found.without_items == 1
    share, named = unknown_share(found.items, lambda item_id: item_id == "p1")
    assert share == pytest.approx(1 / 3)
    assert named == ("gone",)
    assert unknown_share(audited([]).items, lambda _: True) == (None, ())
