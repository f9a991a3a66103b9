"""What the shop sells, as little of it as it takes to say what somebody buys regularly or waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Good:
    """A product or a variant of one: `orderable` is by the offers of now, `category` the path, root first."""

    product_id: str
    title: str
    category: tuple[str, ...]
    orderable: bool


Goods = Callable[[Iterable[str]], Mapping[str, Good]]
"""Ids of products and variants → those that the catalog has."""


def no_goods(ids: Iterable[str]) -> Mapping[str, Good]:
    """Stands where a shop has no catalog."""
    return {}
