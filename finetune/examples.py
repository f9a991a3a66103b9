"""Training examples: one labelled user turn each, as tokens, and batches of turns of like length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.history import LAST_TURN, TextTokenizer, Tokens, Window, tokenize, window_of
from bot.labels import OUT_OF_SCOPE
from finetune.logs import Dialogue


@dataclass(frozen=True)
class Turn:
    """A labelled user turn before tokenizing; `golds` is empty for an out-of-scope turn."""

    window: Window
    golds: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A turn as tokens and a distribution over the labels: uniform over its golds, or over all labels when out of scope."""

    tokens: Tokens
    target: NDArray[np.float32]  # (labels,)
    in_scope: bool


@dataclass(frozen=True)
class Batch:
    """Padded arrays: ids, mask and segments (batch, tokens) int64; targets (batch, labels); in_scope (batch,) bool."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    segments: NDArray[np.int64]
    targets: NDArray[np.float32]
    in_scope: NDArray[np.bool_]


def turns_of(dialogues: Sequence[Dialogue]) -> list[Turn]:
    """Every labelled user turn of the dialogues."""
    turns = []
    for dialogue in dialogues:
        for messages, intents in dialogue.labelled():
            turns.append(Turn(window_of(messages), tuple(name for name in intents if name != OUT_OF_SCOPE)))
    return turns


def examples_of(turns: Sequence[Turn], labels: Sequence[str], tokenizer: TextTokenizer) -> list[Example]:
    """Tokenizes turns; golds that are not among `labels` are left out, and a turn with none left is dropped."""
    number = {label: index for index, label in enumerate(labels)}
    examples = []
    for turn in turns:
        golds = [number[name] for name in turn.golds if name in number]
        if turn.golds and not golds:
            continue
        target = np.zeros(len(labels), np.float32)
        target[golds or slice(None)] = 1 / (len(golds) or len(labels))
        examples.append(Example(tokenize(turn.window, tokenizer), target, bool(golds)))
    return examples


def batches(
    examples: Sequence[Example],
    size: int,
    pad_id: int,
    *,
    shuffle: random.Random | None = None,
    context_dropout: float = 0.0,
) -> Iterator[Batch]:
    """Batches of like length: examples are shuffled, sorted within pools of 16 batches, and the batches shuffled again.

    With `context_dropout` an example loses its history that often, so that the model does not come to lean on it. Without
    `shuffle` the order is kept, for predictions that must line up with their turns.
    """
    if shuffle is None:
        for start in range(0, len(examples), size):
            yield _pad(examples[start : start + size], pad_id)
        return
    pool = [_without_history(each) if shuffle.random() < context_dropout else each for each in examples]
    shuffle.shuffle(pool)
    span = 16 * size
    ready: list[list[Example]] = []
    for start in range(0, len(pool), span):
        part = sorted(pool[start : start + span], key=lambda each: len(each.tokens.ids))
        ready += [part[at : at + size] for at in range(0, len(part), size)]
    shuffle.shuffle(ready)
    for part in ready:
        yield _pad(part, pad_id)


def _without_history(example: Example) -> Example:
    keep = example.tokens.turn_length
    return Example(Tokens(example.tokens.ids[:keep], [LAST_TURN] * keep), example.target, example.in_scope)


def _pad(part: Sequence[Example], pad_id: int) -> Batch:
    width = max(len(each.tokens.ids) for each in part)
    ids = np.full((len(part), width), pad_id, np.int64)
    mask = np.zeros((len(part), width), np.int64)
    segments = np.zeros((len(part), width), np.int64)
    for row, each in enumerate(part):
        length = len(each.tokens.ids)
        ids[row, :length] = each.tokens.ids
        mask[row, :length] = 1
        segments[row, :length] = each.tokens.segments
    targets = np.stack([each.target for each in part])
    return Batch(ids, mask, segments, targets, np.array([each.in_scope for each in part]))
