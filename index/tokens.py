"""Words as search compares them: folded (case, accents, plural s); Chinese, which has no spaces, as character pairs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from index.hanzi import simplified

_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_WORD = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+(?:[.'’][^\W_{_HAN}]+)*")
_HAN_RUN = re.compile(rf"[{_HAN}]+")

# Words that say nothing about which product is meant; they neither match nor fail to.
STOPWORDS = frozenset(
    (
        "a about all an and any anything are as at be by can could do does for from get give have hello hey hi how i i'd i'm in"
        " is it its like likes looking love loves me my need nice of on one or our please show some something sell that the"
        " their them there this to under up want we what which who with would you your"
        " 我 想 要 想要 有 有没有 吗 呢 的 了 个 一个 一款 请 请问 你们 你 们 卖 买 找 给 给我 推荐 一下 什么 看看 能 可以 帮 帮我"
        " 和 或 是 在 款 这 那"
    ).split()
)
_LONG_FILLERS = sorted(
    (word for word in STOPWORDS if _HAN_RUN.fullmatch(word) and len(word) > 1), key=len, reverse=True
)
_HAN_FILLERS = re.compile("|".join(_LONG_FILLERS) + "|[的吗呢了]")


def words_of(text: str) -> list[str]:
    """`"Blue Shoes, 蓝牙耳机"` → `["blue", "shoe", "蓝牙", "牙耳", "耳机"]`, without stopwords."""
    found: list[str] = []
    for match in _WORD.finditer(folded(text)):
        token = match.group()
        if _HAN_RUN.match(token):
            for run in _HAN_FILLERS.split(token):
                found += [run] if len(run) == 1 else [run[at : at + 2] for at in range(len(run) - 1)]
        elif token not in STOPWORDS:
            found.append(singular(token))
    return [word for word in found if word and word not in STOPWORDS]


def spelled(text: str) -> Iterator[str]:
    """The words of a text that can be misspelled: letters only, 4 or more, not Chinese."""
    for match in _WORD.finditer(folded(text)):
        if (word := match.group()).isalpha() and len(word) >= 4 and not _HAN_RUN.match(word):
            yield word


def edit_distance(one: str, other: str) -> int:
    """Edits between two words, a swap of neighbours counting one (optimal string alignment distance)."""
    previous: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, previous, row = previous, row, [i, *[0] * len(other)]
        for j, b in enumerate(other, 1):
            row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                row[j] = min(row[j], before[j - 2] + 1)
    return row[-1]


def folded(text: str) -> str:
    """Compatibility forms, case, the accents of Latin letters and traditional characters folded away."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    if plain.isascii():
        return plain
    parted = unicodedata.normalize("NFD", simplified(plain))
    return unicodedata.normalize("NFC", "".join(c for c in parted if not 0x300 <= ord(c) <= 0x36F))


def singular(word: str) -> str:
    """Harman's S-stemmer (1991): plurals only, so that no two different things become one."""
    if len(word) > 4 and word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1] if not word.endswith(("ches", "shes", "xes", "sses")) else word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word
