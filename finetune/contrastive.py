"""Contrastive training of a bi-encoder: a query lies nearer to its product than to the others of its batch.

The loss is InfoNCE over cosines (van den Oord et al. 2018) with the other products of the batch and a mined one as negatives
(Karpukhin et al. 2020). A negative that the query is known to be right for too is left out.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from finetune.checkpoint import Checkpoint
from finetune.language_trainer import mean_states
from finetune.loop import Loop, Progress, by_length, drawn, total_steps
from finetune.network import attend_eagerly

TOKENS = 96
"""Of a product's text so many are read in training: title, brand, categories and what a description begins with."""
_APART = -1e4  # a logit that no softmax sees


@dataclass(frozen=True)
class Pair:
    """A query and the row of a product that is right for it; `weight` says how sure that is.

    `text` stands for the product where the query was made of the rest of it.
    """

    query: str
    row: int
    weight: float = 1.0
    text: str = ""


@dataclass(frozen=True)
class Recipe:
    """Settings of a run. `keep` weighs how far products may move from where the base has them."""

    epochs: int
    rate: float = 5e-5
    batch_size: int = 64
    temperature: float = 0.05
    keep: float = 0.5
    warm_up: float = 0.1
    patience: int = 2
    seed: int = 0


class BiEncoder(nn.Module):
    """A BERT encoder with mean pooling: texts to unit vectors. Its word embeddings stay as they are, so that they can be shared."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        attend_eagerly(encoder)
        self.encoder = encoder
        encoder.get_input_embeddings().weight.requires_grad_(False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask (batch, tokens) → unit vectors (batch, dim)."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (batch, tokens, dim)
        return functional.normalize(mean_states(states.float(), mask), dim=-1)


@dataclass(frozen=True)
class Texts:
    """Texts to encode: a tokenizer, what pads, and what stands before each."""

    tokenizer: Tokenizer
    pad_id: int
    query_prefix: str = ""
    document_prefix: str = ""

    def queries(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids and mask of queries, (texts, tokens)."""
        return self._padded([self.query_prefix + text for text in texts])

    def documents(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids and mask of products' texts, (texts, tokens)."""
        return self._padded([self.document_prefix + text for text in texts])

    def _padded(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        encodings = self.tokenizer.encode_batch(list(texts))
        # Cut in the middle of a text, what ends it ([SEP]) is kept.
        rows = [each.ids if len(each.ids) <= TOKENS else [*each.ids[: TOKENS - 1], each.ids[-1]] for each in encodings]
        ids = torch.full((len(rows), max(map(len, rows))), self.pad_id)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        return ids, mask


def train(
    network: BiEncoder,
    texts: Texts,
    pairs: Sequence[Pair] | Callable[[int], Sequence[Pair]],
    documents: Callable[[int], str],
    negatives: Mapping[str, Sequence[int]],
    recipe: Recipe,
    score: Callable[[BiEncoder], float],
    *,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> float:
    """Trains in place and leaves the weights of the best epoch, which may be none: the base is a candidate too.

    Args:
        network: trained in place.
        texts: how texts become ids.
        pairs: the examples of every epoch, or a function that makes those of an epoch, of one number every time.
        documents: the text of a row.
        negatives: rows that look right for a query and are not, by query.
        recipe: settings.
        score: of the network on held-out queries, 0 to 1, taken before the first epoch and after each.
        progress: called after every step.
        checkpoint: where a run that was killed goes on from.

    Returns:
        The best score.

    Raises:
        DivergedError: the loss is no longer a finite number.
        Unavailable: a checkpoint cannot be written.

    """
    torch.manual_seed(recipe.seed)
    of_epoch = pairs if callable(pairs) else lambda epoch: pairs
    total = total_steps(len(of_epoch(0)), recipe.batch_size, recipe.epochs)
    anchors = _Anchors(network, texts, documents)
    groups = [{"params": [each for each in network.parameters() if each.requires_grad], "lr": recipe.rate}]
    loop = Loop(network, groups, total, recipe.warm_up, checkpoint)
    examples: list[Pair] = []
    known: dict[str, set[int]] = {}

    def plan(epoch: int) -> list[list[int]]:
        nonlocal examples, known
        examples = list(of_epoch(epoch - 1))
        known = _known(examples)
        return drawn(len(examples), recipe.batch_size, recipe.seed, epoch)

    def loss(rows: Sequence[int]) -> Tensor:
        batch = [examples[row] for row in rows]
        draw = random.Random(f"{recipe.seed}:{loop.position.step}")
        mined = [Pair("", draw.choice(negatives[each.query])) for each in batch if negatives.get(each.query)]
        return _loss(loop, [*batch, *mined], len(batch), known, recipe, anchors)

    return loop.run(
        "retriever",
        recipe.epochs,
        plan,
        loss,
        lambda: score(network),
        from_base=True,
        patience=recipe.patience,
        progress=progress,
    )


class _Anchors:
    """Where the base has products: what training may not pull them far from.

    Nothing is remembered: how a vector is rounded depends on the texts beside it, and a run that goes on has to see the same.
    """

    def __init__(self, network: BiEncoder, texts: Texts, documents: Callable[[int], str]) -> None:
        self.texts, self._documents = texts, documents
        self._base = copy.deepcopy(network).eval().requires_grad_(False)

    def text(self, pair: Pair) -> str:
        """What stands for the product of a pair."""
        return pair.text or self._documents(pair.row)

    def of(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(texts, dim) of ids and mask (texts, tokens)."""
        self._base.to(ids.device)
        with torch.no_grad():
            vectors: Tensor = self._base(ids, mask)
        return vectors


def _loss(
    loop: Loop, shown: Sequence[Pair], asked: int, known: Mapping[str, set[int]], recipe: Recipe, anchors: _Anchors
) -> Tensor:
    """InfoNCE of queries against products and of products against queries, and how far the right products moved.

    The first `asked` of the pairs that are shown have a query, the others are mined products.
    """
    device, batch = loop.device, shown[:asked]
    ids, mask = anchors.texts.queries([each.query for each in batch])
    queries = loop.parallel(ids.to(device), mask.to(device)).float()  # (batch, dim)
    ids, mask = (each.to(device) for each in anchors.texts.documents([anchors.text(pair) for pair in shown]))
    products = loop.parallel(ids, mask).float()  # (shown, dim)
    own = torch.arange(asked, device=device)
    right = torch.tensor([[other.row in known[each.query] for other in shown] for each in batch], device=device)
    right[own, own] = False
    logits = (queries @ products.T / recipe.temperature).masked_fill(right, _APART)  # (batch, shown)
    weights = torch.tensor([each.weight for each in batch], device=device)
    there = functional.cross_entropy(logits, own, reduction="none")
    back = functional.cross_entropy(logits[:, :asked].T, own, reduction="none")
    moved = 1 - (products[:asked] * anchors.of(ids[:asked], mask[:asked])).sum(dim=-1)  # (batch,)
    loss: Tensor = ((there + back) / 2 * weights).sum() / weights.sum() + recipe.keep * moved.mean()
    return loss


def _known(pairs: Sequence[Pair]) -> dict[str, set[int]]:
    known: dict[str, set[int]] = {}
    for pair in pairs:
        known.setdefault(pair.query, set()).add(pair.row)
    return known


def vectors_of(
    network: BiEncoder, texts: Sequence[str], padded: Callable[[Sequence[str]], tuple[Tensor, Tensor]], size: int = 64
) -> NDArray[np.float32]:
    """Unit vectors (texts, dim); `padded` makes ids and masks of texts, of which long ones go together."""
    network.eval()
    device = next(network.parameters()).device

    def encode(rows: Sequence[int]) -> Tensor:
        ids, mask = padded([texts[row] for row in rows])
        vectors: Tensor = network(ids.to(device), mask.to(device))
        return vectors

    return by_length(list(map(len, texts)), encode, size)
