"""Leaf categories as things that can be meant: "phone" means what stands under "smartphones", "couch" what is "furniture"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.clean import fold
from index.encoders import Encoder, script_of
from index.product import Product
from storage.errors import Damaged

Floats = NDArray[np.float32]

SPACES = ("latin",)
"""MiniLM tells names apart by their cosine; e5's cosines of two words are all alike, and Chinese names share characters anyway."""
_SEPARATORS = re.compile(r"[-_/&]+")


class CategoryIndex:
    """The names (names,) with their vectors, and the name of each product's leaf category, (products,), −1 where it has none."""

    def __init__(self, names: tuple[str, ...], leaf: NDArray[np.int32], vectors: Mapping[str, Floats]) -> None:
        self.names = names
        self._leaf = leaf
        # The products by name: those without a category come first, at a start that no name has.
        self._rows = np.argsort(leaf, kind="stable")
        self._starts = np.searchsorted(leaf[self._rows], np.arange(len(names) + 1))
        self._vectors = vectors

    @classmethod
    def build(cls, products: Iterable[Product], encoders: Mapping[str, Encoder]) -> CategoryIndex:
        """The leaf categories of `products`, in the order of their rows."""
        places: dict[str, int] = {}
        leaf = []
        for product in products:
            name = _spoken(product.categories[-1]) if product.categories else ""
            leaf.append(places.setdefault(name, len(places)) if name else -1)
        names = tuple(places)
        vectors = {}
        for space in SPACES:
            if space in encoders:
                # A name in another script is unknown tokens to this encoder, and all such are alike.
                known = np.array([script_of(name) == space for name in names], np.float32).reshape(-1, 1)
                vectors[space] = known * encoders[space].encode_documents(names)
        return cls(names, np.array(leaf, np.int32), vectors)

    def cosines(self, space: str, vector: Floats) -> Floats:
        """(names,) the cosine of a query's vector (dim,) and each name; none in a space in which names have no vectors."""
        vectors = self._vectors.get(space)
        return np.empty(0, np.float32) if vectors is None else np.asarray(vectors @ vector, np.float32)

    def rows_of(self, name: int) -> NDArray[np.int64]:
        """The products, ascending, whose leaf category has the name of that place."""
        return self._rows[self._starts[name] : self._starts[name + 1]]

    def save(self, folder: Path) -> None:
        """Writes `names.json`, `leaf.npy` and the vectors into an existing folder."""
        (folder / "names.json").write_text(json.dumps(self.names, ensure_ascii=False), encoding="utf-8")
        np.save(folder / "leaf.npy", self._leaf, allow_pickle=False)
        for space, vectors in self._vectors.items():
            np.save(folder / f"{space}.npy", vectors, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> CategoryIndex:
        """What `save` wrote; the caller has checked the hashes.

        Raises:
            Damaged: a file is missing or is something else.
        """
        try:
            names = tuple(json.loads((folder / "names.json").read_text(encoding="utf-8")))
            leaf = np.load(folder / "leaf.npy", allow_pickle=False)
            found = {space: folder / f"{space}.npy" for space in SPACES}
            vectors = {space: np.load(path, allow_pickle=False) for space, path in found.items() if path.exists()}
        except (OSError, ValueError) as error:
            raise Damaged(f"{folder} holds no categories: {error}.", "Build the index again.") from error
        return cls(names, leaf, vectors)


def _spoken(name: str) -> str:
    """A category's name as one would say it: "mens-shoes" is "mens shoes"."""
    return " ".join(_SEPARATORS.sub(" ", fold(name)).split())
