from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from finetune.labeling import DOUBTED_SHARE, margins, select


def topics(sizes: list[int], dim: int = 16, noise: float = 0.05, seed: int = 0) -> NDArray[np.float64]:
    """Points around as many orthogonal directions as there are sizes."""
    draw = np.random.default_rng(seed)
    centers = np.eye(dim)[np.repeat(np.arange(len(sizes)), sizes)]
    return centers + noise * draw.normal(size=centers.shape)


def sure(rows: int, certainty: float) -> NDArray[np.float64]:
    """Probabilities of three labels with a given margin."""
    rest = (1 - certainty) / 3
    return np.tile([rest + certainty, rest, rest], (rows, 1))


def test_margins() -> None:
    assert margins(np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])).tolist() == pytest.approx([0.2, 1.0])
    assert margins(np.array([[1.0], [1.0]])).tolist() == [1.0, 1.0]


def test_one_of_each_topic_however_rare() -> None:
    sizes = [60, *[3] * 9]
    features = topics(sizes, noise=0.02)
    picked = select(sure(len(features), 0.1), features, 10)
    assert sorted(np.repeat(np.arange(10), sizes)[picked]) == list(range(10))


def test_the_uncertain_come_before_the_certain() -> None:
    features = topics([50, 500])
    probabilities = np.concatenate([sure(50, 0.05), sure(500, 0.95)])
    assert set(select(probabilities, features, 5)) <= set(range(50))


def test_the_least_certain_come_first() -> None:
    draw = np.random.default_rng(1)
    probabilities = draw.dirichlet(np.ones(4), 300)
    picked = select(probabilities, draw.normal(size=(300, 8)), 20)
    assert (np.diff(margins(probabilities)[picked]) >= 0).all()


@pytest.mark.parametrize("count", [1, 7, 30, 200])
def test_as_many_as_asked_none_twice_and_the_same_by_seed(count: int) -> None:
    draw = np.random.default_rng(2)
    probabilities, features = draw.dirichlet(np.ones(5), 120), draw.normal(size=(120, 8))
    suspected = draw.random(120) < 0.3
    picked = select(probabilities, features, count, 3, suspected)
    assert len(set(picked)) == len(picked) == min(count, 120)
    assert picked.tolist() == select(probabilities, features, count, 3, suspected).tolist()


def test_turns_that_are_all_alike_are_picked_too() -> None:
    assert len(set(select(sure(40, 1.0), np.ones((40, 4)), 10))) == 10
    assert len(set(select(sure(40, 0.0), np.zeros((40, 4)), 10))) == 10


@pytest.mark.parametrize(
    ("suspected", "expected"),
    [(4, 4), (10, 10), (30, 10), (200, 20), (900, 50), (1000, 100)],
    ids=["all there are", "a tenth", "at least a tenth", "their share", "at most half", "when nothing else is there"],
)
def test_suspected_turns_get_their_share(suspected: int, expected: int) -> None:
    assert DOUBTED_SHARE == (0.1, 0.5)
    mask = np.arange(1000) < suspected
    # The model is surer of them than of the others, so that uncertainty alone would leave them out.
    probabilities = np.concatenate([sure(suspected, 0.9), sure(1000 - suspected, 0.1)])
    draw = np.random.default_rng(4)
    picked = select(probabilities, draw.normal(size=(1000, 8)), 100, suspected=mask)
    assert mask[picked].sum() == expected


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows of probabilities, 2 of features"):
        select(sure(3, 0.5), np.ones((2, 4)), 1)


def test_it_learns_faster_than_chance() -> None:
    """Twelve topics of very unequal size, two labels each: after two batches the picked turns have seen nearly all."""
    from sklearn.linear_model import LogisticRegression

    sizes = [400, 300, 200, 100, 50, 30, 20, 10, 10, 10, 10, 10]
    topic = np.repeat(np.arange(12), sizes)
    features = topics(sizes, dim=24, noise=0.1)
    features[:, 12:] *= 3
    labels = 2 * topic + (features[np.arange(len(topic)), 12 + topic] > 0)

    def accuracy(picks: NDArray[np.intp]) -> float:
        model = LogisticRegression(C=100, max_iter=200).fit(features[picks], labels[picks])
        right = model.predict(features) == labels
        return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))

    reached: dict[str, list[float]] = {"ours": [], "chance": []}
    for seed in range(3):
        start = np.random.default_rng(seed).choice(len(features), 20, replace=False)
        model = LogisticRegression(C=100, max_iter=200).fit(features[start], labels[start])
        others = np.setdiff1d(np.arange(len(features)), start)
        picked = others[select(model.predict_proba(features[others]), features[others], 40, seed)]
        chance = np.random.default_rng(seed).choice(others, 40, replace=False)
        reached["ours"].append(accuracy(np.concatenate([start, picked])))
        reached["chance"].append(accuracy(np.concatenate([start, chance])))
    assert np.mean(reached["ours"]) > np.mean(reached["chance"]) + 0.1
