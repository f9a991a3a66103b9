"""Items that nobody has turned to yet: placed by what their text says, so that they can be offered on the day they are indexed.

Two things speak for one: the network, which has learnt from others' features which items people go on to, and how much it is like
what this shopper turned to last. Their chances are multiplied: what only one of the two favors is rarely wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.snapshot import Snapshot
from retrieval.sequence.histories import Histories
from retrieval.sequence.model import SequenceModel
from retrieval.sequence.transitions import Floats

LIKENESS_RECENT, LIKENESS_FADE = 10, 0.7
FLOOR: Final = 1e-4
"""What an item that is like nothing in the history keeps of a chance."""


def item_features(snapshot: Snapshot, items: Sequence[str]) -> Floats:
    """The text vectors of products, (items, dims of all spaces), each space its columns; zero where the catalog has none.

    A space belongs to a script, so a product's other columns are zero.
    """
    rows = np.array([-1 if (row := snapshot.row_of(item)) is None else row for item in items], np.int64)
    blocks = []
    for space in sorted(snapshot.vectors):
        store = snapshot.vectors[space]
        held = np.flatnonzero(rows >= 0)
        held = held[store.holds(rows[held])]
        some = store.vectors_of(rows[held[:1]]) if len(held) else np.zeros((0, 0), np.float32)
        block = np.zeros((len(items), some.shape[1]), np.float32)
        if len(held):
            block[held] = store.vectors_of(rows[held])
        blocks.append(block)
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(items), 0), np.float32)


def fresh_chances(model: SequenceModel, histories: Histories, features: Floats, fresh: NDArray[np.int64]) -> Floats:
    """How likely each of the fresh items comes next, among them, (users, fresh), rows that sum to 1.

    Args:
        model: one with a projection, whose columns the histories mean; the fresh items are among them (`SequenceModel.grown`).
        histories: of item numbers, none empty.
        features: of all items of the model, (items, features).
        fresh: the columns of the fresh items.
    """
    recent = histories.latest(LIKENESS_RECENT)
    taste = np.zeros((len(histories), features.shape[1]), np.float32)
    weights = (LIKENESS_FADE**recent.from_end).astype(np.float32)
    np.add.at(taste, recent.users, weights[:, None] * features[recent.items])
    like = np.maximum(taste @ features[fresh].T, 0.0)  # (users, fresh)
    like = like / np.maximum(like.sum(axis=1, keepdims=True), 1e-12) + FLOOR
    chances: Floats = model.network_chances(histories)[:, fresh] * like
    chances /= chances.sum(axis=1, keepdims=True)
    return chances
