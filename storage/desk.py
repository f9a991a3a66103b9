"""What agents keep beside a conversation: notes to each other, drafts, who sits at the desk, and replies at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field, StringConstraints
from sqlalchemy import delete, func, insert, select

from storage.access_log import look, write_down
from storage.conversations import SUPPORT, readable, touch
from storage.database import Database
from storage.errors import NotFound
from storage.identity import VISITOR_MARK
from storage.principal import Principal, Role
from storage.record import Id, Record, new_id, now_ms, storable
from storage.tables import drafts, macros, notes, presence
from storage.tickets import DESK

LONGEST_NOTE: Final = 4_000
"""Characters of a note or a draft that are kept."""
ONLINE_MS: Final = 60_000
"""Whose window has said nothing for so long is gone."""


@dataclass(frozen=True, slots=True)
class Note:
    """What an agent noted; `created_at` is in milliseconds since 1970, UTC."""

    note_id: str
    conversation_id: str
    author: str
    text: str
    created_at: int


class Macro(Record):
    """A reply kept at hand; `{slots}` in it are filled with the customer's records."""

    macro_id: Id = Field(default_factory=new_id)
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")] = "en"
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]


def on_behalf(db: Database, principal: Principal, conversation_id: str) -> Principal:
    """The customer of a conversation, to read their records with: an agent who may see the one may see the others.

    The look is written down first (`storage.access_log`).

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
    """
    principal.require_role(*DESK)
    with db.read() as connection:
        row = readable(connection, principal, conversation_id)
        seen = look(connection, principal, row.user_id, "conversation", conversation_id)
    write_down(db, (seen,))
    return Principal(row.user_id, Role.CUSTOMER, anonymous=row.user_id.startswith(VISITOR_MARK))


def add_note(db: Database, principal: Principal, conversation_id: str, text: str) -> Note:
    """Notes something for the other agents.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
    """
    principal.require_role(*DESK)
    note = Note(new_id(), conversation_id, principal.id, storable(text)[:LONGEST_NOTE], now_ms())
    with db.write(durable=True) as connection:
        readable(connection, principal, conversation_id, lock=True)
        connection.execute(insert(notes), {name: getattr(note, name) for name in Note.__slots__})
        touch(connection, conversation_id)
    return note


def notes_of(db: Database, principal: Principal, conversation_id: str) -> list[Note]:
    """The notes of a conversation, oldest first.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
    """
    principal.require_role(*DESK)
    wanted = select(notes).where(notes.c.conversation_id == conversation_id)
    with db.read() as connection:
        row = readable(connection, principal, conversation_id)
        seen = look(connection, principal, row.user_id, "conversation", conversation_id)
        in_order = connection.execute(wanted.order_by(notes.c.created_at, notes.c.note_id)).mappings()
        found = [Note(**row) for row in in_order]
    write_down(db, (seen,))
    return found


def keep_draft(db: Database, principal: Principal, conversation_id: str, text: str) -> None:
    """Keeps what an agent has written and not sent; an empty text removes it.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
    """
    principal.require_role(*DESK)
    key = {"conversation_id": conversation_id, "agent_id": principal.id}
    with db.write() as connection:
        readable(connection, principal, conversation_id)
        if text.strip():
            row = key | {"text": storable(text)[:LONGEST_NOTE], "updated_at": now_ms()}
            connection.execute(db.upsert(drafts, keys=tuple(key)), row)
        else:
            own = [drafts.c[name] == value for name, value in key.items()]
            connection.execute(delete(drafts).where(*own))


def draft_of(db: Database, principal: Principal, conversation_id: str) -> str:
    """What the agent has written and not sent, "" where nothing.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
    """
    principal.require_role(*DESK)
    own = (drafts.c.conversation_id == conversation_id, drafts.c.agent_id == principal.id)
    with db.read() as connection:
        readable(connection, principal, conversation_id)
        return connection.execute(select(drafts.c.text).where(*own)).scalar_one_or_none() or ""


def be_present(db: Database, principal: Principal) -> None:
    """Says that an agent's window is open; supervisors count with every team.

    Raises:
        Forbidden: the role may not work at the desk.
    """
    principal.require_role(*DESK)
    row = {"agent_id": principal.id, "team": principal.team or SUPPORT, "seen_at": now_ms()}
    with db.write() as connection:
        connection.execute(db.upsert(presence, keys=("agent_id",)), row)


def present(db: Database, team: str = SUPPORT) -> list[str]:
    """Who of a team sits at the desk now, by name. Whether anybody does is no secret: every customer is told."""
    here = (presence.c.team == team, presence.c.seen_at > now_ms() - ONLINE_MS)
    with db.read() as connection:
        return list(
            connection.execute(select(presence.c.agent_id).where(*here).order_by(presence.c.agent_id)).scalars()
        )


def put_macro(db: Database, principal: Principal, macro: Macro) -> None:
    """Keeps a reply at hand, in place of the one with the same id.

    Raises:
        Forbidden: only a supervisor or an admin may.
    """
    principal.require_role(Role.SUPERVISOR, Role.ADMIN)
    row = macro.model_dump() | {"updated_by": principal.id, "updated_at": now_ms()}
    with db.write(durable=True) as connection:
        connection.execute(db.upsert(macros, keys=("macro_id",)), row)


def remove_macro(db: Database, principal: Principal, macro_id: str) -> None:
    """Removes a reply.

    Raises:
        Forbidden: only a supervisor or an admin may.
        NotFound: there is none with this id.
    """
    principal.require_role(Role.SUPERVISOR, Role.ADMIN)
    with db.write(durable=True) as connection:
        if not connection.execute(delete(macros).where(macros.c.macro_id == macro_id)).rowcount:
            raise NotFound(f"There is no reply {macro_id[:200]!r}.", "Take the id from the list.")


def macros_of(db: Database, principal: Principal) -> list[Macro]:
    """All replies that are kept at hand, by title.

    Raises:
        Forbidden: the role may not work at the desk.
    """
    principal.require_role(*DESK, Role.ADMIN)
    wanted = select(*(macros.c[name] for name in Macro.model_fields)).order_by(
        func.lower(macros.c.title), macros.c.macro_id
    )
    with db.read() as connection:
        return [Macro.model_validate(dict(row)) for row in connection.execute(wanted).mappings()]
