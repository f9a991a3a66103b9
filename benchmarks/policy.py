"""How often the intervals of `evaluate policy` hold the true value, on logs whose true values are known.

    python -m benchmarks.policy --logs 500

Shoppers of different tastes and diligence look at slates of four to six cards; the shop orders by taste and now and then by lot, as
`[exploration]` does. What a card earns depends on shopper, card and place. The truth is the mean of the expected rewards over many
more shoppers than are in a log. Beside the three estimators stand the two mistakes that they are there to avoid: the direct method,
which believes its reward model, and DR whose bootstrap takes every slate for that of another user.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from finetune.off_policy import ESTIMATORS, Floats, Interval, Ints, Slates, evaluate, foretold

KINDS = ("value", "difference")
DIRECT, BY_SLATE = "direct method", "dr, bootstrap by slate"
POLICIES = ("ranked", "relevance", "random")
PLACES = 6
_LOOKED = np.array([1.0, 0.62, 0.45, 0.36, 0.3, 0.27])  # how often a place is looked at
_CART, _BOUGHT = 3.0, 6.0


@dataclass(frozen=True)
class MadeUp:
    """A log, the policies that its slates allow, and the expected reward of each card at each place, (cards, places)."""

    slates: Slates
    policies: dict[str, Floats]
    expected: Floats

    def earned(self, policy: str) -> float:
        """The expected reward of all slates under the policy, with these shoppers and cards."""
        return float((self.policies[policy] * self.expected).sum())


def made_up(users: int, share: float, seed: int) -> MadeUp:
    """A log of so many shoppers whose slates are drawn by lot with the chance `share`.

    Diligent shoppers see more slates and click more, so that the slates of one person are far from independent.
    """
    draw = np.random.default_rng(seed)
    diligence = draw.normal(0.0, 0.7, users)
    seen = 1 + draw.poisson(4 * np.exp(diligence))
    user = np.repeat(np.arange(users), seen)
    size = draw.integers(4, PLACES + 1, len(user))
    slate = np.repeat(np.arange(len(user)), size)
    start = np.repeat(np.cumsum(size) - size, size)
    who = user[slate]
    relevance, price = draw.normal(size=(2, len(slate)))
    liking = draw.normal(size=(users, 3))
    taste = (liking[who] * draw.normal(size=(len(slate), 3))).sum(axis=1) / np.sqrt(3)
    guessed = taste + draw.normal(0.0, 0.8, len(slate))  # the shop knows tastes from a few clicks

    def places(score: Floats) -> Ints:
        """Places from 0 on within each slate, the largest score first."""
        order = np.lexsort((-score, slate))
        place = np.empty(len(slate), dtype=np.int64)
        place[order] = np.arange(len(slate)) - start
        return place

    ranked, found = places(relevance + guessed), places(relevance)
    lots = draw.random(len(user)) < share
    place = np.where(lots[slate], places(draw.random(len(slate))), ranked)
    by_lot = share / size[slate]
    propensity = np.where(place == ranked, 1 - share + by_lot, by_lot)

    attraction = -1.4 + 0.6 * relevance + 0.8 * taste + 0.5 * diligence[who]
    clicks = 1 / (1 + np.exp(-attraction))
    carts = 1 / (1 + np.exp(1.2 + 0.4 * price - 0.3 * taste))  # of the clicks
    buys = 0.4  # of the carts
    worth = clicks * (1 + carts * ((_CART - 1) + buys * (_BOUGHT - _CART)))
    clicked = draw.random(len(slate)) < _LOOKED[place] * clicks
    carted = clicked & (draw.random(len(slate)) < carts)
    bought = carted & (draw.random(len(slate)) < buys)
    reward = np.where(bought, _BOUGHT, np.where(carted, _CART, clicked.astype(np.float64)))
    features = np.column_stack([1 / np.log2(ranked + 2), 1 / np.log2(found + 2), price])
    slates = Slates(slate, user, place, propensity, reward, features)
    policies = {
        "ranked": slates.in_order(ranked),
        "relevance": slates.in_order(found),
        "random": slates.at_random(),
    }
    return MadeUp(slates, policies, worth[:, None] * _LOOKED)


def truth(share: float, groups: int = 40, users: int = 5_000, seed: int = 10_000_000) -> dict[str, float]:
    """The true reward a slate of what is logged and of each policy, over many shoppers, some at a time."""
    slates = 0
    earned = dict.fromkeys(POLICIES, 0.0)
    for group in range(groups):
        log = made_up(users, share, seed + group)
        slates += len(log.slates.user)
        for policy in POLICIES:
            earned[policy] += log.earned(policy)
    values = {policy: total / slates for policy, total in earned.items()}
    return values | {"logged": (1 - share) * values["ranked"] + share * values["random"]}


@dataclass
class Coverage:
    """How intervals did against a true value, over many logs."""

    true: float
    held: int = 0
    below: int = 0
    above: int = 0
    bias: float = 0.0
    width: float = 0.0
    cards: float = 0.0
    logs: int = 0

    def add(self, interval: Interval, cards: float) -> None:
        """One log's interval, and how many cards its sample is worth."""
        assert interval.value is not None
        assert interval.low is not None
        assert interval.high is not None
        self.logs += 1
        self.cards += cards
        self.held += interval.low <= self.true <= interval.high
        self.below += interval.high < self.true
        self.above += interval.low > self.true
        self.bias += interval.value - self.true
        self.width += interval.high - interval.low

    @property
    def share(self) -> float:
        """The share of logs whose interval holds the truth."""
        return self.held / self.logs


def coverage(
    logs: int, users: int, share: float, replicates: int, first: int = 0
) -> dict[tuple[str, str, str], Coverage]:
    """Of each (policy, estimator, "value" or "difference"), and of what was logged, over logs of seeds from `first` on."""
    true = truth(share)
    found = {
        (policy, estimator, kind): Coverage(true[policy] - (true["logged"] if kind == "difference" else 0.0))
        for policy in POLICIES
        for estimator, kind in [*product(ESTIMATORS, KINDS), (DIRECT, "value"), (BY_SLATE, "value")]
    }
    found["what was shown", "mean", "value"] = Coverage(true["logged"])
    for seed in range(first, first + logs):
        log = made_up(users, share, seed)
        logged, estimates = evaluate(log.slates, log.policies, seed, replicates)
        found["what was shown", "mean", "value"].add(logged, len(log.slates.slate))
        apart = replace(log.slates, user=np.arange(len(log.slates.user)))
        _, by_slate = evaluate(apart, log.policies, seed, replicates)
        expected = foretold(log.slates, np.random.default_rng(seed))
        for policy, estimate in estimates.items():
            cards = estimate.effective_cards
            for estimator in ESTIMATORS:
                found[policy, estimator, "value"].add(estimate.values[estimator], cards)
                found[policy, estimator, "difference"].add(estimate.differences[estimator], cards)
            found[policy, DIRECT, "value"].add(direct(log, log.policies[policy], expected), len(log.slates.slate))
            found[policy, BY_SLATE, "value"].add(by_slate[policy].values["dr"], cards)
    return found


def direct(log: MadeUp, policy: Floats, expected: Floats) -> Interval:
    """What the reward model alone foretells, with the interval of a mean over users."""
    slates = log.slates
    earned = np.bincount(slates.user[slates.slate], (policy * expected).sum(axis=1))
    count = np.bincount(slates.user)
    value = float(earned.sum() / count.sum())
    error = float(np.sqrt(((earned - value * count) ** 2).sum())) / count.sum()
    return Interval(value, value - 1.96 * error, value + 1.96 * error)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=500)
    parser.add_argument("--users", type=int, default=400, help="in each log")
    parser.add_argument("--share", type=float, default=0.2, help="of slates whose order is drawn by lot")
    parser.add_argument("--replicates", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--seed", type=int, default=0, help="of the first log; the others follow")
    options = parser.parse_args()
    started = time.process_time()
    found = coverage(options.logs, options.users, options.share, options.replicates, options.seed)
    print("| policy | estimator | of | true | bias | covered | too low | too high | width | worth cards |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (policy, estimator, kind), each in found.items():
        print(
            f"| {policy} | {estimator} | {kind} | {each.true:+.4f} | {each.bias / each.logs:+.4f} | {each.share:.1%} | "
            f"{each.below / each.logs:.1%} | {each.above / each.logs:.1%} | {each.width / each.logs:.4f} | "
            f"{each.cards / each.logs:.0f} |"
        )
    print(f"\n{options.logs} logs of {options.users} users: {time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
