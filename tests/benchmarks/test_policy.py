"""The intervals of off-policy estimates hold the truth as often as they say, on made-up logs whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.policy import DIRECT, POLICIES, Coverage, coverage, made_up
from finetune.off_policy import ESTIMATORS

LOGS = 60


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str, str], Coverage]:
    return coverage(logs=LOGS, users=200, share=0.3, replicates=300)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kind", ["value", "difference"])
def test_intervals_hold_the_truth(
    found: dict[tuple[str, str, str], Coverage], policy: str, estimator: str, kind: str
) -> None:
    """At 95 % fewer than 52 of 60 have a chance of 1 in 350 for each of them; the seeds are fixed."""
    each = found[policy, estimator, kind]
    assert each.logs == LOGS
    assert each.held >= 52
    assert abs(each.bias / LOGS) < each.width / LOGS / 2 / np.sqrt(LOGS) * 2, "biased by more than two standard errors"


def test_the_direct_method_is_falsely_tight(found: dict[tuple[str, str, str], Coverage]) -> None:
    assert found["relevance", DIRECT, "value"].share < 0.85


def test_more_of_the_log_tells_more(found: dict[tuple[str, str, str], Coverage]) -> None:
    """The order that was mostly shown is known best, and a reward model helps where the weights are large."""
    assert found["ranked", "dr", "value"].width < found["relevance", "dr", "value"].width
    assert found["relevance", "dr", "value"].width < found["relevance", "ips", "value"].width


def test_a_made_up_log_follows_its_seed() -> None:
    one, same, other = made_up(20, 0.2, 1), made_up(20, 0.2, 1), made_up(20, 0.2, 2)
    assert np.array_equal(one.slates.reward, same.slates.reward)
    assert not np.array_equal(one.slates.reward[:50], other.slates.reward[:50])
