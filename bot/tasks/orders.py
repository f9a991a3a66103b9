"""Orders: their own, and only to who placed them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.state import Pending
from bot.turn import Answer, Turn
from storage.orders import Order

ITEMS = 3
_NUMBER = re.compile(r"#?\b(?=[\w-]*\d)[A-Za-z]{0,6}[-_]?\d[\w-]{2,}\b", re.ASCII)
_CHANGE = re.compile(
    r"\b(?:cancel|return|refund|exchange|change|send back|wrong address|invoice|receipt)\b|"
    r"取消|退货|退款|退掉|换货|改地址|修改|发票",
    re.IGNORECASE,
)


def status(turn: Turn, answer: Answer, change: bool = False) -> None:
    """How the named order stands, else the latest; what customers cannot change by themselves needs a person.

    `change` where something is to be changed, whatever the words.
    """
    voice = turn.voice
    if turn.principal.anonymous:
        return answer.say(voice.say("orders.sign_in"))
    orders = sorted(turn.backend.orders(turn.principal, turn.user_id), key=lambda order: order.placed_at, reverse=True)
    if not orders:
        return answer.say(voice.say("orders.none"))
    order = _named(turn.message, orders)
    if order is None:
        number = next(iter(_NUMBER.findall(turn.message)), None)
        if number is not None:
            answer.ledger.text(number)
            return answer.say(voice.say("orders.unknown", order=number))
        order = orders[0]
    tell(turn, answer, order)
    if change or _CHANGE.search(turn.message):
        return answer.ask(voice.say("orders.change"), Pending(kind="handoff", task="order"))
    rest = [each for each in orders if each is not order]
    if rest and _named(turn.message, orders) is None:
        answer.ledger.text(rest[0].order_id)
        answer.say(voice.say("orders.more", count=len(rest), other=rest[0].order_id))
    return None


def tell(turn: Turn, answer: Answer, order: Order) -> None:
    """How an order stands, what is in it, and where its parcel is, from its record."""
    voice = turn.voice
    placed = date_of(order.placed_at, turn.language)
    answer.order_id = order.order_id
    answer.ledger.text(order.order_id, placed)
    answer.say(voice.say(f"orders.{order.status}", order=order.order_id, date=placed))
    _tell_changes(turn, answer, order)
    products = turn.shelf.products(item.product_id for item in order.items[:ITEMS])
    answer.know(*products.values())
    named = [
        f"{item.quantity} × {products[item.product_id].title}"
        for item in order.items[:ITEMS]
        if item.product_id in products
    ]
    if named:
        answer.say(voice.say("orders.items", items=voice.joined(named, "and")))
    tracking = order.tracking
    if tracking is None or order.status not in ("paid", "shipped"):
        return
    if tracking.carrier and tracking.number:
        answer.ledger.text(tracking.carrier, tracking.number)
        answer.say(voice.say("orders.tracking", carrier=tracking.carrier, number=tracking.number))
    if tracking.expected_at is not None:
        expected = date_of(tracking.expected_at, turn.language)
        answer.ledger.text(expected)
        answer.say(voice.say("orders.expected", date=expected))


def _tell_changes(turn: Turn, answer: Answer, order: Order) -> None:
    """That a return or an exchange is under way, for the order's own status does not say so."""
    asked = {
        each.kind for each in turn.backend.changes(turn.principal, turn.user_id) if each.order_id == order.order_id
    }
    for kind in ("return", "exchange"):
        if kind in asked and order.status == "delivered":
            answer.say(turn.voice.say(f"orders.{kind}_requested"))


def _named(message: str, orders: Sequence[Order]) -> Order | None:
    low = message.casefold()
    named = [
        order
        for order in orders
        if re.search(rf"(?<![\w-]){re.escape(order.order_id.casefold())}(?![\w-])", low, re.ASCII)
    ]
    return max(named, key=lambda order: len(order.order_id), default=None)


def date_of(instant: int, language: str) -> str:
    """The day of an instant in milliseconds since 1970, UTC: "27 November 2026", "2026年11月27日"."""
    day = datetime.fromtimestamp(instant / 1000, tz=UTC)
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {day:%B} {day.year}" if language == "en" else f"{day:%Y-%m-%d}"
