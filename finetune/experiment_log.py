"""What the shoppers of an experiment did, as arrays: one row a user, each figure after their first exposure and before it.

After is within the window that begins when the user was first shown the experiment's cards, whichever products it concerns; before
is within `BEFORE_DAYS` days up to then. A figure is one of

    purchase       1 where the user bought, else 0
    reward         over products the furthest of a click 1, a cart 3, a purchase 6
    revenue:EUR    what was paid less what was refunded, in minor units of that currency
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.ab_test import winsorized
from finetune.off_policy import Floats, Ints
from retrieval.slates import REWARDS
from storage.experiments import Act, Subject
from storage.settings import DAY_MS

BEFORE_DAYS = 28
"""A purchase rhythm of a month is in it; Deng et al. found one to two weeks enough where people come daily."""
PURCHASE, REWARD, REVENUE = "purchase", "reward", "revenue"
_SIGNS: Mapping[str, int] = {"purchase": 1, "refund": -1}


@dataclass(frozen=True)
class Figure:
    """One figure of all users, (users,) each; `cap` is the cut that `winsorized` made, in `capped` of the values after."""

    after: Floats
    before: Floats
    cap: float | None = None
    capped: int = 0


@dataclass(frozen=True)
class ExperimentLog:
    """The users who count.

    Attributes:
        arm: (users,) number of the arm, as `arms` orders them.
        figures: by name.
        left_out: by reason, users who do not count.
        strange: of these, by arm, those whose logged arm the settings do not have.
        without_amount: purchases and refunds in windows of which nobody knows the amount.
    """

    arm: Ints
    figures: Mapping[str, Figure]
    left_out: Mapping[str, int]
    strange: Mapping[str, int]
    without_amount: int


def read_log(
    subjects: Iterable[Subject],
    arms: Sequence[str],
    assigned: Callable[[str], str],
    window_ms: int,
    enrolled_until: int,
    now: int,
    currency: str,
) -> ExperimentLog:
    """The users whose window is over, in the arm that they were first shown.

    Args:
        subjects: as `storage.experiments.subjects` yields them.
        arms: their names.
        assigned: the arm that the settings of today give a user.
        window_ms: how long after the first exposure acts count.
        enrolled_until: first exposures from this instant on come too late to count.
        now: milliseconds since 1970; windows that are not over by then are left out.
        currency: of amounts without one.
    """
    left_out: Counter[str] = Counter()
    strange: Counter[str] = Counter()
    arm: list[int] = []
    rows: list[tuple[dict[str, float], dict[str, float]]] = []
    without_amount = 0
    for subject in subjects:
        first = min(subject.first_shown.values())
        reason, unknown = _left_out(subject, arms, assigned(subject.user_id))
        if reason is None and first >= enrolled_until:
            reason = "too_late"
        if reason is None and first + window_ms > now:
            reason = "window_not_over"
        if reason is not None:
            left_out[reason] += 1
            strange.update(unknown)
            continue
        arm.append(arms.index(next(iter(subject.first_shown))))
        after = [act for act in subject.acts if first <= act.timestamp < first + window_ms]
        before = [act for act in subject.acts if first - BEFORE_DAYS * DAY_MS <= act.timestamp < first]
        without_amount += sum(act.event in _SIGNS and act.amount is None for act in after)
        rows.append((_figures(after, currency), _figures(before, currency)))
    names = dict.fromkeys((PURCHASE, REWARD, f"{REVENUE}:{currency}"))
    names.update(dict.fromkeys(sorted({name for after, _ in rows for name in after})))
    return ExperimentLog(
        np.array(arm, dtype=np.int64), {name: _figure(name, rows) for name in names}, left_out, strange, without_amount
    )


def _left_out(subject: Subject, arms: Sequence[str], assigned: str) -> tuple[str | None, list[str]]:
    """Why a user does not count, None where they do, and the arms of theirs that nobody knows."""
    unknown = [arm for arm in subject.first_shown if arm not in arms]
    if unknown:
        return "unknown_arm", unknown
    if len(subject.first_shown) > 1:
        return "two_arms", []
    return (None if assigned in subject.first_shown else "other_arm"), []


def _figures(acts: Iterable[Act], currency: str) -> dict[str, float]:
    """What some acts come to, by figure; those at 0 are left out."""
    found: Counter[str] = Counter()
    furthest: dict[str, float] = {}
    for act in acts:
        for item in act.items:
            furthest[item] = max(furthest.get(item, 0.0), REWARDS.get(act.event, 0.0))
        if act.event == "purchase":
            found[PURCHASE] = 1
        if act.event in _SIGNS and act.amount is not None:
            found[f"{REVENUE}:{act.currency or currency}"] += _SIGNS[act.event] * act.amount
    return {**found, REWARD: sum(furthest.values())}


def _figure(name: str, rows: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> Figure:
    after, before = (
        np.array([each[side].get(name, 0.0) for each in rows], dtype=np.float64) for side in (0, 1)
    )  # (users,) each
    if name == PURCHASE:
        return Figure(after, before)
    after, cap, capped = winsorized(after)
    return Figure(after, winsorized(before)[0], cap, capped)
