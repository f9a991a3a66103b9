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

from index.base import resized
from index.hanzi import simplified
from index.postings import Floats, Kept, Keys, Postings, PostingsWriter
from index.strings import Strings, mapped

SIZES = (2, 3, 4)
QUERY_CHARACTERS = 300  # of a longer query only this much is looked up, which bounds the time of one search
_CHUNK = 2_000  # texts turned into n-grams at once
_MOST_TIMES = 255  # that an n-gram is counted in one text
_TIMES = (1 + np.log(np.maximum(np.arange(256), 1))).astype(np.float32)  # what an n-gram counts that occurs so often
_SAMPLE = 50_000  # titles that the idf of n-grams is counted in; more would hardly move it


class NgramIndex:
    """Rows by cosine of their n-gram vectors. The weights of the postings say how often a row has an n-gram, up to 255."""

    def __init__(self, postings: Postings, idf: Floats, norms: Floats) -> None:
        self._postings = postings
        self._idf = idf  # one for each key of the postings
        self._norms = norms  # (rows,) the length of each row's vector
        self._rarest = float(idf.max(initial=0)) or 1.0

    @classmethod
    def build(cls, texts: Sequence[str], folder: Path) -> Self:
        """Indexes `texts`, whose place is their row, into an existing empty folder, which is then complete."""
        writer = NgramWriter(folder)
        writer.add(np.arange(len(texts)), texts)
        writer.close(len(texts))
        return cls.load(folder)

    def scores(self, text: str) -> Floats:
        """The cosine of `text` with every row, (rows,)."""
        keys, _, counts = _ngrams([text[:QUERY_CHARACTERS]])
        places = self._postings.places(keys)
        known = places >= 0
        places = places[known]
        idf = self._idf[places]
        weights = (1 + np.log(counts[known])) * idf
        # N-grams that no row has count in the norm too: a query of strange words must not look like a good match.
        strange = (1 + np.log(counts[~known])) * self._rarest
        norm = float(np.sqrt((weights**2).sum() + (strange**2).sum()))
        if norm == 0:
            return np.zeros(self._postings.size, np.float32)
        dots = self._postings.accumulate(places, (weights / norm * idf).astype(np.float32), _TIMES)
        return np.divide(dots, self._norms, out=dots, where=self._norms > 0)

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

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `build` wrote, memory-mapped; the caller has checked the hashes. Raises `Damaged` where a file is missing."""
        postings = Postings.load(folder, "ngrams")
        return cls(postings, *(mapped(folder / f"ngrams.{part}.npy") for part in ("idf", "norms")))

    def kept(self, moved: NDArray[np.int32]) -> Kept:
        """What a writer takes over, see `Kept`."""
        return Kept(self._postings, moved)


class NgramWriter:
    """Writes an `NgramIndex` by ascending rows.

    Of rows that are taken over it is known how often each has an n-gram; what follows from the counts of all is made anew.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._postings = PostingsWriter(folder, "ngrams")

    def add(self, rows: NDArray[np.int64], texts: Sequence[str]) -> None:
        """Adds the texts of some rows, which ascend."""
        for chunk in _chunks(np.arange(len(texts))):
            keys, places, times = _ngrams(texts[chunk[0] : chunk[-1] + 1])
            counted = np.minimum(times, _MOST_TIMES).astype(np.uint8)
            self._postings.extend(keys, rows[chunk][places].astype(np.int32), counted)

    def close(self, size: int, kept: Kept | None = None) -> None:
        """Completes the folder, for `size` rows; `kept` as in `PostingsWriter.close`."""
        self._postings.close(size, kept)
        postings = Postings.load(self._folder, "ngrams")
        idf = (1 + np.log((1 + size) / (1 + postings.counts))).astype(np.float32)
        squares = np.zeros(size)
        for keys, counts, rows, times in Kept(postings, np.arange(size, dtype=np.int32)).chunks():
            weights = _TIMES[times] * np.repeat(idf[postings.places(keys)], counts)
            squares += np.bincount(rows, weights.astype(np.float64) ** 2, size)
        np.save(self._folder / "ngrams.idf.npy", idf, allow_pickle=False)
        np.save(self._folder / "ngrams.norms.npy", np.sqrt(squares).astype(np.float32), allow_pickle=False)


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
        built._measure(np.arange(size))
        return built

    def updated(self, titles: Strings, rows: NDArray[np.int64]) -> Self:
        """For the titles of a later version, of which those of `rows` are new; the idf stays, for it is a sample's anyway."""
        later = type(self)(titles, self._keys, self._idf, resized(self._norms, len(titles)))
        later._measure(rows)
        return later

    def _measure(self, rows: NDArray[np.int64]) -> None:
        for chunk in _chunks(rows):
            grams, places, times = _ngrams(self._titles.many(chunk))
            weights = (1 + np.log(times)) * self._rarity(grams)
            self._norms[chunk] = np.sqrt(np.bincount(places, weights**2, len(chunk)))

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
        query = _padded(_folded(text[:QUERY_CHARACTERS]))
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


def _chunks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]


def _ngrams(texts: Sequence[str]) -> tuple[Keys, NDArray[np.int64], NDArray[np.int64]]:
    """Distinct (n-gram key, row) pairs and how often each occurs."""
    padded = [_padded(_folded(text)) for text in texts]
    keys, rows = _windows(padded)
    order = np.lexsort((keys, rows))
    keys, rows = keys[order], rows[order]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(keys)))
    return keys[starts], rows[starts], counts


def _folded(text: str) -> str:
    return simplified(unicodedata.normalize("NFKC", text).casefold())


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
