from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, select, text
from typer.testing import CliRunner

import launch
from storage import migrate, suggestions
from storage.access_log import note
from storage.answers import Proposal, note_unanswered, propose
from storage.carts import add_line
from storage.consent import Consent, ConsentRecord, consent_of, consent_records_of, set_consent
from storage.conversations import SUPPORT, Turn, append, start, turns_of
from storage.customers import Customer, put_customers
from storage.database import Database, in_chunks
from storage.desk import Macro, add_note, be_present, keep_draft, put_macro
from storage.errors import InvalidInput, NotFound, Unavailable
from storage.event import parse_event
from storage.events import events_of, record_events
from storage.feedback import put_feedback
from storage.keys import create_key
from storage.labels import request_labels
from storage.models import register_run
from storage.offers import Offer, Price, all_offers, put_offers
from storage.order_changes import make_change
from storage.order_rules import CancelOrder
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.reviews import Review, put_reviews
from storage.settings import OrderSettings
from storage.suggestions import show
from storage.tables import consents, metadata
from storage.tickets import hand_to_team

ALICE = Principal("alice", Role.CUSTOMER)
BACKEND = Principal("shop", Role.SERVICE)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'er' / 'aisle.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database.connect(empty_url)
    yield database
    database.close()


def fill(database: Database) -> str:
    """Puts at least one row into every table."""
    event = {"event_id": "e", "event": "view_item", "timestamp": 1767323045, "items": [{"item_id": "p1"}]}
    record_events(database, ALICE, [parse_event(event)])
    set_consent(database, ALICE, "alice", Consent())
    add_line(database, ALICE, "alice", "p1", request_id="r")
    talking = start(database, ALICE)
    append(database, ALICE, talking, [Turn(message_id="m", role="assistant", content="hi", data={"a": 1})])
    put_feedback(database, ALICE, "m", None, "up")
    order = {"order_id": "o", "user_id": "alice", "status": "paid", "placed_at": 1, "items": [{"product_id": "p"}]}
    put_orders(database, BACKEND, [Order.model_validate(order)])
    put_offers(database, BACKEND, [Offer(product_id="p1", stock=3)])
    create_key(database, Principal("a", Role.ADMIN), Role.SERVICE, "shop")
    register_run(
        database,
        Principal("e", Role.ENGINEER),
        "0" * 64,
        name="intent",
        kind="intent",
        folder=Path("/runs/1"),
        data_hashes={},
        users=["alice"],
    )
    request_labels(database, Principal("e", Role.ENGINEER), {"t1": "m"})
    with database.write() as connection:
        row = "INSERT INTO hidden_beliefs (user_id, kind, value, hidden_at) VALUES ('alice', 'brand', 'A', 1)"
        connection.execute(text(row))
        drawn = "INSERT INTO contacts (campaign, user_id, band, control, drawn_at) VALUES ('c', 'alice', 'at-risk', true, 1)"
        connection.execute(text(drawn))
    note(database, Principal("a", Role.ADMIN), "alice", "export")
    put_customers(database, BACKEND, [Customer(user_id="alice")])
    cancel = CancelOrder(order_id="o")
    make_change(database, ALICE, "alice", cancel, OrderSettings(self_service=("cancel",)), lambda _: {}, "r")
    put_offers(database, BACKEND, [Offer(product_id="p2", stock=0)])
    put_reviews(database, BACKEND, [Review(review_id="r", product_id="p1", text="Good.")])
    propose(database, Principal("e", Role.ENGINEER), [Proposal("Is there parking?", "Behind the house.", "en", "d")])
    note_unanswered(database, "m", "Do you sell boats?", "en", "policy")
    hand_to_team(database, ALICE, talking)
    mia = Principal("mia", Role.AGENT, SUPPORT)
    add_note(database, mia, talking, "Asked twice.")
    keep_draft(database, mia, talking, "Hello Al")
    show(database, mia, talking, "m", [suggestions.Proposal("macro", "m1", "Hello!")])
    put_macro(database, Principal("di", Role.SUPERVISOR), Macro(title="Greeting", text="Hello!"))
    be_present(database, mia)
    return talking


def counts(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return {table.name: len(connection.execute(select(table)).all()) for table in metadata.sorted_tables}


def rows_of(database: Database) -> dict[str, list[dict[str, Any]]]:
    """The rows of all tables that are there, in the columns that they have now, in the order of their names."""
    with database.read() as connection:
        found = MetaData()
        found.reflect(connection)
        return {
            table.name: [dict(sorted(dict(row).items())) for row in connection.execute(select(table)).mappings()]
            for table in found.sorted_tables
            if table.name != "alembic_version"
        }


class TestMigrations:
    def test_they_make_exactly_the_tables_that_the_code_uses(self, empty: Database) -> None:
        migrate.upgrade(empty)
        with empty.read() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []

    def test_up_and_down_on_full_tables(self, empty: Database) -> None:
        migrate.upgrade(empty)
        fill(empty)
        full = counts(empty)
        assert all(full.values()), full
        migrate.upgrade(empty)
        assert counts(empty) == full
        migrate.downgrade(empty, "base")
        with empty.read() as connection:
            assert inspect(connection).get_table_names() == ["alembic_version"]
        migrate.upgrade(empty)
        assert not any(counts(empty).values())
        fill(empty)
        assert counts(empty) == full

    def test_each_step_can_be_taken_back_on_full_tables_and_loses_only_what_it_brought(self, empty: Database) -> None:
        """Down one step, up and down again, to the first tables; then all the way up: an upgrade may be rolled back anywhere."""
        migrate.upgrade(empty)
        fill(empty)
        scripts = list(ScriptDirectory.from_config(migrate._config()).walk_revisions())
        first = rows_of(empty)
        for newer, older in pairwise(script.revision for script in scripts):
            for move, to in ((migrate.downgrade, older), (migrate.upgrade, newer), (migrate.downgrade, older)):
                move(empty, to)
                with empty.read() as connection:
                    assert migrate.current_revision(connection) == to
        oldest = rows_of(empty)
        assert {"events", "orders", "carts", "conversations", "turns", "consents", "offers"} <= set(oldest)
        migrate.upgrade(empty)
        with empty.read() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        again = rows_of(empty)
        for table, rows in oldest.items():
            kept = {name for row in rows for name in row}
            assert len(again[table]) == len(first[table]) == len(rows), table
            cut = [{name: value for name, value in row.items() if name in kept} for row in again[table]]
            assert sorted(map(repr, cut)) == sorted(map(repr, rows)), table

    def test_the_command_goes_back_only_when_told_to(
        self, empty: Database, empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AISLE_DATABASE_URL", empty_url)
        args = ["migrate", "--shop", str(tmp_path), "--json"]
        up = CliRunner().invoke(launch.app, args, catch_exceptions=False)
        assert json.loads(up.stdout) == {"revision": migrate.head_revision(), "undone": []}
        fill(empty)
        asked = CliRunner().invoke(launch.app, [*args, "--to", "0007"], input="n\n")
        assert asked.exit_code == 1
        assert all(counts(empty).values())
        down = CliRunner().invoke(launch.app, [*args, "--to", "0007", "--yes"], catch_exceptions=False)
        told = json.loads(down.stdout)
        assert (told["revision"], told["undone"][-1]) == ("0007", "0008")
        assert isinstance(CliRunner().invoke(launch.app, [*args, "--to", "4711"]).exception, InvalidInput)
        assert migrate.undone_by(empty, "head") == migrate.undone_by(empty, "0007") == []
        assert migrate.undone_by(empty, "base") == [f"000{number}" for number in range(7, 0, -1)]

    def test_stored_offers_keep_their_moment(self, empty: Database) -> None:
        migrate.upgrade(empty, "0001")
        old = "INSERT INTO offers (product_id, variant_id, amount, currency, updated_at) VALUES ('p1', '', 5, 'USD', 9)"
        with empty.write() as connection:
            connection.execute(text(old))
        migrate.upgrade(empty)
        price = Price(amount=5, currency="USD")
        assert all_offers(empty) == [Offer(product_id="p1", price=price, updated_at=9)]

    def test_choices_of_before_become_records_and_no_profile_is_without_answers(self, empty: Database) -> None:
        migrate.upgrade(empty, "0010")
        with empty.write() as connection:
            for user, answer in (("alice", "true"), ("bob", "false")):
                row = f"VALUES ('{user}', {answer}, true, true, 9)"
                connection.execute(
                    text(f"INSERT INTO consents (user_id, answer, personalize, train, updated_at) {row}")
                )
        migrate.upgrade(empty)
        bob = Principal("bob", Role.CUSTOMER)
        assert consent_of(empty, bob, "bob", Consent()) == Consent(answer=False, personalize=False, train=True)
        assert consent_of(empty, ALICE, "alice", Consent()).personalize
        (record,) = consent_records_of(empty, bob, "bob")
        assert record == ConsentRecord(False, False, True, 9, "", "", "before")

    def test_rebuilding_a_table_keeps_what_points_to_it(self, empty: Database) -> None:
        migrate.upgrade(empty)
        talking = fill(empty)
        with empty.migration() as connection:
            context = MigrationContext.configure(connection, opts={"transactional_ddl": True})
            with Operations(context).batch_alter_table("conversations", recreate="auto") as batch:
                batch.alter_column("team", new_column_name="crew")
        with empty.migration() as connection:
            context = MigrationContext.configure(connection, opts={"transactional_ddl": True})
            with Operations(context).batch_alter_table("conversations", recreate="auto") as batch:
                batch.alter_column("crew", new_column_name="team")
        assert [turn.message_id for turn in turns_of(empty, ALICE, talking)] == ["m"]

    def test_a_step_that_fails_leaves_everything_as_it_was(
        self, empty: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_config: Any, _revision: str) -> None:
            connection: Connection = _config.attributes["connection"]
            connection.execute(text("CREATE TABLE half (a INTEGER)"))
            raise RuntimeError("the power went out")

        monkeypatch.setattr("storage.migrate.command.upgrade", fail)
        with pytest.raises(RuntimeError):
            migrate.upgrade(empty)
        with empty.read() as connection:
            assert inspect(connection).get_table_names() == []

    def test_a_newer_aisles_database_is_left_alone(self, empty: Database, empty_url: str) -> None:
        migrate.upgrade(empty)
        with empty.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(InvalidInput, match="9999") as found:
            Database.open(empty_url)
        assert "newer" in found.value.hint

    def test_processes_that_open_at_once_migrate_once(self, empty_url: str) -> None:
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=_open, args=(empty_url,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0]
        database = Database.open(empty_url)
        assert not any(counts(database).values())
        database.close()


def _open(url: str) -> None:
    Database.open(url).close()


class TestTransactions:
    def test_what_raises_is_rolled_back(self, database: Database) -> None:
        row = {"user_id": "alice", **Consent().model_dump(), "updated_at": 1}
        with pytest.raises(NotFound), database.write() as connection:
            _insert_then_fail(connection, row)
        with database.read() as connection:
            assert connection.execute(select(consents)).all() == []

    def test_a_reader_sees_one_moment(self, database: Database) -> None:
        set_consent(database, ALICE, "alice", Consent())
        with database.read() as connection:
            first = connection.execute(select(consents)).all()
            set_consent(database, ALICE, "alice", Consent(train=True))
            assert connection.execute(select(consents)).all() == first

    def test_values_that_postgresql_refuses_are_the_callers_error(self, postgres_url: str) -> None:
        database = Database.open(postgres_url)
        for strange in ("a\x00b", "x" * 201):
            with pytest.raises(InvalidInput) as found:
                set_consent(database, BACKEND, strange, Consent())
            assert found.value.status == 422
        database.close()

    def test_a_lone_surrogate_is_the_callers_error(self, database: Database) -> None:
        with pytest.raises(InvalidInput):
            events_of(database, BACKEND, "\ud800")

    @pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
    def test_sqlite_is_as_durable_as_asked(self, sqlite_url: str, durable: bool, synchronous: int) -> None:
        database = Database.open(sqlite_url)
        with database.write(durable=durable) as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == synchronous
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        database.close()

    def test_chunks(self) -> None:
        assert list(in_chunks([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
        assert list(in_chunks([], 2)) == []


def _insert_then_fail(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(consents.insert(), row)
    raise NotFound("gone")


class TestPrivacy:
    def test_a_new_file_is_its_owners_alone_from_the_start(self, tmp_path: Path) -> None:
        path = tmp_path / "aisle.db"
        old = os.umask(0)
        try:
            database = Database.connect(f"sqlite:///{path}")
            assert path.stat().st_mode & 0o777 == 0o600, "before anything is written"
            migrate.upgrade(database)
            set_consent(database, ALICE, "alice", Consent())
            assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("aisle.db*")} == {0o600}
            database.close()
        finally:
            os.umask(old)

    def test_a_file_that_others_could_read_is_closed_to_them(
        self, sqlite_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = Path(sqlite_url.removeprefix("sqlite:///"))
        path.chmod(0o644)
        before = path.read_bytes()
        Database.connect(sqlite_url).close()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes() == before
        assert "could be read by others" in caplog.text


class TestTrouble:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "nonsense",
            "mysql://localhost/a",
            "sqlite://",
            "sqlite:///:memory:",
            "oracle+x://a",
            "postgresql+asyncpg://a/b",
        ],
    )
    def test_urls_that_name_no_database(self, url: str) -> None:
        with pytest.raises(InvalidInput) as found:
            Database.open(url)
        assert "sqlite:///" in found.value.hint

    def test_a_server_that_is_away(self) -> None:
        with pytest.raises(Unavailable) as found:
            Database.open("postgresql://someone:hush@127.0.0.1:1/aisle")
        assert "shop.toml" in found.value.hint
        assert "hush" not in str(found.value)
        assert found.value.status == 503

    def test_a_server_that_drops_its_connections_is_found_again(self, postgres_url: str) -> None:
        database, other = Database.open(postgres_url), Database.open(postgres_url)
        with pytest.raises(Unavailable) as found:
            _read_while_killed_by(other, database)
        assert found.value.hint
        assert events_of(database, ALICE, "alice") == []
        database.close()
        other.close()

    def test_a_damaged_file(self, tmp_path: Path) -> None:
        path = tmp_path / "aisle.db"
        path.write_bytes(os.urandom(8192))
        with pytest.raises(Unavailable) as found:
            Database.open(f"sqlite:///{path}")
        assert "backup" in found.value.hint

    def test_a_folder_in_the_files_place(self, tmp_path: Path) -> None:
        (tmp_path / "aisle.db").mkdir()
        with pytest.raises(Unavailable) as found:
            Database.open(f"sqlite:///{tmp_path / 'aisle.db'}")
        assert found.value.hint

    def test_a_file_where_a_folder_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(Unavailable):
            Database.open(f"sqlite:///{tmp_path / 'file' / 'aisle.db'}")

    def test_another_process_that_never_lets_go(self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("storage.database._WAIT_SECONDS", 0.1)
        database = Database.open(sqlite_url)
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as found:
            set_consent(database, ALICE, "alice", Consent())
        assert "busy" in found.value.hint
        assert events_of(database, ALICE, "alice") == [], "reading goes on meanwhile"
        other.close()
        set_consent(database, ALICE, "alice", Consent())
        database.close()


def _read_while_killed_by(other: Database, database: Database) -> None:
    with database.read() as connection:
        process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with other.write() as killer:
            killer.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
        connection.execute(select(consents))
