"""What a search holds of a catalog while it looks for the best of it: words of all rows, scores of some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retrieval.fusion import COVERED, Evidence

CANDIDATES = 200
"""From each source; the order among the best ten has long settled by then."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with their scores, before they are ordered; all arrays are (found,)."""

    rows: NDArray[np.int64]
    score: NDArray[np.float32]
    parts: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class CatalogWords:
    """What words say about every product, and whether the conditions allow it; all arrays are (catalog,).

    `ngrams` is None in a large catalog, where they are known of the candidates alone.
    """

    allowed: NDArray[np.bool_]
    words: NDArray[np.float32]
    codes: NDArray[np.float32]
    stems: NDArray[np.float32]
    ngrams: NDArray[np.float32] | None

    @cached_property
    def covered(self) -> NDArray[np.int64]:
        """The allowed rows that have enough of the words to match by them alone."""
        return np.flatnonzero(self.allowed & (self.words >= COVERED)).astype(np.int64)

    def matching_beyond(self, found: Scored, evidence: Evidence, least: float) -> int:
        """How many rows beyond the candidates match by their words and score at least `least` by what is known of all."""
        if len(self.covered) <= CANDIDATES:  # all of them are candidates
            return 0
        known = np.zeros(len(self.words), np.bool_)
        known[found.rows] = True
        others = self.covered[~known[self.covered]]
        ngrams = np.zeros(len(others), np.float32) if self.ngrams is None else self.ngrams[others]
        known_of_all = {name: getattr(self, name)[others] for name in ("words", "codes", "stems")}
        score = evidence.at_least(found.parts, **known_of_all, ngrams=ngrams)
        return int(np.count_nonzero(score >= least))


@dataclass(frozen=True, slots=True)
class MeantKind:
    """The allowed rows of the categories that are meant, and how near the query is to their names; both (rows,)."""

    rows: NDArray[np.int64]
    cosine: NDArray[np.float32]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(rows,) the cosine of each of some sorted rows, 0 where its category is not meant."""
        found = np.zeros(len(rows), np.float32)
        places = np.minimum(np.searchsorted(rows, self.rows), max(0, len(rows) - 1))
        same = rows[places] == self.rows if len(rows) else np.zeros(len(places), np.bool_)
        found[places[same]] = self.cosine[same]
        return found
