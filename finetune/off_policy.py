"""What another order of the same cards would have earned, estimated from slates whose order was partly drawn by lot.

A card shown at place k with propensity p earned the reward r. A policy that puts it there with chance π weights it by w = π / p;
sums over the cards of a slate, means over slates::

    IPS    Σ w·r                                          unbiased, wide where weights are large
    SNIPS  Σ w·r · Σ 1 / Σ w                              as many cards as were shown instead of as many as the weights say
    DR     Σ [ Σₖ π(k)·q(card, k) + w·(r - q(card, place)) ]   q foretells the reward; what it gets wrong the weights mend

This is the item-position model (Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay, Wen 2018, "Offline evaluation of ranking policies
with click models"): what a card earns may depend on shopper, card and place, but not on which cards stand at the other places.
SNIPS is of Swaminathan and Joachims (2015), DR of Dudík, Langford and Li (2011), its q fitted on other users than it is asked about
(Chernozhukov et al. 2018). Intervals are studentized bootstraps over users (Efron 1982; Davison and Hinkley 1997, 5.2), for the
slates of one person are alike: plain percentiles cover too little where few cards carry much weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ESTIMATORS = ("ips", "snips", "dr")
REPLICATES = 1_000
LEVEL = 0.95

FEWEST_USERS = 50
"""Fewer users than these, counted by (Σ slates)² / Σ slates², are too few to resample."""
FEWEST_CARDS = 500
"""The least effective sample size, (Σ w)² / Σ w², in cards: with 112 of them 84 to 88 % of the 95 % intervals hold the truth."""
FEWEST_REWARDED = 50
"""The least effective number of rewards, (Σ w·|r|)² / Σ (w·r)²: of a handful of sales the bootstrap draws always the same."""
LARGEST_SHARE = 0.05
"""The largest part that one card's weight may have in the sum of all."""
FARTHEST = 4.0
"""Standard errors by which the mean weight may miss 1, which it is where the propensities are right and the policy has support."""

_FOLDS = 5
_RIDGE = 1.0
_CELLS = 2_000_000  # of the bootstrap's counts that are held at a time
_A, _W, _D, _CARDS, _SLATES, _REWARD = range(6)  # columns of a user's sums


@dataclass(frozen=True)
class Slates:
    """Slates as arrays over cards, slate by slate; only cards that could have stood elsewhere.

    Attributes:
        slate: (cards,) number of the slate, from 0 on, none left out.
        user: (slates,) number of who saw it, from 0 on.
        place: (cards,) where the card was shown, from 0 on.
        propensity: (cards,) with which chance it was shown there, above 0, at most 1.
        reward: (cards,) what followed.
        features: (cards, features) what the reward may depend on beside the place, of size about 1.

    Raises:
        ValueError: the arrays do not fit together, or a propensity or reward is not possible.
    """

    slate: Ints
    user: Ints
    place: Ints
    propensity: Floats
    reward: Floats
    features: Floats

    def __post_init__(self) -> None:
        cards = len(self.slate)
        if not cards or any(len(each) != cards for each in (self.place, self.propensity, self.reward, self.features)):
            raise ValueError("slates need as many places, propensities, rewards and features as cards, and a card")
        if len(self.user) != self.slate.max() + 1 or (self.place < 0).any():
            raise ValueError("a slate without a user, or a place below 0")
        if not ((self.propensity > 0) & (self.propensity <= 1)).all() or not np.isfinite(self.reward).all():
            raise ValueError("a propensity outside 0 to 1, or a reward that is no number")

    @property
    def places(self) -> int:
        """How many places there are."""
        return int(self.place.max()) + 1

    def in_order(self, place: Ints) -> Floats:
        """The policy (cards, places) that puts each card at its `place` (cards,)."""
        policy: Floats = np.where(place[:, None] == np.arange(self.places), 1.0, 0.0)
        return policy

    def at_random(self) -> Floats:
        """The policy (cards, places) that draws the order of a slate's cards by lot."""
        size = np.bincount(self.slate)[self.slate]  # (cards,)
        return np.where(np.arange(self.places) < size[:, None], 1.0 / size[:, None], 0.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval, None where they cannot be told."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def holds_zero(self) -> bool:
        """True too where there is no interval."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a policy would have earned.

    Attributes:
        values: by estimator, the reward a slate.
        differences: by estimator, that less what was earned.
        effective_cards: (Σ w)² / Σ w².
        max_weight: the largest weight.
        mean_weight: about 1 where the propensities are right and every place of the policy was possible.
        reasons: why nothing can be concluded, empty where something can.
    """

    values: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    effective_cards: float
    max_weight: float
    mean_weight: float
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`better` or `worse` than what was shown, by DR, or `inconclusive`."""
        if self.reasons:
            return "inconclusive"
        return "better" if (self.differences["dr"].value or 0.0) > 0 else "worse"


def effective_users(slates: Slates) -> float:
    """How many users of equal traffic would make as sure: (Σ slates)² / Σ slates²."""
    return _effective(np.bincount(slates.user).astype(np.float64))


def _effective(weight: Floats) -> float:
    """(Σ w)² / Σ w² of weights from 0 on, 0 where all are 0 (Kish 1965)."""
    square = float((weight**2).sum())
    return float(weight.sum()) ** 2 / square if square else 0.0


def evaluate(
    slates: Slates, policies: Mapping[str, Floats], seed: int = 0, replicates: int = REPLICATES
) -> tuple[Interval, dict[str, Estimate]]:
    """What was earned a slate, and what each policy would have earned.

    Args:
        slates: the log.
        policies: by name, (cards, places) with which chance the policy shows each card at each place.
        seed: of folds and bootstrap.
        replicates: of the bootstrap.
    """
    draw = np.random.default_rng(seed)
    expected = foretold(slates, draw)  # (cards, places)
    tables = {name: _sums(slates, policy, expected) for name, policy in policies.items()}
    found = _bootstrap(list(tables.values()) or [_sums(slates, slates.at_random(), expected)], draw, replicates)
    users = effective_users(slates)
    estimates = {}
    for (name, policy), intervals in zip(policies.items(), found, strict=False):
        weight = _weights(slates, policy)
        differences = dict(zip(ESTIMATORS, intervals[len(ESTIMATORS) + 1 :], strict=True))
        estimates[name] = Estimate(
            values=dict(zip(ESTIMATORS, intervals[: len(ESTIMATORS)], strict=True)),
            differences=differences,
            effective_cards=_effective(weight),
            max_weight=float(weight.max()),
            mean_weight=float(weight.mean()),
            reasons=tuple(_reasons(slates, weight, users, tables[name], differences)),
        )
    return found[0][len(ESTIMATORS)], estimates


def _weights(slates: Slates, policy: Floats) -> Floats:
    """π / p at the place where each card was shown, (cards,)."""
    chance: Floats = np.take_along_axis(policy, slates.place[:, None], axis=1)[:, 0]
    return chance / slates.propensity


def foretold(slates: Slates, draw: np.random.Generator) -> Floats:
    """The reward of each card at each place, (cards, places), by ridge regressions that have not seen its user.

    A card's reward is α(place) + β·features + γ·features / log₂(place + 2): what is looked at less earns less.
    """
    count, width = slates.places, slates.features.shape[1]
    looked = 1 / np.log2(np.arange(count) + 2)  # (places,)
    shown = np.zeros((len(slates.slate), count))
    np.put_along_axis(shown, slates.place[:, None], 1.0, axis=1)
    known = np.hstack([shown, slates.features, slates.features * looked[slates.place][:, None]])
    user = slates.user[slates.slate]
    fold = draw.permutation(np.arange(int(slates.user.max()) + 1) % _FOLDS)[user]
    parts = [known[fold == each] for each in range(_FOLDS)]
    grams = [part.T @ part for part in parts]
    moments = [part.T @ slates.reward[fold == each] for each, part in enumerate(parts)]
    rewards = np.empty((len(slates.slate), count))
    for each in range(_FOLDS):
        others = [other for other in range(_FOLDS) if other != each]
        gram = np.sum([grams[other] for other in others], axis=0) + _RIDGE * np.eye(count + 2 * width)
        weights = np.linalg.solve(gram, np.sum([moments[other] for other in others], axis=0))
        own = slates.features[fold == each]
        level, slope = own @ weights[count : count + width], own @ weights[count + width :]
        rewards[fold == each] = weights[:count] + level[:, None] + slope[:, None] * looked
    return rewards


def _sums(slates: Slates, policy: Floats, expected: Floats) -> Floats:
    """A row for each user, (users, 6): Σ w·r, Σ w, Σ of DR's terms, cards, slates, Σ r."""
    weight = _weights(slates, policy)
    here: Floats = np.take_along_axis(expected, slates.place[:, None], axis=1)[:, 0]
    robust = (policy * expected).sum(axis=1) + weight * (slates.reward - here)
    user = slates.user[slates.slate]
    count = int(slates.user.max()) + 1
    cards = [weight * slates.reward, weight, robust, np.ones(len(user)), None, slates.reward]
    columns = [np.bincount(slates.user if each is None else user, each, count) for each in cards]
    return np.column_stack(columns).astype(np.float64)


def _values(sums: Floats) -> tuple[Floats, Floats]:
    """Of sums over users (…, 6): IPS, SNIPS, DR, what was earned, and the three less that, (…, 7); their gradients (…, 7, 6)."""
    values = np.zeros((*sums.shape[:-1], 7))
    slopes = np.zeros((*sums.shape[:-1], 7, 6))
    slates, weight, cards = sums[..., _SLATES], sums[..., _W], sums[..., _CARDS]
    with np.errstate(divide="ignore", invalid="ignore"):
        for place, top in enumerate((_A, _A, _D, _REWARD)):
            factor = 1 / slates * (cards / weight if place == 1 else 1.0)
            values[..., place] = sums[..., top] * factor
            slopes[..., place, top] = factor
            slopes[..., place, _SLATES] = -values[..., place] / slates
        slopes[..., 1, _W] = -values[..., 1] / weight
        slopes[..., 1, _CARDS] = values[..., 1] / cards
    values[..., 4:] = values[..., :3] - values[..., 3:4]
    slopes[..., 4:, :] = slopes[..., :3, :] - slopes[..., 3:4, :]
    return values, slopes


def _errors(slopes: Floats, squares: Floats) -> Floats:
    """Standard errors (…, 7) by linearization; `squares` (…, 6, 6) are Σ x·xᵀ over users.

    The values do not change when all sums are scaled, so slope · sums is 0 and nothing needs to be centered.
    """
    with np.errstate(invalid="ignore"):
        variance = np.einsum("...ei,...ij,...ej->...e", slopes, squares, slopes, optimize=True)
        errors: Floats = np.sqrt(np.maximum(variance, 0.0))
    return errors


def _bootstrap(tables: Sequence[Floats], draw: np.random.Generator, replicates: int) -> list[list[Interval]]:
    """For each table of users' sums (users, 6) the intervals of `_values`, all from the same draws of users."""
    users = len(tables[0])
    outer = [np.einsum("ui,uj->uij", table, table).reshape(users, 36) for table in tables]
    ratios: list[list[Floats]] = [[] for _ in tables]
    centers = [_values(table.sum(axis=0)) for table in tables]
    step = max(1, _CELLS // users)
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        counts = draw.multinomial(users, np.full(users, 1 / users), size=size).astype(np.float64)  # (size, users)
        for number, table in enumerate(tables):
            values, slopes = _values(counts @ table)
            errors = _errors(slopes, (counts @ outer[number]).reshape(size, 6, 6))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios[number].append((values - centers[number][0]) / errors)
    found = []
    for number, (value, slope) in enumerate(centers):
        error = _errors(slope, outer[number].sum(axis=0).reshape(6, 6))
        drawn = np.vstack(ratios[number])  # (replicates, 7)
        found.append([_interval(value[each], error[each], drawn[:, each]) for each in range(len(value))])
    return found


def _interval(value: Any, error: Any, ratios: Floats) -> Interval:
    usable = ratios[np.isfinite(ratios)]
    if not np.isfinite(value) or not error > 0 or len(usable) < len(ratios) / 2:
        return Interval(float(value) if np.isfinite(value) else None, None, None)
    low, high = np.quantile(usable, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(value - high * error), float(value - low * error))


def _reasons(
    slates: Slates, weight: Floats, users: float, sums: Floats, differences: Mapping[str, Interval]
) -> list[str]:
    """Why nothing can be concluded, the worst first."""
    found = []
    total, size = float(weight.sum()), _effective(weight)
    count = len(weight)
    if not total:
        return ["no overlap: the order that it gives was never shown"]
    if users < FEWEST_USERS:
        found.append(f"too few users: their traffic is worth that of {users:.1f}, {FEWEST_USERS} are needed")
    mean = total / count
    spread = FARTHEST * float(np.sqrt(((sums[:, _W] - mean * sums[:, _CARDS]) ** 2).sum())) / count
    if abs(mean - 1) > spread and users >= FEWEST_USERS:
        found.append(f"no overlap or wrong propensities: the weights average {mean:.3f}, not 1 within {spread:.3f}")
    if size < FEWEST_CARDS:
        found.append(f"too small a sample: worth {size:.0f} cards, {FEWEST_CARDS} are needed")
    if weight.max() > LARGEST_SHARE * total:
        found.append(
            f"too large a weight: one card has {weight.max() / total:.0%} of all, at most {LARGEST_SHARE:.0%} may be"
        )
    rewarded = _effective(weight * np.abs(slates.reward))
    if rewarded < FEWEST_REWARDED:
        found.append(f"too few rewards: worth those of {rewarded:.0f} cards, {FEWEST_REWARDED} are needed")
    if differences["dr"].holds_zero:
        found.append("the interval of the difference holds zero")
    elif len({(differences[each].value or 0.0) > 0 for each in ESTIMATORS}) > 1:
        found.append("the estimators disagree about who is better")
    return found
