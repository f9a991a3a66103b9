"""Chinese slips: input methods take words by their sound, so what goes wrong is another character of the same one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from pypinyin import lazy_pinyin

from index.hanzi import simplified
from retrieval.dictionaries import LONGEST_CHINESE, chinese

SHORTEST, LONGEST = 2, 6  # characters of a word that is known by its sound
SURE: Final = 4  # characters from which on the rest of a word tells that a common one among them is a slip
EVERYWHERE: Final = 50_000  # times in the dictionary's corpus: "和" has 555,815, "几" 8,320, "嘿" 481

_HAN = re.compile(r"[\u3400-\u9fff]+")
_BEHIND_MONEY = re.compile(r"(?<=[\d元块钱百千万])\s*(?=(?P<said>[\u3400-\u9fff]{2}))")
_LIMITS: Final = {
    "mei yuan": "美元", "yi nei": "以内", "yi xia": "以下", "yi shang": "以上", "zhi nei": "之内", "zhi jian": "之间",
    "zuo you": "左右",
}  # fmt: skip
"""What stands behind a sum, by its sound."""


class Sounds:
    """Chinese words by how they sound, tones left out (Hanyu Pinyin, as input methods take it).

    >>> Sounds(["耳机", "黑色"]).corrected("想要嘿色的耳几")
    '想要黑色的耳机'
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Take the words that slips are corrected to; those not all Chinese, too short or too long are passed over."""
        plain = {simplified(word) for word in words}
        self._words = {word for word in plain if _HAN.fullmatch(word) and SHORTEST <= len(word) <= LONGEST}
        self._by_sound: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for word in sorted(self._words):
            self._by_sound[tuple(map(_sound, word))].append(word)

    def corrected(self, run: str) -> str:
        """A run of Chinese characters with slips put right: one character of a word of two or three, two of a longer one."""
        sounds = tuple(map(_sound, run))  # what is put right sounds as before
        text, start = run, 0
        while start < len(text):
            ends = range(min(len(text), start + LONGEST), start + SHORTEST - 1, -1)
            known = next((end for end in ends if text[start:end] in self._words), None)
            meant = ((end, self._meant(text, sounds[start:end], start, end)) for end in ends if known is None)
            end, word = next(((end, word) for end, word in meant if word is not None), (known or start + 1, None))
            if word is not None:
                text = f"{text[:start]}{word}{text[end:]}"
            start = end
        return text

    def heard(self, text: str) -> str:
        """A whole text with slips put right, those behind a sum of money ("60美元已内") too; other scripts stay as they are."""
        text = _HAN.sub(lambda run: self.corrected(run[0]), text)
        place = 0
        while (match := _BEHIND_MONEY.search(text, place)) is not None:
            place = match.start("said") + 1  # "美元" may stand before another limit
            if (meant := _limit(match)) is not None:
                start = match.start("said")
                text = f"{text[:start]}{meant}{text[start + len(meant) :]}"
        return text

    def _meant(self, text: str, sounds: tuple[str, ...], start: int, end: int) -> str | None:
        """The one word that the characters in `[start, end)` sound like, unless they may well be meant as they are."""
        near = []
        for word in self._by_sound.get(sounds, ()):
            slips = [place for place in range(start, end) if text[place] != word[place - start]]
            # "有寄" is sent here and no "有机": where all is short, whatever is a word everywhere is one here too.
            doubted = text[start:end] if end - start < SURE else [text[place] for place in slips]
            if len(slips) <= max(1, (end - start) // 2 - 1) and not (
                any(chinese().times(each) >= EVERYWHERE for each in doubted) or _reads(text, start, end, slips)
            ):
                near.append(word)
        return near[0] if len(near) == 1 else None


def _reads(text: str, start: int, end: int, slips: Sequence[int]) -> bool:
    """Whether `[start, end)` reads as it stands: a word of two to four characters has a slip in it, or reaches in from outside."""
    return any(
        chinese().times(text[first:last])
        for first in range(max(0, start - LONGEST_CHINESE + 1), end)
        for last in range(max(first + 2, start + 1), min(len(text), first + LONGEST_CHINESE) + 1)
        if first < start or last > end or any(first <= place < last for place in slips)
    )


@lru_cache(maxsize=8192)
def _sound(character: str) -> str:
    return lazy_pinyin(character)[0]


def _limit(match: re.Match[str]) -> str | None:
    """The word for a limit that is misspelled behind a sum; None where it is none, or part of a longer word."""
    said, start = match["said"], match.start("said")
    meant = _LIMITS.get(" ".join(map(_sound, said)))
    if meant is None or meant == said:
        return None
    ends = range(start + 3, min(len(match.string), start + LONGEST_CHINESE + 1) + 1)
    longer = meant != "美元" and any(chinese().times(match.string[start + 1 : end]) for end in ends)  # "100元已下单"
    return None if longer else meant
