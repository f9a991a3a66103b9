"""Few labelled turns: a label's name is one more example of it.

`cancel_order` says what its turns ask for, to an encoder that knows the words. With ten turns a label of BANKING77 this is worth
half a point of accuracy; contrastive warm-up and R-Drop, tried beside it, are worth none (docs/benchmarks.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from finetune.examples import Examples, Turn, examples_of
from finetune.logs import Dialogue, Message

FEW = 50
"""Turns from which on a label is learnt from them alone."""

_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{3}|[^\W\d_A-Za-z]")


def words_of(label: str) -> str:
    """The words of a label's name ("cancelOrder", "ASK:CANCEL_ORDER"), or "" where it has none ("intent7" has one, "L7" none)."""
    words = " ".join(_PIECE.findall(label)).lower()
    return words if _WORD.search(words) else ""


def named(training: Examples, labels: Sequence[str]) -> Examples:
    """An example for each label that has fewer than `FEW` turns and a name made of words that no other label has.

    "faq_1" and "faq_2" would be one text under two labels, which teaches to confuse them.
    """
    have = Counter(number for numbers in training.numbers for number in numbers)
    names = [words_of(label) for label in labels]
    sharing = Counter(names)
    turns = [
        Turn(Dialogue(f"label {label}", (Message("user", words, (label,)),)), 0)
        for number, (label, words) in enumerate(zip(labels, names, strict=True))
        if have[number] < FEW and words and sharing[words] == 1
    ]
    return examples_of(turns, labels, training.tokenizer, training.limits)
