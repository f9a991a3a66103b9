"""Which variant of a product a search means: one that keeps every condition, and among those one that the words name."""

from __future__ import annotations

from collections.abc import Sequence

from index.filters import Filters
from index.product import Product, Variant
from index.words import words_of


def matching_variant(product: Product, filters: Filters, words: Sequence[str] = ()) -> Variant | None:
    """The variant to show, or None where the product has none, or no condition or word tells them apart.

    `words` are folded words of the query (`words_of`): "blue" prefers the blue one but excludes nothing.
    """
    able = [variant for variant in product.variants if _keeps(variant, product, filters)]
    if not able:
        return None
    wanted = set(words)
    named = [len(wanted & set(words_of(" ".join(variant.options.values())))) for variant in able]
    if len(able) == len(product.variants) and not any(named):
        return None
    # Sold-out variants are never offered where another would do.
    best = max(range(len(able)), key=lambda place: (able[place].availability.orderable, named[place], -place))
    return able[best]


def _keeps(variant: Variant, product: Product, filters: Filters) -> bool:
    price = variant.price or product.price
    if (limit := filters.price) is not None:
        if price is None or price.currency != limit.currency:
            return False
        if (limit.min is not None and price.amount < limit.min) or (limit.max is not None and price.amount > limit.max):
            return False
    if filters.availability and variant.availability not in filters.availability:
        return False
    options = {name.casefold(): value.casefold() for name, value in variant.options.items()}
    for name, values in filters.attributes.items():
        own = options.get(name.casefold())
        if own is not None and own not in {value.casefold() for value in values}:
            return False
    for name, values in filters.exclude.attributes.items():
        if options.get(name.casefold()) in {value.casefold() for value in values}:
            return False
    return True
