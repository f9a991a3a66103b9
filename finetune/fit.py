"""One encoder of an intent model: trained on its part of the turns, then calibrated on validation."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from bot.doubt import SCORES, Reference
from bot.intent import EncoderSettings, outputs_of
from bot.intent_network import IntentNetwork
from finetune.calibration import choose_decision, fit_second, fit_temperature, reference_of
from finetune.checkpoint import Checkpoint
from finetune.corpus import Corpus, Part
from finetune.examples import Examples, examples_of
from finetune.export import round_to_half
from finetune.label_names import named
from finetune.network import build_network, load_base
from finetune.self_training import MOST_UNLABELED, joined, taught
from finetune.settings import Settings
from finetune.trainer import Progress, Recipe, Trained, infer, train
from index.pretrained import Pretrained

REFERENCE_TURNS = 2_000
"""Training turns whose features are the reference of the out-of-scope scores: more move them little and cost minutes."""


@dataclass(frozen=True)
class Fitted:
    """A trained encoder with the examples that it was trained and is judged on.

    `taught` says what learning from unlabeled turns gave, where there were any.
    """

    base: Pretrained
    network: IntentNetwork
    trained: Trained
    training: Examples
    validation: Examples
    multi_label: bool
    taught: dict[str, float | int] | None = None


Checkpoints = Callable[[str, str], Checkpoint]
"""The checkpoint of a phase by its name and by the hash of the base model that it starts from."""


def fit(
    space: str,
    part: Part,
    corpus: Corpus,
    settings: Settings,
    *,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Trains one encoder; where the part has unlabeled turns, a second time on those that the first was sure of.

    Of the two the one with the better macro-F1 on validation is kept. Labels with few turns are learnt from their names too.

    Raises:
        NotFound: there is no such base model.
        DivergedError: the loss became no number.

    """
    tokens = corpus.epoch_tokens(settings.history)
    recipe = settings.recipe(2 * tokens if part.unlabeled else tokens)  # two trainings share the time of one
    base = load_base(space, settings.base_model)
    free = random.Random(settings.seed).sample(part.unlabeled, min(MOST_UNLABELED, len(part.unlabeled)))
    training, validation, unlabeled = (
        examples_of(turns, corpus.labels, base.tokenizer, settings.history)
        for turns in (part.training, part.validation, free)
    )

    def trained(name: str, examples: Examples, recipe: Recipe) -> Fitted:
        """A network from the base weights, trained on `examples`; `name` is that of its phase."""
        fresh = load_base(space, settings.base_model)
        torch.manual_seed(recipe.seed)
        network = build_network(fresh, len(corpus.labels), settings.method)
        result = train(
            network,
            examples,
            validation,
            base.pad_id,
            recipe,
            multi_label=corpus.multi_label,
            space=name,
            progress=progress,
            checkpoint=checkpoints(name, base.hash) if checkpoints else None,
        )
        return Fitted(fresh, network, result, examples, validation, corpus.multi_label)

    known = joined(training, named(training, corpus.labels))
    teacher = _of_turns(trained(space, known, recipe), training)
    if not len(unlabeled):
        return teacher
    lesson = _lesson(teacher, unlabeled, settings)
    if not len(lesson):
        return replace(teacher, taught={"unlabeled_turns": len(unlabeled), "taught_turns": 0})
    more = joined(known, lesson)
    shorter = settings.recipe(2 * int(more.lengths.sum()))
    student = _of_turns(trained(f"{space}-taught", more, shorter), training)
    better = student if student.trained.macro_f1 >= teacher.trained.macro_f1 else teacher
    return replace(
        better,
        taught={
            "unlabeled_turns": len(unlabeled),
            "taught_turns": len(lesson),
            "macro_f1_without": teacher.trained.macro_f1,
            "macro_f1_with": student.trained.macro_f1,
        },
    )


def _of_turns(fitted: Fitted, training: Examples) -> Fitted:
    """What was trained on `training` and examples behind it, as if on the former alone: the others are no turns of the log."""
    kept = slice(len(training))
    own = replace(fitted.trained, margins=fitted.trained.margins[kept], others=fitted.trained.others[kept])
    return replace(fitted, training=training, trained=own)


def _lesson(teacher: Fitted, unlabeled: Examples, settings: Settings) -> Examples:
    """The unlabeled turns that the teacher, calibrated, is sure of."""
    calibrated = calibrate(teacher, settings.in_scope_loss, settings.seed)
    raw = infer(teacher.network, unlabeled, teacher.base.pad_id)
    outputs = outputs_of(raw.logits, raw.features, calibrated.settings.temperature, multi_label=teacher.multi_label)
    doubts = SCORES[calibrated.settings.score](outputs, calibrated.reference) > calibrated.settings.threshold
    return taught(unlabeled, outputs.probabilities, doubts)


@dataclass(frozen=True)
class Calibrated:
    """An encoder's settings, the reference of its out-of-scope score, and the AUROC of every score on validation."""

    settings: EncoderSettings
    reference: Reference
    aurocs: dict[str, float]


def calibrate(fitted: Fitted, in_scope_loss: float, seed: int) -> Calibrated:
    """Temperature, thresholds and out-of-scope score of a trained encoder, whose weights become those that are exported."""
    round_to_half(fitted.network)
    validation, in_scope = fitted.validation, fitted.validation.in_scope
    raw = infer(fitted.network, validation, fitted.base.pad_id)
    golds = _golds(validation)
    temperature = fit_temperature(raw.logits[in_scope], golds[in_scope], multi_label=fitted.multi_label)
    outputs = outputs_of(raw.logits, raw.features, temperature, multi_label=fitted.multi_label)
    sample = np.flatnonzero(fitted.training.in_scope).tolist()
    random.Random(seed).shuffle(sample)
    known = fitted.training.take(sample[:REFERENCE_TURNS])
    reference = reference_of(infer(fitted.network, known, fitted.base.pad_id).features, _golds(known))
    decision, aurocs = choose_decision(outputs, in_scope, reference, in_scope_loss)
    settings = EncoderSettings(
        base=fitted.base.name,
        base_hash=fitted.base.hash,
        temperature=temperature,
        score=decision.score,
        threshold=decision.threshold,
        second_from=fit_second(outputs.probabilities[in_scope], golds[in_scope]),
    )
    return Calibrated(settings, reference.needed_by(decision.score), aurocs)


def _golds(examples: Examples) -> NDArray[np.float32]:
    return examples.golds(range(len(examples)))
