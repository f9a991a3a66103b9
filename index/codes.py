"""Model numbers and article codes: which ones a text holds, and which of them name one article in two spellings.

Shops write a code as they like: `RX-V663BL`, `RXV663BK`, `RX V663`. What they agree on is the stem, the part up to a digit;
what follows tells color, country or packing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from index.tokens import STOPWORDS, folded

SHORTEST = 4  # characters of a code or a stem
FULL_LENGTH = 6  # from so many on a stem says all it can: "ih9" is shared by more than one maker, "ystfsw150" is not

_CODE = re.compile(r"[^\W_]+(?:[-/._][^\W_]+)*")
_GLUE = re.compile(r"[-/._\s]+")
_TO_LAST_DIGIT = re.compile(r"(.*\d)[^\d]*$")
_TO_FIRST_NUMBER = re.compile(r"[^\d]+\d+")


def codes_of(text: str) -> list[str]:
    """Model numbers and article codes in a text, in one spelling: `"Sony PS-LX350H turntable"` → `["pslx350h"]`.

    A code has a digit and, unless it is 6 digits or longer, a letter. Neighbours are not joined, because "iphone 15" is two
    words that search finds by themselves.
    """
    return list(dict.fromkeys(filter(_is_code, _glued(text))))


def stems_of(text: str) -> list[str]:
    """The stems of the codes in a text, also of those that a space parts: `"Yamaha RX-V663BL"` → `["rxv663bl", "rxv663"]`.

    A code itself is one, it up to its last digit, and it up to its first number; each has a letter and a digit.
    """
    parts = _glued(text)
    return list(dict.fromkeys(stem for code in (*filter(_is_code, parts), *_joined(parts)) for stem in _stems(code)))


def weight_of(stem: str) -> float:
    """How much a stem says by its length, 0 to 1."""
    return min(1.0, len(stem) / FULL_LENGTH)


def identifiers(texts: Iterable[str]) -> Iterator[str]:
    """What a shop calls a code (mpn, gtin, id) in that one spelling, whatever its shape, also "12345"."""
    for text in texts:
        glued = _GLUE.sub("", folded(text))
        if len(glued) >= SHORTEST and _has_digit(glued):
            yield glued


def _glued(text: str) -> list[str]:
    return [_GLUE.sub("", match.group()) for match in _CODE.finditer(folded(text))]


def _joined(parts: Sequence[str]) -> Iterator[str]:
    """A word and the number or code behind it, as one: `["coolpix", "p6000"]` → `"coolpixp6000"`."""
    for word, code in pairwise(parts):
        if len(word) > 1 and word.isalpha() and word not in STOPWORDS and _has_digit(code):
            yield word + code


def _stems(code: str) -> Iterator[str]:
    if len(code) < SHORTEST or code.isdigit():
        return
    yield code
    for shape in (_TO_LAST_DIGIT, _TO_FIRST_NUMBER):
        match = shape.match(code)
        stem = match.group(match.lastindex or 0) if match else ""
        if len(stem) >= SHORTEST and not stem.isdigit():
            yield stem


def _is_code(glued: str) -> bool:
    if len(glued) < SHORTEST or glued.isalpha():
        return False
    digits = sum(map(str.isdigit, glued))
    return bool(digits) and (digits < len(glued) or digits >= SHORTEST + 2)


def _has_digit(text: str) -> bool:
    return not text.isalpha() and any(map(str.isdigit, text))
