"""The weights of a search's sources, fitted on judged queries.

A query's candidates compete: the loss is the cross-entropy between the softmax of their weighted sums and their gains (ListNet, Cao
et al. 2007), with a prior that holds few queries near the weights that serve a shop without any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

SHARPNESS = 8.0
"""What a weighted sum is multiplied by in the softmax: with the default weights the loss on judged catalogs is least near it."""
PRIOR = 0.5
"""How many queries' worth of loss a squared distance of 1 from the default weights (times `SHARPNESS`) costs."""
_LARGEST = 8.0


@dataclass(frozen=True)
class Judged:
    """A query's candidates: scores (candidates, sources) from 0 to 1 and gains (candidates,) from 0 on."""

    scores: Floats
    gains: Floats


def fit_fusion(queries: Sequence[Judged], default: Mapping[str, float]) -> dict[str, float]:
    """Weights of the sources, in the order of `default`, which are also the prior; none is below 0.

    A query whose candidates are all right, or none, says nothing. Without any that does the default stays.
    """
    from scipy.optimize import minimize

    told = [each for each in queries if 0 < np.count_nonzero(each.gains) < len(each.gains)]
    start = np.array(list(default.values()), np.float64)
    if not told:
        return dict(default)
    scores = np.concatenate([each.scores for each in told]).astype(np.float64)  # (candidates of all, sources)
    starts = np.cumsum([0, *(len(each.gains) for each in told[:-1])])
    owner = np.repeat(np.arange(len(told)), [len(each.gains) for each in told])
    targets = np.concatenate([each.gains / each.gains.sum() for each in told])
    wanted = targets @ scores  # (sources,)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        sums = SHARPNESS * (scores @ weights)
        sums -= np.maximum.reduceat(sums, starts)[owner]
        exponents = np.exp(sums)
        totals = np.add.reduceat(exponents, starts)
        away = SHARPNESS * (weights - start)
        value = np.log(totals).sum() - targets @ sums + PRIOR * (away @ away)
        slope = SHARPNESS * ((exponents / totals[owner]) @ scores - wanted) + 2 * PRIOR * SHARPNESS * away
        return value / len(told), slope / len(told)

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, _LARGEST)] * len(start))
    return {name: round(float(weight), 4) for name, weight in zip(default, found.x, strict=True)}


def order(judged: Judged, weights: Mapping[str, float]) -> Floats:
    """The gains of the candidates, best weighted sum first."""
    sums = judged.scores @ np.array(list(weights.values()))
    gains: Floats = judged.gains[np.argsort(-sums, kind="stable")]
    return gains


def ndcg(gains: Floats, ideal: Floats, cut: int = 10) -> float:
    """NDCG of gains in their order against the best order of `ideal` (Järvelin and Kekäläinen 2002); 0 where there is none."""
    discounts = 1 / np.log2(np.arange(2, cut + 2))
    best = np.sort(ideal)[::-1][:cut]
    top = float(best @ discounts[: len(best)])
    return float(gains[:cut] @ discounts[: len(gains[:cut])]) / top if top else 0.0
