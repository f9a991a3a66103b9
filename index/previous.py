"""What a build needs of the version before: vectors to take over, documents to keep, products to compare with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from index.documents import DocumentIndex
from index.products import FILE, ProductStore, ProductWriter
from index.retriever import Retriever, retriever_versions
from index.snapshot import KIND, Layout, Snapshot
from storage.errors import Damaged, InvalidInput, NotFound
from storage.publish import Versions, read_manifest

logger = logging.getLogger(__name__)

Part = TypeVar("Part")

MOST_REMOVED: Final = 0.2


def version_before(versions: Versions, *, update: bool) -> Snapshot | None:
    """The version before, whose vectors are taken over; None where there is none or it cannot be read any more."""
    try:
        found = versions.verified()
        before = None if found is None else Snapshot.load(found[0], verified=found[1])
    except Damaged as error:
        if update:
            raise
        logger.warning("Embedding everything again: %s", error.message)
        before = None
    if update and before is None:
        raise NotFound("There is no index to update.", "Run it once without --update.")
    return before


def retriever_of(before: Snapshot | None, shop: Path) -> Retriever:
    """That of the version before; where that cannot be read, the one that was promoted last."""
    if before is not None:
        return before.retriever
    promoted = retriever_versions(shop).current()
    return Retriever() if promoted is None else Retriever.load(promoted)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run needs of the version before although its vectors may be lost; no products where there was no version."""

    documents: DocumentIndex = field(default_factory=DocumentIndex)
    products: ProductStore | None = None


def kept_of(versions: Versions, before: Snapshot | None, documents: Path | None, *, allow_shrink: bool) -> Kept:
    """The documents and products of the version before, also of one that cannot be served, where their files are whole.

    Raises:
        Damaged: they are not, and the run was not told how to do without. Going on would publish a shop without policies,
            or take a truncated export for the whole catalog.
    """
    if before is not None:
        return Kept(before.documents, before.products)
    candidates = versions.candidates()
    if not candidates:
        return Kept()
    policies = _first_whole(
        candidates, "documents", lambda folder: DocumentIndex.load(Layout(folder).part("documents"))
    )
    products = _first_whole(candidates, FILE, lambda folder: ProductStore(Layout(folder).products))
    needed = ["--documents DIR"] * (policies is None and documents is None)
    needed += ["--allow-shrink"] * (products is None and not allow_shrink)
    if needed:
        lost = " and ".join(name for name, part in (("documents", policies), ("products", products)) if part is None)
        raise Damaged(
            f"The index {candidates[0].name} is damaged, and what it had of {lost} cannot be read.",
            f"Check that the catalog is complete and run it again with {' and '.join(needed)}.",
        )
    return Kept(policies or DocumentIndex(), products)


def _first_whole(folders: Sequence[Path], part: str, load: Callable[[Path], Part]) -> Part | None:
    """A part of the first folder in which its own files are what was published."""
    for folder in folders:
        try:
            read_manifest(folder, KIND, only=part)
            return load(folder)
        except (Damaged, NotFound) as error:
            logger.warning("The %s of the index %s cannot be read: %s", part, folder.name, error.message)
    return None


def remove_unread(writer: ProductWriter, before: ProductStore | None, *, allow_shrink: bool) -> int:
    """Removes what a whole catalog does not name any more; returns how many products that is.

    Raises:
        InvalidInput: more than a fifth of them, and that was not allowed: a truncated export looks just like that.
    """
    if before is None:
        return 0
    gone = writer.unread()
    if gone > MOST_REMOVED * len(before) and not allow_shrink:
        raise InvalidInput(
            f"This catalog would remove {gone} of {len(before)} products, more than {MOST_REMOVED:.0%}.",
            "Check that it is complete; --allow-shrink publishes it all the same, --update keeps what it does not name.",
        )
    writer.remove_unread()
    return gone
