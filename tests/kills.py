"""What trials that kill a process share."""

from __future__ import annotations

import signal
import subprocess

from storage.database import Database


def kill(process: subprocess.Popen[str]) -> None:
    """kill −9, and waits until it is gone."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def assert_sound(database: Database) -> None:
    """An SQLite database whose pages and references are whole."""
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
