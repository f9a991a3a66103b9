"""The one way to the database: SQLite in WAL mode, or PostgreSQL through psycopg 3."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from storage.errors import InvalidInput, Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

_WAIT_SECONDS = 30
_CONNECT_SECONDS = 5
_READERS_SECONDS = 2
"""How long the log waits to be emptied for those who read: a turn takes milliseconds."""


class Database:
    """An open database, safe to share between threads.

    `read()` and `write()` each are one transaction that commits when the block ends and rolls back when it raises.
    Both raise `Unavailable` where the database does not answer, and `InvalidInput` where a value cannot be kept.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        # Threads of this process queue here; SQLite's own waiting polls, and is left for other processes.
        self._one_writer = threading.RLock()

    @classmethod
    def open(cls, url: str) -> Database:
        """Opens the database and brings its tables up to date.

        Args:
            url: `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host/name`.

        Raises:
            InvalidInput: the URL names no database that Aisle knows, or a newer Aisle wrote it.
            Unavailable: the database does not answer or its file cannot be written.
        """
        from storage.migrate import upgrade

        database = cls.connect(url)
        try:
            upgrade(database)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def connect(cls, url: str) -> Database:
        """Opens the database as it is, without touching its tables. No error of it tells values, which logs would keep."""
        parsed = _parse(url)
        if parsed.get_backend_name() == "sqlite":
            path = Path(str(parsed.database))
            _make_folder(path.parent)
            _close_to_others(path)
            engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": _WAIT_SECONDS})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            engine = create_engine(
                parsed,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args={"connect_timeout": _CONNECT_SECONDS},
            )
        return cls(engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, all of it as of one moment; it never waits for a writer."""
        with self._trouble(), self.engine.connect() as bare:
            connection = bare if self.is_sqlite else bare.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[Connection]:
        """A transaction that writes, opened with BEGIN IMMEDIATE on SQLite so that it can never end "locked".

        Args:
            durable: what is committed survives a power cut. Without it SQLite may lose the last moments then, though
                never its consistency; PostgreSQL is always durable.
        """
        with self._transaction("durable" if durable else "write") as connection:
            yield connection

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """A transaction that changes tables; one process at a time, and SQLite may rebuild a table others point to."""
        with self._transaction("migrate") as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4157355)")
            yield connection

    def insert_new(self, table: Table) -> Any:
        """An INSERT that skips rows whose key exists: `ON CONFLICT DO NOTHING` in this database's words."""
        dialect = sqlite if self.is_sqlite else postgresql
        return dialect.insert(table).on_conflict_do_nothing()

    def upsert(
        self, table: Table, keys: Sequence[str], merged: Callable[[Any], Mapping[str, Any]] | None = None
    ) -> Any:
        """An INSERT that replaces the row with the same `keys`.

        Args:
            table: all its columns must be given.
            keys: the columns of its primary key.
            merged: given the columns of the new row, the values that the stored one gets; by default those of the new.
        """
        dialect = sqlite if self.is_sqlite else postgresql
        statement = dialect.insert(table)
        new = statement.excluded
        names = [column.name for column in table.columns if column.name not in keys]
        changed = merged(new) if merged else {name: new[name] for name in names}
        return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)

    def compact(self) -> bool:
        """Rewrites the database without what was deleted from it, so that no byte of that is left; whether it could.

        SQLite writes its file anew and empties the log beside it, for which nobody else may be reading; it takes about a second for
        100 MB. PostgreSQL frees the deleted rows, and overwrites them as it needs the space.
        """
        if not self.is_sqlite:
            with self._trouble(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
            return True
        with self._one_writer, self._trouble(), self.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None  # the engine has just opened it
            driver.execute("VACUUM")
            return _empty_log(driver)

    def empty_log(self) -> bool:
        """Takes what SQLite's log holds into its file and empties it; False where somebody reads all the while.

        PostgreSQL's own log is not for Aisle to empty.
        """
        if not self.is_sqlite:
            return True
        with self._one_writer, self._trouble(), self.engine.connect() as connection:
            return _empty_log(connection.connection.driver_connection)

    def copy_to(self, path: Path) -> None:
        """Writes SQLite's database as of one moment to a new file of its owner's alone, while others go on writing.

        Unlike a copy of the file it holds nothing that was deleted, and needs no log beside it.

        Raises:
            Unavailable: the file cannot be written.
        """
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with self._trouble(), self.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None  # the engine has just opened it
            driver.execute("VACUUM INTO ?", (str(path),))
        with path.open("rb") as written:
            os.fsync(written.fileno())

    def close(self) -> None:
        """Lets go of all connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, mode: str) -> Iterator[Connection]:
        with self._trouble():
            if not self.is_sqlite:
                with self.engine.begin() as connection:
                    yield connection
                return
            with self._one_writer, self.engine.connect() as bare:
                connection = bare.execution_options(transaction_mode=mode)
                with connection.begin():
                    yield connection

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Turns the driver's errors into those that name the way out."""
        try:
            yield
        except exc.DataError as error:
            raise InvalidInput(f"A value cannot be stored: {_first_line(error)}.", "Correct it.") from error
        except UnicodeEncodeError as error:
            raise InvalidInput(f"A text cannot be stored: {error.reason}.", "Send valid Unicode.") from error
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.DatabaseError) as error:
            if isinstance(error, exc.IntegrityError | exc.ProgrammingError | exc.NotSupportedError):
                raise
            where = self.engine.url.render_as_string(hide_password=True)
            raise Unavailable(f"The database {where} does not answer: {_first_line(error)}.", _hint(error)) from error
        except sqlite3.Error as error:  # of what goes past SQLAlchemy: rewriting, copying, emptying the log
            where = self.engine.url.render_as_string(hide_password=True)
            raise Unavailable(
                f"The database {where} cannot be rewritten: {_first_line(error)}.", _hint(error)
            ) from error


def in_chunks(values: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Pieces short enough for one IN (...) on every database."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def lock_row(connection: Connection, statement: Any) -> Executable:
    """The SELECT made to hold its rows until the transaction ends; SQLite has one writer and needs no more."""
    locked: Executable = statement if connection.dialect.name == "sqlite" else statement.with_for_update()
    return locked


def _empty_log(driver: Any) -> bool:
    driver.execute(f"PRAGMA busy_timeout={1000 * _READERS_SECONDS}")
    busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    driver.execute(f"PRAGMA busy_timeout={1000 * _WAIT_SECONDS}")
    return not busy


def _parse(url: str) -> URL:
    known = "Use sqlite:///path or postgresql://user:password@host/name."
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise InvalidInput("The database URL cannot be read.", known) from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite") and parsed.database not in (None, "", ":memory:"):
        return parsed
    raise InvalidInput(f"No database of the kind {parsed.drivername!r} is known here.", known)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be created: {error.strerror}.", "Give a folder that is writable.") from None


def _close_to_others(path: Path) -> None:
    """Makes the file where there is none, readable by its owner alone, and closes one that others can read.

    SQLite gives the files that it writes beside it (-wal, -shm) the mode of this one, but leaves those that are there.
    """
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with suppress(FileNotFoundError):  # the last connection of another process removes those beside
                if file.is_file() and file.stat().st_mode & 0o077:
                    file.chmod(0o600)
                    logger.warning("%s could be read by others; it is closed to them now.", file)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be used: {error.strerror}.", "Give a file that this user owns in a folder it may write."
        ) from None


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # None: the driver opens no transaction of its own, _begin_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("transaction_mode")
    if mode is None:
        connection.exec_driver_sql("BEGIN")
        return
    if connection.info.get("transaction_mode") != mode:
        # Neither of the two can be changed inside a transaction. Rebuilding a table drops the old one, which with
        # foreign keys on would delete what points to it.
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if mode == 'write' else 'FULL'}")
        connection.exec_driver_sql(f"PRAGMA foreign_keys={'OFF' if mode == 'migrate' else 'ON'}")
        connection.info["transaction_mode"] = mode
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _first_line(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    lines = str(origin).strip().splitlines() or [type(origin).__name__]
    return lines[0].rstrip(".")[:200]


def _hint(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).lower()
    if "disk" in text and "full" in text:
        return "The disk is full: free some space."
    if "readonly" in text or "unable to open" in text:
        return "Check that the file and its folder exist and are writable."
    if "malformed" in text or "not a database" in text:
        return "The file is damaged: restore a backup, or move it away to start anew."
    if "locked" in text:
        return "Another process keeps it busy: try again when it is done."
    return "Check that it runs and that [database] url in shop.toml is right, then try again."
