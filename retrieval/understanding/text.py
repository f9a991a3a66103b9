"""A customer's turn on the workbench: normalised once, then claimed span by span until product words are left."""

from __future__ import annotations

import re
import unicodedata

from index.hanzi import simplified

MAX_CHARACTERS = 1_000
CLAIMED = "\x00"
MUTED = "\x02"

_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−﹣", "-") | {"’": "'", "‘": "'", "“": '"', "”": '"', "〜": "~"})
_BLANK = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060\ufeff\ud800-\udfff\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]+"
)
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")


def normalise(text: str) -> str:
    """Full-width signs become plain (NFKC), dashes and quotes one kind; a run of blanks, emoji and controls one space.

    Traditional characters become simplified ones, in which the patterns are written.

    Only the first `MAX_CHARACTERS` are read: a condition further down a pasted page is not a condition of the customer.
    """
    plain = simplified(unicodedata.normalize("NFKC", text[: 2 * MAX_CHARACTERS]).translate(_DASHES))
    return _BLANK.sub(" ", plain)[:MAX_CHARACTERS]


def lower(text: str) -> str:
    """Lower case of the same length, so that positions in it are positions in `text` ("İ" would grow by one)."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def has_han(text: str) -> bool:
    """True where any Chinese character is in it."""
    return _HAN.search(text) is not None


def has_latin(text: str) -> bool:
    """True where a Latin word of two letters or more is in it."""
    return _LATIN_WORD.search(text) is not None


def script_language(text: str) -> str:
    """Say "zh", "en", or "" where there is nothing to tell by.

    A Chinese character carries about as much as a Latin word, so the larger count wins and a tie is Chinese:
    "iPhone 15 手机壳" is Chinese, "do you have 华为 phones" is English.
    """
    han = len(_HAN.findall(text))
    latin = len(_LATIN_WORD.findall(text))
    if not han and not latin:
        return ""
    return "zh" if han >= latin else "en"


def word_set(text: str) -> frozenset[str]:
    """The words of a text, for lists that read better as running words."""
    return frozenset(text.split())


class Draft:
    """The normalised turn and which of its characters are already understood."""

    def __init__(self, text: str) -> None:
        self.text = normalise(text)
        self.low = lower(self.text)
        self.view = self.low

    def claim(self, start: int, end: int) -> None:
        """Take `[start, end)` out of `view`; no pattern can match across it any more."""
        if end > start:
            self.view = f"{self.view[:start]}{CLAIMED * (end - start)}{self.view[end:]}"

    def mute(self, start: int, end: int) -> None:
        """Keep `[start, end)` from being read while its words stay in the remainder."""
        if end > start:
            self.view = f"{self.view[:start]}{MUTED * (end - start)}{self.view[end:]}"

    def free(self, start: int, end: int) -> bool:
        """True where nothing in `[start, end)` is claimed or muted."""
        return CLAIMED not in self.view[start:end] and MUTED not in self.view[start:end]

    def remainder(self) -> str:
        """What is not claimed, in the customer's own case, claimed spans as single `CLAIMED` characters."""
        parts: list[str] = []
        for char, seen in zip(self.text, self.view, strict=True):
            if seen != CLAIMED:
                parts.append(char)
            elif not parts or parts[-1] != CLAIMED:
                parts.append(CLAIMED)
        return "".join(parts)
