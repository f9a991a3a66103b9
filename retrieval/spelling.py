"""What a misspelled text most likely says, in the catalog's own words: by letters in English, by sound in Chinese.

"wireles hedphones" is read as "wireless headphones". Chinese is typed by its sound, so its slips are other characters of the
same one: "无线耳几" is "无线耳机". What is a word already is never corrected, however near it comes to one of the catalog.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pypinyin import lazy_pinyin

from index.encoders import Encoder
from index.hanzi import simplified
from index.snapshot import Snapshot
from index.tokens import singular, spelled
from retrieval.understanding.lexicon import COLORS, MATERIALS

SHORTEST_PART: Final = 3  # letters of a word that may be written together with another
SHORTEST_SOUND, LONGEST_SOUND = 2, 6  # characters of a word that is known by its sound
LONGEST_WORD: Final = 4  # characters of the words of the dictionary that are looked at
SURE_SOUND: Final = 4  # characters from which on the rest of a word tells that a common one among them is a slip
EVERYWHERE: Final = 50_000  # times in the dictionary's corpus: "和" has 555,815, "几" 8,320, "嘿" 481

_CAPITALS = re.compile(r"\b[A-Z]{4,}\b")
_HAN = re.compile(r"[\u3400-\u9fff]+")


class Spelling:
    """The words that one catalog is searched by. Built once a snapshot; threads can share it.

    Letters are righted for the search alone, where a word too many does no harm: a "gravy boat" that became a gray one would be
    a condition that nobody made. Sounds are righted before a turn is understood (`by_sound`), by a dictionary.
    """

    def __init__(self, snapshot: Snapshot, encoders: Mapping[str, Encoder]) -> None:
        """Take the encoders by their spaces."""
        self._snapshot = snapshot
        self._encoders = encoders
        facets = snapshot.facets
        ends = (
            name[start:] for name in facets.categories() for start in range(len(name) - 1)
        )  # "游戏耳机" is a "耳机"
        values = (value for values in facets.attributes().values() for value in values)
        lexicon = (word for meaning in (*COLORS, *MATERIALS) for word in meaning.words)
        self._sounds = Sounds((*ends, *values, *lexicon))

    def corrected(self, text: str) -> str:
        """The text with misspelled words replaced by the catalog's own.

        A word that some encoder knows whole is no slip, and one in capitals among others is a code or a maker's name.
        """
        words = self._snapshot.words
        named = set() if text.isupper() else {*map(str.casefold, _CAPITALS.findall(text))}
        for word in dict.fromkeys(spelled(text)):
            known = words.knows(word) or self._snapshot.graph.knows(singular(word))
            if word in named or known or self._is_word(word):
                continue
            if (meant := words.correct(word) or self._apart(word)) is not None:
                # Not in an address: "maya@packhartly.com" means what it says.
                text = re.sub(rf"(?<![\w@.]){re.escape(word)}(?!\w|@|\.\w)", meant, text, flags=re.IGNORECASE)
        return self.by_sound(text)

    def by_sound(self, text: str) -> str:
        """The text with Chinese slips righted; everything else, and its length, stays."""
        return _HAN.sub(lambda run: self._sounds.corrected(run[0]), text)

    def is_english(self, text: str) -> bool:
        """Whether the English encoder or the catalog knows every word of a text."""
        latin = self._encoders.get("latin")
        return latin is not None and all(
            self._snapshot.words.knows(word) or latin.is_word(word) or latin.is_word(singular(word))
            for word in spelled(text)
        )

    def _apart(self, word: str) -> str | None:
        """Two of the catalog's words that are written as one: "airfryer" is "air fryer"."""
        cuts = range(SHORTEST_PART, len(word) - SHORTEST_PART + 1)
        parts = ((word[:cut], word[cut:]) for cut in cuts)
        known = self._snapshot.words.knows
        return next((f"{one} {other}" for one, other in parts if known(one) and known(singular(other))), None)

    def _is_word(self, word: str) -> bool:
        return any(encoder.is_word(form) for encoder in self._encoders.values() for form in (word, singular(word)))


class Sounds:
    """Chinese words by how they sound, tones left out (Hanyu Pinyin, as input methods take it).

    >>> Sounds(["耳机", "黑色"]).corrected("想要嘿色的耳几")
    '想要黑色的耳机'
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Take the words that slips are corrected to; those not all Chinese, too short or too long are passed over."""
        plain = {simplified(word) for word in words}
        self._words = {word for word in plain if _HAN.fullmatch(word) and SHORTEST_SOUND <= len(word) <= LONGEST_SOUND}
        self._by_sound: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for word in sorted(self._words):
            self._by_sound[tuple(map(_sound, word))].append(word)

    def corrected(self, run: str) -> str:
        """A run of Chinese characters with slips put right: one character of a word of two or three, two of a longer one."""
        sounds = tuple(map(_sound, run))  # what is put right sounds as before
        text, start = run, 0
        while start < len(text):
            ends = range(min(len(text), start + LONGEST_SOUND), start + SHORTEST_SOUND - 1, -1)
            known = next((end for end in ends if text[start:end] in self._words), None)
            meant = ((end, self._meant(text, sounds[start:end], start, end)) for end in ends if known is None)
            end, word = next(((end, word) for end, word in meant if word is not None), (known or start + 1, None))
            if word is not None:
                text = f"{text[:start]}{word}{text[end:]}"
            start = end
        return text

    def _meant(self, text: str, sounds: tuple[str, ...], start: int, end: int) -> str | None:
        """The one word that the characters in `[start, end)` sound like, unless they may well be meant as they are."""
        near = []
        for word in self._by_sound.get(sounds, ()):
            slips = [place for place in range(start, end) if text[place] != word[place - start]]
            # "有寄" is sent here and no "有机": where all is short, whatever is a word everywhere is one here too.
            doubted = text[start:end] if end - start < SURE_SOUND else [text[place] for place in slips]
            if len(slips) <= max(1, (end - start) // 2 - 1) and not (
                any(times(each) >= EVERYWHERE for each in doubted) or _reads(text, start, end, slips)
            ):
                near.append(word)
        return near[0] if len(near) == 1 else None


def _reads(text: str, start: int, end: int, slips: Sequence[int]) -> bool:
    """Whether `[start, end)` reads as it stands: a word of two to four characters has a slip in it, or reaches in from outside."""
    return any(
        times(text[first:last])
        for first in range(max(0, start - LONGEST_WORD + 1), end)
        for last in range(max(first + 2, start + 1), min(len(text), first + LONGEST_WORD) + 1)
        if first < start or last > end or any(first <= place < last for place in slips)
    )


@lru_cache(maxsize=8192)
def _sound(character: str) -> str:
    return lazy_pinyin(character)[0]


@cache
def _dictionary() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The words of jieba's dictionary, 350,000 of up to four characters: their hashes, ascending, and how often each was met.

    A set of the words would take 50 MB where this takes 5; two words of one hash are as likely as nothing.
    """
    spec = find_spec("jieba")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("jieba")  # not imported, so that its loggers and caches stay where they are
    lines = (Path(spec.origin).parent / "dict.txt").read_text(encoding="utf-8").splitlines()
    fields = (line.split(" ", 2) for line in lines)
    table = np.array([(hash(word), int(met)) for word, met, _ in fields if len(word) <= LONGEST_WORD], np.int64)
    table = table[np.argsort(table[:, 0])]
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])


def times(word: str) -> int:
    """How often the dictionary's corpus has a Chinese word of up to four characters; 0 for what is no word."""
    words, met = _dictionary()
    place = int(np.searchsorted(words, hash(word)))
    return int(met[place]) if place < len(words) and words[place] == hash(word) else 0
