"""What is known of an experiment, for scripts and for people: its progress, and once it is over its arms side by side.

While it runs no figure is told by arm, for who looks every day and stops when it says "better" is wrong far more often than in one
case of twenty (Johari, Koomen, Pekelis, Walsh 2017). The sample ratio is, for it tells of a broken experiment and of no winner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finetune.ab_test import Comparison
from finetune.experiment_log import ExperimentLog, Figure
from finetune.off_policy import Interval
from storage.settings import DAY_MS, ExperimentSettings

SAMPLE_RATIO = 0.001
"""Below this chance the counts do not come from the lots that were dealt; it is wrong about one experiment in a thousand."""
CAUSES = (
    "likely causes: an arm that fails or finds nothing shows no cards and is not logged; shares or arms changed after the start; "
    "bots; a page that shows one arm only; people asked for consent differently"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one arm against the control: `better`, `worse` or `inconclusive`, and why; `p_value` is Holm's."""

    verdict: str
    reasons: tuple[str, ...]
    p_value: float | None


@dataclass(frozen=True)
class ExperimentReport:
    """What is known of an experiment at `now`.

    Attributes:
        name: its name.
        settings: what shop.toml says of it.
        now: milliseconds since 1970, UTC.
        log: the users who count.
        ratio: the chance of the arms' counts, None where they are too few to tell.
        comparisons: by figure and arm, that arm against the control; empty while the experiment runs.
        verdicts: by arm; empty while it runs.
    """

    name: str
    settings: ExperimentSettings
    now: int
    log: ExperimentLog
    ratio: float | None
    comparisons: Mapping[str, Mapping[str, Comparison]]
    verdicts: Mapping[str, Verdict]

    @property
    def status(self) -> str:
        """`planned`, `running` or `over`."""
        if self.now < self.settings.start:
            return "planned"
        return "running" if self.now < self.settings.end else "over"

    @property
    def day(self) -> int:
        """How many of its days are over."""
        return min(self.settings.days, max(0, (self.now - self.settings.start) // DAY_MS))

    @property
    def users(self) -> dict[str, int]:
        """Users who count, by arm."""
        counts = np.bincount(self.log.arm, minlength=len(self.settings.arms))
        return dict(zip(self.settings.arms, counts.tolist(), strict=True))

    def values(self) -> dict[str, Any]:
        """As `launch.py evaluate experiment --json` prints it."""
        settings = self.settings
        return {
            "experiment": self.name,
            "status": self.status,
            "day": self.day,
            "days": settings.days,
            "window_days": settings.window_days,
            "metric": settings.metric,
            "control": settings.control,
            "users": self.users,
            "left_out": dict(self.log.left_out),
            "unknown_arms": dict(self.log.strange),
            "sample_ratio": {"p_value": self.ratio, "shares": {name: arm.share for name, arm in settings.arms.items()}},
            "figures": {name: self._figure(name, figure) for name, figure in self.log.figures.items()},
            "purchases_without_amount": self.log.without_amount,
            "verdicts": {name: asdict(each) for name, each in self.verdicts.items()},
        }

    def _figure(self, name: str, figure: Figure) -> dict[str, Any]:
        """The mean of all while it runs; by arm, and compared, once it is over."""
        told: dict[str, Any] = {"cap": figure.cap, "capped": figure.capped}
        if self.status != "over":
            return told | {"mean": float(figure.after.mean()) if len(figure.after) else None}
        told["means"] = {arm: _mean(figure, self.log, place) for place, arm in enumerate(self.settings.arms)}
        told["compared"] = {arm: asdict(each) for arm, each in self.comparisons.get(name, {}).items()}
        return told

    def text(self) -> str:
        """The same for a person."""
        settings, users = self.settings, self.users
        left = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in self.log.left_out.items())
        counted = ", ".join(f"{arm} {users[arm]} ({each.share:.0%})" for arm, each in settings.arms.items())
        lines = [
            f"{self.name}: {self.status}, day {self.day} of {settings.days}.",
            f"Users whose {settings.window_days} days are over, by arm: {counted}."
            + (f" Left out: {left}." if left else ""),
            f"Sample ratio: {chance(self.ratio)}."
            + (f" The arms are not split as they were to be; {CAUSES}." if is_broken(self.ratio) else ""),
        ]
        if self.status == "planned":
            return "\n".join(lines)
        if self.status == "running":
            lines += [
                f"{name}: {figure.after.mean():.4f} a user, all arms together."
                for name, figure in self.log.figures.items()
                if len(figure.after)
            ]
            return "\n".join([*lines, "No verdict before the last day: looking early is not a test."])
        for arm, verdict in self.verdicts.items():
            lines += ["", f"{arm} against {settings.control}, by {settings.metric}: {verdict.verdict}"]
            lines += [f"  because {reason}" for reason in verdict.reasons]
            lines += [self._line(name, arm) for name in self.comparisons if arm in self.comparisons[name]]
        if self.log.without_amount:
            lines.append(f"{self.log.without_amount} purchases or refunds say no amount and count as 0.")
        return "\n".join(lines)

    def _line(self, name: str, arm: str) -> str:
        figure, found = self.log.figures[name], self.comparisons[name][arm]
        arms = list(self.settings.arms)
        one, other = (_mean(figure, self.log, arms.index(each)) or 0.0 for each in (arm, self.settings.control))
        cut = f", {figure.capped} users cut at {figure.cap:g}" if figure.capped else ""
        return (
            f"  {name}: {one:.4f} and {other:.4f} a user{cut}; difference {_spelled(found.difference)}, "
            f"without CUPED {_spelled(found.plain)}; it took {found.variance_reduction:.1%} of the variance"
        )


def is_broken(ratio: float | None) -> bool:
    """Whether a sample ratio tells that no figure can be trusted."""
    return ratio is not None and ratio < SAMPLE_RATIO


def chance(ratio: float | None) -> str:
    """A sample ratio in words."""
    return "too few users to tell" if ratio is None else f"p {ratio:.2g}"


def _mean(figure: Figure, log: ExperimentLog, arm: int) -> float | None:
    own = figure.after[log.arm == arm]
    return float(own.mean()) if len(own) else None


def _spelled(interval: Interval) -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "unknown" if interval.value is None else f"{interval.value:+.4f} (no interval)"
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
