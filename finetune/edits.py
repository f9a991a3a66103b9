"""Small changes that people and machines make to a text, for noise and augmentation alike.

A text is cut into pieces that join to the text again: words, single Chinese characters, white space, single signs, and the
placeholders of `storage.redaction`, which nothing here changes.

    "Mail REDACTED_EMAIL 给我!"  →  "Mail", " ", "REDACTED_EMAIL", " ", "给", "我", "!"
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import cache

from finetune.lexicon import FUNCTION_WORDS, homophones, is_negation, lookalikes

PLACEHOLDER = re.compile(r"REDACTED_[A-Z]+")
_HAN = "\u3400-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+(?:['’][^\W_{_HAN}]+)*|\s+|.", re.DOTALL)
_IS_HAN = re.compile(f"[{_HAN}]")

_KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SLIPS = ("neighbour", "neighbour", "neighbour", "omit", "double", "swap")
_CONTENT_FROM = 5
"""A shorter text keeps its content words: without one of few words it asks for something else, or for nothing."""
_CONTENT_SHARE = 0.25


def _neighbours() -> dict[str, str]:
    """The keys around each key of a QWERTY board, whose rows stand half a key apart."""
    places = {key: (row, column) for row, keys in enumerate(_KEY_ROWS) for column, key in enumerate(keys)}
    steps = ((0, -1), (0, 1), (-1, 0), (-1, 1), (1, -1), (1, 0))
    at = {place: key for key, place in places.items()}
    return {
        key: "".join(at[near] for down, right in steps if (near := (row + down, column + right)) in at)
        for key, (row, column) in places.items()
    }


NEIGHBOURS = _neighbours()


def pieces(text: str) -> list[str]:
    """The text in pieces, which join to it again."""
    if "REDACTED_" not in text:
        return _PIECE.findall(text)
    found, end = [], 0
    for match in PLACEHOLDER.finditer(text):
        found += [*_PIECE.findall(text, end, match.start()), match[0]]
        end = match.end()
    return found + _PIECE.findall(text, end)


def is_placeholder(piece: str) -> bool:
    """Whether the piece stands for personal data."""
    return "_" in piece and len(piece) > 1


def is_han(piece: str) -> bool:
    """Whether the piece is a Chinese character."""
    return bool(_IS_HAN.match(piece))


def is_word(piece: str) -> bool:
    """Whether the piece is a word, a number or a Chinese character."""
    return piece[0].isalnum() and not is_placeholder(piece)


def word_count(parts: Sequence[str]) -> int:
    """How many words a text has; a Chinese one has two characters on average."""
    han = sum(map(is_han, parts))
    return sum(map(is_word, parts)) - han + (han + 1) // 2


def glued(left: str, right: str) -> bool:
    """Whether two pieces, once nothing stands between them, would read as one word."""
    return left[-1].isalnum() and right[0].isalnum() and not (is_han(left[-1]) and is_han(right[0]))


def cut(parts: list[str], at: int) -> None:
    """Takes the piece out in place, and one white space beside it; its neighbours do not grow together."""
    start, end = at, at + 1
    if end < len(parts) and parts[end].isspace():
        end += 1
    elif start and parts[start - 1].isspace():
        start -= 1
    inside = start > 0 and end < len(parts)
    parts[start:end] = [" "] if inside and glued(parts[start - 1], parts[end]) else []


def slip(piece: str, rng: random.Random) -> str:
    """One slip of the fingers in a word: a neighbouring key, a letter left out, one twice, or two swapped.

    These are the four kinds of Damerau (1964), most often the first. A Chinese character becomes another one of its
    syllable, as a pinyin keyboard offers it. A piece in which nothing can slip comes back as it is.
    """
    if is_han(piece):
        return rng.choice(homophones().get(piece, (piece,)))
    letters = [place for place, sign in enumerate(piece) if sign.isalpha()]
    if not letters:
        return piece
    at = letters[int(rng.random() * len(letters))]
    sign, kind = piece[at], _SLIPS[int(rng.random() * len(_SLIPS))]
    if kind == "neighbour" and (near := NEIGHBOURS.get(sign.lower())):
        key = near[int(rng.random() * len(near))]
        return piece[:at] + (key.upper() if sign.isupper() else key) + piece[at + 1 :]
    if kind == "omit" and len(piece) > 2:
        return piece[:at] + piece[at + 1 :]
    if kind == "swap" and at + 1 < len(piece) and piece[at + 1] not in (sign, "'", "’"):
        return piece[:at] + piece[at + 1] + sign + piece[at + 2 :]
    return piece[:at] + sign + piece[at:]


def misreadable(text: str) -> list[re.Match[str]]:
    """Where a text has characters that are read as others, outside placeholders."""
    return [match for match in _confusable().finditer(text) if not is_placeholder(match[0])]


def misread(piece: str, rng: random.Random) -> str:
    """One character, or two, taken for what looks alike: 0 for o, rn for m, 未 for 末; a piece without any comes back as it is."""
    sites = misreadable(piece)
    if not sites:
        return piece
    site = sites[int(rng.random() * len(sites))]
    return piece[: site.start()] + rng.choice(lookalikes()[site[0]]) + piece[site.end() :]


@cache
def _confusable() -> re.Pattern[str]:
    # Placeholders match first and whole, so that nothing inside them does.
    longest_first = sorted(lookalikes(), key=len, reverse=True)
    return re.compile("|".join([PLACEHOLDER.pattern, *map(re.escape, longest_first)]))


def drop_word(parts: list[str], rng: random.Random) -> bool:
    """Takes a word out in place, most often a function word; says whether there was one to take.

    The last word stays, and so do negations, words with digits, and the content words of a short text.
    """
    words = [place for place, piece in enumerate(parts) if is_word(piece)]
    if len(words) < 2:
        return False
    droppable = [place for place in words if parts[place].lower() in FUNCTION_WORDS]
    if len(words) >= _CONTENT_FROM and (not droppable or rng.random() < _CONTENT_SHARE):
        droppable = [place for place in words if _is_plain_content(parts[place])]
    if not droppable:
        return False
    cut(parts, droppable[int(rng.random() * len(droppable))])
    return True


def _is_plain_content(word: str) -> bool:
    low = word.lower()
    return low.isalpha() and low not in FUNCTION_WORDS and not is_negation(low)


def _title(word: str, rng: random.Random) -> str:
    return word[:1].upper() + word[1:].lower()


def _random_first(word: str, rng: random.Random) -> str:
    first = word[:1].upper() if rng.random() < 0.5 else word[:1].lower()
    return first + word[1:]


CASINGS: tuple[Callable[[str, random.Random], str], ...] = (
    lambda word, rng: word.lower(),
    lambda word, rng: word.upper(),
    _title,
    _random_first,
)


def recase(parts: list[str], rng: random.Random) -> bool:
    """Writes every word in another casing, in place: lower, upper, title, or each first letter by chance.

    The casing is drawn among those that change the text; False where none does, as in Chinese.
    """
    for casing in rng.sample(CASINGS, len(CASINGS)):
        changed = [casing(piece, rng) if is_word(piece) else piece for piece in parts]
        if changed != parts:
            parts[:] = changed
            return True
    return False
