"""Bands: the rule at its edges, and that who stands better comes back more often."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from finetune.transactions import read_transactions
from retrieval.retention import Band, PurchaseDays, Standing, fit_retention
from retrieval.retention.bands import bands, standings
from retrieval.retention.consumption import sequences
from retrieval.retention.rhythm import Gaps, Rhythm
from tests.retrieval.renewals import renewals

CDNOW = Path(__file__).parents[3] / "shared" / "data" / "cdnow_sample" / "transactions.csv.gz"
LAW = Rhythm(mu=float(np.log(35)), tau=0.6, sigma=0.7, a=2.0, b=0.8)


def judged(purchases: PurchaseDays, until: int) -> list[Standing]:
    known = purchases.before(until)
    forecast = fit_retention(known, int(known.day.min()), until)
    return standings(forecast, Rhythm.fit(Gaps.of(known, until)), purchases, until)


def shares(purchases: PurchaseDays, until: int, days: int) -> dict[Band, tuple[int, float]]:
    """For each band how many there are, and the share of them that bought within so many days after."""
    found = judged(purchases, until)
    came = purchases.count(np.unique(purchases.before(until).customer), until, until + days) > 0
    return {
        band: (int(rows.sum()), float(came[rows].mean()))
        for band in Band
        if (rows := np.array([each.band is band for each in found])).any()
    }


def test_the_rule_at_its_edges() -> None:
    chance = np.array([0.9, 0.05, 0.05, 0.5, 0.49, 0.3, 0.29, 0.15, 0.149, 0.1])
    repeats = np.array([0, 0, 3, 3, 3, 0, 0, 3, 3, 0])
    on_time = np.array([True, True, True, False, False, False, False, False, False, False])
    found = bands(chance, repeats, on_time)
    assert [str(each) for each in found] == [
        "new", "new", "active", "active", "cooling", "cooling", "at-risk", "at-risk", "gone", "gone",
    ]  # fmt: skip


def test_who_stands_better_comes_back_more_often_and_as_often_as_foreseen() -> None:
    purchases = renewals(LAW, 6_000, 500, join_days=250)
    found = shares(purchases, 300, 70)
    order = [found[band] for band in (Band.ACTIVE, Band.COOLING, Band.AT_RISK, Band.GONE)]
    assert all(count > 100 for count, _ in order)
    for (_, better), (_, worse) in pairwise(order):
        assert better > worse + 0.05
    standing = judged(purchases, 300)
    nearest = np.full(purchases.customers, 10_000)
    later = purchases.day >= 300
    np.minimum.at(nearest, purchases.customer[later], purchases.day[later] - 300)
    known = np.unique(purchases.before(300).customer)
    seen = np.array([each.horizon_days <= 200 for each in standing])
    came = nearest[known] < np.array([each.horizon_days for each in standing])
    likely = np.array([each.chance for each in standing])
    assert seen.mean() > 0.95
    assert likely[seen].mean() == pytest.approx(came[seen].mean(), abs=0.04)


@pytest.mark.skipif(not CDNOW.is_file(), reason="../shared/data/cdnow_sample is missing")
def test_bands_of_the_cdnow_sample_are_in_order() -> None:
    found = shares(read_transactions(CDNOW).purchases, 39 * 7, 39 * 7)
    assert Band.NEW not in found, "nobody joined in the last months"
    rates = [found[band][1] for band in (Band.ACTIVE, Band.COOLING, Band.AT_RISK, Band.GONE)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 3 * rates[-1]


def test_facts_are_those_of_the_customer() -> None:
    people = [[0, 32, 64, 96], [0, 32, 64, 96, 128], [150], [0], [170]]
    purchases = sequences(people + [[day, day + 35, day + 70] for day in range(100)])
    found = judged(purchases, 171)[:5]
    assert [each.purchases for each in found] == [4, 5, 1, 1, 1]
    assert [each.current_days for each in found] == [74, 42, 20, 170, 0]
    assert found[0].usual_days in range(31, 35)
    assert found[0].reason == f"usually every {found[0].usual_days} days, now 74 days"
    assert found[2].band is Band.NEW
    assert found[3].band is not Band.NEW
    assert found[3].reason.startswith("bought once, 170 days ago; ")
    assert found[4].reason.startswith("bought once, 0 days ago; ")
    assert found[0].chance < found[1].chance
    for each in found:
        assert 0 <= each.chance <= 1
        assert 0 <= each.p_active <= 1
        assert each.expected >= 0
        assert 28 <= each.horizon_days <= 365


def test_later_purchases_are_not_looked_at() -> None:
    purchases = renewals(LAW, 500, 400)
    assert judged(purchases, 200) == judged(purchases.before(200), 200)
