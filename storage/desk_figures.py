"""What the agents' desk came to, over everybody: read for figures, without a customer's name, id or words.

Agents are named, for their supervisors; a conversation is a count, a ticket its instants and how it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from storage.database import Database
from storage.principal import Principal, Role
from storage.settings import DAY_MS
from storage.tables import conversations, suggestions, tickets, turns

SUPPORT_FIGURES: Final = (Role.SUPERVISOR, Role.ADMIN)
"""Who may see how the desk does, by agent; supervisors see every conversation anyway, so no count is too small to tell."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Conversations that began on one day (days since 1970, UTC), and which of them were alike in these two.

    `handed` says that they went to the team at some time, `answered` that an agent wrote in them at some time.
    """

    day: int
    handed: bool
    answered: bool
    count: int


@dataclass(frozen=True, slots=True)
class Handled:
    """A ticket without whose it is. Instants are in milliseconds since 1970, UTC; None until it happened.

    `answered_by` is who wrote first, None also where that is not known.
    """

    reason: str
    opened_at: int
    answered_at: int | None
    answered_by: str | None
    closed_at: int | None
    closed_by: str | None
    code: str | None
    rating: int | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The open tickets now: those that nobody holds, those that an agent holds, and since when the oldest of the former waits."""

    waiting: int
    held: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class Use:
    """What became of proposals.

    `messages` are customers' messages for which an agent was shown at least one, `taken` those for which the agent sent one.
    `distance` is the sum of edit distances in characters over those sent, `unchanged` those sent with a distance of 0.
    """

    name: str
    shown: int
    inserted: int
    sent: int
    unchanged: int
    distance: int
    dismissed: int
    messages: int
    taken: int


def conversations_begun(db: Database, principal: Principal, since: int) -> list[Begun]:
    """Conversations with words of a customer that began since an instant, counted by day.

    Raises:
        Forbidden: the role may not see the desk's figures.
    """
    principal.require_role(*SUPPORT_FIGURES)
    day = (conversations.c.created_at // DAY_MS).label("day")
    handed = _flag(select(tickets.c.ticket_id).where(_of_conversation(tickets)).exists()).label("handed")
    answered = _flag(_spoke("agent")).label("answered")
    # What began since then changed since then, and the index is on the latter.
    began = and_(conversations.c.updated_at >= since, conversations.c.created_at >= since)
    each = select(day, handed, answered).where(began, _spoke("user")).subquery()
    counted = (
        select(each.c.day, each.c.handed, each.c.answered, func.count().label("talks"))
        .group_by(each.c.day, each.c.handed, each.c.answered)
        .order_by(each.c.day, each.c.handed, each.c.answered)
    )
    with db.read() as connection:
        return [
            Begun(int(row.day), bool(row.handed), bool(row.answered), row.talks) for row in connection.execute(counted)
        ]


def tickets_handled(db: Database, principal: Principal, since: int) -> list[Handled]:
    """Tickets that were opened or closed since an instant, in the order of opening.

    Raises:
        Forbidden: the role may not see the desk's figures.
    """
    principal.require_role(*SUPPORT_FIGURES)
    first = (
        select(turns.c.data["agent"].as_string())
        .where(
            turns.c.conversation_id == tickets.c.conversation_id,
            turns.c.role == "agent",
            turns.c.created_at == tickets.c.answered_at,
        )
        .order_by(turns.c.number)
        .limit(1)
        .scalar_subquery()
        .label("answered_by")
    )
    own = [first if name == "answered_by" else tickets.c[name] for name in Handled.__slots__]
    wanted = select(*own).where(or_(tickets.c.opened_at >= since, tickets.c.closed_at >= since))
    with db.read() as connection:
        in_order = connection.execute(wanted.order_by(tickets.c.opened_at, tickets.c.ticket_id)).mappings()
        return [Handled(**row) for row in in_order]


def backlog(db: Database, principal: Principal) -> Backlog:
    """What is open now.

    Raises:
        Forbidden: the role may not see the desk's figures.
    """
    principal.require_role(*SUPPORT_FIGURES)
    joined = tickets.join(conversations, conversations.c.conversation_id == tickets.c.conversation_id)
    free = conversations.c.holder.is_(None)
    counted = (
        select(func.count(case((free, 1))), func.count(case((~free, 1))), func.min(case((free, tickets.c.opened_at))))
        .select_from(joined)
        .where(tickets.c.closed_at.is_(None))
    )
    with db.read() as connection:
        waiting, held, oldest = connection.execute(counted).one()
    return Backlog(waiting, held, oldest)


def proposals_used(db: Database, principal: Principal, since: int) -> tuple[list[Use], list[Use]]:
    """What became of what was proposed since an instant: by kind, and by agent; each by name.

    Raises:
        Forbidden: the role may not see the desk's figures.
    """
    principal.require_role(*SUPPORT_FIGURES)
    with db.read() as connection:
        by_kind, by_agent = (
            [_used(row) for row in connection.execute(_use(column, since))]
            for column in (suggestions.c.kind, suggestions.c.agent_id)
        )
    return by_kind, by_agent


def _use(name: ColumnElement[Any], since: int) -> Select[Any]:
    """Counted within each message first, so that the messages can be counted too."""
    sent = suggestions.c.sent_at.is_not(None)
    each = (
        select(
            name.label("name"),
            func.count().label("shown"),
            func.count(suggestions.c.inserted_at).label("inserted"),
            func.count(suggestions.c.sent_at).label("sent"),
            func.count(case((and_(sent, suggestions.c.edit_distance == 0), 1))).label("unchanged"),
            func.coalesce(func.sum(case((sent, suggestions.c.edit_distance))), 0).label("distance"),
            func.count(suggestions.c.dismissed_at).label("dismissed"),
        )
        .where(suggestions.c.shown_at >= since)
        .group_by(name, suggestions.c.agent_id, suggestions.c.message_id)
        .subquery()
    )
    sums: Sequence[ColumnElement[Any]] = [
        func.sum(each.c[column]).label(column)
        for column in ("shown", "inserted", "sent", "unchanged", "distance", "dismissed")
    ]
    messages = [func.count().label("messages"), func.count(case((each.c.sent > 0, 1))).label("taken")]
    return select(each.c.name, *sums, *messages).group_by(each.c.name).order_by(each.c.name)


def _used(row: Any) -> Use:
    # PostgreSQL sums into decimals.
    return Use(row.name, *(int(getattr(row, name)) for name in Use.__slots__[1:]))


def _spoke(role: str) -> ColumnElement[bool]:
    return select(turns.c.number).where(_of_conversation(turns), turns.c.role == role).exists()


def _of_conversation(table: Any) -> ColumnElement[bool]:
    own: ColumnElement[bool] = table.c.conversation_id == conversations.c.conversation_id
    return own


def _flag(told: ColumnElement[bool]) -> ColumnElement[int]:
    return case((told, 1), else_=0)
