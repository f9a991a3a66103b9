"""A shopper's behavior read as a stream, on both databases."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from storage.behavior import Behavior, Cursor, Wanted, behavior_of
from storage.beliefs import hide_belief
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import NotFound
from storage.event import Event, parse_event
from storage.events import record_events
from storage.principal import Principal
from storage.tables import events

NOON = 1_767_323_045_000
WANTED = Wanted(frozenset({"view_item", "purchase"}), NOON - 1_000_000, 5)


def did(number: int, name: str = "view_item", user: str = "alice", **fields: Any) -> Event:
    row = {"event_id": f"e{number}", "event": name, "timestamp": NOON + number, "user_id": user}
    return parse_event(row | {"items": [{"item_id": f"p{number}"}]} | fields)


def read(db: Database, who: Principal, after: Cursor | None = None, wanted: Wanted = WANTED) -> Behavior:
    return behavior_of(db, who, "alice", wanted, NOON + 1_000, Consent(), after)


def ids(found: Behavior) -> list[str]:
    return sorted(event.event_id for event in found.events)


def test_a_shopper_without_events(database: Database, alice: Principal) -> None:
    assert read(database, alice) == Behavior((), True, None, frozenset(), True)


def test_the_newest_that_count_are_read_whole(database: Database, alice: Principal) -> None:
    record_events(database, alice, [did(number) for number in range(8)])
    record_events(
        database, alice, [did(20, "recommendation_shown"), did(21, timestamp=NOON + 2_000), did(22, "search")]
    )
    record_events(database, alice, [did(23, timestamp=NOON - 2_000_000)])
    found = read(database, alice)
    assert found.whole
    assert ids(found) == ["e3", "e4", "e5", "e6", "e7"]
    assert all(event.items[0].item_id == f"p{event.event_id[1:]}" for event in found.events)


def test_events_of_one_instant_are_cut_by_id_alone(database: Database, alice: Principal) -> None:
    names = ["b", "B", "a", "ä", "Z", "_", "10", "9"]
    for name in names:  # in whatever order they were written
        record_events(database, alice, [did(0, event_id=name)])
    assert ids(read(database, alice)) == sorted(names)[-5:]


def test_only_what_came_since_is_read_next(database: Database, alice: Principal, backend: Principal) -> None:
    record_events(database, alice, [did(number) for number in range(3)])
    first = read(database, alice)
    again = read(database, alice, first.cursor)
    assert (again.whole, again.events, again.cursor) == (False, (), first.cursor)
    late = did(50, timestamp=NOON - 500_000)
    record_events(database, backend, [did(9, user="bob"), late, did(51, "search"), did(1)])
    since = read(database, alice, first.cursor)
    assert (since.whole, ids(since)) == (False, ["e50"]), "late ones are new, others' and repeated ones are not"
    assert since.cursor != first.cursor
    assert read(database, alice, since.cursor).events == ()


def test_more_than_counts_is_read_whole(database: Database, alice: Principal) -> None:
    record_events(database, alice, [did(0)])
    first = read(database, alice)
    record_events(database, alice, [did(number) for number in range(1, 6)])
    assert not read(database, alice, first.cursor).whole
    record_events(database, alice, [did(6)])
    found = read(database, alice, first.cursor)
    assert found.whole
    assert ids(found) == ["e2", "e3", "e4", "e5", "e6"]


def test_who_was_erased_is_read_anew(database: Database, alice: Principal) -> None:
    record_events(database, alice, [did(number) for number in range(3)])
    cursor = read(database, alice).cursor
    with database.write() as connection:
        connection.execute(events.delete().where(events.c.user_id == "alice"))
    gone = read(database, alice, cursor)
    assert (gone.whole, gone.events, gone.cursor) == (True, (), None)
    record_events(database, alice, [did(number) for number in range(100, 105)])  # SQLite gives the same numbers again
    anew = read(database, alice, cursor)
    assert anew.whole
    assert len(anew.events) == 5


def test_what_was_hidden_and_agreed_to_comes_with_it(database: Database, alice: Principal) -> None:
    record_events(database, alice, [did(1), did(2, consent={"personalize": False})])
    cursor = read(database, alice).cursor
    assert [event.consent and event.consent.personalize for event in read(database, alice).events] == [False, True]
    hide_belief(database, alice, "alice", "brand", "Acme")
    set_consent(database, alice, "alice", Consent(personalize=False))
    found = read(database, alice, cursor)
    assert found.hidden == {("brand", "Acme")}
    assert not found.personalize


def test_another_sees_nobody(database: Database, alice: Principal, mallory: Principal) -> None:
    record_events(database, alice, [did(1)])
    with pytest.raises(NotFound):
        read(database, mallory)


def test_a_reader_misses_nothing_of_many_writers(database: Database, backend: Principal) -> None:
    """Rows are seen in the order of their numbers: a lower one never turns up behind the cursor."""
    wanted = Wanted(WANTED.kinds, WANTED.since, 10_000)
    seen: set[str] = set()
    writers, each = 4, 40

    def write(writer: int) -> None:
        for number in range(each):
            record_events(database, backend, [did(writer * 1_000 + number), did(writer * 1_000 + 500 + number)])

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    cursor: Cursor | None = None
    busy = True
    while busy:
        busy = any(thread.is_alive() for thread in threads)
        found = behavior_of(database, backend, "alice", wanted, NOON + 100_000, Consent(), cursor)
        assert found.whole == (cursor is None)
        cursor = found.cursor
        seen |= {event.event_id for event in found.events}
    for thread in threads:
        thread.join()
    assert len(seen) == writers * each * 2
