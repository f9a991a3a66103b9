"""A sequence model over one version of the catalog: what this shopper may turn to next, and which look of theirs says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from index.product import Product
from index.snapshot import Snapshot
from retrieval.links import Link
from retrieval.search import Hit
from retrieval.sequence.model import SequenceModel
from storage.event import Event

TURNS_TO: Final = frozenset({"select_item", "view_item", "add_to_cart", "purchase"})
"""Events by which somebody turns to a product: those that training learns from (`storage.visits`)."""
_SPARE: Final = 100  # products that may turn out not to be shown
SPEAKS: Final = 2.0
"""A look is given as the reason where without it the chance would be this much less."""


@dataclass(frozen=True)
class Foresight:
    """`rows` has the row of the catalog for each of the model's items, (items,), -1 for one that is gone.

    `record` looks a product up of which something may be concluded about a shopper, None for others.
    """

    model: SequenceModel
    rows: NDArray[np.int64]
    record: Callable[[str], Product | None]

    @classmethod
    def over(cls, model: SequenceModel, snapshot: Snapshot, record: Callable[[str], Product | None]) -> Self:
        """The model's items found in a catalog; variants stand for their products."""
        rows = [-1 if (row := snapshot.row_of(item)) is None else row for item in model.items]
        return cls(model, np.array(rows, np.int64), record)

    def next(self, events: Sequence[Event], allowed: NDArray[np.bool_], limit: int) -> list[Hit]:
        """At most `limit` products that may come next, likeliest first, with the look that says most for each.

        Args:
            events: the shopper's last, oldest first; what they turned to already is not offered again.
            allowed: (products,) what may be shown.
            limit: how many.
        """
        looks = self._looks(events)
        if not looks:
            return []
        turned_to = [item for item, _ in looks]
        chances = self.model.chances(self.model.history(turned_to))[0]  # (items,)
        open_ = (self.rows >= 0) & allowed[self.rows]
        known = {self.rows[self.model.places[item]] for item in turned_to}
        coming: dict[int, tuple[int, Product]] = {}  # row → column of the model, product
        for column in _first(np.where(open_, chances, -1.0), limit + len(known) + _SPARE):
            row = int(self.rows[column])
            if len(coming) == limit or not open_[column]:
                break
            product = self.record(self.model.items[column])
            if row not in known and product is not None:
                coming.setdefault(row, (column, product))
        spoken = self.model.why(turned_to, [self.model.items[column] for column, _ in coming.values()])
        return [
            Hit(row, product.id, None, float(chances[column]), links=self._links(looks, speakers))
            for (row, (column, product)), speakers in zip(coming.items(), spoken, strict=True)
        ]

    def _looks(self, events: Sequence[Event]) -> list[tuple[str, str]]:
        """(item, event) of what the shopper turned to, oldest first, one item on end once."""
        found: list[tuple[str, str]] = []
        for event in events:
            for item in event.items if event.event in TURNS_TO else ():
                product = self.record(item.item_id)
                if product is None:
                    continue
                known = item.item_id if item.item_id in self.model.places else product.id  # of a variant the product
                if known in self.model.places and (not found or found[-1][0] != known):
                    found.append((known, event.event_id))
        return found

    def _links(self, looks: Sequence[tuple[str, str]], speakers: Sequence[tuple[str, float]]) -> tuple[Link, ...]:
        """The look without which the product would be much less likely, if there is one."""
        for item, factor in speakers[:1]:
            product = self.record(item)
            if factor >= SPEAKS and product is not None:
                event = next(event for known, event in reversed(looks) if known == item)
                return (Link(product.title, product.id, "next", event),)
        return ()


def _first(scores: NDArray[np.float32], count: int) -> list[int]:
    """The places of the largest scores, largest first; equal ones as they stand."""
    places = np.sort(np.argpartition(-scores, count)[:count]) if count < len(scores) else np.arange(len(scores))
    return [int(place) for place in places[np.argsort(-scores[places], kind="stable")]]
