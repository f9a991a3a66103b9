"""Thumbs on what Aisle answered: on a whole message, or on one product of it."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select

from storage.database import Database
from storage.errors import NotFound
from storage.principal import Principal
from storage.record import now_ms
from storage.tables import conversations, feedback, turns

Thumb = Literal["up", "down"]


def put_feedback(db: Database, principal: Principal, message_id: str, product_id: str | None, value: Thumb) -> None:
    """Keeps a thumb; a later one on the same thing replaces it.

    Raises:
        NotFound: there is no such message of Aisle's, or it is in another's conversation.
    """
    owner = (
        select(conversations.c.user_id)
        .join(turns, turns.c.conversation_id == conversations.c.conversation_id)
        .where(turns.c.message_id == message_id, turns.c.role == "assistant")
    )
    with db.write() as connection:
        user_id = connection.execute(owner).scalar_one_or_none()
        if user_id is None or not principal.owns(user_id):
            # One text for both: the owner's id must not show, nor that there is one.
            raise NotFound(f"There is no {message_id[:200]!r} here.", "Give the message_id of a reply.")
        row = {
            "message_id": message_id,
            "product_id": product_id or "",
            "user_id": user_id,
            "value": value,
            "created_at": now_ms(),
        }
        connection.execute(db.upsert(feedback, keys=("message_id", "product_id")), row)


def feedback_of(db: Database, principal: Principal, user_id: str) -> list[tuple[str, str | None, Thumb]]:
    """A shopper's thumbs as (message_id, product_id or None, value), oldest first.

    Raises:
        NotFound: they are another's.
    """
    principal.require_owner(user_id)
    statement = select(feedback).where(feedback.c.user_id == user_id).order_by(feedback.c.created_at)
    with db.read() as connection:
        return [(row.message_id, row.product_id or None, row.value) for row in connection.execute(statement)]
