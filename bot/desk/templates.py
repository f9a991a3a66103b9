"""A reply of the past as a template for others, and a template filled for one customer.

    "Hi Nora, A100042 is due on 3 March."      what an agent wrote
    "Hi {first_name}, {order_id} is due on {expected_at}."
    "Hi Samir, A100077 is due on 9 March."     for another, out of his records

What is known to be the customer's own, by records or by how the conversation itself uses it, becomes a slot of its kind. What only
looks like a figure of one case becomes a blank, which no record fills: the agent does. A reply in which anything else of a person
is left makes no template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from bot.backend import Backend
from bot.desk.marks import blanked, known_in
from bot.tasks.orders import date_of
from index.money import format_money
from index.product import Money
from storage.customers import Customer
from storage.errors import NotFound
from storage.orders import Order
from storage.principal import Principal, Role
from storage.redaction import redact

Facts = Mapping[str, str]
"""What a customer's records say, by slot."""

SLOTS: Final = (
    "order_id", "tracking", "carrier", "tracking_url", "placed_at", "expected_at", "delivered_at", "amount", "item_price",
    "product", "first_name", "last_name", "email", "address", "agent",
)  # fmt: skip
"""What records fill. `amount` is an order's total, `item_price` that of its only line, `agent` the name of who answers."""
BLANKS: Final = ("date", "money", "number", "contact")
"""What nobody's records are known to fill."""
LONGEST: Final = 1_000
"""Characters of a reply that is kept."""

_SLOT = re.compile(r"\{([a-z_]+)\}")
_CONTACT = re.compile(r"REDACTED_(?:EMAIL|PHONE)")
_SPACE = re.compile(r"\s+")
_LATIN = re.compile("[A-Za-z0-9_]")
_READERS: Final = (Role.AGENT, Role.SUPERVISOR)


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


def fill(template: str, facts: Facts) -> tuple[str, tuple[str, ...]]:
    """The template with what is known of this customer, and the slots that are missing, in order; those stay as they are.

    Values are put in once and as they are: braces in a name open no slot.
    """
    missing: dict[str, None] = {}

    def value(match: re.Match[str]) -> str:
        found = facts.get(match[1], "")
        if not found:
            missing[match[1]] = None
        return found or match[0]

    return _SLOT.sub(value, template), tuple(missing)


def slots_in(template: str) -> tuple[str, ...]:
    """The slots of a template, each once, in order."""
    return tuple(dict.fromkeys(_SLOT.findall(template)))


def facts_of(
    backend: Backend, principal: Principal, user_id: str, said: Sequence[str], language: str, agent: str = ""
) -> dict[str, str]:
    """What this customer's records say, by slot, as it is written in `language`.

    Of several orders it is the one that `said`, the conversation's texts, named last; where none is named, only an only order
    counts. Which of several is meant is never guessed: then the slots of an order are missing.

    Raises:
        NotFound: the principal may not see the customer's records.
        Unavailable: the shop's system does not answer.
    """
    facts = {"agent": agent} if agent else {}
    try:
        facts |= _of_customer(backend.user(principal, user_id))
    except NotFound:  # a shop's own system may not know the customer; who may not ask is told the same
        principal.require_owner(user_id, *_READERS)
    order = meant(backend.orders(principal, user_id), said)
    if order is not None:
        ids = {item.product_id for item in order.items}
        titles = {each: product.title for each in ids if (product := backend.product(each)) is not None}
        facts |= _of_order(order, titles, language)
    return facts


def meant(orders: Sequence[Order], said: Sequence[str]) -> Order | None:
    """The order that a conversation named last, else the only one there is."""
    for text in reversed(said):
        places = {order.order_id: _last(order.order_id, text) for order in orders}
        named = max(orders, key=lambda order: places[order.order_id], default=None)
        if named is not None and places[named.order_id] >= 0:
            return named
    return orders[0] if len(orders) == 1 else None


def _last(order_id: str, text: str) -> int:
    """Where a number stands last as a word of its own; -1 where nowhere."""
    found = list(re.finditer(rf"(?<![\w-]){re.escape(order_id)}(?![\w-])", text, re.IGNORECASE | re.ASCII))
    return found[-1].start() if found else -1


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
        item = order.items[0]
        facts["product"] = titles.get(item.product_id, "")
        if item.price is not None and order.currency:
            facts["item_price"] = format_money(Money(amount=item.price, currency=order.currency), language)
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
    if slot == "item_price" and order.items[0].price == order.total:
        return  # one piece: the total says it
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
