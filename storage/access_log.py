"""Who of the shop's people looked at whose data, when and why: written where the look is allowed, before anything is given out.

A look that cannot be written down does not happen. Who looks at the same thing again within `INTERVAL_MS` leaves no second row, so
that a window that asks every second leaves four in an hour; who finds nothing leaves none, so that an id which nobody has, or has
any more, is not kept for having been asked for. What customers see of themselves is no look, nor what Aisle reads to
answer them, nor what the shop's backend does in a customer's place while it serves them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, Connection, bindparam, insert, select, update

from storage.database import Database
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.tables import accesses

What = Literal[
    "queue",
    "conversation",
    "conversations",
    "orders",
    "record",
    "labelling",
    "training",
    "profile",
    "export",
    "erasure",
]
"""What was looked at. `conversation` stands for all that the desk shows beside one: record, orders, cart and beliefs; `queue` for
the list of the conversations that wait, `labelling` for a turn to label, `training` for everything that models may learn from."""
INTERVAL_MS: Final = 15 * 60_000
"""Within so long the same look counts once."""
STAFF: Final = (Role.AGENT, Role.SUPERVISOR, Role.ENGINEER, Role.ADMIN)
ACCOUNTABLE: Final = (*STAFF, Role.SERVICE)
"""Whose looks at what is asked for by a customer's id are kept: who holds the backend's key can be a person at the command line."""
READERS: Final = (Role.SUPERVISOR, Role.ADMIN)
ERASED: Final = "erased:"
"""What stands before the keyed hash of a customer who is erased."""
MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Access:
    """One look: when (milliseconds since 1970, UTC), who, at whose, at what, and for which conversation ("" for none)."""

    at: int
    by_id: str
    by_role: str
    whose: str
    what: What
    conversation_id: str


_NAMES: Final = tuple(name for name in Access.__slots__ if name != "at")
# Built once: every call of the desk runs it, and building a statement costs more than running it.
_LATELY: Final = (
    select(accesses.c.row)
    .where(
        accesses.c.at > bindparam("after", type_=BigInteger), *(accesses.c[name] == bindparam(name) for name in _NAMES)
    )
    .limit(1)
)


def look(
    connection: Connection,
    principal: Principal,
    whose: str,
    what: What,
    conversation_id: str = "",
    of: Collection[Role] = STAFF,
) -> Access | None:
    """A look that is to be written down, None for who leaves none or has left it lately.

    Args:
        connection: a transaction, in which was checked that the principal may look.
        principal: who looks.
        whose: the customer's id, "" for many.
        what: at what.
        conversation_id: why.
        of: the roles whose looks are kept.
    """
    if principal.machine or principal.role not in of:
        return None
    now = now_ms()
    found = Access(now, principal.id, principal.role.value, whose, what, conversation_id)
    same = {name: getattr(found, name) for name in _NAMES} | {"after": now - INTERVAL_MS}
    return found if connection.execute(_LATELY, same).first() is None else None


def write_down(db: Database, looks: Iterable[Access | None]) -> None:
    """Keeps looks, when the transaction that found them has ended.

    Raises:
        Unavailable: it cannot be written; nothing may be given out then.
    """
    rows = [{name: getattr(each, name) for name in Access.__slots__} for each in looks if each is not None]
    if rows:
        with db.write() as connection:
            connection.execute(insert(accesses), rows)


def note(
    db: Database,
    principal: Principal,
    whose: str,
    what: What,
    conversation_id: str = "",
    of: Collection[Role] = STAFF,
) -> None:
    """Writes one look down where no transaction is open; arguments and errors as of `look` and `write_down`."""
    if principal.machine or principal.role not in of:
        return
    with db.read() as connection:
        found = look(connection, principal, whose, what, conversation_id, of)
    write_down(db, (found,))


def accesses_of(
    db: Database, principal: Principal, whose: Collection[str] = (), limit: int = MOST, before: int | None = None
) -> list[Access]:
    """The latest looks first.

    Args:
        db: where from.
        principal: who asks.
        whose: at whose data, ids and what stands for erased ones; at everybody's where it is empty.
        limit: at most so many.
        before: only earlier ones, in milliseconds since 1970, UTC.

    Raises:
        Forbidden: only a supervisor or an admin may see them.
    """
    principal.require_role(*READERS)
    wanted = select(*(accesses.c[name] for name in Access.__slots__))
    if whose:
        wanted = wanted.where(accesses.c.whose.in_(whose))
    if before is not None:
        wanted = wanted.where(accesses.c.at < before)
    with db.read() as connection:
        rows = connection.execute(wanted.order_by(accesses.c.at.desc(), accesses.c.row.desc()).limit(limit)).mappings()
        return [Access(**row) for row in rows]


def as_lines(found: Iterable[Access]) -> str:
    """Looks for a person to read, one a line, instants in UTC."""
    lines = [
        f"{datetime.fromtimestamp(each.at / 1000, UTC):%Y-%m-%d %H:%M}  {each.by_role:<10} {each.by_id}  {each.what}"
        f"  {each.whose or '-'}{f'  for {each.conversation_id}' if each.conversation_id else ''}"
        for each in found
    ]
    return "\n".join(lines) or "Nobody has looked at anything."


def accesses_within(connection: Connection, user_id: str) -> list[dict[str, Any]]:
    """The looks at a person as they are told to that person, oldest first: when, in which role and at what, not by whom."""
    told = (accesses.c.at, accesses.c.by_role, accesses.c.what, accesses.c.conversation_id)
    own = select(*told).where(accesses.c.whose == user_id).order_by(accesses.c.at, accesses.c.row)
    return [dict(row) for row in connection.execute(own).mappings()]


def forget_accessed(connection: Connection, user_id: str, mark: str, until: int | None) -> int:
    """Puts a mark in the place of a person's id, up to an instant or everywhere, as part of their erasure; how many rows had it."""
    theirs = accesses.c.whose == user_id
    if until is not None:
        theirs &= accesses.c.at <= until
    return connection.execute(update(accesses).where(theirs).values(whose=ERASED + mark)).rowcount


def note_erased(connection: Connection, principal: Principal, mark: str, at: int) -> None:
    """Writes down that somebody else erased a person, of whom only the mark is left; a person who erases themself leaves none."""
    if principal.role in ACCOUNTABLE:
        row = {"at": at, "by_id": principal.id, "by_role": principal.role.value, "whose": ERASED + mark}
        connection.execute(insert(accesses), row | {"what": "erasure", "conversation_id": ""})
