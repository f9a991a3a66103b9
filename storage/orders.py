"""Orders, as the shop's backend reports them and their owners read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, Connection, delete, insert, select

from storage.access_log import look, write_down
from storage.database import Database, in_chunks, lock_row
from storage.principal import Principal, Role
from storage.record import Content, Count, Currency, Id, Instant, MinorUnits, Record, read_leniently
from storage.tables import order_changes, order_items, orders

_REQUIRED = frozenset({"order_id", "user_id", "status", "placed_at", "product_id"})
OPEN: Final = ("placed", "paid")
"""An order that has not left yet."""
Status = Literal["placed", "paid", "shipped", "delivered", "cancelled", "returned"]
Part = Annotated[Content, StringConstraints(strip_whitespace=True, max_length=200)]


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


class Address(Record):
    """Where a parcel goes. `address1` alone may hold all of it, as a customer wrote it in one line."""

    model_config = ConfigDict(extra="ignore")

    address1: Annotated[Content, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    address2: Part = ""
    city: Part = ""
    state: Part = ""
    country: Part = ""
    zip: Part = ""

    @property
    def line(self) -> str:
        """All of it on one line."""
        street = (self.address1, self.address2, self.city)
        return ", ".join(filter(None, (*street, f"{self.state} {self.zip}".strip(), self.country)))


class Order(Record):
    """One order. `placed_at` and `delivered_at` are in milliseconds since 1970, UTC; ISO 8601 is read too.

    `payment_method` is the id of what it was paid with, one of the customer's (`storage/customers.py`).
    """

    model_config = ConfigDict(extra="ignore")

    order_id: Id
    user_id: Id
    status: Status
    placed_at: Instant
    currency: Currency | None = None
    items: tuple[OrderItem, ...] = Field(default=(), max_length=500)
    tracking: Tracking | None = None
    delivered_at: Instant | None = None
    payment_method: Id | None = None
    address: Address | None = None

    @property
    def total(self) -> int | None:
        """What was paid for its items in minor units; None where a price or the currency is not known."""
        return self.cost((item.price, item.quantity) for item in self.items)

    def cost(self, pieces: Iterable[tuple[int | None, int]]) -> int | None:
        """The sum of prices times quantities; None where a price or the currency is not known."""
        known = [(price, quantity) for price, quantity in pieces]
        if self.currency is None or any(price is None for price, _ in known):
            return None
        return sum((price or 0) * quantity for price, quantity in known)


def read_order(row: dict[str, Any]) -> tuple[Order, tuple[str, ...]]:
    """The order in a row, and the names of the optional fields that had to be dropped: `("tracking.expected_at",)`.

    An item without a product's id is left out; one whose quantity cannot be used counts as one, as without a quantity.

    Raises:
        InvalidInput: a required field (order_id, user_id, status, placed_at) is missing or cannot be used.
    """
    hint = "Send order_id, user_id, status and placed_at."
    return read_leniently(Order, row, _REQUIRED, hint, frozenset({"tracking", "address"}))


def put_orders(db: Database, principal: Principal, new: Sequence[Order]) -> int:
    """Keeps orders durably, each in place of its earlier state; returns how many.

    One that was cancelled here stays so while the shop still reports it as placed or paid; whatever else the shop reports counts.

    Raises:
        Forbidden: only the shop's backend reports orders.
    """
    principal.require_role(Role.SERVICE)
    latest = {order.order_id: order for order in new}
    with db.write(durable=True) as connection:
        for order_id in _cancelled(connection, list(latest)):
            if latest[order_id].status in OPEN:
                latest[order_id] = latest[order_id].model_copy(update={"status": "cancelled"})
        if latest:  # the heads first: who changes an order here holds its head, and then its items
            connection.execute(db.upsert(orders, keys=("order_id",)), [_row(order) for order in latest.values()])
        for ids in in_chunks(list(latest)):
            connection.execute(delete(order_items).where(order_items.c.order_id.in_(ids)))
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
    with db.read() as connection:
        found = _read(connection, orders.c.user_id == user_id)
        seen = look(connection, principal, user_id, "orders") if found else None
    write_down(db, (seen,))
    return found


def order_within(connection: Connection, user_id: str, order_id: str, hold: bool) -> Order | None:
    """One order of a shopper, for `hold` held until the transaction ends; None where it is not theirs or not there."""
    own = (orders.c.order_id == order_id) & (orders.c.user_id == user_id)
    return next(iter(_read(connection, own, hold)), None)


def _read(connection: Connection, which: ColumnElement[bool], hold: bool = False) -> list[Order]:
    heads = select(orders).where(which).order_by(orders.c.placed_at, orders.c.order_id)
    found = connection.execute(lock_row(connection, heads) if hold else heads).mappings().all()
    items: dict[str, tuple[OrderItem, ...]] = {}
    for ids in in_chunks([row["order_id"] for row in found]):
        lines = select(order_items).where(order_items.c.order_id.in_(ids))
        rows = connection.execute(lines.order_by(order_items.c.order_id, order_items.c.line)).mappings().all()
        for order_id, group in groupby(rows, key=itemgetter("order_id")):
            items[order_id] = tuple(OrderItem.model_validate(dict(row)) for row in group)
    return [_order(dict(row), items.get(row["order_id"], ())) for row in found]


def _cancelled(connection: Connection, ids: Sequence[str]) -> list[str]:
    found: list[str] = []
    for some in in_chunks(ids):
        own = order_changes.c.order_id.in_(some) & (order_changes.c.kind == "cancel")
        found += connection.execute(select(order_changes.c.order_id).where(own)).scalars()
    return found


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
        "delivered_at": order.delivered_at,
        "payment_method": order.payment_method,
        "address": order.address.model_dump() if order.address else None,
    }


def _order(row: dict[str, Any], items: tuple[OrderItem, ...]) -> Order:
    tracking = Tracking(
        carrier=row["carrier"], number=row["tracking_number"], url=row["tracking_url"], expected_at=row["expected_at"]
    )
    known = tracking != Tracking()
    return Order.model_validate({**row, "items": items, "tracking": tracking if known else None})
