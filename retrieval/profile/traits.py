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
_MOST_REMEMBERED = 20_000
_Said = tuple[tuple[Trait, ...], tuple[Trait, ...]]
_REMEMBERED: dict[str, tuple[tuple[object, ...], _Said]] = {}
"""Of products by id: what they said when they were read, and what that means; one that says something else is read again."""


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
    kind, values = _said(product)
    band = levels.band(product) if kind or values else None
    return [*kind, *([("price_band", band)] if band is not None else ()), *values]


def _said(product: Product) -> _Said:
    """Categories and brand, and attribute values: what a price does not change. A ranking asks of the same products each turn."""
    says = (product.title, product.brand, product.categories, product.attributes)
    known = _REMEMBERED.get(product.id)
    if known is not None and known[0] == says:
        return known[1]
    found = _read(product)
    if len(_REMEMBERED) >= _MOST_REMEMBERED:
        _REMEMBERED.clear()
    _REMEMBERED[product.id] = says, found
    return found


def _read(product: Product) -> _Said:
    if sensitive_product(product):
        return (), ()
    kind: list[Trait] = [("category", category) for category in product.categories if category]
    if product.brand:
        kind.append(("brand", product.brand))
    values: list[Trait] = [
        ("attribute", f"{name}: {value}")
        for name, each in product.attributes.items()
        if len(each) <= MAX_VALUES_AN_ATTRIBUTE
        for value in each
        if len(value) <= MAX_VALUE_LENGTH and value and not value[0].isdigit()  # "350 lm" is no taste
    ]
    return tuple(dict.fromkeys(kind)), tuple(dict.fromkeys(values))


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
