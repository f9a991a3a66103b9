"""The shop in figures, for the people who run it: read from the database, counted, and told only of five people or more.

What leaves this module names nobody. A count of one to four people is None, which windows show as "fewer than 5"; nobody is zero,
and told. That keeps a reader from seeing one person in a table; it does not keep them from comparing today's table with
yesterday's. Figures are counted at most once a minute.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from bot.service import Assistant
from retrieval.audience import Audience, Exported, export_audience
from retrieval.crowd import Crowd, Eyes, crowd_of
from retrieval.path.stage import STAGES
from retrieval.profile import MOST_EVENTS, PATH_EVENTS
from retrieval.retention import Band, CustomerModel
from retrieval.retention.cohorts import cohorts
from retrieval.sensitive import ordinary
from retrieval.slate_metrics import STEPS, SlateMetrics, Step, Tally, slate_metrics
from storage import behavior
from storage.behavior import nameless_behaviors
from storage.errors import InvalidInput
from storage.event import CLOCK_SKEW_MS
from storage.experiments import without_arm
from storage.principal import FIGURES, Principal, Role
from storage.purchases import Buyer, nameless_buyers
from storage.record import now_ms
from storage.settings import DAY_MS, ShopSettings
from storage.slates import nameless_slates

FEWEST: Final = 5
"""People of whom something is told; a group of fewer is not counted out."""
ACTIVE_DAYS: Final = 30
"""Who did something within so many days is active."""
LATELY_DAYS: Final = 7
"""Who was there within so many days is somewhere on the way; after a longer time away it begins anew."""
BEHAVIOR_DAYS: Final = 90
"""Older events weigh less than an eighth of new ones."""
MOST_PEOPLE: Final = 1_000
"""Active shoppers of whom interests are counted, the latest; a share of them is known to a few hundredths."""
SLATE_DAYS: Final = 28
SLATE_WINDOW_MS: Final = DAY_MS
MOST_POSITIONS: Final = 10
DUE_WEEKS: Final = 4
MOST_INTERESTS: Final = 10
KEPT_SECONDS: Final = 60.0
MODEL_SECONDS: Final = 3_600.0
"""What is learnt of customers changes slowly."""

_COUNTED: Final = ("model", "shoppers", "interests", "slates", "experiments", "audiences")

Kept = TypeVar("Kept")


def told(people: int) -> int | None:
    """The count, None for one to four people."""
    return None if 0 < people < FEWEST else people


@dataclass(frozen=True, slots=True)
class Part:
    """Some out of many; either is None where it is of too few people to be told."""

    count: int | None
    of: int | None

    @classmethod
    def told(cls, count: int, of: int, takers: int | None = None, people: int | None = None) -> Part:
        """Counts of other things than people come with the people behind them."""
        whole = None if told(of if people is None else people) is None else of
        few = whole is None or told(count if takers is None else takers) is None
        return cls(None if few else count, whole)

    @property
    def share(self) -> float | None:
        """From 0 to 1, None where it is not told or of nothing."""
        return self.count / self.of if self.count is not None and self.of else None


@dataclass(frozen=True, slots=True)
class CohortRow:
    """People whose first purchase was in `month`, and of them those who bought in each month after it."""

    month: str
    people: int | None
    returned: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Shoppers:
    """Who comes back.

    Attributes:
        customers: who bought and agrees to be known, to the next ten: the bands would else tell the one that is left out.
        cohorts: oldest first.
        bands: empty where too few came back to learn from.
        due: people to whom something is due by the week in which it is: overdue, this week, the next ones.
    """

    customers: int | None
    cohorts: tuple[CohortRow, ...]
    bands: Mapping[Band, int | None]
    due: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Interests:
    """What active shoppers like, as counts of people, and how far those are who were there lately."""

    people: int | None
    categories: Mapping[str, int]
    brands: Mapping[str, int]
    stages: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Shown:
    """Cards or slates, and what they came to."""

    shown: int | None
    steps: Mapping[Step, Part]

    @classmethod
    def of(cls, tally: Tally) -> Shown:
        """What of a tally may be told."""
        people = len(tally.people)
        return cls(
            None if told(people) is None else tally.shown,
            {step: Part.told(tally.reached[step], tally.shown, len(tally.takers[step]), people) for step in STEPS},
        )


@dataclass(frozen=True, slots=True)
class Slates:
    """What became of slates.

    Attributes:
        slates: all of the last `SLATE_DAYS` days.
        positions: cards by place, from 1.
        versions: slates by policy version, the most shown first, and day, oldest first.
        thumbs: cards by "up" and "down".
    """

    slates: Shown
    positions: Mapping[int, Shown]
    versions: Mapping[str, Mapping[str, Shown]]
    thumbs: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm's figure less the control's, with its 95 % interval, and the verdict with its reasons."""

    arm: str
    value: float | None
    low: float | None
    high: float | None
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """How far an experiment is; `differences` are by its metric and empty before it is over.

    `status` is planned, running or over; `users` count; `broken` says that the arms are not split as they were to be.
    """

    name: str
    status: str
    day: int
    days: int
    metric: str
    control: str
    users: int | None
    broken: bool = False
    differences: tuple[Difference, ...] = ()


Experiments = Callable[[Principal], Sequence[Experiment]]


@dataclass(slots=True)
class _Entry:
    """One figure that is kept; `lock` lets one thread count it while others wait."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = 0.0
    value: Any = None


class Figures:
    """All figures of one shop. Safe to share between threads; each call is checked against who asks.

    Args:
        assistant: for the catalog that serves now, and the database.
        shop: its folder.
        settings: of the shop.
        experiments: how they stand; judging them is not this package's.
        clock: milliseconds since 1970, UTC.
    """

    def __init__(
        self,
        assistant: Assistant,
        shop: Path,
        settings: ShopSettings,
        experiments: Experiments = lambda _: (),
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._assistant = assistant
        self._shop = shop
        self._settings = settings
        self._experiments = experiments
        self._clock = clock
        self._kept = {name: _Entry() for name in _COUNTED}

    def shoppers(self, principal: Principal) -> Shoppers:
        """Cohorts, bands and what is due.

        Raises:
            Forbidden: the role may not see figures.
        """
        principal.require_role(*FIGURES)
        return self._once("shoppers", KEPT_SECONDS, lambda: self._shoppers(principal))

    def interests(self, principal: Principal) -> Interests:
        """What active shoppers like and how far they are.

        Raises:
            Forbidden: the role may not see figures.
        """
        principal.require_role(*FIGURES)
        return self._once("interests", KEPT_SECONDS, lambda: self._interests(principal))

    def slates(self, principal: Principal) -> Slates:
        """What became of what was shown.

        Raises:
            Forbidden: the role may not see figures.
        """
        principal.require_role(*FIGURES)
        return self._once("slates", KEPT_SECONDS, lambda: self._slates(principal))

    def experiments(self, principal: Principal) -> Sequence[Experiment]:
        """How the shop's experiments stand, in the order of shop.toml.

        Raises:
            Forbidden: the role may not see figures.
        """
        principal.require_role(*FIGURES)
        return self._once("experiments", KEPT_SECONDS, lambda: self._experiments(principal))

    def audiences(self, principal: Principal) -> Mapping[Audience, Exported | None]:
        """What an export of each band would come to now; None where too few came back to learn from.

        Raises:
            Forbidden: the role may not contact people.
        """
        principal.require_role(Role.ADMIN)
        return self._once(
            "audiences", KEPT_SECONDS, lambda: {band: self._counted(principal, band) for band in Audience}
        )

    def export(self, principal: Principal, band: Audience, output: Path, campaign: str | None = None) -> Exported:
        """Writes whom to contact to a file, and keeps who was drawn: `launch.py audience --band BAND --output FILE`.

        Raises what `export_audience` raises.
        """
        shelf = self._assistant.parts.shelf
        exported = export_audience(
            self._assistant.database,
            principal,
            self._shop,
            self._settings,
            band,
            shelf.goods,
            output=output,
            campaign=campaign,
            now=self._clock(),
        )
        self._kept["audiences"].until = 0.0
        return exported

    def _once(self, name: str, seconds: float, count: Callable[[], Kept]) -> Kept:
        """What was counted within so many seconds, else counted now."""
        entry = self._kept[name]
        with entry.lock:
            if time.monotonic() >= entry.until:
                entry.value = count()
                entry.until = time.monotonic() + seconds
            value: Kept = entry.value
            return value

    def _model(self, people: Sequence[Buyer]) -> CustomerModel | None:
        """What was learnt of customers, by the model that serves if it is of the last day; None where they are too few."""
        now, parts = self._clock(), self._assistant.parts
        if parts.customers is not None and now - parts.customers.fitted_at < DAY_MS:
            return parts.customers

        def learnt() -> CustomerModel | None:
            try:
                return CustomerModel.fit(people, parts.shelf.goods, now)
            except InvalidInput:
                return None

        return self._once("model", MODEL_SECONDS, learnt)

    def _shoppers(self, principal: Principal) -> Shoppers:
        now = self._clock()
        people = list(nameless_buyers(self._assistant.database, principal, self._settings.consent, now))
        rows = tuple(
            CohortRow(each.month, told(each.people), tuple(Part.told(count, each.people) for count in each.returned))
            for each in cohorts(people, now)
        )
        model = self._model(people)
        if model is None:
            return Shoppers(_about(len(people)), rows, {}, ())
        counts = dict.fromkeys(Band, 0)
        for standing in model.standings(people, now):
            counts[standing.band] += 1
        goods = self._assistant.parts.shelf.goods
        today = now // DAY_MS
        weeks = [0] * (DUE_WEEKS + 1)
        for dues in model.dues(people, goods, now, 7 * DUE_WEEKS).values():
            first = min(due.due for due in dues)
            weeks[0 if first < today else min(DUE_WEEKS, 1 + (first - today) // 7)] += 1
        return Shoppers(
            _about(len(people)), rows, {band: told(count) for band, count in counts.items()}, tuple(map(told, weeks))
        )

    def _interests(self, principal: Principal) -> Interests:
        now = self._clock()
        found = nameless_behaviors(
            self._assistant.database,
            principal,
            behavior.Crowd(PATH_EVENTS, now - ACTIVE_DAYS * DAY_MS, MOST_PEOPLE),
            behavior.Wanted(PATH_EVENTS, now - BEHAVIOR_DAYS * DAY_MS, MOST_EVENTS),
            now + CLOCK_SKEW_MS,
            self._settings.consent,
        )
        parts = self._assistant.parts
        record = ordinary(parts.shelf.record, self._settings.privacy.sensitive)
        eyes = Eyes(
            parts.meanings,
            parts.shelf.category_of,
            self._settings.consent.personalize,
            lambda item_id: record(item_id) is None,
            parts.chain,
        )
        crowd = crowd_of(found, eyes, now, now - LATELY_DAYS * DAY_MS)
        return Interests(told(crowd.people), _most(crowd.categories), _most(crowd.brands), _stages(crowd))

    def _slates(self, principal: Principal) -> Slates:
        now = self._clock()
        since = now - SLATE_DAYS * DAY_MS
        open_ = [name for name, each in self._settings.experiment.items() if now < each.end]

        def version_of(version: str) -> str:
            """Without the arms of an experiment that is not over: its figures by arm are nobody's before that."""
            for name in open_:
                version = without_arm(version, name)
            return version

        audiences = nameless_slates(self._assistant.database, principal, self._settings.consent, since)
        metrics = slate_metrics(audiences, SLATE_WINDOW_MS, version_of)
        return Slates(
            Shown.of(metrics.slates),
            {place: Shown.of(metrics.positions[place]) for place in sorted(metrics.positions)[:MOST_POSITIONS]},
            _by_version(metrics),
            {value: Shown.of(metrics.thumbs[value]).shown for value in ("up", "down")},
        )

    def _counted(self, principal: Principal, band: Audience) -> Exported | None:
        database, now = self._assistant.database, self._clock()
        people = list(nameless_buyers(database, principal, self._settings.consent, now))
        model = self._model(people)
        if model is None and band is not Audience.BACK_IN_STOCK:
            return None
        goods = self._assistant.parts.shelf.goods
        return export_audience(database, principal, self._shop, self._settings, band, goods, model=model, now=now)


def _about(people: int) -> int | None:
    """The count to the next ten."""
    return None if told(people) is None else (people + 5) // 10 * 10


def _most(liked: Mapping[str, int]) -> dict[str, int]:
    """The names that most people like, where they are enough."""
    enough = [(name, count) for name, count in liked.items() if told(count)]
    return dict(enough[:MOST_INTERESTS])


def _stages(crowd: Crowd) -> dict[str, int | None]:
    """How many people are in each stage, in the order of the way."""
    return {stage: told(crowd.stages.get(stage, 0)) for stage in STAGES}


def _by_version(metrics: SlateMetrics) -> dict[str, dict[str, Shown]]:
    """Days within versions; those most shown first."""
    shown: defaultdict[str, int] = defaultdict(int)
    for (version, _), tally in metrics.days.items():
        shown[version] += tally.shown
    return {
        version: {day: Shown.of(metrics.days[each, day]) for each, day in sorted(metrics.days) if each == version}
        for version in sorted(shown, key=lambda each: (-shown[each], each))
    }
