"""Everything for something: one product of each kind that it needs, the total told from the prices, and what could not be had."""

from __future__ import annotations

import re

from bot.phrases import bundled
from bot.present import card_of
from bot.state import Pending, Topic
from bot.tasks.recommend import recommend
from bot.tasks.search import ask_budget
from bot.turn import Answer, Turn
from index.filters import Filters, PriceRange
from index.money import minor_digits, parse_money
from index.product import Money
from retrieval.bundles import bundle, kinds_of, needs_of
from retrieval.ranking import reputations
from retrieval.understanding import merge

_AMOUNT = re.compile(
    r"[$€£]\s?\d[\d,.]*|\d[\d,.]*\s?(?:dollars?|bucks|usd|eur|euros?|gbp|pounds?)\b|\d[\d,.]*\s?(?:美元|欧元|块|元)",
    re.IGNORECASE,
)


def _all_together(turn: Turn) -> int | None:
    """The one amount of money that is named beside a set ("600 dollars all together"), in minor units; None for none or several."""
    said = _AMOUNT.findall(turn.message)
    money = parse_money(said[0], turn.currency) if len(said) == 1 else None
    return money.amount if money is not None and money.currency == turn.currency else None


def everything_for(turn: Turn, answer: Answer) -> None:
    """A set for an occasion within the budget; advice as ever where nobody has written down what the occasion needs."""
    occasion = bundled(turn.message) or ""
    needs = needs_of(occasion)
    if turn.understanding.foreign_budget is not None:
        return ask_budget(turn, answer, Topic(query=occasion))
    if not needs:
        return recommend(turn, answer)
    filters = merge(Filters(), turn.understanding)
    # "600 dollars all together" is read as about so much for one thing; of a set it is what all may cost.
    budget = _all_together(turn) or (filters.price.max if filters.price is not None else None)
    priced = PriceRange(min=0, max=budget, currency=turn.currency)
    snapshot, mask = turn.shelf.snapshot, turn.shelf.open_to(filters.model_copy(update={"price": priced}))
    kinds = kinds_of(snapshot, needs, mask.allowed, turn.language)
    facets = snapshot.facets
    chosen = bundle(
        kinds, mask.price * 10 ** minor_digits(turn.currency), reputations(facets.rating, facets.rating_count), budget
    )
    ids = [snapshot.products.get(row).id for row in chosen.rows]
    products = turn.shelf.products(ids)
    cards = [
        card_of(products[id_], mask.variant_of(row))
        for row, id_ in zip(chosen.rows, ids, strict=True)
        if id_ in products
    ]
    marks = turn.voice.language.tables["language"]
    what = f"{marks['open']}{occasion.strip()}{marks['close']}"
    answer.ledger.text(occasion, *chosen.missing)
    answer.ledger.filters(filters)
    if not cards:
        return answer.ask(turn.voice.say("bundle.none", what=what), Pending(kind="what"))
    answer.show(cards, products.values())
    answer.topic = Topic()
    total = Money(amount=sum(card.price.amount for card in cards if card.price), currency=turn.currency)
    answer.ledger.money(total)
    answer.say(turn.voice.say("bundle.found", what=what, count=len(cards), total=turn.voice.money(total)))
    if chosen.missing:
        key = "bundle.over" if budget is not None else "bundle.missing"
        answer.say(turn.voice.say(key, missing=turn.voice.joined(chosen.missing, "or")))
    return None
