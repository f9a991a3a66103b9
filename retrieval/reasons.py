"""The check that a reason passes before it is spoken: what it names must have happened, been asked for, or stand in the record.

It reads the records anew and not what ranking made of them, so a wrong rule, or a reason from elsewhere, is caught alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, get_args

from index.filters import Filters
from index.product import Product
from retrieval.links import Link, LinkKind
from retrieval.profile import Profile, Trait, traits
from retrieval.ranking import POPULAR_SHARE, Reason, constraint_reasons
from retrieval.sensitive import sensitive_product

Problem = Literal[
    "no_evidence", "sensitive", "foreign_trait", "unknown_event", "other_event", "no_condition", "other_value"
]
"""Why a reason may not be spoken: it names nothing; it touches what is special; the product lacks what is said to be liked; the
shopper has no such event; it is one on something else; nobody asked for that; the record says something else."""

_COUNTS: Final = ("items", "views", "carts", "purchases", "days")


class Shown(Protocol):
    """What the check needs of a hit."""

    @property
    def variant_id(self) -> str | None:
        """The variant that is shown, if one is."""
        ...

    @property
    def links(self) -> Sequence[Link]:
        """The edges of the graph by which it was found."""
        ...


@dataclass(frozen=True, slots=True)
class Grounds:
    """The records behind the reasons of one search: the shopper's profile, their conditions, and how popular products are."""

    profile: Profile = field(default_factory=lambda: Profile(now=0))
    filters: Filters = field(default_factory=Filters)
    popularity: Mapping[str, float] = field(default_factory=dict)


def problem_of(reason: Reason, product: Product, shown: Shown, grounds: Grounds) -> Problem | None:
    """Why a reason for a product has no evidence, None where it has."""
    if not reason.evidence:
        return "no_evidence"
    if reason.kind == "constraint":
        return _condition(reason, product, shown, grounds)
    if reason.kind in get_args(LinkKind):
        told = [(link.kind, link.said, link.term, link.evidence) for link in shown.links]
        said = (reason.kind, reason.facts.get("said"), reason.facts.get("term"), *reason.evidence)
        if said not in told:
            return "other_value"
        return _looked(reason, product, grounds.profile) if reason.kind == "next" else None
    if reason.kind == "rating":
        rating = product.rating
        known = None if rating is None else {"value": rating.value, "count": rating.count}
        return None if reason.facts == known and reason.evidence == (f"rating:{product.id}",) else "other_value"
    if reason.kind == "popular":
        share = grounds.popularity.get(product.id, 0.0)
        same = share >= POPULAR_SHARE and reason.facts == {"share": round(share, 2)}
        return None if same and reason.evidence == (f"popularity:{product.id}",) else "other_value"
    return _personal(reason, product, grounds.profile)


def _condition(reason: Reason, product: Product, shown: Shown, grounds: Grounds) -> Problem | None:
    if not set(reason.evidence) <= _conditions(grounds.filters):
        return "no_condition"
    return None if reason in constraint_reasons(grounds.filters, product, shown.variant_id) else "other_value"


def _conditions(filters: Filters) -> set[str]:
    """The names of all conditions in force, as reasons spell them: `{"price.max", "attributes.color", "exclude.brand"}`."""
    set_ = {name for name in ("brand", "rating_min", "availability") if getattr(filters, name)}
    if filters.price is not None:
        set_ |= {f"price.{end}" for end in ("min", "max") if getattr(filters.price, end) is not None}
    set_ |= {f"attributes.{name}" for name in filters.attributes}
    set_ |= {f"exclude.attributes.{name}" for name in filters.exclude.attributes}
    return set_ | ({"exclude.brand"} if filters.exclude.brand else set())


def _looked(reason: Reason, product: Product, profile: Profile) -> Problem | None:
    """Of what comes next: the shopper must have turned to that product in that event."""
    if sensitive_product(product):
        return "sensitive"
    events = {event.event_id: event for event in profile.recent}
    looked = events.get(reason.evidence[0])
    if looked is None:
        return "unknown_event"
    own = profile.interests.get(("item", str(reason.facts.get("term"))))
    same = own is not None and reason.evidence[0] in {event_id for _, event_id, _, _ in own.events}
    return None if same else "other_event"


def _personal(reason: Reason, product: Product, profile: Profile) -> Problem | None:
    if sensitive_product(product):
        return "sensitive"
    trait = _trait(reason, product)
    if trait != ("item", product.id) and trait not in traits(product, profile.levels):
        return "foreign_trait"
    interest, belief = profile.interests.get(trait), profile.belief(*trait)
    own = {event_id for _, event_id, _, _ in interest.events} if interest is not None else set()
    if not set(reason.evidence) <= own:
        known = {event_id for each in profile.interests.values() for _, event_id, _, _ in each.events}
        return "other_event" if set(reason.evidence) <= known else "unknown_event"
    if belief is None or any(reason.facts.get(name) != belief.facts[name] for name in _COUNTS):
        return "other_value"
    return "other_value" if reason.kind == "bought_category" and not belief.facts["purchases"] else None


def _trait(reason: Reason, product: Product) -> Trait:
    """The trait that a personal reason speaks of."""
    facts = reason.facts
    if reason.kind == "liked_brand":
        return "brand", str(facts.get("brand"))
    if reason.kind == "liked_attribute":
        return "attribute", f"{facts.get('name')}: {facts.get('value')}"
    if reason.kind == "price_band":
        return "price_band", str(facts.get("band"))
    return ("item", product.id) if reason.kind == "viewed_item" else ("category", str(facts.get("category")))
