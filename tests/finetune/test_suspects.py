from __future__ import annotations

import zlib
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from demo.dialogues import generate_dialogues
from finetune.suspects import suspects

BUCKETS = 4096


def features_of(text: str) -> NDArray[np.float32]:
    """Hashed words, word pairs and character trigrams, of length one: (buckets,)."""
    words = text.casefold().split()
    grams = words + [" ".join(pair) for pair in zip(words, words[1:], strict=False)]
    grams += [text[at : at + 3] for at in range(len(text) - 2)]
    found = np.zeros(BUCKETS, np.float32)
    for gram, count in Counter(grams).items():
        found[zlib.crc32(gram.encode()) % BUCKETS] += count
    return found / max(float(np.linalg.norm(found)), 1e-9)


def train(features: NDArray[np.float32], golds: NDArray[np.int64], epochs: int) -> tuple[NDArray, NDArray]:
    """Softmax regression by minibatches: margins (examples, epochs) and what it gives at the end (examples,)."""
    draw = np.random.default_rng(0)
    labels = int(golds.max()) + 1
    weights = np.zeros((BUCKETS, labels), np.float32)
    rows, margins = np.arange(len(golds)), []
    for _ in range(epochs):
        for batch in np.array_split(draw.permutation(len(golds)), len(golds) // 32):
            logits = features[batch] @ weights
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            error = odds / odds.sum(axis=1, keepdims=True)
            error[np.arange(len(batch)), golds[batch]] -= 1
            weights -= 20 / len(batch) * features[batch].T @ error
        logits = features @ weights
        others = logits.copy()
        others[rows, golds] = -np.inf
        margins.append(logits[rows, golds] - others.max(axis=1))
    return np.stack(margins, axis=1), logits.argmax(axis=1)


def test_flipped_labels_are_found_and_right_ones_left_alone() -> None:
    turns = [
        (message["content"], message["intents"][0])
        for dialogue in generate_dialogues(english=900, chinese=0)
        for message in dialogue["messages"]
        if message["role"] == "user" and len(message["intents"]) == 1
    ]
    names = sorted({label for _, label in turns})
    right = np.array([names.index(label) for _, label in turns])
    draw = np.random.default_rng(3)
    flipped = draw.random(len(right)) < 0.05
    golds = np.where(flipped, (right + draw.integers(1, len(names), len(right))) % len(names), right)
    margins, predicted = train(np.stack([features_of(text) for text, _ in turns]), golds, epochs=8)
    found = suspects(margins, golds, predicted)
    places = np.array([suspect.example for suspect in found])
    assert len(turns) > 2500
    assert flipped[places].mean() >= 0.8
    assert flipped[places].sum() >= 0.75 * flipped.sum()
    first = places[: len(places) // 2]
    assert flipped[first].mean() >= 0.95
    corrected = np.array([suspect.predicted for suspect in found])
    assert (corrected == right[places])[flipped[places]].mean() >= 0.8


def test_a_label_that_was_never_learnt_raises_no_alarm() -> None:
    golds = np.array([0, 0, 0, 1, 1, 1])
    margins = np.array([[1.0], [2.0], [-3.0], [-1.0], [-2.0], [0.5]])
    found = suspects(margins, golds, np.array([0, 0, 1, 0, 0, 1]))
    assert [(suspect.example, suspect.predicted) for suspect in found] == [(2, 1)]


def test_one_bad_beginning_or_one_bad_end_is_no_suspicion() -> None:
    golds = np.zeros(6, int)
    margins = np.array([[-5.0, 1, 1], [3, 3, -1], [-1, -1, -1], [-2, -2, -2], [1, 1, 1], [1, 1, 1]])
    found = suspects(margins, golds, np.array([0, 1, 1, 2, 0, 0]))
    assert [suspect.example for suspect in found] == [3, 2]


@pytest.mark.parametrize("margins", [np.zeros(3), np.zeros((2, 4)), np.full((3, 1), np.nan)])
def test_what_does_not_fit_is_refused(margins: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="do not fit|no number"):
        suspects(margins, np.zeros(3, int), np.zeros(3, int))


def test_no_epoch_gives_no_suspect() -> None:
    assert suspects(np.zeros((3, 0)), np.zeros(3, int), np.zeros(3, int)) == []
