"""In simulated shops Thompson sampling finds the better new products, and beats drawing them by lot."""

from __future__ import annotations

import numpy as np

from benchmarks.exploration import POLICIES, Shop, compared, simulate


def test_thompson_earns_more_than_chance_and_regrets_less() -> None:
    found = compared(shops=4, slates=600)
    thompson, lot = found["Thompson, as it serves"], found["a new product at random"]
    assert np.mean([run.regret for run in thompson]) < 0.9 * np.mean([run.regret for run in lot])
    assert np.mean([run.expected for run in thompson]) > np.mean([run.expected for run in lot])


def test_a_shop_follows_its_seed() -> None:
    policy = POLICIES["Thompson, as it serves"]
    assert simulate(Shop.drawn(3, 100), policy, 3) == simulate(Shop.drawn(3, 100), policy, 3)
    assert not np.array_equal(Shop.drawn(3, 100).luck, Shop.drawn(4, 100).luck)
