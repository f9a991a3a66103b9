"""The baselines of the rhythm do what their names say, and nothing is learnt from the days that are asked about."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.rhythm import WITHIN, asked, calibrated, came, closeness, pairs_of, until_day
from finetune.calibration import auroc
from retrieval.retention.consumption import DAY_MS, Consumption
from storage.purchases import Buyer, Purchase
from tests.retrieval.renewals import renewals
from tests.retrieval.shoppers import LAW, goods


def buyer(user: str, *days: int) -> Buyer:
    return Buyer(user, tuple(Purchase(day * DAY_MS, ("coffee-1",)) for day in days))


def test_questions_are_about_the_fourteen_days_from_then_on() -> None:
    bought = Consumption.of([buyer("a", 10, 40, 70), buyer("b", 10, 84), buyer("c", 70)], goods)
    pairs = pairs_of(bought, "Food > Coffee", 70)
    assert pairs == [("a", [10, 40]), ("b", [10])]
    assert came(bought, "Food > Coffee", pairs, 70).tolist() == [1, 0]
    assert came(bought, "Food > Coffee", pairs, 70 + 1).tolist() == [0, 1]


def test_closeness_is_greatest_where_the_due_date_is_in_the_middle() -> None:
    pairs = [("due", [100, 130]), ("early", [150, 151]), ("own", [60, 130])]
    everybody = closeness(pairs, 130 + 30 - WITHIN // 2, own=False)
    assert everybody.argmax() in (0, 2), "the median of 1, 30 and 70 days is 30"
    assert everybody[0] == everybody[2] == pytest.approx(0)
    own = closeness(pairs, 130 + 30 - WITHIN // 2, own=True)
    assert own[0] == pytest.approx(0)
    assert own[2] < 0


def test_a_score_becomes_a_chance() -> None:
    draw = np.random.default_rng(0)
    score = draw.normal(size=5_000)
    bought = (draw.random(5_000) < 1 / (1 + np.exp(1 - score))).astype(float)
    assert calibrated(np.array([0.0, 1.0]), score, bought) == pytest.approx([0.27, 0.5], abs=0.03)


def test_what_is_known_ends_before_the_day() -> None:
    [known] = until_day([buyer("a", 10, 40, 70), buyer("b", 70)], 70)
    assert [each.at // DAY_MS for each in known.purchases] == [10, 40]


def test_on_shoppers_with_a_rhythm_it_foretells_better_than_chance_and_than_none() -> None:
    bought = renewals(LAW, 800, 300, join_days=150)
    people = [buyer(f"u{number}", *bought.day[bought.customer == number].tolist()) for number in range(800)]
    chances, actual, due = asked(people, goods, 280)
    names = list(chances)
    area = {name: auroc(chances[name][actual == 0], chances[name][actual == 1]) for name in names}
    assert area[names[-1]] > 0.75
    assert area[names[-1]] > max(area[name] for name in names[:-1])
    brier = {name: float(((chances[name] - actual) ** 2).mean()) for name in names}
    assert min(brier, key=lambda name: brier[name]) == names[-1]
    assert actual[due[names[-1]] > 0].mean() > 2 * actual[due[names[-1]] == 0].mean()
