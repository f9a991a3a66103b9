"""What an experiment showed: how far it is while it runs, and once it is over which arm did better, or why nobody can tell.

What decides was fixed beforehand: the horizon, the control, one metric. The other figures are shown beside it and decide nothing.
While it runs no figure is told by arm, for who looks every day and stops when it says "better" is wrong far more often than in one
case of twenty (Johari, Koomen, Pekelis, Walsh 2017). The sample ratio is, for it tells of a broken experiment and of no winner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finetune.ab_test import ALPHA, Comparison, compare, holm, sample_ratio
from finetune.experiment_log import BEFORE_DAYS, REVENUE, ExperimentLog, Figure, read_log
from finetune.off_policy import Interval
from storage.database import Database
from storage.errors import InvalidInput
from storage.experiments import subjects
from storage.principal import Principal
from storage.record import now_ms
from storage.settings import DAY_MS, ExperimentSettings, Metric, ShopSettings

SAMPLE_RATIO = 0.001
"""Below this chance the counts do not come from the lots that were dealt; it is wrong about one experiment in a thousand."""
MOST_STRANGE = 0.01
"""The largest share of users who were shown two arms, one that nobody knows, or another than today's settings give them."""
FEWEST_USERS = 100
"""Users that each arm needs: with fewer, means of skewed figures are not normal and the intervals too short."""
FEWEST_ACTIVE: Mapping[Metric, int] = {"purchase": 20, "reward": 20, "revenue": 100}
"""Users of the smaller arm, at the mean of both, who need to have done what the metric counts. Amounts are skewed: of arms 90 : 10
that are the same 9 % were found different with 28 buyers in the smaller one, 6 % with 112."""
_STRANGE = ("unknown_arm", "two_arms", "other_arm")
_CAUSES = (
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
            f"Sample ratio: {_chance(self.ratio)}."
            + (f" The arms are not split as they were to be; {_CAUSES}." if _broken(self.ratio) else ""),
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


def evaluate_experiment(
    db: Database,
    principal: Principal,
    settings: ShopSettings,
    name: str,
    assigned: Callable[[str], str],
    now: int | None = None,
) -> ExperimentReport:
    """Reads an experiment's log and, once it is over, compares its arms.

    Args:
        db: the shop's database.
        principal: who reads.
        settings: the shop's.
        name: of the experiment.
        assigned: the arm that the settings of today give a user (`bot.experiments.Experiments.arm_of`).
        now: milliseconds since 1970, this moment where left out.

    Raises:
        Forbidden: the role may not train.
        InvalidInput: there is no such experiment, or it was shown to nobody who lets models learn from it.
    """
    experiment = experiment_of(settings, name)
    moment = now_ms() if now is None else now
    found = subjects(db, principal, experiment.start, min(experiment.end, moment + 1), BEFORE_DAYS * DAY_MS, name)
    window = experiment.window_days * DAY_MS
    arms = list(experiment.arms)
    log = read_log(found, arms, assigned, window, experiment.enrolled_until, moment, settings.currency)
    if moment >= experiment.start and not len(log.arm) and not log.left_out:
        raise InvalidInput(
            f"No cards of the experiment {name!r} were shown to anybody whose consent says train.",
            "Let the shop serve with it for a while; [consent] in shop.toml says what holds for people who never chose.",
        )
    counts = np.bincount(log.arm, minlength=len(arms)).tolist()
    ratio = sample_ratio(counts, [arm.share for arm in experiment.arms.values()])
    over = moment >= experiment.end
    comparisons = _compared(experiment, log) if over else {}
    verdicts = _verdicts(experiment, log, ratio, comparisons, _decides(experiment, settings)) if over else {}
    return ExperimentReport(name, experiment, moment, log, ratio, comparisons, verdicts)


def experiment_of(settings: ShopSettings, name: str) -> ExperimentSettings:
    """The experiment of a name.

    Raises:
        InvalidInput: shop.toml has none of that name.
    """
    found = settings.experiment.get(name)
    if found is None:
        known = ", ".join(settings.experiment)
        raise InvalidInput(
            f"There is no experiment {name[:40]!r}.",
            f"Known are: {known}."
            if known
            else "Write one into shop.toml: [experiment.NAME], see docs/personalization.md.",
        )
    return found


def _decides(experiment: ExperimentSettings, settings: ShopSettings) -> str:
    """The name of the figure by which the verdict goes; revenue is that in the shop's own currency."""
    return f"{REVENUE}:{settings.currency}" if experiment.metric == REVENUE else experiment.metric


def _compared(experiment: ExperimentSettings, log: ExperimentLog) -> dict[str, dict[str, Comparison]]:
    """Each arm that has users against the control, by figure and arm."""
    arms = list(experiment.arms)
    control = log.arm == arms.index(experiment.control)
    found: dict[str, dict[str, Comparison]] = {}
    for name, figure in log.figures.items():
        found[name] = {}
        for place, arm in enumerate(arms):
            treated = log.arm == place
            if arm != experiment.control and treated.any() and control.any():
                found[name][arm] = compare(
                    figure.after[treated], figure.after[control], figure.before[treated], figure.before[control]
                )
    return found


def _verdicts(
    experiment: ExperimentSettings,
    log: ExperimentLog,
    ratio: float | None,
    comparisons: Mapping[str, Mapping[str, Comparison]],
    metric: str,
) -> dict[str, Verdict]:
    """Of each arm but the control; all of them are one family."""
    others = [arm for arm in experiment.arms if arm != experiment.control]
    compared = [comparisons[metric].get(arm) for arm in others]
    corrected = holm([each.p_value if each else None for each in compared])
    broken = _broken_reasons(log, ratio)
    verdicts = {}
    for arm, found, p_value in zip(others, compared, corrected, strict=True):
        reasons = [*broken, *_few(experiment, log, arm, metric)]
        if found is not None and found.difference.low is None:
            reasons.append("the figure is the same for everybody, so there is nothing to compare")
        elif not reasons and p_value is not None and p_value >= ALPHA:
            reasons.append(
                f"a difference like this comes by chance in {p_value:.1%} of experiments without any; below 5 % decides"
            )
        higher = found is not None and (found.difference.value or 0.0) > 0
        verdicts[arm] = Verdict("inconclusive" if reasons else "better" if higher else "worse", tuple(reasons), p_value)
    return verdicts


def _broken_reasons(log: ExperimentLog, ratio: float | None) -> list[str]:
    """Why nothing that the log says can be trusted."""
    found = []
    if _broken(ratio):
        found.append(f"the arms are not split as they were to be ({_chance(ratio)}); {_CAUSES}")
    strange = {reason: log.left_out[reason] for reason in _STRANGE if log.left_out.get(reason)}
    total = len(log.arm) + sum(strange.values())
    if sum(strange.values()) > MOST_STRANGE * total:
        said = {
            "unknown_arm": f"an arm that shop.toml does not have ({', '.join(log.strange)})",
            "two_arms": "two arms",
            "other_arm": "another arm than they are in by shop.toml and secret of today",
        }
        found += [
            f"{count} of {total} users were shown {said[reason]}: names, shares or secret were changed after the start"
            for reason, count in strange.items()
        ]
    return found


def _few(experiment: ExperimentSettings, log: ExperimentLog, arm: str, metric: str) -> list[str]:
    """Why an arm and the control are too few to be compared."""
    places = [list(experiment.arms).index(each) for each in (arm, experiment.control)]
    counts = [int((log.arm == place).sum()) for place in places]
    if min(counts) < FEWEST_USERS:
        named = f"{arm} has {counts[0]}, {experiment.control} {counts[1]}"
        return [f"too few users: {named}, {FEWEST_USERS} are needed in each"]
    active = min(counts) * float((log.figures[metric].after[np.isin(log.arm, places)] != 0).mean())
    fewest = FEWEST_ACTIVE[experiment.metric]
    if active < fewest:
        return [f"too few users with any {metric}: {active:.0f} in the smaller arm, {fewest} are needed"]
    return []


def _broken(ratio: float | None) -> bool:
    return ratio is not None and ratio < SAMPLE_RATIO


def _chance(ratio: float | None) -> str:
    return "too few users to tell" if ratio is None else f"p {ratio:.2g}"


def _mean(figure: Figure, log: ExperimentLog, arm: int) -> float | None:
    own = figure.after[log.arm == arm]
    return float(own.mean()) if len(own) else None


def _spelled(interval: Interval) -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "unknown" if interval.value is None else f"{interval.value:+.4f} (no interval)"
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
