"""Everything for something: one product of each kind that it needs, the total told from the prices, and what could not be had."""

from __future__ import annotations

from bot.phrases import bundled
from bot.present import card_of
from bot.shelf import price_of
from bot.state import Topic
from bot.tasks.recommend import recommend
from bot.tasks.search import ask_budget
from bot.turn import Answer, Turn
from index.filters import Filters
from index.product import Money, Product
from retrieval.bundles import bundle, kinds_of, needs_of
from retrieval.understanding import merge


def everything_for(turn: Turn, answer: Answer) -> None:
    """A set for an occasion within the budget; advice as ever where nobody has written down what the occasion needs."""
    occasion = bundled(turn.message) or ""
    needs = needs_of(occasion)
    if turn.understanding.foreign_budget is not None:
        return ask_budget(turn, answer, Topic(query=occasion))
    if not needs:
        return recommend(turn, answer)
    filters = merge(Filters(), turn.understanding)
    budget = filters.price.max if filters.price is not None else None
    rest = filters.model_copy(update={"price": None})
    kinds = kinds_of(turn.shelf.snapshot, needs, turn.shelf.orderable(rest), turn.language)
    found: dict[int, Product] = {}

    def product_of(row: int) -> Product | None:
        if row not in found:
            record = turn.shelf.product(turn.shelf.snapshot.product_id_at(row))
            if record is None:
                return None
            found[row] = record
        return found[row]

    def price(product: Product) -> int | None:
        own = price_of(product, None)
        return own.amount if own is not None and own.currency == turn.currency else None

    chosen = bundle(kinds, product_of, price, budget)
    products = [found[row] for row in chosen.rows]
    marks = turn.voice.language.tables["language"]
    what = f"{marks['open']}{occasion.strip()}{marks['close']}"
    answer.ledger.text(occasion, *chosen.missing)
    answer.ledger.filters(filters)
    if not products:
        return answer.say(turn.voice.say("bundle.none", what=what))
    answer.know(*products)
    answer.show([card_of(product) for product in products], products)
    answer.topic = Topic()
    total = Money(amount=chosen.total, currency=turn.currency)
    answer.ledger.money(total)
    answer.say(turn.voice.say("bundle.found", what=what, count=len(products), total=turn.voice.money(total)))
    if chosen.missing:
        key = "bundle.over" if budget is not None else "bundle.missing"
        answer.say(turn.voice.say(key, missing=turn.voice.joined(chosen.missing, "or")))
    return None
