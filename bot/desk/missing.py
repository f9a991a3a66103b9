"""What has to be asked before a wish can be met: the order's number, the product, the option, the address.

A question is proposed only for what neither the conversation nor the customer's records say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bot.desk.context import Context
from bot.desk.slots import order_meant, orders_known
from bot.order_wishes import wanted
from bot.references import resolve
from bot.reply.voice import Voice
from bot.shelf import availability_of, telling_options
from bot.state import Item
from bot.turn import Turn

NAMED: Final = 3
"""So many orders are named in a question."""
_ORDERS = re.compile(
    r"\b(?:orders?|parcels?|packages?|deliver\w*|shipp?\w*|tracking|arriv\w+|refund\w*|return\w*|exchang\w*|cancel\w*)\b"
    r"|订单|[这那]单|快递|物流|包裹|发货|到货|送到|退款|退货|换货|运单",
    re.IGNORECASE,
)
"""Speaks of something that was ordered."""
_TELLS = re.compile(
    r"\b(?:broken?|broke|damag\w+|defect\w*|wrong|missing|late|leak\w*|stopp?ed)\b"
    r"|\b(?:does(?:n'?t| not)|did(?:n'?t| not)|never|torn|dead|too \w+)\b"
    r"|坏|破|漏|错|少|缺|晚|迟|没|不能|不好|太\w|裂|掉|脏|碎",
    re.IGNORECASE,
)
"""Says what is wrong."""


def needed(context: Context, turn: Turn, voice: Voice) -> Iterator[tuple[str, str]]:
    """The slots that are missing for what the turn asks, most needed first, each with the question to the customer."""
    task, message = turn.decision.task, turn.message
    about_orders = task in ("order_status", "order_change") or (
        task in ("complaint", "handoff", "swearing") and _ORDERS.search(message) is not None
    )
    change = wanted(message, about_orders)
    if about_orders or change is not None:
        yield from _order(context, voice)
    if change in ("address", "default_address") and not re.search(r"\d", message):
        yield "address", voice.say("need.address")
    if task in ("complaint", "swearing") and not _TELLS.search(message):
        yield "problem", voice.say("need.problem")
    if task == "cart_add":
        yield from _product(turn, voice)
    if task in ("greet", "chitchat") and turn.topic.empty:
        yield "what", voice.say("need.what")


def _order(context: Context, voice: Voice) -> Iterator[tuple[str, str]]:
    if order_meant(context) is not None:
        return
    orders = orders_known(context)
    if context.customer.anonymous:
        yield "sign_in", voice.say("need.sign_in")
    if len(orders) > 1:
        named = voice.joined([order.order_id for order in orders[:NAMED]], "or")
        yield "order_id", voice.say("need.which_order", orders=named)
    else:
        yield "order_id", voice.say("need.order_id")


def _product(turn: Turn, voice: Voice) -> Iterator[tuple[str, str]]:
    """The product, or which of its options, where the customer has said neither."""
    found = resolve(turn)
    if len(found.items) != 1:
        yield "product", voice.say("need.product")
        return
    item: Item = found.items[0]
    product = turn.shelf.product(item.product_id)
    if product is None or not product.variants or (item.variant_id is not None and item.chosen):
        return
    able = [variant for variant in product.variants if availability_of(product, variant).orderable]
    said = turn.message.casefold()
    for name in telling_options(product):
        values = list(dict.fromkeys(variant.options[name] for variant in able if name in variant.options))
        if len(values) > 1 and not any(value.casefold() in said for value in values):
            options = voice.joined(map(voice.value, values), "or")
            facts = {"option": voice.attribute(name), "options": options, "title": product.title}
            yield "variant", voice.say("need.variant", **facts)
            return
