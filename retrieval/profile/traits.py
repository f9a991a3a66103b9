"""What liking a product can mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from index.product import Product
from retrieval.sensitive import sensitive_product

BeliefKind = Literal["item", "category", "brand", "price_band", "attribute"]
PriceBand = Literal["budget", "middle", "premium"]
Trait = tuple[BeliefKind, str]
Lookup = Callable[[str], Product | None]

MAX_VALUE_LENGTH = 40
MAX_VALUES_AN_ATTRIBUTE = 4
_MEANINGS_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class PriceLevels:
    """What is cheap and what is dear in a category: its terciles in minor units, {"Trail shoes": (6000, 11000)}."""

    cuts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, prices: Iterable[tuple[str, int]]) -> PriceLevels:
        """From (leaf category, price) of the catalog's products; a category with fewer than six prices has no bands."""
        by_category: dict[str, list[int]] = defaultdict(list)
        for category, amount in prices:
            by_category[category].append(amount)
        cuts = {}
        for category, amounts in by_category.items():
            amounts.sort()
            low, high = amounts[len(amounts) // 3], amounts[2 * len(amounts) // 3]
            if len(amounts) >= 6 and low < high:
                cuts[category] = (low, high)
        return cls(cuts)

    @classmethod
    def of_products(cls, products: Iterable[Product]) -> PriceLevels:
        """The same from product records."""
        return cls.of(
            (product.categories[-1], product.price.amount)
            for product in products
            if product.price and product.categories
        )

    def band(self, product: Product) -> PriceBand | None:
        """The third of its category's prices that a product is in, None where that is unknown."""
        cut = self.cuts.get(product.categories[-1]) if product.categories else None
        if cut is None or product.price is None:
            return None
        return "budget" if product.price.amount < cut[0] else "middle" if product.price.amount < cut[1] else "premium"


def traits(product: Product, levels: PriceLevels) -> list[Trait]:
    """What liking a product can mean: its categories, brand, price band and short attribute values.

    `[("category", "Shoes"), ("category", "Trail shoes"), ("brand", "Acme"), ("price_band", "middle"),
    ("attribute", "color: blue")]`. A sensitive product means nothing.
    """
    if sensitive_product(product):
        return []
    found: list[Trait] = [("category", category) for category in product.categories if category]
    if product.brand:
        found.append(("brand", product.brand))
    band = levels.band(product)
    if band is not None:
        found.append(("price_band", band))
    for name, values in product.attributes.items():
        if len(values) <= MAX_VALUES_AN_ATTRIBUTE:
            found.extend(
                ("attribute", f"{name}: {value}")
                for value in values
                if len(value) <= MAX_VALUE_LENGTH and value and not value[0].isdigit()  # "350 lm" is no taste
            )
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Meaning:
    """A product's traits, itself among them, and which of its categories lies below which: ("Trail shoes", "Shoes")."""

    traits: tuple[Trait, ...]
    parents: tuple[tuple[str, str], ...]


class Meanings:
    """What each item means under one version of the catalog; looked up once, for many shoppers look at the same.

    Safe to share between threads: two may look the same item up, and find the same.
    """

    def __init__(self, products: Lookup, levels: PriceLevels | None = None) -> None:
        self.levels = levels or PriceLevels()
        self._products = products
        self._known: dict[str, Meaning | None] = {}

    def of(self, item_id: str) -> Meaning | None:
        """What an interest in the item says, None for one that the catalog does not have (any more)."""
        try:
            return self._known[item_id]
        except KeyError:
            pass
        product = self._products(item_id)
        meaning = None
        if product is not None and not sensitive_product(product):
            own: Trait = ("item", product.id)
            below = tuple(zip(product.categories[1:], product.categories, strict=False))
            meaning = Meaning((own, *traits(product, self.levels)), below)
        if len(self._known) >= _MEANINGS_KEPT:
            self._known = {}
        self._known[item_id] = meaning
        return meaning
