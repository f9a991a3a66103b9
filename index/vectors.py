"""Vector stores: which rows of the catalog lie nearest to a vector. One protocol, one contract suite for every backend."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]


class VectorStore(Protocol):
    """Unit vectors of catalog rows under the inner product.

    A store may hold only some rows of the catalog (`rows`); results always name catalog rows. `allowed` is a mask over the
    whole catalog, True where a row may be found; None allows all. What `search` returns is sorted best first, holds no row
    twice and is shorter than `k` where fewer rows are allowed.
    """

    @classmethod
    def build(cls, vectors: NDArray[np.float32], rows: Rows | None = None) -> Self:
        """A store of `vectors` (n, dim); `rows` (n,) are their catalog rows, by default 0 … n-1."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; the caller has checked the folder's hashes."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the store into an existing folder."""
        ...

    def __len__(self) -> int:
        """How many vectors it holds."""
        ...

    def search(self, vector: NDArray[np.float32], k: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """The `k` allowed rows nearest to `vector` (dim,) with their cosines."""
        ...

    def similarity(self, vector: NDArray[np.float32], rows: Rows) -> Scores:
        """The cosine of `vector` (dim,) with each of `rows`; 0 for a row that the store does not hold."""
        ...

    def holds(self, rows: Rows) -> Mask:
        """Whether it holds each of `rows`."""
        ...

    def vectors_of(self, rows: Rows) -> NDArray[np.float32]:
        """The stored vectors (n, dim) of `rows`, all of which it must hold; for a build that embeds only what changed."""
        ...


class FaissStore:
    """Exact search with FAISS. On disk it is two plain `.npy` files, so that nothing has to be deserialised but numbers."""

    def __init__(self, vectors: NDArray[np.float32], rows: Rows) -> None:
        import faiss

        self._rows = rows
        self._place: dict[int, int] | None = None
        if not np.array_equal(rows, np.arange(len(rows))):
            self._place = {int(row): place for place, row in enumerate(rows)}
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(np.ascontiguousarray(vectors, np.float32))

    @classmethod
    def build(cls, vectors: NDArray[np.float32], rows: Rows | None = None) -> Self:
        """See `VectorStore.build`."""
        places = np.arange(len(vectors), dtype=np.int64) if rows is None else np.asarray(rows, np.int64)
        if vectors.ndim != 2 or len(vectors) != len(places):
            raise ValueError(f"{vectors.shape} vectors do not fit {len(places)} rows")
        return cls(vectors, places)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `VectorStore.load`; raises `Damaged` where the files do not fit each other."""
        try:
            vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
            rows = np.load(folder / "rows.npy", allow_pickle=False)
            return cls.build(vectors, rows)
        except (OSError, ValueError) as error:
            raise Damaged(f"{folder} holds no vectors: {error}.", "Build the index again.") from error

    def save(self, folder: Path) -> None:
        """See `VectorStore.save`."""
        np.save(folder / "vectors.npy", self._all(), allow_pickle=False)
        np.save(folder / "rows.npy", self._rows, allow_pickle=False)

    def __len__(self) -> int:
        """How many vectors it holds."""
        return len(self._rows)

    def search(self, vector: NDArray[np.float32], k: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """See `VectorStore.search`."""
        import faiss

        mask = None if allowed is None else allowed[self._rows]
        k = min(k, len(self) if mask is None else int(np.count_nonzero(mask)))
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        parameters = None
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")
            # The selector keeps a pointer into `bits`, not a copy: both must live until the search is done.
            selector = faiss.IDSelectorBitmap(len(mask), faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # faiss adds it at import
        scores, places = self._index.search(np.asarray(vector, np.float32)[None], k, params=parameters)  # (1, k)
        return self._rows[places[0]], scores[0]

    def similarity(self, vector: NDArray[np.float32], rows: Rows) -> Scores:
        """See `VectorStore.similarity`."""
        found = np.zeros(len(rows), np.float32)
        places = self._places(rows)
        held = places >= 0
        if held.any():
            found[held] = self._all()[places[held]] @ np.asarray(vector, np.float32)
        return found

    def holds(self, rows: Rows) -> Mask:
        """See `VectorStore.holds`."""
        return self._places(rows) >= 0

    def vectors_of(self, rows: Rows) -> NDArray[np.float32]:
        """See `VectorStore.vectors_of`; raises `KeyError` for a row that it does not hold."""
        places = self._places(rows)
        if (places < 0).any():
            raise KeyError(f"rows {rows[places < 0].tolist()} are not in the store")
        return np.array(self._all()[places])

    def _places(self, rows: Rows) -> Rows:
        if self._place is None:
            return np.where((rows >= 0) & (rows < len(self)), rows, -1)
        return np.array([self._place.get(int(row), -1) for row in rows], np.int64)

    def _all(self) -> NDArray[np.float32]:
        """A view of FAISS's own memory, (n, dim)."""
        import faiss

        matrix: NDArray[np.float32] = faiss.rev_swig_ptr(self._index.get_xb(), len(self) * self._index.d)
        return matrix.reshape(len(self), self._index.d)
