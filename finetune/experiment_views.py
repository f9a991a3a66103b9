"""How the shop's experiments stand, as its people see it in `/ops`: progress until the last day, then the figure that decides."""

from __future__ import annotations

from functools import partial

from bot.experiments import Experiments
from bot.figures import Difference, Experiment, told
from finetune.evaluate_experiment import decides, evaluate_experiment
from finetune.experiment_report import ExperimentReport, is_broken
from storage.database import Database
from storage.errors import InvalidInput
from storage.principal import Principal
from storage.record import now_ms
from storage.settings import DAY_MS, ExperimentSettings, ShopSettings


def experiment_views(
    db: Database, principal: Principal, settings: ShopSettings, dealt: Experiments, now: int | None = None
) -> list[Experiment]:
    """All experiments of shop.toml, in its order.

    Args:
        db: the shop's database.
        principal: who looks.
        settings: the shop's.
        dealt: deals the arms.
        now: milliseconds since 1970, this moment where left out.

    Raises:
        Forbidden: the role may not see figures over everybody.
    """
    moment = now_ms() if now is None else now
    found = []
    for name, experiment in settings.experiment.items():
        try:
            report = evaluate_experiment(db, principal, settings, name, partial(dealt.arm_of, name), moment)
            found.append(_view(report, decides(experiment, settings)))
        except InvalidInput:  # it began, and was shown to nobody who counts
            found.append(_nobody(name, experiment, moment))
    return found


def _view(report: ExperimentReport, metric: str) -> Experiment:
    settings, users = report.settings, report.users
    differences = []
    for arm, verdict in report.verdicts.items():
        compared = report.comparisons.get(metric, {}).get(arm)
        # Of an arm of few people the figure would be theirs.
        enough = compared is not None and told(users[arm]) and told(users[settings.control])
        interval = compared.difference if compared is not None and enough else None
        bounds = (interval.value, interval.low, interval.high) if interval is not None else (None, None, None)
        differences.append(Difference(arm, *bounds, verdict.verdict, verdict.reasons))
    return Experiment(
        name=report.name,
        status=report.status,
        day=report.day,
        days=settings.days,
        metric=metric,
        control=settings.control,
        users=told(sum(users.values())),
        broken=is_broken(report.ratio),
        differences=tuple(differences),
    )


def _nobody(name: str, experiment: ExperimentSettings, now: int) -> Experiment:
    over = now >= experiment.end
    day = min(experiment.days, (now - experiment.start) // DAY_MS)
    return Experiment(
        name, "over" if over else "running", day, experiment.days, experiment.metric, experiment.control, 0
    )
