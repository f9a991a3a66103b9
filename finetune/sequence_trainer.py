"""Training of a sequence network: every item of a history is predicted from those before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.checkpoint import Checkpoint
from finetune.loop import Loop, Progress, Step, agreed, rest_of
from finetune.sequence_network import TrainedNetwork, first_vectors
from retrieval.sequence import Histories, Shape

_MOST_COMPARED = 30_000
"""Among so many items the loss takes all; in a larger catalog it takes a sample of this many."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a run.

    A batch holds `tokens` items, padding included; `own` is the chance that an item keeps its own vector beside its features for
    a step.
    """

    epochs: int = 14
    rate: float = 2e-3
    tokens: int = 512
    dropout: float = 0.5
    warm_up: float = 0.05
    own: float = 0.5
    shape: Shape = field(default_factory=Shape)
    seed: int = 0


def train(
    phase: str,
    histories: Histories,
    items: int,
    recipe: Recipe,
    score: Callable[[TrainedNetwork], float] | None = None,
    *,
    tolerance: float = 0.0,
    features: NDArray[np.float32] | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[TrainedNetwork, int]:
    """Trains a network.

    Args:
        phase: what the run calls this.
        histories: oldest first, of item numbers below `items`; whoever turned to fewer than two teaches nothing.
        items: how many there are.
        recipe: settings.
        score: of the network on shoppers who are kept apart, taken after each epoch; without it the last weights are kept.
        tolerance: an epoch whose score is less than the best by no more is as good, and the later one is kept.
        features: of the items, (items, features), for those to come; without it an item is what its neighbours make it.
        progress: called after every step.
        checkpoint: where a run that was killed goes on from.

    Returns:
        The network with the weights of the best epoch, and which one that was.

    Raises:
        DivergedError: the loss is no longer a finite number.
        Unavailable: a checkpoint cannot be written.
    """
    torch.manual_seed(recipe.seed)
    given = None if features is None else torch.from_numpy(features)
    network = TrainedNetwork(
        first_vectors(histories, items, recipe.shape.dim, recipe.seed), recipe.shape, recipe.dropout, given
    )
    read = histories.latest(recipe.shape.steps + 1)
    read = read.take(np.flatnonzero(read.lengths > 1))
    total = recipe.epochs * len(batches(read.lengths - 1, recipe.tokens, recipe.seed, 0))
    groups = [{"params": list(network.parameters()), "lr": recipe.rate, "weight_decay": 0.0, "betas": (0.9, 0.98)}]
    loop = Loop(network, groups, total, recipe.warm_up, checkpoint)
    position = loop.position
    while position.epoch < recipe.epochs and not position.finished:
        network.train()
        for batch in rest_of(batches(read.lengths - 1, recipe.tokens, recipe.seed, position.epoch), position):
            loss = loop.step(_loss(loop, network, read.take(np.asarray(loop.share(batch))), recipe))
            if progress:
                progress(Step(phase, position.step, total, loss, position.score))
            loop.save_if_due()
        network.eval()
        loop.end_epoch(float(position.epoch) if score is None else agreed(score(network)), tolerance)
    if not position.finished:
        loop.finish()
    loop.release()
    return network, position.kept_epoch


def batches(lengths: NDArray[np.int64], tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Numbers of histories of about one length, in batches of at most `tokens` items with padding, in the order of an epoch.

    How many there are is the same for every epoch.
    """
    draw = np.random.default_rng((seed, epoch))
    order = np.lexsort((draw.random(len(lengths)), lengths))  # shortest first, so the last of a batch is its longest
    found: list[list[int]] = []
    batch: list[int] = []
    for number in order.tolist():
        if batch and (len(batch) + 1) * int(lengths[number]) > tokens:
            found.append(batch)
            batch = []
        batch.append(number)
    if batch:
        found.append(batch)
    return [found[at] for at in draw.permutation(len(found))]


def _loss(loop: Loop, network: TrainedNetwork, read: Histories, recipe: Recipe) -> Tensor:
    places, lengths = read.padded()  # (users, steps + 1)
    targets = np.where(np.arange(places.shape[1] - 1) < (lengths - 1)[:, None], places[:, 1:], -1)
    items = len(network.items)
    own = (torch.rand(items, 1) < recipe.own).float() if network.project is not None else None
    sample = torch.randint(items, (_MOST_COMPARED,)) if items > _MOST_COMPARED else None
    given = [torch.from_numpy(places[:, :-1].copy()), torch.from_numpy(targets), own, sample]
    loss: Tensor = loop.parallel(*(None if each is None else each.to(loop.device) for each in given))
    return loss
