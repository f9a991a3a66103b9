"""Everything for something: one product of each kind that it needs, the total told from the prices, and what could not be had."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from bot.phrases import bundled
from bot.present import card_of
from bot.state import Item, Outfit, Pending, Topic
from bot.tasks.recommend import recommend
from bot.tasks.search import ask_budget
from bot.turn import Answer, Turn
from index.facets import FacetMask
from index.filters import Filters, PriceRange
from index.money import minor_digits, parse_money
from index.product import Money
from retrieval.bundles import Kind, bundle, kinds_of, needs_of
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
    if turn.understanding.foreign_budget is not None:
        return ask_budget(turn, answer, Topic(query=occasion))
    if not needs_of(occasion):
        return recommend(turn, answer)
    filters = merge(Filters(), turn.understanding)
    # "600 dollars all together" is read as about so much for one thing; of a set it is what all may cost.
    budget = _all_together(turn) or (filters.price.max if filters.price is not None else None)
    return _put_together(
        turn, answer, Outfit(occasion=occasion.strip(), currency=turn.currency, filters=filters, budget=budget)
    )


def changed(turn: Turn, answer: Answer) -> None:
    """The set with one thing for another, without some, or for another sum; what was not spoken of stays as it is."""
    outfit, change = turn.state.outfit, turn.decision.change
    assert outfit is not None  # the policy has looked
    assert change is not None
    if change.what == "budget":
        return _put_together(turn, answer, outfit.model_copy(update={"budget": change.budget}))
    shown = turn.state.shown
    said = {"title": _titles(turn, answer, [shown[place] for place in change.places])}
    if change.what == "strike":
        kept = [place for place in range(len(shown)) if place not in change.places]
        struck = (*outfit.struck, *(outfit.names[place][0] for place in change.places))
        left = outfit.model_copy(update={"struck": struck, "names": tuple(outfit.names[place] for place in kept)})
        return _show(turn, answer, left, [shown[place] for place in kept], "bundle.struck", said)
    items, old, new = list(shown), [], []
    for place in change.places:
        other = _other(turn, outfit, items, place)
        if other is None:
            continue
        old.append(items[place])
        new.append(other)
        items[place] = other
    if not new:
        key = "bundle.no_cheaper" if turn.understanding.relative == "cheaper" else "bundle.no_other"
        return answer.say(turn.voice.say(key, **said))
    outfit = outfit.model_copy(update={"refused": (*outfit.refused, *(item.product_id for item in old))})
    said = {"title": _titles(turn, answer, old), "new": _titles(turn, answer, new)}
    return _show(turn, answer, outfit, items, "bundle.exchanged", said)


def _titles(turn: Turn, answer: Answer, items: Sequence[Item]) -> str:
    products = turn.shelf.products(item.product_id for item in items)
    answer.know(*products.values())
    return turn.voice.joined([products[item.product_id].title for item in items if item.product_id in products], "and")


def _put_together(turn: Turn, answer: Answer, outfit: Outfit) -> None:
    """The best set for the occasion, and what found no room in it."""
    mask, kinds = _choice(turn, outfit, turn.language)
    facets, digits = turn.shelf.snapshot.facets, 10 ** minor_digits(turn.currency)
    chosen = bundle(kinds, mask.price * digits, reputations(facets.rating, facets.rating_count), outfit.budget)
    what = _what(turn, answer, outfit)
    answer.ledger.text(*chosen.missing)
    if not chosen.rows:
        answer.outfit = outfit
        return answer.ask(turn.voice.say("bundle.none", what=what), Pending(kind="what"))
    snapshot = turn.shelf.snapshot
    items = [Item(product_id=snapshot.products.get(row).id, variant_id=mask.variant_of(row)) for row in chosen.rows]
    of_row = {int(row): kind for kind in kinds for row in kind.rows}
    names = tuple(of_row[row].names for row in chosen.rows)
    _show(turn, answer, outfit.model_copy(update={"names": names}), items, "bundle.found", {"what": what})
    if chosen.missing:
        key = "bundle.over" if outfit.budget is not None else "bundle.missing"
        answer.say(turn.voice.say(key, missing=turn.voice.joined(chosen.missing, "either")))
    return None


def _choice(turn: Turn, outfit: Outfit, language: str, most: int | None = None) -> tuple[FacetMask, list[Kind]]:
    """What may be in the set: the products that keep its conditions and have a price, by the kinds that the occasion needs.

    Of a kind those in `language`, where there are any; all for "". One may cost `most`, in minor units.
    """
    limits = [each for each in (outfit.budget, most) if each is not None]
    priced = PriceRange(min=0, max=min(limits, default=None), currency=turn.currency)
    mask = turn.shelf.open_to(outfit.filters.model_copy(update={"price": priced}))
    needs = [need for need in needs_of(outfit.occasion) if need not in outfit.struck]
    snapshot, allowed = turn.shelf.snapshot, mask.allowed.copy()
    allowed[[row for id_ in outfit.refused if (row := snapshot.row_of(id_)) is not None]] = False
    return mask, kinds_of(snapshot, needs, allowed, language)


def _other(turn: Turn, outfit: Outfit, items: Sequence[Item], place: int) -> Item | None:
    """The best other product of the same kind for which the budget has room, as the turn wishes it (cheaper, blue); or None."""
    snapshot, shown = turn.shelf.snapshot, items
    asked = turn.understanding.filters
    narrower = outfit.model_copy(update={"filters": merge(outfit.filters, turn.understanding)})
    mask, kinds = _choice(turn, narrower, "", asked.price.max if asked.price is not None else None)
    kind = next((each for each in kinds if each.names[0] == outfit.names[place][0]), None)
    row = snapshot.row_of(shown[place].product_id)
    if kind is None or row is None:
        return None
    facets, prices = snapshot.facets, mask.price * 10 ** minor_digits(turn.currency)
    held = [snapshot.row_of(item.product_id) for item in shown]
    spent = sum(float(prices[each]) for each in held if each is not None and each != row)
    room = math.inf if outfit.budget is None else outfit.budget - spent
    wished = turn.understanding.relative
    worth = reputations(facets.rating, facets.rating_count)
    found = [
        int(each)
        for each in kind.rows
        if each != row
        and prices[each] <= room
        and (wished != "cheaper" or prices[each] < prices[row])
        and (wished != "pricier" or prices[each] > prices[row])
    ]
    if not found:
        return None
    graph = snapshot.graph
    best = max(found, key=lambda each: (graph.language_of(each) == turn.language, worth[each], -prices[each]))
    return Item(product_id=snapshot.products.get(best).id, variant_id=mask.variant_of(best))


def _show(turn: Turn, answer: Answer, outfit: Outfit, items: Sequence[Item], key: str, said: Mapping[str, str]) -> None:
    """The set on cards, and what it comes to."""
    products = turn.shelf.products(item.product_id for item in items)
    there = [place for place, item in enumerate(items) if item.product_id in products]
    # What has left the index since is in the set no more.
    outfit = outfit.model_copy(update={"names": tuple(outfit.names[place] for place in there)})
    cards = [card_of(products[items[place].product_id], items[place].variant_id) for place in there]
    answer.ledger.filters(outfit.filters)
    answer.outfit = outfit
    if not cards:
        return answer.ask(turn.voice.say("bundle.none", what=_what(turn, answer, outfit)), Pending(kind="what"))
    answer.show(cards, products.values())
    answer.topic = Topic()
    total = Money(amount=sum(card.price.amount for card in cards if card.price), currency=turn.currency)
    answer.ledger.money(total)
    return answer.say(turn.voice.say(key, **said, count=len(cards), total=turn.voice.money(total)))


def _what(turn: Turn, answer: Answer, outfit: Outfit) -> str:
    answer.ledger.text(outfit.occasion)
    marks = turn.voice.language.tables["language"]
    return f"{marks['open']}{outfit.occasion}{marks['close']}"
