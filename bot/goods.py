"""What a shop sells, for those who ask about many products and need neither search nor models."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np

from bot.shelf import goods_among, products_now
from index.facet_writer import AVAILABILITIES
from index.snapshot import Snapshot, index_versions
from retrieval.goods import Good, Goods, no_goods
from storage.database import Database
from storage.offers import offers_for
from storage.principal import Principal
from storage.shortages import Sold, note_catalog


def goods_of(shop: Path, database: Database, sensitive: Collection[str] = ()) -> Goods:
    """Looks products and variants of the shop's current index up, as they are offered now; nothing where there is no index.

    `sensitive` are the shop's own values of which nothing is concluded (`[privacy]`), beside those that Aisle knows.
    """
    snapshot = _current(shop)
    if snapshot is None:
        return no_goods

    def goods(ids: Iterable[str]) -> dict[str, Good]:
        return goods_among(
            products_now(snapshot, lambda of: offers_for(database, of, since=snapshot.read_at), ids), sensitive
        )

    return goods


def note_stock(shop: Path, database: Database, principal: Principal) -> None:
    """Writes down what the shop's current index calls out of stock, and what is back."""
    snapshot = _current(shop)
    if snapshot is not None:
        note_catalog(database, principal, dict(out_of_stock(snapshot)), lambda each: _read_at(snapshot, each))


def out_of_stock(snapshot: Snapshot) -> Iterator[tuple[Sold, int]]:
    """The variants of a catalog that cannot be ordered, and the products of which nothing can, each with when that was read."""
    facets = snapshot.facets
    able = np.array([each.orderable for each in AVAILABILITIES])[facets.offer_availability]  # (offers,)
    places = np.flatnonzero(~able)
    rows = np.searchsorted(facets.starts, places, "right") - 1
    for row in np.unique(rows).tolist():
        product_id = snapshot.products.get(row).id
        at = _read_at(snapshot, product_id) or snapshot.read_at
        for place in places[slice(*np.searchsorted(rows, (row, row + 1)))].tolist():
            if variant_id := facets.variant_ids[place]:
                yield (product_id, variant_id), at
        if not able[facets.starts[row] : facets.starts[row + 1]].any():
            yield (product_id, ""), at


def _current(shop: Path) -> Snapshot | None:
    found = index_versions(shop).verified()
    return None if found is None else Snapshot.load(found[0], verified=found[1])


def _read_at(snapshot: Snapshot, product_id: str) -> int | None:
    row, moments = snapshot.products.row_of(product_id), snapshot.facets.read_at
    return None if row is None else snapshot.read_at if moments is None else int(moments[row])
