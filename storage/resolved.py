"""Conversations that agents brought to an end: what models of replies may learn from."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from storage.consent import Consent
from storage.database import Database
from storage.labels import TrainingConversation, training_conversations
from storage.principal import Principal
from storage.tables import conversations, tickets


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
