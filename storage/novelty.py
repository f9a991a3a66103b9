"""What the log knows of new products that were shown in the reserved place: to whom, how often, and what came of it.

Such a card is an item of a `recommendation_shown` event whose `policy_version` begins with `SLOT`; its `propensity` is the chance
that this product stood there, its `index` how well it fitted the shopper, in hundredths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import distinct, func, select
from sqlalchemy.orm import aliased

from storage.bots import bot_ids
from storage.consent import Consent
from storage.database import Database, in_chunks
from storage.principal import Principal, Role
from storage.slates import SHOWN, SLOT
from storage.tables import consents, event_items, events
from storage.training import learnable
from storage.visits import VISITED

WINDOW_MS: Final = 86_400_000
"""So long after it was shown a look counts."""


@dataclass(frozen=True, slots=True)
class SlotOutcome:
    """A new product that was shown to somebody for the first time; `hundredths` say how well it fitted them."""

    item_id: str
    hundredths: int
    turned_to: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a shopper lets the shop choose for them, and when they were shown a new product, in milliseconds since 1970."""

    personalize: bool
    shown_at: tuple[int, ...]


def standing(db: Database, principal: Principal, user_id: str, default: Consent, since: int) -> Standing:
    """One shopper's own, from `since` on.

    Raises:
        NotFound: the shopper is another.
    """
    principal.require_owner(user_id)
    chosen = select(consents.c.personalize).where(consents.c.user_id == user_id)
    newest = (
        select(events.c.personalize)
        .where(events.c.user_id == user_id, events.c.event != SHOWN)
        .order_by(events.c.timestamp.desc(), events.c.row.desc())
        .limit(1)
    )
    shown = (
        select(events.c.timestamp)
        .join(event_items, event_items.c.event_row == events.c.row)
        .where(
            events.c.user_id == user_id,
            events.c.event == SHOWN,
            events.c.timestamp >= since,
            event_items.c.policy_version.startswith(SLOT),
        )
    )
    with db.read() as connection:
        choice, last = connection.execute(chosen).scalar(), connection.execute(newest).scalar()
        times = tuple(connection.execute(shown).scalars())
    agreed = default.personalize if choice is None else choice
    return Standing(agreed and last is not False, times)


def slot_outcomes(db: Database, principal: Principal, since: int, now: int) -> list[SlotOutcome]:
    """What came of the reserved place since an instant, one for each person and product, of those who let models learn.

    A look, cart or purchase within `WINDOW_MS` is one; where none came the window must be over. What bots were shown is left out.

    Raises:
        Forbidden: the role may not learn from people.
    """
    principal.require_role(Role.ENGINEER, Role.ADMIN, Role.SERVICE)
    after, its = aliased(events, name="after"), aliased(event_items, name="its")
    followed = (
        select(after.c.row)
        .join(its, its.c.event_row == after.c.row)
        .where(
            after.c.user_id == events.c.user_id,
            its.c.item_id == event_items.c.item_id,
            after.c.event.in_(VISITED),
            after.c.train.is_(True),
            after.c.timestamp.between(events.c.timestamp, events.c.timestamp + WINDOW_MS),
        )
        .exists()
    )
    statement = (
        select(
            events.c.user_id,
            events.c.timestamp,
            event_items.c.item_id,
            event_items.c.index.label("hundredths"),
            followed.label("turned_to"),
        )
        .join(event_items, event_items.c.event_row == events.c.row)
        .where(
            events.c.event == SHOWN,
            events.c.timestamp.between(since, now),
            learnable(),
            event_items.c.policy_version.startswith(SLOT),
        )
        .order_by(events.c.timestamp, events.c.row)
    )
    found: dict[tuple[str, str], SlotOutcome] = {}
    with db.read() as connection:
        for row in connection.execute(statement):
            if row.turned_to or row.timestamp < now - WINDOW_MS:
                fit = min(100, max(0, row.hundredths if row.hundredths is not None else 50))
                found.setdefault((row.user_id, row.item_id), SlotOutcome(row.item_id, fit, bool(row.turned_to)))
    return list(found.values())


def people_of(db: Database, item_ids: Sequence[str]) -> dict[str, int]:
    """How many people turned to each of these products; those that nobody did are missing. Bots are not counted."""
    found: dict[str, int] = {}
    with db.read() as connection:
        for some in in_chunks(item_ids):
            statement = (
                select(event_items.c.item_id, func.count(distinct(events.c.user_id)).label("people"))
                .join(events, events.c.row == event_items.c.event_row)
                .where(event_items.c.item_id.in_(some), events.c.event.in_(VISITED), events.c.user_id.not_in(bot_ids()))
                .group_by(event_items.c.item_id)
            )
            found |= {row.item_id: row.people for row in connection.execute(statement)}
    return found
