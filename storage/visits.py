"""Who turned to which product when, for training: only of those whose consent says `train`, then and now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import select

from storage.database import Database
from storage.principal import Principal, Role
from storage.tables import event_items, events
from storage.training import learnable

VISITED: Final = ("select_item", "view_item", "add_to_cart", "purchase")
"""What says that somebody turned to a product; that it was shown does not."""


def training_visits(db: Database, principal: Principal) -> Iterator[tuple[str, str, int]]:
    """(user, item, milliseconds since 1970), by user and time.

    A consent that is withdrawn meanwhile counts at once, and what a bot did never.

    Raises:
        Forbidden: the role may not train.
    """
    principal.require_role(Role.ENGINEER, Role.ADMIN)
    statement = (
        select(events.c.user_id, event_items.c.item_id, events.c.timestamp)
        .join(event_items, event_items.c.event_row == events.c.row)
        .where(events.c.event.in_(VISITED), learnable())
        .order_by(events.c.user_id, events.c.timestamp, events.c.row, event_items.c.line)
    )
    with db.read() as connection:
        for row in connection.execute(statement):
            yield row.user_id, row.item_id, row.timestamp
