"""A cross-encoder that is trained on lists of products, and a small one that learns to tell them apart as the large one does.

The teacher's loss is ListNet's (Cao et al. 2007): the cross-entropy between the softmax of its scores and the gains. The student's
is MarginMSE (Hofstätter et al. 2020): by how much one product is better than another, the teacher says. Over all pairs of a list
the mean squared error of the margins is twice the variance of the difference, which is how it is computed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from finetune.checkpoint import Checkpoint
from finetune.loop import Loop, Progress, computes_bf16, drawn, total_steps
from finetune.network import attend_eagerly, parameter_groups
from retrieval.reranker import TOKENS, pair_of

_HEAD_RATE = 1e-3
_AT_FIRST = 4.0  # how much the cosine of the two halves says before anything is learnt


@dataclass(frozen=True)
class Listed:
    """A query and rows of products with a target for each: gains from 0 on for a teacher, the teacher's scores for a student."""

    query: str
    rows: tuple[int, ...]
    targets: tuple[float, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; `lists` make a batch."""

    epochs: int
    rate: float
    lists: int = 8
    warm_up: float = 0.1
    seed: int = 0


Loss = Callable[[Tensor, Tensor], Tensor]
"""Scores and targets (lists, size) → loss of each list (lists,)."""


def listwise(scores: Tensor, gains: Tensor) -> Tensor:
    """ListNet: cross-entropy between what the gains are worth, as shares, and the softmax of the scores; (lists,)."""
    worth = 2**gains - 1  # as NDCG was first defined: a product that is just right is worth two that are not quite
    shares = worth / worth.sum(dim=1, keepdim=True)
    return -(shares * functional.log_softmax(scores, dim=1)).sum(dim=1)


def margins(scores: Tensor, teacher: Tensor) -> Tensor:
    """MarginMSE over all pairs of a list, halved; (lists,)."""
    return (scores - teacher).var(dim=1, correction=0)


class CrossEncoder(nn.Module):
    """A BERT encoder over query and product together. Its word embeddings stay outside and as they are, so that they can be shared.

    The relevance is a linear layer over the mean of all states, which begins at nothing, plus the cosine of the means of the two
    parts: what the encoder knows of likeness is there before the first step.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        attend_eagerly(encoder)
        dim = encoder.config.hidden_size
        self.encoder = encoder
        encoder.get_input_embeddings().weight.requires_grad_(False)
        self.part = nn.Embedding(2, dim)
        self.likeness = nn.Parameter(torch.tensor(_AT_FIRST))
        self.output = nn.Linear(dim, 1)
        for weight in (self.part.weight, self.output.weight, self.output.bias):
            nn.init.zeros_(weight)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor, parts: Tensor) -> Tensor:
        """Word embeddings (batch, tokens, dim), mask and parts (batch, tokens) → relevance (batch,)."""
        embeds = inputs_embeds + self.part(parts)
        states = self.encoder(inputs_embeds=embeds, attention_mask=attention_mask).last_hidden_state
        there = attention_mask.to(states.dtype)
        of_product = there * parts.to(states.dtype)  # (batch, tokens)
        query, product = (
            functional.normalize(_mean(states, each), dim=-1) for each in (there - of_product, of_product)
        )  # (batch, dim) each
        relevance: Tensor = self.likeness * (query * product).sum(dim=-1) + self.output(_mean(states, there)).squeeze(
            -1
        )
        return relevance

    def cut(self, layers: int) -> CrossEncoder:
        """A copy with the first so many layers, which shares nothing with this one but what they have learnt."""
        smaller = copy.deepcopy(self)
        smaller.encoder.encoder.layer = smaller.encoder.encoder.layer[:layers]
        smaller.encoder.config.num_hidden_layers = layers
        return smaller


def _mean(states: Tensor, weights: Tensor) -> Tensor:
    total = weights.sum(dim=1, keepdim=True).clamp(min=1.0)  # (batch, 1)
    return (states * weights.unsqueeze(-1)).sum(dim=1) / total


class Pairs:
    """Pairs of a query and a row as ids; a product's text is cut into tokens once."""

    def __init__(self, tokenizer: Tokenizer, pad_id: int, text_of: Callable[[int], str]) -> None:
        self._tokenizer, self._pad_id, self._text_of = tokenizer, pad_id, text_of
        self._products: dict[int, list[int]] = {}

    def batch(self, pairs: Sequence[tuple[str, int]]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, mask and parts, (pairs, tokens) each."""
        found = [pair_of(self._tokenizer.encode(query).ids, self._product(row)) for query, row in pairs]
        width = max(len(ids) for ids, _ in found)
        ids = torch.full((len(found), width), self._pad_id)
        mask, parts = torch.zeros_like(ids), torch.zeros_like(ids)
        for place, (tokens, of) in enumerate(found):
            ids[place, : len(tokens)] = torch.tensor(tokens)
            parts[place, : len(of)] = torch.tensor(of)
            mask[place, : len(tokens)] = 1
        return ids, mask, parts

    def _product(self, row: int) -> list[int]:
        if row not in self._products:
            ids = self._tokenizer.encode(self._text_of(row)).ids
            self._products[row] = ids if len(ids) <= TOKENS else [*ids[: TOKENS - 1], ids[-1]]
        return self._products[row]


def train(
    phase: str,
    network: CrossEncoder,
    pairs: Pairs,
    lists: Callable[[int], Sequence[Listed]],
    loss_of: Loss,
    recipe: Recipe,
    score: Callable[[CrossEncoder], float],
    *,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> float:
    """Trains in place and leaves the weights of the best epoch.

    Args:
        phase: what the run calls this.
        network: trained in place.
        pairs: how pairs become ids.
        lists: those of an epoch, of one number every time and all as long as each other.
        loss_of: `listwise` or `margins`.
        recipe: settings.
        score: of the network on queries that are kept apart, 0 to 1, taken after each epoch.
        progress: called after every step.
        checkpoint: where a run that was killed goes on from.

    Returns:
        The best score.

    Raises:
        DivergedError: the loss is no longer a finite number.
        Unavailable: a checkpoint cannot be written.

    """
    torch.manual_seed(recipe.seed)
    total = total_steps(len(lists(0)), recipe.lists, recipe.epochs)
    groups = parameter_groups(network, recipe.rate, _HEAD_RATE)
    loop = Loop(network, groups, total, recipe.warm_up, checkpoint)
    examples: Sequence[Listed] = ()

    def plan(epoch: int) -> list[list[int]]:
        nonlocal examples
        examples = lists(epoch)
        return drawn(len(examples), recipe.lists, recipe.seed, epoch)

    def loss(rows: Sequence[int]) -> Tensor:
        return _loss(loop, network, pairs, [examples[row] for row in rows], loss_of)

    return loop.run(phase, recipe.epochs, plan, loss, lambda: score(network), progress=progress)


def _loss(loop: Loop, network: CrossEncoder, pairs: Pairs, batch: Sequence[Listed], loss_of: Loss) -> Tensor:
    ids, mask, parts = pairs.batch([(each.query, row) for each in batch for row in each.rows])
    embeds = network.encoder.get_input_embeddings()(ids.to(loop.device))
    scores = loop.parallel(embeds, mask.to(loop.device), parts.to(loop.device)).float()  # (lists · size,)
    targets = torch.tensor([each.targets for each in batch], device=loop.device)  # (lists, size)
    weights = torch.tensor([each.weight for each in batch], device=loop.device)
    loss: Tensor = (loss_of(scores.view_as(targets), targets) * weights).sum() / weights.sum()
    return loss


def scores_of(
    network: CrossEncoder, pairs: Pairs, asked: Sequence[tuple[str, int]], size: int = 64
) -> NDArray[np.float32]:
    """The relevance of each pair, (pairs,)."""
    network.eval()
    device = next(network.parameters()).device
    found = []
    half = torch.autocast(device.type, torch.bfloat16, enabled=computes_bf16())  # as in training
    with torch.inference_mode(), half:
        for start in range(0, len(asked), size):
            ids, mask, parts = (each.to(device) for each in pairs.batch(asked[start : start + size]))
            found.append(network(network.encoder.get_input_embeddings()(ids), mask, parts).float().cpu().numpy())
    return np.concatenate(found)
