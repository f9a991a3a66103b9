"""Contrastive training of the reply model: a conversation lies nearer to the reply that followed than to others.

The loss is InfoNCE over cosines in both directions (van den Oord et al. 2018; for replies Henderson et al. 2017, "Efficient
Natural Language Response Suggestion for Smart Reply") with the other replies of the batch as negatives. A negative that says the
same as the right reply is left out: replies repeat themselves in a shop's log, "which one?".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bot.desk.reply_network import ReplyNetwork
from bot.history import LAST_TURN, Tokens
from finetune.checkpoint import Checkpoint
from finetune.loop import Loop, Progress, by_length, total_steps
from finetune.network import parameter_groups

_APART = -1e4  # a logit that no softmax sees
_POOL = 8  # batches' worth of examples that are sorted by length together


@dataclass(frozen=True)
class Recipe:
    """Settings of a run.

    `context_dropout` is the share of conversations that lose what was said before the last turn, anew in each epoch.
    """

    epochs: int
    rate: float = 1e-4
    head_rate: float = 1e-3
    batch_size: int = 48
    temperature: float = 0.05
    warm_up: float = 0.1
    context_dropout: float = 0.1
    patience: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Example:
    """A conversation and the reply that followed, as tokens; replies that say the same have one `key`."""

    conversation: Tokens
    reply: Tokens
    key: int


def train(
    network: ReplyNetwork,
    examples: Sequence[Example],
    pad_id: int,
    recipe: Recipe,
    score: Callable[[ReplyNetwork], float],
    *,
    space: str = "latin",
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> float:
    """Trains in place and leaves the weights of the best epoch, which may be none: the base is a candidate too.

    Args:
        network: trained in place.
        examples: what is learnt from.
        pad_id: the token that pads.
        recipe: settings.
        score: of the network on conversations apart, 0 to 1, taken before the first epoch and after each.
        space: the name of the phase.
        progress: called after every step.
        checkpoint: where a run that was killed goes on from.

    Returns:
        The best score.

    Raises:
        DivergedError: the loss is no longer a finite number.
        Unavailable: a checkpoint cannot be written.

    """
    torch.manual_seed(recipe.seed)
    total = total_steps(len(examples), recipe.batch_size, recipe.epochs)
    groups = parameter_groups(network, recipe.rate, recipe.head_rate)
    loop = Loop(network, groups, total, recipe.warm_up, checkpoint)

    def loss(rows: Sequence[int]) -> Tensor:
        batch = [examples[row] for row in rows]
        draw = random.Random(f"{recipe.seed}:{loop.position.step}")
        asked = [_distorted(each.conversation, recipe, draw) for each in batch]
        return _loss(loop, network, asked, batch, pad_id, recipe.temperature)

    return loop.run(
        space,
        recipe.epochs,
        lambda epoch: _plan(examples, recipe, epoch),
        loss,
        lambda: score(network),
        from_base=True,
        patience=recipe.patience,
        progress=progress,
    )


def vectors_of(network: ReplyNetwork, texts: Sequence[Tokens], pad_id: int, size: int = 64) -> NDArray[np.float32]:
    """Unit vectors (texts, dim); long ones go together."""
    network.eval()

    def encode(rows: Sequence[int]) -> Tensor:
        vectors: Tensor = network(*_inputs(network, [texts[row] for row in rows], pad_id))
        return vectors

    return by_length([len(each.ids) for each in texts], encode, size)


def _distorted(tokens: Tokens, recipe: Recipe, draw: random.Random) -> Tokens:
    if draw.random() >= recipe.context_dropout:
        return tokens
    return Tokens(tokens.ids[: tokens.turn_length], [LAST_TURN] * tokens.turn_length)


def _loss(
    loop: Loop,
    network: ReplyNetwork,
    asked: Sequence[Tokens],
    batch: Sequence[Example],
    pad_id: int,
    temperature: float,
) -> Tensor:
    """Of conversations against replies and of replies against conversations, the mean of both."""
    conversations = loop.parallel(*_inputs(network, asked, pad_id)).float()  # (batch, dim)
    replies = loop.parallel(*_inputs(network, [each.reply for each in batch], pad_id)).float()
    keys = torch.tensor([each.key for each in batch], device=conversations.device)
    own = torch.arange(len(batch), device=conversations.device)
    same = (keys[:, None] == keys[None]) & (own[:, None] != own[None])  # (batch, batch)
    logits = (conversations @ replies.T / temperature).masked_fill(same, _APART)
    loss: Tensor = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    return loss


def _inputs(network: ReplyNetwork, texts: Sequence[Tokens], pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """What the network takes, on its device: word embeddings (texts, tokens, dim), mask and segments (texts, tokens)."""
    device = next(network.parameters()).device
    width = max(len(each.ids) for each in texts)
    ids = torch.full((len(texts), width), pad_id)
    mask, segments = torch.zeros_like(ids), torch.zeros_like(ids)
    for at, each in enumerate(texts):
        length = len(each.ids)
        ids[at, :length] = torch.tensor(each.ids)
        segments[at, :length] = torch.tensor(each.segments)
        mask[at, :length] = 1
    embeds = network.encoder.get_input_embeddings()(ids.to(device))
    return embeds, mask.to(device), segments.to(device)


def _plan(examples: Sequence[Example], recipe: Recipe, epoch: int) -> list[list[int]]:
    """One epoch: every example once, in batches of like length, drawn by seed and epoch alone."""
    draw = random.Random(f"{recipe.seed}:{epoch}")
    order = list(range(len(examples)))
    draw.shuffle(order)
    size, batches = recipe.batch_size, []
    for start in range(0, len(order), _POOL * size):
        pool = sorted(order[start : start + _POOL * size], key=lambda row: len(examples[row].conversation.ids))
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    draw.shuffle(batches)
    return batches
