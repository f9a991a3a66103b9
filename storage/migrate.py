"""Brings the tables to a revision; all Alembic is here and in `migrations/`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, Table, inspect, select

from storage.database import Database
from storage.errors import InvalidInput

FOLDER = Path(__file__).parent / "migrations"


def upgrade(db: Database, revision: str = "head") -> None:
    """Brings the tables up to a revision, all steps in one transaction; nothing happens where they are there.

    Raises:
        InvalidInput: the database was written by a newer Aisle.
    """
    config = _config()
    with db.migration() as connection:
        found = current_revision(connection)
        if found is not None:
            _require_known(found)
        if found is None or found != ScriptDirectory.from_config(config).as_revision_number(revision):
            config.attributes["connection"] = connection
            command.upgrade(config, revision)


def downgrade(db: Database, revision: str) -> None:
    """Takes the tables back to an older revision; `base` removes them all."""
    config = _config()
    with db.migration() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def undone_by(db: Database, revision: str) -> list[str]:
    """The revisions that going to `revision` takes back, the newest first; none where it goes up, or stays.

    Raises:
        InvalidInput: there is no such revision, or the database was written by a newer Aisle.
    """
    with db.read() as connection:
        found = current_revision(connection)
    every = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
    if revision not in (*every, "head", "base"):
        raise InvalidInput(
            f"There is no revision {revision[:40]!r}.", f"Known: {', '.join(reversed(every))}, base, head."
        )
    if found is None:
        return []
    _require_known(found)
    wanted = {"head": 0, "base": len(every)}.get(revision, every.index(revision) if revision in every else 0)
    return every[every.index(found) : wanted]


def current_revision(connection: Connection) -> str | None:
    """The revision that the tables have, or None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    table = Table("alembic_version", MetaData(), autoload_with=connection)
    revision: str | None = connection.execute(select(table.c.version_num)).scalar_one_or_none()
    return revision


def head_revision() -> str:
    """The revision that this Aisle's tables have."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # the migrations are shipped beside this file
    return head


def knows(revision: str) -> bool:
    """Whether this Aisle has a migration to that revision."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except (CommandError, ResolutionError):
        return False


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _require_known(revision: str) -> None:
    if not knows(revision):
        raise InvalidInput(
            f"The database has revision {revision}, which this Aisle does not know.",
            "A newer one wrote it: update Aisle, or restore a backup.",
        )
