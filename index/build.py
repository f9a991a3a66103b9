"""Building the index: read the catalog, embed what changed, publish a version. A run that fails changes nothing."""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index.categories import CategoryIndex
from index.clean import is_cjk
from index.documents import DocumentIndex, read_documents
from index.encoders import Encoder, document_text, script_of
from index.facets import FacetWriter
from index.graph import EDGES_FILE, Edits
from index.graph.observe import Observations
from index.graph.publish import shop_edits, write_graph
from index.keywords import KeywordWriter
from index.ngrams import NgramIndex, TitleNgrams
from index.previous import kept_of, removed_from, retriever_of, version_before
from index.product import Product
from index.products import ProductStore, ProductWriter
from index.readers import Notes, read_rows
from index.retriever import Retriever
from index.snapshot import SMALL_CATALOG, Layout, Snapshot, index_versions
from index.titles import Titles
from index.variant_ids import VariantIds
from index.vectors import FILE as VECTORS
from index.vectors import VectorStore, store_for
from index.words import WordIndex, WordWriter
from storage.errors import InvalidInput
from storage.record import now_ms
from storage.rows import Rejects, RowProblem, rejected_file
from storage.settings import ShopSettings

Rows = NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total), total 0 where it is not known; stages are "read", "embed" and "index"."""

NGRAM_CHARACTERS: Final = 1_000
HAN_SHARE: Final = 0.01  # of the products; fewer Chinese ones are strays that do not pay for a second encoder
_HASH_BYTES: Final = 16
_CHUNK: Final = 8_192  # texts handed to an encoder at once: it compiles the model for many of them each time, .2 s


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a run did. `embedded` and `reused` count vectors, in all spaces; `bad_fields` optional values that became null.

    `graph_edges` are those in force, written to `graph_file`; `graph_rejected` rows of the shop's own `graph.csv` were not usable.
    `stores` says of each space which kind of vector store was chosen, and why.
    """

    version: str
    products: int
    embedded: int
    reused: int
    removed: int
    rejected: int
    rejected_file: str | None
    rejected_reasons: dict[str, int]
    bad_fields: dict[str, int]
    unused_columns: dict[str, int]
    documents: int
    graph_edges: int
    graph_file: str
    graph_rejected: int
    graph_rejected_file: str | None
    graph_rejected_reasons: dict[str, int]
    spaces: tuple[str, ...]
    stores: dict[str, dict[str, str]]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as one JSON object."""
        return asdict(self)


def build_index(
    catalog: Path | None,
    shop: Path,
    settings: ShopSettings,
    encoders: Mapping[str, Encoder] | Callable[[str], Encoder],
    documents: Path | None = None,
    *,
    baskets: Iterable[Sequence[str]] = (),
    update: bool = False,
    allow_shrink: bool = False,
    max_rejected: float = 0.01,
    rejected: Path | None = None,
    progress: Progress | None = None,
    retriever: Retriever | None = None,
) -> BuildReport:
    """Builds and publishes a version of the shop's index.

    Args:
        catalog: the whole catalog, or with `update` the products to add or replace; None leaves the products as they are.
        shop: the shop's folder; the edits of the graph are read from `graph.csv` in it.
        settings: its settings; columns, currency and languages are used.
        encoders: the pretrained encoder of each space, or a function that gives it and is asked only for the spaces that are
            needed.
        documents: a folder of Markdown files; without one the documents of the version before are kept.
        baskets: the ids of the products or variants that each person bought, for what is bought together.
        update: keep the products that `catalog` does not name.
        allow_shrink: allow more than a fifth of the products to disappear.
        max_rejected: share of the catalog's rows, and of the graph's, that may be rejected, 0 to 1.
        rejected: where to write rejected rows, by default a file in `<shop>/rejected/`.
        progress: called as the work goes on.
        retriever: what takes the place of pretrained encoders and default weights; by default what the version before has.

    Raises:
        NotFound: there is no version before to update.
        InvalidInput: the catalog or the graph's file cannot be read, or the catalog holds no product or would remove too many.
        Damaged: the version before cannot be read, and with it the documents to keep or the products to compare with.
        TooManyRejected: more rows than allowed were rejected.
        Conflict: another process is building this shop's index.
        Unavailable: the disk is full. In every case the version before is served on.
    """
    started, read_at = time.perf_counter(), now_ms()
    versions = index_versions(shop)
    pretrained = encoders.__getitem__ if isinstance(encoders, Mapping) else encoders
    update = update or catalog is None
    with versions.lock():
        versions.sweep()
        edits, edited = shop_edits(shop, max_rejected)
        before = version_before(versions, update=update)
        tuned = retriever or retriever_of(before, shop)

        def encoder_of(space: str) -> Encoder:
            return Encoder.load(tuned.encoders[space]) if space in tuned.encoders else pretrained(space)

        kept = kept_of(versions, before, documents, allow_shrink=allow_shrink)
        with versions.stage() as folder, _full_disk(versions.root):
            run = _Run(Layout(folder), before, kept.documents, settings, encoder_of, progress or _silent)
            reading = run.read(catalog, update=update, max_rejected=max_rejected, rejected=rejected, shop=shop)
            removed = 0 if update else removed_from(kept.products, run.writer, allow_shrink=allow_shrink)
            meta = run.index(documents, read_at, edits, baskets)
            tuned.copy_into(folder, meta["encoders"])
            meta |= {"catalog": catalog.name if catalog else None, "read_at": read_at}
            meta |= {"graph": edited, "retriever": tuned.meta}
            version = versions.publish(folder, meta).name
        versions.sweep()
    return BuildReport(
        version=version,
        products=len(run.writer),
        embedded=run.embedded,
        reused=run.reused,
        removed=removed,
        **reading,
        documents=int(meta["documents"]),
        graph_edges=run.edges,
        graph_file=str(versions.root / version / "graph" / EDGES_FILE),
        graph_rejected=edits.rejects.count,
        graph_rejected_file=edits.rejected_file,
        graph_rejected_reasons=edits.rejects.by_reason,
        spaces=tuple(meta["encoders"]),
        stores=meta["stores"],
        seconds=round(time.perf_counter() - started, 3),
    )


class _Run:
    """One build, from the catalog's rows to a complete folder."""

    def __init__(
        self,
        layout: Layout,
        before: Snapshot | None,
        documents: DocumentIndex,
        settings: ShopSettings,
        encoders: Callable[[str], Encoder],
        progress: Progress,
    ) -> None:
        self.layout = layout
        self.before = before
        self.documents = documents
        self.settings = settings
        self.encoders = encoders
        self.progress = progress
        self.writer = ProductWriter(layout.products)
        self.embedded = 0
        self.reused = 0
        self.edges = 0

    def read(
        self, catalog: Path | None, *, update: bool, max_rejected: float, rejected: Path | None, shop: Path
    ) -> dict[str, Any]:
        """Validates the catalog's rows into the product store; rejected rows are written before anything can fail."""
        rejects, notes, taken = Rejects(), Notes(), set[str]()
        if update and self.before is not None:
            self.writer.copy(self.before.products)

        def earlier(product_id: str) -> Product | None:
            """What a group of rows builds on, and replaces without loss."""
            if (product := self.writer.find(product_id)) is not None:
                taken.add(product_id)
            return product

        columns, currency = self.settings.catalog.columns, self.settings.currency
        rows = read_rows(catalog, columns, currency, notes, earlier) if catalog else ()
        for done, (line, item) in enumerate(rows):
            if isinstance(item, RowProblem):
                rejects.add_problem(item)
            elif item is not None:
                replaced = self.writer.put(line, item)
                if replaced is not None and replaced[0] and item.id not in taken:
                    reason = "duplicate id: a later row replaced it"
                    rejects.add(replaced[0], reason, json.loads(replaced[1]))
            if done % 500 == 0:
                self.progress("read", notes.rows, 0)
        self.progress("read", notes.rows, notes.rows)
        file = None
        if rejects.count and catalog:
            file = rejected or rejected_file(shop, catalog.name.split(".")[0])
            rejects.write(file)
        rejects.check(notes.rows, max_rejected)
        if not len(self.writer):
            raise InvalidInput(
                f"{catalog} holds no usable product.",
                "It needs id and title; [catalog.columns] in shop.toml maps columns of other names.",
            )
        return {
            "rejected": rejects.count,
            "rejected_file": str(file) if file else None,
            "rejected_reasons": rejects.by_reason,
            "bad_fields": dict(notes.bad.most_common()),
            "unused_columns": dict(notes.unused.most_common()),
        }

    def index(
        self, documents_folder: Path | None, read_at: int, edits: Edits, baskets: Iterable[Sequence[str]]
    ) -> dict[str, Any]:
        """Writes every part of the snapshot; returns the facts for its manifest."""
        self.writer.close()
        store = ProductStore(self.layout.products)
        np.save(self.layout.read_at, self._read_at(store, read_at), allow_pickle=False)
        documents = self._documents(documents_folder)
        hashes, han = _looked_at(store)
        spaces = self._spaces(han, documents)
        texts = self.layout.part("texts")
        texts.mkdir()
        np.save(texts / "hashes.npy", hashes, allow_pickle=False)
        total = sum(int(np.count_nonzero(held)) for held in spaces.values())
        used: dict[str, Encoder] = {}
        made: dict[str, VectorStore] = {}
        stores: dict[str, dict[str, str]] = {}
        for space, held in spaces.items():
            used[space] = self.encoders(space)
            folder = self.layout.vectors(space)
            folder.mkdir(parents=True)
            rows = np.flatnonzero(held).astype(np.int64)
            kind = store_for(len(rows))
            vectors = self._vectors(space, used[space], store, hashes, rows, total, folder / VECTORS, kind.dtype)
            self.progress("index", 0, 0)
            vector_store = kind.build(vectors, rows)
            vector_store.save(folder)
            made[space] = vector_store
            stores[space] = {"kind": kind.name, "reason": vector_store.reason()}
            np.save(texts / f"{space}.npy", held, allow_pickle=False)
        seen = self._write_parts(store, self._embedded_documents(documents, used), used, made)
        words = WordIndex.load(self.layout.part("words"))
        variants = VariantIds.load(self.layout.part("facets"))

        def row_of(item_id: str) -> int | None:
            row = store.row_of(item_id)
            return variants.row_of(item_id) if row is None else row

        self.edges = write_graph(self.layout.part("graph"), seen, row_of, words, edits, baskets)
        return {
            "products": len(store),
            "documents": len(documents),
            "currency": self.settings.currency,
            "encoders": {space: encoder.hash for space, encoder in used.items()},
            "stores": stores,
        }

    def _write_parts(
        self,
        store: ProductStore,
        documents: DocumentIndex,
        used: Mapping[str, Encoder],
        made: Mapping[str, VectorStore],
    ) -> Observations:
        """Writes all parts but the graph, for which it gives what was counted on the way."""
        parts: dict[str, Callable[[Path], None]] = {
            "ngrams": lambda folder: self._write_ngrams(store, folder),
            "categories": lambda folder: CategoryIndex.build(store, used, made).save(folder),
            "documents": documents.save,
        }
        total = len(store) + len(parts)
        seen = self._write_by_product(store, total)
        for done, (name, write) in enumerate(parts.items(), len(store)):
            self.progress("index", done, total)
            folder = self.layout.part(name)
            folder.mkdir()
            write(folder)
        self.progress("index", total, total)
        return seen

    def _write_by_product(self, store: ProductStore, total: int) -> Observations:
        """Keywords, facets, words and what the graph counts, in one pass: reading a record costs as much as any of them does."""
        folders = {name: self.layout.part(name) for name in ("keywords", "facets", "words")}
        for folder in folders.values():
            folder.mkdir()
        writers = (
            KeywordWriter(folders["keywords"], merged=len(store) > SMALL_CATALOG),
            FacetWriter(folders["facets"]),
            WordWriter(folders["words"]),
        )
        seen = Observations()
        for row, product in enumerate(store):
            if row % 500 == 0:
                self.progress("index", row, total)
            for writer in (*writers, seen):
                writer.add(product)
        for writer in writers:
            writer.close()
        return seen

    def _write_ngrams(self, store: ProductStore, folder: Path) -> None:
        if len(store) <= SMALL_CATALOG:
            texts = [f"{product.title} {product.description[:NGRAM_CHARACTERS]}" for product in store]
            NgramIndex.build(texts).save(folder)
        else:
            TitleNgrams.build(Titles.load(self.layout.part("facets")).texts).save(folder)

    def _read_at(self, store: ProductStore, now: int) -> NDArray[np.int64]:
        """(products,) when each was read: now, or as before where this catalog does not name it. Taken over, rows stay."""
        read_at = np.full(len(store), now, np.int64)
        if self.before is not None and self.before.facets.read_at is not None:
            taken = np.flatnonzero(np.fromiter(store.lines(), np.int64, len(store)) == 0)
            read_at[taken] = self.before.facets.read_at[taken]
        return read_at

    def _documents(self, folder: Path | None) -> DocumentIndex:
        if folder is not None:
            return DocumentIndex(tuple(read_documents(folder)))
        return self.documents

    def _spaces(self, han: NDArray[np.bool_], documents: DocumentIndex) -> dict[str, NDArray[np.bool_]]:
        """The vector spaces that the shop carries, each with the rows that it holds, (products,).

        "han" is multilingual and holds everything, so that a Chinese question finds English products; "latin" holds what is
        mostly Latin. A shop in one script carries one space.
        """
        asked = "languages" in self.settings.model_fields_set and "zh" in self.settings.languages
        told = any(document.language.startswith("zh") for document in documents.documents)
        spaces = {}
        if not (asked or told or han.mean() >= HAN_SHARE):
            return {"latin": np.ones_like(han)}
        if not han.all():
            spaces["latin"] = ~han
        return spaces | {"han": np.ones_like(han)}

    def _vectors(
        self,
        space: str,
        encoder: Encoder,
        store: ProductStore,
        hashes: NDArray[np.uint8],
        rows: Rows,
        total: int,
        file: Path,
        dtype: type[np.floating[Any]],
    ) -> NDArray[np.floating[Any]]:
        """(rows, dim), memory-mapped from `file`: taken from the version before where the text is the same, else embedded."""
        shape = (len(rows), encoder.dim)
        vectors: NDArray[np.floating[Any]] = np.lib.format.open_memmap(file, "w+", dtype=dtype, shape=shape)
        old_rows = self._known(space, encoder, store, hashes, rows)  # (rows,) in the version before, -1 where it is new
        known, new = np.flatnonzero(old_rows >= 0), np.flatnonzero(old_rows < 0)
        for start in range(0, len(known), _CHUNK):
            chunk = known[start : start + _CHUNK]
            assert self.before is not None  # else nothing were known
            vectors[chunk] = self.before.vectors[space].vectors_of(old_rows[chunk])
        self.reused += len(known)
        self.progress("embed", self.embedded + self.reused, total)
        for start in range(0, len(new), _CHUNK):
            chunk = new[start : start + _CHUNK]
            texts = [document_text(store.get(int(rows[place]))) for place in chunk]
            vectors[chunk] = encoder.encode_documents(texts, self._counting(total))
        return vectors

    def _known(self, space: str, encoder: Encoder, store: ProductStore, hashes: NDArray[np.uint8], rows: Rows) -> Rows:
        """(rows,) where the version before has the vector of the same text by the same encoder, -1 where it has none."""
        before = self.before
        found = np.full(len(rows), -1, np.int64)
        if before is None or before.encoder_hashes.get(space) != encoder.hash:
            return found
        texts = Layout(before.folder).part("texts")
        old_hashes = np.load(texts / "hashes.npy", allow_pickle=False)
        old_held = np.load(texts / f"{space}.npy", allow_pickle=False)
        old = store.rows_in(before.products)[rows]
        same = (old >= 0) & old_held[old] & (old_hashes[old] == hashes[rows]).all(1)
        found[same] = old[same]
        return found

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

    def _counting(self, total: int) -> Callable[[int], None]:
        def count(done: int) -> None:
            self.embedded += done
            self.progress("embed", self.embedded + self.reused, total)

        return count


def _looked_at(products: Iterable[Product]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(products, 16) hashes of what is embedded, and (products,) whether it is mostly Chinese, Japanese or Korean."""
    hashes, han = bytearray(), []
    for product in products:
        text = document_text(product)
        hashes += blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
        han.append(_is_han(text))
    return np.frombuffer(bytes(hashes), np.uint8).reshape(-1, _HASH_BYTES), np.array(han, np.bool_)


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


@contextmanager
def _full_disk(root: Path) -> Iterator[None]:
    """Puts back the error number of a full disk, which numpy and tantivy drop."""
    try:
        yield
    except (OSError, ValueError) as error:
        unnamed = not isinstance(error, OSError) or error.errno is None
        if unnamed and ("No space left" in str(error) or shutil.disk_usage(root).free < 2**16):
            raise OSError(errno.ENOSPC, "No space left on device", str(root)) from error
        raise


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
