"""The `{slots}` of a reply kept at hand, filled with what a customer's own records say.

A slot that no record fills stays as it is and is named: which of two orders is meant is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bot.desk.context import Context
from bot.reply.voice import Voice
from bot.shelf import price_of, title_of
from bot.tasks.orders import date_of
from index.product import Money, Product, Variant
from storage.customers import Customer
from storage.errors import NotFound, Unavailable
from storage.orders import Order

UNDER_WAY: Final = ("placed", "paid", "shipped")
"""An order that has not arrived."""
SLOTS: Final = (
    "first_name", "last_name", "shop", "order_id", "order_status", "placed_at", "expected_at", "delivered_at", "amount", "tracking",
    "carrier", "tracking_url", "address", "email", "product", "price", "cart_total",
)  # fmt: skip
"""What `facts_of` knows of a customer; a reply kept at hand may leave these to the records."""
_SLOT = re.compile(r"\{([a-z_]{1,40})\}")


def fill(template: str, facts: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text with what is known, and the slots that are missing, in their order.

    Values are put in once and as they are: braces in a name open no slot. `fill("Hi {first_name}, it is {tracking}",
    {"first_name": "Mia"})` is `("Hi Mia, it is {tracking}", ("tracking",))`.
    """
    missing: dict[str, None] = {}

    def value(match: re.Match[str]) -> str:
        found = facts.get(match[1], "")
        if not found:
            missing[match[1]] = None
        return found or match[0]

    return _SLOT.sub(value, template), tuple(missing)


def facts_of(context: Context, voice: Voice) -> dict[str, str]:
    """What the records of this customer say, by slot, as the voice's language writes it; slots without a value are left out.

    Of who does not let answers use their data it is only the order that they named themselves.
    """
    product = product_meant(context)
    facts: dict[str, str | None] = {"shop": context.assistant.settings.name}
    if context.consent.answer:
        facts |= _of_customer(context, voice)
        order = order_meant(context)
    else:
        order = _named_by(("user",), context)
    if order is not None:
        facts |= _of_order(order, voice)
    if product is not None:
        price = price_of(*product)
        facts |= {"product": title_of(*product), "price": voice.money(price) if price is not None else None}
    return {slot: value for slot, value in facts.items() if value}


def _of_customer(context: Context, voice: Voice) -> dict[str, str | None]:
    record, cart = record_known(context), context.cart
    facts: dict[str, str | None] = {
        "first_name": record.first_name,
        "last_name": record.last_name,
        "email": record.email,
    }
    if record.address is not None:
        facts["address"] = record.address.line
    if cart.lines and cart.subtotal is not None:
        facts["cart_total"] = voice.money(cart.subtotal)
    return facts


def _of_order(order: Order, voice: Voice) -> dict[str, str | None]:
    language, tracking = voice.language.code, order.tracking
    facts: dict[str, str | None] = {
        "order_id": order.order_id,
        "order_status": voice.word("order", order.status),
        "placed_at": date_of(order.placed_at, language),
        "delivered_at": date_of(order.delivered_at, language) if order.delivered_at is not None else None,
    }
    if order.total is not None and order.currency:
        facts["amount"] = voice.money(Money(amount=order.total, currency=order.currency))
    if order.address is not None:
        facts["address"] = order.address.line
    if tracking is not None:
        facts |= {"tracking": tracking.number, "carrier": tracking.carrier, "tracking_url": tracking.url}
        if tracking.expected_at is not None:
            facts["expected_at"] = date_of(tracking.expected_at, language)
    return facts


def orders_known(context: Context) -> list[Order]:
    """The customer's orders, the latest first; none where the shop's own system does not know them, or does not answer."""
    try:
        return context.orders
    except (NotFound, Unavailable):
        return []


def record_known(context: Context) -> Customer:
    """What the shop says of the customer; an empty record where its own system is silent."""
    try:
        return context.record
    except (NotFound, Unavailable):
        return Customer(user_id=context.customer.id)


def order_meant(context: Context) -> Order | None:
    """The order that it is about: the one that the customer or an agent named last, else the only one under way, else the only one.

    That Aisle named one says little: asked for "my order", it tells of the latest.
    """
    if (named := _named_by(("user", "agent"), context)) is not None:
        return named
    orders = orders_known(context)
    under_way = [order for order in orders if order.status in UNDER_WAY]
    for some in (under_way, orders):
        if len(some) == 1:
            return some[0]
    return None


def _named_by(roles: tuple[str, ...], context: Context) -> Order | None:
    """The order whose number one of these said last."""
    orders = orders_known(context)
    said = (turn.content for turn in reversed(context.said) if turn.role in roles)
    return next((named for text in said if (named := order_named(text, orders)) is not None), None)


def order_named(text: str, orders: Sequence[Order]) -> Order | None:
    """The order whose number stands in a text as a word of its own, the one named last; None where none does."""
    places: dict[int, Order] = {}
    for order in orders:
        for match in re.finditer(rf"(?<![\w-]){re.escape(order.order_id)}(?![\w-])", text, re.IGNORECASE | re.ASCII):
            places[match.start()] = order
    return places[max(places)] if places else None


def late(order: Order, now: int) -> bool:
    """Whether an order should have arrived by now, a day of grace included, and has not. `now` in milliseconds since 1970, UTC."""
    expected = order.tracking.expected_at if order.tracking is not None else None
    return order.status in UNDER_WAY and expected is not None and expected + 86_400_000 < now


def product_meant(context: Context) -> tuple[Product, Variant | None] | None:
    """The one product that the talk is about now, and its variant; None where there are several, or none."""
    focus = context.state.focus
    product = context.assistant.parts.shelf.product(focus[0].product_id) if len(focus) == 1 else None
    if product is None:
        return None
    return product, product.variant(focus[0].variant_id) if focus[0].variant_id else None
