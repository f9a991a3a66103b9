"""How many shoppers an experiment needs, and in how many days the shop has them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finetune.ab_test import ALPHA, POWER, users_for_mean, users_for_rate
from finetune.experiment_log import BEFORE_DAYS, PURCHASE, REVENUE, read_log
from finetune.off_policy import Floats
from storage.database import Database
from storage.errors import InvalidInput
from storage.experiments import subjects
from storage.principal import Principal
from storage.record import now_ms
from storage.settings import DAY_MS, Metric, ShopSettings

LOOK_BACK_DAYS = 28
_LAST_WEEK = 7
_LONGEST = 3_650


@dataclass(frozen=True, slots=True)
class Baseline:
    """What users do today: the mean and standard deviation of a figure, and the share of its variance that CUPED takes."""

    mean: float
    deviation: float
    is_rate: bool
    explained: float = 0.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """New users by day, oldest first: who is shown cards for the first time within the days looked at."""

    new_users: tuple[int, ...]

    def days_for(self, users: int) -> int | None:
        """Days until so many were seen; after the days looked at, at the mean of the last week. None where that takes a decade."""
        seen = np.cumsum(self.new_users)
        if len(seen) and seen[-1] >= users:
            return int(np.argmax(seen >= users)) + 1
        pace = float(np.mean(self.new_users[-_LAST_WEEK:])) if self.new_users else 0.0
        if not pace:
            return None
        days = len(seen) + int(np.ceil((users - seen[-1]) / pace))
        return days if days <= _LONGEST else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment needs. `days` has None where the shop's traffic is not known or too small."""

    baseline: Baseline
    lift: float
    arms: int
    users_per_arm: int
    days: int | None
    window_days: int

    def values(self) -> dict[str, Any]:
        """As `launch.py experiment power --json` prints it."""
        return {**asdict(self), "alpha": ALPHA, "power": POWER, "users": self.users_per_arm * self.arms}

    def text(self) -> str:
        """The same for a person."""
        base = self.baseline
        kind = (
            f"a rate of {base.mean:.3%}"
            if base.is_rate
            else f"a mean of {base.mean:.4g} (deviation {base.deviation:.4g})"
        )
        explained = f"; activity before explains {base.explained:.1%} of its variance" if base.explained else ""
        lines = [
            f"To find {self.lift:+.1%} on {kind}{explained}, with power {POWER:.0%} at {ALPHA:.0%} two-sided:",
            f"{self.users_per_arm:,} users in each of {self.arms} arms, {self.users_per_arm * self.arms:,} in all.",
        ]
        if self.days is not None:
            lines.append(
                f"At this shop's traffic that takes {self.days} days, the {self.window_days} of the last window included."
            )
        return "\n".join(lines)


def plan(baseline: Baseline, lift: float, arms: int, window_days: int, traffic: Traffic | None) -> Plan:
    """The users and days it takes to find a lift with `POWER` at `ALPHA`, which several arms share (Bonferroni).

    Args:
        baseline: what users do today.
        lift: the smallest change worth finding, relative to the mean; 0.1 is 10 % more.
        arms: the control included; users are spread evenly.
        window_days: how long each user is watched.
        traffic: None where it is not known.

    Raises:
        InvalidInput: baseline or lift are not possible.
    """
    alpha = ALPHA / (arms - 1)
    try:
        if baseline.is_rate:
            users = users_for_rate(baseline.mean, lift, alpha)
        else:
            # A lift that makes everybody do more also makes them differ more: its arm's deviation grows with the mean.
            deviation = baseline.deviation * math.sqrt((1 + (1 + max(lift, 0.0)) ** 2) / 2)
            users = users_for_mean(lift * baseline.mean, deviation, alpha)
    except ValueError as error:
        raise InvalidInput(
            f"Nothing can be planned: {error}.", "Give another --rate, --mean, --sd or --lift."
        ) from None
    users = max(2, int(np.ceil(users * (1 - baseline.explained))))
    enrolment = traffic.days_for(users * arms) if traffic else None
    return Plan(baseline, lift, arms, users, enrolment + window_days if enrolment else None, window_days)


def read_shop(
    db: Database,
    principal: Principal,
    settings: ShopSettings,
    metric: Metric,
    window_days: int,
    now: int | None = None,
) -> tuple[Baseline | None, Traffic]:
    """What the shoppers of the last weeks did, as if an experiment with one arm had run, and how many came.

    The baseline is None where nobody's window is over, or all did the same.

    Args:
        db: the shop's database.
        principal: who reads.
        settings: the shop's.
        metric: the figure.
        window_days: how long each user is watched.
        now: milliseconds since 1970, this moment where left out.

    Raises:
        Forbidden: the role may not train.
    """
    moment = now_ms() if now is None else now
    since = moment - (LOOK_BACK_DAYS + window_days) * DAY_MS
    found = list(subjects(db, principal, since, moment + 1, BEFORE_DAYS * DAY_MS))
    first = np.array([min(each.first_shown.values()) for each in found], dtype=np.int64)
    days = np.bincount((first - since) // DAY_MS, minlength=LOOK_BACK_DAYS + window_days)[
        : LOOK_BACK_DAYS + window_days
    ]
    log = read_log(found, [""], lambda _: "", window_days * DAY_MS, moment + 1, moment, settings.currency)
    figure = log.figures[f"{REVENUE}:{settings.currency}" if metric == REVENUE else metric]
    traffic = Traffic(tuple(days.tolist()))
    if len(figure.after) < 2 or not figure.after.std():
        return None, traffic
    explained = _explained(figure.after, figure.before)
    return Baseline(float(figure.after.mean()), float(figure.after.std(ddof=1)), metric == PURCHASE, explained), traffic


def _explained(after: Floats, before: Floats) -> float:
    """The squared correlation, 0 where nobody did anything before."""
    return float(np.corrcoef(after, before)[0, 1] ** 2) if np.std(before) else 0.0
