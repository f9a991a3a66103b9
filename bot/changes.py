"""What changed since this conversation showed it: a price, or that a thing can no longer be had. It is told, never hidden."""

from __future__ import annotations

from bot.shelf import availability_of, price_of
from bot.state import Item, Told
from bot.turn import Answer, Turn
from index.product import Product

MOST = 2
"""Changes that one turn tells; of a whole slate whose prices moved the cards tell the rest."""


def tell_changes(turn: Turn, answer: Answer) -> None:
    """Says of what is shown again, or goes into the cart, how it differs from what was shown before."""
    cards = [Item(product_id=card.product_id, variant_id=card.variant_id) for card in answer.cards]
    told = 0
    for item in dict.fromkeys((*cards, *(answer.focus or ()))):
        product = answer.products.get(item.product_id)
        if product is not None and told < MOST:
            told += _tell(turn, answer, product, item)


def _tell(turn: Turn, answer: Answer, product: Product, item: Item) -> bool:
    before, variant_id = turn.state.told.get((item.product_id, item.variant_id)), item.variant_id
    if before is None:
        before, variant_id = turn.state.told.get((item.product_id, None)), None
    if before is None:
        return False
    variant = product.variant(variant_id) if variant_id else None
    if _sold_out(before, product, variant_id):
        answer.say(turn.voice.say("changed.sold_out", title=product.title))
        return True
    now = price_of(product, variant)
    if before.price is None or now is None or before.price == now:
        return False
    answer.ledger.money(before.price, now)
    answer.say(
        turn.voice.say(
            "changed.price", title=product.title, before=turn.voice.money(before.price), now=turn.voice.money(now)
        )
    )
    return True


def _sold_out(before: Told, product: Product, variant_id: str | None) -> bool:
    variant = product.variant(variant_id) if variant_id else None
    return before.availability.orderable and not availability_of(product, variant).orderable
