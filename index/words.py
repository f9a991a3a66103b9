"""Which words of a query a product has: coverage decides whether anything matches at all, codes and stems find the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.codes import codes_of, identifiers, stems_of, weight_of
from index.ngrams import NgramIndex
from index.postings import Floats, Postings, key_of
from index.product import Product
from index.tokens import edit_distance, singular, spelled, words_of
from storage.errors import Damaged

NAMED = 1.0  # weight of a word in title, brand, categories or attributes
TOLD = 0.5  # of one that only the description has


class WordIndex:
    """Coverage, codes and spelling over one catalog."""

    def __init__(
        self, words: Postings, codes: Postings, stems: Postings, spelling: NgramIndex, vocabulary: Sequence[str]
    ) -> None:
        self._words = words
        self._codes = codes
        self._stems = stems
        self._spelling = spelling
        self._vocabulary = vocabulary
        self._known = set(vocabulary)

    @classmethod
    def build(cls, products: Iterable[Product]) -> Self:
        """An index of `products`, whose place is their row."""
        words: list[tuple[int, int, float]] = []
        codes: list[tuple[int, int, float]] = []
        stems: list[tuple[int, int, float]] = []
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
            owned.update(identifiers((product.mpn, product.gtin, product.id)))
            codes += [(keys[code], row, NAMED) for code in owned]
            codes += [(keys[code], row, TOLD) for code in {*codes_of(product.description)} - owned]
            stems += [(keys[stem], row, NAMED) for stem in {*stems_of(product.title), *stems_of(product.mpn)}]
        listed = sorted(vocabulary)
        spelling = NgramIndex.build(listed)
        return cls(_postings(words, size), _postings(codes, size), _postings(stems, size), spelling, listed)

    def coverage(self, words: Sequence[str]) -> Floats:
        """How much of the query each row has, 0 to 1, (rows,); rare words count more, a word no row has counts most.

        0 everywhere for a query of nothing but stopwords.
        """
        distinct = list(dict.fromkeys(words))
        if not distinct or not self._words.size:
            return np.zeros(self._words.size, np.float32)
        places = self._words.places(np.array([key_of(word) for word in distinct], np.uint64))
        idf = self._idf(self._words, places)
        return self._words.accumulate(places, (idf / idf.sum()).astype(np.float32))

    def identified(self, codes: Sequence[str]) -> Floats:
        """How strongly the query's codes name each row, 0 to 1, (rows,): a code that fewer rows have says more."""
        return np.minimum(self._codes.accumulate(*self._rare(self._codes, codes)), 1)

    def stemmed(self, stems: Sequence[str]) -> Floats:
        """How strongly codes of the query name each row by what they begin with, 0 to 1, (rows,): by the best stem alone."""
        places, rarity = self._rare(self._stems, stems)
        weights = np.array([weight_of(stem) for stem in stems], np.float32)
        return self._stems.strongest(places, rarity * weights)

    def knows(self, word: str) -> bool:
        """Whether a product has the word as it is spelled."""
        return word in self._known or bool(self._words.places(np.array([key_of(singular(word))], np.uint64))[0] >= 0)

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
            if edits <= allowed_edits and (best is None or (edits, -float(score)) < best[:2]):
                best = (edits, -float(score), candidate)
        return best[2] if best else None

    def save(self, folder: Path) -> None:
        """Writes `words.*`, `codes.*`, `stems.*` and the spelling index into an existing folder."""
        self._words.save(folder, "words")
        self._codes.save(folder, "codes")
        self._stems.save(folder, "stems")
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
            Postings.load(folder, "stems"),
            NgramIndex.load(spelling),
            vocabulary.split("\n") if vocabulary else [],
        )

    @classmethod
    def _rare(cls, postings: Postings, terms: Sequence[str]) -> tuple[NDArray[np.int64], Floats]:
        """The places of terms and how rare each is, 0 to 1: in one row of many 1, in most rows 0."""
        places = postings.places(np.array([key_of(term) for term in terms], np.uint64))
        return places, (cls._idf(postings, places) / max(np.log1p(postings.size), 1e-9)).astype(np.float32)

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
