"""What the demo's customers write about products they got: a few sentences on a few aspects, in the product's language.

Each product is good or bad in each aspect; customers mostly agree, and sometimes one does not, as with real ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from demo.catalog import DemoProduct
from demo.vocabulary.records import ProductType
from demo.wording import pick, words_of

MOST: Final = 12
"""Reviews of one product."""
_WRITES: Final = 0.1
"""Of those who rated a product, how many wrote something, too."""
_AGREES: Final = 0.8
"""Chance that a customer finds of an aspect what the product is like."""


def make_reviews(rng: Generator, now: datetime, products: Iterable[DemoProduct]) -> Iterator[dict[str, Any]]:
    """Yield reviews in Aisle's format, product after product.

    {"review_id": "rv00001", "product_id": "p10042", "rating": 4, "title": "A solid buy", "text": "…", "language": "en",
    "timestamp": "2026-05-02T10:00:00+00:00"}
    """
    number = 0
    for product in products:
        record = product.product
        if record.rating is None:
            continue
        traits = {name: bool(rng.random() < 0.25 + 0.7 * product.quality) for name in aspects_of(product)}
        for _ in range(min(MOST, int(rng.poisson(_WRITES * record.rating.count)))):
            number += 1
            written = now - timedelta(days=float(rng.uniform(0.1, 300)))
            yield {
                "review_id": f"rv{number:05d}",
                "product_id": record.id,
                **_written(rng, record.language or "en", traits),
                "timestamp": written.replace(microsecond=0).isoformat(),
            }


def aspects_of(product: DemoProduct) -> list[str]:
    """The aspects that people speak of with such a product."""
    kind = product.type
    return [
        name
        for name, aspect in words_of("reviews")["aspects"].items()
        if kind.department.key in aspect["in"] and _has(kind, aspect.get("needs"))
    ]


def _has(kind: ProductType, needed: str | None) -> bool:
    if needed == "sizes":
        return kind.sizes is not None
    return needed is None or kind.attribute(needed) is not None


def _written(rng: Generator, language: str, traits: Mapping[str, bool]) -> dict[str, Any]:
    """Rating, title and text of one review."""
    words = words_of("reviews")
    names: Sequence[str] = list(traits)
    count = min(len(names), 1 + int(rng.integers(3)))
    chosen = [names[int(place)] for place in rng.permutation(len(names))[:count]]
    found = {name: traits[name] == (rng.random() < _AGREES) for name in chosen}
    share = float(np.mean(list(found.values())))
    tone = "good" if share + 0.2 * float(rng.normal()) >= 0.5 else "bad"
    sentences = [pick(rng, words["aspects"][name]["good" if good else "bad"][language]) for name, good in found.items()]
    title = pick(rng, words["openings"][tone][language])
    if rng.random() < 0.5:
        sentences.append(pick(rng, words["closings"][tone][language]))
    return {
        "rating": min(
            5, max(1, round((4.4 if tone == "good" else 2.2) + 0.8 * (share - 0.5) + 0.4 * float(rng.normal())))
        ),
        "title": title.rstrip(".。"),
        "text": ("" if language == "zh" else " ").join(sentences),
        "language": language,
    }
