"""What of the database is a person's: every table says here whose its rows are, so that export and erasure miss none.

A table that is new must be put into one of the four: `tests/storage/test_personal.py` compares them with all tables there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, and_, delete, func, select, union

from storage import tables
from storage.access_log import ACCOUNTABLE, ERASED, accesses_within, look, write_down
from storage.database import Database
from storage.principal import Principal, Role

MAY_ERASE: Final = (Role.ADMIN,)
"""Beside the person themself and the shop's own backend."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A table whose rows are a person's: the column that says whose, and the one that says since when."""

    table: Table
    user: Column[str]
    since: Column[int]


def _owned(table: Table, since: str, user: str = "user_id") -> Owned:
    return Owned(table, table.c[user], table.c[since])


OWNED: Final = (
    _owned(tables.events, "timestamp"),
    _owned(tables.consents, "updated_at"),
    _owned(tables.consent_records, "given_at"),
    _owned(tables.hidden_beliefs, "hidden_at"),
    _owned(tables.feedback, "created_at"),  # before the turns, with which it would go uncounted
    _owned(tables.conversations, "updated_at"),
    _owned(tables.carts, "updated_at"),
    _owned(tables.orders, "placed_at"),
    _owned(tables.contacts, "drawn_at"),
    _owned(tables.customers, "updated_at"),
    _owned(tables.order_changes, "created_at"),
)
PARTS: Final = {
    tables.event_items: tables.events,
    tables.turns: tables.conversations,
    tables.cart_lines: tables.carts,
    tables.cart_requests: tables.carts,
    tables.order_items: tables.orders,
    tables.labels: tables.turns,
    tables.answers: tables.conversations,  # until somebody approves one: then it is the shop's
    tables.unanswered: tables.turns,
    tables.tickets: tables.conversations,
    tables.notes: tables.conversations,
    tables.drafts: tables.conversations,
    tables.suggestions: tables.conversations,
}
"""Tables whose rows belong to a row of another and go with it, by the database's own rule (ON DELETE CASCADE)."""
KEPT: Final = (_owned(tables.accesses, "at", user="whose"),)
"""Tables that outlive a person: erasure puts a keyed hash in the place of their id (`storage.access_log`)."""
IMPERSONAL: Final = frozenset(
    {
        tables.offers,
        tables.shortages,
        tables.api_keys,
        tables.sign_in_links,
        tables.model_runs,
        tables.reviews,
        tables.macros,
        tables.presence,  # of the shop's own people
        tables.model_users,  # keyed hashes; `storage.models` finds and forgets them
    }
)


def export_rows(db: Database, principal: Principal, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """All rows that are a person's by table, each with its columns; instants in milliseconds since 1970, UTC.

    Of who looked at them it says when and in which role, not by name: that is the shop's people's own.

    Raises:
        NotFound: the principal is neither the person, the shop's backend nor an admin.
    """
    principal.require_owner(user_id, *MAY_ERASE)
    with db.read() as connection:
        found = {owned.table.name: _rows(connection, _of(owned, user_id)) for owned in OWNED}
        found |= {part.name: _rows(connection, _of_part(part, user_id)) for part in PARTS}
        seen = look(connection, principal, user_id, "export", of=ACCOUNTABLE) if any(found.values()) else None
        found[tables.accesses.name] = accesses_within(connection, user_id)
    write_down(db, (seen,))
    return found


def has_rows(connection: Connection, user_id: str, until: int) -> bool:
    """Whether the database holds anything of a person from `until` or before."""
    return any(
        connection.execute(select(select(owned.table).where(_mine(owned, user_id, until)).exists())).scalar_one()
        for owned in (*OWNED, *KEPT)
    )


def delete_rows(connection: Connection, user_id: str, until: int | None = None) -> dict[str, int]:
    """Deletes a person's rows, those of after `until` excepted; how many went by table, those that have any.

    A conversation or cart that went on after `until` stays whole: it is the new one of somebody who came back.
    """
    counts: dict[str, int] = {}
    for owned in OWNED:
        mine = _mine(owned, user_id, until)
        for part in _parts_of(owned.table):
            key = _link(part)
            inside = select(func.count()).where(key.in_(select(_target(part)).where(mine)))
            counts[part.name] = connection.execute(inside).scalar_one()
        counts[owned.table.name] = connection.execute(delete(owned.table).where(mine)).rowcount
    return {name: count for name, count in counts.items() if count}


def people(connection: Connection) -> Iterator[str]:
    """The id of everybody of whom the database knows anything."""
    looked_at = (select(owned.user).where(owned.user != "", ~owned.user.startswith(ERASED)) for owned in KEPT)
    everybody = union(*(select(owned.user) for owned in OWNED), *looked_at)
    yield from connection.execution_options(stream_results=True).execute(everybody).scalars()


def _mine(owned: Owned, user_id: str, until: int | None) -> ColumnElement[bool]:
    return owned.user == user_id if until is None else and_(owned.user == user_id, owned.since <= until)


def _parts_of(table: Table) -> Iterable[Table]:
    return (part for part, whole in PARTS.items() if whole is table)


def _link(part: Table) -> Column[Any]:
    """The column of a part that points at what it belongs to."""
    return next(key.parent for key in part.foreign_keys if key.column.table is PARTS[part])


def _target(part: Table) -> Column[Any]:
    return next(key.column for key in part.foreign_keys if key.column.table is PARTS[part])


def _of(owned: Owned, user_id: str) -> Select[Any]:
    return select(owned.table).where(owned.user == user_id).order_by(owned.since, *owned.table.primary_key.columns)


def _of_part(part: Table, user_id: str) -> Select[Any]:
    """The rows of a part, found through those that it belongs to."""
    return select(part).where(_link(part).in_(_keys(part, user_id))).order_by(*part.primary_key.columns)


def _keys(part: Table, user_id: str) -> Select[Any]:
    """What the rows of a person's that a part may belong to are known by."""
    whole, target = PARTS[part], _target(part)
    owned = next((each for each in OWNED if each.table is whole), None)
    if owned is not None:
        return select(target).where(owned.user == user_id)
    return select(target).where(_link(whole).in_(_keys(whole, user_id)))


def _rows(connection: Connection, statement: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(statement).mappings()]
