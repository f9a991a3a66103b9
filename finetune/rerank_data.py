"""What a reranker learns from: queries with the products that search finds for them, each with its gain.

Beside judged queries, choices of the log and remembered titles (`finetune.catalog_pairs`) there are needs, made from the catalog:
the name of a kind of thing with values of attributes ("pink wireless earbuds"). A product of that kind has a gain of 1 and up to 2
more for the values that it has. To tell which words say what a thing is and which how it is, query and product have to be read
together, which neither a vector each nor a count of words does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bot.parts import Parts
from finetune.catalog_pairs import WEIGHT, remembered
from finetune.cross_encoder import Listed
from finetune.evaluate_search import Query
from finetune.search_data import SAME, SearchData
from index.encoders import document_text
from index.filters import Filters
from index.product import Product
from index.snapshot import Snapshot
from index.tokens import words_of
from retrieval.understanding import Understanding, merge

SIZE: Final = 8
"""Products of a list."""
POOL: Final = 20
"""So many of the first hits of a query its lists are drawn from."""
_RIGHT: Final = 3  # at most so many of the best products stand in a list
_JUDGED_LISTS: Final = 4  # of each judged query an epoch has so many lists, of each made one a single one
_VALUES: Final = (0, 1, 1, 1, 2, 2)  # how many values a need names
_OF_KIND, _OF_VALUES = 1.0, 2.0


class Drawn(Protocol):
    """What lists are drawn from; of each an epoch has `lists`."""

    @property
    def lists(self) -> int: ...  # noqa: D102
    def drawn(self, draw: random.Random) -> Listed: ...  # noqa: D102


@dataclass(frozen=True)
class Asked:
    """A query as search reads it, and rows, best first, with their fused scores and gains; all (rows,), at least `SIZE`.

    `lists` is how many lists of an epoch it gives.
    """

    query: str
    rows: tuple[int, ...]
    fused: tuple[float, ...]
    gains: tuple[float, ...]
    weight: float = 1.0
    lists: int = 1

    def drawn(self, draw: random.Random) -> Listed:
        """`SIZE` of its products: some of the best, others below them, and more of the best where there are too few."""
        best = max(self.gains)
        places = draw.sample(range(len(self.rows)), len(self.rows))
        right = [place for place in places if self.gains[place] == best]
        below = [place for place in places if self.gains[place] < best]
        chosen = [*right[:_RIGHT], *below, *right[_RIGHT:]][:SIZE]
        return Listed(
            self.query,
            tuple(self.rows[place] for place in chosen),
            tuple(self.gains[place] for place in chosen),
            self.weight,
        )


@dataclass(frozen=True)
class Taught:
    """A query with the teacher's scores of its rows, of which any `SIZE` make a list."""

    asked: Asked
    scores: NDArray[np.float32]

    @property
    def lists(self) -> int:
        """As of what was asked."""
        return self.asked.lists

    def drawn(self, draw: random.Random) -> Listed:
        """`SIZE` of its products, any."""
        chosen = draw.sample(range(len(self.asked.rows)), SIZE)
        rows = tuple(self.asked.rows[place] for place in chosen)
        return Listed(self.asked.query, rows, tuple(self.scores[chosen].tolist()), self.asked.weight)


def lists_of(asked: Sequence[Drawn], seed: int, epoch: int) -> list[Listed]:
    """The lists of an epoch, the same for the same seed and epoch."""
    return [
        each.drawn(random.Random(f"{seed}:{epoch}:{place}:{number}"))
        for place, each in enumerate(asked)
        for number in range(each.lists)
    ]


def found_by(parts: Parts, query: Query, limit: int) -> tuple[str, list[int], list[float]]:
    """The query as search reads it, its conditions understood, and the rows and fused scores of its first hits, not reranked."""
    understanding = parts.understander.read(query.text)
    filters = merge(merge(Filters(), understanding), Understanding(query="", filters=query.filters))
    hits = parts.shelf.engine.reranked_by(None).search(understanding.query, filters, limit=limit).hits
    return understanding.query, [hit.row for hit in hits], [hit.score for hit in hits]


def judged_queries(parts: Parts, data: SearchData) -> list[Asked]:
    """Training queries, with right products that search did not find, and choices of the log."""
    known: dict[str, tuple[Query, float, dict[int, float]]] = {}
    for each in data.training:
        known[each.query.text] = each.query, 1.0, dict(each.gains)
    for pair in data.chosen:
        gains = known.setdefault(pair.query, (Query("", pair.query), pair.weight, {}))[2]
        gains[pair.row] = max(gains.get(pair.row, 0.0), pair.weight)
    found = []
    for query, weight, gains in known.values():
        text, rows, fused = found_by(parts, query, POOL)
        if asked := _asked(parts.shelf.snapshot, text, rows, fused, gains, weight):
            found.append(replace(asked, lists=_JUDGED_LISTS))
    return found


def made_queries(parts: Parts, products: Sequence[tuple[int, Product]], seed: int) -> Iterator[Asked]:
    """A remembered title and, where the product has a category, a need for each product; `products` are (row, record)."""
    for row, product in products:
        draw = random.Random(f"{seed}:{product.id}")
        queries = [_of_title(parts, row, remembered(product, draw))]
        if product.categories:
            queries.append(_of_need(parts, product, draw))
        yield from (each for each in queries if each)


def need_of(product: Product, draw: random.Random) -> tuple[str, list[str]]:
    """A query for a product's kind of thing, and the values of the product that are in it."""
    told = [product.brand, *(value for values in product.attributes.values() for value in values)]
    told = [value for value in dict.fromkeys(told) if value]
    values = draw.sample(told, min(len(told), draw.choice(_VALUES)))
    name = product.categories[-1].lower()
    return " ".join([*values, name] if draw.random() < 0.5 else [name, *values]), values


def gain_of(product: Product, kind: str, values: Sequence[str]) -> float:
    """0 for another kind of thing, else 1 to 3 by the share of the values that the product's text has."""
    if not product.categories or product.categories[-1] != kind:
        return 0.0
    words = set(words_of(document_text(product)))
    had = [set(words_of(value)) <= words for value in values]
    return _OF_KIND + _OF_VALUES * (sum(had) / len(had) if had else 1.0)


def _of_title(parts: Parts, row: int, query: str) -> Asked | None:
    """What is almost the same text as the product is left out: it is as right."""
    text, rows, fused = found_by(parts, Query("", query), POOL)
    same = _alike(parts.shelf.snapshot, row, rows)
    kept = [place for place, each in enumerate(rows) if each == row or each not in same]
    rows, fused = [rows[place] for place in kept], [fused[place] for place in kept]
    return _asked(parts.shelf.snapshot, text, rows, fused, {row: 1.0}, WEIGHT)


def _alike(snapshot: Snapshot, row: int, rows: Sequence[int]) -> set[int]:
    alike: set[int] = set()
    for store in snapshot.vectors.values():
        held = np.array(rows, np.int64)
        held = held[store.holds(held)]
        if len(held) and store.holds(np.array([row]))[0]:
            near = store.similarity(store.vectors_of(np.array([row]))[0], held)  # (held,)
            alike.update(held[near >= SAME].tolist())
    return alike


def _of_need(parts: Parts, product: Product, draw: random.Random) -> Asked | None:
    query, values = need_of(product, draw)
    text, rows, fused = found_by(parts, Query("", query), POOL)
    snapshot = parts.shelf.snapshot
    gains = {row: gain_of(snapshot.products.get(row), product.categories[-1], values) for row in rows}
    return _asked(snapshot, text, rows, fused, gains, WEIGHT)


def _asked(
    snapshot: Snapshot,
    query: str,
    rows: Sequence[int],
    fused: Sequence[float],
    gains: Mapping[int, float],
    weight: float,
) -> Asked | None:
    """With what is right and was not found, and any other rows up to `SIZE`; None where nothing is right: that teaches nothing."""
    if not any(gains.values()) or not query.strip():
        return None
    every = [*rows, *(row for row, gain in gains.items() if gain > 0 and row not in rows)]
    others = random.Random(query).sample(range(len(snapshot)), min(len(snapshot), SIZE + len(every)))
    every += [row for row in others if row not in every][: max(0, SIZE - len(every))]
    scores = [*fused, *[0.0] * (len(every) - len(fused))]
    return Asked(query, tuple(every), tuple(scores), tuple(gains.get(row, 0.0) for row in every), weight)
