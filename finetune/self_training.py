"""Learning from unlabeled dialogues: a trained model labels them, and another learns from what it was sure of.

Self-training as noisy student (Xie et al. 2020): the teacher reads turns as they are, the student reads them rewritten, without
history and under dropout, so it has to learn more than the teacher says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from finetune.examples import Examples, Turn
from finetune.logs import Dialogue

SURE = 0.7
"""Probability from which the teacher's label is taken."""

MOST_UNLABELED = 20_000
"""Turns without labels that are looked at; where there are more, a sample: the student's time grows with them."""

OVER_MEAN = 3.0
"""A label gets at most so many times the mean number of taught turns: what a teacher prefers must not feed on itself."""


def unlabeled_turns(dialogues: Sequence[Dialogue]) -> list[Turn]:
    """Every user turn that nobody labelled and that says something."""
    return [
        Turn(dialogue, index)
        for dialogue in dialogues
        for index, message in enumerate(dialogue.messages)
        if message.role == "user" and not message.intents and message.content.strip()
    ]


def taught(unlabeled: Examples, probabilities: NDArray[np.floating], doubts: NDArray[np.bool_]) -> Examples:
    """The unlabeled examples that a teacher is sure of, with every label that it is sure of.

    Args:
        unlabeled: the turns.
        probabilities: the teacher's (n, labels).
        doubts: which turns the teacher takes for out of scope (n,).

    """
    best, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    candidates = [row for row in np.argsort(-sure, kind="stable").tolist() if sure[row] >= SURE and not doubts[row]]
    most = OVER_MEAN * max(1.0, len(candidates) / probabilities.shape[1])
    have: Counter[int] = Counter()
    kept = []
    for row in candidates:
        label = int(best[row])
        if have[label] < most:
            have[label] += 1
            kept.append(row)
    kept.sort()
    numbers = [tuple(np.flatnonzero(probabilities[row] >= SURE).tolist()) for row in kept]
    return replace(unlabeled.take(kept), numbers=numbers)


def joined(first: Examples, second: Examples) -> Examples:
    """The examples of both, tokenized alike."""
    return replace(
        first,
        turns=[*first.turns, *second.turns],
        ids=np.concatenate([first.ids, second.ids]),
        segments=np.concatenate([first.segments, second.segments]),
        starts=np.concatenate([first.starts, second.starts[1:] + first.starts[-1]]),
        numbers=[*first.numbers, *second.numbers],
    )
