"""Texts as masked batches: tokens cut into windows, packed by length, some of them hidden anew each time (Devlin et al. 2019).

text      show me a steel kettle
ids       101 2265 2033 1037 3886 22421 9834 102     [CLS] show me a steel kett ##le [SEP]
words      -1    0    1    2    3     4    4  -1
masked    101 2265 2033 1037 3886   103  103 102     "kettle" is hidden as a whole
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WINDOW = 128
"""Tokens of a window at most, special ones included: as much as the intent model reads of a conversation."""
FEWEST_PIECES = 4
"""A window with fewer pieces has too little around what is hidden."""
BATCH_TOKENS = 1_024
"""Tokens of a batch at most, padding included."""
HIDDEN_SHARE = 0.15

_MASKED, _REPLACED = 0.8, 0.1  # of what is hidden; the rest keeps its piece, so that no state may ignore its own token
_LONGEST_WORD = 8  # pieces; where a script has no spaces, a "word" of the tokenizer is a whole sentence
_POOL = 2_048  # windows that are sorted by length together
_TOKENIZED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Window:
    """Token ids of a part of a text with its special tokens, and the number of the word of each, -1 for special tokens."""

    ids: NDArray[np.int32]  # (tokens,)
    words: NDArray[np.int16]  # (tokens,)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """Padded arrays (batch, tokens): ids with some hidden, the attention mask, what is hidden; and what stood there.

    `rows` are the places of the windows among all.
    """

    rows: Sequence[int]
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    hidden: NDArray[np.bool_]
    targets: NDArray[np.int64]  # (hidden,), row by row


@dataclass(frozen=True)
class Masker:
    """Hides words of windows. `pieces` are the ids that occur in the texts, from which replacements are drawn."""

    pieces: NDArray[np.int64]
    mask_id: int
    pad_id: int

    def batch(self, windows: Sequence[Window], rows: Sequence[int], draw: np.random.Generator) -> MaskedBatch:
        """The windows at `rows`, each word hidden with a chance of 15 %, at least one in each window."""
        ids, mask, words = padded([windows[row] for row in rows], self.pad_id)
        hidden = _hidden(words, draw)
        targets = ids[hidden]
        fate = draw.random(len(targets))
        other = draw.choice(self.pieces, len(targets))
        ids[hidden] = np.where(fate < _MASKED, self.mask_id, np.where(fate < _MASKED + _REPLACED, other, targets))
        return MaskedBatch(rows, ids, mask, hidden, targets)


def padded(windows: Sequence[Window], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Ids, attention mask and words, (batch, tokens) each."""
    shape = len(windows), max(map(len, windows))
    ids, mask, words = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    for row, window in enumerate(windows):
        ids[row, : len(window)], mask[row, : len(window)], words[row, : len(window)] = window.ids, 1, window.words
    return ids, mask, words


def _hidden(words: NDArray[np.int64], draw: np.random.Generator) -> NDArray[np.bool_]:
    """Which pieces (batch, tokens) are hidden."""
    last = words.max(axis=1, keepdims=True)  # (batch, 1)
    chance = draw.random((len(words), int(last.max()) + 1))  # (batch, words)
    chance[np.arange(chance.shape[1]) > last] = 1.0  # words that a row does not have
    chosen = (chance < HIDDEN_SHARE) | (chance == chance.min(axis=1, keepdims=True))
    return np.asarray(np.take_along_axis(chosen, words.clip(min=0), axis=1) & (words >= 0))


def windows_of(texts: Sequence[str], tokenizer: Tokenizer, room: int = WINDOW) -> Iterator[list[Window]]:
    """The windows of each text in turn: its consecutive parts of at most `room` tokens; none of a text that is too short."""
    tokenizer.no_truncation()
    for start in range(0, len(texts), _TOKENIZED_AT_ONCE):
        for encoding in tokenizer.encode_batch(list(texts[start : start + _TOKENIZED_AT_ONCE])):
            yield list(_windows(encoding, room))


def _windows(encoding: Any, room: int) -> Iterator[Window]:
    ids = np.array(encoding.ids, np.int32)
    words = np.array([-1 if word is None else word for word in encoding.word_ids], np.int32)
    inside = words >= 0
    opening, closing = ids[~inside][:1], ids[~inside][-1:]
    ids, words = ids[inside], words[inside]
    edge = np.full(1, -1, np.int16)
    step = room - len(opening) - len(closing)
    for start in range(0, len(ids), step):
        part = ids[start : start + step]
        if len(part) >= FEWEST_PIECES:
            numbers = numbered(words[start : start + step])
            yield Window(np.concatenate([opening, part, closing]), np.concatenate([edge, numbers, edge]))


def numbered(words: NDArray[np.int32]) -> NDArray[np.int16]:
    """Words counted from 0, `[4, 4, 5]` → `[0, 0, 1]`; what is too long for a word counts piece by piece."""
    begins = np.diff(words, prepend=-1) != 0
    _, place, sizes = np.unique(begins.cumsum(), return_inverse=True, return_counts=True)
    return np.asarray((begins | (sizes[place] > _LONGEST_WORD)).cumsum() - 1, np.int16)


def plan(lengths: NDArray[np.int64], tokens: int, seed: int) -> list[list[int]]:
    """The batches of a run as places of windows: pass after pass in another order, until `tokens` tokens went by."""
    batches: list[list[int]] = []
    number = seen = 0
    while seen < tokens:
        for rows in packed(lengths, random.Random(f"{seed}:{number}")):
            if seen >= tokens:
                break
            batches.append(rows)
            seen += int(lengths[rows].sum())
        number += 1
    return batches


def packed(lengths: NDArray[np.int64], shuffle: random.Random | None = None) -> list[list[int]]:
    """Places of windows in batches of at most `BATCH_TOKENS`; windows of like length go together, so that little is padded.

    With `shuffle` those of a pool, and the batches in a random order.
    """
    order = list(range(len(lengths)))
    if shuffle is None:
        return list(_filled(sorted(order, key=lengths.__getitem__), lengths))
    shuffle.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), _POOL):
        batches += _filled(sorted(order[start : start + _POOL], key=lengths.__getitem__), lengths)
    shuffle.shuffle(batches)
    return batches


def _filled(rows: Sequence[int], lengths: NDArray[np.int64]) -> Iterator[list[int]]:
    """Consecutive rows, shortest first, in batches that are full."""
    batch: list[int] = []
    for row in rows:
        if batch and (len(batch) + 1) * lengths[row] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
