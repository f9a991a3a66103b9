"""A first page that shows a range: maximal marginal relevance (Carbonell and Goldstein 1998) over what products have in common.

Each place goes to the hit of the largest

    trade · score − (1 − trade) · likeness to the likest hit above it

so the best hit stays first. A hit whose score lies far below the best one's is not moved up, however new it is, and no hit is
added or removed: filters have done their work before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.profile import Trait
from retrieval.ranking import KIND_WEIGHTS

TRADE: Final = 0.5
"""Between relevance alone at 1 and novelty alone at 0. Set by hand; docs/benchmarks.md says what it costs and gives."""

FAR: Final = 0.5
"""A score so much below the best one says that it is something else that was looked for."""


def spread(scores: Sequence[float], traits: Sequence[Sequence[Trait]], places: int, trade: float = TRADE) -> list[int]:
    """The order of hits, by number, in which the first `places` show a range and the others stay as they are.

    Args:
        scores: of the hits, best first, on a scale where 1 tells the best from the worst.
        traits: what each hit is, as `retrieval.profile.traits` spells it.
        places: how many are chosen.
        trade: what relevance counts beside novelty, 0 to 1.
    """
    worth = np.asarray(scores, dtype=np.float64)
    count = len(worth)
    near = worth >= worth.max(initial=0.0) - FAR
    places = min(places, int(near.sum()))
    if count <= 2 or places < 2:
        return list(range(count))
    like = _marked(traits)  # (hits, traits), rows of length at most 1
    likest = np.zeros(count)
    left = np.ones(count, dtype=np.bool_)
    chosen = [0]
    left[0] = False
    while len(chosen) < places:
        likest = np.maximum(likest, like @ like[chosen[-1]])
        gain = np.where(left & near, trade * worth - (1 - trade) * likest, -np.inf)
        best = int(gain.argmax())
        chosen.append(best)
        left[best] = False
    return [*chosen, *np.flatnonzero(left).tolist()]


def likeness(traits: Sequence[Sequence[Trait]]) -> NDArray[np.float64]:
    """How much each two products have in common, (n, n) from 0 to 1: the parts of `KIND_WEIGHTS` in which they agree."""
    like = _marked(traits)
    return like @ like.T


def _marked(traits: Sequence[Sequence[Trait]]) -> NDArray[np.float64]:
    """(products, traits): the root of a kind's weight, shared among the product's traits of that kind."""
    place: dict[Trait, int] = {}
    for each in traits:
        for trait in each:
            place.setdefault(trait, len(place))
    marked = np.zeros((len(traits), max(1, len(place))))
    for row, each in zip(marked, traits, strict=True):
        of_kind: Mapping[str, int] = Counter(kind for kind, _ in each)
        for trait in each:
            row[place[trait]] = np.sqrt(KIND_WEIGHTS[trait[0]] / of_kind[trait[0]])
    return marked
