"""On made-up experiments whose truth is known: wrong as seldom as is said, and finding what they were sized for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.experiments import (
    FIGURES,
    a_a,
    coverage,
    false_alarms,
    family,
    found_as_sized,
    looked_daily,
    made_up,
    reductions,
    true_alarms,
)
from finetune.experiment_log import REWARD

LOGS = 300


def test_two_arms_that_are_the_same_are_found_different_as_often_as_is_said() -> None:
    """Of 300 at 5 % more than 27 have a chance of 1 in 400; CUPED takes about half of the variance where activity tells much."""
    found = a_a(LOGS, 1000)
    for figure in FIGURES:
        assert found[figure, "CUPED"] <= 27 / LOGS
        assert found[figure, "plain"] <= 27 / LOGS
    assert found[REWARD, "reduction"] > 0.4


def test_intervals_hold_a_true_effect() -> None:
    found = coverage(LOGS, 1000, 0.2)
    assert min(found.values()) >= 0.90


def test_several_arms_and_looking_every_day() -> None:
    corrected, raw = family(LOGS, 1000)
    assert corrected <= 27 / LOGS < raw + 0.03
    assert looked_daily(100, 1000) > 0.15, "who stops when it looks good is wrong several times as often"


def test_the_sample_ratio_is_quiet_until_users_are_lost() -> None:
    assert false_alarms(400, 400) <= 4 / 400
    assert true_alarms(200, 40_000, 0.05) > 0.8


def test_the_size_that_is_named_finds_the_effect() -> None:
    for size, share in found_as_sized(LOGS, 0.3).values():
        assert size > 50
        assert share == pytest.approx(0.8, abs=0.08)


def test_what_explains_a_window_of_real_behavior(tmp_path: Path) -> None:
    """Half the shoppers buy every three days and half never: what they did before says all of it."""
    path = tmp_path / "events.jsonl"
    rows = [
        {
            "event_id": f"{user}-{day}",
            "event": "purchase" if user % 2 else "view_item",
            "user_id": f"u{user}",
            "timestamp": 1_700_000_000_000 + (3 * day + user % 3) * 86_400_000,
            "items": [{"item_id": "a"}],
        }
        for user in range(30)
        for day in range(30)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    users, explained = reductions(path, 7)
    assert users == 30
    assert explained["purchase"] == pytest.approx(1.0)


def test_a_made_up_log_follows_its_seed() -> None:
    one, same, other = made_up(50, 0.2, 1), made_up(50, 0.2, 1), made_up(50, 0.2, 2)
    assert np.array_equal(one.figures[REWARD][0], same.figures[REWARD][0])
    assert not np.array_equal(one.figures[REWARD][0], other.figures[REWARD][0])
