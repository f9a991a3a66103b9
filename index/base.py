"""What a part of the index takes over from the version before: what has not changed is copied, what has is made anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Base:
    """A part of the version before.

    `stale` (products before,) is True where what the part says of a row no longer holds: the row is gone, or added anew.
    Other rows stay what they are, for a row never moves.
    """

    folder: Path
    stale: Mask

    @property
    def moved(self) -> NDArray[np.int32]:
        """(products before,) each row, -1 where it is stale."""
        rows = np.arange(len(self.stale), dtype=np.int32)
        rows[self.stale] = -1
        return rows

    def __len__(self) -> int:
        """How many products there were."""
        return len(self.stale)


def resized(column: NDArray[Number], size: int) -> NDArray[Number]:
    """A copy in memory of the first `size` values, or lines of a table; what is missing is 0."""
    copy = np.zeros((size, *column.shape[1:]), column.dtype)
    copy[: len(column)] = column[:size]
    return copy


def renumbered(codes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Codes of things in the order in which these first occur, and what the code of each was, (things,); -1 stays -1.

    `[5, -1, 2, 5]` becomes `[0, -1, 1, 0]` with `[5, 2]`: as if the rows were read for the first time.
    """
    used, first = np.unique(codes, return_index=True)
    first = first[used >= 0]
    used = used[used >= 0]
    order = used[np.argsort(first)]
    table = np.full(int(used.max(initial=-1)) + 2, -1, np.int32)  # the last is for -1
    table[order] = np.arange(len(order))
    return table[codes], order
