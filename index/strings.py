"""A column of strings on disk: bytes end to end and where each starts, memory-mapped, so that a million cost no objects."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged


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

    def span(self, start: int, end: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The bytes of the strings `start` … `end` - 1, and where each starts in all of the text, (end - start + 1,)."""
        starts = self._starts[start : end + 1]
        return self._text[int(starts[0]) : int(starts[-1])], starts

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """What `StringsWriter` wrote, memory-mapped; the caller has checked the hashes. Raises `Damaged` as `mapped`."""
        return cls(mapped(folder / f"{name}.text.npy"), mapped(folder / f"{name}.starts.npy"))


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
