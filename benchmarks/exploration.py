"""What the reserved place for new products gives and costs, in a simulated shop whose products' appeal is known.

    python -m benchmarks.exploration --shops 40 --slates 3000

Everything here is simulated: new products come all the time, each with an unknown appeal that depends on how it fits a shopper,
on how popular its category is, and on itself. Of the slates in which the place is given, each policy shows one of those that fit
best; who turns to it is drawn. After `LIFE` slates a product is new no more. Beside Thompson sampling as it serves stand it without
features, without the product's own outcomes, epsilon-greedy on the same belief, greedy, and a new product at random; "no slot" is
the card that would have stood there, whose appeal is known. Regret is what the best of the shortlist would have earned more.
Intervals are over shops, which all policies share.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.novelty import SHORTLIST
from retrieval.thompson import Belief, Floats, Outcome, choose, described

PRODUCTS, LIFE = 60, 1_000
EVERY = 50
"""Slates between two looks at the outcomes; a shop looks every ten minutes."""
KNOWN_CARD = 0.06
"""The chance of the card whose place is taken: the last of a slate."""
EPSILON = 0.1


@dataclass(frozen=True)
class Shop:
    """A shop's new products over time, all drawn beforehand so that every policy meets the same.

    Attributes:
        heat: popularity of each product's category, (products,).
        own: what a product has beyond what is known of it, in log odds, (products,).
        born: the slate from which on it is new, (products,).
        fits: how well each fits the shopper of each slate, (slates, products).
        luck: decides whether a card is turned to, (slates,).
        weights: the truth behind (1, fit, heat).
    """

    heat: Floats
    own: Floats
    born: NDArray[np.int64]
    fits: Floats
    luck: Floats
    weights: Floats

    @classmethod
    def drawn(cls, seed: int, slates: int) -> Shop:
        """One shop; what fit, category and the product itself are worth differs between shops."""
        draw = np.random.default_rng(seed)
        count = PRODUCTS * max(1, slates // LIFE)
        return cls(
            draw.beta(1, 2, count),
            draw.normal(0, 0.7, count),
            np.sort(draw.integers(-LIFE, slates, count)),
            draw.random((slates, count)).astype(np.float64),
            draw.random(slates),
            np.array([-3.2, draw.normal(1.2, 0.8), draw.normal(0.8, 0.8)]),
        )

    def chances(self, slate: int, items: NDArray[np.int64]) -> Floats:
        """How likely each is turned to, (items,)."""
        x = described(self.fits[slate, items], self.heat[items])
        found: Floats = 1 / (1 + np.exp(-(x @ self.weights + self.own[items])))
        return found


Policy = Callable[[Belief, Sequence[str], Floats, int], int]


def _thompson(belief: Belief, items: Sequence[str], x: Floats, seed: int) -> int:
    return choose(belief, items, x, seed)[0]


def _without_features(belief: Belief, items: Sequence[str], x: Floats, seed: int) -> int:
    return choose(belief, items, x * np.array([1.0, 0.0, 0.0]), seed)[0]


def _without_products(belief: Belief, items: Sequence[str], x: Floats, seed: int) -> int:
    return choose(Belief(belief.mean, belief.root), items, x, seed)[0]


def _greedy(belief: Belief, items: Sequence[str], x: Floats, seed: int) -> int:
    return int(belief.draws(items, x, 100, np.random.default_rng(seed)).mean(axis=0).argmax())


def _epsilon_greedy(belief: Belief, items: Sequence[str], x: Floats, seed: int) -> int:
    draw = np.random.default_rng(seed)
    return int(draw.integers(len(items))) if draw.random() < EPSILON else _greedy(belief, items, x, seed)


def _at_random(belief: Belief, items: Sequence[str], x: Floats, seed: int) -> int:
    return int(np.random.default_rng(seed).integers(len(items)))


POLICIES: Mapping[str, Policy] = {
    "Thompson, as it serves": _thompson,
    "Thompson without features": _without_features,
    "Thompson without a product's own outcomes": _without_products,
    "greedy": _greedy,
    f"epsilon-greedy, {EPSILON:g}": _epsilon_greedy,
    "a new product at random": _at_random,
}
NO_SLOT = "no slot"


@dataclass(frozen=True)
class Run:
    """What a policy did in one shop: turned to, expected and regretted a slate, and the share of new products shown ten times."""

    clicks: float
    expected: float
    regret: float
    tried: float


def simulate(shop: Shop, policy: Policy, seed: int) -> Run:
    """One shop's slates under a policy."""
    slates = len(shop.luck)
    outcomes: list[Outcome] = []
    belief = Belief.after(outcomes)
    clicks, expected, regret = 0, 0.0, 0.0
    shown = np.zeros(len(shop.heat), np.int64)
    for slate in range(slates):
        if slate % EVERY == 0:
            belief = Belief.after(outcomes)
        fresh = np.flatnonzero((shop.born <= slate) & (slate < shop.born + LIFE))
        best = fresh[np.argsort(-shop.fits[slate, fresh], kind="stable")][:SHORTLIST]
        if not len(best):
            continue
        x = described(shop.fits[slate, best], shop.heat[best])
        chances = shop.chances(slate, best)
        place = policy(belief, [str(item) for item in best.tolist()], x, seed * slates + slate)
        success = bool(shop.luck[slate] < chances[place])
        item = int(best[place])
        shown[item] += 1
        outcomes.append(Outcome(str(item), float(shop.fits[slate, item]), float(shop.heat[item]), success))
        clicks += success
        expected += float(chances[place])
        regret += float(chances.max() - chances[place])
    return Run(clicks / slates, expected / slates, regret / slates, float((shown >= 10).mean()))


def compared(shops: int, slates: int) -> dict[str, list[Run]]:
    """All policies in the same shops."""
    found: dict[str, list[Run]] = {name: [] for name in POLICIES}
    for number in range(shops):
        shop = Shop.drawn(number, slates)
        for name, policy in POLICIES.items():
            found[name].append(simulate(shop, policy, number))
    return found


def _mean(values: Sequence[float]) -> str:
    """The mean of shops and its 95 % interval, in hundredths."""
    array = 100 * np.array(values)
    half = 1.96 * array.std(ddof=1) / np.sqrt(len(array))
    return f"{array.mean():.2f} ± {half:.2f}"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=int, default=40)
    parser.add_argument("--slates", type=int, default=3_000, help="with the place given, in each shop")
    options = parser.parse_args()
    started = time.process_time()
    found = compared(options.shops, options.slates)
    base = found["a new product at random"]
    print(
        "| the last card is | turned to, of 100 slates | more than at random | regret | new products shown ten times, % |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, runs in found.items():
        more = _mean([run.expected - other.expected for run, other in zip(runs, base, strict=True)])
        clicks, regret = _mean([run.clicks for run in runs]), _mean([run.regret for run in runs])
        print(f"| {name} | {clicks} | {more} | {regret} | {100 * np.mean([run.tried for run in runs]):.0f} |")
    print(f"| {NO_SLOT}: a card that is known | {100 * KNOWN_CARD:.2f} | | | 0 |")
    print(f"\n{options.shops} shops of {options.slates} slates: {time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
