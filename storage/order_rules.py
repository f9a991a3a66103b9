"""What may be changed about an order, and what it comes to. Pure: records and a wish in, a `Proposal` out, or a `Refused`.

The rules are those that shops print: what has not left yet can be cancelled or changed, what has arrived can be returned or
exchanged for some days, against another variant of the same product that can be had; items are changed once; money goes back
where it came from, or onto a gift card.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from storage.customers import Customer, PaymentMethod
from storage.errors import Conflict
from storage.orders import OPEN, Address, Order, OrderItem
from storage.record import Id, Record
from storage.settings import DAY_MS, ChangeKind, OrderSettings

Reason = Literal[
    "not_offered",
    "not_open",
    "not_delivered",
    "too_late",
    "already_changed",
    "already_cancelled",
    "no_such_line",
    "reason_needed",
    "other_product",
    "unavailable",
    "same",
    "price_unknown",
    "payment_unknown",
    "payment_not_original",
    "balance",
]
"""Why a change is refused."""


class Piece(Record):
    """A line of an order, 0 is the first, and how many pieces of it; None means all of them."""

    line: Annotated[int, Field(ge=0)]
    quantity: Annotated[int, Field(ge=1)] | None = None


class Swap(Record):
    """A whole line of an order, 0 is the first, against another variant of its product."""

    line: Annotated[int, Field(ge=0)]
    variant_id: Id


Pieces = Annotated[tuple[Piece, ...], Field(min_length=1, max_length=500)]
Swaps = Annotated[tuple[Swap, ...], Field(min_length=1, max_length=500)]


class CancelOrder(Record):
    """Cancels an order that has not left yet; all of it is refunded to what it was paid with."""

    kind: Literal["cancel"] = "cancel"
    order_id: Id
    reason: Annotated[str, Field(max_length=200)] = ""


class ReturnItems(Record):
    """Returns items of a delivered order; the refund goes to what it was paid with, or onto a gift card of the customer."""

    kind: Literal["return"] = "return"
    order_id: Id
    pieces: Pieces
    payment_method: Id | None = None


class ExchangeItems(Record):
    """Exchanges items of a delivered order for other variants of the same products; the difference is paid or refunded."""

    kind: Literal["exchange"] = "exchange"
    order_id: Id
    swaps: Swaps
    payment_method: Id | None = None


class ModifyItems(Record):
    """Takes other variants of the same products in an order that has not left yet, once; the difference is paid or refunded."""

    kind: Literal["items"] = "items"
    order_id: Id
    swaps: Swaps
    payment_method: Id | None = None


class ModifyAddress(Record):
    """Sends an order that has not left yet to another address."""

    kind: Literal["address"] = "address"
    order_id: Id
    address: Address


class ModifyPayment(Record):
    """Pays an order that has not left yet with another means of payment of the customer, once."""

    kind: Literal["payment"] = "payment"
    order_id: Id
    payment_method: Id


class ModifyDefaultAddress(Record):
    """Gives the customer another default address; orders keep theirs."""

    kind: Literal["default_address"] = "default_address"
    address: Address


OrderRequest: TypeAlias = CancelOrder | ReturnItems | ExchangeItems | ModifyItems | ModifyAddress | ModifyPayment
ChangeRequest: TypeAlias = OrderRequest | ModifyDefaultAddress
REQUEST: TypeAdapter[ChangeRequest] = TypeAdapter(Annotated[ChangeRequest, Field(discriminator="kind")])
"""Reads a request back from JSON."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A variant as the shop offers it now. `price` is in minor units of `currency`, None where it is not known."""

    price: int | None
    currency: str
    orderable: bool


Catalog: TypeAlias = Callable[[str], Mapping[str, Choice]]
"""The variants of a product by their ids; empty where the catalog has no such product."""


@dataclass(frozen=True, slots=True)
class Affected:
    """A line that the change is about: how many pieces, at what price each, and the variant and price that take its place."""

    line: int
    product_id: str
    variant_id: str | None
    quantity: int
    price: int | None
    to_variant_id: str | None = None
    to_price: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a request comes to, for the customer to agree to.

    `amount` in minor units goes back to the customer, or is paid by them where it is below zero; None where it is not known or
    no money moves. `method` is where it goes, None where the shop does not say how the order was paid.
    """

    request: ChangeRequest
    order: Order | None = None
    lines: tuple[Affected, ...] = ()
    amount: int | None = None
    currency: str | None = None
    method: PaymentMethod | None = None

    @property
    def stamp(self) -> str:
        """What the customer agrees to as one word: it differs as soon as an item, an amount or a target does."""
        said = {
            "request": self.request.model_dump(mode="json"),
            "lines": [[getattr(line, name) for name in Affected.__slots__] for line in self.lines],
            "money": [self.amount, self.currency, self.method.id if self.method else None],
            "status": self.order.status if self.order else None,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


class Refused(Conflict):
    """The rules do not allow the change; `reason` says which."""

    def __init__(self, reason: Reason, message: str, hint: str = "A person of the shop may decide otherwise.") -> None:
        super().__init__(message, hint)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Facts:
    """What a request is judged by. `earlier` are the kinds of change that the order has had, `now` is in ms since 1970."""

    order: Order | None
    customer: Customer | None
    earlier: frozenset[str]
    catalog: Catalog
    rules: OrderSettings
    now: int
    methods: Mapping[str, PaymentMethod] = field(init=False)

    def __post_init__(self) -> None:
        """The customer's means of payment by id."""
        known = self.customer.payment_methods if self.customer else ()
        object.__setattr__(self, "methods", {method.id: method for method in known})


_NAMES: Mapping[ChangeKind, str] = {
    "cancel": "cancelled",
    "return": "returned",
    "exchange": "exchanged",
    "items": "changed",
    "address": "sent elsewhere",
    "payment": "paid otherwise",
    "default_address": "changed",
}
_ONCE = frozenset({"return", "exchange", "items"})
"""After one of these an order is not changed again."""


def judge(request: ChangeRequest, facts: Facts) -> Proposal:
    """What the request comes to.

    Raises:
        Refused: it is not allowed; the reason says by which rule.
    """
    if request.kind not in facts.rules.self_service:
        raise Refused("not_offered", "This shop lets nobody do that alone.", "Ask for a person.")
    if isinstance(request, ModifyDefaultAddress):
        return Proposal(request)
    order = facts.order
    if order is None:
        raise ValueError("a request about an order is judged with the order")
    _check_state(request.kind, order, facts)
    match request:
        case CancelOrder():
            reasons = facts.rules.cancel_reasons
            if reasons and request.reason not in reasons:
                raise Refused(
                    "reason_needed", "The reason is none of the shop's.", f"Give one of: {', '.join(reasons)}."
                )
            lines = _pieces(order, tuple(Piece(line=number) for number in range(len(order.items))))
            return Proposal(request, order, lines, order.total, order.currency, _paid_with(order, facts))
        case ReturnItems():
            lines = _pieces(order, request.pieces)
            method = _target(request.payment_method, order, facts)
            if method is not None and method.id != order.payment_method and method.source != "gift_card":
                raise Refused(
                    "payment_not_original",
                    f"A refund cannot go to {method.id}.",
                    "Name what the order was paid with, or a gift card.",
                )
            refund = order.cost((line.price, line.quantity) for line in lines)
            return Proposal(request, order, lines, refund, order.currency, method)
        case ExchangeItems() | ModifyItems():
            lines = _swaps(order, request.swaps, facts.catalog, alike=request.kind == "exchange")
            before = order.cost((line.price, line.quantity) for line in lines)
            after = order.cost((line.to_price, line.quantity) for line in lines)
            if before is None or after is None:
                raise Refused("price_unknown", "The difference in price is not known.")
            method = _target(request.payment_method, order, facts)
            _check_balance(method, after - before)
            return Proposal(request, order, lines, before - after, order.currency, method)
        case ModifyAddress():
            return Proposal(request, order)
        case ModifyPayment():
            method = _target(request.payment_method, order, facts)
            if method is None or method.id == order.payment_method:
                raise Refused("same", f"The order is paid with {request.payment_method} already.")
            if order.total is None:
                raise Refused("price_unknown", "What the order costs is not known.")
            _check_balance(method, order.total)
            return Proposal(request, order, (), None, order.currency, method)


def _check_state(kind: ChangeKind, order: Order, facts: Facts) -> None:
    """The status allows it, the order was not changed before, and it is not too late."""
    if order.status == "cancelled":
        raise Refused("already_cancelled", f"The order {order.order_id} is cancelled.")
    if kind in ("return", "exchange"):
        if order.status != "delivered":
            raise Refused(
                "not_delivered",
                f"The order {order.order_id} is {order.status}; only what was delivered is {_NAMES[kind]}.",
            )
    elif order.status not in OPEN:
        raise Refused("not_open", f"The order {order.order_id} is {order.status} and cannot be {_NAMES[kind]}.")
    once = facts.earlier & (_ONCE | ({"payment"} if kind == "payment" else frozenset()))
    if once:
        raise Refused("already_changed", f"The order {order.order_id} was changed before ({', '.join(sorted(once))}).")
    if kind in ("return", "exchange") and facts.now > until(order, facts.rules):
        raise Refused("too_late", f"The {facts.rules.return_days} days for the order {order.order_id} are over.")


def until(order: Order, rules: OrderSettings) -> int:
    """The last instant at which items can be returned, counted from delivery: its day, else the expected one, else the order's."""
    expected = order.tracking.expected_at if order.tracking else None
    return (order.delivered_at or expected or order.placed_at) + rules.return_days * DAY_MS


def _line(order: Order, number: int) -> OrderItem:
    if number >= len(order.items):
        raise Refused("no_such_line", f"The order {order.order_id} has no line {number}.")
    return order.items[number]


def _pieces(order: Order, pieces: Sequence[Piece]) -> tuple[Affected, ...]:
    _check_distinct(order, [piece.line for piece in pieces])
    found = []
    for piece in pieces:
        item = _line(order, piece.line)
        quantity = item.quantity if piece.quantity is None else piece.quantity
        if quantity > item.quantity:
            raise Refused(
                "no_such_line", f"Line {piece.line} of {order.order_id} holds {item.quantity}, not {quantity}."
            )
        found.append(Affected(piece.line, item.product_id, item.variant_id, quantity, item.price))
    return tuple(found)


def _swaps(order: Order, swaps: Sequence[Swap], catalog: Catalog, alike: bool) -> tuple[Affected, ...]:
    """The lines with what takes their place. `alike` allows the same variant again: what came broken is exchanged so."""
    _check_distinct(order, [swap.line for swap in swaps])
    found = []
    for swap in swaps:
        item = _line(order, swap.line)
        choice = catalog(item.product_id).get(swap.variant_id)
        if choice is None:
            raise Refused("other_product", f"{swap.variant_id} is no variant of {item.product_id}.")
        if swap.variant_id == item.variant_id and not alike:
            raise Refused("same", f"Line {swap.line} of {order.order_id} is {swap.variant_id} already.")
        if not choice.orderable:
            raise Refused("unavailable", f"{swap.variant_id} cannot be had now.")
        price = choice.price if choice.currency == order.currency else None
        found.append(
            Affected(swap.line, item.product_id, item.variant_id, item.quantity, item.price, swap.variant_id, price)
        )
    return tuple(found)


def _check_distinct(order: Order, numbers: Iterable[int]) -> None:
    listed = list(numbers)
    if len(set(listed)) < len(listed):
        raise Refused("no_such_line", f"A line of {order.order_id} is named twice.")


def _paid_with(order: Order, facts: Facts) -> PaymentMethod | None:
    """What the order was paid with; also where the customer's record has it no longer."""
    if order.payment_method is None:
        return None
    return facts.methods.get(order.payment_method) or PaymentMethod(id=order.payment_method)


def _target(wanted: str | None, order: Order, facts: Facts) -> PaymentMethod | None:
    if wanted is None or wanted == order.payment_method:
        return _paid_with(order, facts)
    if wanted not in facts.methods:
        raise Refused("payment_unknown", f"The customer has no means of payment {wanted[:200]!r}.")
    return facts.methods[wanted]


def _check_balance(method: PaymentMethod | None, due: int) -> None:
    """A gift card pays only what it holds."""
    if method is not None and method.source == "gift_card" and due > (method.balance or 0):
        raise Refused("balance", f"The gift card {method.id} does not hold {due}.")
