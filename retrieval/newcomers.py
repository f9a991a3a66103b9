"""Which products are new, and how well each fits a shopper by its text: enough to offer one on the day it is indexed.

A product is new for `NEW_DAYS` days from its `published_at`, or where the catalog has none from when it came into the index, while
fewer than `FEW_PEOPLE` people have turned to it. What was in the first version of an index and has no date is not new. Of a large
catalog the newest `MOST_NEW` are looked at, so that a turn costs the same in a shop of a million.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nlargest
from operator import itemgetter
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from index.product import Product
from index.snapshot import Snapshot
from retrieval.ranking import Reason
from retrieval.sequence.foresight import TURNS_TO
from retrieval.sequence.fresh import LIKENESS_FADE, LIKENESS_RECENT, item_features, likeness
from retrieval.sequence.model import SequenceModel
from retrieval.sequence.network import unit
from retrieval.sequence.transitions import Floats
from storage.event import Event

DAY_MS: Final = 86_400_000
NEW_DAYS: Final = 30
FEW_PEOPLE: Final = 20
MOST_NEW: Final = 2_000
MOST_POPULAR: Final = 5_000
UNKNOWN_FIT: Final = 0.5

Rows = NDArray[np.int64]


def arrivals(snapshot: Snapshot) -> NDArray[np.int64]:
    """When each product came into the shop, (products,) milliseconds since 1970; 0 where nobody knows."""
    published = snapshot.facets.published  # seconds, nan where the catalog has none
    known = np.isfinite(published)
    return np.where(known, 1000 * np.where(known, published, 0), snapshot.added_at).astype(np.int64)


def newest(arrived: NDArray[np.int64], now: int) -> Rows:
    """The rows that arrived within `NEW_DAYS` days before `now`, the newest first, at most `MOST_NEW`."""
    rows = np.flatnonzero((arrived > now - NEW_DAYS * DAY_MS) & (arrived <= now))
    return rows[np.argsort(-arrived[rows], kind="stable")][:MOST_NEW]


@dataclass(frozen=True)
class Newcomers:
    """The new products of one version of the catalog, newest first.

    Attributes:
        snapshot: where they are from.
        products: their records.
        rows: in the catalog, (new,).
        arrived: when each came, (new,) milliseconds.
        heat: how popular the category of each is, (new,) from 0 to 1 for the most popular one.
        features: their text vectors, (new, dims).
        model: a sequence model whose features are of the same encoders, if there is one.
        placed: the places that it gives them, (new, dim).
    """

    snapshot: Snapshot
    products: tuple[Product, ...]
    rows: Rows
    arrived: NDArray[np.int64]
    heat: Floats
    features: Floats
    model: SequenceModel | None = None
    placed: Floats | None = None

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        record: Callable[[str], Product | None],
        popularity: Mapping[str, float],
        people: Callable[[Sequence[str]], Mapping[str, int]],
        now: int,
        model: SequenceModel | None = None,
    ) -> Self:
        """Finds them.

        Args:
            snapshot: the catalog.
            record: looks up a product of which something may be concluded about a shopper, None for others: these are left out.
            popularity: product id to its share of the most popular product's.
            people: how many people turned to each of some products.
            now: milliseconds since 1970.
            model: it places them where it has learnt from features.

        Raises:
            Conflict: the features of the model are of other encoders than the catalog's.
        """
        arrived = arrivals(snapshot)
        rows = newest(arrived, now)
        found = {row: snapshot.products.get(row) for row in rows.tolist()}
        known = people([product.id for product in found.values()])
        kept = [
            row
            for row, product in found.items()
            if known.get(product.id, 0) < FEW_PEOPLE and record(product.id) is not None
        ]
        products = tuple(found[row] for row in kept)
        features = item_features(snapshot, [product.id for product in products])
        placed = None
        if model is not None and model.projection is not None and kept:
            placed = model.placed(features, snapshot.encoder_hashes)
        heat = _heat(snapshot, popularity, products)
        return cls(snapshot, products, np.array(kept, np.int64), arrived[kept], heat, features, model, placed)

    def fits(self, events: Sequence[Event], record: Callable[[str], Product | None]) -> Floats:
        """How well each fits a shopper's last looks: the share of new products that fit worse, (new,); .5 where nothing is known.

        By likeness of texts, times what a sequence model says where there is one (`retrieval.sequence.fresh`).

        Args:
            events: the shopper's, oldest first.
            record: as for `of`: looks at other products say nothing.
        """
        count = len(self.rows)
        turned_to = [item.item_id for event in events if event.event in TURNS_TO for item in event.items]
        looks = [item for item in turned_to[-LIKENESS_RECENT:] if record(item) is not None]
        if not looks or not count:
            return np.full(count, UNKNOWN_FIT, np.float32)
        fading = LIKENESS_FADE ** np.arange(len(looks))[::-1]
        taste = (fading @ item_features(self.snapshot, looks)).astype(np.float32)
        chances = likeness(taste[None, :], self.features)[0]
        if self.model is not None and self.placed is not None:
            history = self.model.history(looks)
            if history.lengths[0]:
                chances = chances * self.model.network_chances(history, unit(self.placed))[0]
        better = np.searchsorted(np.sort(chances), chances, side="left")
        same = np.searchsorted(np.sort(chances), chances, side="right") - better
        fits: Floats = ((better + same / 2) / count).astype(np.float32)
        return fits


def _heat(snapshot: Snapshot, popularity: Mapping[str, float], products: Sequence[Product]) -> Floats:
    """The popularity of each product's own category, as a share of the most popular one's; by the `MOST_POPULAR` products."""
    of_category: dict[str, float] = {}
    for product_id, share in nlargest(MOST_POPULAR, popularity.items(), key=itemgetter(1)):
        row = snapshot.row_of(product_id)
        categories = () if row is None else snapshot.products.get(row).categories
        if categories:
            of_category[categories[-1]] = of_category.get(categories[-1], 0.0) + share
    most = max(of_category.values(), default=0.0) or 1.0
    leaves = (product.categories[-1] if product.categories else "" for product in products)
    return np.array([of_category.get(leaf, 0.0) / most for leaf in leaves], np.float32)


def new_reason(product: Product, arrived: int) -> Reason:
    """Why a product is shown that nobody knows yet; its evidence is the day on which it came, UTC."""
    day = datetime.fromtimestamp(arrived / 1000, UTC).date().isoformat()
    return Reason("new", {"day": day}, (f"new:{product.id}:{day}",))
