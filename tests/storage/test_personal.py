"""Whose the rows of every table are."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from storage.database import Database
from storage.errors import NotFound
from storage.personal import IMPERSONAL, KEPT, OWNED, PARTS, delete_rows, export_rows, has_rows, people
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.tables import metadata
from tests.storage.people import BACKEND, settle

PERSONAL = {owned.table for owned in OWNED} | set(PARTS)


def test_every_table_says_whose_its_rows_are() -> None:
    said = [*(owned.table for owned in (*OWNED, *KEPT)), *PARTS, *IMPERSONAL]
    assert len(said) == len(set(said)), "each table once"
    assert set(said) == set(metadata.tables.values())
    named = {table for table in metadata.tables.values() if "user_id" in table.c}
    assert named <= {owned.table for owned in OWNED}, "a table with a user_id is somebody's"


def test_a_part_goes_with_what_it_belongs_to() -> None:
    for part, whole in PARTS.items():
        keys = [key for key in part.foreign_keys if key.column.table is whole]
        assert [key.ondelete for key in keys] == ["CASCADE"], part.name


def test_a_settled_person_is_in_every_table_and_so_is_their_export(database: Database) -> None:
    settle(database, "alice", "only alice said this")
    settle(database, "bob", "bob said that")
    rows = export_rows(database, Principal("alice", Role.CUSTOMER), "alice")
    assert {name for name, found in rows.items() if found} == {table.name for table in PERSONAL} | {"accesses"}
    assert rows["turns"][0]["content"] == "only alice said this"
    assert "bob" not in str(rows)
    assert all(export_rows(database, BACKEND, "bob").values())


@pytest.mark.parametrize(
    "who",
    [
        Principal("mallory", Role.CUSTOMER),
        Principal("a", Role.AGENT),
        Principal("e", Role.ENGINEER),
        Principal("s", Role.SUPERVISOR),
    ],
)
def test_others_get_nothing(database: Database, who: Principal) -> None:
    settle(database, "alice")
    with pytest.raises(NotFound):
        export_rows(database, who, "alice")


def test_one_person_is_deleted_and_no_other(database: Database) -> None:
    settle(database, "alice")
    settle(database, "bob")
    before = export_rows(database, Principal("bob", Role.CUSTOMER), "bob")
    with database.write() as connection:
        counts = delete_rows(connection, "alice")
    two_steps_away = {"labels", "unanswered"}  # they go with turns, which go with conversations
    assert set(counts) == {table.name for table in PERSONAL} - two_steps_away
    left = export_rows(database, BACKEND, "alice")
    assert left.pop("accesses"), "who looked at them is said until they are erased"
    assert not any(left.values())
    assert export_rows(database, Principal("bob", Role.CUSTOMER), "bob") == before
    with database.read() as connection:
        assert set(people(connection)) == {"alice", "bob"}
        assert all(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in PERSONAL)


def test_what_came_later_stays(database: Database) -> None:
    before = now_ms() - 1
    settle(database, "alice")
    with database.write() as connection:
        assert not has_rows(connection, "alice", before)
        assert delete_rows(connection, "alice", before) == {}
        assert has_rows(connection, "alice", now_ms())
    assert all(export_rows(database, BACKEND, "alice").values())
