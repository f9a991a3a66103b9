"""How much waits at the agents' desk, by team: counts, no conversation and nobody's name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select

from storage.database import Database
from storage.principal import Principal, Role
from storage.tables import conversations, tickets


@dataclass(frozen=True, slots=True)
class DeskLoad:
    """A team's open conversations: without an agent, with one, and since when the oldest without one is open (ms, UTC)."""

    team: str
    waiting: int
    held: int
    oldest: int | None


def desk_load(db: Database, principal: Principal) -> list[DeskLoad]:
    """The load of each team that has open conversations, by name.

    Raises:
        Forbidden: it is for whoever runs the shop.
    """
    principal.require_role(Role.SERVICE, Role.SUPERVISOR, Role.ADMIN)
    free = conversations.c.holder.is_(None)
    statement = (
        select(
            conversations.c.team,
            func.count().filter(free),
            func.count().filter(~free),
            func.min(case((free, tickets.c.opened_at))),
        )
        .join(tickets, tickets.c.conversation_id == conversations.c.conversation_id)
        .where(tickets.c.closed_at.is_(None), conversations.c.team.is_not(None))
        .group_by(conversations.c.team)
        .order_by(conversations.c.team)
    )
    with db.read() as connection:
        return [DeskLoad(*row) for row in connection.execute(statement)]
