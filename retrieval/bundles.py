"""A set for an occasion: one product of each kind that it needs, within a budget for all of them together.

What an occasion needs, and in which order, is the hand-written list `index/graph/lists/occasions.txt`; the graph says by which
kinds the catalog has it. The choice is a multiple-choice knapsack, solved greedily: the cheapest of each kind, as far as the money
goes in the order of need, then step by step the exchange that gains most for its price.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.graph import Graph
from index.graph.lexicon import translations
from index.graph.terms import language_of, term_of
from index.snapshot import Snapshot

MOST_KINDS: Final = 6
OF_A_KIND: Final = 12
"""Products of a kind that may be chosen: the best rated and the cheapest."""
_STOP: Final = frozenset("a an the my our for to go going weekend first next some little good".split())


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that an occasion needs: its name and the rows of the catalog that are it, (rows,).

    `names` are all by which it may be called, in both languages, the need as the list has it first.
    """

    name: str
    rows: NDArray[np.int64]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was chosen, by row in the order of need; `missing` names the kinds that did not fit or are not sold."""

    rows: tuple[int, ...]
    missing: tuple[str, ...]


class _Offer(NamedTuple):
    row: int
    price: int
    worth: float


def needs_of(occasion: str) -> tuple[str, ...]:
    """The kinds that an occasion needs, the most needed first; empty where the list does not know it.

    >>> needs_of("a weekend hike")[:2]
    ('hiking boots', 'backpack')
    """
    known, term = occasions(), term_of(occasion)
    if term in known:
        return known[term]
    words = [word for word in term.split() if word not in _STOP]
    inside = [
        name for name in known if (name in term if language_of(name) == "zh" else set(name.split()) <= set(words))
    ]
    return known[max(inside, key=len)] if inside else ()


def kinds_of(snapshot: Snapshot, needs: Sequence[str], allowed: NDArray[np.bool_], language: str) -> list[Kind]:
    """The kinds among `needs` with the rows that may be shown, those in `language` where there are such; a kind may have none.

    Args:
        snapshot: the index.
        needs: terms of the graph, the most needed first.
        allowed: (products,) what may be shown.
        language: of the talk.
    """
    graph, taken, found = snapshot.graph, set[int](), []
    for need in needs:
        terms = [need, *(each.term for each in graph.meant_by(need, "en"))]
        rows = {row for term in terms for row in _rows_of(graph, term) if allowed[row]} - taken
        own = {row for row in rows if graph.language_of(row) == language}
        taken |= rows
        sold = [term for term in terms if _rows_of(graph, term)]
        spelled = next((term for term in (*sold, *terms) if language_of(term) == language), need)
        name = graph.label_of(spelled)
        names = tuple(dict.fromkeys((*terms, name.casefold(), *_called().get(need, ()))))
        found.append(Kind(name, np.array(sorted(own or rows), np.int64), names))
    return found


@cache
def _called() -> Mapping[str, tuple[str, ...]]:
    """The goods of the shipped list in both languages, by their English names as terms."""
    return {term_of(each): (*english, *chinese) for english, chinese in translations("goods") for each in english}


def _rows_of(graph: Graph, term: str) -> list[int]:
    node = graph.node_of(term)
    return [] if node < 0 else graph.rows_of(node).tolist()


def bundle(
    kinds: Sequence[Kind], prices: NDArray[np.float64], worth: NDArray[np.float64], budget: int | None
) -> Bundle:
    """One product of each kind whose prices together stay within `budget`.

    Args:
        kinds: the most needed first.
        prices: (products,) in minor units of the shop's currency.
        worth: (products,) how good each is.
        budget: for all together, in minor units; None is no limit.
    """
    offers = {kind.name: some for kind in kinds if (some := _offers(kind.rows, prices, worth))}
    chosen: dict[str, _Offer] = {}
    for name, some in offers.items():
        if budget is None or sum(offer.price for offer in chosen.values()) + some[0].price <= budget:
            chosen[name] = some[0]
    while (step := _best_step(offers, chosen, budget)) is not None:
        chosen[step[0]] = step[1]
    missing = tuple(kind.name for kind in kinds if kind.name not in chosen)
    return Bundle(tuple(offer.row for offer in chosen.values()), missing)


def _offers(rows: NDArray[np.int64], prices: NDArray[np.float64], worth: NDArray[np.float64]) -> list[_Offer]:
    """The best and the cheapest of a kind, cheapest first."""
    best, cheap = rows[np.argsort(-worth[rows], kind="stable")], rows[np.argsort(prices[rows], kind="stable")]
    some = {*best[: OF_A_KIND // 2].tolist(), *cheap[: OF_A_KIND // 2].tolist()}
    return sorted(
        (_Offer(row, round(prices[row]), float(worth[row])) for row in some),
        key=lambda offer: (offer.price, -offer.worth, offer.row),
    )


def _best_step(
    offers: Mapping[str, Sequence[_Offer]], chosen: Mapping[str, _Offer], budget: int | None
) -> tuple[str, _Offer] | None:
    """The exchange that gains most worth for each unit of money within what is left; without a budget the one that gains most."""
    left = math.inf if budget is None else budget - sum(offer.price for offer in chosen.values())
    steps = []
    for name, now in chosen.items():
        for offer in offers[name]:
            gain, cost = offer.worth - now.worth, offer.price - now.price
            if gain > 0 and cost <= left:
                steps.append((gain if budget is None else gain / max(1, cost), name, offer))
    return max(steps, key=lambda step: step[0])[1:] if steps else None


@cache
def occasions() -> Mapping[str, tuple[str, ...]]:
    """What each occasion needs, by its names in both languages; read once."""
    text = (resources.files("index.graph") / "lists" / "occasions.txt").read_text(encoding="utf-8")
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        names, _, needs = line.partition(":")
        kinds = tuple(term_of(each) for each in needs.split(","))[:MOST_KINDS]
        for name in names.replace("|", ",").split(","):
            found[term_of(name.strip())] = kinds
    return found
