"""One of each kind within a budget: what an occasion needs, and which products are taken."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from index.graph.lexicon import lexicon
from retrieval.bundles import MOST_KINDS, Kind, bundle, needs_of, occasions


def kinds(*sizes: int) -> list[Kind]:
    ends = np.cumsum([0, *sizes])
    return [
        Kind(f"kind {number}", np.arange(start, end, dtype=np.int64))
        for number, (start, end) in enumerate(itertools.pairwise(ends.tolist()))
    ]


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ("weekend hike", "hiking boots"),
        ("a weekend hike", "hiking boots"),
        ("my first marathon", "running shoes"),
        ("new puppy", "dog food"),
        ("going camping", "tent"),
        ("露营", "tent"),
        ("养猫", "cat food"),
        ("小猫", "cat food"),
        ("doing my taxes", None),
        ("", None),
    ],
)
def test_what_an_occasion_needs(said: str, first: str | None) -> None:
    needs = needs_of(said)
    assert (needs[0] if needs else None) == (first and _term(first))


def _term(text: str) -> str:
    from index.graph.terms import term_of

    return term_of(text)


def test_the_list_names_goods_that_the_graph_knows() -> None:
    known = lexicon().goods
    unknown = {need for needs in occasions().values() for need in needs} - known
    assert not unknown
    assert all(1 < len(needs) <= MOST_KINDS for needs in occasions().values())


def test_it_stays_within_the_budget_and_spends_it_where_it_helps() -> None:
    prices = np.array([100.0, 200, 50, 300, 20, 30])
    worth = np.array([0.5, 0.9, 0.5, 0.51, 0.5, 0.5])
    found = bundle(kinds(2, 2, 2), prices, worth, 300)
    assert found.rows == (1, 2, 4), "200 for the better first one; 300 for the second would gain next to nothing"
    assert found.missing == ()


def test_what_is_needed_most_goes_first_and_the_rest_is_named() -> None:
    prices, worth = np.array([100.0, 150, 40]), np.ones(3)
    found = bundle(kinds(1, 1, 1), prices, worth, 160)
    assert found.rows == (0, 2), "the second does not fit beside the first, the third does"
    assert found.missing == ("kind 1",)


def test_without_a_budget_the_best_of_each() -> None:
    found = bundle(kinds(2, 2), np.array([1.0, 9, 1, 9]), np.array([0.1, 0.9, 0.8, 0.2]), None)
    assert found.rows == (1, 2)


def test_a_kind_that_is_not_sold_is_missing() -> None:
    empty = Kind("sledge", np.zeros(0, np.int64))
    assert bundle([empty, *kinds(1)], np.ones(1), np.ones(1), None).missing == ("sledge",)


def test_nothing_fits() -> None:
    assert bundle(kinds(1), np.array([500.0]), np.ones(1), 100).rows == ()


@pytest.mark.parametrize("seed", range(5))
def test_it_is_nearly_as_good_as_trying_everything(seed: int) -> None:
    draw = np.random.default_rng(seed)
    groups = kinds(4, 4, 4)
    prices, worth = draw.integers(10, 100, 12).astype(float), draw.random(12)
    budget = int(prices.reshape(3, 4).min(axis=1).sum() * 1.5)
    found = bundle(groups, prices, worth, budget)
    possible = [
        rows
        for rows in itertools.product(*(group.rows.tolist() for group in groups))
        if prices[list(rows)].sum() <= budget
    ]
    best = max(worth[list(rows)].sum() for rows in possible)
    assert prices[list(found.rows)].sum() <= budget
    assert len(found.rows) == 3
    assert worth[list(found.rows)].sum() >= 0.8 * best
