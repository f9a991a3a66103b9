"""Contrastive warm-up for few labels: turns of one label are drawn together before a classifier sees them.

A classifier of 77 labels learns its weights from ten turns each; the encoder's geometry is learnt from all pairs of them, of which
there are many more. The loss is the supervised contrastive one (Khosla et al. 2020) over the pooled last turn, as CPFT (Zhang et
al. 2021) and SetFit (Tunstall et al. 2022) do before their classifiers.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bot.intent_network import IntentNetwork
from finetune.checkpoint import Checkpoint
from finetune.examples import Examples, collate
from finetune.loop import Loop
from finetune.network import encoder_groups
from finetune.trainer import Progress, Recipe, Step, network_inputs

FEW = 50
"""Turns a label, at the median, below which the warm-up is run: above, the classifier alone learns as much."""

TEMPERATURE = 0.1
LABELS_A_BATCH, TURNS_A_LABEL = 32, 2

_TOGETHER = 16  # turns of like length that are encoded at once: the loss needs all of a batch, the encoder does not


def has_few(examples: Examples) -> bool:
    """Whether the labels have so few turns that the warm-up is worth it."""
    counts = [len(rows) for rows in _rows_by_label(examples).values()]
    return len(counts) > 1 and float(np.median(counts)) < FEW


def warm_up(
    network: IntentNetwork,
    examples: Examples,
    pad_id: int,
    recipe: Recipe,
    *,
    space: str = "latin",
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Trains the encoder in place for `recipe.contrastive_steps` batches; goes on where `checkpoint` says.

    Raises:
        DivergedError: the loss is no longer a finite number.

    """
    torch.manual_seed(recipe.seed)
    network.head.requires_grad_(False)  # it takes no part yet
    steps = recipe.contrastive_steps
    loop = Loop(_Pooled(network), encoder_groups(network, recipe.rate), steps, recipe.warm_up, checkpoint)
    by_label, lengths, started = _rows_by_label(examples), examples.lengths, time.monotonic()
    while loop.position.step < steps and not loop.position.finished:
        network.train()
        drawn = _draw(by_label, random.Random(f"{recipe.seed}:{loop.position.step}"))
        drawn.sort(key=lambda pair: int(lengths[pair[0]]))
        parts = [[row for row, _ in drawn[at : at + _TOGETHER]] for at in range(0, len(drawn), _TOGETHER)]
        vectors = torch.cat(  # (batch, dim)
            [loop.parallel(*network_inputs(network, collate(examples, part, pad_id))) for part in parts]
        )
        labels = torch.tensor([label for _, label in drawn], device=vectors.device)
        value = loop.step(contrastive_loss(vectors, labels))
        if progress:
            progress(Step(f"{space}, warm-up", loop.position.step, steps, value, None, time.monotonic() - started))
        loop.save_if_due()
    if not loop.position.finished:
        loop.finish()
    network.head.requires_grad_(True)


def contrastive_loss(vectors: Tensor, labels: Tensor) -> Tensor:
    """Supervised contrastive loss of unit vectors (batch, dim) with labels (batch,): eq. 2 of Khosla et al."""
    scores = vectors @ vectors.T / TEMPERATURE  # (batch, batch)
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    scores = scores.masked_fill(itself, -torch.inf)
    same = (labels[:, None] == labels[None, :]) & ~itself
    chances = functional.log_softmax(scores, dim=-1).masked_fill(~same, 0.0)
    return -(chances.sum(dim=-1) / same.sum(dim=-1).clamp(min=1)).mean()


class _Pooled(torch.nn.Module):
    """The network's encoder as one vector a turn: the mean of its last turn, at length 1."""

    def __init__(self, network: IntentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor, segments: Tensor) -> Tensor:
        states = self.network.states(inputs_embeds, attention_mask, segments)
        turn, _ = self.network.head.pooled(states, attention_mask, segments).chunk(2, dim=-1)
        return functional.normalize(turn, dim=-1)


def _rows_by_label(examples: Examples) -> dict[int, list[int]]:
    """Rows by their leading label."""
    found: dict[int, list[int]] = defaultdict(list)
    for row, numbers in enumerate(examples.numbers):
        if numbers:
            found[numbers[0]].append(row)
    return found


def _draw(by_label: dict[int, list[int]], draw: random.Random) -> list[tuple[int, int]]:
    """(row, label) of a batch: two turns of each of 32 labels, or more turns where there are fewer labels."""
    chosen = draw.sample(sorted(by_label), min(LABELS_A_BATCH, len(by_label)))
    each = max(TURNS_A_LABEL, LABELS_A_BATCH * TURNS_A_LABEL // len(chosen))
    return [(row, label) for label in chosen for row in draw.sample(by_label[label], min(each, len(by_label[label])))]
