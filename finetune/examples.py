"""Training examples: labelled user turns as tokens, packed into flat arrays, and batches of turns of like length.

    ids       [101 1037 5274 102 | 101 7632 102]     all examples behind each other
    segments  [0   0    0    0   | 0   0    0  ]
    starts    [0                   4             7]   example k is starts[k] … starts[k + 1]

A million turns take about 0.6 GB so; as lists of numbers they would take ten times that.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bot.history import LAST_TURN, HistoryLimits, TextTokenizer, Tokens, Window, tokenize, window_of
from bot.labels import OUT_OF_SCOPE
from finetune.logs import Dialogue

POOL = 16
"""Batches' worth of examples that are sorted by length together."""

Augment = Callable[[str, random.Random], str]


@dataclass(frozen=True, slots=True)
class Turn:
    """A user turn of a dialogue: message number `index`."""

    dialogue: Dialogue
    index: int

    @property
    def golds(self) -> tuple[str, ...]:
        """The turn's labels without the mark for out-of-scope turns, which is no class."""
        return tuple(name for name in self.dialogue.messages[self.index].intents if name != OUT_OF_SCOPE)

    @property
    def text(self) -> str:
        """What the user said."""
        return self.dialogue.messages[self.index].content

    def window(self, limits: HistoryLimits | None = None) -> Window:
        """The turn and what was said before it."""
        before = self.dialogue.messages[: self.index + 1]
        return window_of([{"role": each.role, "content": each.content} for each in before], limits)


@dataclass(frozen=True)
class Batch:
    """Padded arrays: rows (batch,) in the examples; ids, mask, segments (batch, tokens) int64; golds (batch, labels) of 0 and 1."""

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    segments: NDArray[np.int64]
    golds: NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """Turns as tokens, with the numbers of their labels; an out-of-scope turn has none."""

    turns: Sequence[Turn]
    ids: NDArray[np.uint32]
    segments: NDArray[np.uint8]
    starts: NDArray[np.int64]  # (examples + 1,)
    numbers: Sequence[tuple[int, ...]]
    labels: int
    limits: HistoryLimits
    tokenizer: TextTokenizer

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example."""
        return np.diff(self.starts)

    @property
    def in_scope(self) -> NDArray[np.bool_]:
        """Which examples have a label (examples,)."""
        return np.array([bool(each) for each in self.numbers], bool)

    def golds(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Ones at the labels of each row (rows, labels)."""
        found = np.zeros((len(rows), self.labels), np.float32)
        for at, row in enumerate(rows):
            found[at, list(self.numbers[row])] = 1
        return found

    def tokens(self, row: int) -> Tokens:
        """One example's tokens."""
        part = slice(self.starts[row], self.starts[row + 1])
        return Tokens(self.ids[part].tolist(), self.segments[part].tolist())

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Examples:
        """Some of the examples, in the order of `rows`."""
        parts = [slice(self.starts[row], self.starts[row + 1]) for row in rows]
        empty = np.zeros(0, np.uint32)
        return replace(
            self,
            turns=[self.turns[row] for row in rows],
            ids=np.concatenate([empty, *(self.ids[part] for part in parts)]),
            segments=np.concatenate([empty.astype(np.uint8), *(self.segments[part] for part in parts)]),
            starts=np.concatenate([[0], np.cumsum([part.stop - part.start for part in parts], dtype=np.int64)]),
            numbers=[self.numbers[row] for row in rows],
        )


def turns_of(dialogues: Sequence[Dialogue]) -> list[Turn]:
    """Every labelled user turn of the dialogues."""
    return [
        Turn(dialogue, index)
        for dialogue in dialogues
        for index, message in enumerate(dialogue.messages)
        if message.role == "user" and message.intents
    ]


def examples_of(
    turns: Sequence[Turn], labels: Sequence[str], tokenizer: TextTokenizer, limits: HistoryLimits | None = None
) -> Examples:
    """Tokenizes turns; golds that are not among `labels` are left out, and a turn with none left is dropped."""
    limits = limits or HistoryLimits()
    number = {label: index for index, label in enumerate(labels)}
    same: dict[tuple[int, ...], tuple[int, ...]] = {}  # a million turns have few different label sets
    kept, numbers = [], []
    ids, segments, starts = array("I"), array("B"), array("q", [0])
    for turn in turns:
        golds = turn.golds
        found = tuple(number[name] for name in golds if name in number)
        if golds and not found:
            continue
        tokens = tokenize(turn.window(limits), tokenizer, limits)
        kept.append(turn)
        numbers.append(same.setdefault(found, found))
        ids.extend(tokens.ids)
        segments.extend(tokens.segments)
        starts.append(len(ids))
    return Examples(
        kept,
        np.frombuffer(ids, np.uint32),
        np.frombuffer(segments, np.uint8),
        np.frombuffer(starts, np.int64),
        numbers,
        len(labels),
        limits,
        tokenizer,
    )


def plan(lengths: NDArray[np.int64], size: int, draw: random.Random) -> list[list[int]]:
    """One epoch: every row once, in batches of like length.

    Rows are shuffled, sorted within pools of `POOL` batches, and the batches shuffled again.
    """
    order = list(range(len(lengths)))
    draw.shuffle(order)
    ready: list[list[int]] = []
    for start in range(0, len(order), POOL * size):
        pool = sorted(order[start : start + POOL * size], key=lambda row: int(lengths[row]))
        ready += [pool[at : at + size] for at in range(0, len(pool), size)]
    draw.shuffle(ready)
    return ready


@dataclass(frozen=True)
class Distortion:
    """What an epoch does to examples: a share of them loses its history, a share has its turn rewritten by `augment`.

    Without context dropout a model comes to lean on the history. What happens to a row depends on seed, epoch and row alone,
    so that a run which is continued does the same.
    """

    context_dropout: float
    augmented: float
    augment: Augment
    seed: int

    def apply(self, examples: Examples, row: int, epoch: int) -> Tokens:
        """The tokens of `row` in `epoch`."""
        draw = random.Random(f"{self.seed}:{epoch}:{row}")
        alone, rewritten = draw.random() < self.context_dropout, draw.random() < self.augmented
        if rewritten:
            window = examples.turns[row].window(examples.limits)
            window = replace(window, turn=self.augment(window.turn, draw), history=() if alone else window.history)
            return tokenize(window, examples.tokenizer, examples.limits)
        tokens = examples.tokens(row)
        return Tokens(tokens.ids[: tokens.turn_length], [LAST_TURN] * tokens.turn_length) if alone else tokens


def collate(examples: Examples, rows: Sequence[int], pad_id: int, tokens: Sequence[Tokens] | None = None) -> Batch:
    """The rows padded to the longest; `tokens` stand in for the examples' own."""
    found = tokens if tokens is not None else [examples.tokens(row) for row in rows]
    width = max(len(each.ids) for each in found)
    ids = np.full((len(rows), width), pad_id, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    segments = np.zeros((len(rows), width), np.int64)
    for at, each in enumerate(found):
        length = len(each.ids)
        ids[at, :length] = each.ids
        mask[at, :length] = 1
        segments[at, :length] = each.segments
    return Batch(np.array(rows, np.int64), ids, mask, segments, examples.golds(rows))
