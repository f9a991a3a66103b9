"""Training texts with the slips of real customers, so that a model does not hang on perfect spelling.

Called once a text and epoch, on raw text, before tokenizing. A change leaves the meaning, and so the labels, as they were:
short words, negations, numbers and the placeholders of personal data are not touched.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container

from finetune.edits import drop_word, is_han, is_placeholder, misread, pieces, recase, slip
from finetune.lexicon import homophones, is_negation, lookalikes

SECOND_EDIT = 0.3
"""How often a text gets a second edit."""

Edit = Callable[[str, random.Random], str]

_SHORTEST = 4  # "now" with a slip is "not"


def augment(text: str, rng: random.Random) -> str:
    """The text with one or two edits: a typo or a misread letter (half of the time or more), a word less, or another casing.

    Whether a text is changed at all is the caller's to draw: `augment(text, rng) if rng.random() < share else text`.
    A text that offers no place for an edit comes back as it is. A text of 12 words takes about 20 µs.
    """
    parts = pieces(text)
    for _ in range(2 if rng.random() < SECOND_EDIT else 1):
        first = _EDITS[int(rng.random() * len(_EDITS))]
        any(edit(parts, rng) for edit in (first, _typo, recase))
    return "".join(parts)


def _typo(parts: list[str], rng: random.Random) -> bool:
    """A slip in one word, or one Chinese character for another of its syllable."""
    return _change_word(parts, rng, slip, homophones())


def _misread(parts: list[str], rng: random.Random) -> bool:
    """A letter of a word, or a Chinese character, for one that looks like it."""
    return _change_word(parts, rng, misread, lookalikes())


def _change_word(parts: list[str], rng: random.Random, change: Edit, han: Container[str]) -> bool:
    """Changes a word of four letters or more, or a Chinese character among `han`, in place; says whether there was one."""
    places = [
        place
        for place, piece in enumerate(parts)
        if (piece in han if is_han(piece) else len(piece) >= _SHORTEST and piece[0].isalpha())
        and not is_placeholder(piece)
        and not is_negation(piece)
    ]
    if not places:
        return False
    at = places[int(rng.random() * len(places))]
    changed = change(parts[at], rng)
    if not is_negation(changed):  # "want" is misread as "wont"
        parts[at] = changed
    return True


_EDITS: tuple[Callable[[list[str], random.Random], bool], ...] = (
    _typo,
    _typo,
    _misread,
    _misread,
    drop_word,
    drop_word,
    recase,
)
