"""One encoder of an intent model: trained on its part of the turns, then calibrated on validation."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bot.doubt import Reference
from bot.intent import EncoderSettings, outputs_of
from bot.intent_network import IntentNetwork
from finetune.calibration import choose_decision, fit_second, fit_temperature, reference_of
from finetune.checkpoint import Checkpoint
from finetune.contrastive import has_few, warm_up
from finetune.corpus import Corpus, Part
from finetune.examples import Examples, examples_of
from finetune.export import round_to_half
from finetune.network import build_network, load_base
from finetune.settings import Settings
from finetune.trainer import Progress, Trained, infer, train
from index.pretrained import Pretrained

REFERENCE_TURNS = 5_000
"""Training turns whose features are the reference of the out-of-scope scores: more move them little and cost minutes."""


@dataclass(frozen=True)
class Fitted:
    """A trained encoder with the examples that it was trained and is judged on."""

    base: Pretrained
    network: IntentNetwork
    trained: Trained
    training: Examples
    validation: Examples
    multi_label: bool


def fit(
    space: str,
    part: Part,
    corpus: Corpus,
    settings: Settings,
    *,
    progress: Progress | None = None,
    checkpoints: Callable[[str], Checkpoint] | None = None,
) -> Fitted:
    """Trains one encoder; `checkpoints` gives the checkpoint of a phase by its name.

    Raises:
        NotFound: there is no such base model.
        DivergedError: the loss became no number.

    """
    recipe = settings.recipe(corpus.training_turns)
    torch.manual_seed(recipe.seed)
    base = load_base(space, settings.base_model)
    network = build_network(base, len(corpus.labels), settings.method)
    training = examples_of(part.training, corpus.labels, base.tokenizer, settings.history)
    validation = examples_of(part.validation, corpus.labels, base.tokenizer, settings.history)
    checkpoint = checkpoints(space) if checkpoints else None
    # Where the classifier has begun, the warm-up's weights are in its checkpoint.
    if settings.method != "head" and has_few(training) and not (checkpoint and checkpoint.load()):
        warm_up(
            network,
            training,
            base.pad_id,
            recipe,
            space=space,
            progress=progress,
            checkpoint=checkpoints(f"{space}-warm-up") if checkpoints else None,
        )
    trained = train(
        network,
        training,
        validation,
        base.pad_id,
        recipe,
        multi_label=corpus.multi_label,
        space=space,
        progress=progress,
        checkpoint=checkpoint,
    )
    return Fitted(base, network, trained, training, validation, corpus.multi_label)


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
