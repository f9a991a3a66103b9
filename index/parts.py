"""Writing the parts of a version: all of them anew, or what changed laid over a copy of the version before.

Of the version before, arrays are copied at the speed of memory, and only what changed is taken apart into words, embedded and
counted. Files are copied and not shared by hard links: a bit that turns in one version must leave the one before whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index.base import Base, resized
from index.categories import CategoryIndex
from index.clean import is_cjk
from index.documents import DocumentIndex
from index.encoders import Encoder, document_text, script_of
from index.facet_writer import FacetWriter
from index.graph import Edits
from index.graph.observe import Observations
from index.graph.publish import write_graph
from index.keywords import KeywordWriter
from index.ngrams import NgramIndex, NgramWriter, TitleNgrams
from index.product import Product
from index.products import Change, ProductStore
from index.snapshot import FORMAT, SMALL_CATALOG, Layout, Snapshot
from index.titles import Titles
from index.variant_ids import VariantIds
from index.vectors import FILE as VECTORS
from index.vectors import HnswStore, VectorStore, store_for
from index.words import WordIndex, WordWriter
from storage.settings import ShopSettings

Rows = NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total), total 0 where it is not known; stages are "read", "embed" and "index"."""

NGRAM_CHARACTERS: Final = 1_000
HAN_SHARE: Final = 0.01  # of the products; fewer Chinese ones are strays that do not pay for a second encoder
MOST_RESTATED: Final = (
    0.2  # of the products since the last whole build; what approximations they leave behind stays small
)
_HASH_BYTES: Final = 16
_CHUNK: Final = 8_192  # texts handed to an encoder at once: it compiles the model for many of them each time, .2 s


class Parts:
    """The parts of one version, of products that lie in its folder already.

    `whole` where all are built anew: there is no version before, or too much has changed since the last one that was built so.
    """

    def __init__(
        self,
        layout: Layout,
        change: Change,
        before: Snapshot | None,
        settings: ShopSettings,
        encoders: Callable[[str], Encoder],
        progress: Progress,
    ) -> None:
        self.layout = layout
        self.change = change
        self.before = before
        self.settings = settings
        self.encoders = encoders
        self.progress = progress
        self.store = ProductStore(layout.products)
        self.embedded = 0
        self.reused = 0
        self.edges = 0
        # Rows that are removed without another taking their place are changes too.
        changed = len(change.restated) + max(0, change.before - change.size)
        self.restated = changed + (before.restated if before else 0)
        grown = (change.before <= SMALL_CATALOG) != (change.size <= SMALL_CATALOG)
        self.whole = before is None or grown or self.restated > MOST_RESTATED * change.size
        if self.whole:
            self.restated = 0

    def write(
        self, documents: DocumentIndex, read_at: int, edits: Edits, baskets: Iterable[Sequence[str]]
    ) -> dict[str, Any]:
        """Writes every part; returns the facts for the manifest."""
        np.save(self.layout.read_at, self._read_at(read_at), allow_pickle=False)
        np.save(self.layout.added_at, self._added_at(read_at), allow_pickle=False)
        hashes, han = self._looked_at()
        spaces = self._spaces(han, documents)
        texts = self._folder("texts")
        np.save(texts / "hashes.npy", hashes, allow_pickle=False)
        np.save(texts / "mostly_han.npy", han, allow_pickle=False)
        total = sum(int(np.count_nonzero(held)) for held in spaces.values())
        used: dict[str, Encoder] = {}
        made: dict[str, VectorStore] = {}
        for space, held in spaces.items():
            used[space] = self.encoders(space)
            made[space] = self._write_vectors(space, used[space], hashes, np.flatnonzero(held).astype(np.int64), total)
            np.save(texts / f"{space}.npy", held, allow_pickle=False)
        self._write_others(self._embedded_documents(documents, used), used, made, edits, baskets)
        return {
            "format": FORMAT,
            "restated": self.restated,
            "products": len(self.store),
            "documents": len(documents),
            "currency": self.settings.currency,
            "encoders": {space: encoder.hash for space, encoder in used.items()},
            "stores": {space: {"kind": store.name, "reason": store.reason()} for space, store in made.items()},
        }

    def _write_others(
        self,
        documents: DocumentIndex,
        used: Mapping[str, Encoder],
        made: Mapping[str, VectorStore],
        edits: Edits,
        baskets: Iterable[Sequence[str]],
    ) -> None:
        """Writes all that is no vector of a product."""
        seen = self._write_by_product()

        def graph() -> None:
            words = WordIndex.load(self.layout.part("words"))
            variants = VariantIds.load(self.layout.part("facets"))

            def row_of(item_id: str) -> int | None:
                row = self.store.row_of(item_id)
                return variants.row_of(item_id) if row is None else row

            self.edges = write_graph(self._folder("graph"), seen, row_of, words, edits, baskets)

        parts: Sequence[Callable[[], None]] = (
            self._write_ngrams,
            lambda: self._categories(used, made).save(self._folder("categories")),
            lambda: documents.save(self._folder("documents")),
            graph,
        )
        for done, write in enumerate(parts):
            self.progress("index", self._to_write + done, self._to_write + len(parts))
            write()
        self.progress("index", self._to_write + len(parts), self._to_write + len(parts))

    @property
    def _to_write(self) -> int:
        """How many products are taken apart."""
        return len(self.store) if self.whole else len(self.change.restated) + len(self.change.repriced)

    def _write_by_product(self) -> Observations:
        """Keywords, facets, words and what the graph counts, in one pass: reading a record costs as much as any of them does."""
        merged = len(self.store) > SMALL_CATALOG
        facets = FacetWriter(self._folder("facets"), self._base("facets"))
        seen = Observations(self._base("graph"))
        writers = (
            KeywordWriter(self._folder("keywords"), self._base("keywords"), merged=merged),
            facets,
            WordWriter(self._folder("words"), self._base("words")),
            seen,
        )
        if self.before is not None and not self.whole:
            for stale in map(self.before.products.get, np.flatnonzero(self.change.stale).tolist()):
                for writer in writers:
                    writer.remove(stale)
        repriced = frozenset() if self.whole else frozenset(self.change.repriced.tolist())
        for done, (row, product) in enumerate(self._written()):
            if done % 500 == 0:
                self.progress("index", done, self._to_write + 1)
            if row in repriced:
                facets.price(row, product)
                continue
            for writer in writers:
                writer.add(row, product)
        for writer in writers:
            writer.close(len(self.store))
        return seen

    def _written(self) -> Iterator[tuple[int, Product]]:
        """The products to take apart with their rows, which ascend."""
        if self.whole:
            yield from enumerate(self.store)
        else:
            for row in np.sort(np.concatenate([self.change.restated, self.change.repriced])).tolist():
                yield row, self.store.get(row)

    def _write_ngrams(self) -> None:
        folder, before = self._folder("ngrams"), None if self.whole or self.before is None else self.before.ngrams
        restated = np.arange(len(self.store)) if before is None else self.change.restated
        if len(self.store) > SMALL_CATALOG:
            titles = Titles.load(self.layout.part("facets")).texts
            large = before.updated(titles, restated) if isinstance(before, TitleNgrams) else TitleNgrams.build(titles)
            large.save(folder)
            return
        writer = NgramWriter(folder)
        writer.add(restated, [_spelled_text(self.store.get(row)) for row in restated.tolist()])
        base = self._base("ngrams")
        kept = before.kept(base.moved) if base and isinstance(before, NgramIndex) else None
        writer.close(len(self.store), kept)

    def _categories(self, used: Mapping[str, Encoder], made: Mapping[str, VectorStore]) -> CategoryIndex:
        if self.before is None or self.whole:
            return CategoryIndex.build(self.store, used, made)
        changed = ((row, self.store.get(row)) for row in self.change.restated.tolist())
        known = [space for space, encoder in used.items() if self.before.encoder_hashes.get(space) == encoder.hash]
        return self.before.categories.updated(len(self.store), changed, used, made, known)

    def _read_at(self, now: int) -> NDArray[np.int64]:
        """(products,) when each was read: now, or as before where this catalog does not name it."""
        read_at = np.full(len(self.store), now, np.int64)
        if self.before is not None and self.before.facets.read_at is not None:
            taken = np.ones(len(self.store), np.bool_)
            taken[self.change.read] = False
            read_at[taken] = self.before.facets.read_at[np.flatnonzero(taken)]
        return read_at

    def _added_at(self, now: int) -> NDArray[np.int64]:
        """(products,) when each came: now, if the version before has no product of its id; 0 if it was there from the start."""
        if self.before is None:
            return np.zeros(len(self.store), np.int64)
        before, known = self.before.added_at, self.before.products
        added_at = resized(before, len(self.store))
        for row in self.change.restated.tolist():
            held = known.row_of(self.store.get(row).id)
            added_at[row] = now if held is None else before[held]
        return added_at

    def _looked_at(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """(products, 16) hashes of what is embedded, and (products,) whether it is mostly Chinese, Japanese or Korean."""
        if self.before is None or self.whole:
            rows, products = np.arange(len(self.store)), iter(self.store)
            hashes, han = np.empty((len(self.store), _HASH_BYTES), np.uint8), np.empty(len(self.store), np.bool_)
        else:
            rows, products = self.change.restated, map(self.store.get, self.change.restated.tolist())
            texts = Layout(self.before.folder).part("texts")
            hashes = resized(np.load(texts / "hashes.npy", allow_pickle=False), len(self.store))
            han = resized(np.load(texts / "mostly_han.npy", allow_pickle=False), len(self.store))
        for row, product in zip(rows.tolist(), products, strict=True):
            text = document_text(product)
            digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
            hashes[row] = np.frombuffer(digest, np.uint8)
            han[row] = _is_han(text)
        return hashes, han

    def _spaces(self, han: NDArray[np.bool_], documents: DocumentIndex) -> dict[str, NDArray[np.bool_]]:
        """The vector spaces that the shop carries, each with the rows that it holds, (products,).

        "han" is multilingual and holds everything, so that a Chinese question finds English products; "latin" holds what is
        mostly Latin. A shop in one script carries one space.
        """
        asked = "languages" in self.settings.model_fields_set and set(self.settings.languages) != {"en"}
        told = any(document.language.startswith("zh") for document in documents.documents)
        spaces = {}
        if not (asked or told or han.mean() >= HAN_SHARE):
            return {"latin": np.ones_like(han)}
        if not han.all():
            spaces["latin"] = ~han
        return spaces | {"han": np.ones_like(han)}

    def _write_vectors(
        self, space: str, encoder: Encoder, hashes: NDArray[np.uint8], rows: Rows, total: int
    ) -> VectorStore:
        """The vectors of a space: taken from the version before where the text is the same, else embedded."""
        folder = self.layout.vectors(space)
        folder.mkdir(parents=True)
        old_rows = self._known(space, encoder, hashes, rows)  # (rows,) in the version before, -1 where it is new
        known, new = np.flatnonzero(old_rows >= 0), np.flatnonzero(old_rows < 0)
        self.reused += len(known)
        self.progress("embed", self.embedded + self.reused, total)
        kind = store_for(len(rows))
        before = self.before.vectors.get(space) if self.before is not None and len(known) else None
        store: VectorStore
        if self.before is not None and not self.whole and kind is HnswStore and isinstance(before, HnswStore):
            moved = np.full(self.change.before, -1, np.int64)
            moved[old_rows[known]] = rows[known]
            added = np.empty((len(new), encoder.dim), kind.dtype)
            self._embed(encoder, rows[new], added, np.arange(len(new)), total)
            store = before.extended(Layout(self.before.folder).vectors(space), folder, moved, added, rows[new])
        else:
            shape = (len(rows), encoder.dim)
            vectors: NDArray[np.floating[Any]] = np.lib.format.open_memmap(
                folder / VECTORS, "w+", dtype=kind.dtype, shape=shape
            )
            for chunk in (known[start : start + _CHUNK] for start in range(0, len(known), _CHUNK)):
                assert before is not None  # else nothing were known
                vectors[chunk] = before.vectors_of(old_rows[chunk])
            self._embed(encoder, rows[new], vectors, new, total)
            self.progress("index", 0, 0)
            store = kind.build(vectors, rows)
        store.save(folder)
        return store

    def _embed(
        self, encoder: Encoder, rows: Rows, vectors: NDArray[np.floating[Any]], places: Rows, total: int
    ) -> None:
        """Embeds the products of some rows into places of a table, (rows,) each."""

        def count(done: int) -> None:
            self.embedded += done
            self.progress("embed", self.embedded + self.reused, total)

        for start in range(0, len(rows), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            texts = [document_text(self.store.get(row)) for row in rows[chunk].tolist()]
            vectors[places[chunk]] = encoder.encode_documents(texts, count)

    def _known(self, space: str, encoder: Encoder, hashes: NDArray[np.uint8], rows: Rows) -> Rows:
        """(rows,) where the version before has the vector of the same text by the same encoder, -1 where it has none."""
        before, change = self.before, self.change
        if before is None or before.encoder_hashes.get(space) != encoder.hash:
            return np.full(len(rows), -1, np.int64)
        texts = Layout(before.folder).part("texts")
        old_hashes = np.load(texts / "hashes.npy", allow_pickle=False)
        old_held = np.load(texts / f"{space}.npy", allow_pickle=False)
        was = np.arange(change.size)  # (products,) the row that each had
        for row in change.restated.tolist():
            old = before.row_of(
                self.store.get(row).id
            )  # another one where the product took the row of one that is gone
            was[row] = -1 if old is None else old
        found = was[rows]
        same = (found >= 0) & old_held[found] & (old_hashes[found] == hashes[rows]).all(1)
        return np.where(same, found, -1)

    def _embedded_documents(self, documents: DocumentIndex, used: Mapping[str, Encoder]) -> DocumentIndex:
        """The documents with vectors of their passages; those that the same encoder embedded before are taken over."""
        passages = documents.passages
        vectors, places = {}, {}
        for space, encoder in used.items():
            chosen = [place for place, passage in enumerate(passages) if _belongs(space, passage.text, used)]
            texts = [passages[place].embedded for place in chosen]
            known = _embedded_before(self.before, space, encoder)
            new = [text for text in dict.fromkeys(texts) if text not in known]
            known |= dict(zip(new, encoder.encode_documents(new), strict=True))
            vectors[space] = np.array([known[text] for text in texts], np.float32).reshape(-1, encoder.dim)
            places[space] = np.array(chosen, np.int64)
        return DocumentIndex(documents.documents, vectors, places)

    def _folder(self, name: str) -> Path:
        """A new folder for a part."""
        folder = self.layout.part(name)
        folder.mkdir()
        return folder

    def _base(self, name: str) -> Base | None:
        """What a part takes over; None where it is built anew."""
        if self.before is None or self.whole:
            return None
        return Base(Layout(self.before.folder).part(name), self.change.stale)


def _spelled_text(product: Product) -> str:
    """What n-grams are counted in where the catalog is small."""
    return f"{product.title} {product.description[:NGRAM_CHARACTERS]}"


def _is_han(text: str) -> bool:
    """Whether at least a fifth of the letters are; a Chinese character says as much as several Latin ones."""
    if script_of(text) == "latin":
        return False
    letters = sum(map(str.isalpha, text))
    return sum(map(is_cjk, text)) * 5 >= letters


def _belongs(space: str, text: str, used: Mapping[str, Encoder]) -> bool:
    """Whether a passage is embedded in a space: in "han" all are, in "latin" what is not mostly Chinese."""
    return space == "han" or "han" not in used or not _is_han(text)


def _embedded_before(before: Snapshot | None, space: str, encoder: Encoder) -> dict[str, NDArray[np.float32]]:
    if before is None or before.encoder_hashes.get(space) != encoder.hash or space not in before.documents.vectors:
        return {}
    passages: Sequence[Any] = before.documents.passages
    pairs = zip(before.documents.places[space], before.documents.vectors[space], strict=True)
    return {passages[place].embedded: vector for place, vector in pairs}
