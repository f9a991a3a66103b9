"""Figures over a real shop: of whom nothing is told, whose arms are hidden, and that a look is checked and costs little."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.figures import Experiment, Figures, Part, told
from bot.service import Assistant
from retrieval.audience import Audience
from retrieval.retention import Band
from storage.consent import Consent
from storage.database import Database
from storage.errors import Forbidden, InvalidInput
from storage.event import parse_event
from storage.events import record_events
from storage.principal import FIGURES, Principal, Role, local_operator
from storage.settings import DAY_MS, ShopSettings
from tests.retrieval.shoppers import NOW, fill, place

ADMIN = Principal("ann", Role.ADMIN)
EXPERIMENT = {
    "days": 14,
    "metric": "purchase",
    "control": "plain",
    "arms": {"plain": {"share": 0.5}, "taste": {"share": 0.5}},
}
SETTINGS = ShopSettings.model_validate(
    {
        "experiment": {
            "old": EXPERIMENT | {"start": NOW - 20 * DAY_MS},
            "running": EXPERIMENT | {"start": NOW - 3 * DAY_MS},
        },
        "audience": {"control_share": 0.0},
    }
)


@pytest.fixture
def figures(assistant: Assistant, tmp_path: Path) -> Figures:
    return Figures(assistant, tmp_path, SETTINGS, clock=lambda: NOW)


def record(db: Database, user: str, event: str, item: str, at: int, number: int = 0, **item_fields: Any) -> None:
    row = {
        "event_id": f"{event}-{item}-{number}",
        "event": event,
        "user_id": user,
        "timestamp": at,
        "items": [{"item_id": item} | item_fields],
        "consent": Consent(train=True).model_dump(),
    }
    assert not record_events(db, local_operator(), [parse_event(row)]).rejected


@pytest.mark.parametrize(("people", "said"), [(0, 0), (1, None), (4, None), (5, 5)])
def test_a_group_of_one_to_four_is_not_counted_out(people: int, said: int | None) -> None:
    assert told(people) == said


def test_a_part_is_told_only_where_both_sides_have_enough_people() -> None:
    assert Part.told(7, 20) == Part(7, 20)
    assert Part.told(7, 20).share == pytest.approx(0.35)
    assert Part.told(2, 20) == Part(None, 20)
    assert Part.told(0, 20).share == 0
    assert Part.told(0, 3) == Part(None, None)
    assert Part.told(90, 100, takers=2, people=50) == Part(None, 100)
    assert Part.told(0, 0).share is None


def test_who_comes_back(figures: Figures, database: Database) -> None:
    fill(database)
    place(database, "back", "coffee-1", 130, 160)
    found = figures.shoppers(ADMIN)
    assert found.customers == 240
    assert set(found.bands) == set(Band)
    assert sum(count or 0 for count in found.bands.values()) > 200
    assert all(count is None or count == 0 or count >= 5 for count in found.bands.values())
    assert all(row.people is None or row.people >= 5 for row in found.cohorts)
    first = found.cohorts[0]
    assert first.people is not None
    shares = [part.share for part in first.returned if part.share is not None]
    assert shares
    assert all(0 <= share <= 1 for share in shares)


def test_a_young_shop_has_cohorts_and_no_bands(figures: Figures, database: Database) -> None:
    for number in range(6):
        place(database, f"u{number}", "lamp", 200)
    found = figures.shoppers(ADMIN)
    assert (found.customers, found.bands, found.due) == (10, {}, ())
    assert found.cohorts[0].people == 6
    assert figures.audiences(ADMIN)[Audience.AT_RISK] is None


def test_interests_are_told_of_five_people_or_more(figures: Figures, database: Database) -> None:
    for number in range(6):
        record(database, f"u{number}", "view_item", "phone-1", NOW - DAY_MS, number)
    for number in range(4):
        record(database, f"v{number}", "view_item", "head-1", NOW - DAY_MS, number)
    found = figures.interests(ADMIN)
    assert found.people == 10
    assert found.brands == {"Panasonic": 6}
    assert found.stages == {"browsing": 10, "comparing": 0, "ready": 0}


def test_arms_of_an_experiment_that_runs_are_not_told_apart(figures: Figures, database: Database) -> None:
    for number in range(12):
        arm = "plain" if number % 2 else "taste"
        for days, name in ((1, "running"), (10, "old")):
            version = f"rules-1+{name}={arm}"
            at = NOW - days * DAY_MS
            slate = {"slate_id": f"s{number}{name}", "position": 0, "policy_version": version}
            record(database, f"u{number}", "recommendation_shown", "phone-1", at, days, **slate)
            record(database, f"u{number}", "view_item", "phone-1", at + 1, days)
    found = figures.slates(ADMIN)
    assert list(found.versions) == ["rules-1+running", "rules-1+old=plain", "rules-1+old=taste"]
    assert found.slates.shown == 24
    assert found.positions[1].steps["clicked"].share == 1
    assert found.positions[1].steps["bought"].count == 0


READS: dict[str, Callable[[Figures, Principal], Any]] = {
    "shoppers": Figures.shoppers,
    "interests": Figures.interests,
    "slates": Figures.slates,
    "experiments": Figures.experiments,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_who_asks_is_checked_also_when_it_is_counted_already(
    figures: Figures, read: Callable[[Figures, Principal], Any]
) -> None:
    for role in FIGURES:
        read(figures, Principal("x", role))
    for role in set(Role) - set(FIGURES):
        with pytest.raises(Forbidden):
            read(figures, Principal("x", role))


def test_whom_to_write_to_is_for_the_admin_alone(figures: Figures, tmp_path: Path) -> None:
    figures.audiences(ADMIN)
    for role in (Role.SUPERVISOR, Role.ENGINEER):
        who = Principal("x", role)
        with pytest.raises(Forbidden):
            figures.audiences(who)
        with pytest.raises(Forbidden):
            figures.export(who, Audience.BACK_IN_STOCK, tmp_path / "out.csv")


def test_figures_are_counted_once_a_minute(assistant: Assistant, tmp_path: Path) -> None:
    counted: list[Principal] = []

    def experiments(principal: Principal) -> list[Experiment]:
        counted.append(principal)
        return []

    figures = Figures(assistant, tmp_path, SETTINGS, experiments)
    for _ in range(3):
        figures.experiments(ADMIN)
    assert counted == [ADMIN]


def test_an_export_is_what_was_counted_and_is_counted_anew(
    figures: Figures, database: Database, tmp_path: Path
) -> None:
    fill(database)
    before = figures.audiences(ADMIN)[Audience.AT_RISK]
    assert before is not None
    assert before.contacted > 5
    assert not before.recorded
    exported = figures.export(ADMIN, Audience.AT_RISK, tmp_path / "out.csv", "spring")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == exported.contacted == before.contacted
    after = figures.audiences(ADMIN)[Audience.AT_RISK]
    assert after is not None
    assert (after.contacted, after.capped) == (0, before.contacted)
    with pytest.raises(InvalidInput):
        figures.export(ADMIN, Audience.AT_RISK, tmp_path / "more.csv", " ")
