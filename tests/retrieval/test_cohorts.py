"""Cohorts: whole months of the calendar, people and not purchases, and what is at the edges of both."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from retrieval.retention.cohorts import MOST_COHORTS, Cohort, cohorts
from storage.purchases import Buyer, Purchase


def buyer(*days: str) -> Buyer:
    moments = [int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000) for day in days]
    return Buyer("u", tuple(Purchase(at, ("p",)) for at in moments))


NOW = buyer("2026-05-10").purchases[0].at


def test_who_bought_again_in_each_month_after_the_first() -> None:
    people = [
        buyer("2026-01-05", "2026-02-01", "2026-02-20", "2026-04-30"),
        buyer("2026-01-31T23:59:59", "2026-02-01T00:00:00"),
        buyer("2026-01-15", "2026-01-16"),
        buyer("2026-03-02", "2026-04-02", "2026-05-02"),
        buyer("2026-04-01"),
        buyer("2026-05-01", "2026-05-09"),
    ]
    assert cohorts(people, NOW) == [
        Cohort("2026-01", 3, (2, 0, 1)),
        Cohort("2026-03", 1, (1,)),
        Cohort("2026-04", 1, ()),
    ]


def test_months_go_on_over_the_year() -> None:
    assert cohorts([buyer("2025-12-31", "2026-01-01")], NOW) == [Cohort("2025-12", 1, (1, 0, 0, 0))]


@pytest.mark.parametrize("months", [0, 1, MOST_COHORTS + 3])
def test_only_the_latest_are_told(months: int) -> None:
    people = [buyer(f"{2024 + month // 12}-{month % 12 + 1:02}-03") for month in range(months)]
    found = cohorts(people, NOW)
    assert len(found) == min(months, MOST_COHORTS)
    assert [each.month for each in found] == sorted(each.month for each in found)
