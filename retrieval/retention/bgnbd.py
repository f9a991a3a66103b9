"""BG/NBD: purchases at a constant rate of one's own until a purchase after which one stays away for good.

Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model, Marketing Science 24(2).
A customer buys by a Poisson process with rate λ ~ Gamma(r, α) a week, and after each repeat purchase is gone with probability
p ~ Beta(a, b). Equation numbers are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma, expit, gammaln, hyp2f1

from retrieval.retention.history import Floats, Summary

_WIDEST: Final = 8.0
"""The logarithm of each parameter stays within ± this, where the likelihood of a population no longer changes."""
_PRIOR: Final = 0.01
"""Times the squared logarithms of the parameters, in nats for the whole population: it decides where the data do not say
anything (nobody has come back yet), and moves the parameters of a thousand customers in the fifth digit."""
_POLE: Final = 1e-5  # how near a parameter may come to a pole of the expectation's closed form, which is smooth there


@dataclass(frozen=True)
class BetaGeometric:
    """The four parameters of a population; `alpha` is in weeks."""

    r: float
    alpha: float
    a: float
    b: float

    @classmethod
    def fit(cls, summary: Summary, start: Self | None = None) -> Self:
        """The parameters of greatest likelihood; like histories are counted once, so a million customers take seconds.

        Args:
            summary: at least one customer.
            start: parameters to begin at, such as those of an earlier day.
        """
        from scipy.optimize import minimize

        rows = np.column_stack([summary.frequency, summary.recency, summary.age])
        histories, counts = np.unique(rows, axis=0, return_counts=True)  # (histories, 3), (histories,)
        likelihood = _Likelihood(histories, counts)
        begin = np.zeros(4) if start is None else np.log([start.r, start.alpha, start.a, start.b])
        found = minimize(
            likelihood,
            begin,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-_WIDEST, _WIDEST)] * 4,
            options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 1000},
        )
        return cls(*np.exp(found.x).tolist())

    def log_likelihood(self, summary: Summary) -> float:
        """Of all customers together, in nats (equation 6)."""
        rows = np.column_stack([summary.frequency, summary.recency, summary.age])
        value, _ = _Likelihood(rows, np.ones(len(rows))).nats(np.array([self.r, self.alpha, self.a, self.b]))
        return float(value)

    def p_active(self, summary: Summary) -> Floats:
        """The probability (customers,) that one has not left for good; 1 for whoever has bought once, by the model's design."""
        alive, gone = self._log_shares(summary)
        active: Floats = expit(alive - gone)
        return active

    def p_purchase(self, summary: Summary, weeks: float) -> Floats:
        """The probability (customers,) of at least one purchase within so many weeks from now.

        While one is active the rate is Gamma(r + x, α + T), so the time to the next purchase is Lomax (Pareto II).
        """
        away = (self.r + summary.frequency) * np.log1p(weeks / (self.alpha + summary.age))
        return np.asarray(self.p_active(summary) * -np.expm1(-away))

    def expected_purchases(self, summary: Summary, weeks: float) -> Floats:
        """Purchases (customers,) that are expected within so many weeks from now (equation 10).

        Euler's transformation takes the power out of the hypergeometric function, which overflows otherwise at some hundred
        purchases: (1-z)^(r+x) F(r+x, b+x; a+b+x-1; z) = (1-z)^(a-1) F(a+b-1-r, a-1; a+b+x-1; z).
        """
        a = _off(self.a, 1)
        total = a + self.b + summary.frequency - 1
        total = np.where(np.abs(total) < _POLE, _POLE, total)
        z = weeks / (self.alpha + summary.age + weeks)
        decay = np.exp((a - 1) * np.log1p(-z)) * hyp2f1(a + self.b - 1 - self.r, a - 1, total, z)
        return np.asarray(self.p_active(summary) * np.maximum(0, total / (a - 1) * (1 - decay)))

    def _log_shares(self, summary: Summary) -> tuple[Floats, Floats]:
        """Logarithms, up to the same constant, of "active still" and "gone after the last purchase"."""
        x = summary.frequency
        alive = np.log(self.b + np.maximum(x, 1) - 1) - (self.r + x) * np.log(self.alpha + summary.age)
        gone = np.log(self.a) - (self.r + x) * np.log(self.alpha + summary.recency)
        return alive, np.where(x > 0, gone, -np.inf)


class _Likelihood:
    """The negative log-likelihood a customer, and its slope, in the logarithms of the parameters.

    Args:
        histories: (histories, 3) frequency, recency and age.
        counts: (histories,) customers of each.
    """

    def __init__(self, histories: NDArray[np.floating], counts: NDArray[np.number]) -> None:
        x, self._recency, self._age = histories.T
        self._x, self._counts = x, counts
        self._distinct, self._place = np.unique(x, return_inverse=True)  # gamma functions are slow, and few x differ
        self._repeat = x > 0

    def __call__(self, logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        value, slope = self.nats(parameters)
        total = self._counts.sum()
        return (_PRIOR * logs @ logs - value) / total, (2 * _PRIOR * logs - slope * parameters) / total

    def nats(self, parameters: Floats) -> tuple[float, Floats]:
        """The log-likelihood of all and its slope (4,) in r, α, a, b."""
        r, alpha, a, b = parameters
        k = self._distinct  # (distinct,)
        before = np.maximum(k, 1) - 1
        bought = gammaln(r + k) - gammaln(r) + r * np.log(alpha)
        stayed = betaln(a, b + k) - betaln(a, b)
        left = betaln(a + 1, b + before) - betaln(a, b)
        log_age, log_recency = np.log(alpha + self._age), np.log(alpha + self._recency)
        power = r + self._x
        alive = stayed[self._place] - power * log_age  # (histories,)
        gone = np.where(self._repeat, left[self._place] - power * log_recency, -np.inf)
        value = bought[self._place] + np.logaddexp(alive, gone)
        active = expit(alive - gone)
        away = 1 - active
        rise = digamma(a + b) - digamma(a + b + k)
        slope_r = (digamma(r + k) - digamma(r) + np.log(alpha))[self._place] - active * log_age - away * log_recency
        slope_alpha = r / alpha - power * (active / (alpha + self._age) + away / (alpha + self._recency))
        slope_a = rise[self._place] + away / a
        kept, lost = digamma(b + k) - digamma(b), digamma(b + before) - digamma(b)
        slope_b = rise[self._place] + active * kept[self._place] + away * lost[self._place]
        slopes = np.stack([slope_r, slope_alpha, slope_a, slope_b])  # (4, histories)
        return float(self._counts @ value), slopes @ self._counts


def _off(value: float, pole: float) -> float:
    return pole + _POLE if abs(value - pole) < _POLE else value
