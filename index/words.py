"""Which words of a query a product has: coverage decides whether anything matches at all, identifiers find the model.

Words are folded (case, accents, plural s); Chinese, which has no spaces, is taken as character pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.ngrams import NgramIndex
from index.postings import Floats, Postings, key_of
from index.product import Product
from storage.errors import Damaged

NAMED = 1.0  # weight of a word in title, brand, categories or attributes
TOLD = 0.5  # of one that only the description has

_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_WORD = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+(?:[.'’][^\W_{_HAN}]+)*")
_HAN_RUN = re.compile(rf"[{_HAN}]+")
_CODE = re.compile(r"[^\W_]+(?:[-/._][^\W_]+)*")
_CODE_LENGTH = 4
_GLUED = re.compile(r"[-/._\s]+")

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
    for match in _WORD.finditer(_folded(text)):
        token = match.group()
        if _HAN_RUN.match(token):
            for run in _HAN_FILLERS.split(token):
                found += [run] if len(run) == 1 else [run[at : at + 2] for at in range(len(run) - 1)]
        elif token not in STOPWORDS:
            found.append(singular(token))
    return [word for word in found if word and word not in STOPWORDS]


def codes_of(text: str) -> list[str]:
    """Model numbers and article codes in a text, in one spelling: `"Sony PS-LX350H turntable"` → `["pslx350h"]`.

    A code has a digit and, unless it is 6 digits or longer, a letter; neighbours are not joined, because "iphone 15" is two
    words that search finds by themselves.
    """
    found = []
    for match in _CODE.finditer(_folded(text)):
        code = _GLUED.sub("", match.group())
        digits = sum(character.isdigit() for character in code)
        if len(code) >= _CODE_LENGTH and digits and (digits < len(code) or digits >= _CODE_LENGTH + 2):
            found.append(code)
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Alternative:
    """Other words that say what some of a query's say, all of them together, at the discount `weight` (0 to 1)."""

    words: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Concept:
    """Words of a query that mean one thing, and other words for it."""

    words: tuple[str, ...]
    alternatives: tuple[Alternative, ...]


class WordIndex:
    """Coverage, identifiers and spelling over one catalog."""

    def __init__(self, words: Postings, codes: Postings, spelling: NgramIndex, vocabulary: Sequence[str]) -> None:
        self._words = words
        self._codes = codes
        self._spelling = spelling
        self._vocabulary = vocabulary
        self._known = set(vocabulary)

    @classmethod
    def build(cls, products: Iterable[Product]) -> Self:
        """An index of `products`, whose place is their row."""
        words: list[tuple[int, int, float]] = []
        codes: list[tuple[int, int, float]] = []
        vocabulary: set[str] = set()
        keys = _Keys()
        size = 0
        for row, product in enumerate(products):
            size = row + 1
            named = named_text(product)
            words += [(keys[word], row, TOLD) for word in set(words_of(product.description))]
            words += [(keys[word], row, NAMED) for word in set(words_of(named))]
            vocabulary.update(spelled(named))
            owned = {*codes_of(product.mpn), *codes_of(product.gtin), *codes_of(product.title)}
            owned.update(_glued_identifiers(product))
            codes += [(keys[code], row, NAMED) for code in owned]
            codes += [(keys[code], row, TOLD) for code in {*codes_of(product.description)} - owned]
        listed = sorted(vocabulary)
        return cls(_postings(words, size), _postings(codes, size), NgramIndex.build(listed), listed)

    def coverage(self, words: Sequence[str], concepts: Sequence[Concept] = ()) -> Floats:
        """How much of the query each row has, 0 to 1, (rows,); rare words count more, a word no row has counts most.

        0 everywhere for a query of nothing but stopwords. A row that says a concept in other words has as much of its words as
        the alternative's weight, if that is more than it has of the words themselves. No two concepts share words.
        """
        distinct = list(dict.fromkeys(words))
        if not distinct or not self._words.size:
            return np.zeros(self._words.size, np.float32)
        places = self._words.places(np.array([key_of(word) for word in distinct], np.uint64))
        idf = self._idf(self._words, places)
        shares = (idf / idf.sum()).astype(np.float32)
        total = self._words.accumulate(places, shares)
        for concept in concepts:
            own = np.array([word in concept.words for word in distinct])
            said = self._words.accumulate(places[own], shares[own])
            otherwise = np.zeros(self._words.size, np.float32)
            for alternative in concept.alternatives:
                rows, strength = self._having_all(alternative.words)
                otherwise[rows] = np.maximum(otherwise[rows], strength * np.float32(alternative.weight))
            total += np.maximum(otherwise * shares[own].sum() - said, 0)
        return total

    def count_of(self, words: Sequence[str]) -> int:
        """How many rows have all of some words; 0 for none."""
        return len(self._having_all(words)[0])

    def has(self, row: int, words: Sequence[str]) -> bool:
        """Whether a row has all of some words."""
        places = self._words.places(np.array([key_of(word) for word in words], np.uint64))
        return bool(len(places)) and all(place >= 0 and self._words.holds(int(place), row) for place in places)

    def _having_all(self, words: Sequence[str]) -> tuple[NDArray[np.int64], Floats]:
        """The rows that have all of some words, in order, and how strongly the one that each has weakest."""
        places = self._words.places(np.array([key_of(word) for word in words], np.uint64)).tolist()
        rows, strength, starts = np.empty(0, np.int64), np.empty(0, np.float32), self._words.starts
        if not places or min(places) < 0:
            return rows, strength
        for step, place in enumerate(sorted(places, key=lambda each: int(starts[each + 1] - starts[each]))):
            part = slice(starts[place], starts[place + 1])
            others, weights = self._words.rows[part], self._words.weights[part]
            if step == 0:
                rows, strength = others.astype(np.int64), np.array(weights)
                continue
            at = np.minimum(np.searchsorted(others, rows), len(others) - 1)
            both = others[at] == rows
            rows, strength = rows[both], np.minimum(strength[both], weights[at[both]])
        return rows, strength

    def identified(self, codes: Sequence[str]) -> Floats:
        """How strongly the query's codes name each row, 0 to 1, (rows,): a code that fewer rows have says more."""
        if not codes:
            return np.zeros(self._codes.size, np.float32)
        places = self._codes.places(np.array([key_of(code) for code in codes], np.uint64))
        factors = self._idf(self._codes, places) / max(np.log1p(self._codes.size), 1e-9)
        return np.minimum(self._codes.accumulate(places, factors.astype(np.float32)), 1)

    def knows(self, word: str) -> bool:
        """Whether a product has the word as it is spelled."""
        return word in self._known or bool(self._words.places(np.array([key_of(singular(word))], np.uint64))[0] >= 0)

    def correct(self, word: str) -> str | None:
        """The catalog's word that a misspelled one most likely means, or None.

        At most one edit (insert, delete, replace, swap) up to 5 letters, two from 6 on, three from 10 on; the first letter
        must agree.
        """
        best: tuple[int, float, str] | None = None
        allowed_edits = 1 + (len(word) >= 6) + (len(word) >= 10)
        for row, score in zip(*self._spelling.search(word, 20), strict=True):
            candidate = self._vocabulary[int(row)]
            if candidate[0] != word[0] or abs(len(candidate) - len(word)) > allowed_edits:
                continue
            edits = edit_distance(word, candidate)
            if edits <= allowed_edits and (best is None or (edits, -float(score)) < best[:2]):
                best = (edits, -float(score), candidate)
        return best[2] if best else None

    def save(self, folder: Path) -> None:
        """Writes `words.*`, `codes.*` and the spelling index into an existing folder."""
        self._words.save(folder, "words")
        self._codes.save(folder, "codes")
        spelling = folder / "spelling"
        spelling.mkdir()
        self._spelling.save(spelling)
        (spelling / "vocabulary.txt").write_text("\n".join(self._vocabulary), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; the caller has checked the hashes."""
        spelling = folder / "spelling"
        try:
            vocabulary = (spelling / "vocabulary.txt").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Damaged(f"{spelling} holds no vocabulary: {error}.", "Build the index again.") from error
        return cls(
            Postings.load(folder, "words"),
            Postings.load(folder, "codes"),
            NgramIndex.load(spelling),
            vocabulary.split("\n") if vocabulary else [],
        )

    @staticmethod
    def _idf(postings: Postings, places: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = np.where(places >= 0, postings.counts[places] if len(postings.keys) else 0, 0)
        idf: NDArray[np.float64] = np.log1p(postings.size / (1 + counts))
        return idf


def named_text(product: Product) -> str:
    """What names a product: title, brand, categories, attributes and the options of its variants."""
    parts = [product.title, product.brand, *product.categories]
    for values in product.attributes.values():
        parts += values
    parts += [value for variant in product.variants for value in variant.options.values()]
    return " ".join(parts)


def spelled(text: str) -> Iterator[str]:
    """The words of a text that can be misspelled: letters only, 4 or more, not Chinese."""
    for match in _WORD.finditer(_folded(text)):
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


class _Keys(dict[str, int]):
    """Remembers the key of each word: a catalog says the same words over and over."""

    def __missing__(self, word: str) -> int:
        key = self[word] = key_of(word)
        return key


def _postings(triplets: list[tuple[int, int, float]], size: int) -> Postings:
    keys = np.array([key for key, _, _ in triplets], np.uint64)
    rows = np.array([row for _, row, _ in triplets], np.int64)
    weights = np.array([weight for _, _, weight in triplets], np.float32)
    return Postings.build(keys, rows, weights, size, keep="max")


def _glued_identifiers(product: Product) -> Iterator[str]:
    """Ids as the shop spells them: what is in `mpn` and `gtin` counts whatever its shape, also "12345"."""
    for text in (product.mpn, product.gtin, product.id):
        glued = _GLUED.sub("", _folded(text))
        if len(glued) >= _CODE_LENGTH and any(character.isdigit() for character in glued):
            yield glued


def _folded(text: str) -> str:
    """Compatibility forms, case and the accents of Latin letters folded away."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    if plain.isascii():
        return plain
    parted = unicodedata.normalize("NFD", plain)
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
