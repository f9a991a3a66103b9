"""Vector stores: which rows of the catalog lie nearest to a vector. One protocol, one contract suite for every kind.

`store_for` chooses the kind by the number of vectors: `ExactStore` compares with all of them, `HnswStore` walks a graph of
neighbours over vectors of 8 bits a dimension (Malkov and Yashunin 2018). Clusters (IVF) were slower at the same recall on real
text and are not kept; docs/benchmarks.md has the figures.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from index.strings import mapped
from storage.errors import Damaged

if TYPE_CHECKING:
    import faiss

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
Vectors = NDArray[np.float32] | NDArray[np.float16]

EXACT_UP_TO: Final = 20_000  # vectors of 384 dimensions that are all compared in 2 ms
FILE: Final = "vectors.npy"
_GRAPH: Final = "hnsw.faiss"
_FITTED: Final = "fitted.json"

# Neighbours of a vector in the graph, twice as many on its lowest level; the candidates among which they are chosen.
_NEIGHBOURS: Final = 16
_WIDTH_OF_BUILD: Final = 100
RECALL: Final = 0.985  # of the ten nearest, on the sample; a little above what is promised, .98
SAMPLE: Final = 400  # stored vectors that the width of the search is fitted on
WIDTHS: Final = (64, 96, 128, 192, 256, 384, 512, 768, 1_024)
_CHUNK: Final = 32_768  # vectors that a build holds as float32 at once
_TRAINED: Final = 100_000  # vectors that the range of each dimension is taken from
# A filter that keeps at most so many rows is searched exactly, in 4 ms; the walk would meet too few that it keeps.
FEW: Final = 30_000
# Of what a filter keeps: the walk is made wider until it finds so many, and not for all of the hundreds that are asked for.
ENOUGH: Final = 10
_WIDENING: Final = 0.6  # under a filter that keeps the share s the search is s ** -0.6 times as wide
_BLOCK: Final = 1_024  # rows compared at once: what fits the cache
_LOOPS: Final = 2**20  # of anything in a FAISS file; a graph has a few levels

_READING = threading.Lock()  # FAISS's limits of what a file may ask for are global


class VectorStore(Protocol):
    """Unit vectors of catalog rows under the inner product.

    A store may hold only some rows of the catalog (`rows`); results always name catalog rows. `allowed` is a mask over the
    whole catalog, True where a row may be found; None allows all. What `search` returns is sorted best first, holds no row
    twice and is shorter than `k` where fewer rows are allowed; under a filter an approximate store may stop at `ENOUGH`.
    """

    name: ClassVar[str]
    """The kind, as a manifest names it."""

    dtype: ClassVar[type[np.floating[Any]]]
    """Of the vectors on disk."""

    @classmethod
    def build(cls, vectors: Vectors, rows: Rows | None = None) -> Self:
        """A store of `vectors` (n, dim), which may be memory-mapped; `rows` (n,) are their catalog rows, by default 0 … n-1."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; the caller has checked the folder's hashes."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the store into an existing folder; vectors that are mapped from its own `FILE` lie there already."""
        ...

    def reason(self) -> str:
        """Why this kind serves so many vectors, and what was fitted, in one sentence for a report."""
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


class _Held:
    """The catalog rows of a store's places 0 … n-1; -1 for a place whose vector is not held any more."""

    def __init__(self, rows: Rows, count: int) -> None:
        if len(rows) != count:
            raise ValueError(f"{count} vectors do not fit {len(rows)} rows")
        self._rows = rows
        self._all = np.array_equal(rows, np.arange(count))
        self._order = None if self._all else np.argsort(rows)
        held = rows >= 0
        self._count = int(np.count_nonzero(held))
        self._alive = None if self._count == count else held

    def __len__(self) -> int:
        return self._count

    @property
    def all_rows(self) -> Rows:
        """(places,) as it was given."""
        return self._rows

    def rows(self, places: Rows) -> Rows:
        return places if self._all else self._rows[places]

    def places(self, rows: Rows) -> Rows:
        """The place of each row, -1 where it is not held."""
        if self._order is None:
            return np.where((rows >= 0) & (rows < len(self)), rows, -1)
        if not len(self._rows):
            return np.full(len(rows), -1, np.int64)
        found = np.minimum(np.searchsorted(self._rows, rows, sorter=self._order), len(self._rows) - 1)
        places = self._order[found]
        return np.where((self._rows[places] == rows) & (rows >= 0), places, -1)

    def holds(self, rows: Rows) -> Mask:
        held: Mask = self.places(rows) >= 0
        return held

    def mask(self, allowed: Mask | None) -> Mask | None:
        """(places,) of a mask over the catalog; None where every place may be found."""
        if allowed is None:
            return self._alive
        if self._all:
            return allowed[: len(self)]
        return allowed[self._rows] if self._alive is None else allowed[self._rows] & self._alive

    def save(self, folder: Path) -> None:
        np.save(folder / "rows.npy", self._rows, allow_pickle=False)


class ExactStore:
    """Every vector is compared, with FAISS. On disk it is two plain `.npy` files."""

    name: ClassVar[str] = "exact"
    dtype: ClassVar[type[np.floating[Any]]] = np.float32

    def __init__(self, vectors: NDArray[np.float32], rows: Rows) -> None:
        import faiss

        self._held = _Held(rows, len(vectors))
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(np.ascontiguousarray(vectors, np.float32))

    @classmethod
    def build(cls, vectors: Vectors, rows: Rows | None = None) -> Self:
        """See `VectorStore.build`."""
        return cls(np.asarray(vectors, np.float32), _numbered(vectors, rows))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `VectorStore.load`; raises `Damaged` where the files do not fit each other."""
        return cls.build(*_read(folder))

    def save(self, folder: Path) -> None:
        """See `VectorStore.save`."""
        np.save(folder / FILE, self._all(), allow_pickle=False)
        self._held.save(folder)

    def reason(self) -> str:
        """See `VectorStore.reason`."""
        return f"{len(self)} vectors: up to {EXACT_UP_TO} are all compared within 2 ms"

    def __len__(self) -> int:
        """How many vectors it holds."""
        return len(self._held)

    def search(self, vector: NDArray[np.float32], k: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """See `VectorStore.search`."""
        mask = self._held.mask(allowed)
        k = min(k, len(self) if mask is None else int(np.count_nonzero(mask)))
        if k <= 0:
            return _nothing()
        chosen = _Chosen(mask)
        scores, places = self._index.search(_one(vector), k, params=chosen.parameters())  # (1, k)
        return self._held.rows(places[0]), scores[0]

    def similarity(self, vector: NDArray[np.float32], rows: Rows) -> Scores:
        """See `VectorStore.similarity`."""
        return _where_held(self._held.places(rows), lambda places: self._all()[places] @ vector)

    def holds(self, rows: Rows) -> Mask:
        """See `VectorStore.holds`."""
        return self._held.holds(rows)

    def vectors_of(self, rows: Rows) -> NDArray[np.float32]:
        """See `VectorStore.vectors_of`; raises `KeyError` for a row that it does not hold."""
        return np.array(self._all()[_required(self._held, rows)])

    def _all(self) -> NDArray[np.float32]:
        """A view of FAISS's own memory, (n, dim)."""
        import faiss

        matrix: NDArray[np.float32] = faiss.rev_swig_ptr(self._index.get_xb(), len(self) * self._index.d)
        return matrix.reshape(len(self), self._index.d)


class HnswStore:
    """A graph of neighbours, with FAISS, over vectors of 8 bits a dimension: 530 bytes a vector, memory-mapped.

    The vectors themselves lie beside it in float16; only a build reads them. Where a filter keeps few rows, those are compared
    one by one: the nearest of what is allowed are found however little that is.

    Several threads build the graph, and it depends on how they meet; a store that is built answers the same every time.
    """

    name: ClassVar[str] = "hnsw-sq8"
    dtype: ClassVar[type[np.floating[Any]]] = np.float16

    def __init__(self, index: Any, vectors: Vectors, rows: Rows, fitted: Mapping[str, float]) -> None:
        import faiss

        self._held = _Held(rows, len(vectors))
        self._vectors = vectors
        self._index = index
        self._width = int(fitted["width"])
        self._recall = float(fitted["recall"])
        downcast: Any = faiss.downcast_index  # its stub knows only the base class
        self._storage = downcast(index.storage)
        count, dim = vectors.shape
        self._codes = np.empty((0, dim), np.uint8)
        if count:
            codes: NDArray[np.uint8] = faiss.rev_swig_ptr(self._storage.codes.data(), count * dim)
            self._codes = codes.reshape(count, dim)
        # A code c stands for low + (c + 0.5) / 255 · range, in each dimension.
        low, spread = faiss.vector_to_array(self._storage.sq.trained).reshape(2, dim)
        self._scale = (spread / 255).astype(np.float32)  # (dim,)
        self._offset = (low + spread / 510).astype(np.float32)  # (dim,)

    @classmethod
    def build(cls, vectors: Vectors, rows: Rows | None = None) -> Self:
        """See `VectorStore.build`."""
        import faiss

        rows, (count, dim) = _numbered(vectors, rows), vectors.shape
        make: Any = faiss.IndexHNSWSQ  # its stub has the C++ signature of another constructor
        index = make(dim, faiss.ScalarQuantizer.QT_8bit, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _WIDTH_OF_BUILD
        index.train(_floats(vectors, _spread(count, _TRAINED)) if count else np.eye(1, dim, dtype=np.float32))
        for start in range(0, count, _CHUNK):
            index.add(np.ascontiguousarray(vectors[start : start + _CHUNK], np.float32))
        store = cls(index, vectors, rows, {"width": WIDTHS[-1], "recall": 1.0})
        store._fit()
        return store

    def extended(self, before: Path, folder: Path, moved: Rows, vectors: Vectors, rows: Rows) -> Self:
        """This store with other rows: some places are given up, `vectors` (n, dim) are added at the end as those of `rows` (n,).

        The graph keeps its old places, which lead to others and are never found, its range of each dimension and its width: only
        so many should change before it is built anew. Written to `folder`, but for what `save` adds.

        Args:
            before: the folder that this store was loaded from.
            folder: an existing empty one.
            moved: (products before,) the row that each is now, -1 where its vector is not held any more.
            vectors: those to add.
            rows: of these.
        """
        old = self._held.all_rows
        held = np.where(old >= 0, moved[np.maximum(old, 0)], -1)  # (places before,)
        count, dim = self._vectors.shape
        table = np.lib.format.open_memmap(folder / FILE, "w+", dtype=self.dtype, shape=(count + len(vectors), dim))
        table[:count], table[count:] = self._vectors, vectors
        index = _graph_in(before, 0)
        for start in range(0, len(vectors), _CHUNK):
            index.add(np.ascontiguousarray(table[count + start : count + start + _CHUNK], np.float32))
        fitted = {"width": self._width, "recall": self._recall}
        return type(self)(index, table, np.concatenate([held, rows]), fitted)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `VectorStore.load`; raises `Damaged` where the files do not fit each other."""
        import faiss

        vectors, rows = _read(folder)
        try:
            fitted = json.loads((folder / _FITTED).read_text(encoding="utf-8"))
            index = _graph_in(folder, faiss.IO_FLAG_MMAP_IFC)
            whole = isinstance(index, faiss.IndexHNSWSQ) and (index.ntotal, index.d) == vectors.shape
            if not whole or index.metric_type != faiss.METRIC_INNER_PRODUCT:
                raise ValueError(f"{_GRAPH} does not fit {vectors.shape} vectors")
            return cls(index, vectors, rows, fitted)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise Damaged(f"{folder} holds no graph of vectors: {error}.", "Build the index again.") from error

    def save(self, folder: Path) -> None:
        """See `VectorStore.save`."""
        import faiss

        if not isinstance(self._vectors, np.memmap) or Path(str(self._vectors.filename)) != (folder / FILE).absolute():
            np.save(folder / FILE, self._vectors.astype(self.dtype), allow_pickle=False)
        self._held.save(folder)
        fitted = {"width": self._width, "recall": self._recall}
        (folder / _FITTED).write_text(json.dumps(fitted), encoding="utf-8")
        try:
            faiss.write_index(self._index, str(folder / _GRAPH))
        except RuntimeError as error:  # how FAISS says that the disk is full
            raise OSError(str(error)) from error

    def reason(self) -> str:
        """See `VectorStore.reason`."""
        return (
            f"{len(self)} vectors: above {EXACT_UP_TO} comparing with all takes too long; "
            f"searched {self._width} wide, recall@10 {self._recall:.3f} on a sample"
        )

    def __len__(self) -> int:
        """How many vectors it holds."""
        return len(self._held)

    def search(self, vector: NDArray[np.float32], k: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """See `VectorStore.search`."""
        mask = self._held.mask(allowed)
        room = len(self) if mask is None else int(np.count_nonzero(mask))
        k = min(k, room)
        if k <= 0:
            return _nothing()
        if mask is not None and room <= FEW:
            places = np.flatnonzero(mask)
            scores = self._compared(vector, places)
            best = np.argpartition(-scores, k - 1)[:k]
            best = best[np.argsort(-scores[best], kind="stable")]
            return self._held.rows(places[best]), scores[best]
        count = len(self._codes)
        chosen = _Chosen(mask if room < count else None)
        width = int(self._width * (room / count) ** -_WIDENING)
        for wider in (1, 2, 4, 8):
            places, scores = self._walk(vector, k, wider * width, chosen)
            if len(places) >= min(k, ENOUGH):
                return self._held.rows(places), scores
        # The graph leads to too few of them.
        scores, places = (found[0] for found in self._storage.search(_one(vector), k, params=chosen.parameters()))
        return self._held.rows(places), scores

    def similarity(self, vector: NDArray[np.float32], rows: Rows) -> Scores:
        """See `VectorStore.similarity`."""
        return _where_held(self._held.places(rows), lambda places: self._compared(vector, places))

    def holds(self, rows: Rows) -> Mask:
        """See `VectorStore.holds`."""
        return self._held.holds(rows)

    def vectors_of(self, rows: Rows) -> NDArray[np.float32]:
        """See `VectorStore.vectors_of`; raises `KeyError` for a row that it does not hold."""
        return _floats(self._vectors, _required(self._held, rows))

    def _walk(self, vector: NDArray[np.float32], k: int, width: int, chosen: _Chosen) -> tuple[Rows, Scores]:
        import faiss

        parameters = faiss.SearchParametersHNSW(efSearch=width, sel=chosen.selector)  # type: ignore[attr-defined]
        scores, places = self._index.search(_one(vector), k, params=parameters)  # (1, k), -1 where nothing was found
        found = places[0] >= 0
        return places[0][found], scores[0][found]

    def _compared(self, vector: NDArray[np.float32], places: Rows) -> Scores:
        """The cosine with each place, (places,)."""
        scaled = np.asarray(vector, np.float32) * self._scale  # (dim,)
        scores = np.empty(len(places), np.float32)
        for start in range(0, len(places), _BLOCK):
            block = slice(start, start + _BLOCK)
            scores[block] = self._codes[places[block]].astype(np.float32) @ scaled
        return scores + np.float32(self._offset @ vector)

    def _fit(self) -> None:
        """Takes the narrowest search that finds enough of the ten nearest of a sample, or the widest where none does."""
        places = _spread(len(self), SAMPLE)
        if not len(places):
            return
        queries = _floats(self._vectors, places)  # (sample, dim)
        # The eleventh best: each finds itself. Equal vectors are as good as each other, so cosines are compared, not rows.
        least = self._nearest(queries, 11)[:, -1] - 1e-4  # (sample,)
        everything = _Chosen(None)
        for width in WIDTHS:
            shares = []
            for query, bound in zip(queries, least, strict=True):
                found, _ = self._walk(query, min(11, len(self)), width, everything)
                exact = _floats(self._vectors, found) @ query
                shares.append((np.count_nonzero(exact >= bound) - 1) / max(1, min(10, len(self) - 1)))
            self._width, self._recall = width, float(np.clip(np.mean(shares), 0, 1))
            if self._recall >= RECALL:
                return

    def _nearest(self, queries: NDArray[np.float32], k: int) -> NDArray[np.float32]:
        """The `k` highest cosines of each query with all vectors, falling, (queries, k); fewer where there are fewer."""
        best = np.empty((len(queries), 0), np.float32)
        for start in range(0, len(self), _CHUNK):
            scores = queries @ np.asarray(self._vectors[start : start + _CHUNK], np.float32).T
            best = -np.sort(-np.concatenate([best, scores], 1), 1)[:, :k]
        return best


KINDS: Final[dict[str, type[VectorStore]]] = {store.name: store for store in (ExactStore, HnswStore)}


def store_for(count: int) -> type[VectorStore]:
    """The kind of store that serves so many vectors best."""
    return ExactStore if count <= EXACT_UP_TO else HnswStore


def _spread(count: int, most: int) -> Rows:
    """At most so many of the places 0 … count-1, evenly spread."""
    return np.unique(np.linspace(0, max(0, count - 1), min(count, most)).astype(np.int64))


def _floats(vectors: Vectors, places: Rows) -> NDArray[np.float32]:
    return np.asarray(vectors[places], np.float32)


def _numbered(vectors: Vectors, rows: Rows | None) -> Rows:
    if vectors.ndim != 2:
        raise ValueError(f"{vectors.shape} is no table of vectors")
    return np.arange(len(vectors)) if rows is None else np.asarray(rows, np.int64)


def _read(folder: Path) -> tuple[Vectors, Rows]:
    vectors, rows = mapped(folder / FILE), mapped(folder / "rows.npy")
    if vectors.ndim != 2 or rows.shape != vectors.shape[:1]:
        raise Damaged(f"{folder} holds {vectors.shape} vectors of {rows.shape} rows.", "Build the index again.")
    return vectors, rows


def _graph_in(folder: Path, flags: int) -> Any:
    import faiss

    path = folder / _GRAPH
    with _READING:
        # Nothing in the file can be longer than the file.
        faiss.set_deserialization_vector_byte_limit(path.stat().st_size)
        faiss.set_deserialization_loop_limit(_LOOPS)
        return faiss.read_index(str(path), flags)


def _one(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(vector, np.float32)[None]  # (1, dim)


def _nothing() -> tuple[Rows, Scores]:
    return np.empty(0, np.int64), np.empty(0, np.float32)


def _where_held(places: Rows, scores: Callable[[Rows], Scores]) -> Scores:
    """(places,) the scores of those that are held, 0 for a place of -1."""
    found = np.zeros(len(places), np.float32)
    held = places >= 0
    if held.any():
        found[held] = scores(places[held])
    return found


class _Chosen:
    """A mask over places as FAISS takes it; it must live until the search is done, for FAISS keeps pointers into it."""

    def __init__(self, mask: Mask | None) -> None:
        import faiss

        self._bits = None if mask is None else np.packbits(mask, bitorder="little")
        self.selector = None
        if mask is not None and self._bits is not None:
            self.selector = faiss.IDSelectorBitmap(len(mask), faiss.swig_ptr(self._bits))

    def parameters(self) -> faiss.SearchParameters | None:
        """Of an exact search; None where all are chosen."""
        import faiss

        return None if self.selector is None else faiss.SearchParameters(sel=self.selector)  # type: ignore[call-arg]  # faiss adds it at import


def _required(held: _Held, rows: Rows) -> Rows:
    places = held.places(rows)
    if (places < 0).any():
        raise KeyError(f"rows {rows[places < 0].tolist()} are not in the store")
    return places
