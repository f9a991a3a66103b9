"""Thompson sampling: what is logged is what happens, weights average one, and what does better is shown oftener."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from retrieval.thompson import DRAWS, PRIOR_MEAN, Belief, Outcome, choose, described

ITEMS = ["a", "b", "c"]
FLAT = described(np.full(3, 0.5), np.zeros(3))


def outcomes(item: str, shown: int, turned_to: int, fit: float = 0.5) -> list[Outcome]:
    return [Outcome(item, fit, 0.0, number < turned_to) for number in range(shown)]


def test_the_chance_that_is_logged_is_how_often_it_happens() -> None:
    belief = Belief.after([*outcomes("a", 60, 9), *outcomes("b", 60, 3), *outcomes("c", 10, 1)])
    seeds = 2_000
    drawn = [choose(belief, ITEMS, FLAT, seed) for seed in range(seeds)]
    counts = Counter(place for place, _ in drawn)
    for place in range(3):
        frequency = counts[place] / seeds
        mean = sum(chance for chosen, chance in drawn if chosen == place) / counts[place]
        slack = 4 * math.sqrt(frequency * (1 - frequency) / seeds) + 1 / math.sqrt(DRAWS)
        assert mean == pytest.approx(frequency, abs=slack)
        weights = [1 / chance if chosen == place else 0.0 for chosen, chance in drawn]
        assert np.mean(weights) == pytest.approx(1, abs=4 * float(np.std(weights)) / math.sqrt(seeds)), (
            "IPS is unbiased"
        )
    assert all(chance >= 1 / DRAWS for _, chance in drawn)


def test_a_seed_decides_all() -> None:
    belief = Belief.after([])
    assert choose(belief, ITEMS, FLAT, 7) == choose(belief, ITEMS, FLAT, 7)
    assert len({choose(belief, ITEMS, FLAT, seed)[0] for seed in range(40)}) == 3, "who is alike is drawn alike"


def test_without_outcomes_the_prior_stands() -> None:
    belief = Belief.after([])
    assert belief.mean.tolist() == pytest.approx(PRIOR_MEAN)
    assert not belief.counts


def test_the_better_product_comes_oftener() -> None:
    belief = Belief.after([*outcomes("a", 200, 40), *outcomes("b", 200, 4)])
    counts = Counter(choose(belief, ITEMS, FLAT, seed)[0] for seed in range(300))
    assert counts[0] > 250 > counts[2] > counts[1]


def test_that_fit_matters_is_learnt_over_all_products() -> None:
    """Thousand products, each shown once: nothing is known of any by itself, and yet those that fit are turned to."""
    draw = np.random.default_rng(0)
    fits = draw.random(1_000)
    chances = 1 / (1 + np.exp(-(-3 + 4 * (fits - 0.5))))
    belief = Belief.after(
        [
            Outcome(f"p{number}", fit, 0.0, draw.random() < chance)
            for number, (fit, chance) in enumerate(zip(fits, chances, strict=True))
        ]
    )
    assert belief.mean[1] == pytest.approx(4, abs=1)
    x = described(np.array([0.05, 0.95]), np.zeros(2))
    counts = Counter(choose(belief, ["new", "newer"], x, seed)[0] for seed in range(200))
    assert counts[1] > 180


def test_everything_turned_to_and_nothing_are_no_trouble() -> None:
    for turned_to in (0, 500):
        belief = Belief.after(outcomes("a", 500, turned_to))
        assert np.isfinite(belief.mean).all()
        _, chance = choose(belief, ["a"], FLAT[:1], 0)
        assert chance == 1
