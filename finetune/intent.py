"""`finetune intent`: from dialogue logs to a complete model folder.

Turns go to the encoder of their script. Each is trained, calibrated on validation dialogues and exported; the metrics are those
of the exported model on the validation dialogues, one turn at a time, as serving will see them.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.intent import KIND, SPACES, EncoderSettings, IntentModel, IntentSettings
from bot.labels import LABELS, OUT_OF_SCOPE
from finetune.calibration import choose_decision, class_means, fit_temperature
from finetune.evaluate_intent import Metrics, evaluate_intent
from finetune.examples import Example, Turn, examples_of, turns_of
from finetune.export import REJECTED, complete_folder, round_to_half, write_encoder
from finetune.logs import Dialogue, Reading, read_logs
from finetune.split import split_dialogues
from storage.errors import InvalidInput
from storage.publish import write_manifest
from storage.redaction import redact
from storage.rows import Rejects

if TYPE_CHECKING:
    from bot.intent_network import IntentNetwork
    from finetune.trainer import Progress, Recipe
    from index.pretrained import Pretrained

FEWEST_TURNS = 40
"""A script with fewer labelled turns gets no encoder of its own."""

_TURN_PASSES = 20_000
"""Turns times epochs of a run without `epochs`: it keeps 10,000 turns under 15 minutes where two cores train 25 turns a second."""

_MEANS_FROM = 1_500  # training turns whose features make the class means: more move them little and cost minutes


@dataclass(frozen=True)
class Finetuned:
    """What a run gives: the folder, how long it took, and the metrics on validation dialogues."""

    model_dir: Path
    seconds: float
    metrics: Metrics


@dataclass(frozen=True)
class Part:
    """The turns of one encoder."""

    training: list[Turn]
    validation: list[Turn]


def finetune_intent(
    logs: Sequence[Path],
    output: Path,
    *,
    base_model: str | None = None,
    method: str = "full",
    epochs: int | None = None,
    seed: int = 0,
    cache_dir: Path | None = None,
    rejected: Path | None = None,
    max_rejected: float = 0.01,
    progress: Progress | None = None,
) -> Finetuned:
    """Trains an intent model on dialogue logs and writes it to `output`, all or nothing.

    Args:
        logs: files that `finetune.logs` reads.
        output: the model folder, which must not hold anything yet.
        base_model: a folder or Hugging Face id in place of the packaged encoders; it then serves every script.
        method: "full", "lora" or "head".
        epochs: at most so many; training stops early when validation no longer gains. By default fewer for longer logs.
        seed: of split, order and initial weights.
        cache_dir: where the search encoders are kept, whose word embeddings the model then shares.
        rejected: where rows that could not be used go; `output/rejected.jsonl` by default.
        max_rejected: the share of rows that may be rejected.
        progress: called after every step.

    Raises:
        InvalidInput: the logs have no labelled turns, or fewer than two labels.
        TooManyRejected: more rows were rejected than `max_rejected` allows.
        Conflict: `output` is not empty.
        DivergedError: the loss became no number.

    """
    from finetune.trainer import RECIPES

    if method not in RECIPES:
        raise InvalidInput(f"The method {method!r} is unknown.", f"Choose one of {', '.join(RECIPES)}.")
    if epochs is not None and epochs < 1:
        raise InvalidInput(f"{epochs} epochs train nothing.", "Give --epochs 1 or more.")
    started = time.monotonic()
    recipe = replace(RECIPES[method], seed=seed)
    with complete_folder(output) as folder:
        reading = read_logs(logs)
        _write_rejected(reading, rejected or output / REJECTED, max_rejected)
        training, validation = _split(reading.dialogues, seed)
        labels = _labels(training, validation)
        parts = _parts(training, validation, one=base_model is not None)
        recipe = replace(recipe, epochs=epochs or _epochs(recipe, sum(len(part.training) for part in parts.values())))
        encoders: dict[str, EncoderSettings] = {}
        facts: dict[str, Any] = {}
        for space, part in parts.items():
            network, base, encoders[space], facts[space] = _train_part(
                space, part, labels, base_model, method, recipe, progress
            )
            write_encoder(network, base, space, folder, cache_dir)
        IntentSettings(labels, encoders).save(folder)
        meta = {
            "method": method,
            "seed": seed,
            "rows": reading.rows,
            "rejected": len(reading.problems),
            "dropped_fields": reading.dropped_fields,
            "training_dialogues": len(training),
            "validation_dialogues": len(validation),
            "encoders": facts,
        }
        write_manifest(folder, KIND, meta)
        metrics = evaluate_intent(IntentModel.load(folder), validation)
        write_manifest(folder, KIND, {**meta, "metrics": metrics})
    return Finetuned(output, time.monotonic() - started, metrics)


def _epochs(recipe: Recipe, turns: int) -> int:
    """As many epochs as a run of `_TURN_PASSES` holds, at least one and at most the recipe's."""
    return max(1, min(recipe.epochs, round(_TURN_PASSES / turns)))


def _write_rejected(reading: Reading, path: Path, max_rejected: float) -> None:
    """Writes rejected rows, redacted like everything that stays in the folder of a model."""
    rejects = Rejects()
    for problem in reading.problems:
        rejects.add(problem.line, problem.reason, redact(json.dumps(problem.raw, ensure_ascii=False, default=str)))
    if rejects.count:
        rejects.write(path)
    rejects.check(reading.rows, max_rejected)


def _split(dialogues: Sequence[Dialogue], seed: int) -> tuple[list[Dialogue], list[Dialogue]]:
    """Splits the dialogues of each script by themselves, so that both have validation turns."""
    groups: dict[bool, list[Dialogue]] = {False: [], True: []}
    for dialogue in dialogues:
        han = Counter(turn.window.is_han for turn in turns_of([dialogue]))
        if han:
            groups[han[True] > han[False]].append(dialogue)
    training, validation = [], []
    for group in groups.values():
        if group:
            kept, held = split_dialogues(group, seed=seed)
            training += kept
            validation += held
    return training, validation


def _labels(training: Sequence[Dialogue], validation: Sequence[Dialogue]) -> tuple[str, ...]:
    def among(dialogues: Sequence[Dialogue]) -> set[str]:
        return {name for dialogue in dialogues for _, intents in dialogue.labelled() for name in intents} - {
            OUT_OF_SCOPE
        }

    found = among(training)
    if len(found) < 2:
        have = f"only the label {found.pop()!r}" if found else "no labelled user turn"
        raise InvalidInput(
            f"The logs have {have} to train on.", "User turns need `intents`, with at least two different labels."
        )
    if not found & among(validation):
        raise InvalidInput(
            "No label occurs in two different dialogues, so nothing can be held out.", "Give more labelled dialogues."
        )
    built_in = [name for name in LABELS if name in found]
    return tuple(built_in + sorted(found - set(built_in)))


def _parts(training: Sequence[Dialogue], validation: Sequence[Dialogue], *, one: bool) -> dict[str, Part]:
    """The turns of each encoder; a script with too few turns goes with the other."""
    everything = (turns_of(training), turns_of(validation))
    parts = {
        space: Part(*([turn for turn in turns if turn.window.is_han == (space == "han")] for turns in everything))
        for space in SPACES
    }
    alone = {
        space: part
        for space, part in parts.items()
        if len(part.training) >= FEWEST_TURNS
        and len({name for turn in part.training for name in turn.golds}) > 1
        and any(turn.golds for turn in part.validation)
    }
    if len(alone) == len(SPACES) and not one:
        return alone
    space = next(iter(alone), "latin") if not one else "latin"
    return {space: Part(*everything)}


def _train_part(
    space: str,
    part: Part,
    labels: tuple[str, ...],
    base_model: str | None,
    method: str,
    recipe: Recipe,
    progress: Progress | None,
) -> tuple[IntentNetwork, Pretrained, EncoderSettings, dict[str, Any]]:
    import torch

    from finetune.network import build_network, load_base
    from finetune.trainer import infer, train

    torch.manual_seed(recipe.seed)
    base = load_base(space, base_model)
    network = build_network(base, len(labels), method)
    training = examples_of(part.training, labels, base.tokenizer)
    validation = examples_of(part.validation, labels, base.tokenizer)
    best = train(network, training, validation, base.pad_id, recipe, space=space, progress=progress)
    round_to_half(network)
    outputs = infer(network, validation, base.pad_id)
    in_scope = np.array([each.in_scope for each in validation])
    temperature = fit_temperature(outputs.logits[in_scope], _golds(validation)[in_scope])
    sample = [each for each in training if each.in_scope]
    random.Random(recipe.seed).shuffle(sample)
    sample = sample[:_MEANS_FROM]
    means = class_means(infer(network, sample, base.pad_id).features, _golds(sample), len(labels))
    decision, scores = choose_decision(outputs.logits, outputs.features, in_scope, means, temperature)
    settings = EncoderSettings(
        base=base.name,
        base_hash=base.hash,
        temperature=temperature,
        score=decision.score,
        threshold=decision.threshold,
        means=np.round(means, 4).tolist() if decision.score == "distance" else None,
    )
    facts = {
        "training_turns": len(training),
        "validation_turns": len(validation),
        "validation_macro_f1": best,
        "oos_auroc_by_score": scores,
    }
    return network, base, settings, facts


def _golds(examples: Sequence[Example]) -> Any:
    return np.array([int(each.target.argmax()) for each in examples])
