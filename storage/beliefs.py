"""Beliefs that a shopper removed from their profile: they stay removed, whatever the events say later."""

from __future__ import annotations

from sqlalchemy import select

from storage.database import Database
from storage.principal import Principal
from storage.record import now_ms
from storage.tables import hidden_beliefs as hidden


def hide_belief(db: Database, principal: Principal, user_id: str, kind: str, value: str) -> None:
    """Removes one belief for good, durably; doing it twice changes nothing.

    Raises:
        NotFound: the profile is another's.
    """
    principal.require_owner(user_id)
    row = {"user_id": user_id, "kind": kind, "value": value, "hidden_at": now_ms()}
    with db.write(durable=True) as connection:
        connection.execute(db.insert_new(hidden), row)


def hidden_beliefs(db: Database, principal: Principal, user_id: str) -> set[tuple[str, str]]:
    """The (kind, value) of all that a shopper removed.

    Raises:
        NotFound: the profile is another's.
    """
    principal.require_owner(user_id)
    with db.read() as connection:
        rows = connection.execute(select(hidden.c.kind, hidden.c.value).where(hidden.c.user_id == user_id)).all()
    return {(row.kind, row.value) for row in rows}
