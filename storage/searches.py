"""What people searched for and chose of it, for training: only of those whose consent says `train`, then and now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from storage.database import Database
from storage.principal import Principal, Role
from storage.tables import event_items, events
from storage.training import learnable

WITHIN_MS: Final = 30 * 60 * 1000
"""A product chosen later than this after a search was not found by it."""
CHOSEN: Final = ("select_item", "view_item", "add_to_cart", "purchase")


@dataclass(frozen=True, slots=True)
class Choice:
    """A product that somebody chose after a search of theirs; `event` is how."""

    user_id: str
    text: str
    item_id: str
    event: str


def training_choices(db: Database, principal: Principal) -> Iterator[Choice]:
    """What was chosen in the session of a search, until the next one or half an hour later; by user and time.

    A consent that is withdrawn meanwhile counts at once, and what a bot did never.

    Raises:
        Forbidden: the role may not train.
    """
    principal.require_role(Role.ENGINEER, Role.ADMIN)
    statement = (
        select(
            events.c.user_id,
            events.c.session_id,
            events.c.timestamp,
            events.c.event,
            events.c.search_term,
            event_items.c.item_id,
        )
        .outerjoin(event_items, event_items.c.event_row == events.c.row)
        .where(
            events.c.event.in_(("search", *CHOSEN)),
            events.c.session_id.is_not(None),
            learnable(),
        )
        .order_by(events.c.user_id, events.c.session_id, events.c.timestamp, events.c.row, event_items.c.line)
    )
    session, text, since = None, "", 0
    with db.read() as connection:
        for row in connection.execute(statement):
            if (row.user_id, row.session_id) != session:
                session, text = (row.user_id, row.session_id), ""
            if row.event == "search":
                text, since = (row.search_term or "").strip(), row.timestamp
            elif text and row.item_id is not None and row.timestamp - since <= WITHIN_MS:
                yield Choice(row.user_id, text, row.item_id, row.event)
