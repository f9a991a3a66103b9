"""Sums of decaying weights that come out the same to the last bit, in whatever order their parts come and go.

A weight w of the instant t is worth, at `now` and with the half-life H::

    w · 2^(−(now − t) / H)  =  w · 2^((t − EPOCH) / H)  ·  2^(−(now − EPOCH) / H)
                               └── fixed when it comes ┘     └── the same for all ──┘

where EPOCH is the earliest instant that is believed. So a sum never needs to be aged: the first factors are added up once,
and multiplied by the second when somebody reads. They grow without bound, and float additions depend on their order; both
go away with integers. The exponent is split into whole half-lives k and a rest r below 1, `w · 2^r` is rounded to a multiple
of 2^−40, and that integer is shifted by k. Integers add exactly, so adding is O(1), commutes, and can be undone.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

from retrieval.profile.weights import LONG_HALF_LIFE_MS, SESSION_HALF_LIFE_MS
from storage.event import EARLIEST_MS

Key = TypeVar("Key", bound=Hashable)

_BITS: Final = 40
_SESSIONS_KEPT: Final = 64  # half-lives: what is older is less than 2^-64 of its weight, which a float does not show


class DecayedSums(Generic[Key]):
    """For each key Σ w · decay(now − t), half by the session's half-life, half by the long one.

    A sum by the long half-life is one integer: since 2000 few half-lives have passed. Of an hour there were 200,000, so the
    session's sums are kept by hour, and those of hours that no float can show any more are dropped: which these are depends on
    the latest instant alone.
    """

    def __init__(self) -> None:
        self._long: dict[Key, int] = {}
        self._hours: dict[int, dict[Key, int]] = {}
        self._latest = 0

    def add(self, keys: Iterable[Key], weight: float, timestamp: int, times: int = 1) -> None:
        """Adds a weight of an instant (`EARLIEST_MS` or later) to each of some keys; with `times` −1 takes it back."""
        halves, part = _parts(weight, timestamp, LONG_HALF_LIFE_MS)
        lasting = times * (part << halves)
        hour, part = _parts(weight, timestamp, SESSION_HALF_LIFE_MS)
        if hour > self._latest:
            self._latest = hour
            for old in [each for each in self._hours if each <= hour - _SESSIONS_KEPT]:
                del self._hours[old]
        passing = self._hours.setdefault(hour, {}) if hour > self._latest - _SESSIONS_KEPT else None
        for key in keys:
            _bump(self._long, key, lasting)
            if passing is not None:
                _bump(passing, key, times * part)

    def at(self, now: int) -> dict[Key, float]:
        """All sums that are not zero as they are worth at `now`, which must not lie before any instant that was added."""
        first = self._latest - _SESSIONS_KEPT
        since = (now - EARLIEST_MS) / LONG_HALF_LIFE_MS
        lasting = 0.5 * 2.0 ** (-since - _BITS)
        worth = {key: lasting * value for key, value in self._long.items()}
        together: dict[Key, int] = {}
        for hour, sums in self._hours.items():
            for key, value in sums.items():
                together[key] = together.get(key, 0) + (value << (hour - first))
        passing = 0.5 * 2.0 ** (first - (now - EARLIEST_MS) / SESSION_HALF_LIFE_MS - _BITS)
        for key, value in together.items():
            worth[key] = worth.get(key, 0.0) + passing * value
        return worth


def _parts(weight: float, timestamp: int, half_life: int) -> tuple[int, int]:
    """Whole half-lives since the epoch, and the weight with the rest of its exponent, in units of 2^−40."""
    halves, rest = divmod(timestamp - EARLIEST_MS, half_life)
    return halves, round(weight * 2.0 ** (rest / half_life + _BITS))


def _bump(sums: dict[Key, int], key: Key, value: int) -> None:
    """Adds; a sum that comes to nothing is not kept."""
    summed = sums.get(key, 0) + value
    if summed:
        sums[key] = summed
    else:
        sums.pop(key, None)
