"""The profile as it grows: one shopper's events come one by one, late, repeated and out of order, and each costs O(1).

The state after any sequence of events depends on their set alone, to the last bit: a replay of what the database holds gives
what streaming gave. So a process may keep it, lose it, and make it again.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from retrieval.profile.beliefs import Occurrence, Profile
from retrieval.profile.sums import DecayedSums
from retrieval.profile.traits import Lookup, Meaning, Meanings, PriceLevels, Trait
from retrieval.profile.weights import EVENT_WEIGHTS, PATH_EVENTS, weight_of
from storage.bots import Pace
from storage.event import CLOCK_SKEW_MS, EARLIEST_MS, Event

MOST_EVENTS: Final = 500
"""So many events of a shopper count, the newest: it bounds memory, and the time of a replay."""
RECENT: Final = 50


class _Act(NamedTuple):
    """An event of the window; `meant` holds what each of its items means, by the id that the event has.

    One that is not `allowed` to be used means nothing, but the newest of all says whether anything may be used.
    """

    event: str
    timestamp: int
    allowed: bool
    weight: float
    meant: tuple[tuple[str, Meaning], ...]


class ProfileState:
    """The newest `MOST_EVENTS` events of one shopper, summed up. Not safe to share between threads.

    Args:
        meanings: what items mean; another version of the catalog needs another state.
        personalize: the shop's default where an event carries no consent of its own.
        weights: what an event of each kind says, in plain views.
    """

    def __init__(
        self, meanings: Meanings, personalize: bool = True, weights: Mapping[str, float] = EVENT_WEIGHTS
    ) -> None:
        self.meanings = meanings
        self._personalize = personalize
        self._weights = weights
        self._order: list[tuple[int, str]] = []  # (timestamp, event id) of the events that count, oldest first
        self._acts: dict[str, _Act] = {}  # by event id
        self._recent: list[tuple[int, str, Event]] = []  # oldest first
        self._sums: DecayedSums[Trait] = DecayedSums()
        self._behind: dict[Trait, tuple[Occurrence, ...]] = {}  # newest first
        self._parents: Counter[tuple[str, str]] = Counter()
        self._pace = Pace()

    def add(self, event: Event, now: int) -> None:
        """Takes an event in; one that is known, of no use, of the future or older than all that count changes nothing.

        `now` is in milliseconds since 1970: events more than a day later are of the future.
        """
        dated = EARLIEST_MS <= event.timestamp <= now + CLOCK_SKEW_MS
        if not dated or event.event not in PATH_EVENTS or event.event_id in self._acts:
            return
        place = (event.timestamp, event.event_id)
        if len(self._order) == MOST_EVENTS:
            if place < self._order[0]:
                return
            self._forget_oldest()
        allowed = self._personalize if event.consent is None else event.consent.personalize
        weight = weight_of(event, self._weights) if allowed else 0.0
        named = dict.fromkeys(item.item_id for item in event.items) if weight else ()
        meanings = ((item_id, self.meanings.of(item_id)) for item_id in named)
        meant = tuple((item_id, meaning) for item_id, meaning in meanings if meaning is not None)
        insort(self._order, place)
        self._acts[event.event_id] = _Act(event.event, event.timestamp, allowed, weight, meant)
        self._pace.count(event.event, event.timestamp)
        if allowed:
            insort(self._recent, (*place, event), key=lambda each: each[:2])
            del self._recent[:-RECENT]
        for item_id, meaning in meant:
            self._sums.add(meaning.traits, weight, event.timestamp)
            self._parents.update(meaning.parents)
            occurrence = (event.timestamp, event.event_id, event.event, item_id)
            for trait in meaning.traits:
                self._behind[trait] = _put(occurrence, self._behind.get(trait, ()))

    def _forget_oldest(self) -> None:
        timestamp, event_id = self._order.pop(0)
        act = self._acts.pop(event_id)
        if self._recent and self._recent[0][:2] == (timestamp, event_id):
            del self._recent[0]
        self._pace.count(act.event, timestamp, times=-1)
        for _, meaning in act.meant:
            self._sums.add(meaning.traits, act.weight, timestamp, times=-1)
            self._parents.subtract(meaning.parents)
            for trait in meaning.traits:
                self._behind[trait] = self._behind[trait][:-1]
                if not self._behind[trait]:
                    del self._behind[trait]

    def profile(self, now: int, hidden: Iterable[tuple[str, str]] = ()) -> Profile:
        """What the events say at `now`; a stranger's profile for a bot, and for one whose newest event refuses it.

        Ages are counted from the newest event where a clock that runs ahead has put it after `now`.

        Args:
            now: milliseconds since 1970.
            hidden: (kind, value) of beliefs that the shopper removed: they neither rank nor show, whatever their case.
        """
        levels = self.meanings.levels
        if not self._order or not self._acts[self._order[-1][1]].allowed or self._pace.inhuman:
            return Profile(now, levels=levels)
        weights, behind = self._sums.at(max(now, self._order[-1][0])), self._behind.copy()
        if removed := {(kind, value.casefold()) for kind, value in hidden}:
            for trait in [(kind, value) for kind, value in behind if (kind, value.casefold()) in removed]:
                del behind[trait]
                weights.pop(trait, None)
        children: dict[str, set[str]] = defaultdict(set)
        for (child, parent), count in self._parents.items():
            if count > 0:
                children[parent].add(child)
        return Profile.of(now, weights, behind, levels, dict(children), tuple(event for _, _, event in self._recent))


def _put(occurrence: Occurrence, behind: tuple[Occurrence, ...]) -> tuple[Occurrence, ...]:
    """Those behind an interest with one more at its place; most are newer than all that are there."""
    if not behind or occurrence > behind[0]:
        return (occurrence, *behind)
    return tuple(sorted((*behind, occurrence), reverse=True))


def build_profile(
    events: Iterable[Event],
    products: Lookup,
    now: int,
    hidden: Iterable[tuple[str, str]] = (),
    levels: PriceLevels | None = None,
    personalize: bool = True,
    weights: Mapping[str, float] = EVENT_WEIGHTS,
) -> Profile:
    """Fold events into a profile, in whatever order and how often they come.

    Args:
        events: one shopper's events.
        products: looks a product up by id; events on products that are gone are passed over.
        now: milliseconds since 1970; events more than a day later than this are passed over.
        hidden: (kind, value) of beliefs that the shopper removed: they neither rank nor show, whatever their case.
        levels: what is cheap and dear in each category; without it there are no price bands.
        personalize: the shop's default where an event carries no consent of its own.
        weights: what an event of each kind says, in plain views.
    """
    state = ProfileState(Meanings(products, levels), personalize, weights)
    for event in events:
        state.add(event, now)
    return state.profile(now, hidden)
