"""Who came back: people by the month of their first purchase, and how many of them bought again in each month after it.

    month     people   1    2    3
    2026-05       40   12   10    9     nine of the forty bought in August
    2026-06       35   11    8

A month counts once it is over, so the last line is the shorter one. Months are those of the calendar, UTC.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from storage.purchases import Buyer

MOST_COHORTS: Final = 12


@dataclass(frozen=True, slots=True)
class Cohort:
    """`month` is "2026-05"; `returned` counts people who bought in the first, second, … month after it."""

    month: str
    people: int
    returned: tuple[int, ...]


def cohorts(people: Iterable[Buyer], now: int) -> list[Cohort]:
    """The latest `MOST_COHORTS` months in which anybody bought for the first time and that are over, oldest first.

    Args:
        people: with their purchases, oldest first.
        now: milliseconds since 1970, UTC; the month that it is in is not over.
    """
    current = _month(now)
    sizes: defaultdict[int, int] = defaultdict(int)
    returned: defaultdict[int, list[int]] = defaultdict(list)
    for buyer in people:
        first = _month(buyer.purchases[0].at)
        if first >= current:
            continue
        sizes[first] += 1
        counts = returned[first] or [0] * (current - first - 1)
        for month in {_month(purchase.at) for purchase in buyer.purchases}:
            if first < month < current:
                counts[month - first - 1] += 1
        returned[first] = counts
    return [
        Cohort(f"{month // 12:04}-{month % 12 + 1:02}", sizes[month], tuple(returned[month]))
        for month in sorted(sizes)[-MOST_COHORTS:]
    ]


def _month(instant: int) -> int:
    """Months since the year 0."""
    moment = datetime.fromtimestamp(instant / 1000, UTC)
    return moment.year * 12 + moment.month - 1
