"""What people bought and when, from orders and purchase events: the same purchase reported as both counts once."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Boolean, String, and_, bindparam, cast, func, literal, null, select, union_all

from storage.consent import Consent
from storage.database import Database
from storage.principal import FIGURES, Principal, Role
from storage.record import now_ms
from storage.tables import consents, event_items, events, order_items, orders

SAME_PURCHASE_MS: Final = 12 * 3_600_000
"""A purchase event so near to an order with one of its products is that order: clocks differ, and some report in batches."""
_DATED: Final = 86_400_000
"""Before this, the first day of 1970, an instant stands for no date."""
_ORDER, _EVENT = "order", "event"


@dataclass(frozen=True, slots=True)
class Purchase:
    """One purchase: `at` in milliseconds since 1970, UTC, the ids of products or variants, and whether they were kept.

    What was sent back is not `kept`: the customer did come, but has not used it up.
    """

    at: int
    items: tuple[str, ...]
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Buyer:
    """One person's purchases, oldest first; at least one."""

    user_id: str
    purchases: tuple[Purchase, ...]


def buyers(db: Database, principal: Principal, default: Consent, now: int | None = None) -> Iterator[Buyer]:
    """Everybody who bought and whose consent says `personalize`.

    A cancelled order is no purchase, nor is the event that reported it; one in the future is none yet. An order that was
    returned, and what a `refund` event names, is a purchase that was not kept. Events count that were recorded under a consent
    that says `personalize`; one that is withdrawn meanwhile counts at once.

    Args:
        db: where from.
        principal: who reads.
        default: the consent of people who never chose; the shop's `[consent]`.
        now: milliseconds since 1970; by default this instant.

    Raises:
        Forbidden: only the shop itself may look at everybody.
    """
    principal.require_role(Role.SERVICE, Role.ADMIN)
    yield from _read(db, default, now, None)


def nameless_buyers(db: Database, principal: Principal, default: Consent, now: int | None = None) -> Iterator[Buyer]:
    """Everybody's purchases as `buyers` has them, people by number instead of by id.

    Raises:
        Forbidden: the role may not see figures over everybody.
    """
    principal.require_role(*FIGURES)
    for number, buyer in enumerate(_read(db, default, now, None)):
        yield Buyer(str(number), buyer.purchases)


def buyer_of(
    db: Database, principal: Principal, user_id: str, default: Consent, now: int | None = None
) -> Buyer | None:
    """One person's purchases by the rules of `buyers`; None where there are none, or the person does not want it.

    Raises:
        NotFound: they are another's.
    """
    principal.require_owner(user_id)
    return next(_read(db, default, now, user_id), None)


def _read(db: Database, default: Consent, now: int | None, user_id: str | None) -> Iterator[Buyer]:
    values: dict[str, Any] = {"now": now_ms() if now is None else now, "default": default.personalize}
    if user_id is not None:
        values["user"] = user_id
    with db.read() as connection:
        rows = connection.execution_options(stream_results=True).execute(_statement(user_id is not None), values)
        for user, lines in groupby(rows, key=attrgetter("user_id")):
            purchases = _purchases(list(lines))
            if purchases:
                yield Buyer(user, tuple(purchases))


@cache  # it takes longer to put together than to run for one person
def _statement(of_one: bool) -> Any:
    """Every line of every order, purchase and refund as (user_id, at, source, ref, what, item, variant)."""

    def of(table: Any, moment: Any) -> Any:
        allowed = func.coalesce(consents.c.personalize, bindparam("default", type_=Boolean())).is_(True)
        whose = [table.c.user_id == bindparam("user")] if of_one else []
        return and_(moment >= _DATED, moment <= bindparam("now"), allowed, *whose)

    ordered = (
        select(
            orders.c.user_id,
            orders.c.placed_at.label("at"),
            literal(_ORDER).label("source"),
            orders.c.order_id.label("ref"),
            orders.c.status.label("what"),
            order_items.c.product_id.label("item"),
            order_items.c.variant_id.label("variant"),
        )
        .outerjoin(order_items, order_items.c.order_id == orders.c.order_id)
        .outerjoin(consents, consents.c.user_id == orders.c.user_id)
        .where(of(orders, orders.c.placed_at))
    )
    reported = (
        select(
            events.c.user_id,
            events.c.timestamp,
            literal(_EVENT),
            cast(events.c.row, String),
            events.c.event,
            event_items.c.item_id,
            cast(null(), String),
        )
        .outerjoin(event_items, event_items.c.event_row == events.c.row)
        .outerjoin(consents, consents.c.user_id == events.c.user_id)
        .where(
            events.c.event.in_(("purchase", "refund")),
            events.c.personalize.is_(True),
            of(events, events.c.timestamp),
        )
    )
    lines = union_all(ordered, reported).subquery()
    return select(lines).order_by(lines.c.user_id, lines.c.at, lines.c.source, lines.c.ref, lines.c.item)


def _purchases(lines: Sequence[Any]) -> list[Purchase]:
    """One person's lines, ordered by time, as purchases."""
    placed: list[Purchase] = []
    told: list[tuple[int, tuple[str, ...]]] = []
    refunds: list[tuple[int, tuple[str, ...]]] = []
    by_item: defaultdict[str, list[int]] = defaultdict(list)
    bare: list[int] = []
    for (at, source, _), group in groupby(lines, key=attrgetter("at", "source", "ref")):
        rows = list(group)
        what, items = rows[0].what, tuple(row.item for row in rows if row.item is not None)
        if source == _EVENT:
            (told if what == "purchase" else refunds).append((at, items))
            continue
        for name in {*items, *(row.variant for row in rows if row.variant)}:
            by_item[name].append(at)
        if not items:
            bare.append(at)
        if what != "cancelled":
            placed.append(Purchase(at, items, what != "returned"))
    everything = sorted({at for times in (*by_item.values(), bare) for at in times})
    alone = [
        Purchase(at, items)
        for at, items in told
        if not any(_near(times, at) for times in (bare, *map(by_item.__getitem__, {*items} & by_item.keys())))
        and (items or not _near(everything, at))
    ]
    found = sorted([*placed, *alone], key=attrgetter("at"))
    return _less(found, refunds) if refunds else found


def _near(times: Sequence[int], at: int) -> bool:
    """Whether one of the times, ascending, is that of the same purchase."""
    place = bisect_left(times, at - SAME_PURCHASE_MS)
    return place < len(times) and times[place] <= at + SAME_PURCHASE_MS


def _less(purchases: list[Purchase], refunds: Sequence[tuple[int, tuple[str, ...]]]) -> list[Purchase]:
    """The purchases without what refunds name, each product from the last purchase of it before the refund."""
    bought: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)  # item -> (at, place), ascending
    for place, purchase in enumerate(purchases):
        for item in purchase.items:
            bought[item].append((purchase.at, place))
    found = list(purchases)
    for at, items in refunds:
        for item in items:
            before = bisect_left(bought[item], (at + 1, -1)) - 1
            if before >= 0:
                purchase = found[bought[item][before][1]]
                left = tuple(each for each in purchase.items if each != item)
                found[bought[item][before][1]] = Purchase(purchase.at, left, purchase.kept and bool(left))
    return found
