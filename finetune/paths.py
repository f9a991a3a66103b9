"""Shoppers' paths as arrays: the tokens of each, where their sessions are, and after which tokens a purchase followed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.path.tokens import END, NUMBER, PURCHASE, STARTS, VOCABULARY, CategoryOf, Walk, in_order
from storage.event import Event

Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

_STARTS = np.array([NUMBER[token] for token in STARTS])
_BUYS = np.array([token.startswith(PURCHASE) for token in VOCABULARY])


@dataclass(frozen=True)
class ShopperPath:
    """One shopper's tokens, oldest first; the last session ends, too.

    Attributes:
        tokens: their numbers, (n,).
        at: instants in milliseconds since 1970, (n,); an end and a start have that of the event after them.
        follows: whether a purchase comes later in the same session, (n,).
    """

    tokens: Ints
    at: NDArray[np.int64]
    follows: Bools

    @classmethod
    def of(cls, events: Iterable[Event], category_of: CategoryOf) -> ShopperPath:
        """From events in whatever order; empty where none of them is a step."""
        walk, tokens, at = Walk(category_of), list[int](), list[int]()
        for event in in_order(events):
            for token in walk.step(event):
                tokens.append(NUMBER[token])
                at.append(event.timestamp)
        if tokens:
            tokens.append(NUMBER[END])
            at.append(at[-1])
        numbers = np.array(tokens, dtype=np.intp)
        return cls(numbers, np.array(at, dtype=np.int64), _follows(numbers))

    def sessions(self) -> Iterator[tuple[int, int]]:
        """Each session as (place of its start token, place of its end token)."""
        starts = np.flatnonzero(np.isin(self.tokens, _STARTS))
        ends = [*(starts[1:] - 1).tolist(), len(self.tokens) - 1]
        return zip(starts.tolist(), ends[: len(starts)], strict=True)

    def until(self, instant: int) -> ShopperPath:
        """The sessions that began before an instant."""
        ends = [end + 1 for start, end in self.sessions() if self.at[start] < instant]
        last = ends[-1] if ends else 0
        return ShopperPath(self.tokens[:last], self.at[:last], self.follows[:last])


@dataclass(frozen=True)
class Moments:
    """The moments after the k-th event of sessions without a purchase until then: what a prediction is asked for.

    Attributes:
        shopper: the number of the path, (n,).
        place: how many tokens of the path are known, (n,); the last of them is the k-th event.
        bought: whether a purchase comes later in the session, (n,).
        start: the instant at which the session began, (n,).
    """

    shopper: Ints
    place: Ints
    bought: Bools
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.shopper)


def moments(paths: Iterable[ShopperPath], events: Iterable[int], since: int, until: int) -> Moments:
    """The moments after so many events of the sessions that began in [since, until), milliseconds since 1970."""
    wanted = list(events)
    found: list[tuple[int, int, bool, int]] = []
    for number, path in enumerate(paths):
        buys = _BUYS[path.tokens]
        for start, end in path.sessions():
            if not since <= path.at[start] < until:
                continue
            for count in wanted:
                last = start + count
                if last < end and not buys[start : last + 1].any():
                    found.append((number, last + 1, bool(path.follows[last]), int(path.at[start])))
    columns = list(zip(*found, strict=True)) if found else [(), (), (), ()]
    return Moments(
        np.array(columns[0], dtype=np.intp),
        np.array(columns[1], dtype=np.intp),
        np.array(columns[2], dtype=np.bool_),
        np.array(columns[3], dtype=np.int64),
    )


def paths_of(events_by_user: Mapping[str, Iterable[Event]], category_of: CategoryOf) -> list[ShopperPath]:
    """The path of each shopper who did anything."""
    found = (ShopperPath.of(events, category_of) for events in events_by_user.values())
    return [path for path in found if len(path.tokens)]


def _follows(tokens: Ints) -> Bools:
    follows = np.zeros(len(tokens), dtype=np.bool_)
    later = False
    for place in range(len(tokens) - 1, -1, -1):
        follows[place] = later
        if tokens[place] in _STARTS:
            later = False
        elif _BUYS[tokens[place]]:
            later = True
    return follows
