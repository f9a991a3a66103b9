"""How a database is, looked at without changing a byte of it: no table is made or migrated, no file closed to others.

SQLite itself puts its shared memory (-shm, -wal) beside a database in WAL mode for whoever reads it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, exc, func, select
from sqlalchemy.engine import make_url

from storage.database import Database
from storage.errors import AisleError
from storage.migrate import current_revision
from storage.tables import turns

LARGEST_CHECKED = 500 * 2**20
"""Bytes; SQLite reads a whole file to check it, which takes a second for some 500 MB."""


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """What was found.

    `trouble` says why it does not answer or that it is damaged, with the way out in `hint`; `exists` is False where SQLite's file
    is not made yet. `journal` is SQLite's mode, "wal" where Aisle made it; `newest` the last turn's instant in milliseconds.
    """

    where: str
    exists: bool = True
    revision: str | None = None
    journal: str | None = None
    newest: int | None = None
    trouble: str = ""
    hint: str = ""


def database_health(url: str) -> DatabaseHealth:
    """How the database at a URL is; never raises for what is wrong with it."""
    where = "the database"
    try:
        where = make_url(url).render_as_string(hide_password=True)
        if url.startswith("sqlite"):
            path = Path(make_url(url).database or "")
            if not path.exists():
                return DatabaseHealth(where, exists=False)
            with _sqlite(path) as connection:
                trouble = _damage(connection, path)
                hint = "Restore a backup, or move the file away to start anew." if trouble else ""
                journal = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())
                return DatabaseHealth(
                    where, True, current_revision(connection), journal, _newest(connection), trouble, hint
                )
        database = Database.connect(url)
        try:
            with database.read() as connection:
                return DatabaseHealth(where, True, current_revision(connection), None, _newest(connection))
        finally:
            database.close()
    except AisleError as error:
        return DatabaseHealth(where, trouble=error.message, hint=error.hint)
    except (exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        hint = "Check that the file is a database that this user may read, or restore a backup."
        return DatabaseHealth(where, trouble=f"{where} cannot be read: {reason}.", hint=hint)


@contextmanager
def _sqlite(path: Path) -> Iterator[Connection]:
    """A connection that cannot write."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=5))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _damage(connection: Connection, path: Path) -> str:
    if path.stat().st_size > LARGEST_CHECKED:
        return ""
    found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    return "" if found == "ok" else f"{path} is damaged: {found.splitlines()[-1]}."


def _newest(connection: Connection) -> int | None:
    if current_revision(connection) is None:
        return None
    newest: int | None = connection.execute(select(func.max(turns.c.created_at))).scalar_one()
    return newest
