from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storage.database import Database
from storage.desk_figures import (
    SUPPORT_FIGURES,
    Backlog,
    Begun,
    Handled,
    Use,
    backlog,
    conversations_begun,
    proposals_used,
    tickets_handled,
)
from storage.errors import Forbidden
from storage.principal import Principal, Role
from storage.settings import DAY_MS
from tests.storage.small_desk import HOUR, MINUTE, NOON, fill

SUE = Principal("sue", Role.SUPERVISOR)
SINCE = NOON - 7 * DAY_MS
READS: tuple[Callable[[Database, Principal], Any], ...] = (
    lambda database, who: conversations_begun(database, who, 0),
    lambda database, who: tickets_handled(database, who, 0),
    backlog,
    lambda database, who: proposals_used(database, who, 0),
)


def test_conversations_are_counted_by_day_and_by_who_spoke(database: Database) -> None:
    fill(database)
    today = NOON // DAY_MS
    assert conversations_begun(database, SUE, SINCE) == [
        Begun(today - 2, True, True, 1),
        Begun(today - 1, True, True, 2),
        Begun(today, False, False, 1),
        Begun(today, True, False, 1),
    ]


def test_a_ticket_says_who_answered_first_and_nothing_of_the_customer(database: Database) -> None:
    fill(database)
    found = tickets_handled(database, SUE, SINCE)
    assert [(each.reason, each.answered_by) for each in found] == [
        ("order", "ben"), ("agent", "mia"), ("asked", "mia"), ("complaint", "ben"), ("asked", None),
    ]  # fmt: skip
    day = NOON - DAY_MS
    assert found[2] == Handled("asked", day, day + 2 * MINUTE, "mia", day + 30 * MINUTE, "mia", "solved", 5)
    assert "customer" not in repr(found)
    assert [each.reason for each in tickets_handled(database, SUE, NOON - HOUR)] == ["asked"]


def test_what_waits_is_what_nobody_holds(database: Database) -> None:
    assert backlog(database, SUE) == Backlog(0, 0, None)
    fill(database)
    assert backlog(database, SUE) == Backlog(waiting=1, held=1, oldest=NOON - HOUR)


def test_proposals_are_counted_by_kind_and_by_agent(database: Database) -> None:
    assert proposals_used(database, SUE, 0) == ([], [])
    fill(database)
    kinds, agents = proposals_used(database, SUE, SINCE)
    assert kinds == [
        Use("macro", 1, 0, 0, 0, 0, 1, 1, 0),
        Use("product", 1, 0, 0, 0, 0, 0, 1, 0),
        Use("reply", 4, 2, 2, 1, 4, 0, 3, 2),
    ]
    assert agents == [Use("ben", 2, 1, 1, 0, 4, 0, 1, 1), Use("mia", 4, 1, 1, 1, 0, 1, 2, 1)]
    assert proposals_used(database, SUE, NOON) == ([], [])


@pytest.mark.parametrize("role", sorted(set(Role) - set(SUPPORT_FIGURES)))
def test_only_supervisors_and_admins_see_it(database: Database, role: Role) -> None:
    for read in READS:
        with pytest.raises(Forbidden):
            read(database, Principal("x", role, team="support"))
        assert read(database, Principal("boss", Role.ADMIN)) is not None
