"""Links: the edges of the graph by which a product was found, as reasons are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LinkKind = Literal["synonym", "umbrella", "has", "goes_with", "fits", "next"]


@dataclass(frozen=True, slots=True)
class Link:
    """Why a product stands here whose words are others: the customer said `said`, the product is or has `term`.

    Of `goes_with` and `fits`, `said` is what it goes with or fits. `evidence` is the id of the edge. Of `next`, `said` is the title
    and `term` the id of what the shopper turned to before, `evidence` that event.
    """

    said: str
    term: str
    kind: LinkKind
    evidence: str
