"""How regularly the same is bought again, and when it is due: what all shoppers' gaps say, shrunk towards each one's own.

The days between two purchases of a shopper are lognormal around a median of their own, and after each purchase there is a chance
that no other follows::

    log gap ~ N(m, σ²), m ~ N(μ, τ²)        again ~ Bernoulli(ρ), ρ ~ Beta(a, b)

With n gaps of mean log ȳ and t days without a purchase since the last one, both can be integrated out: given the gaps,
m ~ N((μ/τ² + nȳ/σ²) / (1/τ² + n/σ²), 1 / (1/τ² + n/σ²)) and ρ ~ Beta(a + n, b), so the t days have the chance
1 - ρ̄ F(t), where F is lognormal with the variances of m and of a gap added. The five parameters maximize this marginal likelihood
(empirical Bayes; Carlin and Louis 2000, chapter 3). The open days count as what they are, a gap of at least t or none any more:
without them the short gaps, which are over before the data end, would pass for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.special import betaln, ndtr, ndtri

from retrieval.retention.history import Floats, Ints, PurchaseDays

FEWEST_GAPS: Final = 20
"""Gaps below which a rhythm is not fitted."""
FEWEST_SHOPPERS: Final = 10
"""Shoppers with a gap below which it is not fitted, or it would be the rhythm of those few."""
LEAST_REGULARITY: Final = 1.5
"""A shape of gaps: 1 is chance, at which nothing is ever due."""
_BY_CHANCE: Final = 1 / 12
"""The variance of a gap's share in two gaps when purchases come by chance, for the share is uniform then."""
_ITS_SPREAD: Final = (1 / 180) ** 0.5
"""The standard deviation of (share - 1/2)² then."""
_SURE: Final = 2.33
"""Standard errors: chance alone is taken for a rhythm in one category of a hundred."""
_LEAST_VARIANCE: Final = 1e-4  # a shape of 1,250
_PRIOR: Final = 0.5
"""Weight of the squared distance of each parameter's logarithm from `_USUAL`, in nats for all shoppers together."""
_USUAL: Final = (0.5, 0.5, 1.0, 1.0)  # τ, σ, a, b
_WIDEST: Final = 5.0
_SHORTEST: Final = 0.05  # of τ and σ: a day's rounding alone is as much in a gap of three weeks


@dataclass(frozen=True)
class Gaps:
    """One row for each shopper of a product or category, all (shoppers,).

    `count` gaps in days between purchases, the sum and the sum of squares of their natural logarithms, and the days `open`
    since the last purchase, 0 where that was on the last day that was watched. Purchases on days 0, 30 and 62 of 70 are::

        count 2, logs ln 30 + ln 32, squares ln² 30 + ln² 32, open 7
    """

    count: Ints
    logs: Floats
    squares: Floats
    open: Floats

    @classmethod
    def of(cls, days: PurchaseDays, until: int) -> Self:
        """As they stood on the day before `until`; the rows are the customers of `days` by number, all of whose days are before."""
        first = np.ones(len(days.day), bool)
        first[1:] = days.customer[1:] != days.customer[:-1]
        _, customer = np.unique(days.customer, return_inverse=True)
        last = np.append(first[1:], True)
        logs: Floats = np.log(
            np.where(first, 1, np.diff(days.day, prepend=days.day[:1]))
        )  # (pairs,), 0 where none ends
        return cls(
            np.bincount(customer) - 1,
            np.bincount(customer, logs).astype(np.float64),
            np.bincount(customer, logs**2).astype(np.float64),
            (until - 1 - days.day[last]).astype(np.float64),
        )

    def __len__(self) -> int:
        return len(self.count)


@dataclass(frozen=True)
class Due:
    """When it is due, all (shoppers,) in days after the last purchase: the median, and the bounds of 80 % of all gaps."""

    median: Floats
    early: Floats
    late: Floats


@dataclass(frozen=True)
class Rhythm:
    """The rhythm of all shoppers; `mu`, `tau` and `sigma` are of the natural logarithm of days."""

    mu: float
    tau: float
    sigma: float
    a: float
    b: float

    @classmethod
    def fit(cls, gaps: Gaps) -> Self:
        """The parameters of greatest marginal likelihood.

        Args:
            gaps: at least one of them is over.
        """
        from scipy.optimize import minimize

        middle = float(gaps.logs.sum() / gaps.count.sum())
        usual = np.log(_USUAL)

        def loss(values: Floats) -> float:
            away = values[1:] - usual
            return float(-cls._of(values).log_likelihoods(gaps).sum() + _PRIOR * (away @ away)) / len(gaps)

        begin = np.array([middle, *usual])
        bounds = [
            (middle - _WIDEST, middle + _WIDEST),
            *[(np.log(_SHORTEST), np.log(_WIDEST))] * 2,
            *[(-_WIDEST, _WIDEST)] * 2,
        ]
        found = minimize(loss, begin, method="L-BFGS-B", bounds=bounds)
        return cls._of(found.x)

    @classmethod
    def _of(cls, values: Floats) -> Self:
        return cls(float(values[0]), *np.exp(values[1:]).tolist())

    def log_likelihoods(self, gaps: Gaps) -> Floats:
        """Of each shopper (shoppers,), in nats, with days as the unit of time."""
        n = gaps.count
        noise, own = self.sigma**2, self.tau**2
        mean = gaps.logs / np.maximum(n, 1)
        within = np.maximum(gaps.squares - n * mean**2, 0.0)  # Σ (y - ȳ)²
        spread = noise + n * own
        # Of n values with a common normal mean; Σ y is what turns the density of a logarithm into that of days.
        density = -0.5 * (
            n * np.log(2 * np.pi)
            + (n - 1) * np.log(noise)
            + np.log(spread)
            + within / noise
            + n * (mean - self.mu) ** 2 / spread
        )
        density = np.where(n > 0, density - gaps.logs, 0.0)
        again = betaln(self.a + n, self.b) - betaln(self.a, self.b)
        return np.asarray(density + again + np.log1p(-self.again(gaps) * self._over(gaps, gaps.open)))

    def again(self, gaps: Gaps) -> Floats:
        """The chance (shoppers,) that another purchase followed the last one, as if it had just been made."""
        return np.asarray((self.a + gaps.count) / (self.a + self.b + gaps.count))

    def due(self, gaps: Gaps) -> Due:
        """When the next purchase is due if there is one, counted from the last."""
        center, spread = self._own(gaps)
        far = float(ndtri(0.9)) * spread
        return Due(np.exp(center), np.exp(center - far), np.exp(center + far))

    def p_purchase(self, gaps: Gaps, days: float | Floats) -> Floats:
        """The chance (shoppers,) of a purchase within so many days from now, after the days open."""
        before, after = self._over(gaps, gaps.open), self._over(gaps, gaps.open + days)
        again = self.again(gaps)
        return np.asarray(again * (after - before) / (1 - again * before))

    def p_active(self, gaps: Gaps) -> Floats:
        """The chance (shoppers,) that there is another purchase, after the days open without one."""
        again = self.again(gaps)
        over = self._over(gaps, gaps.open)
        return np.asarray(again * (1 - over) / (1 - again * over))

    def _own(self, gaps: Gaps) -> tuple[Floats, Floats]:
        """Mean and standard deviation (shoppers,) of the logarithm of a shopper's next gap."""
        weight = 1 / self.tau**2 + gaps.count / self.sigma**2
        center = (self.mu / self.tau**2 + gaps.logs / self.sigma**2) / weight
        return np.asarray(center), np.sqrt(1 / weight + self.sigma**2)

    def _over(self, gaps: Gaps, days: Floats) -> Floats:
        """The chance (shoppers,) that a gap is over after so many days."""
        center, spread = self._own(gaps)
        return np.asarray(ndtr((np.log(np.maximum(days, 0.5)) - center) / spread))


def regularity(days: PurchaseDays) -> tuple[float, float]:
    """The shape of the gaps, and by how many standard errors they are more regular than chance.

    Wheat and Morrison (1990), Estimating Purchase Regularity with Two Interpurchase Times, Journal of Marketing Research 27(1): the
    share of the first gap in two has the variance v = 1 / (4 (2k + 1)) if gaps are gamma with the shape k, at whatever rate
    each customer buys and however soon the watching ends. k is 1 for purchases by chance, and large where they are regular.
    All pairs of gaps that share none are taken. The shape is 0 where there are none.
    """
    first = np.ones(len(days.day), bool)
    first[1:] = days.customer[1:] != days.customer[:-1]
    starts = np.flatnonzero(first)
    place = np.arange(len(first)) - np.repeat(starts, np.diff(np.append(starts, len(first))))
    ends = np.flatnonzero((place >= 2) & (place % 2 == 0))  # the third purchase, the fifth, …
    if not len(ends):
        return 0.0, 0.0
    both = (days.day[ends] - days.day[ends - 2]).astype(np.float64)
    share = (days.day[ends - 1] - days.day[ends - 2]) / both
    # Days are whole, and two purchases of a day are one: by chance the first of n days is any of 1 … n - 1, whose variance is
    # (1 - 2/n) / 12.
    room = 1 - 2 / both
    squares = float(((share - 0.5) ** 2).sum())  # the mean is known: neither of two gaps is special
    if not room.any():
        return 0.0, 0.0
    variance = max(squares / float(room.sum()), _LEAST_VARIANCE)
    surely = (_BY_CHANCE * float(room.sum()) - squares) / (_ITS_SPREAD * float(np.sqrt((room**2).sum())))
    return max(0.0, (1 / (4 * variance) - 1) / 2), surely


def is_consumable(days: PurchaseDays) -> bool:
    """Whether the data say that this is used up and bought again: often enough, by enough people, and regularly."""
    counts = np.unique(days.customer, return_counts=True)[1]
    if (counts - 1).sum() < FEWEST_GAPS or (counts > 1).sum() < FEWEST_SHOPPERS:
        return False
    shape, surely = regularity(days)
    return shape >= LEAST_REGULARITY and surely >= _SURE
