"""Training of the language model: an encoder that guesses the hidden pieces of texts, with a head for it on top."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from finetune.checkpoint import Checkpoint
from finetune.loop import DivergedError, Loop, agreed
from finetune.masking import MaskedBatch, Masker, Window, packed, padded, plan
from finetune.network import parameter_groups

if TYPE_CHECKING:
    from transformers import BertModel

HEAD_SHARE = 0.2
"""Of a run's steps so many train the head alone: the gradients of a random one would wreck the encoder."""
EVALUATIONS = 8
"""So often the held-out loss is taken while the encoder trains."""
PATIENCE = 2
"""After so many without a gain the run ends."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a run. `tokens` are all that it sees, repeated ones too; `keep` weighs how far sentence vectors may move."""

    tokens: int
    rate: float = 2e-4
    head_rate: float = 1e-3
    head_alone_rate: float = 3e-3
    warm_up: float = 0.06
    keep: float = 5.0
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """Progress of a run: steps done of all of a phase ("head", "encoder"), the newest loss, the last one on held-out texts."""

    phase: str
    done: int
    total: int
    loss: float
    held_out: float | None


Progress = Callable[[Step], None]


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy of hidden pieces in nats, and the share of them that is guessed."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Trained:
    """Held-out scores of the base, under a head that was trained for it, and of the result; steps taken."""

    before: Score
    after: Score
    steps: int


class MaskedLanguageModel(nn.Module):
    """A BERT encoder and what BERT has above it: a transform, logits by the word embeddings, a bias.

    The logits are over `pieces`, those that occur in the texts: a shop uses some thousands of e5's 250,000, and all of them
    would take more time than the encoder. The head belongs to its run and is not kept.
    """

    def __init__(self, encoder: BertModel | Any, pieces: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """`counts` (pieces,) is how often each occurs: the bias guesses by that from the start."""
        super().__init__()
        dim = encoder.config.hidden_size
        table = encoder.get_input_embeddings().weight.detach()
        number = torch.full((len(table),), -1)
        number[pieces] = torch.arange(len(pieces))
        self.table: Tensor
        self.number: Tensor
        self.register_buffer("table", table[pieces])  # (pieces, dim)
        self.register_buffer("number", number)  # (vocabulary,): place among the pieces
        self.encoder = encoder
        self.transform = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.LayerNorm(dim))
        self.bias = nn.Parameter(torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32)))

    def forward(self, ids: Tensor, mask: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Ids, mask and what is hidden, (batch, tokens) each → logits (hidden, pieces), sentence vectors (batch, dim)."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (batch, tokens, dim)
        return self.transform(states[hidden]) @ self.table.T + self.bias, mean_states(states, mask)

    def train_encoder(self, trained: bool) -> None:
        """Lets the encoder learn, or not. Its word embeddings never do: see `finetune.network.build_network`."""
        for parameter in self.encoder.parameters():
            parameter.requires_grad_(trained)
        self.encoder.get_input_embeddings().weight.requires_grad_(False)


def mean_states(states: Tensor, mask: Tensor) -> Tensor:
    """Sentence vectors (batch, dim): the mean of states (batch, tokens, dim) over the mask (batch, tokens)."""
    weights = mask.to(states.dtype).unsqueeze(-1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def train(
    network: MaskedLanguageModel,
    training: Sequence[Window],
    held_out: Sequence[Window],
    masker: Masker,
    recipe: Recipe,
    *,
    progress: Progress | None = None,
    checkpoint: Callable[[str], Checkpoint] | None = None,
) -> Trained:
    """Trains the head, then all; leaves the weights with the lowest held-out loss, which may be those of the base.

    Args:
        network: trained in place.
        training: windows to learn from.
        held_out: windows to score.
        masker: hides pieces of both.
        recipe: settings.
        progress: called after every step.
        checkpoint: gives the checkpoint of a phase by its name; a run that was killed goes on from there.

    Raises:
        DivergedError: the loss is no longer a finite number.
        Unavailable: a checkpoint cannot be written.

    """
    torch.manual_seed(recipe.seed)
    batches = plan(_lengths(training), recipe.tokens, recipe.seed)
    alone = max(1, round(HEAD_SHARE * len(batches)))
    vectors = sentence_vectors(network, training, masker.pad_id)  # of the base: before a checkpoint is taken up
    session = _Session(training, masker, recipe, vectors, progress)

    network.train_encoder(False)
    loop = _loop(network, recipe, recipe.head_alone_rate, alone, checkpoint and checkpoint("head"))
    session.run("head", loop, batches[:alone], range(loop.position.step, alone))
    loop.finish()
    before = evaluate(network, held_out, masker, recipe.seed)
    loop.release()

    network.train_encoder(True)
    rest = batches[alone:]
    loop = _loop(network, recipe, recipe.head_rate, len(rest), checkpoint and checkpoint("encoder"))
    position, leg = loop.position, math.ceil(len(rest) / EVALUATIONS)
    if position.epoch == 0:
        loop.end_epoch(agreed(_likelihood(before)))  # the base is a candidate too
    while position.step < len(rest) and position.worse < PATIENCE and not position.finished:
        session.run("encoder", loop, rest, range(position.step, min(position.epoch * leg, len(rest))))
        loop.end_epoch(agreed(_likelihood(evaluate(network, held_out, masker, recipe.seed))))
    loop.finish()
    loop.release()
    return Trained(before, evaluate(network, held_out, masker, recipe.seed), alone + position.step)


@dataclass(frozen=True)
class _Session:
    """What both phases share."""

    windows: Sequence[Window]
    masker: Masker
    recipe: Recipe
    vectors: Tensor
    progress: Progress | None

    def run(self, phase: str, loop: Loop, batches: Sequence[Sequence[int]], steps: range) -> None:
        """Takes the steps, each with its batch."""
        network: Any = loop.module
        network.train()
        network.encoder.train(phase == "encoder")
        for step in steps:
            rows = loop.share(batches[step])
            # What is hidden follows from seed and step alone, so that a run goes on as if it had never stopped.
            draw = np.random.default_rng([self.recipe.seed, len(phase), step])
            batch = self.masker.batch(self.windows, rows, draw)
            logits, vectors = _forward(loop.parallel, batch, loop.device)
            loss = functional.cross_entropy(logits, _wanted(network, batch))
            said = float(loss.detach())
            if phase == "encoder":
                cosine = functional.cosine_similarity(vectors, self.vectors[list(rows)].to(vectors))
                loss = loss + self.recipe.keep * (1 - cosine).mean()
            loop.step(loss)
            if self.progress:
                score = loop.position.score
                self.progress(Step(phase, step + 1, loop.total, said, None if score is None else -math.log(score)))
            loop.save_if_due()


def evaluate(network: MaskedLanguageModel, windows: Sequence[Window], masker: Masker, seed: int) -> Score:
    """The score of windows, the same pieces hidden whenever the seed is the same."""
    network.eval()
    loss, right, count = 0.0, 0, 0
    with torch.inference_mode():
        for number, rows in enumerate(packed(_lengths(windows))):
            batch = masker.batch(windows, rows, np.random.default_rng([seed, number]))
            logits, _ = _forward(network, batch, network.bias.device)
            wanted = _wanted(network, batch)
            loss += float(functional.cross_entropy(logits, wanted, reduction="sum"))
            right += int((logits.argmax(dim=-1) == wanted).sum())
            count += len(wanted)
    if not math.isfinite(loss):
        raise DivergedError("The weights became no number; no model was written.", "Train with another seed.")
    return Score(loss / count, right / count)


def sentence_vectors(network: MaskedLanguageModel, windows: Sequence[Window], pad_id: int) -> Tensor:
    """The network's sentence vectors (windows, dim) of windows with nothing hidden."""
    network.eval()
    found = torch.empty(len(windows), network.table.shape[1], dtype=torch.float16)
    device = network.bias.device
    with torch.inference_mode():
        for rows in packed(_lengths(windows)):
            ids, mask, _ = (
                torch.from_numpy(each).to(device) for each in padded([windows[row] for row in rows], pad_id)
            )
            states = network.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            found[rows] = mean_states(states, mask).half().cpu()
    return found


def _loop(
    network: MaskedLanguageModel, recipe: Recipe, head_rate: float, steps: int, checkpoint: Checkpoint | None
) -> Loop:
    groups = parameter_groups(network, recipe.rate, head_rate)
    return Loop(network, groups, steps, recipe.warm_up, checkpoint)


def _forward(module: nn.Module, batch: MaskedBatch, device: torch.device) -> tuple[Tensor, Tensor]:
    """Logits and sentence vectors through `module`: the network itself, or the wrapper that trains it on several devices."""
    ids, mask, hidden = (torch.from_numpy(each).to(device) for each in (batch.ids, batch.mask, batch.hidden))
    outputs: tuple[Tensor, Tensor] = module(ids, mask, hidden)
    return outputs[0].float(), outputs[1].float()


def _wanted(network: MaskedLanguageModel, batch: MaskedBatch) -> Tensor:
    """Places (hidden,) among the pieces of what is hidden."""
    return network.number[torch.from_numpy(batch.targets).to(network.number.device)]


def _lengths(windows: Sequence[Window]) -> NDArray[np.int64]:
    return np.array([len(window) for window in windows], np.int64)


def _likelihood(score: Score) -> float:
    """The geometric mean of the hidden pieces' probabilities: the score of an epoch has to grow."""
    return math.exp(-score.loss)
