"""What a learnt ranker knows of a turn's candidates, as one matrix: a function of profile, products and the blend's terms alone.

    terms     (candidates, TERMS)     what the blend adds up: relevance, the match by kind of trait, rating, popularity
    features  (candidates, FEATURES)  the terms, and beside them

        place          1 / log2(place by relevance + 2): 1 for the first
        chain          log10 of the chance to come next, by the chain of a sequence model
        price_gap      log of the price over the median of what the shopper turned to in that category
        price_place    log of the price less the mean over the candidates
        age            log1p of the days since it was published
        looks, bought  how often the shopper turned to it, and bought it

What is not known is NaN. Of what nothing may be concluded about a shopper, `record` gives None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.product import Money, Product
from retrieval.profile import BeliefKind, Profile
from retrieval.profile.beliefs import DAY_MS
from retrieval.sequence.histories import Histories
from retrieval.sequence.transitions import RECENT, Transitions

Floats = NDArray[np.float64]

KINDS: Final[tuple[BeliefKind, ...]] = ("category", "brand", "attribute", "price_band", "item")
TERMS: Final = ("relevance", *KINDS, "rating", "popularity")
FEATURES: Final = (*TERMS, "place", "chain", "price_gap", "price_place", "age", "looks", "bought")

PRICES: Final = 20
"""So many of the latest things that a shopper did in a category say what they pay there."""
_TURNS_TO: Final = frozenset({"select_item", "view_item", "add_to_cart", "purchase"})
_UNSEEN: Final = 1e-9


@dataclass(frozen=True)
class Signals:
    """What is known beside the blend's terms, over one version of the catalog.

    `record` looks a product up, by its own id or a variant's; `chain` says what comes next among the items that `places` numbers,
    None where the shop has no sequence model. Safe to share between threads.
    """

    record: Callable[[str], Product | None]
    chain: Transitions | None = None
    places: Mapping[str, int] = field(default_factory=dict)

    def rows(self, profile: Profile, products: Sequence[Product | None], terms: Floats) -> Floats:
        """The features of one turn's candidates, (candidates, FEATURES).

        Args:
            profile: the shopper's, as of the turn.
            products: the candidates as they are offered, None for one that is gone, (candidates,).
            terms: of each, (candidates, TERMS).
        """
        count = len(products)
        order = np.argsort(-terms[:, 0], kind="stable")
        place = np.empty(count)
        place[order] = 1 / np.log2(np.arange(count) + 2)
        prices = np.array([_log_price(product) for product in products])
        known = np.isfinite(prices)
        mean = prices[known].mean() if known.any() else np.nan
        paid = self._paid(profile, {_leaf(product) for product in products if product is not None})
        usual = np.array([paid.get(_leaf(product), np.nan) if product is not None else np.nan for product in products])
        return np.column_stack(
            [
                terms,
                place,
                self._next(profile, products),
                prices - usual,
                prices - mean,
                [_age(product, profile.now) for product in products],
                *np.array([_done(profile, product) for product in products], dtype=np.float64).reshape(count, 2).T,
            ]
        )

    def _next(self, profile: Profile, products: Sequence[Product | None]) -> Floats:
        if self.chain is None:
            return np.full(len(products), np.nan)
        turned_to: list[int] = []
        for event in reversed(profile.recent):
            if event.event in _TURNS_TO:
                turned_to += [self.places[each.item_id] for each in event.items if self._known(each.item_id)]
            if len(turned_to) >= RECENT:
                break
        if not turned_to:
            return np.full(len(products), np.nan)
        chances = self.chain.next(Histories.of([turned_to[:RECENT][::-1]]))[0]  # (items,)
        columns = [self.places[each.id] if each is not None and self._known(each.id) else -1 for each in products]
        found = np.where(np.array(columns) >= 0, chances[columns], 0.0)
        return np.log10(np.asarray(found, np.float64) + _UNSEEN)

    def _known(self, item_id: str) -> bool:
        return item_id in self.places and self.record(item_id) is not None

    def _paid(self, profile: Profile, leaves: set[str]) -> dict[str, float]:
        """By category, the log of the median price of what the shopper turned to in it last."""
        paid = {}
        for leaf in leaves:
            items = dict.fromkeys(item for *_, item in profile.behind.get(("category", leaf), ())[:PRICES])
            known = (self.record(item) for item in items)
            logs = [_log_price(product) for product in known if product is not None and _leaf(product) == leaf]
            logs = [each for each in logs if math.isfinite(each)]
            if logs:
                paid[leaf] = float(np.median(logs))
        return paid


def _leaf(product: Product | None) -> str:
    return product.categories[-1] if product is not None and product.categories else ""


def _log_price(product: Product | None) -> float:
    price: Money | None = product.price if product is not None else None
    return math.log(price.amount) if price is not None and price.amount > 0 else math.nan


def _age(product: Product | None, now: int) -> float:
    if product is None or product.published_at is None:
        return math.nan
    return math.log1p(max(0.0, now - product.published_at.timestamp() * 1000) / DAY_MS)


def _done(profile: Profile, product: Product | None) -> tuple[int, int]:
    behind = profile.behind.get(("item", product.id), ()) if product is not None else ()
    return len(behind), sum(event == "purchase" for _, _, event, _ in behind)
