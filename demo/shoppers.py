"""What the demo's shoppers do: sessions that browse, compare and buy, as GA4 events, and the orders that follow.

A shopper comes with a mission, a type of product drawn from their taste. Sessions move it from browsing over comparing
to ready; who is ready mostly buys what they like best. A consumable that was bought is bought again when it is used up.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.random import Generator

from demo.catalog import CURRENCY, DemoProduct
from demo.orders import Purchase, make_order
from demo.tastes import Shelf, Shopper, make_shelves, make_shoppers
from demo.vocabulary import COLORS, PRODUCT_TYPES
from demo.wording import pick

DAYS = 180
_DAY = 86_400.0
# The period ends early enough for the last visit to end in it.
_LONGEST_VISIT = 2 * 3600
_TYPE_KEYS = list(PRODUCT_TYPES)
_COLOR_PLACE = {key: place for place, key in enumerate(COLORS)}
_DWELL_MEDIAN = {"browsing": 14.0, "comparing": 48.0, "ready": 75.0}

Row = dict[str, Any]


@dataclass(frozen=True)
class Behavior:
    """Rows of events.jsonl and orders.jsonl, oldest first.

    `stages` is the truth behind the events, by event id: "browsing", "comparing" or "ready". No file has it; it is there to
    judge what guesses it from the events.
    """

    events: list[Row]
    orders: list[Row]
    stages: Mapping[str, str]


@dataclass(order=True)
class _Visit:
    """A planned visit, `at` seconds after the period's start; `again` is the row of a product to buy again."""

    at: float
    again: int = field(default=-1, compare=False)
    sure: bool = field(default=False, compare=False)


@dataclass
class _Mission:
    """What a shopper is after now."""

    kind: str
    stage: str = "browsing"
    seen: dict[int, float] = field(default_factory=dict)  # row -> how much it is wanted


class _Person:
    """Plays one shopper through the period and writes down what happens."""

    def __init__(
        self,
        rng: Generator,
        shopper: Shopper,
        products: Sequence[DemoProduct],
        shelves: dict[str, Shelf],
        start: datetime,
    ) -> None:
        self.rng, self.shopper, self.products, self.shelves, self.start = rng, shopper, products, shelves, start
        self.events: list[Row] = []
        self.stages: list[str] = []  # of each event
        self.stage = "browsing"
        self.purchases: list[Purchase] = []
        self.mission: _Mission | None = None
        self.liking: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
        self.clock = 0.0
        self.session = ""

    def live(self) -> None:
        """Play every visit, those that purchases bring about included."""
        plan = self._plan()
        heapq.heapify(plan)
        sessions = 0
        while plan:
            visit = heapq.heappop(plan)
            if visit.at >= DAYS * _DAY - _LONGEST_VISIT:
                continue
            sessions += 1
            self.session, self.clock = f"{self.shopper.id}-s{sessions}", max(visit.at, self.clock + 900)
            bought = self._buy_again(visit.again) if visit.again >= 0 else self._shop(visit.sure)
            for row in bought:
                lasts = self.products[row].type.lasts_days
                if lasts is not None and self.rng.random() < self.shopper.loyalty:
                    heapq.heappush(plan, _Visit(self.clock + lasts * _DAY * float(self.rng.lognormal(0, 0.15)), row))

    def _plan(self) -> list[_Visit]:
        """Draw the days of the visits, at hours when people shop."""
        last = DAYS * self.shopper.stays
        first = float(self.rng.uniform(0, last * 0.4))
        days = np.sort(self.rng.uniform(first, last, self.shopper.visits))
        visits = [_Visit(float(np.floor(day)) * _DAY + self._hour()) for day in days]
        if self.shopper.id.startswith("demo-"):
            # A demo shopper has an order on its way and looked around this week.
            visits += [
                _Visit((DAYS - 2.4) * _DAY, sure=True),
                *(_Visit((DAYS - ago) * _DAY) for ago in (1.5, 0.8, 0.3)),
            ]
        return visits

    def _hour(self) -> float:
        return (
            float(np.clip(self.rng.normal(19, 3.5) if self.rng.random() < 0.7 else self.rng.normal(12, 2), 0, 23.9))
            * 3600
        )

    def _likings(self, kind: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        if kind not in self.liking:
            self.liking[kind] = self.shelves[kind].liking(self.shopper)
        return self.liking[kind]

    def _find(self, kind: str, count: int, chance: float) -> list[int]:
        """Return rows of that type, the most liked first after noise of scale `chance`."""
        liking = self._likings(kind)
        order = np.argsort(-(liking + self.rng.gumbel(0, chance, len(liking))))[:count]
        return [int(row) for row in self.shelves[kind].rows[order]]

    def _shop(self, sure: bool) -> list[int]:
        """Play one visit: pursue the mission, or start one."""
        mission = self.mission
        if mission is None or (not sure and self.rng.random() < 0.25):
            kind = _TYPE_KEYS[int(self.rng.choice(len(_TYPE_KEYS), p=self.shopper.type_shares))]
            mission = self.mission = _Mission(kind)
        if not len(self.shelves[mission.kind].rows):
            self.mission = None
            return []
        if sure:
            mission.stage = "ready"
        if mission.stage == "browsing":
            self._browse(mission)
            # Some know what they want and go on in the same visit.
            mission.stage = "comparing"
            if self.rng.random() > 0.35:
                return []
        if mission.stage == "comparing":
            self._compare(mission)
            mission.stage = "ready" if self.rng.random() < 0.65 else "comparing"
            if mission.stage == "comparing" or self.rng.random() > 0.5:
                return []
        return self._decide(mission, sure)

    def _browse(self, mission: _Mission) -> None:
        self.stage = "browsing"
        shown = self._find(mission.kind, int(self.rng.integers(6, 11)), 1.5)
        self._write("view_item_list", shown)
        for row in shown[: int(self.rng.integers(2, 5))]:
            if self.rng.random() < 0.4:
                self._write("select_item", [row])
            self._view(mission, row, "browsing")

    def _compare(self, mission: _Mission) -> None:
        self.stage = "comparing"
        self._search(mission.kind)
        shown = self._find(mission.kind, 6, 0.8)
        self._write("view_item_list", shown)
        for row in shown[: int(self.rng.integers(2, 4))]:
            self._view(mission, row, "comparing")
        best = self._best(mission)
        if best is not None:
            self._view(mission, best, "comparing")

    def _decide(self, mission: _Mission, sure: bool) -> list[int]:
        """Look once more at the favorite, and mostly buy it."""
        self.stage = "ready"
        favorite = self._best(mission)
        if favorite is None:
            favorite = self._find(mission.kind, 1, 0.4)[0]
        self._view(mission, favorite, "ready")
        if not self.products[favorite].product.availability.orderable:
            mission.stage = "comparing"
            return []
        self._write("add_to_cart", [favorite])
        if not sure and self.rng.random() < 0.15:
            self._write("remove_from_cart", [favorite])
            return []
        self._write("view_cart", [favorite])
        if not sure and self.rng.random() < 0.2:
            return []
        basket = [favorite]
        if self.rng.random() < 0.25:
            kind = _TYPE_KEYS[int(self.rng.choice(len(_TYPE_KEYS), p=self.shopper.type_shares))]
            extra = [
                row for row in self._find(kind, 1, 0.4)
                if row != favorite and self.products[row].product.availability.orderable
            ]  # fmt: skip
            for row in extra:
                self._write("add_to_cart", [row])
            basket += extra
        self._pay(basket)
        self.mission = None
        return basket

    def _buy_again(self, row: int) -> list[int]:
        """Come back for what is used up; now and then for another of its kind."""
        self.stage = "ready"
        product = self.products[row]
        if self.rng.random() > 0.85 or not product.product.availability.orderable:
            row = self._find(product.type.key, 1, 0.6)[0]
        if self.rng.random() < 0.4:
            self._search(self.products[row].type.key)
        self._write("view_item", [row], dwell_ms=self._dwell("browsing"))
        if not self.products[row].product.availability.orderable:
            return []
        self._write("add_to_cart", [row])
        self._pay([row])
        return [row]

    def _best(self, mission: _Mission) -> int | None:
        return max(mission.seen, key=lambda row: mission.seen[row]) if mission.seen else None

    def _view(self, mission: _Mission, row: int, stage: str) -> None:
        shelf = self.shelves[mission.kind]
        place = int(np.flatnonzero(shelf.rows == row)[0])
        mission.seen[row] = float(self._likings(mission.kind)[place])
        self._write("view_item", [row], dwell_ms=self._dwell(stage))

    def _dwell(self, stage: str) -> int:
        return int(_DWELL_MEDIAN[stage] * 1000 * float(self.rng.lognormal(0, 0.6)))

    def _search(self, kind: str) -> None:
        """Type what they are after, in their own words."""
        named, language = PRODUCT_TYPES[kind], self.shopper.language
        term = pick(self.rng, named.says.in_(language))
        liked = [color for color, weight in zip(named.colors, self._color_weights(kind), strict=True) if weight > 0]
        if liked and self.rng.random() < 0.3:
            color = pick(self.rng, liked).name.in_(language)
            term = f"{color}{term}" if language == "zh" else f"{color} {term}"
        if self.shopper.price < 0.35 and self.rng.random() < 0.4:
            budget = max(10, round(named.price[1] * (0.3 + self.shopper.price) / 1000) * 10)
            term = f"{budget}美元以内的{term}" if language == "zh" else f"{term} under ${budget}"
        self._write("search", [], search_term=term)

    def _color_weights(self, kind: str) -> list[float]:
        return [float(self.shopper.color_liking[_COLOR_PLACE[color.key]]) for color in PRODUCT_TYPES[kind].colors]

    def _pay(self, basket: list[int]) -> None:
        self._write("begin_checkout", basket)
        bought = [self.products[row] for row in basket]
        amounts = [2 if product.type.lasts_days and self.rng.random() < 0.2 else 1 for product in bought]
        event = self._write("purchase", basket, amounts)
        self.purchases.append(Purchase(self.shopper, event, tuple(bought), tuple(amounts), self._time()))

    def _time(self) -> datetime:
        return self.start + timedelta(seconds=self.clock)

    def _write(self, name: str, rows: list[int], amounts: list[int] | None = None, **more: Any) -> Row:
        """Write an event down and let the time pass that it takes."""
        event: Row = {"event_id": "", "event": name, "user_id": self.shopper.id, "session_id": self.session}
        event["timestamp"] = round(self._time().timestamp() * 1000)
        items: list[Row] = []
        for index, row in enumerate(rows):
            product = self.products[row]
            item: Row = {"item_id": product.product.id, "price": product.price}
            if name == "view_item_list":
                item["index"] = index
            elif name != "view_item":
                item["quantity"] = amounts[index] if amounts else 1
            items.append(item)
        event["items"] = items
        if items:
            event["currency"] = CURRENCY
        if name in ("add_to_cart", "remove_from_cart", "view_cart", "begin_checkout", "purchase"):
            event["value"] = sum(item["price"] * item["quantity"] for item in items)
        event.update(more)
        event["consent"] = self.shopper.consent
        self.events.append(event)
        self.stages.append(self.stage)
        self.clock += more.get("dwell_ms", 0) / 1000 + float(self.rng.uniform(2, 20))
        return event


def make_behavior(
    rng: Generator,
    now: datetime,
    products: Sequence[DemoProduct],
    count: int,
    progress: Callable[[int, int], None] | None = None,
) -> Behavior:
    """Let `count` shoppers live through the 180 days that end at `now`."""
    shelves = make_shelves(products)
    start = now.astimezone(UTC) - timedelta(days=DAYS)
    events: list[Row] = []
    stages: list[str] = []
    purchases: list[Purchase] = []
    for number, shopper in enumerate(make_shoppers(rng, count)):
        person = _Person(rng, shopper, products, shelves, start)
        person.live()
        events += person.events
        stages += person.stages
        purchases += person.purchases
        if progress is not None:
            progress(number + 1, count)
    purchases.sort(key=lambda purchase: (purchase.at, purchase.shopper.id))
    behind = {id(event): stage for event, stage in zip(events, stages, strict=True)}
    orders = []
    for number, purchase in enumerate(purchases):
        order, refund = make_order(rng, now, f"A{100001 + number}", purchase)
        orders.append(order)
        events += [refund] if refund else []
    events.sort(key=lambda event: (event["timestamp"], event["user_id"], event["session_id"]))
    for number, event in enumerate(events):
        event["event_id"] = f"e{number + 1:07d}"
    known = {event["event_id"]: behind[id(event)] for event in events if id(event) in behind}  # a refund has none
    return Behavior(events, orders, known)
