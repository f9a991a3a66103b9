"""What is older than its period goes, and nothing else does; a run that is killed is done over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import func, select, update

from storage import retention
from storage.access_log import note
from storage.consent import Consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import Forbidden
from storage.event import parse_event
from storage.events import record_events
from storage.identity import VISITOR_MARK
from storage.orders import Order, put_orders
from storage.personal import KEPT, OWNED, PARTS, export_rows
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.retention import KIND_OF, KINDS, Cleared, as_lines, clear
from storage.settings import DAY_MS, RetentionSettings
from storage.tables import accesses, conversations, metadata, notes, suggestions, tickets
from storage.tickets import hand_to_team
from storage.traces import holds
from tests.storage.people import BACKEND, settle

ADMIN = Principal("boss", Role.ADMIN)
KEEP = dict.fromkeys(RetentionSettings.model_fields, 0)


def only(**days: int) -> RetentionSettings:
    """Periods of these kinds alone."""
    return RetentionSettings.model_validate(KEEP | days)


def after(days: int) -> int:
    """The instant that many days from now."""
    return now_ms() + days * DAY_MS


def counts(database: Database) -> dict[str, int]:
    """Rows by table, those that have any."""
    with database.read() as connection:
        found = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }
    return {name: count for name, count in found.items() if count}


def run(database: Database, folder: Path, settings: RetentionSettings | None, **options: Any) -> Cleared:
    with patch.object(retention, "PAUSE_S", 0):
        return clear(database, ADMIN, folder, settings, **options)


def close_all(database: Database) -> None:
    """Somebody has closed every ticket."""
    with database.write() as connection:
        connection.execute(update(tickets).values(closed_at=now_ms(), contact="maya@example.org"))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "rejected").mkdir(parents=True)
    return folder


def test_every_table_of_people_has_a_kind() -> None:
    personal = {owned.table for owned in (*OWNED, *KEPT)} | set(PARTS)
    assert set(KIND_OF) == personal, "a table that may hold a person's data needs a period: storage/retention.py"
    assert set(KIND_OF.values()) | {"visitors", "rejected"} == set(KINDS)
    assert set(RetentionSettings.model_fields) == set(KINDS) - {"choices"}, "every kind that has a period can be set"


@pytest.mark.parametrize("settings", [None, only()])
def test_what_has_no_period_is_kept(database: Database, shop: Path, settings: RetentionSettings | None) -> None:
    settle(database, "maya")
    settle(database, f"{VISITOR_MARK}1")
    before = counts(database)
    assert run(database, shop, settings, now=after(40_000)).total == 0
    assert counts(database) == before


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        (
            "conversations",
            {"conversations", "turns", "feedback", "labels", "answers", "unanswered", "tickets", "notes", "drafts"}
            | {"suggestions"},
        ),
        ("suggestions", {"suggestions"}),
        ("unanswered", {"unanswered"}),
        ("desk", {"notes", "drafts"}),
        ("events", {"events", "event_items"}),
        ("carts", {"carts", "cart_lines", "cart_requests"}),
        ("contacts", {"contacts"}),
        ("orders", {"orders", "order_items", "order_changes", "customers"}),
        ("audit", {"accesses"}),
    ],
)
def test_a_kind_goes_when_its_days_are_over_and_takes_nothing_else(
    database: Database, shop: Path, kind: str, gone: set[str]
) -> None:
    settle(database, "maya")
    close_all(database)
    before = counts(database)
    assert run(database, shop, only(**{kind: 10}), now=after(9)).total == 0
    assert counts(database) == before
    said = run(database, shop, only(**{kind: 10}), now=after(11), dry_run=True)
    assert counts(database) == before, "a dry run only counts"
    done = run(database, shop, only(**{kind: 10}), now=after(11))
    assert set(before) - set(counts(database)) == gone
    assert all(counts(database)[name] == before[name] for name in set(before) - gone)
    assert done.rows == said.rows
    assert set(done.rows) == {kind}
    assert run(database, shop, only(**{kind: 10}), now=after(11)).total == 0


def test_an_address_that_was_left_goes_and_its_ticket_stays(database: Database, shop: Path) -> None:
    settle(database, "maya")
    close_all(database)
    assert run(database, shop, only(desk=10), now=after(11)).rows["desk"]["tickets"] == 1
    with database.read() as connection:
        (ticket,) = connection.execute(select(tickets)).all()
    assert ticket.contact is None
    assert ticket.closed_at is not None


def test_whoever_waits_for_a_person_is_not_forgotten(database: Database, shop: Path) -> None:
    settle(database, f"{VISITOR_MARK}waits")
    done = run(database, shop, only(conversations=10, desk=10, visitors=10), now=after(11))
    assert set(done.rows) == {"desk"}
    assert done.rows["desk"] == {"drafts": 1}


def test_an_order_under_way_stays_with_whose_it_is(database: Database, shop: Path) -> None:
    settle(database, "maya")
    under_way = {"order_id": "o2", "user_id": "maya", "status": "shipped", "placed_at": now_ms()}
    put_orders(database, BACKEND, [Order.model_validate(under_way)])
    run(database, shop, only(orders=10), now=after(11))
    left = counts(database)
    assert (left["orders"], left["customers"]) == (1, 1)


class TestVisitors:
    def visit(self, database: Database, name: str) -> Principal:
        """Somebody without a name who looked and talked."""
        visitor = Principal(f"{VISITOR_MARK}{name}", Role.CUSTOMER, anonymous=True)
        append(database, visitor, start(database, visitor), [Turn(role="user", content="hello")])
        row = {"event_id": f"e-{name}", "event": "view_item", "timestamp": now_ms(), "items": [{"item_id": "p1"}]}
        record_events(database, visitor, [parse_event(row)], Consent())
        return visitor

    def test_who_never_came_back_goes_whole(self, database: Database, shop: Path) -> None:
        gone, back = self.visit(database, "gone"), self.visit(database, "back")
        settle(database, "maya")
        with database.write() as connection:
            connection.execute(
                update(conversations).where(conversations.c.user_id == back.id).values(updated_at=after(5))
            )
        settings = only(visitors=10)
        assert run(database, shop, settings, now=after(12), dry_run=True).rows == {"visitors": {"visitors": 1}}
        done = run(database, shop, settings, now=after(12)).rows["visitors"]
        assert done == {"visitors": 1, "conversations": 1, "turns": 1, "events": 1, "event_items": 1}
        assert not any(export_rows(database, ADMIN, gone.id).values())
        assert export_rows(database, ADMIN, back.id)["events"], "all of who came back stays"
        assert export_rows(database, ADMIN, "maya")["events"], "a customer is no visitor"

    def test_who_ordered_stays(self, database: Database, shop: Path) -> None:
        visitor = self.visit(database, "bought")
        order = {"order_id": "o9", "user_id": visitor.id, "status": "delivered", "placed_at": now_ms()}
        put_orders(database, BACKEND, [Order.model_validate(order)])
        assert run(database, shop, only(visitors=10), now=after(12)).total == 0

    def test_all_pages_are_read(self, database: Database, shop: Path) -> None:
        for number in range(7):
            self.visit(database, f"{number}")
        with patch.object(retention, "BATCH", 3), patch.object(retention, "VISITORS", 2):
            assert run(database, shop, only(visitors=10), now=after(12)).rows["visitors"]["visitors"] == 7
        assert set(counts(database)) <= {"alembic_version"}

    def test_who_comes_back_meanwhile_stays(self, database: Database, shop: Path) -> None:
        self.visit(database, "late")
        asked: list[set[str]] = []
        staying = retention._staying

        def comes_back(*arguments: Any) -> set[str]:
            asked.append(staying(*arguments))
            return asked[-1] if len(asked) == 1 else {f"{VISITOR_MARK}late"}

        with patch.object(retention, "_staying", comes_back):
            assert run(database, shop, only(visitors=10), now=after(12)).total == 0
        assert len(asked) == 2


def test_many_rows_go_in_small_transactions_and_others_write_between(database: Database, shop: Path) -> None:
    rows = [
        {"event_id": f"e{number}", "event": "view_item", "user_id": "maya", "timestamp": now_ms()}
        for number in range(25)
    ]
    record_events(database, BACKEND, [parse_event(row) for row in rows], Consent())
    told: list[tuple[str, int]] = []

    def write_between(kind: str, count: int) -> None:
        told.append((kind, count))
        note(database, ADMIN, "", "queue", f"c{count}")

    with patch.object(retention, "BATCH", 10):
        run(database, shop, only(events=10), now=after(11), progress=write_between)
    assert told == [("events", 10), ("events", 20), ("events", 25)]
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(accesses)).scalar_one() == 3


def test_a_run_that_is_killed_or_stopped_is_done_over(database: Database, shop: Path) -> None:
    rows = [
        {"event_id": f"e{number}", "event": "view_item", "user_id": "maya", "timestamp": now_ms()}
        for number in range(9)
    ]
    record_events(database, BACKEND, [parse_event(row) for row in rows], Consent())
    settings = only(events=10)
    with patch.object(retention, "BATCH", 3):
        with pytest.raises(KeyboardInterrupt):
            run(database, shop, settings, now=after(11), progress=lambda kind, count: _raise(KeyboardInterrupt))
        assert counts(database)["events"] == 6
        assert run(database, shop, settings, now=after(11), stop=lambda: True).rows == {"events": {"events": 3}}
        assert run(database, shop, settings, now=after(11)).rows == {"events": {"events": 3}}
    assert "events" not in counts(database)


def _raise(error: type[BaseException]) -> None:
    raise error


def test_rejected_rows_are_files_and_go_by_their_age(database: Database, shop: Path) -> None:
    folder = shop / "rejected"
    for name, days in (("old.jsonl", 40), ("old.report.txt", 40), ("new.jsonl", 3)):
        (folder / name).write_text("{}\n")
        os.utime(folder / name, (now_ms() / 1000 - days * 86_400,) * 2)
    settings = only(rejected=30)
    assert run(database, shop, settings, dry_run=True).files == ("old.jsonl", "old.report.txt")
    assert run(database, shop, settings).files == ("old.jsonl", "old.report.txt")
    assert [path.name for path in folder.iterdir()] == ["new.jsonl"]
    assert run(database, shop / "none", settings).files == ()


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER])
def test_only_the_shop_itself_clears(database: Database, shop: Path, role: Role) -> None:
    with pytest.raises(Forbidden):
        clear(database, Principal("x", role), shop, RetentionSettings())


def test_a_person_can_read_what_went(database: Database, shop: Path) -> None:
    settle(database, "maya")
    (shop / "rejected" / "old.jsonl").write_text("{}\n")
    settings = RetentionSettings()
    assert as_lines(run(database, shop, None), None).startswith("Everything is kept")
    assert as_lines(run(database, shop, settings), settings) == "Nothing is older than its period."
    text = as_lines(run(database, shop, settings, now=after(800), dry_run=True), settings)
    assert "events        after   730 days  1 events would go\n" in text
    assert text.endswith("rejected      after    30 days  1 files would go")
    done = Cleared(False, {"carts": {"carts": 2_000}}, (), False)
    assert as_lines(done, settings).startswith(
        "carts         after   180 days  2,000 carts went\nAnother process reads"
    )


class TestBytes:
    SAID = "my secret wish is a purple accordion"

    @pytest.fixture
    def kept(self, shop: Path, sqlite_template: Path) -> Iterator[Database]:
        """The database of the shop's folder, as `serve` has it."""
        shutil.copyfile(sqlite_template, shop / "aisle.db")
        opened = Database.open(f"sqlite:///{shop / 'aisle.db'}")
        yield opened
        opened.close()

    def left(self, shop: Path) -> list[str]:
        return sorted(path.name for path in shop.glob("aisle.db*") if holds(path, self.SAID))

    @pytest.mark.parametrize("compact", [True, False])
    def test_nothing_of_what_went_is_left(self, kept: Database, shop: Path, compact: bool) -> None:
        talk = settle(kept, "maya", self.SAID)
        close_all(kept)
        kept.empty_log()
        assert self.left(shop) == ["aisle.db"], "or nothing is shown"
        done = run(kept, shop, only(conversations=10), now=after(11), compact=compact)
        assert done.compacted
        assert self.left(shop) == []
        with kept.read() as connection:
            for table in (notes, suggestions):
                assert not connection.execute(select(table).where(table.c.conversation_id == talk)).all()

    def test_a_reader_that_stays_keeps_the_log_and_that_is_said(self, kept: Database, shop: Path) -> None:
        settle(kept, "maya", self.SAID)
        other = Database.connect(f"sqlite:///{shop / 'aisle.db'}")
        with other.read() as connection, patch("storage.database._READERS_SECONDS", 0):
            connection.execute(select(conversations)).all()
            assert run(kept, shop, only(events=10), now=after(11)).compacted is False
        other.close()


def test_a_hand_over_is_no_bar_once_it_is_closed(database: Database, shop: Path) -> None:
    visitor = Principal(f"{VISITOR_MARK}helped", Role.CUSTOMER, anonymous=True)
    append(database, visitor, talk := start(database, visitor), [Turn(role="user", content="hello")])
    hand_to_team(database, visitor, talk)
    assert run(database, shop, only(visitors=10), now=after(12)).total == 0
    close_all(database)
    assert run(database, shop, only(visitors=10), now=after(12)).rows["visitors"]["visitors"] == 1
