"""Now and then the cards of a conversation's first slate stand in an order drawn by lot, so that other orders can be judged.

The same cards are shown either way, all of which keep the customer's conditions; what cannot be bought stays last. With the chance
`share` the m cards that may move are shuffled evenly, else the ranking's own order stands. So a card is shown

    at the place that the ranking gave it    with the propensity 1 - share + share / m
    at each other of the m places            with the propensity share / m

and one that may not move with 1. At most one slate a conversation is drawn: who goes on looking compares, and shall have the best
order. `launch.py evaluate policy` learns from these slates what another order would have earned.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retrieval.ranking import RankedHit
from retrieval.search import Hit

POLICY = "rules-2"
"""Names the ranking that orders the slates."""


@dataclass(frozen=True, slots=True)
class Ordering:
    """How a slate came to stand as it does, by the ids of its products.

    Attributes:
        shown: in the order in which they are shown.
        ranked: in the order that the ranking gave them.
        relevance: the place from 0 on that search alone gave each.
        propensity: with which chance each stands where it does.
        policy: the ranking, where lots were drawn how often, and in an experiment the shopper's arm.
    """

    shown: tuple[str, ...]
    ranked: tuple[str, ...]
    relevance: Mapping[str, int]
    propensity: Mapping[str, float]
    policy: str


def draw_order(
    hits: Sequence[RankedHit[Hit]],
    movable: Sequence[bool],
    share: float,
    seed: str,
    ranked: Sequence[RankedHit[Hit]] | None = None,
    label: str = "",
) -> tuple[list[RankedHit[Hit]], Ordering]:
    """The hits in the order in which they are shown, and how it came about.

    Args:
        hits: in the order that stands without a lot, each product once.
        movable: which of them may move; the others keep their places.
        share: the chance that lots are drawn, 0 to 1.
        seed: decides the lot; the id of the message, which nobody chooses, so that a slate can be drawn again.
        ranked: the same in the ranking's order, where the arm of an experiment has another.
        label: names that arm in the log.
    """
    free = [place for place, moves in enumerate(movable) if moves]
    count = len(free) if share > 0 else 0
    shown = list(hits)
    if count > 1:
        lot = random.Random(seed)
        if lot.random() < share:
            places = free.copy()
            lot.shuffle(places)
            for place, source in zip(free, places, strict=True):
                shown[place] = hits[source]
    propensity = {}
    for place, (own, hit) in enumerate(zip(hits, shown, strict=True)):
        drawn = share / count if count > 1 and movable[place] else 0.0
        stayed = hit is own
        propensity[hit.hit.product_id] = drawn + (1 - share if drawn else 1.0) * stayed
    found = sorted(hits, key=lambda each: -each.hit.score)
    policy = f"{POLICY}+lot-{share:g}" if count > 1 else POLICY
    return shown, Ordering(
        shown=tuple(each.hit.product_id for each in shown),
        ranked=tuple(each.hit.product_id for each in ranked or hits),
        relevance={each.hit.product_id: place for place, each in enumerate(found)},
        propensity=propensity,
        policy=f"{policy}+{label}" if label else policy,
    )
