"""What an experiment showed: how far it is while it runs, and once it is over which arm did better, or why nobody can tell.

What decides was fixed beforehand: the horizon, the control, one metric. The other figures are shown beside it and decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from finetune.ab_test import ALPHA, Comparison, compare, holm, sample_ratio
from finetune.experiment_log import BEFORE_DAYS, REVENUE, ExperimentLog, read_log
from finetune.experiment_report import CAUSES, ExperimentReport, Verdict, chance, is_broken
from storage.database import Database
from storage.errors import InvalidInput
from storage.experiments import subjects
from storage.principal import Principal
from storage.record import now_ms
from storage.settings import DAY_MS, ExperimentSettings, Metric, ShopSettings

MOST_STRANGE = 0.01
"""The largest share of users who were shown two arms, one that nobody knows, or another than today's settings give them."""
FEWEST_USERS = 100
"""Users that each arm needs: with fewer, means of skewed figures are not normal and the intervals too short."""
FEWEST_ACTIVE: Mapping[Metric, int] = {"purchase": 20, "reward": 20, "revenue": 100}
"""Users of the smaller arm, at the mean of both, who need to have done what the metric counts. Amounts are skewed: of arms 90 : 10
that are the same 9 % were found different with 28 buyers in the smaller one, 6 % with 112."""
_STRANGE = ("unknown_arm", "two_arms", "other_arm")


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
        Forbidden: the role may not see figures over everybody.
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
    verdicts = _verdicts(experiment, log, ratio, comparisons, decides(experiment, settings)) if over else {}
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


def decides(experiment: ExperimentSettings, settings: ShopSettings) -> str:
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
    if is_broken(ratio):
        found.append(f"the arms are not split as they were to be ({chance(ratio)}); {CAUSES}")
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
