"""The peers of the retention forecast: as published, and right on data whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.pareto_nbd import ParetoNBD
from benchmarks.retention import lately, mean_rate
from finetune.transactions import read_transactions
from retrieval.retention import PurchaseDays, Summary

CDNOW = Path(__file__).parents[3] / "shared" / "data" / "cdnow_sample" / "transactions.csv.gz"


@pytest.mark.skipif(not CDNOW.is_file(), reason="../shared/data/cdnow_sample is missing")
def test_pareto_nbd_has_its_published_likelihood_and_fit() -> None:
    summary = read_transactions(CDNOW).purchases.summary(39 * 7)
    published = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
    assert published.log_likelihoods(summary).sum() == pytest.approx(-9594.98, abs=0.01)
    fitted = ParetoNBD.fit(summary)  # its prior on s moves the others by less than their error
    assert fitted.r == pytest.approx(published.r, rel=0.02)
    assert fitted.s == pytest.approx(published.s, rel=0.1)


def test_pareto_nbd_agrees_with_a_simulation() -> None:
    draw, customers = np.random.default_rng(0), 400_000
    model = ParetoNBD(r=0.8, alpha=6.0, s=0.9, beta=15.0)
    rates = draw.gamma(model.r, 1 / model.alpha, customers)
    lives = draw.exponential(1 / draw.gamma(model.s, 1 / model.beta, customers))
    before = draw.poisson(rates * np.minimum(lives, 20))
    ahead = draw.poisson(rates * np.clip(lives - 20, 0, 30))
    never = before == 0
    new = Summary(np.array([0]), np.array([0]), np.array([0.0]), np.array([20.0]))
    assert model.p_active(new)[0] == pytest.approx((lives[never] > 20).mean(), abs=0.005)
    assert model.expected_purchases(new, 30)[0] == pytest.approx(ahead[never].mean(), rel=0.02)
    assert model.p_purchase(new, 30)[0] == pytest.approx((ahead[never] > 0).mean(), abs=0.005)


def test_baselines_find_who_buys_weekly_and_who_has_left() -> None:
    weekly, left = np.arange(0, 280, 7), np.arange(0, 56, 7)
    who = np.concatenate([np.repeat(np.arange(50), len(weekly)), np.repeat(np.arange(50, 100), len(left))])
    purchases = PurchaseDays.of(who, np.concatenate([np.tile(weekly, 50), np.tile(left, 50)]))
    summary = purchases.summary(280)
    forecast = lately(purchases, 280, summary, 20)
    assert forecast.purchases.tolist() == pytest.approx([20] * 50 + [0] * 50)
    assert forecast.p_purchase.tolist() == [1] * 50 + [0] * 50
    mean = mean_rate(purchases, 280, summary, 20)
    assert mean.purchases == pytest.approx(20 * (39 + 7) / 2 / ((280 - 1) / 7))
