from __future__ import annotations

import numpy as np
import pytest

from bot.intent import doubt, softmax
from finetune.calibration import (
    IN_SCOPE_LOSS,
    auroc,
    choose_decision,
    class_means,
    expected_calibration_error,
    false_positives_at_95,
    fit_temperature,
)


def test_temperature_is_found_again() -> None:
    draw = np.random.default_rng(0)
    honest = draw.normal(0, 2, (20_000, 5))
    golds = np.array([draw.choice(5, p=row) for row in softmax(honest)])
    assert fit_temperature(honest * 3, golds) == pytest.approx(3, rel=0.05)


def test_a_model_without_mistakes_is_not_taken_for_certain() -> None:
    assert fit_temperature(np.eye(3) * 10, np.arange(3)) == pytest.approx(0.5, rel=0.01)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, True, True, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.05)
    assert expected_calibration_error(np.array([1.0]), np.array([True])) == 0


def test_auroc_counts_pairs_and_halves_ties() -> None:
    inside, outside = np.array([0.1, 0.2, 0.5]), np.array([0.5, 0.9])
    assert auroc(inside, outside) == pytest.approx((3 + 2.5) / 6)


def test_false_positives_at_95() -> None:
    outside = np.linspace(0.5, 1, 101)  # 95 % of these are at or above .525
    inside = np.array([0.1, 0.2, 0.3, 0.6])
    assert false_positives_at_95(inside, outside) == 0.25


def test_scores_by_hand() -> None:
    logits = np.array([[0.0, 0.0], [4.0, 0.0]])
    features = np.array([[1.0, 0.0], [0.0, 2.0]])
    means = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert doubt("probability", logits, features, means, 1.0) == pytest.approx([0.5, 1 - 1 / (1 + np.exp(-4))])
    assert doubt("energy", logits, features, means, 2.0) == pytest.approx([-2 * np.log(2), -2 * np.log(np.exp(2) + 1)])
    assert doubt("distance", logits, features, means, 1.0) == pytest.approx([0, 0])


def separated() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """1,000 in-scope rows near two class means, 200 others far from both; logits that cannot tell them apart."""
    draw = np.random.default_rng(1)
    golds = draw.integers(0, 2, 1_000)
    near = np.eye(3)[golds] + draw.normal(0, 0.05, (1_000, 3))
    far = np.array([0, 0, 1]) + draw.normal(0, 0.05, (200, 3))
    logits = np.concatenate([np.eye(2)[golds] * 3, np.eye(2)[draw.integers(0, 2, 200)] * 3]) + draw.normal(
        0, 1, (1_200, 2)
    )
    return logits, np.concatenate([near, far]), np.arange(1_200) < 1_000, class_means(near, golds, 2)


def test_the_score_that_separates_best_is_chosen() -> None:
    logits, features, in_scope, means = separated()
    decision, scores = choose_decision(logits, features, in_scope, means, 1.0)
    assert decision.score == "distance"
    assert scores["distance"] > 0.999 > scores["probability"]
    values = doubt("distance", logits, features, means, 1.0)
    assert (values[in_scope] > decision.threshold).mean() <= 0.05
    assert (values[~in_scope] > decision.threshold).mean() > 0.99


def test_without_out_of_scope_turns_the_threshold_gives_up_the_stated_share() -> None:
    logits, features, in_scope, means = separated()
    inside = logits[in_scope], features[in_scope], in_scope[in_scope]
    decision, scores = choose_decision(*inside, means, 1.0)
    assert decision.score == "probability"
    assert scores == {}
    lost = (doubt("probability", *inside[:2], means, 1.0) > decision.threshold).mean()
    assert lost == pytest.approx(IN_SCOPE_LOSS, abs=0.002)


def test_a_class_without_examples_has_no_mean() -> None:
    means = class_means(np.array([[3.0, 4.0]]), np.array([0]), 2)
    assert means == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))
