"""A reply of the past as a template for others, whom `bot/desk/slots.py` fills it for.

    "Hi Nora, A100042 is due on 3 March."      what an agent wrote
    "Hi {first_name}, {order_id} is due on {expected_at}."

What is known to be the customer's own, by records or by how the conversation itself uses it, becomes a slot of its kind. What only
looks like a figure of one case becomes a blank (`{date}`, `{money}`, `{number}`, `{contact}`), which no record fills: the agent
does. A reply in which more of a person is left, a card number, makes no template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from bot.desk.marks import blanked, known_in
from bot.tasks.orders import date_of
from index.money import format_money
from index.product import Money
from storage.customers import Customer, customer_of
from storage.database import Database
from storage.orders import Order, orders_of
from storage.principal import Principal
from storage.redaction import redact

LONGEST: Final = 1_000
"""Characters of a reply that is kept."""

_CONTACT = re.compile(r"REDACTED_(?:EMAIL|PHONE)")
_SPACE = re.compile(r"\s+")
_LATIN = re.compile("[A-Za-z0-9_]")


def known_of(orders: Sequence[Order], customer: Customer | None, titles: Mapping[str, str]) -> dict[str, str]:
    """Slot by value, as texts spell it: a customer's records; `titles` are those of products by id.

    What stands for two different things, a day on which one order left and another came, is left out.
    """
    pairs = [
        pair
        for language in ("en", "zh")
        for order in orders
        for slot, value in _of_order(order, titles, language).items()
        for pair in ((spelling, slot) for spelling in _spellings(slot, value, order, language))
    ]
    pairs += [(value, slot) for slot, value in _of_customer(customer).items()] if customer else []
    slots: dict[str, set[str]] = {}
    for value, slot in pairs:
        slots.setdefault(value, set()).add(slot)
    return {value: next(iter(found)) for value, found in slots.items() if len(found) == 1 and len(value) > 1}


def template_of(text: str, known: Mapping[str, str] | None = None) -> str | None:
    """A reply as a template; None where it makes none: empty, too long, with braces of its own, or personal beyond any slot.

    `known` are slots by value, of `known_in` and `known_of`. `template_of("Hi Nora, it's $5")` is "Hi {first_name}, it's {money}".
    """
    text = _SPACE.sub(" ", text).strip()
    if not text or len(text) > LONGEST or "{" in text or "}" in text:
        return None
    slots = {**known_in([("agent", text)]), **(known or {})}
    if slots:
        spelled = "|".join(_bounded(value) for value in sorted(slots, key=len, reverse=True))
        text = re.sub(spelled, lambda match: f"{{{slots[match[0]]}}}", text)
    text = _CONTACT.sub("{contact}", redact(text))
    if "REDACTED_" in text:
        return None
    return blanked(text)


def records_of(
    database: Database, principal: Principal, title: Callable[[str], str]
) -> Callable[[str], Mapping[str, str]]:
    """Slot by value of each user's records, as the shop's own tables have them.

    Args:
        database: where from.
        principal: who reads; a user whom it may not read raises `NotFound` when asked for.
        title: of a product by its id, "" where it is not known.
    """

    def records(user_id: str) -> Mapping[str, str]:
        orders = orders_of(database, principal, user_id)
        ids = {item.product_id for order in orders for item in order.items}
        return known_of(orders, customer_of(database, principal, user_id), {each: title(each) for each in ids})

    return records


def _of_order(order: Order, titles: Mapping[str, str], language: str) -> dict[str, str]:
    facts = {"order_id": order.order_id, "placed_at": date_of(order.placed_at, language)}
    if order.delivered_at is not None:
        facts["delivered_at"] = date_of(order.delivered_at, language)
    if tracking := order.tracking:
        facts |= {
            "tracking": tracking.number or "",
            "carrier": tracking.carrier or "",
            "tracking_url": tracking.url or "",
        }
        if tracking.expected_at is not None:
            facts["expected_at"] = date_of(tracking.expected_at, language)
    if order.total is not None and order.currency:
        facts["amount"] = format_money(Money(amount=order.total, currency=order.currency), language)
    if len(order.items) == 1:
        facts["product"] = titles.get(order.items[0].product_id, "")
    if order.address is not None:
        facts["address"] = order.address.line
    return {slot: value for slot, value in facts.items() if value}


def _of_customer(customer: Customer) -> dict[str, str]:
    facts = {"first_name": customer.first_name, "last_name": customer.last_name, "email": customer.email}
    if customer.address is not None:
        facts["address"] = customer.address.line
    return {slot: value for slot, value in facts.items() if value}


def _spellings(slot: str, value: str, order: Order, language: str) -> Iterator[str]:
    """How agents write a fact of an order."""
    yield value
    instant = {
        "placed_at": order.placed_at,
        "delivered_at": order.delivered_at,
        "expected_at": order.tracking.expected_at if order.tracking else None,
    }.get(slot)
    if instant is None:
        return
    day = datetime.fromtimestamp(instant / 1000, tz=UTC)
    yield f"{day:%Y-%m-%d}"
    if language == "zh":
        yield f"{day.month}月{day.day}日"
    else:
        yield from (f"{day.day} {day:%B}", f"{day:%B} {day.day}", f"{day.day} {day:%b}", f"{day:%b} {day.day}")


def _bounded(value: str) -> str:
    """A pattern of a value that is no part of a longer Latin word or number; Chinese has no such borders."""
    before = r"(?<![A-Za-z0-9_])" if _LATIN.match(value[0]) else ""
    after = r"(?![A-Za-z0-9_])" if _LATIN.match(value[-1]) else ""
    return before + re.escape(value) + after
