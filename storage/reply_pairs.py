"""What agents answered, as pairs that a model of replies may learn from.

Only conversations of people whose consent says `train`, redacted, and in them only what was said while a ticket was open that is
closed by now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from storage.consent import Consent
from storage.conversations import Turn
from storage.database import Database, in_chunks
from storage.labels import TrainingConversation, training_conversations
from storage.principal import Principal
from storage.redaction import redact
from storage.suggestions import Kind
from storage.tables import conversations, suggestions, tickets


@dataclass(frozen=True, slots=True)
class Began:
    """The suggestion that a reply began as, its text redacted; `edit_distance` in characters, as `storage.suggestions` counts."""

    kind: Kind
    source: str
    text: str
    edit_distance: int


@dataclass(frozen=True, slots=True)
class ReplyPair:
    """An agent's first reply to what a customer said.

    `history` is what was said until then, oldest first, redacted and without data: the customer's turns, Aisle's and agents', the
    last of which is the customer's. `code` says how the ticket ended, `began` which suggestion the reply was made of, if any.
    """

    conversation_id: str
    user_id: str
    message_id: str
    language: str
    history: tuple[Turn, ...]
    reply: str
    code: str | None
    began: Began | None


@dataclass(frozen=True, slots=True)
class _Closed:
    """A ticket that is over, from its opening to its end in milliseconds since 1970, UTC."""

    opened_at: int
    closed_at: int
    code: str | None


@dataclass(frozen=True, slots=True)
class _Sent:
    message_id: str
    sent_at: int
    began: Began


def reply_pairs(db: Database, principal: Principal, default_consent: Consent) -> Iterator[ReplyPair]:
    """The pairs of everybody whose consent says `train`, the oldest conversation first.

    Args:
        db: where from.
        principal: who reads.
        default_consent: that of people who never chose; the shop's `[consent]`.

    Raises:
        Forbidden: the role may not read conversations to learn from.
    """
    for some in _batches(resolved_conversations(db, principal, default_consent)):
        ids = [talk.conversation_id for talk in some]
        closed, sent = _closed_of(db, ids), _sent_of(db, ids)
        for talk in some:
            yield from _pairs(talk, closed[talk.conversation_id], sent[talk.conversation_id])


def resolved_conversations(
    db: Database, principal: Principal, default_consent: Consent
) -> Iterator[TrainingConversation]:
    """The conversations that an agent answered and closed, of everybody whose consent says `train`, the oldest first.

    Raises:
        Forbidden: the role may not read conversations to learn from.
    """
    over = select(tickets.c.conversation_id).where(tickets.c.closed_at.is_not(None), tickets.c.answered_at.is_not(None))
    return training_conversations(db, principal, default_consent, conversations.c.conversation_id.in_(over))


def _batches(talks: Iterator[TrainingConversation], size: int = 200) -> Iterator[list[TrainingConversation]]:
    some: list[TrainingConversation] = []
    for talk in talks:
        some.append(talk)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _closed_of(db: Database, ids: Sequence[str]) -> dict[str, list[_Closed]]:
    found: dict[str, list[_Closed]] = defaultdict(list)
    with db.read() as connection:
        for part in in_chunks(ids):
            wanted = select(tickets).where(tickets.c.conversation_id.in_(part), tickets.c.closed_at.is_not(None))
            for row in connection.execute(wanted):
                found[row.conversation_id].append(_Closed(row.opened_at, row.closed_at, row.code))
    return found


def _sent_of(db: Database, ids: Sequence[str]) -> dict[str, list[_Sent]]:
    found: dict[str, list[_Sent]] = defaultdict(list)
    with db.read() as connection:
        for part in in_chunks(ids):
            wanted = select(suggestions).where(
                suggestions.c.conversation_id.in_(part), suggestions.c.sent_at.is_not(None)
            )
            for row in connection.execute(wanted):
                began = Began(row.kind, row.source, redact(row.text), row.edit_distance)
                found[row.conversation_id].append(_Sent(row.message_id, row.sent_at, began))
    return found


def _pairs(talk: TrainingConversation, closed: Sequence[_Closed], sent: Sequence[_Sent]) -> Iterator[ReplyPair]:
    began = _began(talk.turns, sent)
    history: list[Turn] = []
    for turn in talk.turns:
        if turn.role == "system" or not turn.content.strip():
            continue
        ticket = next((each for each in closed if each.opened_at <= turn.created_at <= each.closed_at), None)
        if turn.role == "agent" and ticket is not None and history and history[-1].role == "user":
            yield ReplyPair(
                talk.conversation_id,
                talk.user_id,
                turn.message_id,
                history[-1].language,
                tuple(history),
                turn.content,
                ticket.code,
                began.get(turn.message_id),
            )
        history.append(turn)


def _began(said: Sequence[Turn], sent: Sequence[_Sent]) -> dict[str, Began]:
    """Which suggestion each of the agents' turns was made of.

    A suggestion is marked as sent beside the turn that it became, not with its id: that is the agents' turn nearest in time behind
    the message that it was shown for. Of two for one turn the less edited counts.
    """
    places = {turn.message_id: place for place, turn in enumerate(said)}
    found: dict[str, Began] = {}
    for each in sorted(sent, key=lambda each: each.began.edit_distance):
        after = said[places.get(each.message_id, len(said)) + 1 :]
        replies = [turn for turn in after if turn.role == "agent"]
        if replies:
            nearest = min(replies, key=lambda turn: abs(turn.created_at - each.sent_at))
            found.setdefault(nearest.message_id, each.began)
    return found
