"""Events that come while the database is away: accepted only once they are on disk, and written exactly once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from storage import event_spool
from storage.consent import Consent
from storage.database import Database
from storage.erasure import erase_again, erase_user
from storage.errors import Forbidden, Unavailable
from storage.event import Event, parse_event
from storage.event_spool import FOLDER, EventSpool, replay, waiting
from storage.events import events_of
from storage.principal import Principal, Role
from storage.tables import events

INSTANT = 1_767_323_045_000


def viewed(number: int, user: str | None = None) -> Event:
    row = {"event_id": f"e{number}", "event": "view_item", "timestamp": INSTANT + number, "items": [{"item_id": "p1"}]}
    return parse_event(row | ({"user_id": user} if user else {}))


@pytest.fixture
def database(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr("storage.database._WAIT_SECONDS", 0.05)
    opened = Database.connect(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def spool(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventSpool]:
    """One that brings nothing back by itself while the test runs."""
    monkeypatch.setattr(event_spool, "RETRY_S", 3_600.0)
    opened = EventSpool(database, tmp_path, Consent(personalize=False))
    yield opened
    opened.close()


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another process is writing."""
    other = Database.connect(str(database.engine.url))
    try:
        with other.write():
            yield
    finally:
        other.close()


def count_of(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(events)).scalar_one()


def test_what_is_accepted_while_the_database_is_away_is_written_once(
    spool: EventSpool, database: Database, tmp_path: Path, alice: Principal
) -> None:
    assert spool.record(alice, [viewed(0)]).accepted == 1
    assert waiting(tmp_path) == []
    with locked(database):
        batch = [viewed(0), viewed(1), viewed(1), viewed(2, "mallory")]
        recorded = spool.record(alice, batch)
        assert (recorded.accepted, recorded.duplicates) == (2, 1)
        assert [index for index, _ in recorded.rejected] == [3]
        spool.record(alice, [viewed(3)])
        with pytest.raises(Unavailable):
            replay(database, tmp_path)
    kept = waiting(tmp_path)
    assert len(kept) == 2
    assert spool.size == sum(path.stat().st_size for path in kept)
    assert (tmp_path / FOLDER).stat().st_mode & 0o077 == 0, "what somebody did is nobody else's to read"
    assert count_of(database) == 1
    copies = [(path, path.read_bytes()) for path in kept]
    assert replay(database, tmp_path) == 3
    assert waiting(tmp_path) == []
    for path, content in copies:  # killed after the commit, before the file went
        path.write_bytes(content)
    replay(database, tmp_path)
    found = events_of(database, alice, alice.id)
    assert [event.event_id for event in found] == ["e0", "e1", "e3"]
    assert {event.consent for event in found} == {Consent(personalize=False)}
    assert found[1].items == viewed(1).items


def test_the_next_server_brings_back_what_waits(
    spool: EventSpool, database: Database, tmp_path: Path, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(database):
        spool.record(alice, [viewed(1)])
    monkeypatch.setattr(event_spool, "RETRY_S", 0.02)
    following = EventSpool(database, tmp_path, Consent())
    deadline = time.monotonic() + 60
    while waiting(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    following.close()
    assert count_of(database) == 1


def test_an_outage_that_ends_is_noticed(
    database: Database, tmp_path: Path, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_spool, "RETRY_S", 0.02)
    spool = EventSpool(database, tmp_path, Consent())
    with locked(database):
        for number in range(5):
            assert spool.record(alice, [viewed(number)]).accepted == 1
            time.sleep(0.05)
    deadline = time.monotonic() + 60
    while count_of(database) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    spool.close()
    assert waiting(tmp_path) == []


def test_where_nothing_can_be_kept_nothing_is_accepted(
    spool: EventSpool, database: Database, tmp_path: Path, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(database):
        with pytest.raises(Forbidden):
            spool.record(Principal("mia", Role.AGENT), [viewed(1)])
        (tmp_path / FOLDER).write_text("a file where the folder would be")
        with pytest.raises(Unavailable):
            spool.record(alice, [viewed(1)])
        (tmp_path / FOLDER).unlink()
        spool.record(alice, [viewed(1)])
        monkeypatch.setattr(event_spool, "LARGEST", 1_000)
        spool.record(alice, [viewed(2)])
        with pytest.raises(Unavailable, match="Too many"):
            spool.record(alice, [viewed(number) for number in range(3, 9)])
    assert replay(database, tmp_path) == 2 == count_of(database)


def test_a_file_that_the_disk_has_damaged_stops_no_other(
    spool: EventSpool, database: Database, tmp_path: Path, alice: Principal
) -> None:
    with locked(database):
        for number in range(3):
            spool.record(alice, [viewed(number)])
    first, second, _ = waiting(tmp_path)
    first.write_bytes(first.read_bytes()[:-9])
    second.write_text('{"events": [{}]}')
    assert replay(database, tmp_path) == 1
    assert sorted(path.suffix for path in (tmp_path / FOLDER).iterdir()) == [".damaged"] * 2
    assert count_of(database) == 1


def test_who_is_erased_does_not_come_back_out_of_it(
    spool: EventSpool, database: Database, tmp_path: Path, alice: Principal, admin: Principal
) -> None:
    with locked(database):
        spool.record(alice, [viewed(1)])
    erase_user(database, admin, tmp_path, alice.id)
    assert waiting(tmp_path) == []
    assert count_of(database) == 0


def test_what_waited_in_a_backup_does_not_bring_an_erased_person_back(
    spool: EventSpool, database: Database, tmp_path: Path, alice: Principal
) -> None:
    with locked(database):
        spool.record(alice, [viewed(0)])
    shutil.copytree(tmp_path / FOLDER, tmp_path / "backup")
    erase_user(database, Principal("shop", Role.SERVICE), tmp_path, alice.id)
    shutil.copytree(tmp_path / "backup", tmp_path / FOLDER, dirs_exist_ok=True)
    assert len(waiting(tmp_path)) == 1
    assert erase_again(database, tmp_path) == 1
    assert waiting(tmp_path) == []
    assert count_of(database) == 0
