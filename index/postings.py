"""Weighted postings in numpy: which rows hold a key, and how strongly. Words, n-grams and identifiers are built on it."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged

Keys = NDArray[np.uint64]
Floats = NDArray[np.float32]

_FILES = ("keys", "starts", "rows", "weights", "size")


def key_of(text: str) -> int:
    """A 64-bit key of a string, the same on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class Postings:
    """A sparse matrix keys × rows, by key.

    `keys` (k,) sorted; the postings of `keys[i]` are `rows[starts[i]:starts[i + 1]]` with `weights` beside them. `size` is
    the number of catalog rows.
    """

    def __init__(
        self, keys: Keys, starts: NDArray[np.int64], rows: NDArray[np.int32], weights: Floats, size: int
    ) -> None:
        self.keys = keys
        self.starts = starts
        self.rows = rows
        self.weights = weights
        self.size = size

    @classmethod
    def build(cls, keys: Keys, rows: NDArray[np.integer], weights: Floats, size: int, *, keep: str = "sum") -> Self:
        """From triplets in any order; a pair (key, row) that comes twice keeps the "sum" or the "max" of its weights."""
        order = np.lexsort((rows, keys))
        keys, rows, weights = keys[order], rows[order], weights[order]
        first = np.ones(len(keys), bool)
        first[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
        places = np.flatnonzero(first)
        merge = np.add if keep == "sum" else np.maximum
        merged = merge.reduceat(weights, places) if len(places) else weights
        keys, rows = keys[places], rows[places]
        vocabulary, starts = np.unique(keys, return_index=True)
        return cls(
            vocabulary,
            np.append(starts, len(keys)).astype(np.int64),
            rows.astype(np.int32),
            merged.astype(np.float32),
            size,
        )

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many rows hold each key, (k,)."""
        return np.diff(self.starts)

    def places(self, keys: Keys) -> NDArray[np.int64]:
        """The place of each key in `self.keys`, -1 where no row holds it."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int64)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)

    def accumulate(self, places: NDArray[np.int64], factors: Floats) -> Floats:
        """Σ factor · weight for each row, (size,); places of -1 add nothing."""
        total = np.zeros(self.size, np.float32)
        for place, factor in zip(places.tolist(), factors.tolist(), strict=True):
            if place >= 0:
                part = slice(self.starts[place], self.starts[place + 1])
                total[self.rows[part]] += factor * self.weights[part]  # a row stands once in a posting
        return total

    def holds(self, place: int, row: int) -> bool:
        """Whether `row` is in the posting at `place`; rows stand in order there."""
        start, end = self.starts[place], self.starts[place + 1]
        at = start + np.searchsorted(self.rows[start:end], row)
        return bool(at < end and self.rows[at] == row)

    def save(self, folder: Path, name: str) -> None:
        """Writes `<name>.<part>.npy` files into `folder`."""
        parts = {**{part: getattr(self, part) for part in _FILES[:-1]}, "size": np.array([self.size])}
        for part, values in parts.items():
            np.save(folder / f"{name}.{part}.npy", values, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """What `save` wrote, memory-mapped; the caller has checked the hashes. Raises `Damaged` where a file is missing."""
        try:
            keys, starts, rows, weights, size = (
                np.load(folder / f"{name}.{part}.npy", mmap_mode="r", allow_pickle=False) for part in _FILES
            )
        except (OSError, ValueError) as error:
            raise Damaged(f"{folder} holds no {name}: {error}.", "Build the index again.") from error
        # Lookups touch all keys; an ndarray view spares the memmap class its overhead at each slice.
        return cls(
            np.array(keys),
            np.array(starts),
            np.asarray(rows).view(np.ndarray),
            np.asarray(weights).view(np.ndarray),
            int(size[0]),
        )
