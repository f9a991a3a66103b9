"""Training texts with the slips of real customers, so that a model does not hang on perfect spelling.

Called once a text and epoch, on raw text, before tokenizing. A change leaves the meaning, and so the labels, as they were:
short words, negations, numbers and the placeholders of personal data are not touched.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from finetune.edits import drop_word, is_placeholder, pieces, recase, slip
from finetune.lexicon import homophones, is_negation

SECOND_EDIT = 0.3
"""How often a text gets a second edit."""

_SHORTEST = 4  # "now" with a slip is "not"


def augment(text: str, rng: random.Random) -> str:
    """The text with one or two edits: a typo (half of the time), a word less, or another casing.

    Whether a text is changed at all is the caller's to draw: `augment(text, rng) if rng.random() < share else text`.
    A text that offers no place for an edit comes back as it is. A text of 12 words takes about 20 µs.
    """
    parts = pieces(text)
    for _ in range(2 if rng.random() < SECOND_EDIT else 1):
        first = _EDITS[int(rng.random() * len(_EDITS))]
        any(edit(parts, rng) for edit in (first, _typo, recase))
    return "".join(parts)


def _typo(parts: list[str], rng: random.Random) -> bool:
    """A slip in one word of four letters or more, or one Chinese character for another of its syllable."""
    alike = homophones()
    places = [
        place
        for place, piece in enumerate(parts)
        if (piece in alike or (len(piece) >= _SHORTEST and piece[0].isalpha() and not is_placeholder(piece)))
        and not is_negation(piece)
    ]
    if not places:
        return False
    at = places[int(rng.random() * len(places))]
    parts[at] = slip(parts[at], rng)
    return True


_EDITS: tuple[Callable[[list[str], random.Random], bool], ...] = (_typo, _typo, _typo, drop_word, drop_word, recase)
