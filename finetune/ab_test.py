"""The statistics of an experiment whose unit is the user: sample ratio, differences with CUPED, several arms, sample sizes.

With outcomes y, the same user's activity before the experiment x, and the arms t and c::

    plain    mean(y_t) - mean(y_c)
    CUPED    mean(y_t) - mean(y_c) - θ·(mean(x_t) - mean(x_c))     θ = Σ within arms of cov(y, x) / Σ within arms of var(x)

CUPED (Deng, Xu, Kohavi, Walker 2013) stays unbiased, for a lot deals x to the arms alike, and loses the part of the variance that x
explains. Intervals are those of Welch (1947), for arms of any sizes and variances. Several arms against one control are one family,
whose p values are corrected by Holm (1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, chdtrc, nctdtr, ndtri, stdtr, stdtrit

from finetune.off_policy import Floats, Interval

LEVEL = 0.95
ALPHA = 1 - LEVEL
POWER = 0.8
CAP = 0.99
"""The quantile of the positive values above which a value counts as that much."""
_FEWEST_EXPECTED = 5.0  # below it the chi-square distribution is no approximation (Cochran 1954)
_LARGE = 10**7  # users from which on t and normal distribution are one


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm against the control.

    Attributes:
        difference: with CUPED; what the verdict goes by.
        plain: without.
        p_value: of no difference, two-sided, with CUPED; None where it cannot be told.
        variance_reduction: the share of the variance that CUPED took away, 0 where x says nothing; below 0 by chance.
    """

    difference: Interval
    plain: Interval
    p_value: float | None
    variance_reduction: float


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> float | None:
    """The chance of counts as far from the shares as these (Fabijan et al. 2019), two-sided; None where they are too few to tell.

    Exact (binomial, twice the smaller tail) for two arms, Pearson's chi-square for more.

    Args:
        counts: users by arm.
        shares: what each arm was to get, summing to 1.
    """
    total = sum(counts)
    if not total:
        return None
    if len(counts) == 2:
        first, share = counts[0], shares[0] / sum(shares)
        below, above = float(bdtr(first, total, share)), 1 - float(bdtr(first - 1, total, share)) if first else 1.0
        return min(1.0, 2 * min(below, above))
    expected = total * np.array(shares) / sum(shares)
    if expected.min() < _FEWEST_EXPECTED:
        return None
    return float(chdtrc(len(counts) - 1, float(((counts - expected) ** 2 / expected).sum())))


def compare(treated: Floats, control: Floats, treated_before: Floats, control_before: Floats) -> Comparison:
    """The difference of two arms' means; all arrays are (users of the arm,).

    Raises:
        ValueError: an arm is empty, or outcomes and activity before are not of the same users.
    """
    if not len(treated) or not len(control):
        raise ValueError("both arms need a user")
    if len(treated) != len(treated_before) or len(control) != len(control_before):
        raise ValueError("as many values before as after are needed")
    plain, spread, _ = _welch(treated, control)
    theta = _slope((treated, control), (treated_before, control_before))
    adjusted, adjusted_spread, p_value = _welch(treated - theta * treated_before, control - theta * control_before)
    reduction = 1 - (adjusted_spread / spread) ** 2 if spread > 0 else 0.0
    return Comparison(adjusted, plain, p_value, reduction)


def winsorized(values: Floats) -> tuple[Floats, float | None, int]:
    """Values (users,) cut at the quantile `CAP` of the positive ones, the cut, and how many it touched.

    One order of a wholesaler may weigh more than all others, and neither a lot nor a mean evens that out. The cut is the same for
    all arms and does not know them. Of two positive values or more the largest is cut where it stands out.
    """
    positive = values[values > 0]
    if len(positive) < 2:
        return values, None, 0
    cap = float(np.quantile(positive, CAP, method="lower"))
    cut: Floats = np.clip(values, -cap, cap)
    return cut, cap, int((cut != values).sum())


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p values of one family, corrected, in their own order; None counts as 1 and stays None."""
    known = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(p_values) - rank)))
        corrected[place] = highest
    return corrected


def users_for_rate(rate: float, lift: float, alpha: float = ALPHA, power: float = POWER) -> int:
    """Users an arm needs so that a rate that is `lift` times itself higher is found, two-sided (Fleiss, Levin, Paik 2003, 4.3).

    `users_for_rate(0.5, 0.5, power=0.9)` is 77, as R's `power.prop.test(p1 = .50, p2 = .75, power = .90)` says.

    Raises:
        ValueError: rate or lift are not possible.
    """
    other = rate * (1 + lift)
    if not 0 < rate < 1 or not 0 < other < 1 or not lift:
        raise ValueError(f"a rate of {rate:g} that changes by {lift:+.0%} is not between 0 and 1")
    mean = (rate + other) / 2
    under_none = _normal(1 - alpha / 2) * math.sqrt(2 * mean * (1 - mean))
    under_lift = _normal(power) * math.sqrt(rate * (1 - rate) + other * (1 - other))
    return math.ceil(((under_none + under_lift) / (rate - other)) ** 2)


def users_for_mean(difference: float, deviation: float, alpha: float = ALPHA, power: float = POWER) -> int:
    """Users an arm needs so that a difference of two means is found by a two-sided t test; `deviation` is that of one user.

    `users_for_mean(1, 1, power=0.9)` is 23, as R's `power.t.test(power = .90, delta = 1)` says (22.02).

    Raises:
        ValueError: the difference is 0, or the deviation not above 0.
    """
    effect = abs(difference) / deviation if deviation > 0 else math.nan
    if not effect > 0 or not math.isfinite(effect):
        raise ValueError("a difference other than 0 and a deviation above 0 are needed")
    normal = 2 * ((_normal(1 - alpha / 2) + _normal(power)) / effect) ** 2
    if normal > _LARGE:
        return math.ceil(normal)
    low, high = 2, math.ceil(normal) + 10
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _t_power(middle, effect, alpha) >= power else (middle + 1, high)
    return low


def _t_power(users: int, effect: float, alpha: float) -> float:
    """The power of a t test of two arms of so many users; the chance to find the wrong sign counts, as it does everywhere."""
    degrees, shift = 2 * (users - 1), effect * math.sqrt(users / 2)
    limit = float(stdtrit(degrees, 1 - alpha / 2))
    return float(1 - nctdtr(degrees, shift, limit) + nctdtr(degrees, shift, -limit))


def _normal(chance: float) -> float:
    """The quantile of the normal distribution."""
    return float(ndtri(chance))


def _slope(outcomes: Sequence[Floats], before: Sequence[Floats]) -> float:
    """θ, from deviations within the arms, so that no effect of the arm leaks into it; 0 where nothing varies before."""
    pairs = [(y - y.mean(), x - x.mean()) for y, x in zip(outcomes, before, strict=True)]
    square = sum(float(x @ x) for _, x in pairs)
    return sum(float(y @ x) for y, x in pairs) / square if square > 0 else 0.0


def _welch(treated: Floats, control: Floats) -> tuple[Interval, float, float | None]:
    """The difference of means with its interval, its standard error, and the p value of no difference."""
    value = float(treated.mean() - control.mean())
    if len(treated) < 2 or len(control) < 2:
        return Interval(value, None, None), 0.0, None
    parts = [float(each.var(ddof=1)) / len(each) for each in (treated, control)]
    error = math.sqrt(sum(parts))
    if error <= 1e-12 * (abs(float(treated.mean())) + abs(float(control.mean()))):
        return Interval(value, None, None), 0.0, None
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(each) - 1) for part, each in zip(parts, (treated, control), strict=True)
    )
    reach = float(stdtrit(degrees, 1 - ALPHA / 2)) * error
    return Interval(value, value - reach, value + reach), error, float(2 * stdtr(degrees, -abs(value) / error))
