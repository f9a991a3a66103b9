"""What an attribute's value is called in the other language: "black" is "黑色", "降噪" is "noise cancelling".

Only whole values that the shipped lists know; all else, a measure or a maker's own word, stays as the catalog has it.
"""

from __future__ import annotations

from functools import cache

from index.graph.lexicon import translations
from index.tokens import folded
from retrieval.understanding.lexicon import COLORS, MATERIALS


def spoken_value(value: str, language: str) -> str:
    """The value in `language`, "en" or "zh", where the lists know it; else as it is."""
    return _words().get((language, folded(value)), value)


@cache
def _words() -> dict[tuple[str, str], str]:
    groups = [(meaning.english, meaning.chinese) for meaning in COLORS]
    groups += translations("values")
    groups += [(meaning.english, meaning.chinese) for meaning in MATERIALS]
    found: dict[tuple[str, str], str] = {}
    for english, chinese in groups:
        if not english or not chinese:
            continue
        # One character alone reads as a part of a word: "皮革", not "皮".
        full = next((word for word in chinese if len(word) > 1), chinese[0])
        for word in english:
            found.setdefault(("zh", folded(word)), full)
        for word in chinese:
            found.setdefault(("en", folded(word)), english[0])
    return found
