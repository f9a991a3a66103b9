"""Which product a variant belongs to, by its id: shops report prices, events and orders by the color and size that was sold."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.strings import Strings, hash_of, mapped


class VariantIds:
    """Finds variants by id, in 16 bytes each. They are hashed when the first is looked for. Safe to share between threads.

    `ids` are those of all offers, "" where a product has no variants; `starts` (products + 1,) where each product's begin.
    """

    def __init__(self, ids: Strings, starts: NDArray[np.int64]) -> None:
        self._ids = ids
        self._starts = starts

    @classmethod
    def load(cls, facets: Path) -> Self:
        """Those of the folder that a `FacetWriter` completed."""
        return cls(Strings.load(facets, "variant_ids"), mapped(facets / "starts.npy"))

    def __len__(self) -> int:
        """How many variants there are."""
        return len(self._sorted[0])

    def row_of(self, variant_id: str) -> int | None:
        """The row of the product that has the variant; None where none has, or several do ("S", "M")."""
        hashes, places = self._sorted
        key = np.uint64(hash_of(variant_id))
        first, last = np.searchsorted(hashes, key, "left"), np.searchsorted(hashes, key, "right")
        found = [place for place in places[first:last].tolist() if self._ids[place] == variant_id]
        return int(np.searchsorted(self._starts, found[0], "right")) - 1 if len(found) == 1 else None

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Hashes, ascending, and the places of their ids among the offers."""
        named = self._ids.filled()
        hashes = self._ids.hashes(named)
        order = np.argsort(hashes, kind="stable")
        return hashes[order], named[order]
