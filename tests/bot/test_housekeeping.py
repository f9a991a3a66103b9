"""A server that runs deletes what is old enough by itself."""

from __future__ import annotations

import threading
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import func, select, update

from bot.housekeeping import Housekeeper
from storage.conversations import start
from storage.database import Database
from storage.errors import Unavailable
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import DAY_MS, RetentionSettings
from storage.tables import conversations

SETTINGS = RetentionSettings(conversations=10)


@pytest.fixture
def old(database: Database) -> Database:
    """A shop with a conversation of eleven days ago, and one of today."""
    who = Principal("maya", Role.CUSTOMER)
    first, _ = start(database, who), start(database, who)
    aged = update(conversations).where(conversations.c.conversation_id == first)
    with database.write() as connection:
        connection.execute(aged.values(updated_at=now_ms() - 11 * DAY_MS))
    return database


def left(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(conversations)).scalar_one())


def test_it_runs_again_and_again_until_the_server_ends(old: Database, tmp_path: Path) -> None:
    runs: list[int] = []
    twice = threading.Event()

    def counted(self: Housekeeper) -> int:
        runs.append(clear(self))
        if len(runs) == 2:
            twice.set()
        return runs[-1]

    clear = Housekeeper.clear
    with patch.object(Housekeeper, "clear", counted), Housekeeper(old, tmp_path, SETTINGS, 0.0, 0.0) as keeper:
        assert twice.wait(60)
    assert runs[:2] == [1, 0]
    assert left(old) == 1
    assert not keeper._thread.is_alive()


def test_without_periods_nothing_runs(old: Database, tmp_path: Path) -> None:
    with Housekeeper(old, tmp_path, None, 0.0, 0.0) as keeper:
        assert not keeper._thread.is_alive()
    assert keeper.clear() == 0
    assert left(old) == 2


@pytest.mark.parametrize("error", [Unavailable("It is away.", "Start it."), RuntimeError("a defect")])
def test_what_stands_in_its_way_is_logged_and_ends_nothing(
    old: Database, tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Housekeeper(old, tmp_path, SETTINGS)
    with patch("bot.housekeeping.clear", side_effect=error):
        assert keeper.clear() == 0
    assert "kept long enough" in caplog.text
    assert keeper.clear() == 1
