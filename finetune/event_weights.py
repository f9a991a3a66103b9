"""How much an event of each kind says of what will be bought next, learnt from what was bought.

Before a purchase a shopper had looked at several categories (or items, or brands). Which one is bought is a choice among them, and
the conditional logit (McFadden 1974) says with which chance: softmax of Σ weight(kind) · decayed count(kind). Its weights can stand
in for the stated ones, `retrieval.profile.EVENT_WEIGHTS`, in the same unit, one plain view.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from retrieval.profile import EVENT_WEIGHTS, decay, weight_of
from storage.errors import InvalidInput
from storage.event import Event

KINDS: Final = tuple(EVENT_WEIGHTS)
GAP_MS: Final = 6 * 3_600_000
"""What happened so shortly before a purchase is its own path (cart, checkout) and foretells nothing."""
ENOUGH: Final = 100
_RIDGE: Final = 1e-3
_ONE_EACH: Final = dict.fromkeys(KINDS, 1.0)


@dataclass(frozen=True, slots=True)
class Choices:
    """Purchases as choices among what the shopper knew. Rows of a choice stand together.

    Attributes:
        counts: (rows, kinds) decayed counts of the events of each kind of `KINDS` with each alternative.
        bought: (rows,) whether the alternative was bought.
        starts: (choices,) the first row of each choice.
        at: (choices,) when, in milliseconds since 1970.
        who: (choices,) the number of the shopper.
    """

    counts: NDArray[np.float64]
    bought: NDArray[np.bool_]
    starts: NDArray[np.int64]
    at: NDArray[np.int64]
    who: NDArray[np.int64]

    def __len__(self) -> int:
        """How many choices there are."""
        return len(self.starts)

    def part(self, chosen: NDArray[np.bool_]) -> Self:
        """The choices that `chosen` (choices,) marks."""
        sizes = np.diff(np.append(self.starts, len(self.bought)))
        rows = np.repeat(chosen, sizes)
        starts = np.cumsum(sizes[chosen]) - sizes[chosen]
        return type(self)(self.counts[rows], self.bought[rows], starts, self.at[chosen], self.who[chosen])

    def ranks(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """(choices,) the place, 1 is the first, of the best bought alternative by these weights; among equals their mean."""
        scores = self.counts @ np.array([weights.get(kind, 0.0) for kind in KINDS])
        best = np.maximum.reduceat(np.where(self.bought, scores, -np.inf), self.starts)
        best = np.repeat(best, np.diff(np.append(self.starts, len(scores))))
        above = np.add.reduceat((scores > best).astype(float), self.starts)
        equal = np.add.reduceat(((scores == best) & ~self.bought).astype(float), self.starts)
        ranks: NDArray[np.float64] = 1 + above + equal / 2
        return ranks


def choices_of(
    histories: Iterable[Sequence[Event]],
    meaning: Callable[[str], str | None],
    gap_ms: int = GAP_MS,
    look: Callable[[Event], float] = lambda event: weight_of(event, _ONE_EACH),
    fade: Callable[[float], float] = decay,
) -> Choices:
    """The purchases of something that the shopper had met before, among at least two things.

    Args:
        histories: each shopper's events, in any order.
        meaning: what an item stands for: itself, its category, its brand; None where nothing.
        gap_ms: only events so long before the purchase are counted.
        look: how often an event counts; by default a view by its dwell, all else once.
        fade: what is left of an event of that age in milliseconds.

    Raises:
        InvalidInput: there is no such purchase.
    """
    counts: list[NDArray[np.float64]] = []
    bought: list[bool] = []
    starts: list[int] = []
    at: list[int] = []
    who: list[int] = []
    for number, history in enumerate(histories):
        events = sorted(history, key=lambda event: (event.timestamp, event.event_id))
        for purchase in events:
            if purchase.event != "purchase":
                continue
            until = purchase.timestamp - gap_ms
            known: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(KINDS)))
            for event in events:
                if event.timestamp > until or event is purchase:
                    break
                if event.event in EVENT_WEIGHTS:
                    amount = look(event) * fade(until - event.timestamp)
                    for name in _named(event, meaning):
                        known[name][KINDS.index(event.event)] += amount
            chosen = _named(purchase, meaning)
            if len(known) < 2 or not chosen & known.keys():
                continue
            starts.append(len(counts))
            at.append(purchase.timestamp)
            who.append(number)
            counts += known.values()
            bought += [name in chosen for name in known]
    if not starts:
        raise InvalidInput("Nobody bought what they had looked at before.", "Give a log with views and purchases.")
    return Choices(np.array(counts), np.array(bought), np.array(starts), np.array(at), np.array(who))


def _named(event: Event, meaning: Callable[[str], str | None]) -> set[str]:
    return {name for item in event.items if (name := meaning(item.item_id)) is not None}


def learn_weights(choices: Choices) -> dict[str, float]:
    """The weights under which the choices are likeliest, with a ridge; a plain view is 1.

    Raises:
        InvalidInput: there are fewer than `ENOUGH` choices, or a view speaks against a purchase in them.
    """
    if len(choices) < ENOUGH:
        raise InvalidInput(f"{len(choices)} purchases are too few to learn from.", f"It takes {ENOUGH}.")
    sizes = np.diff(np.append(choices.starts, len(choices.bought)))

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = choices.counts @ weights
        scores -= np.repeat(np.maximum.reduceat(scores, choices.starts), sizes)
        odds = np.exp(scores)
        every = np.add.reduceat(odds, choices.starts)
        right = np.maximum(np.add.reduceat(odds * choices.bought, choices.starts), 1e-300)
        pull = odds * np.repeat(1 / every, sizes) - odds * choices.bought * np.repeat(1 / right, sizes)
        slope = choices.counts.T @ pull / len(choices) + 2 * _RIDGE * weights
        return float(np.log(every / right).mean() + _RIDGE * weights @ weights), slope

    found = minimize(loss, np.zeros(len(KINDS)), jac=True, method="L-BFGS-B").x
    view = found[KINDS.index("view_item")]
    if not np.isfinite(found).all() or view <= 0:
        raise InvalidInput(
            "What was looked at was bought less than the rest, so no weights can be told.",
            "Check that item ids of views and purchases are the same.",
        )
    return {kind: float(weight / view) for kind, weight in zip(KINDS, found, strict=True)}
