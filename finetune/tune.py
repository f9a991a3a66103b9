"""`--search N`: learning rate, epochs, method and history length by validation macro-F1.

Tree-structured Parzen estimator (Bergstra et al. 2011) by Optuna; the first trial is the settings that were given, so what is
found is never worse on validation. Trials stand in a journal beside the output: a search that was killed goes on with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.history import HistoryLimits
from finetune.corpus import Corpus
from finetune.settings import Settings

if TYPE_CHECKING:
    from optuna import Study, Trial

    from finetune.trainer import Progress, Step

logger = logging.getLogger(__name__)

METHODS = ("full", "lora", "head")
RATE_FACTORS = (0.25, 4.0)
"""Learning rates that are tried, as multiples of the method's own."""
EPOCHS = (1, 12)
"""Epochs that are tried; up to those of the given settings, where these have more."""
HISTORIES = (0, 1, 3, 5)
"""Messages of the history that are tried."""

_PHASES = 4  # trainings of one encoder in a trial that have numbers of their own: one, and another on unlabeled turns
_WARM_UP_TRIALS = 5  # that are never cut short: what is cut is below the median of those before


@dataclass(frozen=True)
class Tried:
    """One trial: its settings, and its validation macro-F1 (None where it was cut short)."""

    number: int
    values: dict[str, Any]
    macro_f1: float | None

    def line(self) -> str:
        """The trial for a terminal."""
        score = "cut short" if self.macro_f1 is None else f"macro-F1 {self.macro_f1:.3f}"
        values = (
            f"{name.replace('_', ' ')} {format(value, '.3g') if isinstance(value, float) else value}"
            for name, value in self.values.items()
        )
        return f"trial {self.number + 1}: {score} with {', '.join(values)}"


@dataclass(frozen=True)
class Found:
    """The best settings of a search, and every trial."""

    settings: Settings
    trials: list[Tried]

    def summary(self) -> dict[str, Any]:
        """What a model's manifest keeps of it."""
        return {"trials": [asdict(each) for each in self.trials], "best": _values(self.settings)}


def search(
    corpus: Corpus,
    settings: Settings,
    trials: int,
    journal: Path,
    fingerprint: str,
    *,
    progress: Progress | None = None,
    told: Callable[[Tried], None] | None = None,
) -> Found:
    """Runs as many trials as are missing to `trials` and returns the best.

    Args:
        corpus: what to train and validate on; the split stays the same in all trials.
        settings: where the search begins; base model and seed are kept.
        trials: how many in all, those of an earlier process included.
        journal: the file of trials.
        fingerprint: names corpus and settings; trials of others in the journal are not counted.
        progress: called after every step of a trial.
        told: called after every trial.

    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=fingerprint,
        storage=JournalStorage(JournalFileBackend(str(journal))),
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_WARM_UP_TRIALS),
    )
    for left in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)  # the process that ran it is gone
    if not study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.WAITING)):
        study.enqueue_trial(_given(settings, corpus))
    while len(done := study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))) < trials:
        # A sampler of its own for each trial, so that one that is continued draws what it would have drawn.
        study.sampler = optuna.samplers.TPESampler(seed=settings.seed + 1_000 * len(done))
        study.optimize(lambda trial: _macro_f1(trial, corpus, settings, progress, first=not done), n_trials=1, catch=())
        if told:
            told(_tried(study)[-1])
    values = study.best_trial.params
    return Found(_settings(settings, values), _tried(study))


def _most_epochs(settings: Settings, corpus: Corpus) -> int:
    return max(EPOCHS[1], settings.recipe(corpus.epoch_tokens(settings.history)).epochs)


def _given(settings: Settings, corpus: Corpus) -> dict[str, Any]:
    recipe = settings.recipe(corpus.epoch_tokens(settings.history))
    return {
        "method": settings.method,
        "rate_factor": 1.0,
        "epochs": recipe.epochs,
        "history_messages": min(HISTORIES, key=lambda each: abs(each - settings.history.messages)),
    }


def _macro_f1(trial: Trial, corpus: Corpus, settings: Settings, progress: Progress | None, *, first: bool) -> float:
    """Trains every encoder with the trial's settings: macro-F1 on validation, averaged by turns.

    A loss that diverges ends the `first` trial, that of the settings given, with its error.
    """
    import optuna

    from finetune.fit import fit
    from finetune.loop import DivergedError

    tried = _settings(
        settings,
        {
            "method": trial.suggest_categorical("method", METHODS),
            "rate_factor": trial.suggest_float("rate_factor", *RATE_FACTORS, log=True),
            "epochs": trial.suggest_int("epochs", EPOCHS[0], most := _most_epochs(settings, corpus)),
            "history_messages": trial.suggest_categorical("history_messages", HISTORIES),
        },
    )
    turns = {space: len(part.validation) for space, part in corpus.parts.items()}
    best = dict.fromkeys(turns, 0.0)

    def mean() -> float:
        """The macro-F1 that the trial has for sure: 0 for an encoder that is not trained yet, so that it only grows."""
        return sum(best[space] * count for space, count in turns.items()) / sum(turns.values())

    def watch(step: Step, place: int, space: str, phases: list[str]) -> None:
        if progress:
            progress(replace(step, space=f"trial {trial.number + 1}, {step.space}"))
        if step.epoch is None or step.macro_f1 is None:
            return
        if step.space not in phases:
            phases.append(step.space)
        best[space] = max(best[space], step.macro_f1)
        # An epoch stands beside the same one of other trials, wherever their phases before it ended.
        trial.report(mean(), (place * _PHASES + phases.index(step.space)) * most + step.epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    for place, (space, part) in enumerate(corpus.parts.items()):
        try:
            fitted = fit(space, part, corpus, tried, progress=partial(watch, place=place, space=space, phases=[]))
        except DivergedError:
            if first:
                raise
            raise optuna.TrialPruned from None  # a rate that is too high is an answer, and no end of the search
        best[space] = fitted.trained.macro_f1
    return mean()


def _settings(settings: Settings, values: dict[str, Any]) -> Settings:
    from finetune.trainer import RECIPES

    method = str(values["method"])
    return replace(
        settings,
        method=method,
        rate=None if method == "head" else RECIPES[method].rate * float(values["rate_factor"]),
        epochs=int(values["epochs"]),
        history=_history(settings.history, int(values["history_messages"])),
    )


def _history(limits: HistoryLimits, messages: int) -> HistoryLimits:
    return replace(limits, messages=messages)


def _values(settings: Settings) -> dict[str, Any]:
    return {
        "method": settings.method,
        "rate": settings.rate,
        "epochs": settings.epochs,
        "history_messages": settings.history.messages,
    }


def _tried(study: Study) -> list[Tried]:
    return [
        Tried(each.number, dict(each.params), None if each.value is None or each.state.name == "PRUNED" else each.value)
        for each in study.trials
        if each.state.name in ("COMPLETE", "PRUNED")
    ]
