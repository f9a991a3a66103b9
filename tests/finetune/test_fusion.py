"""The weights of a search's sources: what judged queries say, held near the default by a prior."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.fusion import Judged, fit_fusion, ndcg, order

DEFAULT = {"words": 1.0, "dense": 1.0, "keywords": 0.5}


def queries(count: int, telling: int, seed: int = 0) -> list[Judged]:
    """Queries in which one source of three tells the right candidate and the others are noise."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        gains = np.zeros(30)
        gains[draw.integers(30)] = 1
        scores = draw.random((30, 3))
        scores[:, telling] = 0.5 * gains + 0.5 * scores[:, telling]
        found.append(Judged(scores, gains))
    return found


def quality(judged: list[Judged], weights: dict[str, float]) -> float:
    return float(np.mean([ndcg(order(each, weights), each.gains) for each in judged]))


@pytest.mark.parametrize("telling", [0, 1, 2])
def test_the_source_that_tells_gets_the_weight(telling: int) -> None:
    weights = fit_fusion(queries(200, telling), DEFAULT)
    assert list(weights) == list(DEFAULT)
    assert max(weights, key=weights.__getitem__) == list(DEFAULT)[telling]
    assert min(weights.values()) >= 0
    unseen = queries(200, telling, seed=1)
    assert quality(unseen, weights) > quality(unseen, DEFAULT) + 0.1


def test_few_queries_move_the_weights_less() -> None:
    few, many = (fit_fusion(queries(count, 2), DEFAULT) for count in (3, 300))
    away = [sum(abs(weights[name] - DEFAULT[name]) for name in DEFAULT) for weights in (few, many)]
    assert away[0] < away[1] / 2


@pytest.mark.parametrize("gains", [np.zeros(4), np.ones(4)])
def test_a_query_that_tells_nothing_leaves_the_default(gains: np.ndarray) -> None:
    assert fit_fusion([Judged(np.random.default_rng(0).random((4, 3)), gains)], DEFAULT) == DEFAULT
    assert fit_fusion([], DEFAULT) == DEFAULT


def test_ndcg_by_hand() -> None:
    ideal = np.array([3.0, 2.0, 0.0])
    assert ndcg(np.array([3.0, 2.0, 0.0]), ideal) == 1
    assert ndcg(np.array([0.0, 3.0]), ideal) == pytest.approx((3 / np.log2(3)) / (3 + 2 / np.log2(3)))
    assert ndcg(np.array([1.0]), np.zeros(3)) == 0
