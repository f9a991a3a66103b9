"""What is looked at after what: a Markov chain over several steps back and ahead, counted and not learnt.

Where `reach` is 2 and `fade` .5, a shopper who turned to a, b, c in this order adds to the counts of pairs::

    a→b 1, b→c 1, a→c .5

Whoever turned to b and then c is offered what followed c, and with less weight what followed b. On sparse logs such counts are hard
to beat (Ludewig and Jannach 2018), and they need no training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrieval.sequence.histories import Histories

REACH, FADE = 20, 0.8
"""A pair counts `FADE` to the power of the steps between, up to `REACH` steps apart."""
RECENT, RECENT_FADE = 5, 0.6
"""So many of the last items speak, each one before another by so much less."""
DAMPING: Final = 0.2
"""A row is divided by its item's count to this power: 1 would make it a probability and give rare items too much say."""
POPULAR: Final = 1e-4
"""What popularity weighs beside counts, to put what was never seen together in an order."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Transitions:
    """Damped counts (items, items), row to column, and how often each item was turned to (items,)."""

    counts: sparse.csr_matrix
    popularity: Floats

    @classmethod
    def of(cls, histories: Histories, items: int, reach: int = REACH, fade: float = FADE) -> Self:
        """Counts the pairs of these histories, whose items are numbered below `items`."""
        popularity = np.bincount(histories.items, minlength=items).astype(np.float32)
        counts = pair_counts(histories, items, reach, fade)
        damped = sparse.diags_array(np.maximum(popularity, 1.0) ** -DAMPING) @ counts
        return cls(sparse.csr_matrix(damped, dtype=np.float32), popularity)

    def next(self, histories: Histories) -> Floats:
        """How likely each item comes next, (users, items), rows that sum to 1; an empty history gets popularity."""
        recent = histories.latest(RECENT)
        weights = (RECENT_FADE**recent.from_end).astype(np.float32)
        said = sparse.csr_matrix((weights, recent.items, recent.starts), shape=(len(recent), len(self.popularity)))
        found = np.asarray((said @ self.counts).todense(), np.float32)
        found += np.float32(POPULAR) * (self.popularity + 1e-3) / (self.popularity.max(initial=0.0) + 1e-3)
        found /= found.sum(axis=1, keepdims=True)
        return found


def pair_counts(histories: Histories, items: int, reach: int, fade: float) -> sparse.csr_matrix:
    """Sum of fade^(steps - 1) over all pairs at most `reach` steps apart, (items, items), the earlier item's row."""
    users = histories.users
    total = sparse.csr_matrix((items, items), dtype=np.float32)
    for steps in range(1, reach + 1):
        before, after = histories.items[:-steps], histories.items[steps:]
        same = users[:-steps] == users[steps:]
        if not same.any():
            break
        weights = np.full(int(same.sum()), fade ** (steps - 1), np.float32)
        total = total + sparse.csr_matrix((weights, (before[same], after[same])), shape=(items, items))
    return total
