"""What each shopper turned to, in order: lists of different lengths in two arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Histories:
    """Item numbers of all shoppers, oldest first; shopper u has `items[starts[u]:starts[u + 1]]`.

    `[[3, 1], [], [2]]` is `items` [3, 1, 2] and `starts` [0, 2, 2, 3].
    """

    items: Ints
    starts: Ints

    @classmethod
    def of(cls, lists: Iterable[Sequence[int] | Ints]) -> Self:
        """From one list a shopper."""
        arrays = [np.asarray(each, np.int64) for each in lists]
        starts = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([len(each) for each in arrays], out=starts[1:])
        return cls(np.concatenate(arrays) if arrays else np.zeros(0, np.int64), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, user: int) -> Ints:
        return self.items[self.starts[user] : self.starts[user + 1]]

    @property
    def lengths(self) -> Ints:
        """How much each turned to, (users,)."""
        return np.diff(self.starts)

    @property
    def users(self) -> Ints:
        """Whose each of `items` is, (items,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def from_end(self) -> Ints:
        """How many come after each of `items` in its list, (items,): 0 for a shopper's last."""
        return np.repeat(self.starts[1:], self.lengths) - 1 - np.arange(len(self.items))

    def kept(self, mask: NDArray[np.bool_]) -> Self:
        """Without the items where `mask` (items,) is false; every shopper stays, some with an empty list."""
        starts = np.zeros_like(self.starts)
        np.cumsum(np.bincount(self.users[mask], minlength=len(self)), out=starts[1:])
        return type(self)(self.items[mask], starts)

    def without_last(self, count: int | Ints) -> Self:
        """All but the last `count`, one number for all or one a shopper: s[:-count]."""
        dropped = np.repeat(np.broadcast_to(count, len(self)), self.lengths)
        return self.kept(self.from_end >= dropped)

    def latest(self, count: int) -> Self:
        """The last `count` of each: s[-count:]."""
        return self.kept(self.from_end < count)

    def take(self, users: NDArray[np.integer]) -> Self:
        """The lists of these shoppers, in this order."""
        lengths = self.lengths[users]
        starts = np.zeros(len(users) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        at = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths) + np.repeat(self.starts[users], lengths)
        return type(self)(self.items[at], starts)

    def at_end(self, place: int) -> Ints:
        """s[-place] of each, (users,); -1 where a list is shorter."""
        found = np.full(len(self), -1, np.int64)
        long = self.lengths >= place
        found[long] = self.items[self.starts[1:][long] - place]
        return found

    def padded(self) -> tuple[Ints, Ints]:
        """The lists side by side, (users, longest), 0 behind a list's end, and their lengths (users,)."""
        lengths = self.lengths
        found = np.zeros((len(self), max(1, int(lengths.max(initial=0)))), np.int64)
        found[self.users, np.arange(len(self.items)) - np.repeat(self.starts[:-1], lengths)] = self.items
        return found, lengths
