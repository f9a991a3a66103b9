"""Leaf categories as things that can be meant: "phone" means what stands under "smartphones", "couch" what is "furniture".

A category is known by its name and by its center, the mean direction of its products' vectors: what a single product's text has by
chance cancels out there, so that "thick jumper" lies nearer to all sweaters than to one down jacket.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.base import renumbered, resized
from index.clean import fold
from index.encoders import Encoder, script_of
from index.product import Product
from index.vectors import VectorStore
from storage.errors import Damaged

Floats = NDArray[np.float32]

SPACES = ("latin",)
"""MiniLM tells names apart by their cosine; e5's cosines of two words are all alike, and Chinese names share characters anyway."""
_CENTERS = "centers-"
_CLEAR = 2.5  # standard deviations above the median from which on the nearest category is clearly that
_CHUNK = 4_096  # vectors read at once
_SEPARATORS = re.compile(r"[-_/&]+")


class CategoryIndex:
    """The names (names,) with their vectors, and the name of each product's leaf category, (products,), −1 where it has none.

    `centers` has the unit vectors (names, dim) of each space's categories, zero for one of which the space holds no product.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        leaf: NDArray[np.int32],
        vectors: Mapping[str, Floats],
        centers: Mapping[str, Floats],
    ) -> None:
        self.names = names
        self._leaf = leaf
        # The products by name: those without a category come first, at a start that no name has.
        self._rows = np.argsort(leaf, kind="stable")
        self._starts = np.searchsorted(leaf[self._rows], np.arange(len(names) + 1))
        self._vectors = vectors
        self._centers = centers
        scripts = np.array([script_of(name) for name in names], str)
        # By space, the places of the names in each script of which it holds products.
        self._told = {
            space: [np.flatnonzero(np.any(each, axis=1) & (scripts == script)) for script in np.unique(scripts)]
            for space, each in centers.items()
        }
        self._told = {space: [each for each in told if len(each)] for space, told in self._told.items()}

    @classmethod
    def build(
        cls, products: Iterable[Product], encoders: Mapping[str, Encoder], stores: Mapping[str, VectorStore]
    ) -> CategoryIndex:
        """The leaf categories of `products`, in the order of their rows, whose vectors the stores hold."""
        places: dict[str, int] = {}
        leaf = [_place(product, places) for product in products]
        return cls._of(tuple(places), np.array(leaf, np.int32), encoders, stores, {})

    def updated(
        self,
        size: int,
        changed: Iterable[tuple[int, Product]],
        encoders: Mapping[str, Encoder],
        stores: Mapping[str, VectorStore],
        known: Iterable[str],
    ) -> CategoryIndex:
        """Those of a later version: `changed` are its new rows, `known` the spaces whose encoder is that of this version."""
        places = {name: place for place, name in enumerate(self.names)}
        leaf = resized(self._leaf, size)
        for row, product in changed:
            leaf[row] = _place(product, places)
        leaf, order = renumbered(leaf)
        names = list(places)
        vectors = {space: self._vectors[space] for space in known if space in self._vectors}
        told = {space: dict(zip(self.names, each, strict=True)) for space, each in vectors.items()}
        return self._of(tuple(names[place] for place in order), leaf, encoders, stores, told)

    @classmethod
    def _of(
        cls,
        names: tuple[str, ...],
        leaf: NDArray[np.int32],
        encoders: Mapping[str, Encoder],
        stores: Mapping[str, VectorStore],
        told: Mapping[str, Mapping[str, Floats]],
    ) -> CategoryIndex:
        """`told` has vectors of names by space, which are not embedded again."""
        vectors = {}
        for space in SPACES:
            if space in encoders:
                known = dict(told.get(space, {}))
                new = [name for name in names if name not in known]
                # A name in another script is unknown tokens to this encoder, and all such are alike.
                own = np.array([script_of(name) == space for name in new], np.float32).reshape(-1, 1)
                known |= zip(new, own * encoders[space].encode_documents(new), strict=True)
                vectors[space] = np.array([known[name] for name in names], np.float32).reshape(-1, encoders[space].dim)
        centers = {space: _centers(leaf, len(names), store) for space, store in stores.items()}
        return cls(names, leaf, vectors, centers)

    def closeness(self, space: str, vector: Floats) -> Floats:
        """(names,) how near a query's vector (dim,) lies to the center of each category.

        1 for the nearest of those whose name has the same script, where it stands out, 0 from their median down: a Chinese query
        lies nearer to all that is told in Chinese, and yet "yoga mats" are what it asks for.
        """
        close = np.zeros(len(self.names), np.float32)
        if not self._told.get(space):
            return close
        cosines = np.asarray(self._centers[space] @ vector, np.float32)  # (names,)
        for told in self._told[space]:
            above = cosines[told] - np.median(cosines[told])
            # Among few categories, or all as far away, the nearest says little.
            least = max(float(above.max()), _CLEAR * float(np.std(cosines[told])))
            if least > 0:
                close[told] = np.clip(above / least, 0, 1)
        return close

    def of_rows(self, values: Floats, rows: NDArray[np.int64]) -> Floats:
        """(rows,) what `values` (names,) say of each product's category, 0 where it has none."""
        return np.append(values, np.float32(0))[self._leaf[rows]]  # −1 is the last

    def cosines(self, space: str, vector: Floats) -> Floats:
        """(names,) the cosine of a query's vector (dim,) and each name; none in a space in which names have no vectors."""
        vectors = self._vectors.get(space)
        return np.empty(0, np.float32) if vectors is None else np.asarray(vectors @ vector, np.float32)

    def rows_of(self, name: int) -> NDArray[np.int64]:
        """The products, ascending, whose leaf category has the name of that place."""
        return self._rows[self._starts[name] : self._starts[name + 1]]

    def save(self, folder: Path) -> None:
        """Writes `names.json`, `leaf.npy`, the vectors and the centers into an existing folder."""
        (folder / "names.json").write_text(json.dumps(self.names, ensure_ascii=False), encoding="utf-8")
        np.save(folder / "leaf.npy", self._leaf, allow_pickle=False)
        for space, vectors in self._vectors.items():
            np.save(folder / f"{space}.npy", vectors, allow_pickle=False)
        for space, centers in self._centers.items():
            np.save(folder / f"{_CENTERS}{space}.npy", centers, allow_pickle=False)

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
            centers = {
                path.stem.removeprefix(_CENTERS): np.load(path, allow_pickle=False)
                for path in sorted(folder.glob(f"{_CENTERS}*.npy"))
            }
        except (OSError, ValueError) as error:
            raise Damaged(f"{folder} holds no categories: {error}.", "Build the index again.") from error
        return cls(names, leaf, vectors, centers)


def _centers(leaf: NDArray[np.int32], names: int, store: VectorStore) -> Floats:
    """(names, dim) the mean directions."""
    rows = np.flatnonzero(leaf >= 0).astype(np.int64)
    rows = rows[store.holds(rows)]
    total: Floats | None = None
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        vectors = store.vectors_of(part)  # (part, dim)
        total = np.zeros((names, vectors.shape[1]), np.float32) if total is None else total
        # Category by category: far faster than `np.add.at`.
        order = np.argsort(leaf[part], kind="stable")
        present, starts = np.unique(leaf[part][order], return_index=True)
        total[present] += np.add.reduceat(vectors[order], starts, axis=0)
    if total is None:
        return np.empty((names, 0), np.float32)
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), np.float32(1e-12))
    return total


def _place(product: Product, places: dict[str, int]) -> int:
    """The place of a product's leaf category among the names, to which a new one is added; -1 where it has none."""
    name = _spoken(product.categories[-1]) if product.categories else ""
    return places.setdefault(name, len(places)) if name else -1


def _spoken(name: str) -> str:
    """A category's name as one would say it: "mens-shoes" is "mens shoes"."""
    return " ".join(_SEPARATORS.sub(" ", fold(name)).split())
