"""One published version of the index: everything that serving reads, loaded together and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from index.categories import CategoryIndex
from index.documents import DocumentIndex
from index.facets import Facets
from index.graph import Graph
from index.keywords import KeywordIndex
from index.ngrams import NgramIndex, TitleNgrams
from index.products import FILE, ProductStore
from index.retriever import Retriever
from index.variant_ids import VariantIds
from index.vectors import KINDS, VectorStore
from index.words import WordIndex
from storage.errors import Damaged
from storage.publish import Manifest, Versions, read_manifest

if TYPE_CHECKING:
    from index.encoders import Encoder

KIND: Final = "index"
FORMAT: Final = 2
"""Of all files together. Raise it when any part is written otherwise: the next run then builds everything anew."""
# Character n-grams of whole documents find more, at 1.3 kB a title: only a small catalog can afford them.
SMALL_CATALOG: Final = 20_000


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a snapshot lie in its folder."""

    root: Path

    @property
    def products(self) -> Path:
        """The records."""
        return self.root / FILE

    def part(self, name: str) -> Path:
        """The folder of a part: facets, keywords, ngrams, words, documents, categories, graph, texts."""
        return self.root / name

    @property
    def read_at(self) -> Path:
        """When each product was read from a catalog, (products,) milliseconds."""
        return self.root / "read_at.npy"

    def vectors(self, space: str) -> Path:
        """The folder of a vector space."""
        return self.root / "vectors" / space


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A version of the index. Rows 0 … n-1 mean the same product in every part.

    `vectors` maps each space that the shop carries to its store, `encoder_hashes` to the hash of the encoder that made it,
    `retriever` has those encoders that are not the pretrained ones.
    `restated` counts the products whose words changed since the last version that was built as a whole.
    `read_at` is when the first of its products was read from a catalog, in milliseconds: no older offer says anything that
    the catalog does not know. Products that `index --update` named are younger; `Facets.is_news` compares with each one's own.
    """

    folder: Path
    version: str
    read_at: int
    restated: int
    encoder_hashes: Mapping[str, str]
    products: ProductStore
    facets: Facets
    variants: VariantIds
    keywords: KeywordIndex
    ngrams: NgramIndex | TitleNgrams
    words: WordIndex
    vectors: Mapping[str, VectorStore]
    documents: DocumentIndex
    categories: CategoryIndex
    graph: Graph
    retriever: Retriever

    @classmethod
    def load(
        cls, folder: Path, encoders: Mapping[str, Encoder] | None = None, verified: Manifest | None = None
    ) -> Self:
        """Loads a published folder after verifying the hash of every file.

        Args:
            folder: one version, for example what `current_index` returns.
            encoders: those that will ask; given, they must be the ones that made the vectors.
            verified: the folder's manifest, where the caller has just verified it.

        Raises:
            NotFound: the folder or its manifest is missing.
            Damaged: a file is not what was published, or an encoder is not the one that made the vectors.
        """
        manifest = verified or read_manifest(folder, KIND)
        layout = Layout(folder)
        try:
            if manifest.meta["format"] != FORMAT:
                raise KeyError(f"format {FORMAT}")
            hashes: dict[str, str] = manifest.meta["encoders"]
            kinds = {space: KINDS[manifest.meta["stores"][space]["kind"]] for space in hashes}
            now: int = manifest.meta["read_at"]
        except KeyError as error:
            raise Damaged(
                f"The index {folder.name} was written by another version of Aisle; it lacks {error}.",
                "Run `launch.py index` again.",
            ) from error
        products = ProductStore(layout.products)
        read_at = _read_at(layout, len(products), now)
        facets = Facets.load(layout.part("facets"), products.row_of, read_at)
        small = len(products) <= SMALL_CATALOG
        ngrams = layout.part("ngrams")
        snapshot = cls(
            folder=folder,
            version=folder.name,
            read_at=int(read_at.min(initial=now)),
            restated=int(manifest.meta["restated"]),
            encoder_hashes=hashes,
            products=products,
            facets=facets,
            variants=VariantIds(facets.variant_ids, facets.starts),
            keywords=KeywordIndex.load(layout.part("keywords"), merged=not small),
            ngrams=NgramIndex.load(ngrams) if small else TitleNgrams.load(ngrams, facets.titles.texts),
            words=WordIndex.load(layout.part("words")),
            vectors={space: kind.load(layout.vectors(space)) for space, kind in kinds.items()},
            documents=DocumentIndex.load(layout.part("documents")),
            categories=CategoryIndex.load(layout.part("categories")),
            graph=Graph.load(layout.part("graph"), len(products)),
            retriever=Retriever.of(folder, manifest.meta.get("retriever") or {}),
        )
        if encoders is not None:
            snapshot.require(encoders)
        return snapshot

    def require(self, encoders: Mapping[str, Encoder]) -> None:
        """Refuses encoders other than those that made the vectors; one that is missing is allowed.

        Raises:
            Damaged: an encoder of a space that the snapshot carries has another hash.
        """
        for space, expected in self.encoder_hashes.items():
            if space in encoders and encoders[space].hash != expected:
                raise Damaged(
                    f"The index {self.version} was made by the {space} encoder {expected[:12]}…, "
                    f"the one loaded is {encoders[space].hash[:12]}….",
                    "Run `launch.py index` again, or activate the encoder that belongs to it.",
                )

    def row_of(self, product_id: str) -> int | None:
        """The row of the product with that id, or of the one that has a variant with it; None where there is neither."""
        row = self.products.row_of(product_id)
        return self.variants.row_of(product_id) if row is None else row

    def product_id(self, item_id: str) -> str:
        """The id of the product that has a variant with that id; any other id as it is."""
        row = self.row_of(item_id)
        return item_id if row is None else self.products.get(row).id

    def __len__(self) -> int:
        """How many products it has."""
        return len(self.products)


def _read_at(layout: Layout, products: int, whole: int) -> NDArray[np.int64]:
    """When each product was read; a version from before this was kept was read as a whole."""
    if not layout.read_at.exists():
        return np.full(products, whole, np.int64)
    try:
        read_at: NDArray[np.int64] = np.load(layout.read_at, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise Damaged(f"{layout.read_at} cannot be read: {error}.", "Build the index again.") from error
    return read_at


def index_versions(shop: Path) -> Versions:
    """The versions of a shop's index."""
    return Versions(shop / "index", KIND)


def current_index(shop: Path) -> Path | None:
    """The folder of the index to serve, verified; None where none was built. Raises `Damaged` where none is whole."""
    return index_versions(shop).current()
