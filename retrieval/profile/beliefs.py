"""What is believed of a shopper, and what a sentence about it needs: the counts and the events that prove it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from retrieval.profile.traits import BeliefKind, PriceBand, PriceLevels, Trait
from retrieval.profile.weights import EVENT_WEIGHTS
from storage.event import Event

Occurrence = tuple[int, str, str, str]
"""(timestamp, event id, event name, item id): what one event did with one item."""

DAY_MS = 86_400_000
WINDOWS_DAYS = (1, 7, 30, 90, 365)
MAX_EVIDENCE = 20
MIN_BELIEF = 0.05
MIN_BAND = 0.2  # about half of all interest in one third of the prices
PARENT_SHARE = 0.75  # a category whose child holds this share of its interest says nothing beyond the child


@dataclass(frozen=True, slots=True)
class Belief:
    """One thing Aisle believes, with what a sentence about it needs and the events that prove it.

    `facts` counts what happened within the last `days`: {"items": 3, "views": 4, "carts": 1, "purchases": 0,
    "days": 7}; for an attribute also {"name": "color", "value": "blue"}, and `value` is then "color: blue". `weight`
    is in decayed views.
    """

    kind: BeliefKind
    value: str
    weight: float
    facts: Mapping[str, int | str]
    evidence: tuple[str, ...]


class Interest(NamedTuple):
    """The decayed weight of one trait, in plain views, and what it comes from, newest first."""

    weight: float
    events: tuple[Occurrence, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """The tastes of one shopper at the moment `now` (milliseconds since 1970). An empty one is a stranger's.

    They are soft: they order what is shown. What the shopper said ("under $50") is no part of them but of the conversation.
    `weights` holds the decayed weight of each trait that has one, in plain views, `behind` what each comes from, newest first;
    `children` maps a category to those below it, `recent` holds the last 50 things that the shopper did, oldest first.
    """

    now: int
    weights: Mapping[Trait, float] = field(default_factory=dict)
    behind: Mapping[Trait, tuple[Occurrence, ...]] = field(default_factory=dict)
    levels: PriceLevels = field(default_factory=PriceLevels)
    children: Mapping[str, Set[str]] = field(default_factory=dict)
    recent: tuple[Event, ...] = ()
    largest: Mapping[BeliefKind, float] = field(default_factory=dict)
    bands: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        now: int,
        weights: Mapping[Trait, float],
        behind: Mapping[Trait, tuple[Occurrence, ...]],
        levels: PriceLevels,
        children: Mapping[str, Set[str]],
        recent: tuple[Event, ...],
    ) -> Profile:
        """With what follows from the weights: the strongest of each kind, and which prices stand out."""
        largest: dict[BeliefKind, float] = defaultdict(lambda: 1e-9)
        for (kind, _), weight in weights.items():
            if abs(weight) > largest[kind]:
                largest[kind] = abs(weight)
        return cls(now, weights, behind, levels, children, recent, dict(largest), _band_strengths(weights))

    @property
    def interests(self) -> dict[Trait, Interest]:
        """Each trait's weight and what it comes from, put together anew each time."""
        return {trait: Interest(self.weights.get(trait, 0.0), behind) for trait, behind in self.behind.items()}

    @property
    def empty(self) -> bool:
        """True where nothing is known."""
        return not self.behind

    def strength(self, kind: BeliefKind, value: str) -> float:
        """Interest in one trait from −1 to 1: its share of the strongest of its kind, held back while little is known.

        One view gives at most 1/3, ten give 10/12: w / (w + 2).
        """
        if kind == "price_band":
            return self.bands.get(value, 0.0)
        weight = self.weights.get((kind, value))
        if weight is None:
            return 0.0
        top = self.largest[kind]
        share = max(-1.0, min(1.0, weight / top))
        return share * top / (top + 2.0)

    def beliefs(self, limit: int = 24) -> list[Belief]:
        """What is believed, strongest first: positive interests with the facts and events behind them."""
        believed = self._believed()
        found = (self.belief(kind, value) for _, kind, value in believed[:limit])
        return [belief for belief in found if belief is not None]

    def strongest(self, kind: BeliefKind, limit: int) -> list[str]:
        """What is believed of one kind, strongest first, as `beliefs` would tell it but without facts."""
        return [value for _, _, value in self._believed(kind)[:limit]]

    def belief(self, kind: BeliefKind, value: str) -> Belief | None:
        """The belief about one trait, or None where nothing speaks for it."""
        weight = self.weights.get((kind, value), 0.0)
        if weight <= 0:
            return None
        facts, evidence = _facts(self.behind[kind, value], self.now)
        if kind == "attribute":
            name, _, spelled = value.partition(": ")
            facts |= {"name": name, "value": spelled}
        return Belief(kind, value, weight, facts, evidence)

    def _believed(self, only: BeliefKind | None = None) -> list[tuple[float, BeliefKind, str]]:
        """(less its weight, kind, value) of what is told, strongest first."""
        return sorted(
            (-weight, kind, value)
            for (kind, value), weight in self.weights.items()
            if weight >= MIN_BELIEF
            and kind != "item"
            and (only is None or kind == only)
            and not self._says_nothing(kind, value)
        )

    def _says_nothing(self, kind: BeliefKind, value: str) -> bool:
        """True for a price band that does not stand out, and a category that one below it explains."""
        if kind == "price_band":
            return self.bands.get(value, 0.0) < MIN_BAND
        return kind == "category" and any(
            self.weights.get(("category", child), 0.0) >= PARENT_SHARE * self.weights["category", value]
            for child in self.children.get(value, ())
        )


def _band_strengths(weights: Mapping[Trait, float]) -> dict[str, float]:
    """How far each third of the prices stands out: who buys in all thirds alike has no price taste.

    1.5 · (share − 1/3) is 1 where all interest is in one third, 0 at an even spread and −1/2 where none is.
    """
    bands: tuple[PriceBand, ...] = ("budget", "middle", "premium")
    liked = {band: max(0.0, weights.get(("price_band", band), 0.0)) for band in bands}
    total = sum(liked.values())
    if total <= 0:
        return {}
    return {band: 1.5 * (weight / total - 1 / 3) * total / (total + 2.0) for band, weight in liked.items()}


def _facts(behind: Sequence[Occurrence], now: int) -> tuple[dict[str, int | str], tuple[str, ...]]:
    """Counts within the shortest window that tells a story, and the events counted there, newest first as in `behind`.

    The window is the first of 1, 7, 30, 90, 365 days that holds two products or a purchase, else the first with any.
    """
    positive = [each for each in behind if each[2] in _SPEAK_FOR]
    chosen, days = 0, WINDOWS_DAYS[-1]
    items: set[str] = set()
    bought = False
    inside = 0
    for window in WINDOWS_DAYS:
        since = now - window * DAY_MS
        while inside < len(positive) and positive[inside][0] >= since:
            items.add(positive[inside][3])
            bought = bought or positive[inside][2] == "purchase"
            inside += 1
        if inside and not chosen:
            chosen, days = inside, window
        if len(items) >= 2 or bought:
            chosen, days = inside, window
            break
    if not chosen and positive:
        chosen, days = len(positive), max(1, math.ceil((now - positive[-1][0]) / DAY_MS))
    told = positive[:chosen]
    counts = {name: len({each[1] for each in told if each[2] in names}) for name, names in _COUNTED}
    viewed = {each[3] for each in told}
    evidence = tuple(dict.fromkeys(each[1] for each in told))[:MAX_EVIDENCE]
    return {"items": len(viewed), **counts, "days": days}, evidence


_SPEAK_FOR = frozenset(name for name, weight in EVENT_WEIGHTS.items() if weight > 0)
_COUNTED: tuple[tuple[str, frozenset[str]], ...] = (
    ("views", frozenset({"view_item", "select_item"})),
    ("carts", frozenset({"add_to_cart", "begin_checkout"})),
    ("purchases", frozenset({"purchase"})),
)
