"""What a turn points at: "the second one", "the first two", "it", "that blue one", and how many pieces."""

from __future__ import annotations

import re
from collections.abc import Collection
from types import ModuleType

from index.graph.terms import term_of
from retrieval.understanding import en, zh
from retrieval.understanding.numbers import small_number
from retrieval.understanding.records import Recalled
from retrieval.understanding.text import Draft

FURTHEST = 20
MOST_REFERENCES = 10


def read_recalled(draft: Draft, language: ModuleType) -> Recalled | None:
    """Which earlier list the turn counts in: "the one you showed first", "上一批的第二个"; claims its words."""
    for recalled, pattern in language.RECALLED:
        match = pattern.search(draft.view)
        if match is not None:
            draft.claim(match.start(), match.end())
            return recalled  # type: ignore[no-any-return]
    return None


def read_ordinals(draft: Draft, language: ModuleType, goods: Collection[str] = ()) -> tuple[int, ...]:
    """1-based positions among what was shown, negative from the end, in the order said; claims their words.

    `goods` are terms of what the talk was about: a position may stand before one ("the second tent").
    """
    found: list[int] = []
    spans: list[tuple[int, list[int]]] = []
    for match in list(language.ORDINAL_NOUN.finditer(draft.view))[:MOST_REFERENCES] if goods else ():
        words = match["noun"].split()
        if any(term_of(" ".join(words[:count])) in goods for count in range(1, len(words) + 1)):
            draft.claim(match.start(), match.end())
            spans.append((match.start(), [language.ORDINALS[match["ordinal"]]]))
    for pattern, reader in (
        (language.FIRST_N, _first),
        (language.LAST_N, _last),
        (language.ORDINAL_LIST, _listed_en if language is en else _listed_zh),
        (language.ORDINAL_ONE, _one_en if language is en else _one_zh),
        (language.NUMBERED, _numbered),
        (language.COMPARED, _numbered),
        (language.BOTH, lambda match: [1, 2]),
        (language.ALL_N, _first),
    ):
        for match in list(pattern.finditer(draft.view))[:MOST_REFERENCES]:
            positions = reader(match)
            draft.claim(match.start(), match.end())
            spans.append((match.start(), positions))
    for _, positions in sorted(spans, key=lambda span: span[0]):
        found.extend(position for position in positions if 0 < abs(position) <= FURTHEST)
    return tuple(dict.fromkeys(found))


def _groups(match: re.Match[str], *names: str) -> str:
    return next((value for name in names if name in match.re.groupindex and (value := match[name])), "")


def _first(match: re.Match[str]) -> list[int]:
    return list(range(1, (small_number(_groups(match, "count", "count2")) or 0) + 1))


def _last(match: re.Match[str]) -> list[int]:
    return list(range(-(small_number(match["count"]) or 0), 0))


def _listed_en(match: re.Match[str]) -> list[int]:
    return [en.ORDINALS[word] for word in en.ORDINAL_WORD.findall(match["list"])]


def _listed_zh(match: re.Match[str]) -> list[int]:
    return [
        small_number(found["nth"]) or 0 if found["nth"] else -1 for found in zh.ORDINAL_WORD.finditer(match["list"])
    ]


def _one_en(match: re.Match[str]) -> list[int]:
    return [en.ORDINALS[_groups(match, "ordinal", "bare", "asked", "lone")]]


def _one_zh(match: re.Match[str]) -> list[int]:
    if match["last"]:
        return [-1]
    back = small_number(_groups(match, "back"))
    return [-back] if back else [small_number(_groups(match, "ordinal")) or 0]


def _numbered(match: re.Match[str]) -> list[int]:
    numbers = re.findall(
        r"\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten", _groups(match, "numbers", "pair", "no")
    )
    return [small_number(number) or 0 for number in numbers]


def read_quantity(draft: Draft, language: ModuleType) -> int | None:
    """A number of pieces: "two of those", "来三件"; claims its words."""
    for pattern in language.QUANTITY:
        match = pattern.search(draft.view)
        if match is None:
            continue
        said = _groups(match, "count", "times")
        count = language.COUNT_WORDS.get(said) or small_number(said)
        if count is None:
            continue
        draft.claim(match.start(), match.end())
        return int(count)
    return None


def read_deixis(draft: Draft, language: ModuleType) -> bool:
    """True where "it", "this one", "这款" points at something shown; claims the words."""
    pointed = False
    for match in list(language.DEIXIS.finditer(draft.view))[:MOST_REFERENCES]:
        draft.claim(match.start(), match.end())
        pointed = True
    return pointed
