"""What an attribute's value is called in the other language: "black" is "黑色", "降噪" is "noise cancelling".

Only whole values that the shipped lists know, and measures ("45 minutes" is "45分钟"); all else, a maker's own word, stays as
the catalog has it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from index.graph.lexicon import translations
from index.tokens import folded
from retrieval.understanding.lexicon import COLORS, MATERIALS

# The first of several English spellings is the one to say, the second that of a single one.
_UNITS: Final = {
    "分钟": ("minutes", "minute", "min"), "小时": ("hours", "hour", "h"), "天": ("days", "day"), "个月": ("months", "month"),
    "年": ("years", "year"), "英寸": ("inches", "inch", "in"), "厘米": ("cm",), "毫米": ("mm",), "米": ("m",), "克": ("g",),
    "公斤": ("kg",), "升": ("l",), "毫升": ("ml",), "瓦": ("w",), "毫安时": ("mah",), "流明": ("lm",),
    "人": ("people", "person", "persons"),
    "件": ("pieces", "piece"),
}  # fmt: skip
_SPELLED: Final = {"l": "L", "w": "W", "mah": "mAh"}
_CHINESE: Final = {english: chinese for chinese, spellings in _UNITS.items() for english in spellings}
_MEASURE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(\D+)")


def spoken_value(value: str, language: str) -> str:
    """The value in `language`, "en" or "zh", where the lists know it; else as it is."""
    known = _words().get((language, folded(value)))
    measure = _MEASURE.fullmatch(value.strip()) if known is None else None
    if measure is None:
        return known or value
    number, unit = measure[1], measure[2].strip()
    if language == "zh":
        chinese = _CHINESE.get(unit.casefold())
        return f"{number}{chinese}" if chinese else value
    english = _UNITS.get(unit)
    if english is None:
        return value
    said = english[number == "1" and len(english) > 1]
    return f"{number} {_SPELLED.get(said, said)}"


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
