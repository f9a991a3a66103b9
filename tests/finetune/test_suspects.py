from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from demo.dialogues import generate_dialogues
from finetune.suspects import Suspect, suspects

BUCKETS = 2048


def features_of(text: str) -> NDArray[np.float32]:
    """Hashed words, word pairs and character trigrams, of length one: (buckets,)."""
    words = text.casefold().split()
    grams = words + [" ".join(pair) for pair in pairwise(words)]
    grams += [text[at : at + 3] for at in range(len(text) - 2)]
    found = np.zeros(BUCKETS, np.float32)
    for gram, count in Counter(grams).items():
        found[zlib.crc32(gram.encode()) % BUCKETS] += count
    return found / max(float(np.linalg.norm(found)), 1e-9)


def train(
    features: NDArray[np.float32], golds: NDArray[np.int64], epochs: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Softmax regression by minibatches: margins of each step (examples, epochs), what the last ones gave (examples,)."""
    draw = np.random.default_rng(0)
    weights = np.zeros((features.shape[1], int(golds.max()) + 1), np.float32)
    margins, predicted = np.zeros((len(golds), epochs)), np.zeros(len(golds), np.int64)
    for epoch in range(epochs):
        for batch in np.array_split(draw.permutation(len(golds)), len(golds) // 32):
            logits = features[batch] @ weights
            gold = np.arange(len(batch)), golds[batch]
            others = logits.copy()
            others[gold] = -np.inf
            margins[batch, epoch] = logits[gold] - others.max(axis=1)
            predicted[batch] = logits.argmax(axis=1)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            error = odds / odds.sum(axis=1, keepdims=True)
            error[gold] -= 1
            weights -= 20 / len(batch) * features[batch].T @ error
    return margins, predicted


@dataclass(frozen=True)
class Flipped:
    """Turns of generated dialogues, 5 % with another label; which those are, and what training made of them."""

    right: NDArray[np.int64]
    flipped: NDArray[np.bool_]
    found: list[Suspect]


@pytest.fixture(scope="module")
def learnt() -> Flipped:
    turns, reply = [], ""
    for dialogue in generate_dialogues(english=900, chinese=0):
        for message in dialogue["messages"]:  # type: ignore[attr-defined]
            if message["role"] != "user":
                reply = message["content"]
            elif len(message["intents"]) == 1:
                turns.append((message["content"], reply, message["intents"][0]))
    names = sorted({label for _, _, label in turns})
    right = np.array([names.index(label) for _, _, label in turns])
    draw = np.random.default_rng(20)
    flipped = draw.random(len(right)) < 0.05
    golds = np.where(flipped, (right + draw.integers(1, len(names), len(right))) % len(names), right)
    features = np.stack([np.hstack([features_of(text), features_of(reply) / 2]) for text, reply, _ in turns])
    return Flipped(right, flipped, suspects(*train(features, golds, epochs=5), golds))


def test_flipped_labels_are_found_and_right_ones_left_alone(learnt: Flipped) -> None:
    places = np.array([suspect.example for suspect in learnt.found])
    hits = learnt.flipped[places]
    assert len(learnt.flipped) > 2500
    assert hits.mean() >= 0.65
    assert hits.sum() >= 0.4 * learnt.flipped.sum()
    assert hits[: len(hits) // 2].mean() >= 0.8


def test_the_label_that_the_model_would_give_is_the_right_one(learnt: Flipped) -> None:
    caught = [suspect for suspect in learnt.found if learnt.flipped[suspect.example]]
    assert sum(suspect.predicted == learnt.right[suspect.example] for suspect in caught) >= 0.7 * len(caught)


def test_a_label_that_was_never_learnt_raises_no_alarm() -> None:
    golds = np.array([0, 0, 0, 1, 1, 1])
    margins = np.array([[1.0], [2.0], [-3.0], [-1.0], [-2.0], [0.5]])
    found = suspects(margins, np.array([0, 0, 1, 0, 0, 1]), golds)
    assert [(suspect.example, suspect.predicted) for suspect in found] == [(2, 1)]


def test_one_bad_beginning_or_one_bad_end_is_no_suspicion() -> None:
    golds = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1])
    margins = np.array([[-5.0, 1, 1], [3, 3, -2], [-2, -2, -2], [-3, -3, -3], *[[1, 1, 1]] * 4, [3, 3, 3]])
    found = suspects(margins, np.array([0, 1, 1, 1, 0, 0, 0, 0, 1]), golds)
    assert [suspect.example for suspect in found] == [3, 2]


def test_an_example_between_two_labels_is_spared() -> None:
    golds = np.array([0, 0, 0, 0, 1])
    margins = np.array([[-1.0], [-3.0], [1.0], [1.0], [5.0]])
    margins[2:4] = 2.0
    found = suspects(np.vstack([margins, [[2.0]]]), np.array([1, 1, 0, 0, 1, 0]), np.append(golds, 0))
    assert [suspect.example for suspect in found] == [1]


@pytest.mark.parametrize("margins", [np.zeros(3), np.zeros((2, 4)), np.full((3, 1), np.nan)])
def test_what_does_not_fit_is_refused(margins: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match=r"do not fit|no number"):
        suspects(margins, np.zeros(3, int), np.zeros(3, int))


def test_no_epoch_gives_no_suspect() -> None:
    assert suspects(np.zeros((3, 0)), np.zeros(3, int), np.zeros(3, int)) == []
