from __future__ import annotations

import numpy as np
import pytest

from bot.doubt import SCORES, Outputs, Reference, softmax
from bot.intent import outputs_of
from finetune.calibration import (
    DEFAULT_SCORE,
    FEWEST_OUT_OF_SCOPE,
    auroc,
    choose_decision,
    expected_calibration_error,
    false_positives_at_95,
    fit_second,
    fit_temperature,
    reference_of,
)


def test_temperature_is_found_again() -> None:
    draw = np.random.default_rng(0)
    honest = draw.normal(0, 2, (20_000, 5))
    golds = np.array([draw.choice(5, p=row) for row in softmax(honest)])
    assert fit_temperature(honest * 3, np.eye(5)[golds]) == pytest.approx(3, rel=0.05)


def test_temperature_of_independent_labels_is_found_again() -> None:
    draw = np.random.default_rng(0)
    honest = draw.normal(0, 2, (20_000, 3))
    golds = (draw.random((20_000, 3)) < 1 / (1 + np.exp(-honest))).astype(float)
    assert fit_temperature(honest * 2, golds, multi_label=True) == pytest.approx(2, rel=0.05)


def test_any_of_several_golds_is_right() -> None:
    logits = np.array([[4.0, 4.0, 0.0]] * 10 + [[4.0, 0.0, 0.0]] * 10)
    golds = np.array([[1.0, 1.0, 0.0]] * 10 + [[1.0, 0.0, 0.0]] * 10)
    assert fit_temperature(logits, golds) == pytest.approx(0.5, rel=0.01)


def test_a_further_label_is_named_from_where_it_is_mostly_right() -> None:
    probabilities = np.array([[0.9, 0.6, 0.1]] * 8 + [[0.9, 0.35, 0.1]] * 8)
    golds = np.array([[1.0, 1.0, 0.0]] * 8 + [[1.0, 0.0, 0.0]] * 8)
    assert 0.35 < fit_second(probabilities, golds) <= 0.6


def test_a_model_without_mistakes_is_not_taken_for_certain() -> None:
    assert fit_temperature(np.eye(3) * 10, np.eye(3)) == pytest.approx(0.5, rel=0.01)


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
    reference = Reference(
        np.array([[0.8, 0.6]], np.float32), np.eye(2, dtype=np.float32) * 2, np.array([[2, 0], [0, 1]], np.float32)
    )
    outputs = outputs_of(logits, features, 1.0, multi_label=False)
    assert SCORES["probability"](outputs, reference) == pytest.approx([0.5, 1 - 1 / (1 + np.exp(-4))])
    warm = outputs_of(logits, features, 2.0, multi_label=False)
    assert SCORES["energy"](warm, reference) == pytest.approx([-np.log(2), -np.log(np.exp(2) + 1)])
    assert SCORES["neighbor"](outputs, reference) == pytest.approx([0.2, 0.4])
    assert SCORES["mahalanobis"](outputs, reference) == pytest.approx([0, 9])


def test_whitened_features_have_unit_covariance_around_their_means() -> None:
    draw = np.random.default_rng(2)
    golds = np.eye(3)[draw.integers(0, 3, 20_000)]
    spread = np.diag([3.0, 1.0, 2.0, 1.5])
    features = golds @ draw.normal(0, 5, (3, 4)) + draw.normal(0, 1, (20_000, 4)) @ spread
    reference = reference_of(features, golds)
    around = features @ reference.whitening - reference.means[golds.argmax(axis=1)]
    variances = np.array([9.0, 1.0, 4.0, 2.25])
    shrunk = 0.95 * variances + 0.05 * variances.mean()  # so much of the identity is mixed in
    assert np.sort(np.diag(np.cov(around.T))) == pytest.approx(np.sort(variances / shrunk), abs=0.02)
    assert np.cov(around.T) - np.diag(np.diag(np.cov(around.T))) == pytest.approx(np.zeros((4, 4)), abs=0.02)
    assert np.linalg.norm(reference.neighbors, axis=1) == pytest.approx(np.ones(20_000), abs=1e-3)


def test_a_class_without_examples_has_no_mean() -> None:
    features = np.random.default_rng(0).normal(size=(50, 2))
    assert reference_of(features, np.eye(3)[[0, 2] * 25]).means.shape == (2, 2)


def separated() -> tuple[Outputs, np.ndarray, Reference]:
    """1,000 in-scope rows near two class means, 200 others far from both; logits that cannot tell them apart."""
    draw = np.random.default_rng(1)
    golds = draw.integers(0, 2, 1_000)
    near = np.eye(3)[golds] + draw.normal(0, 0.05, (1_000, 3))
    far = np.array([0, 0, 1]) + draw.normal(0, 0.05, (200, 3))
    logits = np.concatenate([np.eye(2)[golds] * 3, np.eye(2)[draw.integers(0, 2, 200)] * 3]) + draw.normal(
        0, 1, (1_200, 2)
    )
    outputs = outputs_of(logits, np.concatenate([near, far]), 1.0, multi_label=False)
    return outputs, np.arange(1_200) < 1_000, reference_of(near, np.eye(2)[golds])


def test_the_score_that_separates_best_is_chosen() -> None:
    outputs, in_scope, reference = separated()
    decision, scores = choose_decision(outputs, in_scope, reference, in_scope_loss=0.04)
    assert decision.score in ("neighbor", "mahalanobis")
    assert scores[decision.score] > 0.999 > scores["probability"]
    values = SCORES[decision.score](outputs, reference)
    assert (values[in_scope] > decision.threshold).mean() == pytest.approx(0.04, abs=0.002)
    assert (values[~in_scope] > decision.threshold).mean() > 0.99


def test_without_out_of_scope_turns_the_threshold_still_gives_up_the_stated_share() -> None:
    outputs, in_scope, reference = separated()
    inside = Outputs(*(each[in_scope] for each in (outputs.probabilities, outputs.logits, outputs.features)))
    decision, scores = choose_decision(inside, in_scope[in_scope], reference, in_scope_loss=0.02)
    assert (decision.score, scores) == (DEFAULT_SCORE, {})
    lost = (SCORES[DEFAULT_SCORE](inside, reference) > decision.threshold).mean()
    assert lost == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize("count", [1, FEWEST_OUT_OF_SCOPE - 1, FEWEST_OUT_OF_SCOPE])
def test_a_few_out_of_scope_turns_choose_no_score(count: int) -> None:
    outputs, in_scope, reference = separated()
    # Logits that know an out-of-scope turn, whose features look like any other's: by probability it is found.
    logits = np.where(in_scope[:, None], outputs.logits, 0.0)
    features = np.where(in_scope[:, None], outputs.features, outputs.features[0])
    rows = slice(0, 1_000 + count)
    known = outputs_of(logits[rows], features[rows], 1.0, multi_label=False)
    decision, scores = choose_decision(known, in_scope[rows], reference)
    assert scores["probability"] > scores[DEFAULT_SCORE]
    assert (decision.score == DEFAULT_SCORE) is (count < FEWEST_OUT_OF_SCOPE)
