from __future__ import annotations

import multiprocessing
import random
import threading
from typing import Any

import pytest

from storage.consent import Consent, consent_of, set_consent
from storage.database import Database
from storage.errors import Forbidden, InvalidInput, NotFound
from storage.event import Event, parse_event, read_event
from storage.events import events_of, popularity, record_events
from storage.principal import Principal, Role

NOON = 1_767_323_045_000
GOOD: dict[str, Any] = {"event_id": "e", "event": "view_item", "timestamp": NOON}


def view(number: int, user_id: str | None = None, at: int | None = None, **fields: Any) -> Event:
    row = {"event_id": f"e{number}", "event": "view_item", "timestamp": NOON + number * 1000 if at is None else at}
    return parse_event(row | {"user_id": user_id, "items": [{"item_id": f"p{number}", "quantity": 2}]} | fields)


class TestRecord:
    def test_what_was_written_is_read_back_whole(self, database: Database, alice: Principal) -> None:
        event = parse_event(
            {
                "event_id": "e1",
                "event": "recommendation_shown",
                "user_id": "alice",
                "session_id": "s1",
                "timestamp": "2026-01-02T03:04:05+00:00",
                "items": [
                    {
                        "item_id": "p1",
                        "price": 1299,
                        "index": 0,
                        "slate_id": "s",
                        "position": 0,
                        "propensity": 0.25,
                        "policy_version": "v1",
                    },
                    {"item_id": "电饭煲-1"},
                ],
                "value": 1299,
                "currency": "USD",
                "search_term": "跑步鞋 👟",
                "dwell_ms": 1500,
                "consent": {"answer": True, "personalize": False, "train": True},
            }
        )
        record_events(database, alice, [event])
        assert events_of(database, alice, "alice") == [event]

    def test_the_same_events_again_change_nothing(self, database: Database, alice: Principal) -> None:
        batch = [view(number) for number in range(700)]
        assert record_events(database, alice, batch).accepted == 700
        again = record_events(database, alice, [*batch, view(1000), view(1000)])
        assert (again.accepted, again.duplicates, again.rejected) == (1, 701, ())
        read = events_of(database, alice, "alice")
        assert len(read) == 701
        assert all(len(event.items) == 1 for event in read)

    def test_late_and_disordered_events_are_read_in_order(self, database: Database, alice: Principal) -> None:
        order = list(range(50))
        random.Random(3).shuffle(order)
        for number in order:
            record_events(database, alice, [view(number)])
        record_events(database, alice, [view(99, at=NOON - 1)])
        read = events_of(database, alice, "alice")
        assert [event.event_id for event in read] == ["e99", *(f"e{number}" for number in range(50))]

    def test_limit_takes_the_newest_and_since_cuts_the_old(self, database: Database, alice: Principal) -> None:
        record_events(database, alice, [view(number) for number in range(20)])
        newest = events_of(database, alice, "alice", limit=3)
        assert [event.event_id for event in newest] == ["e17", "e18", "e19"]
        late = events_of(database, alice, "alice", since=NOON + 18_000)
        assert [event.event_id for event in late] == ["e18", "e19"]

    def test_a_customer_writes_only_their_own(self, database: Database, alice: Principal, mallory: Principal) -> None:
        recorded = record_events(database, mallory, [view(1, "alice"), view(2), view(3, "mallory")])
        assert recorded.accepted == 2
        assert [index for index, _ in recorded.rejected] == [0]
        assert events_of(database, alice, "alice") == []

    def test_nobody_can_block_anothers_event_id(
        self, database: Database, alice: Principal, mallory: Principal, backend: Principal
    ) -> None:
        record_events(database, mallory, [view(1)])
        assert record_events(database, backend, [view(1, "alice")]).accepted == 1
        assert len(events_of(database, alice, "alice")) == 1

    def test_the_backend_names_whose_event_it_is(self, database: Database, backend: Principal) -> None:
        recorded = record_events(database, backend, [view(1), view(2, "bob"), view(3, "eve")])
        assert recorded.accepted == 2
        assert recorded.rejected == ((0, "user_id: required from the shop's backend"),)

    def test_a_visitor_writes_under_the_id_of_the_cookie(self, database: Database) -> None:
        visitor = Principal("anon-x1", Role.CUSTOMER, anonymous=True)
        record_events(database, visitor, [view(1)])
        assert [event.user_id for event in events_of(database, visitor, "anon-x1")] == ["anon-x1"]

    def test_other_roles_write_none(self, database: Database) -> None:
        for role in (Role.AGENT, Role.SUPERVISOR, Role.ENGINEER, Role.ADMIN):
            with pytest.raises(Forbidden):
                record_events(database, Principal("x", role), [view(1)])

    def test_events_of_another_look_as_if_there_were_none(self, database: Database, mallory: Principal) -> None:
        with pytest.raises(NotFound):
            events_of(database, mallory, "alice")

    def test_an_empty_batch_is_fine(self, database: Database, alice: Principal) -> None:
        assert record_events(database, alice, []).accepted == 0


class TestConsent:
    def test_absent_consent_is_the_persons_choice_else_the_shops(self, database: Database, alice: Principal) -> None:
        record_events(database, alice, [view(1)])
        record_events(database, alice, [view(2)], Consent(personalize=False))
        set_consent(database, alice, "alice", Consent(answer=True, personalize=False, train=True))
        record_events(
            database, alice, [view(3), view(4, consent={"answer": True, "personalize": True, "train": False})]
        )
        found = [event.consent for event in events_of(database, alice, "alice")]
        assert found == [Consent(), Consent(personalize=False), Consent(personalize=False, train=True), Consent()]

    def test_the_last_choice_counts_and_others_cannot_see_it(
        self, database: Database, alice: Principal, mallory: Principal
    ) -> None:
        default = Consent(train=True)
        assert consent_of(database, alice, "alice", default) == default
        set_consent(database, alice, "alice", Consent(train=True))
        set_consent(database, alice, "alice", Consent(personalize=False))
        assert consent_of(database, alice, "alice", default) == Consent(personalize=False)
        with pytest.raises(NotFound):
            consent_of(database, mallory, "alice", default)
        with pytest.raises(NotFound):
            set_consent(database, mallory, "alice", Consent())


class TestPopularity:
    def test_people_count_and_not_their_clicks(self, database: Database, backend: Principal) -> None:
        rows = [("a", "view_item", "p1"), ("b", "view_item", "p1"), ("b", "purchase", "p1"), ("b", "search", "p9")]
        rows += [("a", "view_item", "p2")] * 50
        batch = [
            parse_event({"event_id": f"{n}", "event": e, "user_id": u, "timestamp": NOON, "items": [{"item_id": i}]})
            for n, (u, e, i) in enumerate(rows)
        ]
        record_events(database, backend, batch)
        assert popularity(database) == {"p1": 7.0, "p2": 1.0}


class TestParse:
    def test_optional_fields_that_are_broken_become_null_and_are_named(self) -> None:
        row = GOOD | {
            "value": "12.50",
            "currency": "dollars",
            "dwell_ms": -4,
            "item_list_name": "GA4 sends this",
            "items": [{"item_id": "p1", "price": 9.99, "item_brand": "x"}, {"price": 3}, "junk", {"item_id": 17}],
        }
        event, dropped = read_event(row)
        assert (event.value, event.currency, event.dwell_ms) == (None, None, None)
        assert [(item.item_id, item.price) for item in event.items] == [("p1", None), ("17", None)]
        assert set(dropped) == {"value", "currency", "dwell_ms", "items.0.price", "items.1.item_id", "items.2"}

    @pytest.mark.parametrize(
        "change",
        [
            {"event_id": ""},
            {"event_id": None},
            {"event": "scroll"},
            {"timestamp": "yesterday"},
            {"timestamp": float("nan")},
            {"timestamp": True},
            {"timestamp": -5},
            {"timestamp": 10**30},
            {"event_id": "x" * 201},
            {"event_id": "a\nb"},
        ],
    )
    def test_required_fields_are_required(self, change: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            parse_event(GOOD | change)

    @pytest.mark.parametrize(
        "timestamp",
        [NOON, NOON // 1000, str(NOON), "2026-01-02T03:04:05Z", "2026-01-02T11:04:05+08:00", "2026-01-02 03:04:05"],
    )
    def test_instants_are_read_as_shops_write_them(self, timestamp: object) -> None:
        assert parse_event(GOOD | {"timestamp": timestamp}).timestamp == NOON

    def test_text_that_no_database_keeps_is_cleaned(self, database: Database, alice: Principal) -> None:
        event = parse_event(GOOD | {"event": "search", "search_term": "shoes\x00 \ud800 ok"})
        record_events(database, alice, [event])
        assert events_of(database, alice, "alice")[0].search_term == "shoes ? ok"

    def test_items_that_are_no_list_are_dropped(self) -> None:
        event, dropped = read_event(GOOD | {"items": {"item_id": "p1"}})
        assert event.items == ()
        assert dropped == ("items",)


class TestManyWriters:
    def test_threads_never_see_a_locked_database(self, database: Database, backend: Principal) -> None:
        trouble: list[BaseException] = []

        def work(worker: int) -> None:
            try:
                for number in range(15):
                    user = f"u{number % 3}"
                    record_events(database, backend, [view(number * 100 + worker, user)])
                    events_of(database, backend, user)
            except BaseException as error:
                trouble.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert trouble == []
        assert sum(len(events_of(database, backend, f"u{n}")) for n in range(3)) == 8 * 15

    def test_two_threads_that_send_the_same_events_add_them_once(self, database: Database, alice: Principal) -> None:
        batch = [view(number) for number in range(200)]
        counts: list[int] = []
        threads = [
            threading.Thread(target=lambda: counts.append(record_events(database, alice, batch).accepted))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(counts) == 200
        assert len(events_of(database, alice, "alice")) == 200

    def test_processes_share_a_sqlite_file(self, sqlite_url: str, backend: Principal) -> None:
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=_write_many, args=(sqlite_url, worker)) for worker in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0]
        database = Database.open(sqlite_url)
        assert [len(events_of(database, backend, f"u{worker}")) for worker in range(2)] == [60, 60]
        database.close()


def _write_many(url: str, worker: int) -> None:
    database = Database.open(url)
    for number in range(60):
        record_events(database, Principal("shop", Role.SERVICE), [view(number, f"u{worker}")])
    database.close()
