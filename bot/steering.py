"""What a shopper's stage changes in the talk: how many cards, how wide, and whose.

    browsing    six cards that show a range, and at most one question on a topic
    comparing   the best three and a table of them, no question
    ready       what they are set on, with what may still hold them back, and nothing new

The stage holds for the goods that the path was about: who compares shoes and asks for tents browses tents. What the customer says
comes first: "more", an order that was asked for, a condition that what they are set on does not meet. Cards are taken from what
search found, so conditions hold in every stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.shelf import Found
from bot.turn import SLATE
from index.product import Product
from retrieval.diversity import spread
from retrieval.path.stage import Position, Stage
from retrieval.profile import Trait
from retrieval.ranking import RankedHit
from retrieval.search import Hit

COMPARED = 3
"""Cards for one who compares."""
ABOUT = 1 / 3
"""Such a share of the first hits is of the goods that the path was about: a catalog in two languages names one kind twice."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a slate is laid out. `chosen` are the products on it that a ready shopper is set on."""

    stage: Stage = "browsing"
    cards: int = SLATE
    chosen: tuple[str, ...] = ()


WIDE = Course()
"""That of who browses, and of who asked for an order."""


def steer(
    position: Position,
    found: Found,
    chosen: frozenset[str],
    traits: Callable[[Product], list[Trait]],
    ranges: bool = True,
) -> tuple[Course, Found]:
    """The course for what was found, and the hits as it orders them: none added, none removed.

    Args:
        position: where the shopper is.
        found: hits in the shopper's order, what cannot be bought last.
        chosen: the products, by their own ids, that `position.chosen` names.
        traits: what a product is, to tell products apart.
        ranges: whether who browses is shown a range; else the order stays.
    """
    stage = position.stage if _is_about(found, position) else "browsing"
    able = [hit for hit in found.hits if found.orderable(hit)]
    if stage == "ready":
        own = [hit for hit in able if hit.hit.product_id in chosen][:COMPARED]
        if own:
            return _of(found, own, Course("ready", len(own), tuple(hit.hit.product_id for hit in own)))
    if stage != "browsing":
        return Course(stage, COMPARED), found
    if not ranges:
        return WIDE, found
    # A range of monitors is one among monitors: a baby monitor is another thing, and not a novelty among them.
    among = [hit for hit in able if hit.hit.sources.get("kind")] or able
    order = spread([hit.score for hit in among], [traits(found.products[hit.hit.product_id]) for hit in among], SLATE)
    return _of(found, [among[place] for place in order], WIDE)


def _of(found: Found, first: list[RankedHit[Hit]], course: Course) -> tuple[Course, Found]:
    """The course, and what was found with these hits first."""
    ids = {hit.hit.product_id for hit in first}
    rest = tuple(hit for hit in found.hits if hit.hit.product_id not in ids)
    return course, replace(found, hits=(*first, *rest))


def _is_about(found: Found, position: Position) -> bool:
    """Whether a third of what would be shown first is of the categories that the path was about."""
    first = [found.products[hit.hit.product_id] for hit in found.hits[:SLATE]]
    known = sum(bool(product.categories) and product.categories[-1] in position.categories for product in first)
    return bool(first) and known >= ABOUT * len(first)
