"""Confidence that means what it says, and the doubt from which on a turn is out of scope. Plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.intent import doubt, softmax

IN_SCOPE_LOSS = 0.02
"""Share of in-scope validation turns that the threshold may give up."""

SCORES = ("probability", "energy", "distance")


@dataclass(frozen=True)
class Decision:
    """How out-of-scope is decided: the score, and the doubt above which a turn is out."""

    score: str
    threshold: float


def fit_temperature(logits: NDArray[np.floating], golds: NDArray[np.int64]) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017); logits (n, labels), golds (n,).

    Golden-section search over log T in [0.5, 10], where the likelihood has one valley. Below .5 a model that
    makes no mistake on validation would claim certainty.
    """

    def loss(log_temperature: float) -> float:
        probabilities = softmax(logits / np.exp(log_temperature))
        return float(-np.log(np.maximum(probabilities[np.arange(len(golds)), golds], 1e-12)).mean())

    low, high, ratio = np.log(0.5), np.log(10.0), (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def expected_calibration_error(confidence: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Mean gap of confidence and accuracy over equal bins of the top probability, weighted by size."""
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(float(confidence[number == each].mean()) - float(correct[number == each].mean()))
        * int((number == each).sum())
        for each in np.unique(number)
    ]
    return sum(gaps) / max(1, len(confidence))


def auroc(inside: NDArray[np.floating], outside: NDArray[np.floating]) -> float:
    """The chance that an out-of-scope turn has the higher doubt than an in-scope one, ties half."""
    values = np.concatenate([inside, outside])
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # average rank, 1 is the least
    beaten = ranks[len(inside) :].sum() - len(outside) * (len(outside) + 1) / 2
    return float(beaten / (len(inside) * len(outside)))


def false_positives_at_95(inside: NDArray[np.floating], outside: NDArray[np.floating]) -> float:
    """Share of in-scope turns called out of scope at the threshold that finds 95 % of the out-of-scope ones."""
    threshold = np.quantile(outside, 0.05, method="lower")
    return float((inside >= threshold).mean())


def class_means(features: NDArray[np.floating], golds: NDArray[np.int64], labels: int) -> NDArray[np.float32]:
    """The mean feature of each class (labels, dim), unit length; a class without examples is zero."""
    means = np.stack(
        [
            features[golds == each].mean(axis=0) if (golds == each).any() else np.zeros(features.shape[1])
            for each in range(labels)
        ]
    )
    unit: NDArray[np.float32] = (means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)).astype(
        np.float32
    )
    return unit


def choose_decision(
    logits: NDArray[np.floating],
    features: NDArray[np.floating],
    in_scope: NDArray[np.bool_],
    means: NDArray[np.floating],
    temperature: float,
    scores: Sequence[str] = SCORES,
) -> tuple[Decision, dict[str, float]]:
    """The score with the best AUROC on validation, its threshold, and every candidate's AUROC.

    With out-of-scope turns the threshold balances what is missed against what is given up (the largest Youden index), but
    never gives up more than 5 % of the in-scope turns; without them "probability" is taken and gives up `IN_SCOPE_LOSS`.
    """
    if in_scope.all() or not in_scope.any():
        values = doubt("probability", logits, features, means, temperature)
        return Decision("probability", float(np.quantile(values, 1 - IN_SCOPE_LOSS))), {}
    found: dict[str, float] = {}
    for score in scores:
        values = doubt(score, logits, features, means, temperature)
        found[score] = auroc(values[in_scope], values[~in_scope])
    best = max(scores, key=lambda name: found[name])
    values = doubt(best, logits, features, means, temperature)
    inside, outside = np.sort(values[in_scope]), values[~in_scope]
    candidates = inside[inside >= np.quantile(inside, 0.95)]
    gains = [(outside > each).mean() - (inside > each).mean() for each in candidates]
    return Decision(best, float(candidates[int(np.argmax(gains))])), found
