"""A set for an occasion: one product of each kind that it needs, within a budget for all of them together.

What an occasion needs, and in which order, is the hand-written list `index/graph/lists/occasions.txt`; the graph says by which kinds
the catalog has it. The choice is a knapsack with a group a kind (multiple-choice knapsack), solved greedily: the cheapest of each
kind first, the least needed kinds left out until the rest fits, then step by step the exchange that gains most for its price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.graph.terms import language_of, term_of
from index.product import Product
from index.snapshot import Snapshot
from retrieval.ranking import reputation

MOST_KINDS: Final = 7
OF_A_KIND: Final = 12
"""Products of a kind that may be chosen: the best rated and the cheapest."""
_STOP: Final = frozenset("a an the my our for to go going weekend first next some little good".split())


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that an occasion needs: its name and the rows of the catalog that are it, (rows,)."""

    name: str
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was chosen, by row in the order of need; `total` in minor units; `missing` are kinds that did not fit or are not sold."""

    rows: tuple[int, ...]
    total: int
    missing: tuple[str, ...]


def needs_of(occasion: str) -> tuple[str, ...]:
    """The kinds that an occasion needs, the most needed first; empty where the list does not know it.

    >>> needs_of("a weekend hike")[:2]
    ('hiking boots', 'backpack')
    """
    known, term = _occasions(), term_of(occasion)
    if term in known:
        return known[term]
    words = [word for word in term.split() if word not in _STOP]
    inside = [name for name in known if (name in term if language_of(name) == "zh" else set(name.split()) <= set(words))]
    return known[max(inside, key=len)] if inside else ()


def kinds_of(snapshot: Snapshot, needs: Sequence[str], allowed: NDArray[np.bool_], language: str) -> list[Kind]:
    """The kinds among `needs` with the rows that may be shown, those in `language` where there are such; a kind may have none."""
    graph, found, taken = snapshot.graph, [], set[int]()
    for need in needs:
        terms = [need, *(each.term for each in graph.meant_by(need, "en"))]
        nodes = [node for term in terms if (node := graph.node_of(term)) >= 0]
        rows = np.unique(np.concatenate([graph.rows_of(node) for node in nodes])) if nodes else np.zeros(0, np.int64)
        rows = np.array([row for row in rows.tolist() if allowed[row] and row not in taken], np.int64)
        own = np.array([row for row in rows.tolist() if graph.language_of(row) == language], np.int64)
        rows = own if len(own) else rows
        label = next((graph.label_of(term) for term in terms if language_of(term) == language and graph.knows(term)), need)
        taken.update(rows.tolist())
        found.append(Kind(label, rows))
    return found


def bundle(
    kinds: Sequence[Kind],
    product: Callable[[int], Product | None],
    price: Callable[[Product], int | None],
    budget: int | None,
    worth: Callable[[Product], float] = reputation,
) -> Bundle:
    """One product of each kind whose prices together stay within `budget` (minor units; None: no limit).

    Args:
        kinds: the most needed first.
        product: the product of a row as it is offered now; None where it cannot be bought.
        price: its price in minor units of the shop's currency, None where it has none.
        budget: for all together.
        worth: how good a product is, from 0 to 1.
    """
    choices: list[tuple[str, list[tuple[int, int, float]]]] = []  # kind, (row, price, worth), cheapest first
    missing: list[str] = []
    for kind in kinds:
        offers = _offers(kind, product, price, worth)
        if offers:
            choices.append((kind.name, offers))
        else:
            missing.append(kind.name)
    while choices and budget is not None and sum(offers[0][1] for _, offers in choices) > budget:
        missing.append(choices.pop()[0])
    chosen = [offers[0] for _, offers in choices]
    spent = sum(cost for _, cost, _ in chosen)
    while (step := _best_step([offers for _, offers in choices], chosen, None if budget is None else budget - spent)) is not None:
        place, offer = step
        spent += offer[1] - chosen[place][1]
        chosen[place] = offer
    order = {name: number for number, name in enumerate(kind.name for kind in kinds)}
    return Bundle(tuple(row for row, _, _ in chosen), spent, tuple(sorted(missing, key=order.__getitem__)))


def _offers(
    kind: Kind, product: Callable[[int], Product | None], price: Callable[[Product], int | None], worth: Callable[[Product], float]
) -> list[tuple[int, int, float]]:
    found = []
    for row in kind.rows.tolist():
        one = product(row)
        cost = price(one) if one is not None else None
        if one is not None and cost is not None:
            found.append((row, cost, worth(one)))
    best = sorted(found, key=lambda each: -each[2])[: OF_A_KIND // 2]
    cheap = sorted(found, key=lambda each: each[1])[: OF_A_KIND // 2]
    return sorted({*best, *cheap}, key=lambda each: (each[1], -each[2], each[0]))


def _best_step(
    offers: Sequence[Sequence[tuple[int, int, float]]], chosen: Sequence[tuple[int, int, float]], left: int | None
) -> tuple[int, tuple[int, int, float]] | None:
    """The exchange that gains most worth for each unit of money, within what is left; without a limit the one that gains most."""
    best: tuple[float, int, tuple[int, int, float]] | None = None
    for place, (some, now) in enumerate(zip(offers, chosen, strict=True)):
        for offer in some:
            gain, cost = offer[2] - now[2], offer[1] - now[1]
            if gain <= 0 or (left is not None and cost > left):
                continue
            rate = gain / max(1, cost) if left is not None else gain
            if best is None or rate > best[0]:
                best = rate, place, offer
    return None if best is None else best[1:]


@cache
def _occasions() -> Mapping[str, tuple[str, ...]]:
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
