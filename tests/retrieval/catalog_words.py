"""The catalog that the understanding tests speak about: 200 products in two languages; how an answer is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from retrieval.understanding import Understander, Understanding

BRANDS = {"Acme": 20, "Panasonic": 10, "Nike": 30, "Bose": 5, "华为": 12, "小米": 9, "Apple": 8}
CATEGORIES = {
    "Shoes": 50, "Running Shoes": 30, "Sandals": 8, "Electronics": 60, "Cordless Phones": 9, "Headphones": 20,
    "Kettles": 8,
    "Bags": 20, "Suitcases": 9, "跑鞋": 20, "耳机": 10, "水壶": 8, "Dresses": 20, "Green Tea": 4,
}  # fmt: skip
ATTRIBUTES: dict[str, dict[str, int]] = {
    "color": {
        "red": 20, "blue": 30, "Navy Blue": 4, "black": 50, "white": 22, "Gray": 9, "红色": 10, "蓝色": 12, "黑色": 20,
    },
    "size": {"S": 10, "M": 12, "L": 11, "XL": 9, "42": 8, "43": 7, "10": 5},
    "material": {
        "leather": 20, "faux leather": 4, "cotton": 18, "plastic": 22, "stainless steel": 11, "真皮": 4, "塑料": 5,
    },
    "storage": {"128 GB": 8, "256 GB": 8},
    "battery life": {"10 hours": 7},
    "waterproof": {"yes": 9},
    "features": {"wheels": 9, "noise cancelling": 8, "轮子": 4},
}  # fmt: skip


class Words:
    """What `Facets` says of a catalog, without an index."""

    def __init__(
        self,
        brands: Mapping[str, int] = BRANDS,
        categories: Mapping[str, int] = CATEGORIES,
        attributes: Mapping[str, Mapping[str, int]] = ATTRIBUTES,
        described: Mapping[str, Mapping[str, Collection[str]]] = {},
    ) -> None:
        """`described` is category to attribute to its values there; a category that it lacks has each attribute."""
        self._described = described
        self._brands, self._categories, self._attributes = brands, categories, attributes

    def brands(self) -> Mapping[str, int]:
        return self._brands

    def categories(self) -> Mapping[str, int]:
        return self._categories

    def attributes(self) -> Mapping[str, Mapping[str, int]]:
        return self._attributes

    def carries(self, category: str, name: str, value: str | None = None) -> bool:
        if category not in self._described:
            return value is None
        values = self._described[category].get(name, ())
        return bool(values) if value is None else value in values


UNDERSTANDER = Understander(Words(), "USD", 200)
BARE = Understander(Words({}, {}, {}), "USD")


def flat(understood: Understanding) -> dict[str, Any]:
    """All that was understood, on one level: price as (min, max) in cents, exclusions as "not NAME", no defaults."""
    filters = understood.filters
    found: dict[str, Any] = {
        "query": understood.query,
        "price": (filters.price.min, filters.price.max) if filters.price else None,
        "brand": filters.brand,
        "categories": filters.categories,
        "not brand": filters.exclude.brand,
        "not categories": filters.exclude.categories,
        "rating": filters.rating_min,
        "stock": tuple(map(str, filters.availability)),
        **filters.attributes,
        **{f"not {name}": values for name, values in filters.exclude.attributes.items()},
        "referent": understood.referent,
        "foreign": (understood.foreign_budget.amount, understood.foreign_budget.currency)
        if understood.foreign_budget
        else None,
    }
    for name in ("sort", "ordinals", "deixis", "quantity", "dropped", "relative", "attribute_asked", "adding"):
        found[name] = getattr(understood, name)
    if understood.attribute_asked:  # the words of a question are for answering it, not for search
        del found["query"]
    return {name: value for name, value in found.items() if value not in (None, (), {}, False, "")}
