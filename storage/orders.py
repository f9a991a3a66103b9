"""Orders, as the shop's backend reports them and their owners read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

from pydantic import ConfigDict, Field
from sqlalchemy import delete, insert, select

from storage.database import Database, in_chunks
from storage.principal import Principal, Role
from storage.record import Content, Count, Currency, Id, Instant, MinorUnits, Record, read_leniently
from storage.tables import order_items, orders

_REQUIRED = frozenset({"order_id", "user_id", "status", "placed_at", "product_id"})
Status = Literal["placed", "paid", "shipped", "delivered", "cancelled", "returned"]


class OrderItem(Record):
    """A product bought, how many, and what one of them cost in minor units of the order's currency."""

    model_config = ConfigDict(extra="ignore")

    product_id: Id
    variant_id: Id | None = None
    quantity: Count = 1
    price: MinorUnits | None = None


class Tracking(Record):
    """Where the parcel is. `expected_at` is in milliseconds since 1970, UTC."""

    model_config = ConfigDict(extra="ignore")

    carrier: Content | None = None
    number: Content | None = None
    url: Content | None = None
    expected_at: Instant | None = None


class Order(Record):
    """One order. `placed_at` is in milliseconds since 1970, UTC; ISO 8601 is read too."""

    model_config = ConfigDict(extra="ignore")

    order_id: Id
    user_id: Id
    status: Status
    placed_at: Instant
    currency: Currency | None = None
    items: tuple[OrderItem, ...] = Field(default=(), max_length=500)
    tracking: Tracking | None = None


def read_order(row: dict[str, Any]) -> tuple[Order, tuple[str, ...]]:
    """The order in a row, and the names of the optional fields that had to be dropped: `("tracking.expected_at",)`.

    An item without a product's id is left out; one whose quantity cannot be used counts as one, as without a quantity.

    Raises:
        InvalidInput: a required field (order_id, user_id, status, placed_at) is missing or cannot be used.
    """
    hint = "Send order_id, user_id, status and placed_at."
    return read_leniently(Order, row, _REQUIRED, hint, frozenset({"tracking"}))


def put_orders(db: Database, principal: Principal, new: Sequence[Order]) -> int:
    """Keeps orders durably, each in place of its earlier state; returns how many.

    Raises:
        Forbidden: only the shop's backend reports orders.
    """
    principal.require_role(Role.SERVICE)
    latest = {order.order_id: order for order in new}
    with db.write(durable=True) as connection:
        for ids in in_chunks(list(latest)):
            connection.execute(delete(order_items).where(order_items.c.order_id.in_(ids)))
        if latest:
            connection.execute(db.upsert(orders, keys=("order_id",)), [_row(order) for order in latest.values()])
        items = [
            {"order_id": order.order_id, "line": line, **item.model_dump()}
            for order in latest.values()
            for line, item in enumerate(order.items)
        ]
        if items:
            connection.execute(insert(order_items), items)
    return len(latest)


def orders_of(db: Database, principal: Principal, user_id: str) -> list[Order]:
    """A shopper's orders, oldest first; agents and supervisors may read them too.

    Raises:
        NotFound: they are another's.
    """
    principal.require_owner(user_id, Role.AGENT, Role.SUPERVISOR)
    mine = select(orders).where(orders.c.user_id == user_id).order_by(orders.c.placed_at, orders.c.order_id)
    with db.read() as connection:
        found = connection.execute(mine).mappings().all()
        items: dict[str, tuple[OrderItem, ...]] = {}
        for ids in in_chunks([row["order_id"] for row in found]):
            lines = select(order_items).where(order_items.c.order_id.in_(ids))
            rows = connection.execute(lines.order_by(order_items.c.order_id, order_items.c.line)).mappings().all()
            for order_id, group in groupby(rows, key=itemgetter("order_id")):
                items[order_id] = tuple(OrderItem.model_validate(dict(row)) for row in group)
    return [_order(dict(row), items.get(row["order_id"], ())) for row in found]


def baskets(db: Database, principal: Principal) -> Iterator[tuple[str, ...]]:
    """The products that each person ordered and kept, without saying who; people with fewer than two products are left out.

    For counting what is bought together: whoever shows such counts must ask for several people behind each.

    Raises:
        Forbidden: only the shop itself may count its orders.
    """
    principal.require_role(Role.SERVICE, Role.ADMIN)
    kept = (
        select(orders.c.user_id, order_items.c.product_id)
        .join(order_items, order_items.c.order_id == orders.c.order_id)
        .where(orders.c.status.not_in(("cancelled", "returned")))
        .distinct()
        .order_by(orders.c.user_id, order_items.c.product_id)
    )
    with db.read() as connection:
        for _, group in groupby(connection.execute(kept), key=itemgetter(0)):
            bought = tuple(product_id for _, product_id in group)
            if len(bought) > 1:
                yield bought


def _row(order: Order) -> dict[str, Any]:
    tracking = order.tracking or Tracking()
    return {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "status": order.status,
        "placed_at": order.placed_at,
        "currency": order.currency,
        "carrier": tracking.carrier,
        "tracking_number": tracking.number,
        "tracking_url": tracking.url,
        "expected_at": tracking.expected_at,
    }


def _order(row: dict[str, Any], items: tuple[OrderItem, ...]) -> Order:
    tracking = Tracking(
        carrier=row["carrier"], number=row["tracking_number"], url=row["tracking_url"], expected_at=row["expected_at"]
    )
    known = tracking != Tracking()
    return Order.model_validate({**row, "items": items, "tracking": tracking if known else None})
