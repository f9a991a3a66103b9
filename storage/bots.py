"""Who acts faster than a person can. What a bot did is kept, as all events are, and counts for nothing.

It is not written down who is one but told from the events, so that nobody stays one whose events are gone, and a better rule holds
for what is kept already. A bot is slow enough to pass for a person at less than these rates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Select, func, select, union

from storage.database import Database
from storage.tables import events

ACTS: Final = ("view_item", "select_item", "add_to_cart")
"""The events that are counted: one product each, as a rule, and a person must look at it."""
MOST_ACTS: Final[Mapping[int, int]] = {60_000: 100, 3_600_000: 400}
"""Span of the clock in milliseconds → how many acts of one user a person can do in it."""


class Pace:
    """Acts of one user by minute and by hour of the clock."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, int]] = Counter()

    def count(self, event: str, timestamp: int, times: int = 1) -> None:
        """Counts one event; with `times` −1 takes it back."""
        if event not in ACTS:
            return
        for span in MOST_ACTS:
            key = (span, timestamp // span)
            self._counts[key] += times
            if not self._counts[key]:
                del self._counts[key]

    @property
    def inhuman(self) -> bool:
        """Whether any minute or hour holds more than a person can do."""
        return any(count > MOST_ACTS[span] for (span, _), count in self._counts.items())


def bot_ids() -> Select[Any]:
    """The statement that selects the ids of all users who were too fast in any minute or hour."""
    fast = [
        select(events.c.user_id)
        .where(events.c.event.in_(ACTS))
        .group_by(events.c.user_id, events.c.timestamp // span)
        .having(func.count() > most)
        for span, most in MOST_ACTS.items()
    ]
    return select(union(*fast).subquery().c.user_id)


def read_bots(db: Database) -> set[str]:
    """The ids of all users who were too fast in any minute or hour."""
    with db.read() as connection:
        return set(connection.execute(bot_ids()).scalars())
