"""What agents have to do: conversations that were handed to their team, who holds which, and how each ended.

Whoever holds a conversation speaks in it, and Aisle is silent; nobody else may write there meanwhile. What happens is noted as a
turn of the system, so that a conversation read again says who spoke when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import Connection, Select, func, insert, select, update

from storage.access_log import look, write_down
from storage.conversations import SUPPORT, Channel, Turn, add_turns, readable, touch
from storage.database import Database, in_chunks, lock_row
from storage.errors import Conflict, InvalidInput, NotFound
from storage.principal import Principal, Role
from storage.record import new_id, now_ms
from storage.redaction import email_in
from storage.tables import conversations, presence, tickets, turns

DESK: Final = (Role.AGENT, Role.SUPERVISOR)
"""Who may work at the agents' desk."""
Reason = Literal["asked", "complaint", "danger", "order", "unanswered", "agent"]
"""Why a conversation was handed over: the customer asked for a person, complained, is in danger, wants what only a person may do,
or asked what nothing answers; or an agent took it unasked."""
SystemEvent = Literal["joined", "left", "returned", "closed"]
"""An agent took the conversation, put it back into the queue, gave it back to Aisle, or closed it."""
ABSENT_MS: Final = 15 * 60_000
"""Whose window has said nothing for so long has left, and holds no conversation in which a customer goes on writing."""
RECENT: Final = 12
"""The last turns that come with a conversation in the queue."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One handing over. Instants are in milliseconds since 1970, UTC; None until it happened.

    `code` says how it ended, `rating` what the customer thought of it (1 to 5), `contact` where they agreed to be answered.
    """

    ticket_id: str
    conversation_id: str
    reason: Reason
    opened_at: int
    claimed_at: int | None
    answered_at: int | None
    closed_at: int | None
    closed_by: str | None
    code: str | None
    contact: str | None
    rating: int | None

    @property
    def rateable(self) -> bool:
        """Whether an agent has helped, it has ended, and the customer has not said yet what they thought of it."""
        return self.closed_at is not None and self.answered_at is not None and self.rating is None


@dataclass(frozen=True, slots=True)
class Queued:
    """A conversation in the queue, with its open ticket (None where nobody asked for a person) and its last turns, oldest first.

    `waiting_since` is when the customer said the first thing that no agent has answered; None where all is answered.
    """

    conversation_id: str
    user_id: str
    team: str | None
    holder: str | None
    channel: Channel
    created_at: int
    updated_at: int
    ticket: Ticket | None
    waiting_since: int | None
    recent: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """That something happened in a conversation; `open` says whether it has a ticket that nobody closed."""

    conversation_id: str
    user_id: str
    team: str | None
    holder: str | None
    updated_at: int
    open: bool


_OPEN = tickets.c.closed_at.is_(None)
_RATING: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=5, strict=True)])


def hand_to_team(
    db: Database, principal: Principal, conversation_id: str, team: str = SUPPORT, reason: Reason = "asked"
) -> None:
    """Lets the agents of a team see and answer a conversation, and opens a ticket where none is open.

    Raises:
        NotFound: there is no such conversation for this principal.
    """
    with db.write(durable=True) as connection:
        readable(connection, principal, conversation_id, lock=True)
        _set(connection, conversation_id, team=team)
        _open_ticket(connection, conversation_id, reason)


def queue(db: Database, principal: Principal, ids: Sequence[str] | None = None) -> list[Queued]:
    """The conversations that wait for an agent or have one, who has waited longest first.

    An agent sees those of their own team, a supervisor all. That somebody looks at the list is written down (`storage.access_log`).

    Args:
        db: where from.
        principal: who asks.
        ids: only these, and then also those without an open ticket.

    Raises:
        Forbidden: the role may not work at the desk.
    """
    principal.require_role(*DESK)
    joined = conversations.outerjoin(
        tickets, (tickets.c.conversation_id == conversations.c.conversation_id) & tickets.c.closed_at.is_(None)
    )
    wanted = select(conversations, *(tickets.c[name].label(f"ticket_{name}") for name in Ticket.__slots__)).select_from(
        joined
    )
    if principal.role is Role.AGENT:
        wanted = wanted.where(conversations.c.team.is_not(None), conversations.c.team == principal.team)
    found: list[Any] = []
    with db.read() as connection:
        if ids is None:
            found = list(connection.execute(wanted.where(tickets.c.ticket_id.is_not(None))))
        else:
            for some in in_chunks(ids):
                found += connection.execute(wanted.where(conversations.c.conversation_id.in_(some)))
        said = _last_turns(connection, [row.conversation_id for row in found])
        seen = look(connection, principal, "", "queue") if found else None
    write_down(db, (seen,))
    entries = [_queued(row, said.get(row.conversation_id, ())) for row in found]
    return sorted(entries, key=lambda each: (each.waiting_since is None, each.waiting_since, each.conversation_id))


def changes(db: Database, since: int) -> list[Change]:
    """What changed since an instant, that included: for whoever keeps windows up to date and checks what each may see."""
    ticket = select(tickets.c.ticket_id).where(tickets.c.conversation_id == conversations.c.conversation_id, _OPEN)
    columns = [conversations.c[name] for name in Change.__slots__ if name != "open"]
    wanted = select(*columns, ticket.exists().label("open")).where(conversations.c.updated_at >= since)
    with db.read() as connection:
        return [Change(**row) for row in connection.execute(wanted.order_by(conversations.c.updated_at)).mappings()]


def lately(db: Database, minutes: int = 10, most: int = 200) -> list[Change]:
    """The conversations in which something happened within so many minutes, the latest `most`."""
    return changes(db, now_ms() - 60_000 * minutes)[-most:]


def claim(db: Database, principal: Principal, conversation_id: str) -> None:
    """Takes a conversation: from now on the agent speaks in it and Aisle is silent. Taking it again changes nothing.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
        Conflict: another agent holds it.
    """
    _hold(db, principal, conversation_id, principal.id)


def assign(db: Database, principal: Principal, conversation_id: str, agent: str) -> None:
    """Gives a conversation to an agent: one's own by its holder, any by a supervisor, who may take it from somebody with that.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal, or no such agent has been at the desk of its team lately.
        Conflict: another agent holds it.
    """
    _hold(db, principal, conversation_id, agent)


def leave_absent(db: Database, principal: Principal, conversation_id: str) -> bool:
    """Puts a conversation back into the queue where its agent has left without a word; whether that was so.

    Raises:
        NotFound: there is no such conversation for this principal.
    """
    with db.read() as connection:  # every message to an agent asks this, and nearly none has to write
        if not _has_left(connection, readable(connection, principal, conversation_id)):
            return False
    with db.write(durable=True) as connection:
        row = readable(connection, principal, conversation_id, lock=True)
        gone = _has_left(connection, row)
        if gone:
            _let_go(connection, row, principal, "left")
        return gone


def release(db: Database, principal: Principal, conversation_id: str, to: Literal["queue", "aisle"] = "queue") -> None:
    """Lets a conversation go: back into the queue, where it waits for another agent, or to Aisle, which ends the ticket.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
        Conflict: another agent holds it, or nobody does.
    """
    principal.require_role(*DESK)
    with db.write(durable=True) as connection:
        row = readable(connection, principal, conversation_id, lock=True)
        _require_holder(row, principal)
        if to == "aisle":
            _close_ticket(connection, conversation_id, principal, "returned")
        _let_go(connection, row, principal, "left" if to == "queue" else "returned")


def close(db: Database, principal: Principal, conversation_id: str, code: str) -> None:
    """Ends the ticket with how it ended; the customer speaks with Aisle again.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
        Conflict: another agent holds it, or nobody does.
    """
    principal.require_role(*DESK)
    with db.write(durable=True) as connection:
        row = readable(connection, principal, conversation_id, lock=True)
        _require_holder(row, principal)
        _close_ticket(connection, conversation_id, principal, code)
        _let_go(connection, row, principal, "closed")


def free_absent(db: Database, principal: Principal) -> None:
    """Puts back into the queue what agents hold who have left without a word.

    Raises:
        Forbidden: the role may not work at the desk.
    """
    principal.require_role(*DESK)
    joined = conversations.join(presence, presence.c.agent_id == conversations.c.holder)
    absent = (
        select(conversations.c.conversation_id).select_from(joined).where(presence.c.seen_at < now_ms() - ABSENT_MS)
    )
    with db.read() as connection:
        found = connection.execute(absent).scalars().all()
    for conversation_id in found:
        with suppress(NotFound):  # of another team, whose agents see to it
            leave_absent(db, principal, conversation_id)


def answer(db: Database, principal: Principal, conversation_id: str, turn: Turn) -> None:
    """Says something to the customer as the agent who holds the conversation; the same message twice is said once.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
        Conflict: the principal does not hold it; nothing is said then.
    """
    principal.require_role(*DESK)
    with db.write(durable=True) as connection:
        row = readable(connection, principal, conversation_id, lock=True)
        if _has_said(connection, principal, conversation_id, turn.message_id):
            return  # sent again, because its answer was lost: meanwhile the agent may hold it no more
        _require_holder(row, principal)
        add_turns(connection, conversation_id, [turn])
        _of_open(connection, conversation_id, answered_at=func.coalesce(tickets.c.answered_at, turn.created_at))


def leave_contact(db: Database, principal: Principal, conversation_id: str, contact: str) -> None:
    """Keeps where the customer agreed to be answered, with the open ticket.

    Raises:
        NotFound: there is no such conversation for this principal, or it has no open ticket.
        InvalidInput: it is no e-mail address.
    """
    address = email_in(contact)
    if address is None:
        raise InvalidInput("This is no e-mail address.", "Give one like name@example.org.")
    with db.write(durable=True) as connection:
        readable(connection, principal, conversation_id, lock=True)
        if not _of_open(connection, conversation_id, contact=address):
            raise NotFound("Nobody has been asked to answer here.", "Ask for a person first.")
        touch(connection, conversation_id)


def rate(db: Database, principal: Principal, conversation_id: str, rating: int) -> None:
    """Keeps what the customer thought of the agents' help, 1 to 5, with the ticket that was closed last.

    Raises:
        NotFound: there is no such conversation for this principal, or no agent has helped in it.
        InvalidInput: the rating is not 1 to 5.
    """
    try:
        stars = _RATING.validate_python(rating)
    except ValidationError:
        raise InvalidInput(f"{str(rating)[:20]!r} is no rating.", "Give 1 to 5.") from None
    with db.write() as connection:
        row = readable(connection, principal, conversation_id, lock=True)
        principal.require_owner(row.user_id)
        last = (
            select(tickets.c.ticket_id)
            .where(tickets.c.conversation_id == conversation_id, tickets.c.answered_at.is_not(None), ~_OPEN)
            .order_by(tickets.c.closed_at.desc())
            .limit(1)
        )
        ticket_id = connection.execute(last).scalar_one_or_none()
        if ticket_id is None:
            raise NotFound("No agent has helped in this conversation.", "Rate it once one has.")
        connection.execute(update(tickets).where(tickets.c.ticket_id == ticket_id).values(rating=stars))


def tickets_of(db: Database, principal: Principal, conversation_id: str) -> list[Ticket]:
    """All tickets of a conversation, the latest first.

    Raises:
        NotFound: there is no such conversation for this principal.
    """
    with db.read() as connection:
        readable(connection, principal, conversation_id)
        wanted = select(tickets).where(tickets.c.conversation_id == conversation_id)
        return [Ticket(**row) for row in connection.execute(wanted.order_by(tickets.c.opened_at.desc())).mappings()]


def _hold(db: Database, principal: Principal, conversation_id: str, agent: str) -> None:
    principal.require_role(*DESK)
    with db.write(durable=True) as connection:
        row = readable(connection, principal, conversation_id, lock=True)
        if row.holder == agent:
            return
        own = row.holder in (None, principal.id) or (agent != principal.id and principal.role is Role.SUPERVISOR)
        if not own:
            raise _held(row.holder)
        team = row.team or principal.team or SUPPORT
        if agent != principal.id and not _is_there(connection, agent, team):
            raise NotFound(f"{agent[:80]!r} is not at the desk.", "Choose one of those who are.")
        if row.team is None:
            _set(connection, conversation_id, team=team)
        _open_ticket(connection, conversation_id, "agent")
        _of_open(connection, conversation_id, claimed_at=func.coalesce(tickets.c.claimed_at, now_ms()))
        _set(connection, conversation_id, holder=agent)
        _note(connection, conversation_id, "joined", agent)


def _is_there(connection: Connection, agent: str, team: str) -> bool:
    """Whether an agent has been at the desk of a team lately."""
    there = (presence.c.agent_id == agent, presence.c.team == team, presence.c.seen_at >= now_ms() - ABSENT_MS)
    return connection.execute(select(presence.c.agent_id).where(*there)).one_or_none() is not None


def _has_said(connection: Connection, principal: Principal, conversation_id: str, message_id: str) -> bool:
    """Whether this agent has said this message here."""
    wanted = select(turns.c.data).where(
        turns.c.message_id == message_id, turns.c.conversation_id == conversation_id, turns.c.role == "agent"
    )
    data = connection.execute(wanted).scalar_one_or_none()
    return data is not None and data.get("agent") == principal.id


def _has_left(connection: Connection, row: Any) -> bool:
    """Whether an agent holds the conversation whose window has said nothing for long; one that never did works by other means."""
    long_ago = (presence.c.agent_id == row.holder, presence.c.seen_at < now_ms() - ABSENT_MS)
    return connection.execute(select(presence.c.agent_id).where(*long_ago)).one_or_none() is not None


def _let_go(connection: Connection, row: Any, principal: Principal, event: SystemEvent) -> None:
    _set(connection, row.conversation_id, holder=None)
    _note(connection, row.conversation_id, event, row.holder or principal.id)


def _require_holder(row: Any, principal: Principal) -> None:
    if row.holder is None:
        raise Conflict("Nobody holds this conversation.", "Take it first.")
    if row.holder != principal.id:
        raise _held(row.holder)


def _held(holder: str) -> Conflict:
    return Conflict(f"{holder[:80]} has this conversation.", "They can release it, and a supervisor can assign it.")


def _note(connection: Connection, conversation_id: str, event: SystemEvent, agent: str) -> None:
    """Notes what happened as a turn, which marks the conversation as changed too."""
    add_turns(connection, conversation_id, [Turn(role="system", content="", data={"event": event, "agent": agent})])


def _set(connection: Connection, conversation_id: str, **values: str | None) -> None:
    connection.execute(update(conversations).where(conversations.c.conversation_id == conversation_id).values(values))
    touch(connection, conversation_id)


def _open_ticket(connection: Connection, conversation_id: str, reason: Reason) -> None:
    already = select(tickets.c.ticket_id).where(tickets.c.conversation_id == conversation_id, _OPEN)
    if connection.execute(lock_row(connection, already)).one_or_none() is None:
        row = {"ticket_id": new_id(), "conversation_id": conversation_id, "reason": reason, "opened_at": now_ms()}
        connection.execute(insert(tickets), row)


def _close_ticket(connection: Connection, conversation_id: str, principal: Principal, code: str) -> None:
    _of_open(connection, conversation_id, closed_at=now_ms(), closed_by=principal.id, code=code[:40])


def _of_open(connection: Connection, conversation_id: str, **values: Any) -> bool:
    """Sets fields of the open ticket; whether there is one."""
    own = update(tickets).where(tickets.c.conversation_id == conversation_id, _OPEN)
    return connection.execute(own.values(values)).rowcount > 0


def _last_turns(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Turn, ...]]:
    """The last `RECENT` turns of each conversation, oldest first."""
    back = func.row_number().over(partition_by=turns.c.conversation_id, order_by=turns.c.number.desc()).label("back")
    found: dict[str, list[Turn]] = {}
    for some in in_chunks(ids):
        numbered = select(turns, back).where(turns.c.conversation_id.in_(some)).subquery()
        last: Select[Any] = (
            select(numbered).where(numbered.c.back <= RECENT).order_by(numbered.c.conversation_id, numbered.c.number)
        )
        for row in connection.execute(last).mappings():
            fields = {name: row[name] for name in Turn.model_fields}
            found.setdefault(row["conversation_id"], []).append(Turn.model_construct(**fields))
    return {conversation_id: tuple(said) for conversation_id, said in found.items()}


def _queued(row: Any, recent: tuple[Turn, ...]) -> Queued:
    ticket = None
    if row.ticket_ticket_id is not None:
        ticket = Ticket(**{name: getattr(row, f"ticket_{name}") for name in Ticket.__slots__})
    own = {name: getattr(row, name) for name in Queued.__slots__ if name in conversations.c}
    return Queued(**own, ticket=ticket, waiting_since=_waiting_since(ticket, recent), recent=recent)


def _waiting_since(ticket: Ticket | None, recent: Iterable[Turn]) -> int | None:
    """Since when the customer waits for an agent: since the ticket was opened, or since the first words after the last answer."""
    if ticket is None:
        return None
    since: int | None = ticket.opened_at
    for turn in recent:
        if turn.role == "agent" and turn.created_at >= ticket.opened_at:
            since = None
        elif turn.role == "user" and since is None:
            since = turn.created_at
    return since
