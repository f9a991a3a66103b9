"""Character n-gram tf-idf: finds a product in spite of typos, split words and half-remembered model numbers.

N-grams of 2 to 4 characters inside words, each word with a space on both sides; sublinear tf, smoothed idf, unit rows
(Manning, Raghavan, Schütze, *Introduction to Information Retrieval*, 6.2 to 6.4). N-grams are numbered by a hash of their
code points, so no vocabulary of strings is kept.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.postings import Floats, Keys, Postings
from index.strings import Strings, mapped

SIZES = (2, 3, 4)
QUERY_CHARACTERS = 300  # of a longer query only this much is looked up, which bounds the time of one search
_CHUNK = 2_000  # texts turned into n-grams at once
_SAMPLE = 50_000  # titles that the idf of n-grams is counted in; more would hardly move it


class NgramIndex:
    """Rows by cosine of their n-gram vectors."""

    def __init__(self, postings: Postings, idf: Floats) -> None:
        self._postings = postings
        self._idf = idf  # one for each key of the postings
        self._rarest = float(idf.max(initial=0)) or 1.0

    @classmethod
    def build(cls, texts: Sequence[str]) -> Self:
        """An index of `texts`, whose place is their row."""
        keys, rows, counts = _join([*_counted(texts)])
        weights = 1 + np.log(counts)
        raw = Postings.build(keys, rows, weights.astype(np.float32), len(texts))
        idf = (1 + np.log((1 + len(texts)) / (1 + raw.counts))).astype(np.float32)
        weights = raw.weights * np.repeat(idf, raw.counts)
        norms = np.sqrt(np.bincount(raw.rows, weights.astype(np.float64) ** 2, len(texts)))
        raw.weights = (weights / np.maximum(norms, 1e-12)[raw.rows]).astype(np.float32)
        return cls(raw, idf)

    def scores(self, text: str) -> Floats:
        """The cosine of `text` with every row, (rows,)."""
        keys, _, counts = _ngrams([text[:QUERY_CHARACTERS]])
        places = self._postings.places(keys)
        known = places >= 0
        places = places[known]
        weights = (1 + np.log(counts[known])) * self._idf[places]
        # N-grams that no row has count in the norm too: a query of strange words must not look like a good match.
        strange = (1 + np.log(counts[~known])) * self._rarest
        norm = float(np.sqrt((weights**2).sum() + (strange**2).sum()))
        if norm == 0:
            return np.zeros(self._postings.size, np.float32)
        return self._postings.accumulate(places, (weights / norm).astype(np.float32))

    def scores_of(self, text: str, rows: NDArray[np.int64]) -> Floats:
        """The cosine of `text` with each of `rows`, (rows,)."""
        return self.scores(text)[rows]

    def search(self, text: str, k: int, allowed: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.int64], Floats]:
        """The `k` best allowed rows with a score above 0, best first."""
        scores = self.scores(text)
        rows = np.flatnonzero(scores > 0 if allowed is None else (scores > 0) & allowed)
        if len(rows) > k:
            rows = rows[np.argpartition(-scores[rows], k - 1)[:k]] if k else rows[:0]
        rows = rows[np.lexsort((rows, -scores[rows]))]
        return rows.astype(np.int64), scores[rows]

    def save(self, folder: Path) -> None:
        """Writes `ngrams.*.npy` into an existing folder."""
        self._postings.save(folder, "ngrams")
        np.save(folder / "ngrams.idf.npy", self._idf, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; the caller has checked the hashes."""
        postings = Postings.load(folder, "ngrams")
        return cls(postings, np.load(folder / "ngrams.idf.npy", allow_pickle=False))


class TitleNgrams:
    """The cosine of a query with the titles of some rows, computed when it is asked for.

    A large catalog cannot afford the postings of `NgramIndex`, 1.3 kB a title. What is kept is the idf of every n-gram in a
    sample of the titles, and the length of each title's vector: 4 bytes a product.
    """

    def __init__(self, titles: Strings, keys: Keys, idf: Floats, norms: Floats) -> None:
        self._titles = titles
        self._keys = keys  # (k,) sorted
        self._idf = idf  # (k,)
        self._norms = norms  # (rows,)
        self._rarest = float(idf.max(initial=0)) or 1.0

    @classmethod
    def build(cls, titles: Strings) -> Self:
        """For folded titles, as `Facets.titles` has them."""
        size = len(titles)
        sample = np.unique(np.linspace(0, max(0, size - 1), min(size, _SAMPLE)).astype(np.int64))
        found = [_ngrams(titles.many(rows))[0] for rows in _chunks(sample)]
        keys, counts = np.unique(np.concatenate(found) if found else np.empty(0, np.uint64), return_counts=True)
        idf = (1 + np.log((1 + len(sample)) / (1 + counts))).astype(np.float32)
        built = cls(titles, keys, idf, np.zeros(size, np.float32))
        for rows in _chunks(np.arange(size)):
            grams, places, times = _ngrams(titles.many(rows))
            weights = (1 + np.log(times)) * built._rarity(grams)
            built._norms[rows] = np.sqrt(np.bincount(places, weights**2, len(rows)))
        return built

    def scores(self, text: str) -> None:
        """None: what every title has in common with a text would cost too much to know."""

    def scores_of(self, text: str, rows: NDArray[np.int64]) -> Floats:
        """The cosine of `text` with the title of each of `rows`, (rows,)."""
        keys, _, times = _ngrams([text[:QUERY_CHARACTERS]])
        if not len(keys) or not len(rows):
            return np.zeros(len(rows), np.float32)
        order = np.argsort(keys)
        keys, idf = keys[order], self._rarity(keys[order])
        weights = (1 + np.log(times[order])) * idf
        weights /= np.sqrt((weights**2).sum())
        # Most n-grams of the titles are none of the query's: they begin with other letters, or 16 bits of their keys differ.
        query = _padded(unicodedata.normalize("NFKC", text[:QUERY_CHARACTERS]).casefold())
        # A folded title has one space between words.
        titles = [f" {title.replace(' ', '  ')} " if title else "" for title in self._titles.many(rows)]
        found, places = _windows(titles, np.unique(_pairs(_codes([query]))))
        asked = np.zeros(1 << 16, np.bool_)
        asked[keys >> np.uint64(48)] = True
        likely = np.flatnonzero(asked[found >> np.uint64(48)])
        gram = np.minimum(np.searchsorted(keys, found[likely]), len(keys) - 1)
        same = keys[gram] == found[likely]
        pairs, times = np.unique(places[likely][same] * len(keys) + gram[same], return_counts=True)
        row, gram = np.divmod(pairs, len(keys))
        dots = np.bincount(row, weights[gram] * (1 + np.log(times)) * idf[gram], len(rows))
        return (dots / np.maximum(self._norms[rows], 1e-12)).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Writes `titles.*.npy` into an existing folder; the titles themselves are the facets'."""
        for part, values in (("keys", self._keys), ("idf", self._idf), ("norms", self._norms)):
            np.save(folder / f"titles.{part}.npy", values, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, titles: Strings) -> Self:
        """What `save` wrote; the caller has checked the hashes. Raises `Damaged` where a file is missing."""
        return cls(titles, *(mapped(folder / f"titles.{part}.npy") for part in ("keys", "idf", "norms")))

    def _rarity(self, keys: Keys) -> NDArray[np.float64]:
        """The idf of each key; one that the sample does not have is as rare as the rarest."""
        if not len(self._keys):
            return np.full(len(keys), self._rarest)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, self._idf[places], self._rarest)


def _counted(texts: Sequence[str]) -> Iterator[tuple[Keys, NDArray[np.int64], NDArray[np.int64]]]:
    for start in range(0, len(texts), _CHUNK):
        keys, rows, counts = _ngrams(texts[start : start + _CHUNK])
        yield keys, rows + start, counts


def _join(
    parts: Sequence[tuple[Keys, NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[Keys, NDArray[np.int64], NDArray[np.int64]]:
    if not parts:
        return np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)
    keys, rows, counts = zip(*parts, strict=True)
    return np.concatenate(keys), np.concatenate(rows), np.concatenate(counts)


def _chunks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]


def _ngrams(texts: Sequence[str]) -> tuple[Keys, NDArray[np.int64], NDArray[np.int64]]:
    """Distinct (n-gram key, row) pairs and how often each occurs."""
    padded = [_padded(unicodedata.normalize("NFKC", text).casefold()) for text in texts]
    keys, rows = _windows(padded)
    order = np.lexsort((keys, rows))
    keys, rows = keys[order], rows[order]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(keys)))
    return keys[starts], rows[starts], counts


def _padded(text: str) -> str:
    """Each word with a space on both sides: `"ab c"` becomes `" ab  c "`."""
    words = "  ".join(text.split())
    return f" {words} " if words else ""


def _codes(texts: Sequence[str]) -> NDArray[np.uint32]:
    """The code points of all texts, one after the other."""
    # Lone surrogates, which broken JSON can carry, have no UTF-32 form unless they are let through.
    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)


def _pairs(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """(codes - 1,) a number of 16 bits for each two neighbours; different ones may share it."""
    return (codes[:-1] * np.uint32(0x9E37) + codes[1:]) & np.uint32(0xFFFF)


def _windows(texts: Sequence[str], beginnings: NDArray[np.uint32] | None = None) -> tuple[Keys, NDArray[np.int64]]:
    """The key of every n-gram in padded texts, and the place of its text.

    All texts are one array of code points. Two words meet in two spaces; the n-grams are windows that do not leave their word.
    With `beginnings` those are left out whose first two letters have none of these numbers (`_pairs`).
    """
    codes = _codes(texts)
    wanted = np.ones(max(0, len(codes) - 1), np.bool_)
    if beginnings is not None:
        table = np.zeros(1 << 16, np.bool_)
        table[beginnings] = True
        wanted = table[_pairs(codes)]
    space = codes == ord(" ")
    word = np.zeros(len(codes), np.int32)
    np.cumsum(space[1:] & space[:-1], out=word[1:])
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    codes = codes.astype(np.uint64)
    keys, places = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for size in SIZES:
        if len(codes) < size:
            continue
        starts = np.flatnonzero((word[: len(word) - size + 1] == word[size - 1 :]) & wanted[: len(codes) - size + 1])
        key = np.full(len(starts), size, np.uint64)
        for step in range(size):
            key = (key ^ codes[starts + step]) * np.uint64(0x9E3779B97F4A7C15)  # wraps around at 64 bits, as is meant
            key ^= key >> np.uint64(29)
        keys.append(key)
        places.append(owner[starts])
    return np.concatenate(keys), np.concatenate(places)
