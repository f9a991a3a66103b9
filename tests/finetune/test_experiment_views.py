"""What of experiments is shown while they run and when they are over."""

from __future__ import annotations

import pytest

from bot.experiments import Experiments
from bot.figures import Experiment
from finetune.experiment_views import experiment_views
from storage.database import Database
from storage.errors import Forbidden
from storage.events import record_events
from storage.principal import Principal, Role
from storage.settings import DAY_MS, ShopSettings
from tests.finetune.test_evaluate_experiment import BACKEND, OVER, SETTINGS, START, Log

SUPERVISOR = Principal("sue", Role.SUPERVISOR)


def views(db: Database, log: Log, now: int) -> list[Experiment]:
    return experiment_views(db, SUPERVISOR, SETTINGS, log.dealt, now)


def fill(db: Database, count: int) -> Log:
    log = Log()
    log.shoppers(count, {"plain": 0.2, "taste": 0.6})
    record_events(db, BACKEND, log.events)
    return log


def test_no_figure_by_arm_before_the_last_day(database: Database) -> None:
    log = fill(database, 400)
    (planned,) = views(database, log, START - 1)
    assert (planned.status, planned.day, planned.differences) == ("planned", 0, ())
    (running,) = views(database, log, START + 9 * DAY_MS)
    assert (running.status, running.day, running.differences) == ("running", 9, ())
    assert 100 < (running.users or 0) < 400  # of the others the window is not over
    (over,) = views(database, log, OVER)
    (taste,) = over.differences
    assert (over.status, taste.arm, taste.verdict) == ("over", "taste", "better")
    assert over.users == 400
    assert taste.low is not None
    assert taste.low > 0


def test_of_an_arm_of_few_people_no_figure_is_told(database: Database) -> None:
    (over,) = views(database, fill(database, 7), OVER)
    assert [(each.value, each.low, each.verdict) for each in over.differences] == [(None, None, "inconclusive")]


def test_what_nobody_saw_has_nobody(database: Database) -> None:
    (running,) = views(database, Log(), START + 2 * DAY_MS)
    assert (running.status, running.day, running.users) == ("running", 2, 0)
    (over,) = views(database, Log(), OVER + DAY_MS)
    assert (over.status, over.day, over.users) == ("over", 14, 0)


def test_a_shop_without_experiments_and_a_role_without_a_right(database: Database) -> None:
    assert experiment_views(database, SUPERVISOR, ShopSettings(), Experiments({}, "")) == []
    with pytest.raises(Forbidden):
        experiment_views(database, BACKEND, SETTINGS, Log().dealt, OVER)
