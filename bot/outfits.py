"""What a turn changes in a set that was put together: one thing for another, one thing out, or what all may cost."""

# ruff: noqa: E501 -- a pattern reads best an alternative a line
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bot.phrases import words_in
from bot.state import Outfit
from index.money import parse_money
from retrieval.understanding import Understanding
from retrieval.understanding.text import has_han

_EXCHANGES: Final = re.compile(
    r"\b(?:swap|replace|exchange|switch|change|cheaper|pricier|better|nicer|another|different|other)\b"
    r"|换|便宜|贵一?点|好一?点|别的|其他|另外",
    re.IGNORECASE,
)
_STRIKES: Final = re.compile(
    r"\b(?:without|leave out|leave off|drop|remove|skip|take out|no need for|(?:do not|don'?t) (?:need|want)|minus"
    r"|(?:already|i'?ve) (?:have|own|got)|have (?:an?|the|my|some) .{0,30}already)\b"
    r"|不要|不用|不需要|去掉|拿掉|除掉|已经有|有了|免了",
    re.IGNORECASE,
)
_ELSEWHERE: Final = re.compile(
    r"^\W*(?:which|why|is|are|what|how|when|does|do|will|did)\b|\b(?:can i|may i|come in|comes in|return|exchange policy)\b|\bthan\b|\b(?:cart|basket|my bag|shopping bag|order)\b|购物车|订单|哪个|哪款|为什么|[吗么]\W*$",
    re.IGNORECASE,
)
"""A question about what is shown, or a wish about the cart or an order."""
_SUM: Final = re.compile(
    r"^\W*(?:(?:no|ok(?:ay)?|actually|please|make (?:it|that)|keep (?:it|everything|all)|and|but|now|what about|can (?:you|we) do (?:it|that)"
    r"|in total|all|everything|the whole (?:set|thing)|for|under|below|within|at most|max(?:imum)?|up to|less than)[\s,:]+)+"
    r"(?P<en>[$€£]\s?\d[\d,.]*|\d[\d,.]*\s?(?:dollars?|bucks|usd|eur|euros?|gbp|pounds?)|\d{3,}(?:\.\d+)?|\d+(?=\s*(?:in total|in all|total|all together|altogether)))"
    r"(?:[\s,]*(?:in total|in all|total|all together|altogether|together|for (?:all|everything)|max(?:imum)?|at most|please|instead|tops))*\W*$"
    r"|^\W*(?:总共|一共|合计|全部|整套|加起来|预算|控制在|改成|不超过|最多|别超过|那就|就|都|到|要)+(?P<zh>\d+\s*(?:美元|块钱?|元|刀)|\d{3,})"
    r"(?:以内|以下|之内|内|吧|的话|好了|就行)*\W*$",
    re.IGNORECASE,
)
"""A turn that says nothing but what all may cost: "make it 200 in total", "总共200以内"."""
_COLLOQUIAL: Final = re.compile(r"bucks|块钱?|刀", re.IGNORECASE)  # whatever the shop's currency is


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a set: `places` of its things, 0-based, that go, or are exchanged; or another sum for all of it."""

    what: Literal["exchange", "strike", "budget"]
    places: tuple[int, ...] = ()
    budget: int | None = None


def change_in(outfit: Outfit, understanding: Understanding, message: str) -> Change | None:
    """What a turn changes in the set; None where it speaks of something else.

    >>> change_in(outfit, understanding, "swap the tent for a cheaper one")    # doctest: +SKIP
    Change(what='exchange', places=(0,))
    """
    if (total := _SUM.match(message)) is not None:
        said = parse_money(_COLLOQUIAL.sub("", total["en"] or total["zh"]), outfit.currency)
        return Change("budget", budget=said.amount) if said is not None and said.currency == outfit.currency else None
    price = understanding.filters.price
    if not understanding.query and not understanding.ordinals and price is not None and price.max is not None:
        return Change("budget", budget=price.max)
    if _ELSEWHERE.search(message) or not outfit.names:
        return None
    exchanges = understanding.relative is not None or _EXCHANGES.search(message) is not None
    # "I don't want this tent, show me another" wants another.
    strikes = _STRIKES.search(message) is not None and not exchanges
    if not strikes and not exchanges:
        return None
    count = len(outfit.names)
    ordinals = (place - 1 if place > 0 else count + place for place in understanding.ordinals)
    places = tuple(place for place in ordinals if 0 <= place < count) or _named(outfit.names, message)
    return Change("strike" if strikes else "exchange", places) if places else None


def _named(names: Sequence[Sequence[str]], message: str) -> tuple[int, ...]:
    """The things that a message names: by a whole name or its last word ("stove" of "camping stove"), the fullest of each."""
    said, text = words_in(message), message.casefold()
    found = [max((_said_of(name, said, text) for name in own), key=len, default=()) for own in names]
    # Of "tent pegs" the pegs are meant and not the tent.
    return tuple(
        place for place, words in enumerate(found) if words and not any(set(words) < set(others) for others in found)
    )


def _said_of(name: str, said: Sequence[str], text: str) -> tuple[str, ...]:
    """The words, or Chinese characters, by which a message calls a thing so; empty where it does not."""
    if has_han(name):
        whole = name in text
        return tuple(name if whole else name[-2:]) if whole or (len(name) > 2 and name[-2:] in text) else ()
    words = tuple(words_in(name))
    if not words or words[-1] not in said:
        return ()
    return words if set(words) <= set(said) else words[-1:]
