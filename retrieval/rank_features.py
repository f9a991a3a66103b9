"""What a learnt ranker knows of a turn's candidates, as one matrix: a function of profile, products and the blend's terms alone.

    terms     (candidates, TERMS)     what the blend adds up: relevance, the match by kind of trait, rating, popularity
    features  (candidates, FEATURES)  the terms, and beside them

        place          1 / log2(place by relevance + 2): 1 for the first
        price_gap      log of the price over the median of what the shopper turned to in that category
        price_place    log of the price less the mean over the candidates
        looks          how often the shopper turned to it

What is not known is NaN. Of what nothing may be concluded about a shopper, `record` gives None. The chance of a chain that it comes
next, the age of a product, and whether it was bought earned nothing on held-out choices (docs/benchmarks.md), so they are not here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.product import Money, Product
from retrieval.profile import BeliefKind, Profile

Floats = NDArray[np.float64]

KINDS: Final[tuple[BeliefKind, ...]] = ("category", "brand", "attribute", "price_band", "item")
TERMS: Final = ("relevance", *KINDS, "rating", "popularity")
FEATURES: Final = (*TERMS, "place", "price_gap", "price_place", "looks")

PRICES: Final = 20
"""So many of the latest things that a shopper did in a category say what they pay there."""


@dataclass(frozen=True)
class Signals:
    """What is known beside the blend's terms. Safe to share between threads.

    `record` looks a product up, by its own id or a variant's.
    """

    record: Callable[[str], Product | None]

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
        looks = [_looks(profile, product) for product in products]
        return np.column_stack([terms, place, prices - usual, prices - mean, looks])

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


def _looks(profile: Profile, product: Product | None) -> int:
    return len(profile.behind.get(("item", product.id), ())) if product is not None else 0
