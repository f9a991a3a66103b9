"""Small talk: short, true, and back to shopping."""

from __future__ import annotations

import re

from bot.basket import view_of
from bot.tasks.answers import from_book
from bot.tasks.reorder import remind
from bot.tasks.staged import offer_help
from bot.turn import Answer, Open, Turn
from storage.carts import cart_of

_BOT = re.compile(
    r"\b(?:bot|robot|human|real person|ai|machine|chatgpt|program|person)\b|机器人|真人|人工智能|是人吗|程序",
    re.IGNORECASE,
)
_WELL = re.compile(
    r"how(?:'s| is| are|s)\b|what'?s up|你好吗|你?(?:最近|今天)?过得|你(?:最近|今天)?怎么样|最近(?:好吗|怎么样)",
    re.IGNORECASE,
)


def greet(turn: Turn, answer: Answer) -> None:
    """A greeting back, shorter where the talk is on already; then what is due for another order, or help with what was left."""
    answer.say(turn.voice.say("greet.first" if turn.state.turns == 0 else "greet.again"))
    if not remind(turn, answer):
        offer_help(turn, answer)


def thank(turn: Turn, answer: Answer) -> None:
    """Thanks are answered, what was offered stays open."""
    answer.say(turn.voice.say("thank.plain"))
    answer.pending = turn.state.pending


def goodbye(turn: Turn, answer: Answer) -> None:
    """A farewell that mentions a cart that waits."""
    cart = view_of(cart_of(turn.database, turn.principal, turn.user_id), turn.shelf, turn.currency, turn.checkout_url)
    if cart.lines:
        answer.cart = cart
        return answer.say(turn.voice.say("goodbye.cart", count=cart.pieces))
    offer_help(turn, answer)
    return answer.say(turn.voice.say("goodbye.plain"))


def chitchat(turn: Turn, answer: Answer) -> None:
    """Says plainly that it is software where that is asked."""
    kind = "bot" if _BOT.search(turn.message) else "well" if _WELL.search(turn.message) else "plain"
    answer.say(turn.voice.say(f"chitchat.{kind}"))
    answer.pending = turn.state.pending


def out_of_scope(turn: Turn, answer: Answer) -> None:
    """An answer that a person gave to the same question before, or what it can do instead."""
    known = from_book(turn, answer)
    if known:
        return answer.say(*known)
    answer.unanswered = Open("other")
    answer.pending = turn.state.pending
    return answer.say(turn.voice.say("out_of_scope.plain"))
