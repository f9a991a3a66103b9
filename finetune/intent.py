"""`finetune intent`: from dialogue logs to a complete model folder.

    read → split → train → calibrate → export → measure → report

Turns go to the encoder of their script. The metrics are those of the exported model on the validation dialogues, one turn at a
time, as serving will see them. A run that was killed goes on where it stopped when the same command is given again: its
checkpoints stand beside the output until that is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bot.intent import KIND, IntentModel, IntentSettings
from finetune.assess import assess
from finetune.card import CardFacts, write_card
from finetune.corpus import Corpus, corpus_of
from finetune.data_report import DataReport, astray, describe
from finetune.evaluate_intent import Metrics
from finetune.export import REJECTED, complete_folder, write_encoder
from finetune.lineage import data_hashes, write_seen
from finetune.logs import Progress as Reads
from finetune.logs import Reading, read_logs
from finetune.noise import NOISES
from finetune.record import (
    Curve,
    Epoch,
    Noise,
    RunRecord,
    Search,
    Suspect,
    Trial,
    size_of,
    software_versions,
    source_commit,
)
from finetune.report import write_report
from finetune.robustness import robustness
from finetune.settings import Settings
from finetune.suspects import suspects
from finetune.unlabeled import read_unlabeled
from storage.errors import InvalidInput
from storage.publish import write_manifest
from storage.redaction import redact
from storage.rows import Rejects

if TYPE_CHECKING:
    from finetune.checkpoint import Checkpoint
    from finetune.feedback import Feedback
    from finetune.fit import Calibrated, Fitted
    from finetune.trainer import Progress, Step
    from finetune.tune import Found, Tried


_SHOWN = 300  # characters of a turn whose label is suspected


class Fit(NamedTuple):
    """One encoder of a run: trained, and calibrated."""

    fitted: Fitted
    calibrated: Calibrated


@dataclass(frozen=True)
class Finetuned:
    """What a run gives: the folder, how long it took, and the metrics on validation dialogues."""

    model_dir: Path
    seconds: float
    metrics: Metrics


def finetune_intent(
    logs: Sequence[Path],
    output: Path,
    settings: Settings | None = None,
    *,
    unlabeled: Sequence[Path] = (),
    feedback: Feedback | None = None,
    trials: int = 0,
    cache_dir: Path | None = None,
    rejected: Path | None = None,
    max_rejected: float = 0.01,
    parent: str | None = None,
    wandb_project: str = "",
    progress: Progress | None = None,
    read: Reads | None = None,
    told: Callable[[DataReport], None] | None = None,
    tried: Callable[[Tried], None] | None = None,
) -> Finetuned:
    """Trains an intent model on dialogue logs and writes it to `output`, all or nothing.

    Args:
        logs: files that `finetune.logs` reads.
        output: the model folder, which must not hold anything yet.
        settings: method, base model, epochs, history and seed.
        unlabeled: files that `finetune.unlabeled` reads, whose user turns without labels are learnt from too.
        feedback: conversations of the shop, whose turns are learnt from like those of both.
        trials: so many settings are tried before, and the best is trained with.
        cache_dir: where the search encoders are kept, whose word embeddings the model then shares.
        rejected: where rows that could not be used go; `output/rejected.jsonl` by default.
        max_rejected: the share of rows that may be rejected.
        parent: the version that serves while this one is trained; the report and the card say it.
        wandb_project: the project of Weights & Biases that gets the run's figures; none by default.
        progress: called after every step.
        read: called while the logs are read, with bytes of all bytes.
        told: called with the figures of the data before training begins.
        tried: called after every trial of a search.

    Raises:
        InvalidInput: there are no labelled turns, or fewer than two labels, or `unlabeled` has no turn to learn from; or several
            processes were to learn from `feedback`.
        TooManyRejected: more rows were rejected than `max_rejected` allows.
        Conflict: `output` is not empty.
        DivergedError: the loss became no number.

    """
    from finetune.loop import accelerator, is_main
    from finetune.tracking import tracking

    settings = settings or Settings()
    settings.check()
    if feedback and accelerator().num_processes > 1:
        raise InvalidInput(
            "Conversations are learnt from in one process.",
            "Train without accelerate launch, or export them: launch.py label.",
        )
    started = time.monotonic()
    if not is_main():
        return _train_along(logs, unlabeled, output, settings, trials)
    with complete_folder(output) as folder:
        reading, free = read_logs(logs, read), read_unlabeled(unlabeled, read)
        _write_rejected([reading, free], rejected or output / REJECTED, max_rejected)
        if feedback:
            reading = feedback.added_to(reading)
            free = replace(free, dialogues=[*free.dialogues, *feedback.conversations])
        corpus = _corpus(reading, free, settings)
        data = _describe(reading, free, corpus)
        if told:
            told(data)
        found = _search(corpus, settings, trials, output, progress, tried) if trials else None
        given, settings = settings, found.settings if found else settings
        configuration = {**asdict(settings), **asdict(settings.recipe(corpus.epoch_tokens(settings.history)))}
        with tracking(folder, configuration, wandb_project=wandb_project, wandb_folder=output.parent) as tracker:
            fits = _fit(corpus, settings, output, _each(tracker, progress))
            model_settings = _write_encoders(fits, corpus, settings, folder, cache_dir)
            meta = {
                "method": settings.method,
                "seed": settings.seed,
                "rows": reading.rows,
                "rejected": len(reading.problems),
                "dropped_fields": reading.dropped_fields,
                "training_dialogues": len(corpus.training),
                "validation_dialogues": len(corpus.validation),
                "encoders": {space: _facts(each) for space, each in fits.items()},
                "search": found.summary() if found else None,
            }
            write_manifest(folder, KIND, meta)  # it is measured as serving loads it, which wants one
            model = IntentModel.load(folder)
            assessment = assess(model, corpus.validation)
            tracker.finish(assessment.metrics)
        record = RunRecord(
            **{each.name: getattr(assessment, each.name) for each in fields(assessment)},
            kind="intent",
            labels=corpus.labels,
            data={**asdict(data), "files": {Path(name).name: sha256 for name, sha256 in data.files.items()}},
            configuration=configuration,
            seeds=(settings.seed,),
            size_bytes=size_of(folder),
            seconds=time.monotonic() - started,
            noise=_noise(model, corpus, settings),
            suspects=tuple(one for each in fits.values() for one in _suspects(each, corpus.labels)),
            curves={space: _curve(each) for space, each in fits.items()},
            unlabeled={space: each.fitted.taught for space, each in fits.items() if each.fitted.taught},
            search=_searched(found) if found else None,
            parent=parent,
            commit=source_commit(),
            versions=software_versions(),
        )
        record.save(folder)
        write_report(record, folder)
        write_seen(folder, corpus.learnt_from)
        write_card(folder, model_settings, _card_facts(record, fits, corpus, given, logs, unlabeled, feedback))
        write_manifest(folder, KIND, {**meta, "metrics": assessment.metrics})
    shutil.rmtree(_work(output), ignore_errors=True)
    return Finetuned(output, time.monotonic() - started, assessment.metrics)


def _fit(corpus: Corpus, settings: Settings, output: Path, progress: Progress) -> dict[str, Fit]:
    """Trains and calibrates every encoder."""
    from finetune.fit import calibrate, fit

    checkpoints = _checkpoints(output, corpus, settings)
    found = {}
    for space, part in corpus.parts.items():
        fitted = fit(space, part, corpus, settings, checkpoints=checkpoints, progress=progress)
        found[space] = Fit(fitted, calibrate(fitted, settings.in_scope_loss, settings.seed))
    return found


def _write_encoders(
    fits: Mapping[str, Fit], corpus: Corpus, settings: Settings, folder: Path, cache_dir: Path | None
) -> IntentSettings:
    """Exports what serving loads."""
    for space, (fitted, calibrated) in fits.items():
        write_encoder(fitted.network, fitted.base, space, folder, cache_dir, calibrated.reference)
    encoders = {space: calibrated.settings for space, (_, calibrated) in fits.items()}
    found = IntentSettings(corpus.labels, encoders, settings.history, corpus.multi_label)
    found.save(folder)
    return found


def _facts(each: Fit) -> dict[str, Any]:
    """What the manifest keeps of an encoder's training."""
    return {
        "training_turns": len(each.fitted.training),
        "validation_turns": len(each.fitted.validation),
        "validation_macro_f1": each.fitted.trained.macro_f1,
        "oos_auroc_by_score": each.calibrated.aurocs,
        "unlabeled": each.fitted.taught,
    }


def _curve(each: Fit) -> Curve:
    trained = each.fitted.trained
    epochs = (Epoch(int(one["epoch"]), int(one["step"]), one["score"], one["seconds"]) for one in trained.epochs)
    return Curve(tuple(trained.losses), tuple(epochs), trained.kept)


def _noise(model: IntentModel, corpus: Corpus, settings: Settings) -> dict[str, Noise]:
    """What each kind of noise costs; the clean accuracy and the mean follow from them."""
    found = robustness(model, corpus.validation, settings.seed)
    return {kind: Noise(found[kind]["accuracy"], found[kind]["drop"]) for kind in NOISES}


def _suspects(each: Fit, labels: Sequence[str]) -> list[Suspect]:
    """Training turns whose label is probably wrong."""
    training, trained = each.fitted.training, each.fitted.trained
    margins = trained.margins[:, : len(trained.epochs)]
    rows = np.flatnonzero(training.in_scope & np.isfinite(margins).all(axis=1))
    golds = np.array([training.numbers[row][0] for row in rows.tolist()], np.int64)
    found = []
    for one in suspects(margins[rows], trained.others[rows], golds):
        turn, gold = training.turns[rows[one.example]], labels[golds[one.example]]
        found.append(Suspect(turn.dialogue.id, turn.text[:_SHOWN], gold, labels[one.predicted], one.area))
    return found


def _searched(found: Found) -> Search:
    summary = found.summary()
    return Search(summary["best"], tuple(Trial(**each) for each in summary["trials"]))


def _card_facts(
    record: RunRecord,
    fits: Mapping[str, Fit],
    corpus: Corpus,
    settings: Settings,
    logs: Sequence[Path],
    unlabeled: Sequence[Path],
    feedback: Feedback | None,
) -> CardFacts:
    """What the card says; `settings` are those that were given, for a search that is repeated finds the same again."""
    return CardFacts(
        options={
            "method": settings.method,
            "base_model": settings.base_model,
            "epochs": settings.epochs,
            "in_scope_loss": settings.in_scope_loss,
            "search": len(record.search.trials) if record.search else None,
            "seed": settings.seed,
        },
        data=data_hashes(logs),
        unlabeled=data_hashes(unlabeled),
        feedback=feedback.sha256 if feedback else None,
        found=record.search.best if record.search else None,
        training_dialogues=len(corpus.training),
        validation_dialogues=len(corpus.validation),
        turns={space: (len(each.fitted.training), len(each.fitted.validation)) for space, each in fits.items()},
        metrics=record.metrics,
        parent=record.parent,
    )


def _each(*listeners: Progress | None) -> Progress:
    """Tells a step to all who listen."""

    def tell(step: Step) -> None:
        for listener in listeners:
            if listener:
                listener(step)

    return tell


def _corpus(reading: Reading, free: Reading, settings: Settings) -> Corpus:
    from finetune.other_base import space_of

    space = space_of(settings.base_model) if settings.base_model is not None else None
    one_encoder = settings.base_model is not None and space is None
    corpus = corpus_of(reading.dialogues, settings.seed, one_encoder=one_encoder, unlabeled=free.dialogues)
    if space is not None and space not in corpus.parts:
        raise InvalidInput(
            f"The base model {settings.base_model} was made for {space} text, and the logs have too little of it.",
            "Give logs in its script, or leave --base-model out.",
        )
    if free.rows and not corpus.unlabeled_turns:
        raise InvalidInput(
            f"The {free.rows:,} rows of --unlabeled have no user turn to learn from: {len(free.problems):,} were rejected, "
            f"{corpus.unlabeled_repeats:,} repeat dialogues for validation or test.",
            "Give dialogues whose user turns have no `intents`, a CSV column `text` without labels, or plain lines.",
        )
    return corpus


def _describe(reading: Reading, free: Reading, corpus: Corpus) -> DataReport:
    """What a person should know of the data before it is trained on."""
    tests = [each for each in reading.dialogues if each.split == "test"]
    report = describe(reading, corpus.training, corpus.validation, tests)
    return replace(
        report,
        unlabeled_turns=corpus.unlabeled_turns,
        unlabeled_rejected=len(free.problems),
        unlabeled_repeats=corpus.unlabeled_repeats,
        warnings=(*report.warnings, *astray(corpus.chinese_astray)),
    )


def _train_along(
    logs: Sequence[Path], unlabeled: Sequence[Path], output: Path, settings: Settings, trials: int
) -> Finetuned:
    """What the other processes of `accelerate launch` do: their share of every batch, and nothing on disk."""
    from finetune.fit import fit

    if trials:
        raise InvalidInput(
            "A search runs in one process.", "Search without accelerate launch, then train what it found."
        )
    started = time.monotonic()
    corpus = _corpus(read_logs(logs), read_unlabeled(unlabeled), settings)
    for space, part in corpus.parts.items():
        fit(space, part, corpus, settings, checkpoints=_checkpoints(output, corpus, settings))
    return Finetuned(output, time.monotonic() - started, {})


def _search(
    corpus: Corpus,
    settings: Settings,
    trials: int,
    output: Path,
    progress: Progress | None,
    tried: Callable[[Tried], None] | None,
) -> Found:
    from finetune.loop import accelerator
    from finetune.tune import search

    if accelerator().num_processes > 1:
        raise InvalidInput(
            "A search runs in one process.", "Search without accelerate launch, then train what it found."
        )
    journal, fingerprint = _work(output) / "search.jsonl", _fingerprint(corpus, settings)
    return search(corpus, settings, trials, journal, fingerprint, progress=progress, told=tried)


def _work(output: Path) -> Path:
    """The folder of what a run keeps until its output is complete."""
    return output.with_name(f".{output.name}.checkpoints")


def _checkpoints(output: Path, corpus: Corpus, settings: Settings) -> Callable[[str, str], Checkpoint]:
    from finetune.checkpoint import Checkpoint

    fingerprint = _fingerprint(corpus, settings)
    return lambda name, base: Checkpoint(_work(output) / f"{name}.safetensors", f"{fingerprint} {base}")


def _fingerprint(corpus: Corpus, settings: Settings) -> str:
    """Names what a checkpoint depends on: the dialogues, the split, and every setting."""
    recipe = settings.recipe(corpus.epoch_tokens(settings.history))
    digest = hashlib.sha256(json.dumps([asdict(settings), asdict(recipe), corpus.labels]).encode())
    for dialogue in (*corpus.training, *corpus.validation):
        digest.update(repr(dialogue).encode())
    for part in corpus.parts.values():
        digest.update(repr([(turn.dialogue.messages, turn.index) for turn in part.unlabeled]).encode())
    return digest.hexdigest()


def _write_rejected(readings: Sequence[Reading], path: Path, max_rejected: float) -> None:
    """Writes rejected rows, redacted like everything that stays in the folder of a model; the limit holds for each reading."""
    found = []
    for reading in readings:
        rejects = Rejects()
        for problem in reading.problems:
            rejects.add(problem.line, problem.reason, redact(json.dumps(problem.raw, ensure_ascii=False, default=str)))
        found.append(rejects)
    if any(rejects.count for rejects in found):
        Rejects([row for rejects in found for row in rejects.rows]).write(path)
    for reading, rejects in zip(readings, found, strict=True):
        rejects.check(reading.rows, max_rejected)
