"""How the agents' desk does: volumes, times, what became of what was proposed, and what nothing answered, for supervisors.

Each figure says exactly what it counts, in its docstring here and beside its plot. Days are UTC; a period is so many days, today
included. Figures are counted at most once a minute.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bot.question_clusters import QuestionCluster, clusters_of
from bot.service import Assistant
from index.encoders import Encoder, Vectors
from storage.answers import approved_mark, unanswered_questions
from storage.desk_figures import (
    SUPPORT_FIGURES,
    Backlog,
    Handled,
    Use,
    backlog,
    conversations_begun,
    proposals_used,
    tickets_handled,
)
from storage.principal import Principal
from storage.record import now_ms
from storage.settings import DAY_MS

Period = Literal[7, 30, 90]
PERIODS: Final[tuple[Period, ...]] = (7, 30, 90)
"""Days that figures may be over."""
MOST_QUESTIONS: Final = 2_000
"""Of what nothing answered, the latest so many are grouped."""
MOST_CLUSTERS: Final = 100
KEPT_SECONDS: Final = 60.0
SATISFIED: Final = 4
"""From so many of five stars on a customer counts as satisfied."""
_KEPT_VECTORS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Day:
    """One day, in days since 1970: conversations that began, tickets that were opened and that were closed on it."""

    day: int
    begun: int
    handed: int
    closed: int


@dataclass(frozen=True, slots=True)
class Automation:
    """Conversations of customers that began in the period, and of them those in which no agent wrote.

    `unanswered` are those of the latter that went to the team all the same: they wait, or were given back without a word.
    """

    all: int
    alone: int
    unanswered: int

    @property
    def rate(self) -> float | None:
        """The share in which no agent wrote, None of nothing."""
        return self.alone / self.all if self.all else None


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations in milliseconds: how many, their median and their 90th percentile (linear between neighbours); None of none."""

    count: int
    median: float | None
    p90: float | None

    @classmethod
    def of(cls, durations: Iterable[int]) -> Spread:
        """Of durations in any order."""
        known = list(durations)
        if not known:
            return cls(0, None, None)
        median, p90 = np.percentile(known, (50, 90)).tolist()
        return cls(len(known), median, p90)


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """One agent: tickets they closed, how soon those that they answered first were answered, and what they were proposed."""

    agent: str
    closed: int
    first_response: Spread
    use: Use | None


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """Ratings of tickets that were closed in the period: how often each of 1 to 5, and of how many tickets with an answer."""

    counts: Mapping[int, int]
    answered: int

    @property
    def rated(self) -> int:
        """How many ratings."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        """From 1 to 5."""
        return sum(stars * count for stars, count in self.counts.items()) / self.rated if self.rated else None

    @property
    def satisfied(self) -> float | None:
        """The share with `SATISFIED` or more."""
        good = sum(count for stars, count in self.counts.items() if stars >= SATISFIED)
        return good / self.rated if self.rated else None


@dataclass(frozen=True, slots=True)
class Unmet:
    """A group of questions that nothing answered; `answered` says that an approved answer is there now."""

    cluster: QuestionCluster
    answered: bool


@dataclass(frozen=True, slots=True)
class Support:
    """All figures of a period.

    Attributes:
        days: of the period.
        now: when it was counted, in milliseconds since 1970, UTC.
        volumes: every day of the period, oldest first.
        automation: of conversations that began in it.
        backlog: now.
        reasons: of tickets opened in the period, the most frequent first.
        first_response: from the opening of tickets that were opened in the period to the first words of an agent; without those
            that an agent took unasked, in which nobody waited, and those not answered yet.
        unanswered: of the tickets opened in the period, those that wait for the first words still.
        resolution: from opening to closing, of tickets that were closed in the period.
        codes: how those ended, the most frequent first.
        satisfaction: what customers thought of those.
        kinds: what became of what was proposed in the period, by kind.
        agents: who closed, answered or was proposed something, by name.
    """

    days: int
    now: int
    volumes: Sequence[Day]
    automation: Automation
    backlog: Backlog
    reasons: Mapping[str, int]
    first_response: Spread
    unanswered: int
    resolution: Spread
    codes: Mapping[str, int]
    satisfaction: Satisfaction
    kinds: Sequence[Use]
    agents: Sequence[AgentFigures]


def acceptance(use: Use) -> float | None:
    """The share of customers' messages with such a proposal for which one was sent; None of nothing."""
    return use.taken / use.messages if use.messages else None


class SupportFigures:
    """Counts the desk. Safe to share between threads."""

    def __init__(self, assistant: Assistant, clock: Callable[[], int] = now_ms) -> None:
        self._assistant = assistant
        self._clock = clock
        self._lock = threading.Lock()
        self._grouping = threading.Lock()  # of its own: embedding new questions takes seconds
        self._kept: dict[Period, tuple[float, Support]] = {}
        self._vectors: dict[tuple[str, str], NDArray[np.float32]] = {}
        self._unmet: dict[Period, tuple[float, list[QuestionCluster]]] = {}
        self._mark = (0, 0)
        self._answered: dict[tuple[str, str], bool] = {}
        assistant.on_erasure.append(self.forget)

    def forget(self) -> None:
        """Nothing that anybody asked is kept; what is left is counted and grouped anew."""
        with self._lock, self._grouping:
            for kept in (self._kept, self._vectors, self._unmet, self._answered):
                kept.clear()

    def support(self, principal: Principal, days: Period) -> Support:
        """All figures of the last days.

        Raises:
            Forbidden: the role may not see the desk's figures.
        """
        principal.require_role(*SUPPORT_FIGURES)
        with self._lock:
            until, found = self._kept.get(days, (0.0, None))
            if found is None or time.monotonic() >= until:
                found = self._counted(principal, days)
                self._kept[days] = (time.monotonic() + KEPT_SECONDS, found)
            return found

    def unmet(self, principal: Principal, days: Period) -> list[Unmet]:
        """What nothing answered within the last days, grouped by meaning: the `MOST_CLUSTERS` most asked, the most asked first.

        Whether there is an answer is looked up each time: who has just written one sees it.

        Raises:
            Forbidden: the role may not see the desk's figures.
        """
        principal.require_role(*SUPPORT_FIGURES)
        with self._grouping:
            until, found = self._unmet.get(days, (0.0, None))
            if found is None or time.monotonic() >= until:
                now = self._clock()
                since = _since(now, days)
                asked = unanswered_questions(self._assistant.database, principal, since, MOST_QUESTIONS)
                found = clusters_of(asked, self._assistant.parts.shelf.encoders, self._embed, since, now)
                self._unmet[days] = (time.monotonic() + KEPT_SECONDS, found)
            return [Unmet(each, self._is_answered(each)) for each in found[:MOST_CLUSTERS]]

    def _counted(self, principal: Principal, days: Period) -> Support:
        database, now = self._assistant.database, self._clock()
        since = _since(now, days)
        begun = conversations_begun(database, principal, since)
        handled = tickets_handled(database, principal, since)
        opened = [each for each in handled if each.opened_at >= since]
        closed = [each for each in handled if each.closed_at is not None and each.closed_at >= since]
        kinds, agents = proposals_used(database, principal, since)
        waited = [each for each in opened if each.reason != "agent"]
        per_day = Counter[int]()
        for part in begun:
            per_day[part.day] += part.count
        opened_on = Counter(each.opened_at // DAY_MS for each in opened)
        closed_on = Counter(each.closed_at // DAY_MS for each in closed if each.closed_at is not None)
        stars = Counter(each.rating for each in closed if each.rating is not None)
        return Support(
            days=days,
            now=now,
            volumes=[
                Day(day, per_day[day], opened_on[day], closed_on[day])
                for day in range(since // DAY_MS, now // DAY_MS + 1)
            ],
            automation=Automation(
                sum(part.count for part in begun),
                sum(part.count for part in begun if not part.answered),
                sum(part.count for part in begun if part.handed and not part.answered),
            ),
            backlog=backlog(database, principal),
            reasons=dict(Counter(each.reason for each in opened).most_common()),
            first_response=Spread.of(_first_responses(waited)),
            unanswered=sum(each.answered_at is None and each.closed_at is None for each in waited),
            resolution=Spread.of(each.closed_at - each.opened_at for each in closed if each.closed_at is not None),
            codes=dict(Counter(each.code or "other" for each in closed).most_common()),
            satisfaction=Satisfaction(
                {rating: stars[rating] for rating in range(1, 6)},
                sum(each.answered_at is not None for each in closed),
            ),
            kinds=kinds,
            agents=_by_agent(waited, closed, agents),
        )

    def _is_answered(self, cluster: QuestionCluster) -> bool:
        """As a customer would be answered who asked in its central words."""
        mark = approved_mark(self._assistant.database)
        if mark != self._mark:
            self._mark, self._answered = mark, {}
        key = (cluster.question, cluster.language)
        if key not in self._answered:
            self._answered[key] = self._assistant.answer_given(*key) is not None
        return self._answered[key]

    def _embed(self, encoder: Encoder, texts: Sequence[str]) -> Vectors:
        """(texts, dim); what is known is not embedded again."""
        if len(self._vectors) > _KEPT_VECTORS:
            self._vectors = {}
        missing = [text for text in dict.fromkeys(texts) if (encoder.hash, text) not in self._vectors]
        for text, vector in zip(missing, encoder.encode_queries(missing), strict=True):
            self._vectors[encoder.hash, text] = vector
        return np.stack([self._vectors[encoder.hash, text] for text in texts]) if texts else encoder.encode_queries([])


def _since(now: int, days: int) -> int:
    """The start of the first day of a period that ends today."""
    return (now // DAY_MS - days + 1) * DAY_MS


def _first_responses(tickets: Iterable[Handled]) -> list[int]:
    return [each.answered_at - each.opened_at for each in tickets if each.answered_at is not None]


def _by_agent(waited: Sequence[Handled], closed: Sequence[Handled], used: Sequence[Use]) -> list[AgentFigures]:
    closings = Counter(each.closed_by for each in closed)
    uses = {use.name: use for use in used}
    names = {*closings, *uses, *(each.answered_by for each in waited)} - {None}
    return [
        AgentFigures(
            name,
            closings[name],
            Spread.of(_first_responses(each for each in waited if each.answered_by == name)),
            uses.get(name),
        )
        for name in sorted(filter(None, names))
    ]
