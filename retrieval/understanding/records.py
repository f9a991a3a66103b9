"""What one turn says about what is wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from index.filters import Filters
from index.product import Money

Language = Literal["en", "zh"]
Sort = Literal["relevance", "price_asc", "price_desc", "rating", "newest"]
Relative = Literal["cheaper", "pricier"]
Recalled = Literal["first", "earlier"]

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Understanding:
    """One turn, read.

    `query` is the residual text for search: product words stay, conditions, budget phrases and politeness are gone; it
    is empty where the turn only changes conditions. `filters` holds what **this** turn makes a condition, `wishes` what
    it merely names (a brand, a category, a material): wishes rank and never filter, and their words stay in `query`.
    What a question about a shown product asks for ("does it come in blue?") is a wish too.

    `ordinals` are 1-based positions among what was shown, negative from the end: "the second one" (2,), "the last two"
    (-2, -1), "both" (1, 2). `deixis` is True for "it", "this one", "这款"; `referent` narrows it: "that blue one" gives
    {"color": ("blue",)}. `quantity` is a number of pieces. `dropped` names the fields whose condition is lifted, as
    `Filters` spells them ("price", "brand", "categories", "rating_min", "availability"), or an attribute's name, or
    "*". `relative` is resolved by the caller against the prices shown; `foreign_budget` is a limit in a currency that
    is not the shop's, to be asked about, and `clash` a lower and an upper limit that no price keeps both. `opposed` is what
    the turn asks for and turns away at once, by field or attribute; it is in no filter.
    `attribute_asked` is the attribute that a question is about, in the catalog's
    spelling where the catalog has it. `adding` is True where values join the earlier ones of their field ("also Nike",
    "or in green"). `refining` is True where no product words were said, so that no new topic can start. `recalled` names an
    earlier list that positions and traits count in: "first" the very first that was shown, "earlier" one before the last.

    >>> Understander(facets, "USD").read("red running shoes under $120")    # doctest: +SKIP
    Understanding(query='running shoes', filters=Filters(price=…max 12000, attributes={'color': ('red',)}), …)
    """

    query: str
    filters: Filters = field(default_factory=Filters)
    wishes: Filters = field(default_factory=Filters)
    sort: Sort | None = None
    language: Language = "en"
    ordinals: tuple[int, ...] = ()
    deixis: bool = False
    referent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    quantity: int | None = None
    dropped: tuple[str, ...] = ()
    relative: Relative | None = None
    foreign_budget: Money | None = None
    clash: tuple[Money, Money] | None = None
    opposed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    attribute_asked: str | None = None
    adding: bool = False
    refining: bool = False
    recalled: Recalled | None = None
