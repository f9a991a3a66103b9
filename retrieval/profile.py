"""What a shopper's behavior says about their taste: decayed interests folded from events, each with its evidence.

The fold is a pure function of the set of events: they are deduplicated by `event_id` and summed in one fixed order, so
a late or repeated batch gives the same profile to the last bit. An event counts `EVENT_WEIGHTS` times a decay that is
half session, half memory::

    decay(age) = 0.5 · 2^(−age / 1 h) + 0.5 · 2^(−age / 30 d)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from index.product import Product
from retrieval.sensitive import sensitive_product
from storage.event import Event

BeliefKind = Literal["item", "category", "brand", "price_band", "attribute"]
PriceBand = Literal["budget", "middle", "premium"]
Trait = tuple[BeliefKind, str]
Lookup = Callable[[str], Product | None]

# Stated defaults, in units of one plain view. What was taken back weighs against the interest, but less than what it
# undoes: who returns a shoe still looked for shoes. Being shown something is no interest.
EVENT_WEIGHTS: Mapping[str, float] = {
    "select_item": 0.5,
    "view_item": 1.0,
    "add_to_cart": 3.0,
    "begin_checkout": 3.0,
    "purchase": 6.0,
    "remove_from_cart": -2.0,
    "refund": -5.0,
}
LONG_DWELL_MS, LONG_DWELL_FACTOR = 30_000, 2.0
GLANCE_MS, GLANCE_FACTOR = 3_000, 0.3
SESSION_HALF_LIFE_MS = 3_600_000
LONG_HALF_LIFE_MS = 30 * 86_400_000
CLOCK_SKEW_MS = 86_400_000
DAY_MS = 86_400_000
WINDOWS_DAYS = (1, 7, 30, 90, 365)

MAX_EVIDENCE = 20
MIN_BELIEF = 0.05
MIN_BAND = 0.2  # about half of all interest in one third of the prices
PARENT_SHARE = 0.75  # a category whose child holds this share of its interest says nothing beyond the child
MAX_VALUE_LENGTH = 40
MAX_VALUES_AN_ATTRIBUTE = 4


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


@dataclass(frozen=True, slots=True)
class PriceLevels:
    """What is cheap and what is dear in a category: its terciles in minor units, {"Trail shoes": (6000, 11000)}."""

    cuts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, prices: Iterable[tuple[str, int]]) -> PriceLevels:
        """From (leaf category, price) of the catalog's products; a category with fewer than six prices has no bands."""
        by_category: dict[str, list[int]] = defaultdict(list)
        for category, amount in prices:
            by_category[category].append(amount)
        cuts = {}
        for category, amounts in by_category.items():
            amounts.sort()
            low, high = amounts[len(amounts) // 3], amounts[2 * len(amounts) // 3]
            if len(amounts) >= 6 and low < high:
                cuts[category] = (low, high)
        return cls(cuts)

    @classmethod
    def of_products(cls, products: Iterable[Product]) -> PriceLevels:
        """The same from product records."""
        return cls.of(
            (product.categories[-1], product.price.amount)
            for product in products
            if product.price and product.categories
        )

    def band(self, product: Product) -> PriceBand | None:
        """The third of its category's prices that a product is in, None where that is unknown."""
        cut = self.cuts.get(product.categories[-1]) if product.categories else None
        if cut is None or product.price is None:
            return None
        return "budget" if product.price.amount < cut[0] else "middle" if product.price.amount < cut[1] else "premium"


def traits(product: Product, levels: PriceLevels) -> list[tuple[BeliefKind, str]]:
    """What liking a product can mean: its categories, brand, price band and short attribute values.

    `[("category", "Shoes"), ("category", "Trail shoes"), ("brand", "Acme"), ("price_band", "middle"),
    ("attribute", "color: blue")]`. Of a product of a sensitive kind (`retrieval/sensitive.py`) it means nothing.
    """
    if sensitive_product(product):
        return []
    found: list[tuple[BeliefKind, str]] = [("category", category) for category in product.categories if category]
    if product.brand:
        found.append(("brand", product.brand))
    band = levels.band(product)
    if band is not None:
        found.append(("price_band", band))
    for name, values in product.attributes.items():
        if len(values) <= MAX_VALUES_AN_ATTRIBUTE:
            found.extend(
                ("attribute", f"{name}: {value}")
                for value in values
                if len(value) <= MAX_VALUE_LENGTH and value and not value[0].isdigit()  # "350 lm" is no taste
            )
    return list(dict.fromkeys(found))


@dataclass(slots=True)
class _Sum:
    """An interest while it is summed."""

    parts: list[float] = field(default_factory=list)
    events: list[tuple[int, str, str, str]] = field(default_factory=list)  # (timestamp, event id, event name, item id)


@dataclass(frozen=True, slots=True)
class Interest:
    """The decayed weight of one trait; `events` are (timestamp, event id, event name, item id), newest first."""

    weight: float
    events: tuple[tuple[int, str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """The tastes of one shopper at the moment `now` (milliseconds since 1970). An empty one is a stranger's."""

    now: int
    interests: Mapping[tuple[BeliefKind, str], Interest] = field(default_factory=dict)
    levels: PriceLevels = field(default_factory=PriceLevels)
    parents: Mapping[str, str] = field(default_factory=dict)
    largest: Mapping[BeliefKind, float] = field(default_factory=dict)
    bands: Mapping[str, float] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """True where nothing is known."""
        return not self.interests

    def strength(self, kind: BeliefKind, value: str) -> float:
        """Interest in one trait from −1 to 1: its share of the strongest of its kind, held back while little is known.

        One view gives at most 1/3, ten give 10/12: w / (w + 2).
        """
        if kind == "price_band":
            return self.bands.get(value, 0.0)
        interest = self.interests.get((kind, value))
        if interest is None:
            return 0.0
        top = self.largest[kind]
        share = max(-1.0, min(1.0, interest.weight / top))
        return share * top / (top + 2.0)

    def beliefs(self, limit: int = 24) -> list[Belief]:
        """What is believed, strongest first: positive interests with the facts and events behind them."""
        believed = [
            self.belief(kind, value)
            for (kind, value), interest in self.interests.items()
            if interest.weight >= MIN_BELIEF and kind != "item" and not self._says_nothing(kind, value)
        ]
        found = [belief for belief in believed if belief is not None]
        return sorted(found, key=lambda belief: (-belief.weight, belief.kind, belief.value))[:limit]

    def belief(self, kind: BeliefKind, value: str) -> Belief | None:
        """The belief about one trait, or None where nothing speaks for it."""
        interest = self.interests.get((kind, value))
        if interest is None or interest.weight <= 0:
            return None
        facts, evidence = _facts(interest, self.now)
        if kind == "attribute":
            name, _, spelled = value.partition(": ")
            facts |= {"name": name, "value": spelled}
        return Belief(kind, value, interest.weight, facts, evidence)

    def _says_nothing(self, kind: BeliefKind, value: str) -> bool:
        """True for a price band that does not stand out, and a category that one below it explains."""
        if kind == "price_band":
            return self.bands.get(value, 0.0) < MIN_BAND
        return kind == "category" and any(
            self.interests[("category", child)].weight >= PARENT_SHARE * self.interests[("category", value)].weight
            for child, parent in self.parents.items()
            if parent == value and ("category", child) in self.interests
        )


def decay(age_ms: float) -> float:
    """Share of an event's weight that is left after `age_ms`; never negative, 1 for one that happens now."""
    age = max(0.0, age_ms)
    return 0.5 * float(2.0 ** (-age / SESSION_HALF_LIFE_MS)) + 0.5 * float(2.0 ** (-age / LONG_HALF_LIFE_MS))


def weight_of(event: Event) -> float:
    """What one event says before decay, in plain views; a long look counts double, a glance a third."""
    weight = EVENT_WEIGHTS.get(event.event, 0.0)
    if event.event == "view_item" and event.dwell_ms is not None:
        if event.dwell_ms >= LONG_DWELL_MS:
            return weight * LONG_DWELL_FACTOR
        if event.dwell_ms < GLANCE_MS:
            return weight * GLANCE_FACTOR
    return weight


def build_profile(
    events: Iterable[Event],
    products: Lookup,
    now: int,
    hidden: Iterable[tuple[str, str]] = (),
    levels: PriceLevels | None = None,
    personalize: bool = True,
) -> Profile:
    """Fold events into a profile, in whatever order and how often they come.

    Args:
        events: one shopper's events.
        products: looks a product up by id; events on products that are gone are passed over.
        now: milliseconds since 1970; events more than a day later than this are passed over.
        hidden: (kind, value) of beliefs that the shopper removed: they neither rank nor show, whatever their case.
        levels: what is cheap and dear in each category; without it there are no price bands.
        personalize: the shop's default where an event carries no consent of its own.
    """
    bands = levels or PriceLevels()
    removed = {(kind, value.casefold()) for kind, value in hidden}
    known: dict[str, Product | None] = {}
    sums: dict[tuple[BeliefKind, str], _Sum] = defaultdict(_Sum)
    parents: dict[str, str] = {}
    unique = {event.event_id: event for event in events}
    for event in sorted(unique.values(), key=lambda event: (event.timestamp, event.event_id)):
        allowed = personalize if event.consent is None else event.consent.personalize
        weight = weight_of(event)
        if not allowed or weight == 0 or event.timestamp > now + CLOCK_SKEW_MS:
            continue
        decayed = weight * decay(now - event.timestamp)
        for item_id in dict.fromkeys(item.item_id for item in event.items):
            if item_id not in known:
                known[item_id] = products(item_id)
            product = known[item_id]
            if product is None or sensitive_product(product):
                continue
            parents.update(zip(product.categories[1:], product.categories, strict=False))
            for kind, value in [("item", product.id), *traits(product, bands)]:
                if (kind, value.casefold()) in removed:
                    continue
                entry = sums[(kind, value)]
                entry.parts.append(decayed)
                entry.events.append((event.timestamp, event.event_id, event.event, item_id))
    interests = {
        key: Interest(math.fsum(entry.parts), tuple(reversed(entry.events))) for key, entry in sorted(sums.items())
    }
    largest: dict[BeliefKind, float] = defaultdict(lambda: 1e-9)
    for (kind, _), interest in interests.items():
        largest[kind] = max(largest[kind], abs(interest.weight))
    return Profile(now, interests, bands, parents, dict(largest), _band_strengths(interests))


def _band_strengths(interests: Mapping[Trait, Interest]) -> dict[str, float]:
    """How far each third of the prices stands out: who buys in all thirds alike has no price taste.

    1.5 · (share − 1/3) is 1 where all interest is in one third, 0 at an even spread and −1/2 where none is.
    """
    weights = dict.fromkeys(("budget", "middle", "premium"), 0.0)
    weights |= {value: max(0.0, each.weight) for (kind, value), each in interests.items() if kind == "price_band"}
    total = sum(weights.values())
    if total <= 0:
        return {}
    return {band: 1.5 * (weight / total - 1 / 3) * total / (total + 2.0) for band, weight in weights.items()}


def _facts(interest: Interest, now: int) -> tuple[dict[str, int | str], tuple[str, ...]]:
    """Counts within the shortest window that tells a story, and the events counted there, newest first.

    The window is the first of 1, 7, 30, 90, 365 days that holds two products or a purchase, else the first with any.
    """
    positive = [each for each in interest.events if EVENT_WEIGHTS[each[2]] > 0]  # newest first
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


_COUNTED: tuple[tuple[str, frozenset[str]], ...] = (
    ("views", frozenset({"view_item", "select_item"})),
    ("carts", frozenset({"add_to_cart", "begin_checkout"})),
    ("purchases", frozenset({"purchase"})),
)
