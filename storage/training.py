"""Which events models may learn from, and figures be drawn from."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from storage.bots import bot_ids
from storage.tables import consents, events


def learnable() -> ColumnElement[bool]:
    """Of `events`: recorded under a consent that says `train`, which was not withdrawn since, and by no bot."""
    withdrawn = select(consents.c.user_id).where(consents.c.train.is_(False))
    return events.c.train.is_(True) & events.c.user_id.not_in(withdrawn) & events.c.user_id.not_in(bot_ids())
