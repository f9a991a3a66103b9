"""What people did, for training: only of those whose consent says `train`, then and now."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter

from sqlalchemy import select

from storage.database import Database
from storage.event import Event, EventItem
from storage.principal import Principal, Role
from storage.tables import event_items, events
from storage.training import learnable


def training_paths(db: Database, principal: Principal) -> Iterator[tuple[str, list[Event]]]:
    """Everybody's events, oldest first, by user: names, times, sessions, dwell and item ids, nothing else of them.

    A consent that is withdrawn meanwhile counts at once, and what a bot did never.

    Raises:
        Forbidden: the role may not train.
    """
    principal.require_role(Role.ENGINEER, Role.ADMIN)
    statement = (
        select(
            events.c.user_id,
            events.c.row,
            events.c.event_id,
            events.c.event,
            events.c.timestamp,
            events.c.session_id,
            events.c.dwell_ms,
            event_items.c.item_id,
        )
        .outerjoin(event_items, event_items.c.event_row == events.c.row)
        .where(learnable())
        .order_by(events.c.user_id, events.c.timestamp, events.c.row, event_items.c.line)
    )
    with db.read() as connection:
        for user_id, rows in groupby(connection.execute(statement), key=attrgetter("user_id")):
            found = []
            for _, lines in groupby(rows, key=attrgetter("row")):
                items = list(lines)
                first = items[0]
                found.append(
                    # The rows were validated when they were written.
                    Event.model_construct(
                        event_id=first.event_id,
                        event=first.event,
                        timestamp=first.timestamp,
                        session_id=first.session_id,
                        dwell_ms=first.dwell_ms,
                        items=tuple(
                            EventItem.model_construct(item_id=each.item_id)
                            for each in items
                            if each.item_id is not None
                        ),
                    )
                )
            yield user_id, found
