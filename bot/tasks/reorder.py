"""A reminder of what a shopper has probably used up by now: the product, how often they buy it, and nothing that presses."""

from __future__ import annotations

from typing import Final

from bot.present import card_of
from bot.turn import Answer, Turn

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
