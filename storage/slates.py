"""What was shown to people and what they did with it, for judging how cards are ordered: only of those who let models learn.

A slate is a `recommendation_shown` event; what follows are choices, thumbs and purchases of the same person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Final

from sqlalchemy import func, select

from storage.consent import Consent
from storage.database import Database
from storage.principal import FIGURES, Principal, Role
from storage.tables import consents, event_items, events, feedback
from storage.training import learnable

SHOWN: Final = "recommendation_shown"
FEEDBACK: Final = "recommendation_feedback"
SLOT: Final = "new-1"
"""Begins the policy version of a card in the place that is kept for new products."""
FOLLOWED: Final = ("select_item", "view_item", "add_to_cart", "purchase", FEEDBACK)


def is_slot(policy_version: str | None) -> bool:
    """Whether a card stood in the place that is kept for new products."""
    return policy_version is not None and policy_version.startswith(SLOT)


@dataclass(frozen=True, slots=True)
class ShownCard:
    """One card as it was logged, whatever that is: nothing here is checked beyond its type.

    `reserved` is the place that is kept for new products.
    """

    item_id: str
    position: int | None
    propensity: float | None
    index: int | None
    price: int | None
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class ShownSlate:
    """One slate, its cards in the ranking's own order; `timestamp` is in milliseconds since 1970, UTC."""

    slate_id: str | None
    timestamp: int
    policy_version: str | None
    cards: tuple[ShownCard, ...]


@dataclass(frozen=True, slots=True)
class Response:
    """What somebody did with a product. `up` is what a thumb says, None for all else."""

    event: str
    item_id: str
    slate_id: str | None
    timestamp: int
    up: bool | None = None


@dataclass(slots=True)
class Audience:
    """One person's slates and responses, each oldest first."""

    user_id: str
    slates: list[ShownSlate] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)


def training_slates(db: Database, principal: Principal, default: Consent) -> Iterator[Audience]:
    """Everybody who was shown something, with what was recorded under a consent that says `train`; by user.

    A consent that is withdrawn meanwhile counts at once, and what a bot did never. A `recommendation_feedback` is a thumb up where
    its value is above 0, down where it is 0; thumbs on products of a reply count with the consent of today.

    Args:
        db: where from.
        principal: who reads.
        default: the consent of people who never chose; the shop's `[consent]`.

    Raises:
        Forbidden: the role may not train.
    """
    principal.require_role(Role.ENGINEER, Role.ADMIN)
    yield from _audiences(db, default, 0)


def nameless_slates(db: Database, principal: Principal, default: Consent, since: int) -> Iterator[Audience]:
    """The same from the instant `since` (milliseconds since 1970) on, people by number instead of by id.

    Raises:
        Forbidden: the role may not see figures over everybody.
    """
    principal.require_role(*FIGURES)
    for number, audience in enumerate(_audiences(db, default, since)):
        audience.user_id = str(number)
        yield audience


def _audiences(db: Database, default: Consent, since: int) -> Iterator[Audience]:
    allowed = learnable() & (events.c.timestamp >= since)
    shown = select(events.c.user_id).where(events.c.event == SHOWN, allowed)
    statement = (
        select(
            events.c.user_id,
            events.c.row,
            events.c.event,
            events.c.timestamp,
            events.c.value,
            event_items.c.item_id,
            event_items.c.slate_id,
            event_items.c.position,
            event_items.c.propensity,
            event_items.c.policy_version,
            event_items.c.index.label("found_at"),  # a row has a method of the column's name
            event_items.c.price,
        )
        .join(event_items, event_items.c.event_row == events.c.row)
        .where(events.c.event.in_((SHOWN, *FOLLOWED)), allowed, events.c.user_id.in_(shown))
        .order_by(events.c.user_id, events.c.timestamp, events.c.row, event_items.c.line)
    )
    thumbs = _thumbs(db, default, since)
    with db.read() as connection:
        for user_id, rows in groupby(connection.execute(statement), key=attrgetter("user_id")):
            audience = Audience(user_id)
            for _, lines in groupby(rows, key=attrgetter("row")):
                items = list(lines)
                first = items[0]
                if first.event == SHOWN:
                    cards = tuple(
                        ShownCard(
                            each.item_id,
                            each.position,
                            each.propensity,
                            each.found_at,
                            each.price,
                            is_slot(each.policy_version),
                        )
                        for each in items
                    )
                    slate = ShownSlate(first.slate_id, first.timestamp, first.policy_version, cards)
                    audience.slates.append(slate)
                    continue
                up = None if first.event != FEEDBACK or first.value is None else first.value > 0
                audience.responses += [
                    Response(each.event, each.item_id, each.slate_id, each.timestamp, up) for each in items
                ]
            audience.responses += thumbs.get(user_id, ())
            audience.responses.sort(key=attrgetter("timestamp"))
            yield audience


def _thumbs(db: Database, default: Consent, since: int) -> dict[str, list[Response]]:
    """Thumbs on products, by user; a slate's id is that of the message that showed it."""
    statement = (
        select(feedback)
        .outerjoin(consents, consents.c.user_id == feedback.c.user_id)
        .where(
            feedback.c.product_id != "",
            feedback.c.created_at >= since,
            func.coalesce(consents.c.train, default.train).is_(True),
        )
    )
    found: dict[str, list[Response]] = {}
    with db.read() as connection:
        for row in connection.execute(statement):
            thumb = Response(FEEDBACK, row.product_id, row.message_id, row.created_at, row.value == "up")
            found.setdefault(row.user_id, []).append(thumb)
    return found
