"""Conversations that agents brought to an end: what models of replies may learn from."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import func, select

from storage.consent import Consent
from storage.database import Database
from storage.labels import TrainingConversation, training_conversations
from storage.principal import Principal
from storage.tables import consents, conversations, tickets


def resolved_conversations(db: Database, principal: Principal, default: Consent) -> Iterator[TrainingConversation]:
    """The conversations that an agent answered and closed, of everybody whose consent says `train`, the oldest first; redacted.

    Args:
        db: where from.
        principal: who reads.
        default: the consent of people who never chose; the shop's `[consent]`.

    Raises:
        Forbidden: the role may not read conversations to learn from.
    """
    over = select(tickets.c.conversation_id).where(tickets.c.closed_at.is_not(None), tickets.c.answered_at.is_not(None))
    return training_conversations(db, principal, default, conversations.c.conversation_id.in_(over))


def still_learnable(db: Database, default: Consent, conversation_ids: Collection[str]) -> set[str]:
    """Those of a few conversations that are there still and whose people let models learn from them at this moment.

    For whoever keeps what was learnt: it tells nothing of a conversation but that.
    """
    theirs = (
        select(conversations.c.conversation_id)
        .outerjoin(consents, consents.c.user_id == conversations.c.user_id)
        .where(
            conversations.c.conversation_id.in_(conversation_ids),
            func.coalesce(consents.c.train, default.train).is_(True),
        )
    )
    with db.read() as connection:
        return set(connection.execute(theirs).scalars())
