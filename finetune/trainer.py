"""The training loop of the intent network: one encoder, one set of examples."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bot.intent_network import IntentNetwork
from finetune.examples import Batch, Example, batches
from finetune.network import parameter_groups, word_embeddings
from storage.errors import AisleError

if TYPE_CHECKING:
    from torch.optim.lr_scheduler import LambdaLR

OUT_OF_SCOPE_WEIGHT = 0.5
"""How much an out-of-scope turn, pushed to an even distribution, weighs against an in-scope one (Hendrycks et al. 2019)."""


_STANDARDISE_FROM = 256


class DivergedError(AisleError):
    """The loss became infinite or no number; nothing was written."""


@dataclass(frozen=True)
class Step:
    """Progress of a run: steps done of all, the newest loss, and the last macro-F1 on validation (at the end the best)."""

    space: str
    done: int
    total: int
    loss: float
    macro_f1: float | None
    seconds: float


Progress = Callable[[Step], None]


@dataclass(frozen=True)
class Recipe:
    """Settings of a run."""

    epochs: int
    rate: float
    head_rate: float = 1e-3
    batch_size: int = 32
    warm_up: float = 0.1
    patience: int = 2
    context_dropout: float = 0.15
    seed: int = 0


RECIPES = {
    "full": Recipe(epochs=6, rate=8e-5),
    "lora": Recipe(epochs=6, rate=1e-3, batch_size=16),
    "head": Recipe(epochs=30, rate=0.0, head_rate=2e-3, patience=5, context_dropout=0.0),
}


@dataclass(frozen=True)
class Outputs:
    """What a network says of examples, in their order: logits (n, labels), features (n, dim)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


def train(
    network: IntentNetwork,
    training: Sequence[Example],
    validation: Sequence[Example],
    pad_id: int,
    recipe: Recipe,
    *,
    space: str = "latin",
    progress: Progress | None = None,
) -> float:
    """Trains in place, leaves the weights of the best epoch, and returns its macro-F1 on validation.

    Raises:
        DivergedError: the loss is no longer a finite number.

    """
    torch.manual_seed(recipe.seed)
    shuffle = random.Random(recipe.seed)
    weights = torch.from_numpy(class_weights(training))
    standardise(network, shuffle.sample(list(training), min(_STANDARDISE_FROM, len(training))), pad_id)
    optimizer = torch.optim.AdamW(parameter_groups(network, recipe.rate, recipe.head_rate))
    total = recipe.epochs * math.ceil(len(training) / recipe.batch_size)
    schedule = _schedule(optimizer, total, recipe.warm_up)
    best, best_state, worse, done, score, said = -1.0, _trained_state(network), 0, 0, None, 0.0
    started = time.monotonic()
    for _ in range(recipe.epochs):
        network.train()
        for batch in batches(
            training, recipe.batch_size, pad_id, shuffle=shuffle, context_dropout=recipe.context_dropout
        ):
            loss = _loss(network, batch, weights)
            if not torch.isfinite(loss):
                raise DivergedError(
                    f"The loss became {loss.item()} at step {done}; no model was written.",
                    "Train with another seed or method, and look at the log's labels.",
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_([each for group in optimizer.param_groups for each in group["params"]], 1.0)
            optimizer.step()
            schedule.step()
            done, said = done + 1, loss.item()
            if progress:
                progress(Step(space, done, total, said, score, time.monotonic() - started))
        score = macro_f1(infer(network, validation, pad_id).logits, validation)
        if score > best:
            best, best_state, worse = score, _trained_state(network), 0
        else:
            worse += 1
            if worse >= recipe.patience:
                break
    if progress:
        progress(Step(space, total, total, said, best, time.monotonic() - started))
    network.load_state_dict(best_state, strict=False)
    network.eval()
    return best


def standardise(network: IntentNetwork, examples: Sequence[Example], pad_id: int) -> None:
    """Sets the head's center and scale to mean and deviation of what the untrained encoder yields for `examples`."""
    network.eval()
    found = []
    with torch.inference_mode():
        for batch in batches(examples, 64, pad_id):
            inputs = _inputs(network, batch)
            found.append(network.head.pooled(network.states(*inputs), *inputs[1:]))
    pooled = torch.cat(found)  # (examples, 2 dim)
    network.head.center.copy_(pooled.mean(dim=0).half().float())
    network.head.scale.copy_(pooled.std(dim=0, correction=0).clamp(min=1e-2).half().float())


def infer(network: IntentNetwork, examples: Sequence[Example], pad_id: int, size: int = 64) -> Outputs:
    """The network's outputs without training; long examples go together."""
    network.eval()
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].tokens.ids))
    logits, features = [], []
    with torch.inference_mode():
        for batch in batches([examples[index] for index in order], size, pad_id):
            one, other = _run(network, batch)
            logits.append(one.float().numpy())
            features.append(other.float().numpy())
    back = np.argsort(order)
    return Outputs(np.concatenate(logits)[back], np.concatenate(features)[back])


def macro_f1(logits: NDArray[np.floating], examples: Sequence[Example]) -> float:
    """Macro-F1 over the labels that the in-scope examples have; any of several golds counts as right."""
    chosen = logits.argmax(axis=1)
    pairs = []
    for predicted, example in zip(chosen, examples, strict=True):
        if example.in_scope:
            hit = example.target[predicted] > 0
            pairs.append((int(predicted) if hit else int(example.target.argmax()), int(predicted)))
    return f1_of(pairs)


def f1_of(pairs: Sequence[tuple[object, object]]) -> float:
    """Macro-F1 of (gold, predicted) pairs over the labels among the golds."""
    values = []
    for label in {gold for gold, _ in pairs}:
        right = sum(gold == label == predicted for gold, predicted in pairs)
        wrong = sum((gold == label) != (predicted == label) for gold, predicted in pairs)
        values.append(2 * right / (2 * right + wrong))
    return sum(values) / len(values) if values else 0.0


def class_weights(examples: Sequence[Example]) -> NDArray[np.float32]:
    """Weights (labels,) by the inverse square root of a label's share, 1 on average over the examples."""
    counts = np.sum([each.target for each in examples if each.in_scope], axis=0)
    raw = 1 / np.sqrt(np.maximum(counts, 1.0))
    return np.asarray(raw * counts.sum() / (raw * counts).sum(), np.float32)


def _inputs(network: IntentNetwork, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    embeds = word_embeddings(network)(torch.from_numpy(batch.ids))  # (batch, tokens, dim)
    return embeds, torch.from_numpy(batch.mask), torch.from_numpy(batch.segments)


def _run(network: IntentNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
    outputs: tuple[Tensor, Tensor] = network(*_inputs(network, batch))
    return outputs


def _loss(network: IntentNetwork, batch: Batch, weights: Tensor) -> Tensor:
    logits, _ = _run(network, batch)  # (batch, labels)
    targets = torch.from_numpy(batch.targets)
    losses = -(targets * functional.log_softmax(logits, dim=-1)).sum(dim=-1)  # (batch,)
    inside = torch.from_numpy(batch.in_scope)
    scale = torch.where(inside, (targets * weights).sum(dim=-1), torch.tensor(OUT_OF_SCOPE_WEIGHT))
    return (losses * scale).mean()


def _schedule(optimizer: torch.optim.Optimizer, total: int, warm_up: float) -> LambdaLR:
    """Linear warm-up, then linear decay to zero."""
    rise = max(1, int(warm_up * total))
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rise, max(0.0, (total - step) / max(1, total - rise)))
    )


def _trained_state(network: IntentNetwork) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in network.named_parameters() if each.requires_grad}
