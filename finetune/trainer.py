"""Training of the intent network: one encoder, one set of examples."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bot.intent_network import IntentNetwork
from finetune.augment import augment
from finetune.checkpoint import Checkpoint
from finetune.examples import Batch, Distortion, Examples, collate, plan
from finetune.loop import DivergedError, Loop, accelerator, agreed, rest_of, total_steps
from finetune.network import parameter_groups, word_embeddings

OUT_OF_SCOPE_WEIGHT = 0.5
"""How much an out-of-scope turn, pushed to an even distribution, weighs against an in-scope one (Hendrycks et al. 2019)."""

_STANDARDISE_FROM = 256


@dataclass(frozen=True)
class Step:
    """Progress of a run: steps done of all, the newest loss, and the last macro-F1 on validation (at the end the best).

    `epoch` is set where this step ended one (they count from 1), and `macro_f1` is then its.
    """

    space: str
    done: int
    total: int
    loss: float
    macro_f1: float | None
    seconds: float
    epoch: int | None = None


Progress = Callable[[Step], None]


@dataclass(frozen=True)
class Recipe:
    """Settings of a run: what a fingerprint covers and a report shows."""

    epochs: int
    rate: float
    head_rate: float = 1e-3
    batch_size: int = 32
    warm_up: float = 0.1
    patience: int = 3
    context_dropout: float = 0.15
    augmented: float = 0.5
    seed: int = 0


RECIPES = {
    "full": Recipe(epochs=10, rate=8e-5),
    "lora": Recipe(epochs=6, rate=1e-3, batch_size=16),
    "head": Recipe(epochs=30, rate=0.0, head_rate=2e-3, patience=5, context_dropout=0.0),
}


@dataclass(frozen=True)
class Raw:
    """What a network says of examples, in their order: raw logits (n, labels), features (n, dim)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """What training leaves besides the weights.

    macro_f1: that of the kept epoch on validation, which is number `kept` from 1; losses: (step, loss); epochs: {"epoch",
    "step", "score", "seconds"} each; margins (examples, epochs): the logit of the gold label less the largest other when the
    example was last seen in the epoch, NaN for out-of-scope turns and epochs that were not run; others (examples,): the number
    of that largest other, when last seen.
    """

    macro_f1: float
    kept: int
    losses: list[tuple[int, float]]
    epochs: list[dict[str, float]]
    margins: NDArray[np.float32]
    others: NDArray[np.int64]


def train(
    network: IntentNetwork,
    training: Examples,
    validation: Examples,
    pad_id: int,
    recipe: Recipe,
    *,
    multi_label: bool = False,
    space: str = "latin",
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Trains in place and leaves the weights of the last epoch that is as good as the best.

    It goes on where `checkpoint` says that an earlier process stopped.

    Raises:
        DivergedError: the loss is no longer a finite number.
        Unavailable: a checkpoint cannot be written.

    """
    torch.manual_seed(recipe.seed)
    weights = torch.from_numpy(class_weights(training))
    sample = random.Random(recipe.seed).sample(range(len(training)), min(_STANDARDISE_FROM, len(training)))
    standardise(network, training.take(sample), pad_id)
    total = total_steps(len(training), recipe.batch_size, recipe.epochs)
    margins = torch.full((len(training), recipe.epochs), float("nan"))
    others = torch.zeros(len(training), dtype=torch.int64)
    groups = parameter_groups(network, recipe.rate, recipe.head_rate)
    loop = Loop(network, groups, total, recipe.warm_up, checkpoint, {"margins": margins, "others": others})
    distortion = Distortion(recipe.context_dropout, recipe.augmented, augment, recipe.seed)
    lengths, in_scope = training.lengths, torch.from_numpy(training.in_scope)
    position, before = loop.position, loop.position.seconds
    started, value = time.monotonic(), position.losses[-1][1] if position.losses else 0.0
    while position.epoch < recipe.epochs and position.worse < recipe.patience and not position.finished:
        network.train()
        epoch = plan(lengths, recipe.batch_size, random.Random(f"{recipe.seed}:{position.epoch}"))
        for rows in rest_of(epoch, position):
            mine = loop.share(rows)
            batch = collate(training, mine, pad_id, [distortion.apply(training, row, position.epoch) for row in mine])
            logits = _forward(loop.parallel, network, batch)[0]
            golds = torch.from_numpy(batch.golds).to(logits.device)
            value = loop.step(intent_loss(logits, golds, weights.to(logits.device), multi_label=multi_label))
            _note_margins(margins[:, position.epoch], others, batch.rows, logits.detach(), golds, in_scope)
            position.seconds = before + time.monotonic() - started
            if progress:
                progress(Step(space, position.step, total, value, position.score, position.seconds))
            loop.save_if_due()
        found = infer(network, validation, pad_id).logits
        if not np.isfinite(found).all():
            raise DivergedError(
                "The weights became no number; no model was written.", "Train with another seed or method."
            )
        _gather_margins(margins[:, position.epoch], others)
        score = agreed(macro_f1(found, validation))
        loop.end_epoch(score, by_chance(max(score, position.best), int(validation.in_scope.sum())))
        if progress:
            progress(Step(space, position.step, total, value, position.score, position.seconds, position.epoch))
    if not position.finished:
        loop.finish()
    if progress:
        progress(Step(space, total, total, value, position.kept, position.seconds))
    loop.release()
    return Trained(
        position.kept, position.kept_epoch, position.losses, position.epochs, margins.numpy(), others.numpy()
    )


def by_chance(score: float, turns: int) -> float:
    """How far the scores of two epochs on so many turns may lie apart by chance: two standard errors of a share.

    On 350 turns that is two points. A lucky second epoch, taken at its word, would end a run before the rate comes down.
    """
    return 2 * math.sqrt(max(0.0, score * (1 - score)) / max(1, turns))


def intent_loss(logits: Tensor, golds: Tensor, weights: Tensor, *, multi_label: bool) -> Tensor:
    """The mean loss of a batch: logits and golds (batch, labels), class weights (labels,).

    With one label a turn: cross-entropy, spread evenly over several golds. With several: binary cross-entropy of each label,
    where an out-of-scope turn is one that has none.
    """
    inside = golds.sum(dim=-1) > 0  # (batch,)
    if multi_label:
        losses = functional.binary_cross_entropy_with_logits(logits, golds, reduction="none")  # (batch, labels)
        return (losses * torch.where(golds > 0, weights, 1.0)).sum(dim=-1).mean()
    targets = torch.where(inside[:, None], golds, torch.ones_like(golds))
    targets = targets / targets.sum(dim=-1, keepdim=True)
    losses = -(targets * functional.log_softmax(logits, dim=-1)).sum(dim=-1)  # (batch,)
    scale = torch.where(inside, (targets * weights).sum(dim=-1), torch.full_like(losses, OUT_OF_SCOPE_WEIGHT))
    return (losses * scale).mean()


def standardise(network: IntentNetwork, examples: Examples, pad_id: int) -> None:
    """Sets the head's center and scale to mean and deviation of what the untrained encoder yields for `examples`."""
    network.eval()
    found = []
    with torch.inference_mode():
        for batch in _in_order(examples, pad_id, 64):
            inputs = network_inputs(network, batch)
            found.append(network.head.pooled(network.states(*inputs), *inputs[1:]))
    pooled = torch.cat(found)  # (examples, 2 dim)
    network.head.center.copy_(pooled.mean(dim=0).half().float())
    network.head.scale.copy_(pooled.std(dim=0, correction=0).clamp(min=1e-2).half().float())


def infer(network: IntentNetwork, examples: Examples, pad_id: int, size: int = 64) -> Raw:
    """The network's outputs without training; long examples go together."""
    network.eval()
    order = np.argsort(examples.lengths, kind="stable")
    logits, features = [], []
    with torch.inference_mode():
        for start in range(0, len(order), size):
            batch = collate(examples, order[start : start + size].tolist(), pad_id)
            one, other = _forward(network, network, batch)
            logits.append(one.float().cpu().numpy())
            features.append(other.float().cpu().numpy())
    back = np.argsort(order)
    return Raw(np.concatenate(logits)[back], np.concatenate(features)[back])


def macro_f1(logits: NDArray[np.floating], examples: Examples) -> float:
    """Macro-F1 over the labels that the in-scope examples have; any of several golds counts as right."""
    pairs = []
    for predicted, golds in zip(logits.argmax(axis=1).tolist(), examples.numbers, strict=True):
        if golds:
            pairs.append((predicted if predicted in golds else golds[0], predicted))
    return f1_of(pairs)


def f1_of(pairs: Sequence[tuple[object, object]]) -> float:
    """Macro-F1 of (gold, predicted) pairs over the labels among the golds."""
    values = []
    for label in {gold for gold, _ in pairs}:
        right = sum(gold == label == predicted for gold, predicted in pairs)
        wrong = sum((gold == label) != (predicted == label) for gold, predicted in pairs)
        values.append(2 * right / (2 * right + wrong))
    return sum(values) / len(values) if values else 0.0


def class_weights(examples: Examples) -> NDArray[np.float32]:
    """Weights (labels,) by the inverse square root of a label's share, 1 on average over the examples."""
    counts = np.zeros(examples.labels)
    for golds in examples.numbers:
        for gold in golds:
            counts[gold] += 1 / len(golds)
    raw = 1 / np.sqrt(np.maximum(counts, 1.0))
    return np.asarray(raw * counts.sum() / (raw * counts).sum(), np.float32)


def _note_margins(
    margins: Tensor, others: Tensor, rows: NDArray[np.int64], logits: Tensor, golds: Tensor, in_scope: Tensor
) -> None:
    """Writes the rows' margins (examples,) of this epoch, and which other label was the largest."""
    gold = logits.masked_fill(golds == 0, -torch.inf).max(dim=-1).values  # (batch,)
    other, number = logits.masked_fill(golds > 0, -torch.inf).max(dim=-1)
    inside = in_scope[rows]
    margins[rows[inside.numpy()]] = (gold - other).float().cpu()[inside]
    others[rows] = number.cpu()


def _gather_margins(margins: Tensor, others: Tensor) -> None:
    """Fills in what the other processes noted of an epoch: each has seen its share of the examples, and NaN marks the rest.

    process 0   [ 1.2  NaN  0.3 ]      every process   [ 1.2  -0.4  0.3 ]
    process 1   [ NaN -0.4  NaN ]  →

    """
    if accelerator().num_processes == 1:
        return
    device = accelerator().device
    noted: Tensor = accelerator().gather(margins[None].to(device)).cpu()  # (processes, examples)
    numbers: Tensor = accelerator().gather(others[None].to(device)).cpu()
    owner = noted.isfinite().int().argmax(dim=0, keepdim=True)  # (1, examples): the first process that has seen it
    margins.copy_(noted.gather(0, owner)[0])
    others.copy_(numbers.gather(0, owner)[0])


def _in_order(examples: Examples, pad_id: int, size: int) -> list[Batch]:
    return [
        collate(examples, range(start, min(start + size, len(examples))), pad_id)
        for start in range(0, len(examples), size)
    ]


def network_inputs(network: IntentNetwork, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """What a network takes, on its device: word embeddings (batch, tokens, dim), mask and segments (batch, tokens)."""
    device = next(network.parameters()).device
    embeds = word_embeddings(network)(torch.from_numpy(batch.ids).to(device))  # (batch, tokens, dim)
    return embeds, torch.from_numpy(batch.mask).to(device), torch.from_numpy(batch.segments).to(device)


def _forward(module: torch.nn.Module, network: IntentNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits and features through `module`: the network itself, or the wrapper that trains it on several devices."""
    outputs: tuple[Tensor, Tensor] = module(*network_inputs(network, batch))
    return outputs
