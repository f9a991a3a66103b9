"""Which words of a query a product has: coverage decides whether anything matches at all, codes and stems find the model."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from index.base import Base
from index.codes import codes_of, identifiers, stems_of, weight_of
from index.ngrams import NgramIndex, NgramWriter
from index.postings import Floats, Kept, Postings, PostingsWriter, key_of
from index.product import Product
from index.strings import Strings, StringsWriter, mapped
from index.tokens import edit_distance, singular, spelled, words_of

NAMED = 1.0  # weight of a word in title, brand, categories or attributes
TOLD = 0.5  # of one that only the description has
_UNIT: Final = np.float32(0.5)  # of the weights on disk, which are bytes
_MOST_SPELLED: Final = 300_000  # words that typos are corrected to: n-grams of more cost more than they mend
_POSTINGS: Final = ("words", "codes", "stems")
_MOST_REMEMBERED: Final = 1_000_000  # keys of words kept while building


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
    """Coverage, codes and spelling over one catalog."""

    def __init__(
        self,
        words: Postings,
        codes: Postings,
        stems: Postings,
        spelling: NgramIndex,
        vocabulary: Strings,
        known: NDArray[np.uint64],
    ) -> None:
        self._words = words
        self._codes = codes
        self._stems = stems
        self._spelling = spelling
        self._vocabulary = vocabulary  # in the order of the rows of `spelling`
        self._known = known  # sorted keys of every word as it is spelled

    @classmethod
    def build(cls, products: Iterable[Product], folder: Path) -> Self:
        """Indexes `products`, whose place is their row, into an existing empty folder, which is then complete."""
        writer = WordWriter(folder)
        size = 0
        for row, product in enumerate(products):
            writer.add(row, product)
            size = row + 1
        writer.close(size)
        return cls.load(folder)

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
        total = self._words.accumulate(places, shares * _UNIT)
        for concept in concepts:
            own = np.array([word in concept.words for word in distinct])
            said = self._words.accumulate(places[own], shares[own] * _UNIT)
            otherwise = np.zeros(self._words.size, np.float32)
            others = [
                (self._having_all(alternative.words), np.float32(alternative.weight))
                for alternative in concept.alternatives
            ]
            for (rows, strength), weight in others:
                otherwise[rows] = np.maximum(otherwise[rows], strength * weight)
            whole = shares[own].sum()
            for (rows, _), _ in others:  # in the rows of each alone: of a million products few say it so
                np.add.at(total, rows, np.maximum(otherwise[rows] * whole - said[rows], 0))
                otherwise[rows] = 0  # counted once, though several alternatives are in a row
        return total

    def count_of(self, words: Sequence[str]) -> int:
        """How many rows have all of some words; 0 for none."""
        return len(self._having_all(words)[0])

    def name(self, words: Sequence[str]) -> bool:
        """Whether some words together name a row: all of them stand in its title, brand, categories or attributes."""
        return bool((self._having_all(words)[1] > (NAMED + TOLD) / 2).any())

    def has(self, row: int, words: Sequence[str]) -> bool:
        """Whether a row has all of some words."""
        places = self._words.places(np.array([key_of(word) for word in words], np.uint64))
        return bool(len(places)) and all(place >= 0 and self._words.holds(int(place), row) for place in places)

    def _having_all(self, words: Sequence[str]) -> tuple[NDArray[np.int32], Floats]:
        """The rows that have all of some words, ascending, and how strongly the one that each has weakest, 0 to 1."""
        places = self._words.places(np.array([key_of(word) for word in words], np.uint64))
        if not len(places) or places.min() < 0:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        starts = self._words.starts
        rarest_first = places[np.argsort(self._words.counts_of(places), kind="stable")].tolist()
        parts = [slice(starts[place], starts[place + 1]) for place in rarest_first]
        rows, strength = self._words.rows[parts[0]], self._words.weights[parts[0]]
        for part in parts[1:]:
            others, weights = self._words.rows[part], self._words.weights[part]
            at = np.minimum(np.searchsorted(others, rows), len(others) - 1)
            both = others[at] == rows
            rows, strength = rows[both], np.minimum(strength[both], weights[at[both]])
        return rows, strength * _UNIT

    def identified(self, codes: Sequence[str]) -> Floats:
        """How strongly the query's codes name each row, 0 to 1, (rows,): a code that fewer rows have says more."""
        places, rarity = self._rare(self._codes, codes)
        named = self._codes.accumulate(places, rarity * _UNIT)
        return np.minimum(named, 1, out=named) if (places >= 0).any() else named

    def stemmed(self, stems: Sequence[str]) -> Floats:
        """How strongly codes of the query name each row by what they begin with, 0 to 1, (rows,): by the best stem alone."""
        places, rarity = self._rare(self._stems, stems)
        weights = np.array([weight_of(stem) for stem in stems], np.float32)
        return self._stems.strongest(places, rarity * weights * _UNIT)

    def knows(self, word: str) -> bool:
        """Whether a product has the word as it is spelled."""
        key = np.uint64(key_of(word))
        place = int(np.searchsorted(self._known, key))
        spelled_so = place < len(self._known) and self._known[place] == key
        return bool(spelled_so or self._words.places(np.array([key_of(singular(word))], np.uint64))[0] >= 0)

    def correct(self, word: str) -> str | None:
        """The catalog's word that a misspelled one most likely means, or None.

        At most one edit (insert, delete, replace, swap) up to 7 letters, two from 8 on; the first letter must agree. More edits
        in a short word make another word: "propane" is no misspelled "prosafe".
        """
        best: tuple[int, float, str] | None = None
        allowed_edits = 1 + (len(word) >= 8)
        for row, score in zip(*self._spelling.search(word, 20), strict=True):
            candidate = self._vocabulary[int(row)]
            if candidate[0] != word[0] or abs(len(candidate) - len(word)) > allowed_edits:
                continue
            edits = edit_distance(word, candidate)
            if edits <= allowed_edits and (best is None or (edits, -float(score), candidate) < best):
                best = (edits, -float(score), candidate)
        return best[2] if best else None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `build` wrote, memory-mapped; the caller has checked the hashes. Raises `Damaged` where a file is missing."""
        spelling = folder / "spelling"
        words, codes, stems = (Postings.load(folder, name) for name in _POSTINGS)
        return cls(
            words,
            codes,
            stems,
            NgramIndex.load(spelling),
            Strings.load(spelling, "vocabulary"),
            mapped(spelling / "known.npy"),
        )

    @classmethod
    def _rare(cls, postings: Postings, terms: Sequence[str]) -> tuple[NDArray[np.int64], Floats]:
        """The places of terms and how rare each is, 0 to 1: in one row of many 1, in most rows 0."""
        places = postings.places(np.array([key_of(term) for term in terms], np.uint64))
        return places, (cls._idf(postings, places) / max(np.log1p(postings.size), 1e-9)).astype(np.float32)

    @staticmethod
    def _idf(postings: Postings, places: NDArray[np.int64]) -> NDArray[np.float64]:
        idf: NDArray[np.float64] = np.log1p(postings.size / (1 + postings.counts_of(places)))
        return idf


class WordWriter:
    """Writes a `WordIndex` product by product, by ascending row, in bounded memory; with `base` other rows are taken over."""

    def __init__(self, folder: Path, base: Base | None = None) -> None:
        self._folder = folder
        self._base = base
        self._words, self._codes, self._stems = (PostingsWriter(folder, name) for name in _POSTINGS)
        self._keys = _Keys()
        self._spelled: Counter[str] = Counter()  # by how many more products than before
        self._known = array("Q")

    def add(self, row: int, product: Product) -> None:
        """Adds the product of a row."""
        named, told = named_text(product), product.description
        self._add(self._words, row, set(words_of(named)), set(words_of(told)))
        self._spelled.update(set(spelled(named)))
        owned = {*codes_of(product.mpn), *codes_of(product.gtin), *codes_of(product.title)}
        owned.update(identifiers((product.mpn, product.gtin, product.id)))
        # What feeds with a variant a row number their variants by stands in the titles of these.
        numbers = {code for variant in product.variants for code in codes_of(variant.title)}
        self._add(self._codes, row, owned | numbers, set(codes_of(told)))
        stems = {*stems_of(product.title), *stems_of(product.mpn)}
        self._add(self._stems, row, stems.union(*map(stems_of, numbers)), set())
        if len(self._spelled) > 2 * _MOST_SPELLED and self._base is None:
            self._spelled = self._forgotten(self._spelled)

    def remove(self, product: Product) -> None:
        """Takes back what a stale row of the base said."""
        self._spelled.subtract(set(spelled(named_text(product))))

    def close(self, size: int) -> None:
        """Completes the folder of a catalog of `size` rows."""
        for name, writer in zip(_POSTINGS, (self._words, self._codes, self._stems), strict=True):
            writer.close(size, Kept(Postings.load(self._base.folder, name), self._base.moved) if self._base else None)
        spelling = self._folder / "spelling"
        spelling.mkdir()
        before, counts = self._before()
        spelled = Counter(dict(zip(before, counts.tolist(), strict=True)))
        spelled.update(self._spelled)
        known = np.frombuffer(self._known, np.uint64)
        if self._base is not None:
            known = np.union1d(known, np.load(self._base.folder / "spelling" / "known.npy", allow_pickle=False))
        # What was forgotten before is in no count, and stays known.
        known = np.setdiff1d(known, self._keys_of(word for word in before if spelled[word] <= 0))
        known = np.union1d(known, self._keys_of(word for word in self._spelled if spelled[word] > 0))
        spelled = +spelled
        if len(spelled) > _MOST_SPELLED:
            spelled = Counter(dict(spelled.most_common(_MOST_SPELLED)))
        np.save(spelling / "known.npy", known, allow_pickle=False)
        self._write_spelling(spelling, before, spelled)

    def _write_spelling(self, folder: Path, before: Sequence[str], spelled: Counter[str]) -> None:
        """The vocabulary, in its order, and its n-grams; words that were there before only move."""
        vocabulary = sorted(spelled)
        place = {word: number for number, word in enumerate(vocabulary)}
        moved = np.array([place.get(word, -1) for word in before], np.int32)
        new = np.ones(len(vocabulary), np.bool_)
        new[moved[moved >= 0]] = False
        writer = NgramWriter(folder)
        rows = np.flatnonzero(new)
        writer.add(rows, [vocabulary[row] for row in rows])
        kept = NgramIndex.load(self._base.folder / "spelling").kept(moved) if self._base else None
        writer.close(len(vocabulary), kept)
        strings = StringsWriter()
        for word in vocabulary:
            strings.add(word)
        strings.save(folder, "vocabulary")
        counts = np.array([spelled[word] for word in vocabulary], np.uint32)
        np.save(folder / "products.npy", counts, allow_pickle=False)

    def _before(self) -> tuple[list[str], NDArray[np.uint32]]:
        """The vocabulary of the base, and how many of its products have each word."""
        if self._base is None:
            return [], np.empty(0, np.uint32)
        folder = self._base.folder / "spelling"
        strings = Strings.load(folder, "vocabulary")
        return strings.many(np.arange(len(strings))), np.load(folder / "products.npy", allow_pickle=False)

    def _add(self, postings: PostingsWriter, row: int, named: set[str], told: set[str]) -> None:
        for words, weight in ((named, NAMED), (told - named, TOLD)):
            postings.add(row, [self._keys[word] for word in words], round(weight / float(_UNIT)))

    def _keys_of(self, words: Iterable[str]) -> NDArray[np.uint64]:
        return np.array([self._keys[word] for word in words], np.uint64)

    def _forgotten(self, spelled: Counter[str]) -> Counter[str]:
        """The spellings that most products have; a word that is forgotten is known, and no typo is corrected to it."""
        kept = Counter(dict(spelled.most_common(_MOST_SPELLED)))
        self._known.extend(self._keys[word] for word in spelled.keys() - kept.keys())
        return kept


def named_text(product: Product) -> str:
    """What names a product: title, brand, categories, attributes and the options of its variants."""
    parts = [product.title, product.brand, *product.categories]
    for values in product.attributes.values():
        parts += values
    parts += [value for variant in product.variants for value in variant.options.values()]
    return " ".join(parts)


class _Keys(dict[str, int]):
    """Remembers the key of each word: a catalog says the same words over and over."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        key = self[word] = key_of(word)
        return key
