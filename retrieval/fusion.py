"""How the evidence of several searches becomes one order, and when it is too thin to show anything.

Each source scores the same candidates on its own scale; they are normalised and summed with fixed weights. Whether anything
matches at all is decided on the unnormalised evidence: normalising would make the best of the junk look perfect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# The sum barely moves between half and twice these weights (docs/benchmarks.md), so they are round. A shop with judged queries
# has its own: `finetune retriever` fits them.
WEIGHTS: Mapping[str, float] = {
    "ngrams": 0.6,
    "codes": 2.0,
    "stems": 1.5,
    "words": 1.0,
    "dense": 1.0,
    "keywords": 0.25,
    "kind": 0.5,
    "category": 2.0,
}

COVERED = 0.55  # share of the query's words, by rarity, that is enough alone
PARTLY_COVERED = 0.35  # enough together with a meaning that is near
SPECIFIC = 0.15  # codes below this are shared by so many products that they name none
SPECIFIC_STEM = 0.5  # a stem says less
AS_NEAR = 0.7  # of the nearest meaning: what is farther matches by its words or not at all
CENTRAL = 0.9  # so near to the nearest category: where one such product is found, the others are of its kind
KEEP = 0.3  # of the best score: what falls below is not shown beside it
FAINT = 0.35  # n-gram cosines below it are chance, and dividing by the best must not blow them up
CLOSE_BEHIND = 0.7  # so near to the best in everything together, no single source has to be sure
KEEP_SORTED = (
    0.7  # of the best in what is known of the product itself, where another order would lift weak matches to the top
)


@dataclass(frozen=True)
class Floor:
    """Cosines of one vector space.

    `zero` is what unrelated texts have, `near` is near enough beside some shared words, `same` is enough alone.
    """

    zero: float
    near: float
    same: float


@dataclass(frozen=True)
class Evidence:
    """What each source says about each candidate; all arrays are (candidates,).

    `words`, `codes`, `stems`, `ngrams` and `dense` are absolute (shares and cosines, 0 to 1), `keywords` is BM25 on its open scale,
    `kind` the cosine with the name of the category where the query means that very category, else 0, `category` how near the query
    is to all that stands in the candidate's category, 0 to 1.
    """

    words: Floats
    codes: Floats
    stems: Floats
    ngrams: Floats
    dense: Floats
    keywords: Floats
    kind: Floats
    category: Floats
    floor: Floor | None  # None where the query has no vector in this catalog
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)  # of each source

    def matching(self) -> NDArray[np.bool_]:
        """Which candidates really match, (candidates,) bool."""
        found = (self.words >= COVERED) | (self.codes >= SPECIFIC) | (self.stems >= SPECIFIC_STEM) | (self.kind > 0)
        central = self.category >= CENTRAL
        if self.floor is not None:
            above = self.dense - self.floor.zero
            # Where the nearest products are of the nearest kind a little less is enough: chance brings all kinds together.
            same = np.where(central, (self.floor.near + self.floor.same) / 2, self.floor.same)
            alone = (self.dense >= same) & (above >= AS_NEAR * above.max(initial=0))
            found |= alone | ((self.dense >= self.floor.near) & (self.words >= PARTLY_COVERED))
        # Where what is found is of other kinds, the vectors are wrong about the kind that is meant.
        return found | (central & (found & central).any())

    def fused(self) -> tuple[Floats, Mapping[str, Floats]]:
        """The weighted sum, between 0 and 1, and the normalised scores it was made of."""
        parts = self.parts()
        return _weighted(parts, self._present(parts)), parts

    def own(self) -> Floats:
        """The weighted sum of what is known of each candidate itself, without its category, between 0 and 1."""
        parts = {name: values for name, values in self.parts().items() if name != "category"}
        return _weighted(parts, self._present(parts))

    def parts(self) -> Mapping[str, Floats]:
        """The normalised scores of the sources, 0 to 1, (candidates,) each."""
        parts = {
            "ngrams": self.ngrams / self._best_ngrams(),
            "codes": self.codes,
            "stems": self.stems,
            "words": self.words,
            "keywords": self.keywords / np.float32(self.keywords.max(initial=0) or 1),
            "kind": self.kind,
            "category": self.category,
        }
        if self.floor is not None:
            parts["dense"] = np.clip((self.dense - self.floor.zero) / (1 - self.floor.zero), 0, 1)
        return parts

    def at_least(
        self, parts: Mapping[str, Floats], words: Floats, codes: Floats, stems: Floats, ngrams: Floats
    ) -> Floats:
        """What `fused`, whose parts are given, would give others at least, (others,), of which vectors and BM25 are not known."""
        weights = self._present(parts)
        return _weighted(
            {"ngrams": ngrams / self._best_ngrams(), "codes": codes, "stems": stems, "words": words}, weights
        )

    def _best_ngrams(self) -> np.float32:
        return np.float32(max(float(self.ngrams.max(initial=0)), FAINT))

    def _present(self, parts: Mapping[str, Floats]) -> Mapping[str, np.float32]:
        """The weights divided by what is there, so that a shop without vectors or a query without codes still reaches 1."""
        present = [name for name, values in parts.items() if values.any()]
        total = sum(self.weights[name] for name in present) or 1.0
        return {name: np.float32(self.weights[name] / total) for name in present}


def _weighted(parts: Mapping[str, Floats], weights: Mapping[str, np.float32]) -> Floats:
    score = np.zeros(len(parts["words"]), np.float32)
    for name, values in parts.items():
        if name in weights:
            score += weights[name] * values
    return score
