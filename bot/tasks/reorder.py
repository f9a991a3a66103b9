"""Buying again: what a shopper asks for once more, and a reminder of what they have probably used up, with nothing that presses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.present import card_of
from bot.references import words_of
from bot.shelf import price_of
from bot.state import Item, Pending
from bot.tasks.orders import date_of
from bot.turn import SLATE, Answer, Turn
from index.product import Money, Product
from storage.orders import Order, OrderItem, orders_of

ONCE: Final = 1
"""How often a conversation is reminded."""


def remind(turn: Turn, answer: Answer) -> bool:
    """Shows what is due for another order, with the days that say so, where something is; whether it did."""
    due = turn.due
    if due is None or turn.state.said.get("reorder.due", 0) >= ONCE:
        return False
    product = turn.shelf.product(due.good.product_id)
    if product is None:
        return False
    usual, ago = due.usual_days, turn.today - due.last
    answer.ledger.days |= {usual, ago}
    answer.show([card_of(product)], [product], slate=False)
    answer.say(turn.voice.say("reorder.due", title=product.title, usual=usual, ago=ago))
    return True


_DONE: Final = ("cancelled", "returned")
_SAID: Final = frozenset(
    "order orders ordered reorder re purchase purchases repurchase bought thing things stuff same again time times last usual "
    "before month week once like as one please can could i my would d want let".split()
) | frozenset("次单样东西上以前之再一来份还又订过复购回老子时候和跟像同重新那想")
_ENOUGH: Final = 0.5
"""The share of the words named that a product bought must have."""


def again(turn: Turn, answer: Answer) -> None:
    """Shows what was bought before, at today's price, and offers to put it into the cart; nothing is bought without a yes."""
    voice = turn.voice
    if turn.principal.anonymous:
        return answer.say(voice.say("orders.sign_in"))
    orders = orders_of(turn.database, turn.principal, turn.user_id)
    orders = sorted((each for each in orders if each.status not in _DONE), key=lambda each: -each.placed_at)
    if not orders:
        return answer.say(voice.say("orders.none"))
    named = [word for word in words_of(turn.message) if word not in _SAID]
    products = turn.shelf.products(dict.fromkeys(item.product_id for order in orders for item in order.items))
    order, bought = _meant(orders, products, set(named))
    if order is None:
        answer.ledger.text(*named)
        return answer.say(voice.say("reorder.unknown"))
    there = [item for item in bought if item.product_id in products]
    gone = len(bought) - len(there)
    if not there:
        return answer.say(voice.say("reorder.gone"))
    shown = [products[item.product_id] for item in there]
    answer.show([card_of(products[item.product_id], item.variant_id) for item in there], shown)
    answer.focus = tuple(Item(product_id=each.product_id, variant_id=each.variant_id, chosen=True) for each in there)
    placed = date_of(order.placed_at, turn.language)
    answer.ledger.text(placed)
    titles = voice.joined([card.title for card in answer.cards], "and")
    answer.say(voice.say("reorder.bought", titles=titles, date=placed))
    if gone:
        answer.say(voice.say("reorder.some_gone", count=gone))
    for item in there:
        _tell_price(turn, answer, order, item, products[item.product_id])
    return answer.ask(voice.say("reorder.offer", count=len(there)), Pending(kind="add", items=answer.focus))


def _meant(
    orders: Sequence[Order], products: dict[str, Product], named: set[str]
) -> tuple[Order | None, list[OrderItem]]:
    """The latest order with something of that name and these items of it; without a name the latest order and all of it."""
    if not named:
        return orders[0], list(orders[0].items[:SLATE])
    best: tuple[int, Order | None, list[OrderItem]] = (0, None, [])
    for order in orders:
        for item in order.items:
            product = products.get(item.product_id)
            said = set(words_of(" ".join([product.title, product.brand, *product.categories]))) if product else set()
            shared = len(named & said)
            if shared > best[0] and shared >= _ENOUGH * len(named):
                best = shared, order, [item]
    return best[1], best[2]


def _tell_price(turn: Turn, answer: Answer, order: Order, item: OrderItem, product: Product) -> None:
    """Another price than was paid is told."""
    now = price_of(product, product.variant(item.variant_id) if item.variant_id else None)
    if (
        item.price is None
        or order.currency is None
        or now is None
        or now.currency != order.currency
        or item.price == now.amount
    ):
        return
    paid = Money(amount=item.price, currency=order.currency)
    answer.ledger.money(paid, now)
    answer.say(
        turn.voice.say("reorder.price", title=product.title, before=turn.voice.money(paid), now=turn.voice.money(now))
    )
