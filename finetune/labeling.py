"""Which turns a person should label next: those the model is least sure of, spread over all that they are about.

The most uncertain turns alone say the same thing many times, and the most different ones are often noise. So the batch is the
turns nearest to the centers of a weighted k-means over the uncertain ones (Zhdanov 2019, "Diverse mini-batch active
learning"). `benchmarks/labeling.py` draws its learning curve beside those of random choice and of the methods that lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANDIDATES_PER_PICK = 10
"""k-means sees so many times as many turns as it picks, the least certain ones."""

DOUBTED_SHARE = 0.1, 0.5
"""Suspected out-of-scope turns get their share of a batch within these bounds: rare ones are seen, many crowd nothing out."""

_ROUNDS = 20  # Lloyd's iterations: later ones move a center too little to change the turn nearest to it


def select(
    probabilities: NDArray[np.floating],
    features: NDArray[np.floating],
    count: int,
    seed: int = 0,
    suspected: NDArray[np.bool_] | None = None,
) -> NDArray[np.intp]:
    """The turns to label, the least certain first; every one of them where there are no more than `count`.

    Args:
        probabilities: of the labels, (n, labels); a turn's margin, the first less the second, is its certainty.
        features: what the turns are about, (n, dim); only their directions count.
        count: how many.
        seed: of the first centers.
        suspected: which turns may be out of scope, (n,); by default none.

    Raises:
        ValueError: the arrays do not have one row for each turn.
    """
    rows = len(probabilities)
    suspected = np.zeros(rows, bool) if suspected is None else suspected
    if not rows == len(features) == len(suspected):
        raise ValueError(f"{rows} rows of probabilities, {len(features)} of features, {len(suspected)} of suspected")
    certainty = margins(probabilities)  # (n,)
    if rows > count:
        generator = np.random.default_rng(seed)
        doubted = _doubted(int(suspected.sum()), rows, count)
        parts = [(np.flatnonzero(~suspected), count - doubted), (np.flatnonzero(suspected), doubted)]
        picked = np.concatenate(
            [part[_spread(certainty[part], features[part], some, generator)] for part, some in parts]
        )
    else:
        picked = np.arange(rows)
    return picked[np.argsort(certainty[picked], kind="stable")]


def margins(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """The likeliest label's probability less the second's, (n, labels) → (n,); a lone label is certain."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    top = np.partition(probabilities, -2, axis=1)
    return np.asarray(top[:, -1] - top[:, -2])


def _doubted(suspected: int, rows: int, count: int) -> int:
    """How many of a batch are suspected turns: their share within bounds, and no more than there are of either kind."""
    least, most = DOUBTED_SHARE
    wanted = round(count * min(most, max(least, suspected / rows)))
    return max(min(wanted, suspected), count - (rows - suspected))


def _spread(
    certainty: NDArray[np.floating], features: NDArray[np.floating], count: int, generator: np.random.Generator
) -> NDArray[np.intp]:
    """Places of `count` uncertain turns, one from each region of the features."""
    uncertain = np.argsort(certainty, kind="stable")[: CANDIDATES_PER_PICK * count]
    if len(uncertain) <= count:
        return uncertain
    points = _directions(features[uncertain])
    # Certain or not, a turn counts a little, or a model that is sure of everything would leave nothing to cluster.
    weights = np.maximum(1 - certainty[uncertain], 1e-3).astype(np.float32)
    nearest, closeness = _k_means(points, weights, count, generator)
    picked = [members[closeness[members].argmax()] for members in _members(nearest, count) if len(members)]
    others = np.setdiff1d(np.arange(len(uncertain)), picked)  # in the order of uncertainty
    return uncertain[[*picked, *others[: count - len(picked)]]]


def _directions(features: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-9), np.float32)


def _k_means(
    points: NDArray[np.float32], weights: NDArray[np.floating], count: int, generator: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Weighted spherical k-means: each point's center and its cosine to it, (n,) both."""
    centers = points[_seeds(points, weights, count, generator)]  # (count, dim)
    for _ in range(_ROUNDS):
        nearest = (points @ centers.T).argmax(axis=1)  # (n,)
        moved = np.zeros_like(centers)
        np.add.at(moved, nearest, weights[:, None] * points)
        moved = _directions(moved)
        if np.allclose(moved, centers, atol=1e-4):
            break
        centers = moved
    cosines = points @ centers.T  # (n, count)
    nearest = cosines.argmax(axis=1)
    return nearest, cosines.max(axis=1)


def _seeds(
    points: NDArray[np.float32], weights: NDArray[np.floating], count: int, generator: np.random.Generator
) -> list[int]:
    """k-means++ (Arthur and Vassilvitskii 2007): each seed drawn by its weight and its distance to those before."""
    seeds: list[int] = []
    apart = np.ones(len(points))  # half the squared distance to the nearest seed
    for _ in range(count):
        chance = weights * apart
        total = chance.sum()
        seeds.append(int(generator.choice(len(points), p=chance / total if total > 0 else None)))
        apart = np.minimum(apart, np.maximum(1 - points @ points[seeds[-1]], 0))
    return seeds


def _members(nearest: NDArray[np.intp], count: int) -> list[NDArray[np.intp]]:
    """The points of each of `count` centers."""
    order = np.argsort(nearest, kind="stable")
    return np.split(order, np.searchsorted(nearest[order], np.arange(1, count)))
