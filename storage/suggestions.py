"""What was proposed to agents, and what they made of it: whether each proposal was inserted, dismissed or sent, and how changed.

These are figures for supervisors, and what later models learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rapidfuzz.distance import Levenshtein
from sqlalchemy import insert, select, update

from storage.conversations import readable
from storage.database import Database
from storage.errors import NotFound
from storage.principal import Principal
from storage.record import new_id, now_ms, storable
from storage.tables import suggestions, turns
from storage.tickets import DESK

Kind = Literal["reply", "macro", "passage", "product", "action", "ask"]
"""A reply from past talk, one kept at hand, a passage of the shop's documents, a product, what to do next, a question for what is
missing."""
LONGEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed, best first where there are several; `source` is the id of what it was taken from."""

    kind: Kind
    source: str
    text: str
    product_id: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A proposal as it is kept. Instants are in milliseconds since 1970, UTC, None until it happened.

    `rank` counts from 1. `edit_distance` is Levenshtein's, in characters, from what was proposed to what was sent.
    """

    suggestion_id: str
    conversation_id: str
    message_id: str
    agent_id: str
    kind: Kind
    source: str
    rank: int
    text: str
    product_id: str | None
    shown_at: int
    inserted_at: int | None = None
    dismissed_at: int | None = None
    sent_at: int | None = None
    edit_distance: int | None = None


def show(
    db: Database, principal: Principal, conversation_id: str, message_id: str, proposals: Sequence[Proposal]
) -> list[Suggestion]:
    """Notes that proposals for a customer's message were shown to the agent; each as it is kept, in their order.

    What the same agent was shown before for that message is not noted anew.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal, or no such message in it.
    """
    principal.require_role(*DESK)
    now = now_ms()
    with db.write() as connection:
        readable(connection, principal, conversation_id)
        said = select(turns.c.message_id).where(
            turns.c.message_id == message_id, turns.c.conversation_id == conversation_id
        )
        if connection.execute(said).one_or_none() is None:
            raise NotFound(f"There is no message {message_id[:200]!r} here.", "Take the id from the conversation.")
        own = select(suggestions).where(
            suggestions.c.conversation_id == conversation_id,
            suggestions.c.message_id == message_id,
            suggestions.c.agent_id == principal.id,
        )
        known = {
            (each.kind, each.source, each.text): each
            for each in (Suggestion(**row) for row in connection.execute(own).mappings())
        }
        shown = []
        new = []
        for rank, proposal in enumerate(proposals, 1):
            suggestion = Suggestion(
                suggestion_id=new_id(),
                conversation_id=conversation_id,
                message_id=message_id,
                agent_id=principal.id,
                kind=proposal.kind,
                source=proposal.source[:200],
                rank=rank,
                text=storable(proposal.text)[:LONGEST],
                product_id=proposal.product_id,
                shown_at=now,
            )
            key = (suggestion.kind, suggestion.source, suggestion.text)
            if key not in known:
                known[key] = suggestion
                new.append(_row(suggestion))
            shown.append(known[key])
        if new:
            connection.execute(insert(suggestions), new)
    return shown


def mark(
    db: Database,
    principal: Principal,
    conversation_id: str,
    suggestion_id: str,
    done: Literal["inserted", "dismissed"],
) -> Suggestion:
    """Notes that the agent inserted or dismissed what they were shown; the first instant of each is kept.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: they were not shown this in that conversation.
    """
    principal.require_role(*DESK)
    with db.write() as connection:
        found = _own(connection, principal, conversation_id, suggestion_id)
        name = f"{done}_at"
        if getattr(found, name) is None:
            _set(connection, suggestion_id, **{name: now_ms()})
        return _own(connection, principal, conversation_id, suggestion_id)


def mark_sent(db: Database, principal: Principal, conversation_id: str, suggestion_id: str, text: str) -> Suggestion:
    """Notes that the agent sent a text that began as this proposal, and how far it was changed.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: they were not shown this in that conversation.
    """
    principal.require_role(*DESK)
    now = now_ms()
    with db.write() as connection:
        found = _own(connection, principal, conversation_id, suggestion_id)
        changed = Levenshtein.distance(found.text, storable(text)[:LONGEST])
        _set(connection, suggestion_id, sent_at=now, inserted_at=found.inserted_at or now, edit_distance=changed)
        return _own(connection, principal, conversation_id, suggestion_id)


def _own(connection: Any, principal: Principal, conversation_id: str, suggestion_id: str) -> Suggestion:
    readable(connection, principal, conversation_id)
    wanted = select(suggestions).where(
        suggestions.c.suggestion_id == suggestion_id,
        suggestions.c.conversation_id == conversation_id,
        suggestions.c.agent_id == principal.id,
    )
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None:
        raise NotFound(f"You were not shown {suggestion_id[:200]!r} here.", "Ask for the suggestions again.")
    return Suggestion(**row)


def _set(connection: Any, suggestion_id: str, **values: int) -> None:
    connection.execute(update(suggestions).where(suggestions.c.suggestion_id == suggestion_id).values(values))


def _row(suggestion: Suggestion) -> dict[str, Any]:
    return {name: getattr(suggestion, name) for name in Suggestion.__slots__}
