"""A hidden Markov model over the tokens of a path: Baum-Welch with scaling, and a forward filter that never sees what comes.

A peer of the chain and of the rule in `retrieval.path` (Rabiner 1989). A purchase and the end of a session are tokens like others,
so the chance that one comes before the other follows from the state: with b(s) the chance that s emits a purchase and c(s) that
it emits neither, h(s) = Σ A(s, s') (b(s') + c(s') h(s')).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retrieval.path.tokens import END, FILLED, NUMBER, PURCHASE, STARTS, VOCABULARY

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

BOUGHT = [NUMBER[PURCHASE], NUMBER[PURCHASE + FILLED]]
_CLOSE = 1e-5  # relative gain in log likelihood at which it has converged


@dataclass(frozen=True)
class HiddenMarkov:
    """start (states,), transitions (states, states), emissions (states, tokens): rows sum to 1."""

    start: Floats
    transitions: Floats
    emissions: Floats

    @classmethod
    def drawn(cls, states: int, seed: int) -> Self:
        """By lot, with states that last."""
        draw = np.random.default_rng(seed)
        stay = draw.dirichlet(np.ones(states), states) + 2 * np.eye(states)
        return cls(
            np.full(states, 1 / states),
            stay / stay.sum(axis=1, keepdims=True),
            draw.dirichlet(np.ones(len(VOCABULARY)), states),
        )

    @classmethod
    def of_stages(cls) -> Self:
        """Set by hand: browsing, comparing, ready, by how often each does what, relative to the others."""
        emissions = np.empty((3, len(VOCABULARY)))
        for token, number in NUMBER.items():
            step, filled = token.removesuffix(FILLED), token.endswith(FILLED)
            weights = np.array(_DONE.get(step, (1.0, 1.0, 1.0)))
            if step in _IN_CART:
                weights = weights if filled else weights / 20
            elif filled:
                weights = weights * (0.05, 0.1, 0.5)
            emissions[:, number] = weights
        return cls(
            np.array([0.8, 0.1, 0.1]),
            np.array([[0.85, 0.12, 0.03], [0.06, 0.84, 0.10], [0.07, 0.08, 0.85]]),
            emissions / emissions.sum(axis=1, keepdims=True),
        )

    def fit(self, paths: Sequence[Ints], weight: float = 0.1, iterations: int = 60) -> tuple[Self, list[float]]:
        """Baum-Welch from here, and the log likelihood at each iteration; itself counts as `weight` paths (MAP)."""
        ordered = sorted(paths, key=len, reverse=True)
        steps = len(ordered[0])
        tokens = np.zeros((len(ordered), steps), dtype=np.intp)  # (paths, steps), the longest first
        for row, path in zip(tokens, ordered, strict=True):
            row[: len(path)] = path
        lengths = np.array([len(path) for path in ordered])
        going = [int((lengths > step).sum()) for step in range(steps)]
        model, likelihoods = self, list[float]()
        for _ in range(iterations):
            counted, likelihood = model._expected(tokens, going)
            transitions = counted.transitions + weight * self.transitions
            emissions = counted.emissions + weight * self.emissions
            model = type(self)(
                counted.start / counted.start.sum(),
                transitions / transitions.sum(axis=1, keepdims=True),
                emissions / emissions.sum(axis=1, keepdims=True),
            )
            likelihoods.append(likelihood)
            if len(likelihoods) > 1 and likelihoods[-1] - likelihoods[-2] < _CLOSE * abs(likelihood):
                break
        return model, likelihoods

    def _expected(self, tokens: Ints, going: Sequence[int]) -> tuple[HiddenMarkov, float]:
        """Expected counts in place of chances, and the log likelihood. `going` paths have a token at each step."""
        paths, steps = tokens.shape
        forward = np.zeros((steps, paths, len(self.start)))
        scale = np.ones((steps, paths))
        for step, count in enumerate(going):
            before = forward[step - 1, :count] @ self.transitions if step else self.start
            now = before * self.emissions[:, tokens[:count, step]].T
            scale[step, :count] = now.sum(axis=1)
            forward[step, :count] = now / scale[step, :count, None]
        backward = np.ones((paths, len(self.start)))
        transitions, emissions = np.zeros_like(self.transitions), np.zeros_like(self.emissions.T)
        for step in range(steps - 1, -1, -1):
            count = going[step]
            np.add.at(emissions, tokens[:count, step], forward[step, :count] * backward[:count])
            if step == 0:
                break
            seen = self.emissions[:, tokens[:count, step]].T * backward[:count] / scale[step, :count, None]
            transitions += forward[step - 1, :count].T @ seen * self.transitions
            backward[:count] = seen @ self.transitions.T
        start = (forward[0] * backward).sum(axis=0)
        return HiddenMarkov(start, transitions, emissions.T), float(np.log(scale).sum())

    def filtered(self, path: Ints) -> Floats:
        """The chance of each state after each token, from the tokens until then alone, (tokens, states)."""
        found = np.empty((len(path), len(self.start)))
        now = self.start
        for place, token in enumerate(path):
            now = (now @ self.transitions if place else now) * self.emissions[:, token]
            now = now / now.sum()
            found[place] = now
        return found

    def p_purchase(self) -> Floats:
        """The chance that a purchase comes before the session's end, by state, (states,)."""
        bought = self.emissions[:, BOUGHT].sum(axis=1)
        goes_on = 1 - bought - self.emissions[:, NUMBER[END]]
        return np.linalg.solve(np.eye(len(self.start)) - self.transitions * goes_on, self.transitions @ bought)


_IN_CART = frozenset({"remove", "cart", "checkout", PURCHASE})
_DONE = {
    "list": (4, 3, 0.3),
    "search": (1, 3, 0.3),
    "select": (4, 1, 0.2),
    "add": (0.05, 0.3, 5),
    "remove": (0.05, 0.5, 1),
    "cart": (0.1, 0.3, 5),
    "checkout": (0.01, 0.02, 4),
    PURCHASE: (0.005, 0.01, 4),
    "view_new_glance": (2, 0.2, 0.05),
    "view_new": (4, 0.5, 0.2),
    "view_new_long": (1, 1, 0.3),
    "view_alike_glance": (2, 0.3, 0.05),
    "view_alike": (4, 2, 0.2),
    "view_alike_long": (1, 3, 0.3),
    "view_again_glance": (0.3, 0.7, 0.3),
    "view_again": (0.7, 3, 2),
    "view_again_long": (0.3, 4, 4),
    END: (3, 3, 2),
    **dict.fromkeys(STARTS, (0.75, 0.75, 0.75)),
}
