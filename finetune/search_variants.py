"""Which encoder and which weights serve best, judged by held-out queries through the fused search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bot.parts import Parts
from finetune.evaluate_search import Query
from finetune.fusion import Judged, fit_fusion, ndcg, order
from finetune.search_data import JudgedQuery
from index.encoders import Encoder, document_text
from index.filters import Filters
from retrieval.fusion import WEIGHTS, Evidence
from retrieval.understanding import Understanding, merge

SERVING, FITTED, TUNED, BOTH = "what serves", "fitted weights", "tuned encoder", "tuned encoder, fitted weights"
_RESAMPLES: Final = 2_000

Found = tuple[NDArray[np.int64], Evidence]
Scores = NDArray[np.float64]


def found_for(parts: Parts, query: Query) -> Found:
    """The candidates of a query as serving finds them, its conditions understood, and what each source says of them."""
    understanding = parts.understander.read(query.text)
    filters = merge(merge(Filters(), understanding), Understanding(query="", filters=query.filters))
    return parts.shelf.engine.evidence(understanding.query, filters)


def with_encoder(parts: Parts, encoder: Encoder, queries: Sequence[JudgedQuery], found: Sequence[Found]) -> list[Found]:
    """The same candidates with the cosines of another encoder, where a query is one of its space."""
    engine = parts.shelf.engine
    own = [place for place, each in enumerate(queries) if engine.space_of(each.query.text) == encoder.space]
    if not own:
        return list(found)
    rows = np.unique(np.concatenate([found[place][0] for place in own]))
    held = rows[parts.shelf.snapshot.vectors[encoder.space].holds(rows)]
    products = parts.shelf.snapshot.products
    vectors = encoder.encode_documents([document_text(products.get(int(row))) for row in held])  # (held, dim)
    asked = encoder.encode_queries([parts.understander.read(queries[place].query.text).query for place in own])
    result = list(found)
    for place, vector in zip(own, asked, strict=True):
        candidates, evidence = found[place]
        dense = np.zeros(len(candidates), np.float32)
        inside = np.isin(candidates, held)
        cosines = vectors[np.searchsorted(held, candidates[inside])] @ vector
        dense[inside] = encoder.on_pretrained_scale(cosines)
        result[place] = candidates, replace(evidence, dense=dense)
    return result


def judged_of(query: JudgedQuery, found: Found) -> Judged:
    """What weights are fitted on: the sources' scores in the order of `WEIGHTS`, and the gains."""
    rows, evidence = found
    parts = evidence.parts()
    none = np.zeros(len(rows), np.float32)
    scores = np.stack([parts.get(name, none) for name in WEIGHTS], axis=1)  # (candidates, sources)
    return Judged(scores, np.array([query.gains.get(int(row), 0.0) for row in rows]))


def quality(queries: Sequence[JudgedQuery], judged: Sequence[Judged], weights: Mapping[str, float]) -> Scores:
    """NDCG@10 of each query, (queries,)."""
    return np.array(
        [
            ndcg(order(found, weights), np.array(list(query.gains.values())))
            for query, found in zip(queries, judged, strict=True)
        ]
    )


def cross_fitted(queries: Sequence[JudgedQuery], judged: Sequence[Judged], default: Mapping[str, float]) -> Scores:
    """NDCG@10 of each query, (queries,), under weights that were fitted on the other half of the queries."""
    result = np.zeros(len(queries))
    halves = [range(start, len(queries), 2) for start in (0, 1)]
    for half, other in (halves, halves[::-1]):
        weights = fit_fusion([judged[place] for place in other], default)
        result[half] = quality([queries[place] for place in half], [judged[place] for place in half], weights)
    return result


@dataclass(frozen=True)
class Comparison:
    """Mean NDCG@10 on `n` held-out queries by variant, and how much better the one `chosen` is than what serves, with 95 %."""

    n: int
    ndcg: dict[str, float]
    chosen: str
    difference: float
    low: float
    high: float
    weights: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether the chosen one is better than by chance."""
        return self.chosen != SERVING and self.low > 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The verdict as a sentence."""
        word = "Holds" if self.passed else "Fails"
        return (
            f"{word}: NDCG@10 on {self.n} held-out queries {self.ndcg[self.chosen]:.3f} ({self.chosen}), what serves "
            f"{self.ndcg[SERVING]:.3f}, difference {self.difference:+.3f}, 95 % {self.low:+.3f} to {self.high:+.3f}.",
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "passed": self.passed, "reasons": list(self.reasons)}


def compare(
    queries: Sequence[JudgedQuery],
    serving: Sequence[Found],
    tuned: Sequence[Found] | None,
    seed: int,
) -> Comparison:
    """Scores every variant on the held-out queries and chooses the best; a simpler one where two are equal.

    Fitted weights are scored on queries that they were not fitted on, and then fitted on all.
    """
    current = {name: float(serving[0][1].weights[name]) for name in WEIGHTS}
    before = [judged_of(query, found) for query, found in zip(queries, serving, strict=True)]
    variants: dict[str, Callable[[], Scores]] = {
        SERVING: lambda: quality(queries, before, current),
        FITTED: lambda: cross_fitted(queries, before, dict(WEIGHTS)),
    }
    judged = {SERVING: before, FITTED: before}
    if tuned is not None:
        after = [judged_of(query, found) for query, found in zip(queries, tuned, strict=True)]
        variants[TUNED] = lambda: quality(queries, after, WEIGHTS)
        variants[BOTH] = lambda: cross_fitted(queries, after, dict(WEIGHTS))
        judged |= {TUNED: after, BOTH: after}
    scores = {name: score() for name, score in variants.items()}
    chosen = max(scores, key=lambda name: round(float(scores[name].mean()), 6))
    fitted = chosen in (FITTED, BOTH)
    weights = fit_fusion(judged[chosen], dict(WEIGHTS)) if fitted else current if chosen == SERVING else dict(WEIGHTS)
    gained = scores[chosen] - scores[SERVING]
    low, high = bootstrapped(gained, seed)
    means = {name: round(float(each.mean()), 4) for name, each in scores.items()}
    return Comparison(len(queries), means, chosen, float(gained.mean()), low, high, weights)


def bootstrapped(gained: Scores, seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean of differences (queries,)."""
    drawn = gained[np.random.default_rng(seed).integers(len(gained), size=(_RESAMPLES, len(gained)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
