"""How much a reranker gains on held-out queries, each judged by a weight that was fitted on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.evaluate_search import Query
from finetune.fusion import ndcg
from finetune.search_variants import SERVING, Comparison, bootstrapped

WEIGHTS: Final = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)
"""What a point of relevance may count beside a fused score, which is between 0 and 1."""

Relevance = NDArray[np.float32]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """A held-out query, as it is judged and as search reads it, its first hits with their fused scores, and gains by row."""

    query: Query
    text: str
    rows: list[int]
    fused: list[float]
    gains: Mapping[int, float]

    def order(self, relevance: NDArray[np.float32], weight: float) -> NDArray[np.intp]:
        """The first places by fused score and weighted relevance (first,)."""
        return np.argsort(-(np.array(self.fused[: len(relevance)]) + weight * relevance), kind="stable")

    def ndcg(self, order: NDArray[np.intp]) -> float:
        """NDCG@10 where the first places stand in that order, and the others behind them as they do."""
        gains = np.array([self.gains.get(row, 0.0) for row in self.rows])
        return ndcg(np.concatenate([gains[order], gains[len(order) :]]), np.array(list(self.gains.values())))


def fitted(trials: Sequence[Trial], relevance: Sequence[NDArray[np.float32]]) -> float:
    """The weight of the best mean NDCG@10; the least of equal ones."""
    means = [quality(trials, relevance, weight).mean() for weight in WEIGHTS]
    return WEIGHTS[int(np.argmax(np.round(means, 6)))]


def quality(trials: Sequence[Trial], relevance: Sequence[NDArray[np.float32]], weight: float) -> Scores:
    """NDCG@10 of each query, (trials,)."""
    return np.array(
        [trial.ndcg(trial.order(each, weight)) for trial, each in zip(trials, relevance, strict=True)], np.float64
    )


def cross_fitted(trials: Sequence[Trial], relevance: Sequence[NDArray[np.float32]]) -> Scores:
    """NDCG@10 of each query, (trials,), by a weight that was fitted on the other half of the queries."""
    result = np.zeros(len(trials))
    halves = [range(start, len(trials), 2) for start in (0, 1)]
    for half, other in (halves, halves[::-1]):
        weight = fitted([trials[at] for at in other], [relevance[at] for at in other])
        result[half] = quality([trials[at] for at in half], [relevance[at] for at in half], weight)
    return result


def compare(
    trials: Sequence[Trial], variants: Mapping[str, Sequence[Relevance]], weight: float, seed: int
) -> Comparison:
    """The best variant, and the weight for it.

    Args:
        trials: held-out queries.
        variants: what is said of the first hits of each, the simpler ones first; `SERVING` among them, and another.
        weight: of what serves.
        seed: of the bootstrap.
    """
    scores = {
        name: quality(trials, each, weight) if name == SERVING else cross_fitted(trials, each)
        for name, each in variants.items()
    }
    chosen = max(scores, key=lambda name: round(float(scores[name].mean()), 6))
    means = {name: round(float(each.mean()), 4) for name, each in scores.items()}
    gained = scores[chosen] - scores[SERVING]
    low, high = bootstrapped(gained, seed)
    kept = chosen if chosen != SERVING else next(name for name in variants if name != SERVING)
    weights = {"relevance": fitted(trials, variants[kept])}
    return Comparison(len(trials), means, chosen, float(gained.mean()), low, high, weights)
