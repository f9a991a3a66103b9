"""How likely a purchase within the session is, from the last two tokens of a path: a Markov chain of second order.

What `finetune stage` makes, from counts:

    p(purchase follows in the session | last two tokens) = (bought + 10 · p(… | last token)) / (times + 10)

and the chance after the last token is drawn to that of all in the same way. Hidden Markov models, logistic regression and
gradient boosting over the whole path did no better on held-out weeks; docs/benchmarks.md has the figures.

    chain.npy        (tokens, tokens) float64, the chance by the token before the last (row) and the last (column)
    manifest.json    kind "stage"; its meta holds the vocabulary that rows and columns go by, and until when it learnt
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from retrieval.path.tokens import NUMBER, VOCABULARY
from storage.errors import Damaged
from storage.publish import Versions, read_manifest

KIND: Final = "stage"
FILE: Final = "chain.npy"
DRAW: Final = 10.0
"""So many sessions weighs what is known with one token less."""


class PurchaseChain:
    """The chance of a purchase by the last two tokens. Immutable, safe to share between threads."""

    def __init__(self, table: NDArray[np.float64], version: str = "", learnt_until: int = 0) -> None:
        self.table = table  # (tokens, tokens)
        self.version = version
        self.learnt_until = learnt_until
        """The latest event that it learnt from, milliseconds since 1970."""

    @classmethod
    def fit(cls, paths: Iterable[tuple[NDArray[np.intp], NDArray[np.bool_]]], learnt_until: int = 0) -> Self:
        """From counts. A path is its tokens' numbers (n,) and for each whether a purchase followed in its session (n,)."""
        size = len(VOCABULARY)
        times, bought = np.zeros((2, size, size))
        alone, alone_bought = np.zeros((2, size))
        for tokens, follows in paths:
            np.add.at(alone, tokens, 1)
            np.add.at(alone_bought, tokens, follows)
            np.add.at(times, (tokens[:-1], tokens[1:]), 1)
            np.add.at(bought, (tokens[:-1], tokens[1:]), follows[1:])
        rate = float(alone_bought.sum() / max(alone.sum(), 1.0))
        one = (alone_bought + DRAW * rate) / (alone + DRAW)  # (tokens,)
        return cls((bought + DRAW * one) / (times + DRAW), learnt_until=learnt_until)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The chain of a model folder, every file's hash checked; raises `Damaged` or `NotFound`."""
        meta = read_manifest(folder, KIND).meta
        if meta.get("vocabulary") != list(VOCABULARY):
            raise Damaged(
                f"{folder} goes by other tokens than this Aisle.", "Train it again: launch.py finetune stage."
            )
        learnt_until = meta.get("learnt_until")
        if not isinstance(learnt_until, int):
            raise Damaged(f"{folder} does not say until when it learnt.", "Train it again: launch.py finetune stage.")
        try:
            table = np.load(folder / FILE, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise Damaged(f"{folder / FILE} is unreadable: {error}.", "Train it again, or roll back.") from None
        size = len(VOCABULARY)
        if table.shape != (size, size) or table.dtype != np.float64 or not ((table >= 0) & (table <= 1)).all():
            raise Damaged(f"{folder / FILE} holds no chances.", "Train it again, or roll back.")
        return cls(table, folder.resolve().name, learnt_until)

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes the table into an existing folder; returns what the manifest must say of it."""
        np.save(folder / FILE, self.table, allow_pickle=False)
        return {"vocabulary": list(VOCABULARY), "learnt_until": self.learnt_until}

    def p_purchase(self, before: str, last: str) -> float:
        """The chance after these two tokens, 0 to 1."""
        return float(self.table[NUMBER[before], NUMBER[last]])


def stage_versions(shop: Path) -> Versions:
    """The chains of a shop's folder."""
    return Versions(shop / "models" / KIND, KIND)
