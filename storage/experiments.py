"""Who was shown which arm of an experiment, and what they did before and after: only of those who let models learn from them.

The arm stands in the `policy_version` of each card that was shown, behind a "+": `rules-1+lot-0.1+card-order=plain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select

from storage.database import Database
from storage.principal import FIGURES, Principal
from storage.slates import SHOWN
from storage.tables import event_items, events
from storage.training import learnable

ACTS: Final = ("select_item", "view_item", "add_to_cart", "purchase", "refund")


def label_of(experiment: str, arm: str) -> str:
    """What is logged behind the "+": `card-order=plain`."""
    return f"{experiment}={arm}"


def arm_in(policy_version: str, experiment: str) -> str | None:
    """The arm of an experiment that a logged policy version names, None where it names none."""
    named = (part.partition("=") for part in policy_version.split("+"))
    return next((arm for name, _, arm in named if name == experiment and arm), None)


def without_arm(policy_version: str, experiment: str) -> str:
    """A policy version as it is told while nobody may look at arms: `rules-1+card-order`."""
    own = f"{experiment}="
    return "+".join(experiment if part.startswith(own) else part for part in policy_version.split("+"))


@dataclass(frozen=True, slots=True)
class Act:
    """One event of a person; `amount` is in minor units of `currency`, None where the event does not say it.

    A purchase's amount is its `value`, or what its items sum to where each has a price.
    """

    event: str
    timestamp: int
    items: tuple[str, ...]
    amount: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Subject:
    """One person: when each arm was first shown to them (milliseconds since 1970, UTC), and their acts, oldest first."""

    user_id: str
    first_shown: dict[str, int]
    acts: tuple[Act, ...]


def subjects(
    db: Database, principal: Principal, since: int, until: int, before: int, experiment: str | None = None
) -> Iterator[Subject]:
    """Everybody who was shown cards of an experiment, with what was recorded under a consent that says `train`.

    A consent that is withdrawn meanwhile counts at once, and what a bot did never.

    Args:
        db: where from.
        principal: who reads.
        since: from when on slates and acts count, in milliseconds since 1970, UTC.
        until: up to when, exclusive.
        before: acts count from so many milliseconds before `since` on.
        experiment: whose slates; without it any whose order is known (`index`), as the one arm "".

    Raises:
        Forbidden: the role may not see figures over everybody.
    """
    principal.require_role(*FIGURES)
    allowed = learnable()
    chosen = (
        event_items.c.index.is_not(None)
        if experiment is None
        else event_items.c.policy_version.contains(f"+{label_of(experiment, '')}", autoescape=True)
    )
    slates = (events.c.event == SHOWN) & allowed & chosen & _within(since, until)
    joined = events.join(event_items, event_items.c.event_row == events.c.row)
    first = (
        select(events.c.user_id, event_items.c.policy_version, func.min(events.c.timestamp).label("at"))
        .select_from(joined)
        .where(slates)
        .group_by(events.c.user_id, event_items.c.policy_version)
    )
    acts = (
        select(
            events.c.user_id,
            events.c.row,
            events.c.event,
            events.c.timestamp,
            events.c.value,
            events.c.currency,
            event_items.c.item_id,
            event_items.c.price,
            event_items.c.quantity,
        )
        .outerjoin(event_items, event_items.c.event_row == events.c.row)
        .where(
            events.c.event.in_(ACTS),
            allowed,
            _within(since - before, until),
            events.c.user_id.in_(select(events.c.user_id).select_from(joined).where(slates)),
        )
        .order_by(events.c.user_id, events.c.timestamp, events.c.row, event_items.c.line)
    )
    shown: dict[str, dict[str, int]] = {}
    with db.read() as connection:
        for user_id, version, at in connection.execute(first):
            arm = "" if experiment is None else arm_in(version, experiment)
            if arm is not None:
                own = shown.setdefault(user_id, {})
                own[arm] = min(at, own.get(arm, at))
        for user_id, rows in groupby(connection.execute(acts), key=attrgetter("user_id")):
            if user_id in shown:
                own_acts = tuple(_act(list(lines)) for _, lines in groupby(rows, key=attrgetter("row")))
                yield Subject(user_id, shown.pop(user_id), own_acts)
    for user_id, own in shown.items():
        yield Subject(user_id, own, ())


def _within(since: int, until: int) -> ColumnElement[bool]:
    return (events.c.timestamp >= since) & (events.c.timestamp < until)


def _act(lines: list[Any]) -> Act:
    """One event from its joined lines, of which there is one without an item where it has no items."""
    event = lines[0]
    items = [line for line in lines if line.item_id is not None]
    amount = event.value
    if amount is None and items and all(line.price is not None for line in items):
        amount = sum(line.price * (1 if line.quantity is None else line.quantity) for line in items)
    return Act(event.event, event.timestamp, tuple(line.item_id for line in items), amount, event.currency)
