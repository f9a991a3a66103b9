"""What is expected of each customer, corrected by what the model got wrong in the past.

BG/NBD is fitted again as it would have been on earlier days, and each of these fits is compared with the purchases from its day to
now. From these backtests, which see no day after the last known one, a logistic regression learns how the chance of a purchase
follows from the model's, from frequency and from recency (stacking, Wolpert 1992). It is kept only where it wins on a split inside
the known days by more than a standard error (Breiman et al. 1984).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, logit

from retrieval.retention.bgnbd import BetaGeometric
from retrieval.retention.history import DAYS_A_WEEK, Floats, PurchaseDays, Summary

BACKTESTS: Final = 8
"""Earlier days on which the model is fitted again."""
_FIRST, _LAST = 0.5, 0.9
"""Shares of the known days that the first and the last backtest see: before, a model knows too little to be like that of today."""
_SPLIT: Final = 2 / 3
"""Share of the known days from which the correction is learnt that has to win on the others."""
_SHORTEST: Final = 8 * DAYS_A_WEEK
"""Days, below which nothing is corrected: half of them is too little to fit a model."""
_SAMPLE: Final = 50_000
"""Customers in the backtests, drawn where there are more: enough for five coefficients."""
_RIDGE: Final = 1.0
"""Weight of a squared coefficient, in nats for all customers together: with few of them the model stays as it is."""
_FEATURES: Final = 4
_EDGE: Final = 1e-6


@dataclass(frozen=True)
class Forecast:
    """What is expected of each customer within the horizon, all (customers,).

    `purchases` are days with a purchase, `p_purchase` is the chance of at least one, `p_active` that the customer has not left.
    """

    purchases: Floats
    p_purchase: Floats
    p_active: Floats


@dataclass(frozen=True)
class RetentionModel:
    """BG/NBD, and the coefficients `stack` (4,) of `_features` by which the log-odds of a purchase depart from it."""

    base: BetaGeometric
    stack: Floats

    def predict(self, summary: Summary, weeks: float) -> Forecast:
        """What is expected within so many weeks of customers as they stand.

        The purchases of whoever buys at all stay those of BG/NBD, so what is expected follows the chance. Without that a chance
        could be larger than the purchases expected, which nothing that is counted can be.
        """
        plain = self.base.p_purchase(summary, weeks)
        likely = np.clip(plain, _EDGE, 1 - _EDGE)
        ratio = expit(logit(likely) + _features(summary) @ self.stack) / likely
        purchases = self.base.expected_purchases(summary, weeks) * ratio
        return Forecast(purchases, np.minimum(plain * ratio, 1), self.base.p_active(summary))


def fit_retention(purchases: PurchaseDays, start: int, until: int) -> RetentionModel:
    """Fits on what was bought from day `start` to before day `until`, and on nothing else; corrected where that has proved itself.

    Args:
        purchases: at least one of them is within these days.
        start: the first day.
        until: the day after the last.
    """
    known = purchases.before(until)
    base = BetaGeometric.fit(known.summary(until))
    plain = RetentionModel(base, np.zeros(_FEATURES))
    split = start + round(_SPLIT * (until - start))
    earlier = known.before(split)
    if split - start < _SHORTEST or not len(earlier.day):
        return plain
    rehearsal = _Backtest.of(known, split, until, base)
    gains = rehearsal.losses(plain.stack) - rehearsal.losses(corrected(earlier, start, split, base).stack)
    if gains.sum() <= gains.std() * np.sqrt(len(gains)):
        return plain
    return corrected(known, start, until, base)


def corrected(known: PurchaseDays, start: int, until: int, base: BetaGeometric) -> RetentionModel:
    """The model `base` with the correction that all backtests between the days ask for; `known` ends before `until`."""
    return RetentionModel(base, _stack(_backtests(known, start, until, base)))


@dataclass(frozen=True)
class _Backtest:
    """Customers as they stood on an earlier day: `features` (customers, 4), the model's log-odds, and whether they came back."""

    features: Floats
    odds: Floats
    came: Floats

    @classmethod
    def of(cls, known: PurchaseDays, day: int, until: int, start: BetaGeometric) -> _Backtest:
        """The fit as of `day`, which begins at the parameters `start`, beside the purchases from then to before `until`."""
        summary = _drawn(known.summary(day))
        chance = BetaGeometric.fit(summary, start).p_purchase(summary, (until - day) / DAYS_A_WEEK)
        came = known.count(summary.customer, day, until) > 0
        return cls(_features(summary), _log_odds(chance), came.astype(np.float64))

    def losses(self, stack: Floats) -> Floats:
        """The negative log-likelihood of coming back or not, in nats, of each customer (customers,)."""
        odds = self.odds + self.features @ stack
        return np.logaddexp(0, odds) - self.came * odds


def _backtests(known: PurchaseDays, start: int, until: int, base: BetaGeometric) -> list[_Backtest]:
    """Backtests on days in the second half of those known; days before the first purchase have none."""
    days = [start + round(share * (until - start)) for share in np.linspace(_FIRST, _LAST, BACKTESTS)]
    return [_Backtest.of(known, day, until, base) for day in days if day > known.day.min()]


def _stack(tests: list[_Backtest]) -> Floats:
    """The coefficients of least log loss over all backtests, with a ridge towards 0.

    A customer counts once, however many backtests know them.
    """
    from scipy.optimize import minimize

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        value, slope = _RIDGE * float(coefficients @ coefficients), 2 * _RIDGE * coefficients
        for test in tests:
            value += float(test.losses(coefficients).sum()) / len(tests)
            chances = expit(test.odds + test.features @ coefficients)
            slope += test.features.T @ (chances - test.came) / len(tests)
        return value, slope

    found = minimize(loss, np.zeros(_FEATURES), jac=True, method="L-BFGS-B")
    return np.asarray(found.x)


def _drawn(summary: Summary) -> Summary:
    """At most `_SAMPLE` of the customers, by a fixed seed."""
    if len(summary) <= _SAMPLE:
        return summary
    rows = np.sort(np.random.default_rng(0).choice(len(summary), _SAMPLE, replace=False))
    return Summary(summary.customer[rows], summary.frequency[rows], summary.recency[rows], summary.age[rows])


def _log_odds(chances: Floats) -> Floats:
    return np.asarray(logit(np.clip(chances, _EDGE, 1 - _EDGE)))


def _features(summary: Summary) -> Floats:
    """(customers, 4): one, log of frequency, share of the time since the last purchase, whether there was a repeat."""
    x = summary.frequency
    gap = np.where(summary.age > 0, 1 - summary.recency / np.maximum(summary.age, _EDGE), 0.0)
    return np.column_stack([np.ones(len(x)), np.log1p(x), gap, x > 0])
