"""A column of strings on disk: bytes end to end and where each starts, memory-mapped, so that a million cost no objects."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged

_BASE = 0x9E3779B97F4A7C15  # odd, so that no byte is lost; its bits are those of the golden ratio
_HASHED = 65_536  # strings hashed at once, for they are held byte by byte


class Strings:
    """Strings by place. `["ab", "", "c"]` is the text `abc` with the starts `[0, 2, 2, 3]`, in bytes of UTF-8."""

    def __init__(self, text: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
        self._text = text  # (bytes,)
        self._starts = starts  # (n + 1,)

    def __len__(self) -> int:
        """How many strings there are."""
        return len(self._starts) - 1

    def __getitem__(self, place: int) -> str:
        """The string of a place, 0 … n-1."""
        start, end = self._starts[place : place + 2].tolist()
        return self._text[start:end].tobytes().decode("utf-8", "surrogatepass")

    def many(self, places: NDArray[np.integer]) -> list[str]:
        """The strings of several places, in their order."""
        spans = zip(self._starts[places].tolist(), self._starts[places + 1].tolist(), strict=True)
        text = memoryview(self._text)  # type: ignore[arg-type]  # numpy's arrays are buffers
        return [str(text[start:end], "utf-8", "surrogatepass") for start, end in spans]

    def filled(self) -> NDArray[np.int64]:
        """The places of all strings that are not empty, ascending."""
        return np.flatnonzero(np.diff(self._starts)).astype(np.int64)

    def hashes(self, places: NDArray[np.integer]) -> NDArray[np.uint64]:
        """(places,) `hash_of` the strings of ascending places; a million take a third of a second."""
        found = np.zeros(len(places), np.uint64)
        for first in range(0, len(places), _HASHED):
            chunk = places[first : first + _HASHED]
            starts, ends = self._starts[chunk], self._starts[chunk + 1]
            sizes = ends - starts
            begins = np.cumsum(sizes) - sizes
            within = np.arange(int(sizes.sum())) - np.repeat(begins, sizes)  # (bytes,) the place inside its string
            weights = np.full(int(sizes.max(initial=0)) + 1, _BASE, np.uint64)
            weights[0] = 1
            values = self._text[within + np.repeat(starts, sizes)].astype(np.uint64) + np.uint64(1)
            sums = np.zeros(len(values) + 1, np.uint64)
            np.cumsum(values * np.cumprod(weights)[within], out=sums[1:])
            found[first : first + len(chunk)] = sums[begins + sizes] - sums[begins]
        return found

    def span(self, start: int, end: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The bytes of the strings `start` … `end` - 1, and where each starts in all of the text, (end - start + 1,)."""
        starts = self._starts[start : end + 1]
        return self._text[int(starts[0]) : int(starts[-1])], starts

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """What `StringsWriter` wrote, memory-mapped; the caller has checked the hashes. Raises `Damaged` as `mapped`."""
        return cls(mapped(folder / f"{name}.text.npy"), mapped(folder / f"{name}.starts.npy"))


def hash_of(text: str) -> int:
    """A polynomial in its bytes modulo 2^64: not for strings that somebody chose to collide, so compare what it finds."""
    total, weight = 0, 1
    for byte in text.encode("utf-8", "surrogatepass"):
        total, weight = (total + (byte + 1) * weight) % 2**64, weight * _BASE % 2**64
    return total


class StringsWriter:
    """Collects strings for `Strings`; lone surrogates, which broken JSON can carry, are kept."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._starts = array("q", [0])

    def add(self, value: str) -> None:
        """Adds the string of the next place."""
        self._text += value.encode("utf-8", "surrogatepass")
        self._starts.append(len(self._text))

    def take(self, strings: Strings, start: int, end: int) -> None:
        """Adds the strings `start` … `end` - 1 of another column, at the speed of a copy."""
        text, starts = strings.span(start, end)
        moved = starts[1:] + (len(self._text) - starts[0])
        self._text += text.tobytes()
        self._starts.frombytes(moved.astype(np.int64).tobytes())

    def __len__(self) -> int:
        """How many there are so far."""
        return len(self._starts) - 1

    def column(self) -> Strings:
        """The strings in memory; none can be added any more."""
        return Strings(np.frombuffer(self._text, np.uint8), np.frombuffer(self._starts, np.int64))

    def save(self, folder: Path, name: str) -> None:
        """Writes `<name>.text.npy` and `<name>.starts.npy` into an existing folder."""
        np.save(folder / f"{name}.text.npy", np.frombuffer(self._text, np.uint8), allow_pickle=False)
        np.save(folder / f"{name}.starts.npy", np.array(self._starts, np.int64), allow_pickle=False)


def mapped(path: Path) -> NDArray[Any]:
    """An `.npy` file, memory-mapped: resident are only the pages that are read, and the kernel may take them back.

    Raises:
        Damaged: it is missing or holds something else.
    """
    try:
        values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} cannot be read: {error}.", "Build the index again.") from error
    return values.view(np.ndarray)  # a plain view spares numpy's memmap class its overhead at each slice
