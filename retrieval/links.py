"""Links: the edges of the graph by which a product was found, as reasons are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LinkKind = Literal["synonym", "umbrella", "has", "goes_with", "fits"]


@dataclass(frozen=True, slots=True)
class Link:
    """Why a product stands here whose words are others: the customer said `said`, the product is or has `term`.

    Of `goes_with` and `fits`, `said` is what it goes with or fits. `evidence` is the id of the edge.
    """

    said: str
    term: str
    kind: LinkKind
    evidence: str
