"""Weighted postings in numpy: which rows hold a key, and how strongly. Words, n-grams and identifiers are built on it."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from index.strings import mapped

Keys = NDArray[np.uint64]
Floats = NDArray[np.float32]
Weights = NDArray[np.uint8]

Chunk = tuple[Keys, NDArray[np.int64], NDArray[np.int32], Weights]
"""Distinct keys, how many rows each has, and these rows with their weights, key by key."""

_CHUNK: Final = 2_000_000  # triplets that a writer holds in memory at once, 13 bytes each


def key_of(text: str) -> int:
    """A 64-bit key of a string, the same on every machine; of any string, for broken JSON can carry half characters."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class Postings:
    """A sparse matrix keys × rows, by key.

    `keys` (k,) sorted; the postings of `keys[i]` are `rows[starts[i]:starts[i + 1]]`, ascending, with `weights` beside them,
    whole numbers from 0 to 255. `size` is the number of catalog rows.
    """

    def __init__(
        self, keys: Keys, starts: NDArray[np.int64], rows: NDArray[np.int32], weights: Weights, size: int
    ) -> None:
        self.keys = keys
        self.starts = starts
        self.rows = rows
        self.weights = weights
        self.size = size

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many rows hold each key, (k,)."""
        return np.diff(self.starts)

    def counts_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many rows hold the keys at `places`, 0 for a place of -1."""
        known = np.maximum(places, 0)
        if not len(self.keys):
            return np.zeros(len(places), np.int64)
        return np.where(places >= 0, self.starts[known + 1] - self.starts[known], 0)

    def rows_of(self, key: int) -> NDArray[np.int32]:
        """The rows that hold a key, ascending."""
        place = int(self.places(np.array([key], np.uint64))[0])
        return self.rows[:0] if place < 0 else self.rows[self.starts[place] : self.starts[place + 1]]

    def places(self, keys: Keys) -> NDArray[np.int64]:
        """The place of each key in `self.keys`, -1 where no row holds it."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int64)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)

    def accumulate(self, places: NDArray[np.int64], factors: Floats, meaning: Floats | None = None) -> Floats:
        """Σ factor · weight for each row, (size,); places of -1 add nothing. `meaning` (256,) is what each weight stands for."""
        total = np.zeros(self.size, np.float32)
        for place, factor in zip(places.tolist(), factors, strict=True):
            if place >= 0:
                part = slice(self.starts[place], self.starts[place + 1])
                weights = self.weights[part] if meaning is None else meaning[self.weights[part]]
                np.add.at(total, self.rows[part], np.multiply(weights, factor, dtype=np.float32))
        return total

    def holds(self, place: int, row: int) -> bool:
        """Whether `row` is in the posting at `place`."""
        rows = self.rows[self.starts[place] : self.starts[place + 1]]
        at = np.searchsorted(rows, np.int32(row))  # of the rows' own type, else all of them were converted
        return bool(at < len(rows) and rows[at] == row)

    def strongest(self, places: NDArray[np.int64], factors: Floats) -> Floats:
        """The largest factor · weight for each row, (size,), 0 where it has none; places of -1 add nothing."""
        best = np.zeros(self.size, np.float32)
        for place, factor in zip(places.tolist(), factors, strict=True):
            if place >= 0:
                part = slice(self.starts[place], self.starts[place + 1])
                np.maximum.at(best, self.rows[part], np.multiply(self.weights[part], factor, dtype=np.float32))
        return best

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """What a `PostingsWriter` wrote, memory-mapped; the caller has checked the hashes. Raises `Damaged` as `mapped`."""
        parts = [mapped(folder / f"{name}.{part}.npy") for part in ("keys", "starts", "rows", "weights", "size")]
        keys, starts, rows, weights, size = parts
        return cls(keys, starts, rows, weights, int(size[0]))


@dataclass(frozen=True, slots=True)
class Kept:
    """Postings to take over: `moved` (old rows,) is the row that each is now, ascending, -1 for one that is not taken over."""

    postings: Postings
    moved: NDArray[np.int32]

    def chunks(self) -> Iterator[Chunk]:
        """What is taken over, as many keys at once as have `_CHUNK` postings."""
        keys, starts = self.postings.keys, self.postings.starts
        first = 0
        while first < len(keys):
            last = max(first + 1, int(np.searchsorted(starts, starts[first] + _CHUNK, "right")) - 1)
            span = slice(int(starts[first]), int(starts[last]))
            rows = self.moved[self.postings.rows[span]]
            held = rows >= 0
            before = np.zeros(len(held) + 1, np.int64)
            np.cumsum(held, out=before[1:])
            counts = np.diff(before[starts[first : last + 1] - span.start])
            said = counts > 0
            yield keys[first:last][said], counts[said], rows[held], self.postings.weights[span][held]
            first = last


class PostingsWriter:
    """Writes postings row by row in bounded memory, whatever the catalog's size.

    Triplets (key, row, weight) are sorted by key in chunks of `_CHUNK`, which lie in a temporary file until the length of
    every posting is known; then each chunk is copied to where it belongs. Rows come in ascending order, so that no posting
    has to be sorted, but one in which new rows stand between those that are taken over. Weights are whole numbers from 0 to
    255 in a unit of the caller's.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._keys, self._rows, self._weights = array("Q"), array("i"), array("B")
        self._chunks: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `close`
        self._written = 0

    def add(self, row: int, keys: Iterable[int], weight: int) -> None:
        """Adds distinct keys of a row, none of them added to it before."""
        before = len(self._keys)
        self._keys.extend(keys)
        added = len(self._keys) - before
        self._rows.extend([row] * added)
        self._weights.extend([weight] * added)
        if len(self._keys) >= _CHUNK:
            self._spill()

    def extend(self, keys: Keys, rows: NDArray[np.int32], weights: Weights) -> None:
        """Adds triplets (n,) each, of distinct pairs of key and row, whose rows ascend."""
        self._keys.frombytes(keys.tobytes())
        self._rows.frombytes(rows.tobytes())
        self._weights.frombytes(weights.tobytes())
        if len(self._keys) >= _CHUNK:
            self._spill()

    def close(self, size: int, kept: Kept | None = None) -> None:
        """Writes `<name>.<part>.npy` into the folder, for a catalog of `size` rows, as `Postings.load` reads them.

        With `kept` the postings of an older version are taken over; no row was added that one of them moved to.
        """
        self._spill()
        parts = [(keys, counts) for keys, counts, *_ in self._all(kept)]
        keys = np.unique(np.concatenate([keys for keys, _ in parts]) if parts else np.empty(0, np.uint64))
        counts = np.zeros(len(keys), np.int64)
        for chunk_keys, chunk_counts in parts:
            counts[np.searchsorted(keys, chunk_keys)] += chunk_counts
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        rows, weights = (
            self._table("rows", np.int32, int(starts[-1])),
            self._table("weights", np.uint8, int(starts[-1])),
        )
        free = starts[:-1].copy()  # where the next part of each posting goes
        for chunk_keys, chunk_counts, chunk_rows, chunk_weights in self._all(kept):
            places = np.searchsorted(keys, chunk_keys)
            first = np.cumsum(chunk_counts) - chunk_counts
            targets = np.repeat(free[places] - first, chunk_counts) + np.arange(len(chunk_rows))
            rows[targets], weights[targets] = chunk_rows, chunk_weights
            free[places] += chunk_counts
        if kept is not None:
            added = [keys for keys, *_ in self._spilled()]
            for place in np.searchsorted(keys, np.unique(np.concatenate(added))) if added else ():
                part = slice(int(starts[place]), int(starts[place + 1]))
                if (rows[part][1:] < rows[part][:-1]).any():
                    order = np.argsort(rows[part], kind="stable")
                    rows[part], weights[part] = rows[part][order], weights[part][order]
        self._chunks.close()
        for name, values in (("keys", keys), ("starts", starts), ("size", np.array([size]))):
            np.save(self._folder / f"{self._name}.{name}.npy", values, allow_pickle=False)

    def _spill(self) -> None:
        if not self._keys:
            return
        keys = np.frombuffer(self._keys, np.uint64)
        order = np.argsort(keys, kind="stable")
        distinct, counts = np.unique(keys, return_counts=True)
        chunk = (
            distinct,
            counts,
            np.frombuffer(self._rows, np.int32)[order],
            np.frombuffer(self._weights, np.uint8)[order],
        )
        for values in chunk:
            np.save(self._chunks, values, allow_pickle=False)
        self._written += 1
        self._keys, self._rows, self._weights = array("Q"), array("i"), array("B")

    def _all(self, kept: Kept | None) -> Iterator[Chunk]:
        if kept is not None:
            yield from kept.chunks()
        yield from self._spilled()

    def _spilled(self) -> Iterator[Chunk]:
        self._chunks.seek(0)
        for _ in range(self._written):
            keys, counts, rows, weights = (np.load(self._chunks, allow_pickle=False) for _ in range(4))
            yield keys, counts, rows, weights

    def _table(self, part: str, dtype: type[np.generic], length: int) -> NDArray[Any]:
        path = self._folder / f"{self._name}.{part}.npy"
        # A plain view spares numpy's memmap class its overhead at each slice.
        return np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=(length,)).view(np.ndarray)
