"""The hidden Markov peer: right on data whose answer is known, and blind to what comes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.hidden_markov import BOUGHT, HiddenMarkov
from retrieval.path.tokens import END, NUMBER, VOCABULARY

SIZE = len(VOCABULARY)


def drawn(model: HiddenMarkov, steps: int, draw: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    state, tokens = int(draw.choice(len(model.start), p=model.start)), []
    for _ in range(steps):
        tokens.append(int(draw.choice(SIZE, p=model.emissions[state])))
        state = int(draw.choice(len(model.start), p=model.transitions[state]))
    return np.array(tokens)


def known() -> HiddenMarkov:
    emissions = np.full((2, SIZE), 0.2 / (SIZE - 2))
    emissions[:, :2] = [[0.7, 0.1], [0.1, 0.7]]
    return HiddenMarkov(np.array([0.9, 0.1]), np.array([[0.95, 0.05], [0.1, 0.9]]), emissions)


def test_it_finds_the_model_that_made_the_data_and_the_likelihood_never_falls() -> None:
    draw = np.random.default_rng(0)
    paths = [drawn(known(), int(draw.integers(5, 60)), draw) for _ in range(300)]
    fits = [HiddenMarkov.drawn(2, seed).fit(paths, iterations=200) for seed in range(3)]
    model, likelihoods = max(fits, key=lambda fit: fit[1][-1])
    assert (np.diff(likelihoods) > -1e-6).all()
    order = np.argsort(-model.emissions[:, 0])
    np.testing.assert_allclose(model.emissions[order][:, :2], known().emissions[:, :2], atol=0.04)
    np.testing.assert_allclose(model.transitions[order][:, order], known().transitions, atol=0.04)


def test_the_filter_does_not_see_what_comes() -> None:
    path = drawn(known(), 30, np.random.default_rng(1))
    whole = known().filtered(path)
    np.testing.assert_allclose(whole[:10], known().filtered(path[:10]))
    np.testing.assert_allclose(whole.sum(axis=1), 1)


def test_the_chance_of_a_purchase_agrees_with_a_simulation() -> None:
    draw = np.random.default_rng(2)
    model = HiddenMarkov.of_stages()
    bought, end = np.zeros(3), NUMBER[END]
    trials = 4_000
    for first in range(3):
        for _ in range(trials):
            state = first
            while True:
                state = int(draw.choice(3, p=model.transitions[state]))
                token = int(draw.choice(SIZE, p=model.emissions[state]))
                if token in BOUGHT or token == end:
                    bought[first] += token in BOUGHT
                    break
    np.testing.assert_allclose(bought / trials, model.p_purchase(), atol=0.03)
    assert (np.diff(model.p_purchase()) > 0).all()


def test_rows_are_chances() -> None:
    for model in (HiddenMarkov.of_stages(), HiddenMarkov.drawn(4, 0)):
        for rows in (model.transitions, model.emissions):
            np.testing.assert_allclose(rows.sum(axis=1), 1)
        assert model.start.sum() == pytest.approx(1)
