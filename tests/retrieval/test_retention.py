"""BG/NBD against published figures, closed forms against simulation and quadrature, and populations that break such models."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta

from finetune.transactions import read_transactions
from retrieval.retention import BetaGeometric, PurchaseDays, Summary, fit_retention

CDNOW = Path(__file__).parents[3] / "shared" / "data" / "cdnow_sample" / "transactions.csv.gz"
TRUTH = BetaGeometric(r=0.6, alpha=5.0, a=0.9, b=2.5)


def one(frequency: int, recency: float, age: float) -> Summary:
    return Summary(np.array([0]), np.array([frequency]), np.array([recency]), np.array([age]))


def population(model: BetaGeometric, customers: int, weeks: int, seed: int = 0, join_weeks: int = 12) -> PurchaseDays:
    """Purchases of customers who live by the model, of which each joins in one of the first weeks."""
    draw = np.random.default_rng(seed)
    rates = draw.gamma(model.r, 1 / model.alpha, customers)
    leaving = draw.beta(model.a, model.b, customers)
    now = draw.uniform(0, join_weeks, customers)
    who = np.arange(customers)
    bought, when = [who], [now]
    while len(who):
        now = now + draw.exponential(1 / np.maximum(rates[who], 1e-12))
        kept = now < weeks
        who, now = who[kept], now[kept]
        bought.append(who)
        when.append(now)
        stays = draw.random(len(who)) >= leaving[who]
        who, now = who[stays], now[stays]
    return PurchaseDays.of(np.concatenate(bought), np.floor(np.concatenate(when) * 7).astype(np.int64))


def test_purchases_are_merged_by_customer_and_day() -> None:
    purchases = PurchaseDays.of(np.array([1, 0, 0, 0, 0]), np.array([5, 14, 0, 3, 3]))
    summary = purchases.summary(30)
    assert summary.customer.tolist() == [0, 1]
    assert summary.frequency.tolist() == [2, 0]
    assert summary.recency * 7 == pytest.approx([14, 0])
    assert summary.age * 7 == pytest.approx([29, 24])
    assert purchases.count(np.array([1, 0]), 3, 15).tolist() == [1, 2]
    earlier = purchases.summary(4)
    assert earlier.customer.tolist() == [0], "customer 1 is not known yet"
    assert earlier.frequency.tolist() == [1]


@pytest.mark.skipif(not CDNOW.is_file(), reason="../shared/data/cdnow_sample is missing")
def test_the_published_fit_of_the_cdnow_sample() -> None:
    summary = read_transactions(CDNOW).purchases.summary(39 * 7)
    model = BetaGeometric.fit(summary)
    assert model.r == pytest.approx(0.2426, abs=2e-4)
    assert model.alpha == pytest.approx(4.414, abs=5e-3)
    assert model.a == pytest.approx(0.793, abs=5e-3)
    assert model.b == pytest.approx(2.426, abs=2e-2)
    assert model.log_likelihood(summary) == pytest.approx(-9582.43, abs=0.01)
    # Customer 1 of the authors' own worksheet: two repeats by week 30.43 of 38.86, and 39 weeks to come.
    published = BetaGeometric(0.243, 4.414, 0.793, 2.426)
    assert published.expected_purchases(one(2, 30.43, 38.86), 39)[0] == pytest.approx(1.226, abs=1e-3)


def test_parameters_are_recovered() -> None:
    model = BetaGeometric.fit(population(TRUTH, 20_000, 52).summary(52 * 7))
    assert model.r == pytest.approx(TRUTH.r, rel=0.1)
    assert model.alpha == pytest.approx(TRUTH.alpha, rel=0.1)
    assert model.a / (model.a + model.b) == pytest.approx(TRUTH.a / (TRUTH.a + TRUTH.b), rel=0.1)


def test_the_slope_of_the_likelihood_is_zero_at_the_fit() -> None:
    summary = population(TRUTH, 3_000, 40).summary(280)
    model = BetaGeometric.fit(summary)
    best = model.log_likelihood(summary)
    for name in ("r", "alpha", "a", "b"):
        for factor in (0.97, 1.03):
            moved = {each: getattr(model, each) * (factor if each == name else 1) for each in ("r", "alpha", "a", "b")}
            assert BetaGeometric(**moved).log_likelihood(summary) < best


@pytest.mark.parametrize(("a", "b"), [(0.8, 2.4), (0.3, 0.2), (0.5, 0.5), (1.0, 2.0), (1.7, 0.6)])
@pytest.mark.parametrize(("frequency", "recency", "age"), [(0, 0, 20), (2, 10, 20), (400, 39, 39)])
def test_expected_purchases_are_those_of_the_integral(
    a: float, b: float, frequency: int, recency: float, age: float
) -> None:
    model, weeks = BetaGeometric(0.24, 4.4, a, b), 39.0
    shape, rate, after = model.r + frequency, model.alpha + age, b + frequency

    def given_dropout(p: float) -> float:
        bought = (1 - (rate / (rate + p * weeks)) ** shape) / p
        return float(bought * p ** (a - 1) * (1 - p) ** (after - 1) / beta(a, after))

    active = quad(given_dropout, 0, 1, limit=500)[0]
    summary = one(frequency, recency, age)
    found = model.expected_purchases(summary, weeks)[0]
    assert found == pytest.approx(active * model.p_active(summary)[0], rel=2e-4)


def test_a_forecast_on_a_population_that_lives_by_the_model_is_calibrated() -> None:
    purchases = population(TRUTH, 20_000, 78)
    model = fit_retention(purchases, 0, 39 * 7)
    summary = purchases.summary(39 * 7)
    forecast = model.predict(summary, 39)
    bought = purchases.count(summary.customer, 39 * 7, 78 * 7)
    assert forecast.purchases.sum() / bought.sum() == pytest.approx(1, abs=0.05)
    assert forecast.p_purchase.mean() == pytest.approx((bought > 0).mean(), abs=0.01)
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        rows = (forecast.p_purchase > low) & (forecast.p_purchase <= high)
        assert forecast.p_purchase[rows].mean() == pytest.approx((bought[rows] > 0).mean(), abs=0.03)


def test_nothing_after_the_calibration_is_looked_at() -> None:
    purchases = population(TRUTH, 2_000, 60)
    until = 39 * 7
    whole, cut = fit_retention(purchases, 0, until), fit_retention(purchases.before(until), 0, until)
    assert whole.base == cut.base
    assert whole.stack.tolist() == cut.stack.tolist()


def test_where_leaving_follows_another_law_the_chances_are_corrected() -> None:
    """Half the customers buy every five weeks and never leave, the others have left after their first purchases."""
    draw = np.random.default_rng(3)
    who, day = [], []
    for customer in range(2_000):
        start = int(draw.integers(0, 60))
        bought = np.arange(start, 546, 35) if customer % 2 else start + np.arange(0, 25, 6)[: 1 + customer % 5]
        who += [customer] * len(bought)
        day += bought.tolist()
    purchases = PurchaseDays.of(np.array(who), np.array(day))
    model = fit_retention(purchases, 0, 273)
    summary = purchases.summary(273)
    came = purchases.count(summary.customer, 273, 546) > 0
    plain = ((model.base.p_purchase(summary, 39) - came) ** 2).mean()
    forecast = model.predict(summary, 39)
    assert ((forecast.p_purchase - came) ** 2).mean() < 0.8 * plain
    assert (forecast.purchases >= forecast.p_purchase * (1 - 1e-6)).all(), "one purchase at least, where there is any"


POPULATIONS = {
    "everyone bought once": (np.arange(500), np.arange(500) % 60),
    "one customer, once": (np.zeros(1, int), np.zeros(1, int)),
    "one customer, often": (np.zeros(30, int), np.arange(0, 210, 7)),
    "all on the first day": (np.arange(300), np.zeros(300, int)),
    "all on the last day": (np.arange(300), np.full(300, 272)),
    "weekly buyers": (np.repeat(np.arange(100), 39), np.tile(np.arange(0, 273, 7), 100)),
    "daily buyers": (np.repeat(np.arange(20), 273), np.tile(np.arange(273), 20)),
}


@pytest.mark.parametrize("name", POPULATIONS)
def test_populations_that_say_little_give_sound_forecasts(name: str) -> None:
    purchases = PurchaseDays.of(*POPULATIONS[name])
    model = fit_retention(purchases, 0, 273)
    summary = purchases.summary(273)
    forecast = model.predict(summary, 39)
    for values in (forecast.purchases, forecast.p_purchase, forecast.p_active):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert (forecast.p_purchase <= 1).all()
    assert (forecast.p_active <= 1).all()


def test_who_buys_weekly_is_expected_weekly_and_who_never_came_back_is_not() -> None:
    weekly = PurchaseDays.of(*POPULATIONS["weekly buyers"])
    forecast = fit_retention(weekly, 0, 273).predict(weekly.summary(273), 39)
    assert forecast.purchases == pytest.approx(39, rel=0.15)
    assert forecast.p_purchase.min() > 0.95
    once = PurchaseDays.of(*POPULATIONS["everyone bought once"])
    forecast = fit_retention(once, 0, 273).predict(once.summary(273), 39)
    assert forecast.purchases.max() < 0.01


def test_a_forecast_grows_with_the_horizon_from_nothing() -> None:
    purchases = population(TRUTH, 500, 39)
    model = BetaGeometric.fit(purchases.summary(273))
    summary = purchases.summary(273)
    assert model.expected_purchases(summary, 0).max() == pytest.approx(0, abs=1e-9)
    horizons = [model.expected_purchases(summary, weeks) for weeks in (1, 10, 100, 1000)]
    for shorter, longer in pairwise(horizons):
        assert (longer >= shorter).all()


def test_thousands_of_purchases_do_not_overflow() -> None:
    summary = Summary(
        np.arange(4), np.array([0, 5000, 5000, 1]), np.array([0, 700.0, 10.0, 0.1]), np.array([0, 700.0, 700.0, 500.0])
    )
    model = BetaGeometric(0.24, 4.4, 0.79, 2.4)
    assert model.p_active(summary) == pytest.approx([1, 1, 0, 0.01], abs=0.01)
    assert model.expected_purchases(summary, 39)[1] == pytest.approx(5000 / 700 * 39, rel=0.05)
    assert np.isfinite(model.log_likelihood(summary))
