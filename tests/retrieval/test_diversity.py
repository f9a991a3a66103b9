"""A first page that shows a range: the best stays first, nothing is lost, and the likest wait."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.diversity import likeness, spread
from retrieval.profile import Trait

RED: list[Trait] = [("category", "Shoes"), ("brand", "Acme"), ("attribute", "color: red")]
BLUE: list[Trait] = [("category", "Shoes"), ("brand", "Borel"), ("attribute", "color: blue")]
TENT: list[Trait] = [("category", "Tents"), ("brand", "Corvo"), ("attribute", "color: green")]


def test_others_come_before_more_of_the_same() -> None:
    assert spread([1.0, 0.98, 0.97, 0.9], [RED, RED, RED, BLUE], 2) == [0, 3, 1, 2]
    assert spread([1.0, 0.98, 0.97, 0.9, 0.8], [RED, RED, BLUE, RED, TENT], 3) == [0, 4, 2, 1, 3]


def test_what_is_far_less_relevant_stays_behind() -> None:
    assert spread([1.0, 0.98, 0.45, 0.44], [RED, RED, TENT, TENT], 3) == [0, 1, 2, 3]


def test_relevance_alone_changes_nothing() -> None:
    assert spread([1.0, 0.98, 0.97], [RED, RED, TENT], 3, trade=1.0) == [0, 1, 2]


@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_no_hit_is_added_or_lost(count: int) -> None:
    draw = np.random.default_rng(count)
    scores = np.sort(draw.random(count))[::-1].tolist()
    order = spread(scores, [[RED, BLUE, TENT][place] for place in draw.integers(3, size=count)], 6)
    assert sorted(order) == list(range(count))
    assert order[:1] == list(range(count))[:1]
    assert order[6:] == sorted(order[6:])


def test_products_without_traits_keep_their_order() -> None:
    assert spread([1.0, 0.9, 0.8, 0.7], [[], [], [], []], 3) == [0, 1, 2, 3]


def test_likeness_is_the_share_of_what_tells_products_apart() -> None:
    found = likeness([RED, RED, BLUE, TENT])
    np.testing.assert_allclose(found, found.T)
    assert found[0, 0] == pytest.approx(found[0, 1])
    assert found[0, 1] > found[0, 2] > found[0, 3] == 0
