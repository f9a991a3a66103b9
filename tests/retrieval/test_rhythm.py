"""The rhythm of purchases: closed forms against quadrature and simulation, regularity against known shapes, and bad data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import beta, ndtr

from retrieval.retention import PurchaseDays
from retrieval.retention.consumption import sequences
from retrieval.retention.history import Floats
from retrieval.retention.rhythm import Gaps, Rhythm, is_consumable, regularity
from tests.retrieval.renewals import renewals

LAW = Rhythm(mu=float(np.log(30)), tau=0.4, sigma=0.3, a=4.0, b=1.0)


def chance(shape: float, customers: int, days: int = 400, seed: int = 0) -> PurchaseDays:
    """Gamma gaps of that shape, at rates that differ from customer to customer."""
    draw = np.random.default_rng(seed)
    rate = draw.gamma(2, 1 / 60, customers)
    gaps = draw.gamma(shape, 1 / shape, (customers, 60)) / rate[:, None]
    now = np.cumsum(gaps, axis=1) + draw.uniform(0, 30, customers)[:, None]
    who = np.repeat(np.arange(customers), 60)
    kept = now.ravel() < days
    return PurchaseDays.of(who[kept], np.floor(now.ravel()[kept]).astype(np.int64))


def test_gaps_are_counted_as_the_docstring_says() -> None:
    gaps = Gaps.of(sequences([[0, 30, 62], [69]]), 70)
    assert gaps.count.tolist() == [2, 0]
    assert gaps.logs == pytest.approx([np.log(30) + np.log(32), 0])
    assert gaps.squares == pytest.approx([np.log(30) ** 2 + np.log(32) ** 2, 0])
    assert gaps.open.tolist() == [7, 0]


@pytest.mark.parametrize("days", [[0], [0, 30], [0, 25, 61]])
def test_the_likelihood_is_the_integral_over_rhythm_and_loyalty(days: list[int]) -> None:
    gaps = Gaps.of(sequences([days]), 100)
    points, weights = np.polynomial.legendre.leggauss(120)
    own, again = LAW.mu + 3 * points[:, None], (1 + points[None, :]) / 2  # medians within 7.5 τ, all loyalties

    def density(value: Floats, mean: Floats | float, deviation: float) -> Floats:
        return np.asarray(np.exp(-0.5 * ((value - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi)))

    each = [density(np.log(gap), own, LAW.sigma) / gap * again for gap in np.diff(days)]
    rest = 1 - again * ndtr((np.log(99 - days[-1]) - own) / LAW.sigma)
    loyal = again ** (LAW.a - 1) * (1 - again) ** (LAW.b - 1) / beta(LAW.a, LAW.b)
    prior = density(own, LAW.mu, LAW.tau) * loyal
    value = 3 / 2 * weights @ (np.prod(each, axis=0) * rest * prior) @ weights
    assert LAW.log_likelihoods(gaps)[0] == pytest.approx(np.log(value), abs=1e-5)


def test_parameters_are_recovered() -> None:
    found = Rhythm.fit(Gaps.of(renewals(LAW, 3_000, 400), 400))
    assert np.exp(found.mu) == pytest.approx(30, rel=0.05)
    assert found.tau == pytest.approx(LAW.tau, rel=0.1)
    assert found.sigma == pytest.approx(LAW.sigma, rel=0.1)
    assert found.a / (found.a + found.b) == pytest.approx(0.8, abs=0.02)


def test_open_gaps_keep_the_short_ones_from_passing_for_all() -> None:
    """Watched for two gaps only, the gaps that are over are far shorter than they would be."""
    bought = renewals(LAW, 5_000, 60, join_days=20)
    gaps = Gaps.of(bought, 60)
    over = np.exp(gaps.logs.sum() / gaps.count.sum())
    assert over < 26
    assert np.exp(Rhythm.fit(gaps).mu) == pytest.approx(30, rel=0.1)


def test_the_chance_of_a_purchase_is_calibrated_after_the_days_it_learnt_from() -> None:
    bought = renewals(LAW, 8_000, 300)
    known = bought.before(200)
    gaps = Gaps.of(known, 200)
    likely = Rhythm.fit(gaps).p_purchase(gaps, 14)
    came = bought.count(np.unique(known.customer), 200, 214) > 0
    assert likely.mean() == pytest.approx(came.mean(), abs=0.01)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 1)):
        rows = (likely > low) & (likely <= high)
        assert likely[rows].mean() == pytest.approx(came[rows].mean(), abs=0.05)


@pytest.mark.parametrize("known", [0, 1, 6])
def test_four_gaps_of_five_end_within_the_interval(known: int) -> None:
    draw = np.random.default_rng(known)
    own = draw.normal(LAW.mu, LAW.tau, 4_000)
    gaps = np.exp(draw.normal(own[:, None], LAW.sigma, (4_000, known + 1)))
    before = np.log(gaps[:, :known])
    when = LAW.due(Gaps(np.full(4_000, known), before.sum(axis=1), (before**2).sum(axis=1), np.zeros(4_000)))
    inside = (when.early <= gaps[:, -1]) & (gaps[:, -1] <= when.late)
    assert inside.mean() == pytest.approx(0.8, abs=0.02)


def test_one_gap_moves_a_customer_a_little_and_many_all_the_way() -> None:
    gaps = Gaps.of(sequences([[0], [0, 10], [0, 10, 20, 30, 40, 50, 60, 70, 80]]), 81)
    none, one, many = LAW.due(gaps).median
    assert none == pytest.approx(30)
    assert 12 < one < 24
    assert many == pytest.approx(10, rel=0.1)
    due = LAW.due(gaps)
    assert (due.early < due.median).all()
    assert (due.median < due.late).all()
    assert due.late[2] / due.early[2] < due.late[0] / due.early[0], "who is known better is known more narrowly"


def test_who_is_long_overdue_comes_no_more() -> None:
    early, overdue, gone = (Gaps.of(sequences([[0, 30, 60]]), until) for until in (70, 100, 400))
    assert LAW.p_active(early)[0] > 0.8
    assert LAW.p_active(overdue)[0] < LAW.p_active(early)[0]
    assert LAW.p_active(gone)[0] < 0.01
    assert LAW.p_purchase(early, 21)[0] > LAW.p_purchase(early, 7)[0]
    assert LAW.p_purchase(gone, 14)[0] < 0.01


class TestRegularity:
    @pytest.mark.parametrize("shape", [1.0, 3.0, 8.0])
    def test_the_shape_is_found_at_whatever_rates(self, shape: float) -> None:
        found, _ = regularity(chance(shape, 3_000))
        assert found == pytest.approx(shape, rel=0.1)

    def test_and_however_soon_the_watching_ends(self) -> None:
        found, surely = regularity(chance(1.0, 20_000, days=60))
        assert found == pytest.approx(1, rel=0.1)
        assert abs(surely) < 3

    def test_chance_is_hardly_ever_taken_for_a_rhythm(self) -> None:
        taken = sum(is_consumable(chance(1.0, 60, seed=seed)) for seed in range(200))
        assert taken <= 6, "one in a hundred is what the test lets through"

    def test_a_rhythm_is_found_with_sixty_customers(self) -> None:
        assert all(is_consumable(renewals(LAW, 60, 180, seed=seed)) for seed in range(20))

    def test_too_few_say_nothing(self) -> None:
        assert not is_consumable(sequences([list(range(0, 600, 30))] * 9)), "nine customers"
        assert not is_consumable(sequences([[0, 30]] * 30)), "no two gaps in a row"
        assert not is_consumable(sequences([[0], [5]]))
        assert not is_consumable(sequences([]))


@pytest.mark.parametrize(
    "days",
    [
        [[0, 1]],
        [[0, 30]] * 500,
        [[0, 1]] * 40 + [[0]] * 500,
        [list(range(10_000))],
        [[0, 9_000], [8_999]],
        [[9_999, 10_000]],
    ],
    ids=["one gap", "all the same", "next day", "daily for ever", "one long gap", "yesterday and today"],
)
def test_gaps_that_say_little_give_sound_figures(days: list[list[int]]) -> None:
    gaps = Gaps.of(sequences(days), 10_001)
    rhythm = Rhythm.fit(gaps)
    due, likely, active = rhythm.due(gaps), rhythm.p_purchase(gaps, 14), rhythm.p_active(gaps)
    for values in (due.median, due.early, due.late, likely, active):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert (likely <= active + 1e-9).all()
    assert (active <= 1).all()
