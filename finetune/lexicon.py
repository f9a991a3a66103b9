"""Words and characters that stand for one another, read from the text files beside this module.

synonyms/en.txt, zh.txt        buy/bought, purchase      a set a line, under the part of speech
confusions/homophones.txt      zuo 做 作 坐              a syllable and its characters
confusions/lookalikes.txt      rn m                      what recognition takes for one another
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

Alternatives = Mapping[str, tuple[str, ...]]
"""What may stand in the place of each key, the key itself not among it."""

FUNCTION_WORDS = frozenset(
    "a an the to of in on at for from with by is are was were be been am it its that this these those do does did can "
    "could would will should have has had i i'm im i've i'd my me you your we our they their them and or so just some "
    "any there please 的 了 吗 呢 吧 啊 呀 哦 嘛 着 过 就 都 也 很 把 被 给 是 在 我 你 您 个 们 那 这 还 又 啦 呗 得 地".split()
)
"""What a hasty writer leaves out."""

NEGATIONS = frozenset(
    "no not never none nothing neither nor cannot cant can't dont don't doesnt doesn't didnt didn't wont won't isnt "
    "isn't wasnt wasn't arent aren't havent haven't hasnt hasn't without 不 没 别 未 非 无".split()
)
"""Without these a sentence says the opposite."""


# One closing consonant after one vowel, in the only syllable (ship) or the stressed last one (prefer).
_DOUBLES = re.compile(r"(?:be|per|pre)?(?:qu|[^aeiou])*[aeiou][^aeiouwxy]$")
_PLURAL = re.compile(r"[^s]s$")  # jeans, things: sets that have such a word are not put into the plural


def is_negation(word: str) -> bool:
    """Whether the word is among `NEGATIONS`, in any case and with either apostrophe."""
    return word.lower().replace("’", "'") in NEGATIONS


@cache
def synonyms() -> Alternatives:
    """Alternatives of each word and phrase in lower case, English and Chinese; English ones also inflected by rule.

    `synonyms()["parcels"]` is `("packages",)`, `synonyms()["purchased"]` is `("bought",)`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for words in synonym_sets():
        for form in words:
            found.setdefault(form, tuple(word for word in words if word != form))
    return found


def synonym_sets() -> Iterator[tuple[str, ...]]:
    """Every set as its file has it, and the sets of its inflected forms where there are two forms or more."""
    section = ""
    for line in _lines("synonyms/en.txt"):
        if line.startswith("["):
            section = line.strip("[]")
            continue
        entries = [entry.partition("/") for entry in line.split(", ")]
        words = tuple(word for word, _, _ in entries)
        yield words
        if section == "nouns" and not any(map(_PLURAL.search, words)):
            yield tuple(_with_s(word, last=True) for word in words)
        elif section == "verbs":
            yield tuple(_with_s(word, last=False) for word in words)
            yield tuple(_with_ing(word) for word in words)
            pasts = tuple(past if slash else _with_ed(word) for word, slash, past in entries if past or not slash)
            if len(pasts) > 1:
                yield pasts
    for line in _lines("synonyms/zh.txt"):
        yield tuple(line.split(", "))


@cache
def homophones() -> Alternatives:
    """Chinese characters of the same syllable."""
    return _alternatives([line.split()[1:] for line in _lines("confusions/homophones.txt")])


@cache
def lookalikes() -> Alternatives:
    """Characters and pairs of letters that look alike, Latin and Chinese."""
    return _alternatives([line.split() for line in _lines("confusions/lookalikes.txt")])


def _alternatives(sets: list[list[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for each in sets:
        for member in each:
            others = (*found.get(member, ()), *(other for other in each if other != member))
            found[member] = tuple(dict.fromkeys(others))
    return found


def _lines(name: str) -> list[str]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _with_s(phrase: str, *, last: bool) -> str:
    """The plural of a noun phrase, whose last word bends, or the third person of a verb, whose first word does."""
    front, word, rest = _bending(phrase, last=last)
    if re.search(r"[^aeiou]y$", word):
        return f"{front}{word[:-1]}ies{rest}"
    return f"{front}{word}{'es' if word.endswith(('s', 'x', 'z', 'ch', 'sh', 'o')) else 's'}{rest}"


def _with_ing(phrase: str) -> str:
    _, word, rest = _bending(phrase, last=False)
    if word.endswith("e") and not word.endswith("ee"):
        return f"{word[:-1]}ing{rest}"
    return f"{_doubled(word)}ing{rest}"


def _with_ed(phrase: str) -> str:
    _, word, rest = _bending(phrase, last=False)
    if word.endswith("e"):
        return f"{word}d{rest}"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ied{rest}"
    return f"{_doubled(word)}ed{rest}"


def _doubled(word: str) -> str:
    return word + word[-1] if _DOUBLES.match(word) else word


def _bending(phrase: str, *, last: bool) -> tuple[str, str, str]:
    """What stands before the word that bends, that word, and what stands behind it."""
    if last:
        front, space, word = phrase.rpartition(" ")
        return front + space, word, ""
    word, space, rest = phrase.partition(" ")
    return "", word, space + rest
