"""Thompson sampling among new products: each is shown as often as it may be the best, by all that was seen until now.

The chance that a card is turned to is believed to be a logistic function of a few things that are known of a new product at once,
and the product's own outcomes then correct it::

    p = 1 / (1 + exp(-w·x))        x = (1, how well it fits the shopper, how popular its category is)
    θ ~ Beta(κ·p + turned to, κ·(1 - p) + passed over)

A shop's new products are shown a few times each, too seldom to learn every one by itself: what fits and what is asked for is learnt
over all of them (Chapelle and Li 2011, "An empirical evaluation of Thompson sampling": logistic regression with Laplace's
approximation), and a product that does better or worse than that by `PRODUCT_PRIOR` showings is believed half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_MEAN: Final = (-3.0, 1.0, 0.5)
"""Of 20 cards one is turned to; what fits and what is popular a little oftener. Stated, not learnt."""
PRIOR_DEVIATION: Final = (1.0, 1.0, 1.0)
PRODUCT_PRIOR: Final = 20.0
"""κ: showings that the features count for."""
DRAWS: Final = 500
"""Draws from the belief; one of them decides, the share of those that agree with it is the propensity."""
_STEPS: Final = 25


@dataclass(frozen=True, slots=True)
class Outcome:
    """A new product that was shown in the slot: to whom it fitted how well, and whether they turned to it."""

    item_id: str
    fit: float
    heat: float
    success: bool


def described(fit: NDArray[np.floating[Any]], heat: NDArray[np.floating[Any]]) -> Floats:
    """What the belief depends on, (products, 3): 1, fit less its mean of a half, popularity of the category."""
    return np.column_stack([np.ones(len(fit)), np.asarray(fit, np.float64) - 0.5, np.asarray(heat, np.float64)])


@dataclass(frozen=True)
class Belief:
    """What is believed after some outcomes: w ~ N(mean, root·rootᵀ), and by product (turned to, shown)."""

    mean: Floats
    root: Floats
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def after(cls, outcomes: Sequence[Outcome]) -> Self:
        """Laplace's approximation at the most likely weights; without outcomes the prior."""
        mean, precision = np.array(PRIOR_MEAN), np.diag(1 / np.square(PRIOR_DEVIATION))
        x = described(np.array([each.fit for each in outcomes]), np.array([each.heat for each in outcomes]))
        y = np.array([each.success for each in outcomes], np.float64)
        w, hessian = mean.copy(), precision
        for _ in range(_STEPS):  # Newton; the posterior is concave
            p = _sigmoid(x @ w)
            hessian = precision + (x * (p * (1 - p))[:, None]).T @ x
            step = np.linalg.solve(hessian, x.T @ (y - p) - precision @ (w - mean))
            w = w + step
            if np.abs(step).max() < 1e-9:
                break
        counts: dict[str, tuple[int, int]] = {}
        for each in outcomes:
            turned_to, shown = counts.get(each.item_id, (0, 0))
            counts[each.item_id] = (turned_to + each.success, shown + 1)
        return cls(w, np.linalg.cholesky(np.linalg.inv(hessian)), counts)

    def draws(self, items: Sequence[str], x: Floats, count: int, draw: np.random.Generator) -> Floats:
        """How often each product may be turned to, (count, products), drawn from the belief; `x` as `described` gives it."""
        weights = self.mean + draw.normal(size=(count, len(self.mean))) @ self.root.T  # (count, 3)
        p = _sigmoid(weights @ x.T)
        held = np.array([self.counts.get(item, (0, 0)) for item in items], np.float64).reshape(-1, 2)
        turned_to, passed = held[:, 0], held[:, 1] - held[:, 0]
        tiny = 1e-6  # a chance of nothing is no parameter of a Beta
        found: Floats = draw.beta(PRODUCT_PRIOR * p + turned_to + tiny, PRODUCT_PRIOR * (1 - p) + passed + tiny)
        return found


def choose(belief: Belief, items: Sequence[str], x: Floats, seed: int) -> tuple[int, float]:
    """The number of the product that is shown, and the chance that it is.

    `DRAWS` draws are made, and one of them, chosen evenly, decides. Given the draws the chance is exactly the share of those in
    which the product is the best: never 0, and what weighing by it needs, for the weights of a product average 1 over seeds.

    Args:
        belief: what is known.
        items: at least one.
        x: what `described` says of them, (items, 3).
        seed: decides all of it.
    """
    draw = np.random.default_rng(seed)
    best = belief.draws(items, x, DRAWS, draw).argmax(axis=1)  # (DRAWS,)
    chosen = int(best[draw.integers(DRAWS)])
    return chosen, float((best == chosen).mean())


def _sigmoid(values: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return found
