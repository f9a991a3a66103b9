"""Building the index: read the catalog, embed what changed, publish a version. A run that fails changes nothing."""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from index.documents import DocumentIndex, read_documents
from index.encoders import Encoder
from index.graph import EDGES_FILE
from index.graph.publish import shop_edits
from index.parts import Parts, Progress
from index.previous import kept_of, remove_unread, retriever_of, version_before
from index.product import Product
from index.products import ProductWriter
from index.readers import Notes, read_rows
from index.retriever import Retriever
from index.snapshot import Layout, index_versions
from storage.errors import InvalidInput
from storage.record import now_ms
from storage.rows import Rejects, RowProblem, rejected_file
from storage.settings import ShopSettings


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a run did. `mode` is "whole" where every part was built anew, "changes" where they were laid over the version before.

    `changed` counts products that are new or say something else than before, `repriced` those of which only price, stock, rating
    or picture changed. `embedded` and `reused` count vectors, in all spaces; `bad_fields` optional values that became null.

    `graph_edges` are those in force, written to `graph_file`; `graph_rejected` rows of the shop's own `graph.csv` were not usable.
    `stores` says of each space which kind of vector store was chosen, and why.
    """

    version: str
    products: int
    mode: str
    changed: int
    repriced: int
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
            writer = ProductWriter(Layout(folder).products, kept.products)
            progress = progress or _silent
            reading = _read(
                writer,
                catalog,
                settings,
                update=update,
                max_rejected=max_rejected,
                rejected=rejected,
                shop=shop,
                progress=progress,
            )
            if len(writer) == writer.unread() and not update:
                raise InvalidInput(
                    f"{catalog} holds no usable product.",
                    "It needs id and title; [catalog.columns] in shop.toml maps columns of other names.",
                )
            removed = 0 if update else remove_unread(writer, kept.products, allow_shrink=allow_shrink)
            change = writer.close()
            parts = Parts(Layout(folder), change, before, settings, encoder_of, progress)
            told = DocumentIndex(tuple(read_documents(documents))) if documents else kept.documents
            meta = parts.write(told, read_at, edits, baskets)
            tuned.copy_into(folder, meta["encoders"])
            meta |= {"catalog": catalog.name if catalog else None, "read_at": read_at}
            meta |= {"graph": edited, "retriever": tuned.meta}
            version = versions.publish(folder, meta).name
        versions.sweep()
    return BuildReport(
        version=version,
        products=change.size,
        mode="whole" if parts.whole else "changes",
        changed=len(change.restated),
        repriced=len(change.repriced),
        embedded=parts.embedded,
        reused=parts.reused,
        removed=removed,
        **reading,
        documents=int(meta["documents"]),
        graph_edges=parts.edges,
        graph_file=str(versions.root / version / "graph" / EDGES_FILE),
        graph_rejected=edits.rejects.count,
        graph_rejected_file=edits.rejected_file,
        graph_rejected_reasons=edits.rejects.by_reason,
        spaces=tuple(meta["encoders"]),
        stores=meta["stores"],
        seconds=round(time.perf_counter() - started, 3),
    )


def _read(
    writer: ProductWriter,
    catalog: Path | None,
    settings: ShopSettings,
    *,
    update: bool,
    max_rejected: float,
    rejected: Path | None,
    shop: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Validates the catalog's rows into the product store; rejected rows are written before anything can fail."""
    rejects, notes, taken = Rejects(), Notes(), set[str]()

    def earlier(product_id: str) -> Product | None:
        """What a group of rows builds on, and replaces without loss."""
        if (product := writer.find(product_id, read=not update)) is not None:
            taken.add(product_id)
        return product

    columns, currency = settings.catalog.columns, settings.currency
    rows = read_rows(catalog, columns, currency, notes, earlier) if catalog else ()
    for done, (line, item) in enumerate(rows):
        if isinstance(item, RowProblem):
            rejects.add_problem(item)
        elif item is not None:
            replaced = writer.put(line, item)
            if replaced is not None and item.id not in taken:
                rejects.add(replaced[0], "duplicate id: a later row replaced it", json.loads(replaced[1]))
        if done % 500 == 0:
            progress("read", notes.rows, 0)
    progress("read", notes.rows, notes.rows)
    file = None
    if rejects.count and catalog:
        file = rejected or rejected_file(shop, catalog.name.split(".")[0])
        rejects.write(file)
    rejects.check(notes.rows, max_rejected)
    return {
        "rejected": rejects.count,
        "rejected_file": str(file) if file else None,
        "rejected_reasons": rejects.by_reason,
        "bad_fields": dict(notes.bad.most_common()),
        "unused_columns": dict(notes.unused.most_common()),
    }


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
