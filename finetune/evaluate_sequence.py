"""How well the next item is foreseen: the last of each shopper's, ranked among all items by what came before.

Leave-one-out with full ranking. Sampled metrics, which rank the target among a few random items, put models in another order
(Krichene and Rendle 2020) and are not used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.interactions import Interactions
from retrieval.sequence import Histories, SequenceModel
from retrieval.sequence.transitions import Floats
from storage.errors import InvalidInput

Metrics = dict[str, float | int]
CUT: Final = 10
AT_ONCE: Final = 512  # shoppers
_MOST_SCORES: Final = 2**24  # in memory


def ranks(
    chances: Callable[[Histories], Floats],
    histories: Histories,
    targets: NDArray[np.int64],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float64]:
    """`ranks_in` for as many shoppers as there are, some at a time.

    Args:
        chances: scores of all items by histories, (users, items); -inf for what cannot be scored, which then ties at the end.
        histories: what was there before.
        targets: what came, (users,).
        progress: called with (users done, users in all).
    """
    found = np.full(len(histories), np.inf)
    order = np.argsort(histories.lengths, kind="stable")  # those of a length together, for they are padded
    size, done = 1, 0
    while done < len(order):
        users = order[done : done + size]
        some = histories.take(users)
        scores = chances(some)
        found[users] = ranks_in(scores, some, targets[users])
        done += len(users)
        size = max(1, min(AT_ONCE, _MOST_SCORES // scores.shape[1]))
        progress(done, len(order))
    return found


def ranks_in(scores: Floats, histories: Histories, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """The rank of each target among all items but those of its history, (users,); 1 is the first, ties get their mean.

    A target that is in the history, and so left out, or -1, which is no item, has no rank: infinity. `scores` (users, items) are
    overwritten where they do not count.
    """
    scores[histories.users, histories.items] = np.nan
    own = scores[np.arange(len(targets)), np.maximum(targets, 0)][:, None]  # (users, 1)
    place = 1 + (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    return np.where((targets >= 0) & ~np.isnan(own[:, 0]), place, np.inf)


def metrics_of(found: NDArray[np.float64]) -> Metrics:
    """The contract's metrics of ranks (users,)."""
    return {"n": len(found), "hr@10": float((found <= CUT).mean()), "ndcg@10": float(gains(found).mean())}


def gains(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """NDCG@10 of each rank, (users,): 1 / log2(1 + rank) up to rank 10, else 0."""
    return np.where(found <= CUT, 1 / np.log2(1 + np.minimum(found, CUT)), 0.0)


def evaluate_sequence(
    model: SequenceModel,
    interactions: Interactions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Metrics:
    """Ranks each shopper's last item among all items of the file by those before it.

    Shoppers with one interaction are left out; an item that the model does not know ties with the others of its kind at the end.

    Raises:
        InvalidInput: the model has learnt from every interaction, or nobody has two.
    """
    model.require_scorable()
    asked = interactions.histories.take(np.flatnonzero(interactions.histories.lengths > 1))
    if not len(asked):
        raise InvalidInput("Nobody in the file has two interactions.", "Give a file of longer histories.")
    known = np.array([model.places.get(item, -1) for item in interactions.items])  # by the file's number
    column = np.flatnonzero(known >= 0)

    def chances(histories: Histories) -> Floats:
        own = histories.kept(known[histories.items] >= 0)
        scores = np.full((len(histories), len(known)), -np.inf, np.float32)
        scores[:, column] = model.chances(Histories(known[own.items], own.starts))[:, known[column]]
        return scores

    return metrics_of(ranks(chances, asked.without_last(1), asked.at_end(1), progress))
