"""Conversations and their turns. The turns are only ever appended; what a dialogue's state is, is a fold over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import BigInteger, BindParameter, Connection, Row, bindparam, case, func, insert, select, update

from storage.access_log import look, write_down
from storage.database import Database, in_chunks, lock_row
from storage.errors import Conflict, NotFound
from storage.principal import Principal, Role
from storage.record import Content, Id, Record, new_id, now_ms, storable
from storage.tables import conversations, turns


class Turn(Record):
    """One message. `data` is JSON that its writer wants back: constraints, products shown, the intent.

    `created_at` is in milliseconds since 1970, UTC.
    """

    message_id: Id = Field(default_factory=new_id)
    role: Literal["user", "assistant", "agent", "system"]
    content: Content
    language: Annotated[Content, Field(max_length=40)] = "en"
    created_at: int = Field(default_factory=now_ms)
    data: dict[str, Any] = Field(default_factory=dict)


Channel = Literal["window", "embed", "api", "terminal"]
"""Where a conversation is held: the shop's window, its bubble on a page, a program of the shop or of others, the command line."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its turns.

    `team` is the team of agents that may see it, None while it needs none; `holder` the agent who speaks in Aisle's place.
    """

    conversation_id: str
    user_id: str
    team: str | None
    holder: str | None
    channel: Channel
    created_at: int
    updated_at: int


SUPPORT = "support"
"""The team of agents that customers are handed to."""

_FIELDS = tuple(Turn.model_fields)
_ID: BindParameter[str] = bindparam("id")
# Built once: every turn of every conversation runs these, and building a statement costs as much as running it.
_HEAD = select(conversations).where(conversations.c.conversation_id == _ID)
_TURNS = (
    select(*(turns.c[name] for name in _FIELDS))
    .where(turns.c.conversation_id == _ID, turns.c.number > bindparam("after"))
    .order_by(turns.c.number)
)
_KNOWN = select(turns.c.message_id, turns.c.conversation_id).where(
    turns.c.message_id.in_(bindparam("ids", expanding=True))
)
_LAST = select(func.coalesce(func.max(turns.c.number), 0)).where(turns.c.conversation_id == _ID)
# Of the user's latest conversations, whatever their number: a shop's backend may hold a hundred thousand.
_LATEST = (
    select(conversations.c.conversation_id, conversations.c.updated_at)
    .where(conversations.c.user_id == bindparam("user_id"))
    .order_by(conversations.c.updated_at.desc(), conversations.c.conversation_id)
    .limit(bindparam("latest"))
    .subquery()
)
_BEGUN_WITH = (
    select(_LATEST.c.conversation_id)
    .join(turns, turns.c.conversation_id == _LATEST.c.conversation_id)
    .where(turns.c.number == 1, turns.c.role == "user", turns.c.content == bindparam("content"))
    .order_by(_LATEST.c.updated_at.desc(), _LATEST.c.conversation_id)
    .limit(bindparam("most"))
)
_ADD = insert(turns)
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_LATER = conversations.c.updated_at
_TOUCH = (
    update(conversations)
    .where(conversations.c.conversation_id == _ID)
    .values(updated_at=case((_LATER >= _NOW, _LATER + 1), else_=_NOW))
)


def start(db: Database, principal: Principal, user_id: str | None = None, channel: Channel = "window") -> str:
    """Opens a conversation and returns its id.

    Args:
        db: where to.
        principal: who opens it: the customer themself, or the shop's backend for one.
        user_id: whose it is; the principal's own where None.
        channel: where it is held.

    Raises:
        NotFound: the principal may not act for that user.
    """
    owner = user_id or principal.id
    principal.require_owner(owner)
    now = now_ms()
    conversation_id = new_id()
    row = {
        "conversation_id": conversation_id,
        "user_id": owner,
        "channel": channel,
        "created_at": now,
        "updated_at": now,
    }
    with db.write() as connection:
        connection.execute(insert(conversations), row)
    return conversation_id


def append(
    db: Database, principal: Principal, conversation_id: str, new: Sequence[Turn], *, unless_held: bool = False
) -> bool:
    """Adds turns at the end; a turn whose message_id the conversation has already is left out, so a retry is safe.

    Args:
        db: where to.
        principal: who adds them: whose conversation it is, or who may see it.
        conversation_id: of which conversation.
        new: the turns, oldest first.
        unless_held: where an agent holds the conversation, the assistant's turns among them are not said.

    Returns:
        Whether all of them were said: False where an agent holds the conversation and the assistant was not to speak then.

    Raises:
        NotFound: there is no such conversation for this principal.
        Conflict: a message_id belongs to another conversation.
    """
    with db.write() as connection:
        head = readable(connection, principal, conversation_id, lock=True)
        silent = unless_held and head.holder is not None
        add_turns(connection, conversation_id, [turn for turn in new if not (silent and turn.role == "assistant")])
        return not silent


def add_turns(connection: Connection, conversation_id: str, new: Sequence[Turn]) -> None:
    """Adds turns to a conversation whose row this transaction has locked, as `append` does."""
    known: set[str] = set()
    for some in in_chunks([turn.message_id for turn in new]):
        for message_id, owner in connection.execute(_KNOWN, {"ids": some}):
            if owner != conversation_id:
                raise Conflict(f"The message id {message_id!r} is taken.", "Let Aisle choose it.")
            known.add(message_id)
    number = connection.execute(_LAST, {"id": conversation_id}).scalar_one()
    rows = []
    for turn in new:
        if turn.message_id not in known:
            known.add(turn.message_id)
            number += 1
            fields = turn.model_dump() | {"data": storable(turn.data)}
            rows.append({"conversation_id": conversation_id, "number": number, **fields})
    if rows:
        connection.execute(_ADD, rows)
    touch(connection, conversation_id)


def touch(connection: Connection, conversation_id: str) -> None:
    """Marks a conversation as changed now, later than ever before."""
    connection.execute(_TOUCH, {"id": conversation_id, "now": now_ms()})


def turns_of(db: Database, principal: Principal, conversation_id: str, after: int = 0) -> list[Turn]:
    """All turns but the first `after`, in the order in which they were added.

    Raises:
        NotFound: there is no such conversation for this principal.
    """
    return read_on(db, principal, conversation_id, after)[1]


def read_on(
    db: Database, principal: Principal, conversation_id: str, after: int = 0
) -> tuple[Conversation, list[Turn]]:
    """A conversation with its turns but the first `after`, both as of one moment.

    That somebody of the shop's people reads it is written down (`storage.access_log`).

    Raises:
        NotFound: there is no such conversation for this principal.
    """
    with db.read() as connection:
        head = readable(connection, principal, conversation_id)
        seen = look(connection, principal, head.user_id, "conversation", conversation_id)
        found = _read_turns(connection, conversation_id, after)
    write_down(db, (seen,))
    return Conversation(**head._mapping), found


def conversation(db: Database, principal: Principal, conversation_id: str) -> Conversation:
    """One conversation, without its turns.

    Raises:
        NotFound: there is no such conversation for this principal.
    """
    with db.read() as connection:
        return Conversation(**readable(connection, principal, conversation_id)._mapping)


def conversations_of(db: Database, principal: Principal, user_id: str) -> list[Conversation]:
    """A user's conversations, the latest first; an agent sees those of their own team, a supervisor all.

    Raises:
        NotFound: the user is another's to see.
    """
    principal.require_owner(user_id, Role.AGENT, Role.SUPERVISOR)
    statement = select(conversations).where(conversations.c.user_id == user_id)
    if principal.role is Role.AGENT:
        statement = statement.where(conversations.c.team.is_not(None), conversations.c.team == principal.team)
    newest_first = statement.order_by(conversations.c.updated_at.desc(), conversations.c.conversation_id)
    with db.read() as connection:
        found = [Conversation(**row) for row in connection.execute(newest_first).mappings()]
        seen = look(connection, principal, user_id, "conversations") if found else None
    write_down(db, (seen,))
    return found


def begun_with(
    db: Database, principal: Principal, user_id: str, content: str, *, latest: int = 500, most: int = 20
) -> list[str]:
    """Ids of a user's conversations that their message `content` began, the latest first.

    Args:
        db: where from.
        principal: who asks.
        user_id: whose conversations.
        content: the first message, as it was stored.
        latest: of so many of the user's latest conversations.
        most: at most so many.

    Raises:
        NotFound: the user is another's to see.
    """
    principal.require_owner(user_id)
    values = {"user_id": user_id, "content": storable(content), "latest": latest, "most": most}
    with db.read() as connection:
        return list(connection.execute(_BEGUN_WITH, values).scalars())


def readable(connection: Connection, principal: Principal, conversation_id: str, lock: bool = False) -> Row[Any]:
    """The conversation's row, locked until the transaction ends where `lock`.

    Raises:
        NotFound: there is no such conversation for this principal.
    """
    statement = lock_row(connection, _HEAD) if lock else _HEAD
    row = connection.execute(statement, {"id": conversation_id}).one_or_none()
    own_team = principal.role is Role.AGENT and row is not None and row.team is not None and row.team == principal.team
    if row is None or not (own_team or principal.owns(row.user_id, Role.SUPERVISOR)):
        # One text for both, so that a foreign id cannot be told from one that does not exist.
        raise NotFound(f"There is no conversation {conversation_id[:200]!r} here.", "Start a new one.")
    return row


def _read_turns(connection: Connection, conversation_id: str, after: int) -> list[Turn]:
    found = connection.execute(_TURNS, {"id": conversation_id, "after": after}).all()
    return [Turn.model_construct(**dict(zip(_FIELDS, row, strict=True))) for row in found]
