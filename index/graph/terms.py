"""Terms of the graph: how words and phrases are spelled as nodes, and how they are found in a text.

A node is spelled without case, accents and plural: "Bottle Cages" is `"bottle cage"`; Chinese stands as it is, without
spaces: "运动 水壶" is `"运动水壶"`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.clean import is_cjk
from index.tokens import folded, singular

LONGEST_TERM = 100
"""Characters of a term; what is longer is a sentence and names nothing."""

_PIECE = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’]s\b|(?<=s)['’](?!\w)")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or a run of Chinese characters: `text` as a node spells it, `gap` what stands between it and the one before."""

    text: str
    gap: str
    han: bool


def tokens_of(text: str) -> list[Token]:
    """`"Men's T-shirts, 红色沙发"` → `men`, `t` (gap " "), `shirt` (gap "-"), `红色沙发` (gap ", ")."""
    plain = _POSSESSIVE.sub("", folded(text))
    tokens: list[Token] = []
    end = 0
    for match in _PIECE.finditer(plain):
        gap = plain[end : match.start()]
        for start, stop, han in _scripts(match.group()):
            piece = match.group()[start:stop]
            tokens.append(Token(piece if han else singular(piece), gap, han))
            gap = ""
        end = match.end()
    return tokens


def term_of(text: str) -> str:
    """The node of a word or phrase; empty for a text without words, or one too long to name anything.

    `term_of("Bottle Cages")` is `"bottle cage"`, `term_of("T恤 衫")` is `"t恤衫"`.
    """
    return joined(tokens_of(text)) if len(text) <= LONGEST_TERM else ""


def joined(tokens: Sequence[Token]) -> str:
    """Tokens as one term: a space between two that are not Chinese."""
    term, before_han = "", True
    for token in tokens:
        term += token.text if before_han or token.han else f" {token.text}"
        before_han = token.han
    return term


def language_of(term: str) -> str:
    """`"zh"` where the term has Chinese characters, else `"en"`: the two languages that Aisle speaks."""
    return "zh" if any(map(is_cjk, term)) else "en"


def _scripts(piece: str) -> list[tuple[int, int, bool]]:
    """(start, stop, Chinese) of the runs of one script in a piece without spaces: "t恤" is "t" and "恤"."""
    runs: list[tuple[int, int, bool]] = []
    for place, char in enumerate(piece):
        han = is_cjk(char)
        if runs and runs[-1][2] == han:
            runs[-1] = (runs[-1][0], place + 1, han)
        else:
            runs.append((place, place + 1, han))
    return runs
