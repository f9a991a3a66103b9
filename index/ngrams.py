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

SIZES = (2, 3, 4)
QUERY_CHARACTERS = 300  # of a longer query only this much is looked up, which bounds the time of one search
_CHUNK = 2_000  # texts turned into n-grams at once


class NgramIndex:
    """Rows by cosine of their n-gram vectors."""

    def __init__(self, postings: Postings, idf: Floats) -> None:
        self._postings = postings
        self._idf = idf  # one for each key of the postings

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
        strange = (1 + np.log(counts[~known])) * (self._idf.max() if len(self._idf) else 1)
        norm = float(np.sqrt((weights**2).sum() + (strange**2).sum()))
        if norm == 0:
            return np.zeros(self._postings.size, np.float32)
        return self._postings.accumulate(places, (weights / norm).astype(np.float32))

    def search(self, text: str, k: int, allowed: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.int64], Floats]:
        """The `k` best allowed rows with a score above 0, best first."""
        scores = self.scores(text)
        if allowed is not None:
            scores = np.where(allowed, scores, np.float32(0))
        k = min(k, len(scores))
        best = np.argpartition(-scores, k - 1)[:k] if k else np.empty(0, np.int64)
        best = best[np.argsort(-scores[best], kind="stable")]
        best = best[scores[best] > 0]
        return best.astype(np.int64), scores[best]

    def save(self, folder: Path) -> None:
        """Writes `ngrams.*.npy` into an existing folder."""
        self._postings.save(folder, "ngrams")
        np.save(folder / "ngrams.idf.npy", self._idf, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; the caller has checked the hashes."""
        postings = Postings.load(folder, "ngrams")
        return cls(postings, np.load(folder / "ngrams.idf.npy", allow_pickle=False))


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


def _ngrams(texts: Sequence[str]) -> tuple[Keys, NDArray[np.int64], NDArray[np.int64]]:
    """Distinct (n-gram key, row) pairs and how often each occurs.

    All texts are one array of code points, each word padded: `["ab c"]` becomes `" ab  c "`; the n-grams are windows that
    do not leave their word.
    """
    points: list[str] = []
    words: list[int] = []  # characters of each padded word
    owner: list[int] = []  # the text each word belongs to
    for row, text in enumerate(texts):
        for token in unicodedata.normalize("NFKC", text).casefold().split():
            points.append(f" {token} ")
            words.append(len(token) + 2)
            owner.append(row)
    # Lone surrogates, which broken JSON can carry, have no UTF-32 form unless they are let through.
    codes = np.frombuffer("".join(points).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    word = np.repeat(np.arange(len(words)), words)
    rows = np.repeat(np.array(owner, np.int64), words) if owner else np.empty(0, np.int64)
    keys, places = [], []
    for size in SIZES:
        if len(codes) < size:
            continue
        starts = np.flatnonzero(word[: len(word) - size + 1] == word[size - 1 :])
        key = np.full(len(starts), size, np.uint64)
        for step in range(size):
            key = (key ^ codes[starts + step]) * np.uint64(0x9E3779B97F4A7C15)  # wraps around at 64 bits, as is meant
            key ^= key >> np.uint64(29)
        keys.append(key)
        places.append(rows[starts])
    if not keys:
        return np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)
    pairs = np.empty(sum(map(len, keys)), np.dtype([("row", np.int64), ("key", np.uint64)]))
    pairs["key"], pairs["row"] = np.concatenate(keys), np.concatenate(places)
    order = np.lexsort((pairs["key"], pairs["row"]))
    pairs = pairs[order]
    first = np.ones(len(pairs), bool)
    first[1:] = (pairs["key"][1:] != pairs["key"][:-1]) | (pairs["row"][1:] != pairs["row"][:-1])
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(pairs)))
    return pairs["key"][starts], pairs["row"][starts], counts
