"""Planning: the size that is named finds what it was sized for, and days are counted from how many new people really come."""

from __future__ import annotations

import random
from typing import Any

import pytest

from finetune.power import Baseline, Traffic, plan, read_shop
from storage.database import Database
from storage.errors import Forbidden, InvalidInput
from storage.event import Event, parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.settings import DAY_MS, ShopSettings

ENGINEER = Principal("ada", Role.ENGINEER)
BACKEND = Principal("shop", Role.SERVICE)
NOW = 1_700_000_000_000
SETTINGS = ShopSettings()


class TestPlan:
    def test_sizes_by_hand(self) -> None:
        """z is 1.960 and .842; (1.960 √(2·.1050·.8950) + .842 √(.1·.9 + .11·.89))² / .01² of rates .10 and .11."""
        assert plan(Baseline(0.1, 0, is_rate=True), 0.1, 2, 7, None).users_per_arm == 14_751
        flat = plan(Baseline(10, 10, is_rate=False), 0.1, 2, 7, None).users_per_arm
        assert flat == pytest.approx(2 * (1.960 + 0.842) ** 2 * 100 * (1 + 1.1**2) / 2, rel=1e-3)

    def test_activity_before_and_more_arms(self) -> None:
        base = plan(Baseline(0.1, 0, is_rate=True), 0.1, 2, 7, None)
        assert plan(Baseline(0.1, 0, is_rate=True, explained=0.5), 0.1, 2, 7, None).users_per_arm == 7_376
        three = plan(Baseline(0.1, 0, is_rate=True), 0.1, 3, 7, None)
        assert three.users_per_arm > base.users_per_arm
        assert three.values()["users"] == 3 * three.users_per_arm
        assert "3 arms" in three.text()

    @pytest.mark.parametrize(
        ("baseline", "lift"),
        [
            (Baseline(0, 0, is_rate=True), 0.1),
            (Baseline(0.9, 0, is_rate=True), 0.5),
            (Baseline(0.1, 0, is_rate=True), 0),
            (Baseline(0, 5, is_rate=False), 0.1),
            (Baseline(5, 0, is_rate=False), 0.1),
        ],
    )
    def test_what_cannot_be_planned_says_the_way_out(self, baseline: Baseline, lift: float) -> None:
        with pytest.raises(InvalidInput, match="Nothing can be planned") as found:
            plan(baseline, lift, 2, 7, None)
        assert "--lift" in found.value.hint


class TestTraffic:
    def test_within_the_days_looked_at_it_is_what_was_seen(self) -> None:
        traffic = Traffic((100, 50, 25, 10, 10, 10, 10, 10))
        assert [traffic.days_for(users) for users in (1, 100, 101, 175, 225)] == [1, 1, 2, 3, 8]

    def test_after_them_the_last_week_goes_on(self) -> None:
        traffic = Traffic((100, 7, 7, 7, 7, 7, 7, 7))
        assert traffic.days_for(149 + 70) == 8 + 10
        assert traffic.days_for(10_000_000) is None

    @pytest.mark.parametrize("days", [(), (0,) * 10, (50, *(0,) * 10)])
    def test_where_nobody_comes_nobody_knows(self, days: tuple[int, ...]) -> None:
        assert Traffic(days).days_for(60) is None

    def test_the_last_window_comes_on_top(self) -> None:
        planned = plan(Baseline(0.5, 0, is_rate=True), 0.5, 2, 7, Traffic((58,) * 10))
        assert planned.users_per_arm == 58
        assert planned.days == 2 + 7
        assert "9 days" in planned.text()


def record(db: Database, users: int, **more: Any) -> None:
    """A shopper a quarter of a day for the last month, who buy for 10 with the chance .4, regulars with .8."""
    draw = random.Random(5)
    events: list[Event] = []

    def add(user: str, event: str, at: int, items: list[dict[str, Any]], **fields: Any) -> None:
        row = {"event_id": f"e{len(events)}", "event": event, "user_id": user, "timestamp": at, "items": items}
        events.append(parse_event(row | {"consent": {"train": True}} | fields | more))

    for number in range(users):
        user, at = f"u{number}", NOW - 30 * DAY_MS + number * DAY_MS // 4
        regular = number % 2
        if regular:
            add(user, "purchase", at - DAY_MS, [{"item_id": "a"}], value=1000)
        add(user, "recommendation_shown", at, [{"item_id": "a", "index": 0}])
        if draw.random() < (0.8 if regular else 0.0):
            add(user, "purchase", at + 1, [{"item_id": "a"}], value=1000)
    assert record_events(db, BACKEND, events).rejected == ()


def test_a_shops_own_baseline_and_traffic(database: Database) -> None:
    record(database, 100)
    baseline, traffic = read_shop(database, ENGINEER, SETTINGS, "purchase", 7, NOW)
    assert baseline is not None
    assert baseline.is_rate
    assert baseline.mean == pytest.approx(0.4, abs=0.1)
    assert 0.4 < baseline.explained < 0.9, "of very many it would be .67"
    assert sum(traffic.new_users) == 100
    assert traffic.days_for(40) == 15, "nobody came in the first five days that are looked at; then four a day"
    revenue, _ = read_shop(database, ENGINEER, SETTINGS, "revenue", 7, NOW)
    assert revenue is not None
    assert revenue.mean == pytest.approx(1000 * baseline.mean, rel=0.01)


def test_a_shop_that_knows_nothing(database: Database) -> None:
    assert read_shop(database, ENGINEER, SETTINGS, "purchase", 7, NOW)[0] is None
    record(database, 20, consent={"train": False})
    baseline, traffic = read_shop(database, ENGINEER, SETTINGS, "purchase", 7, NOW)
    assert baseline is None
    assert sum(traffic.new_users) == 0


def test_only_those_who_train_read_it(database: Database) -> None:
    with pytest.raises(Forbidden):
        read_shop(database, BACKEND, SETTINGS, "purchase", 7, NOW)
