"""What goes with a product: other kinds that its kind goes with or is made for, never more of the same.

The graph says which kinds; among the products of a kind the ones come first that fit by their own record ("13 inch laptops" for a
laptop of 13 inch), share its brand, and are well rated. What says that it fits another size is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.clean import fold
from index.graph import Partner
from index.graph.observe import fit_statements
from index.product import Product
from index.snapshot import Snapshot
from retrieval.links import Link, LinkKind
from retrieval.ranking import reputation
from retrieval.search import Hit

LOOKED_AT: Final = 40  # products of a kind, the best rated
A_KIND: Final = 2  # shown of one
FITS, BRAND, RATING = 0.3, 0.1, 0.1
_MEASURE: Final = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:-\s*)?"
    r"(inch(?:es)?|in\b|\"|′′|英寸|寸|mm|毫米|cm|厘米|ml|毫升|l\b|升|w\b|瓦|v\b|伏)"
)
_UNITS: Final = {
    "inches": "inch", "in": "inch", '"': "inch", "′′": "inch", "英寸": "inch", "寸": "inch", "毫米": "mm", "厘米": "cm",
    "毫升": "ml", "升": "l", "瓦": "w", "伏": "v",
}  # fmt: skip
_UP_TO: Final = re.compile(r"up to|max|以下|以内|最大")


def companions(snapshot: Snapshot, row: int, allowed: NDArray[np.bool_], limit: int = 6) -> list[Hit]:
    """At most `limit` products that go with the product of `row`, kinds taking turns, each with the link that says why.

    Args:
        snapshot: the index.
        row: the product that something is to go with.
        allowed: (products,) what may be shown.
        limit: how many.
    """
    product = snapshot.products.get(row)
    language = snapshot.graph.language_of(row)
    found = [
        of_kind
        for each in snapshot.graph.partners_of(row)
        if (of_kind := _of_kind(snapshot, product, row, each, allowed))
    ]
    # A shop in two languages has most kinds twice; the other one serves where there is nothing in the product's own.
    kinds = [each for each in found if snapshot.graph.language_of(each[0].row) == language] or found
    hits: dict[int, Hit] = {}
    for turn in range(A_KIND):
        for of_kind in kinds:
            fresh = next((hit for hit in of_kind[turn:] if hit.row not in hits), None)
            if fresh is not None and len(hits) < limit:
                hits[fresh.row] = fresh
    return list(hits.values())


def fits(candidate: Product, product: Product) -> bool | None:
    """Whether a candidate says that it fits a product of these measures; None where the two have no measure in common."""
    own = _measures([product.title, *(value for values in product.attributes.values() for value in values)])
    known = None
    for said in fit_statements(candidate):
        for number, unit in _measures([said]):
            same = [value for value, name in own if name == unit]
            if same:
                upper = bool(_UP_TO.search(fold(said)))
                if any(value <= number if upper else value == number for value in same):
                    return True
                known = False
    return known


def _of_kind(snapshot: Snapshot, product: Product, row: int, partner: Partner, allowed: NDArray[np.bool_]) -> list[Hit]:
    """The best products of a kind for the product, best first."""
    graph = snapshot.graph
    own = {node for node in graph.kinds[row].tolist() if node >= 0}
    rows = graph.rows_of(partner.node)
    rows = rows[allowed[rows] & ~np.isin(graph.kinds[rows], list(own)).any(axis=1)]
    rating = np.nan_to_num(snapshot.facets.rating[rows])
    rows = rows[np.lexsort((rows, -rating))[:LOOKED_AT]]
    thing = graph.label_of(graph.name_of(next(iter(own)))) if own else product.title
    made_for = partner.relation == "compatible_with"
    kind: LinkKind = "fits" if made_for and not partner.backwards else "goes_with"
    hits = []
    for each in rows.tolist():
        candidate = snapshot.products.get(each)
        one, other = (product, candidate) if partner.backwards else (candidate, product)
        suits = fits(one, other) if made_for else None
        if suits is False:
            continue
        score = partner.weight + RATING * reputation(candidate) + FITS * bool(suits)
        score += BRAND * bool(product.brand and fold(candidate.brand) == fold(product.brand))
        link = Link(thing, graph.label_of(partner.term), kind, partner.evidence)
        hits.append(Hit(each, candidate.id, None, score, links=(link,)))
    return sorted(hits, key=lambda hit: (-hit.score, hit.row))


def _measures(texts: Sequence[str]) -> list[tuple[float, str]]:
    """(number, unit) of all that is measured in texts: `[(13.0, "inch")]`."""
    return [
        (float(match[1]), _UNITS.get(match[2], match[2].rstrip("s")))
        for text in texts
        for match in _MEASURE.finditer(fold(text))
    ]
