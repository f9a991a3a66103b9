"""The personal order of what search found, and for each card why it stands there.

A hit's score is its relevance, scaled to 0 … 1 over the hits, plus bounded amounts for taste, rating, popularity::

    score = relevance + 0.35 · match + 0.04 · rating + 0.04 · popularity        match in −1 … 1, the others in 0 … 1

so a hit whose relevance is more than `LEAD` ahead is never overtaken: relevance leads, taste decides among near equals.
A shop that has trained one puts a learnt ranker (`retrieval.learnt_ranking`) in the place of that sum.
Hits are neither added nor removed; hard constraints were applied before and hold for every one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.attributes import canonical, parts_of
from index.clean import fold
from index.filters import Filters
from index.product import Availability, Money, Product, Variant
from retrieval.links import Link
from retrieval.profile import Belief, BeliefKind, Profile, Trait, traits
from retrieval.rank_features import KINDS, TERMS, Floats

ReasonKind = Literal[
    "viewed_item",
    "viewed_category",
    "bought_category",
    "liked_brand",
    "liked_attribute",
    "price_band",
    "constraint",
    "rating",
    "popular",
    "synonym",
    "umbrella",
    "has",
    "goes_with",
    "fits",
    "next",
    "new",
]

MATCH_WEIGHT = 0.35
RATING_WEIGHT = 0.04
POPULARITY_WEIGHT = 0.04
NARROW = 0.15  # share of the best score below which a difference between hits says little
LEAD = 2 * MATCH_WEIGHT + RATING_WEIGHT + POPULARITY_WEIGHT
# How much each kind of trait says, summing to 1.
KIND_WEIGHTS: Mapping[BeliefKind, float] = {
    "category": 0.35,
    "brand": 0.2,
    "attribute": 0.15,
    "price_band": 0.15,
    "item": 0.15,
}

ANCESTOR_FACTOR = 0.5  # liking tents says something about other outdoor things, but less

MAX_REASONS = 3
MAX_PERSONAL = 2
MIN_STRENGTH = 0.1
PRIOR_RATING, PRIOR_COUNT = 3.8, 8
GOOD_RATING, ENOUGH_RATINGS = 4.3, 5
POPULAR_SHARE = 0.6
TERM_WEIGHTS: Mapping[str, float] = {
    "relevance": 1.0,
    **dict.fromkeys(KINDS, MATCH_WEIGHT),
    "rating": RATING_WEIGHT,
    "popularity": POPULARITY_WEIGHT,
}
"""What each of `TERMS` counts in the blend."""
NEUTRAL: Mapping[str, float] = {**dict.fromkeys(TERMS, 0.0), "rating": PRIOR_RATING / 5}
"""What each of `TERMS` is for a stranger and an unrated product that nobody knows."""
GENERAL: frozenset[ReasonKind] = frozenset({"rating", "popular"})
"""Reasons that the score holds for everybody."""


class Found(Protocol):
    """What ranking needs of a search hit."""

    @property
    def product_id(self) -> str:
        """The product."""
        ...

    @property
    def variant_id(self) -> str | None:
        """The variant that matched, if one did."""
        ...

    @property
    def score(self) -> float:
        """Relevance, larger is better, on any scale."""
        ...

    @property
    def links(self) -> Sequence[Link]:
        """The edges of the graph by which it was found."""
        ...


HitType = TypeVar("HitType", bound=Found)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a card is shown.

    `facts` is what a sentence needs, `evidence` names the events, constraints or edges of the graph that prove it.

    `Reason("viewed_category", {"category": "Trail shoes", "items": 3, "views": 4, "days": 7, …}, ("e17", "e12", "e9"))`
    `Reason("synonym", {"said": "couch", "term": "Sofas"}, ("graph:couch|synonym|sofa",))`
    `Reason("constraint", {"field": "price.max", "amount": 12000, "currency": "USD"}, ("price.max",))`
    """

    kind: ReasonKind
    facts: Mapping[str, object]
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RankedHit(Generic[HitType]):
    """A hit at its place, with the score that put it there and at most `MAX_REASONS` reasons."""

    hit: HitType
    score: float
    reasons: tuple[Reason, ...] = ()


class Weighed(NamedTuple):
    """The score of each candidate, and what each of `TERMS` adds to it, by name."""

    scores: Sequence[float]
    added: Sequence[Mapping[str, float]]


class Ranker(Protocol):
    """Scores the candidates of one turn in the blend's place."""

    def weigh(self, profile: Profile, products: Sequence[Product | None], terms: Floats) -> Weighed:
        """By the candidates as they are offered, None for one that is gone, and their terms, (candidates, TERMS)."""
        ...


def rerank(
    hits: Sequence[HitType],
    profile: Profile,
    products: Callable[[str], Product | None],
    filters: Filters | None = None,
    popularity: Mapping[str, float] | None = None,
    reorder: bool = True,
    ranker: Ranker | None = None,
) -> list[RankedHit[HitType]]:
    """The same hits in personal order, each with its reasons.

    Args:
        hits: what search found, best first; equal scores keep their order.
        profile: the shopper's tastes; with an empty one the order is relevance, reputation and popularity.
        products: looks a product up as it is offered now (price and availability of the moment).
        filters: the conditions in force; those that a product is known to meet become reasons.
        popularity: product id to its share of the most popular product's, 0 to 1.
        reorder: False keeps the order (the customer asked for the cheapest first). Taste, rating and popularity then put nothing
            where it stands, so they are no reasons.
        ranker: orders in the place of the blend.
    """
    known = [products(hit.product_id) for hit in hits]
    matched = _matches(profile, known)
    shares = [(popularity or {}).get(hit.product_id, 0.0) for hit in hits]
    terms = _terms(scaled([hit.score for hit in hits]), matched, known, shares)
    weighed = ranker.weigh(profile, known, terms) if ranker is not None and reorder else blend(terms)
    believed = cache(profile.belief)
    ranked: list[RankedHit[HitType]] = []
    for hit, product, match, share, score, added in zip(hits, known, matched, shares, *weighed, strict=True):
        reasons: tuple[Reason, ...] = ()
        if product is not None:
            spoken = _weighed(believed, product, match, share, added) if reorder else []
            reasons = tuple(_reasons(spoken, product, hit, filters))
        ranked.append(RankedHit(hit, score, reasons))
    if reorder:
        ranked.sort(key=lambda each: -each.score)
    return ranked


def terms_of(
    relevance: Sequence[float], profile: Profile, products: Sequence[Product | None], shares: Sequence[float]
) -> Floats:
    """What the blend adds up for the candidates of one turn, (candidates, TERMS).

    Args:
        relevance: from 0 to 1, as `scaled` gives it, (candidates,).
        profile: the shopper's tastes.
        products: the candidates, None for one that is gone.
        shares: of each the popularity, 0 to 1.
    """
    return _terms(relevance, _matches(profile, products), products, shares)


def blend(terms: Floats) -> Weighed:
    """The score without a learnt ranker: the sum of the terms, each by its weight."""
    weights = np.array([TERM_WEIGHTS[name] for name in TERMS])
    added = weights * (terms - np.array([NEUTRAL[name] for name in TERMS]))
    by_name: list[Mapping[str, float]] = [dict(zip(TERMS, row, strict=True)) for row in added.tolist()]
    return Weighed((terms * weights).sum(axis=1).tolist(), by_name)  # not a product of matrices: equal rows stay equal


def _matches(profile: Profile, products: Sequence[Product | None]) -> list[Mapping[BeliefKind, tuple[str, float]]]:
    """What of a shopper's taste each candidate meets; nothing for a stranger."""
    if profile.empty:
        return [{} for _ in products]
    meant = [traits(product, profile.levels) if product is not None else [] for product in products]
    shared = _shared([each for each, product in zip(meant, products, strict=True) if product is not None])
    return [
        _matched(profile, product, each, shared) if product is not None else {}
        for product, each in zip(products, meant, strict=True)
    ]


def _terms(
    relevance: Sequence[float],
    matched: Sequence[Mapping[BeliefKind, tuple[str, float]]],
    products: Sequence[Product | None],
    shares: Sequence[float],
) -> Floats:
    rows = [
        (place, *(match[kind][1] if kind in match else 0.0 for kind in KINDS), rating, share)
        for place, match, rating, share in zip(
            relevance,
            matched,
            [reputation(each) if each is not None else 0.0 for each in products],
            shares,
            strict=True,
        )
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(TERMS))


def _matched(
    profile: Profile, product: Product, meant: Sequence[Trait], shared: Set[Trait] = frozenset()
) -> Mapping[BeliefKind, tuple[str, float]]:
    """What of a shopper's taste a product meets, by kind: the trait's value and its part of `match`, which they sum to (−1 … 1).

    Of several attributes the strongest speaks; of a category path the deepest level that means something, and half as
    much where that is not the product's own. Traits in `shared` are passed over.
    """
    best: dict[BeliefKind, tuple[float, str]] = {}
    for kind, value in [("item", product.id), *meant]:
        trait = (kind, value)
        if trait in shared or (kind != "price_band" and trait not in profile.weights):
            continue
        strength = profile.strength(kind, value)
        if kind == "category" and value != product.categories[-1]:
            strength *= ANCESTOR_FACTOR
        if strength and (kind == "category" or abs(strength) > abs(best.get(kind, (0.0, ""))[0])):
            best[kind] = (strength, value)
    return {kind: (value, KIND_WEIGHTS[kind] * strength) for kind, (strength, value) in best.items()}


def reputation(product: Product) -> float:
    """Rating from 0 to 1, drawn towards an ordinary shop's mean while there are few of them (a Bayesian average)."""
    if product.rating is None:
        return PRIOR_RATING / 5
    rating = product.rating
    return (rating.value * rating.count + PRIOR_RATING * PRIOR_COUNT) / (5 * (rating.count + PRIOR_COUNT))


def reputations(rating: NDArray[np.float32], count: NDArray[np.integer]) -> Floats:
    """`reputation` of many at once: (products,) ratings, NaN for none, and how many of them."""
    known = np.nan_to_num(rating.astype(np.float64)) * count + PRIOR_RATING * PRIOR_COUNT
    found: Floats = known / (5 * (count + PRIOR_COUNT))
    return found


def _shared(meant: Sequence[Sequence[Trait]]) -> Set[Trait]:
    """Brand, price band and attributes that all of several hits have: they tell none from another, so they say nothing.

    A category stays: that all are trail shoes is why they are shown to one who looked at trail shoes.
    """
    if len(meant) < 2:
        return frozenset()
    common = frozenset(meant[0]).intersection(*meant[1:])
    return frozenset(trait for trait in common if trait[0] != "category")


def scaled(scores: Sequence[float]) -> list[float]:
    """Scores on 0 … 1, the best at 1, the worst at 0 where it is a real step below.

    A span under `NARROW` of the best is not stretched: `[.93, .92]` are near equals, and taste may decide between them.
    """
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    span = max(high - low, NARROW * high)
    return [1.0 if span <= 0 else 1 - (high - score) / span for score in scores]


def _weighed(
    believed: Callable[[BeliefKind, str], Belief | None],
    product: Product,
    matched: Mapping[BeliefKind, tuple[str, float]],
    popularity: float,
    added: Mapping[str, float],
) -> list[tuple[float, Reason]]:
    """What the score holds beside relevance, as (what it adds, the reason), the largest first.

    A rating adds what it is above that of an unrated product. A taste speaks where it is one, and its term raised the score.
    """
    found: list[tuple[float, Reason]] = []
    tastes = [
        kind for kind, (_, part) in matched.items() if part >= MIN_STRENGTH * KIND_WEIGHTS[kind] and added[kind] > 0
    ]
    for kind in sorted(tastes, key=lambda each: -added[each]):
        if len(found) == MAX_PERSONAL:
            break
        value = matched[kind][0]
        belief = believed(kind, value)
        if belief is not None and belief.evidence:
            found.append((added[kind], _personal(belief)))
    if product.rating and product.rating.value >= GOOD_RATING and product.rating.count >= ENOUGH_RATINGS:
        facts = {"value": product.rating.value, "count": product.rating.count}
        found.append((added["rating"], Reason("rating", facts, (f"rating:{product.id}",))))
    if popularity >= POPULAR_SHARE:
        reason = Reason("popular", {"share": round(popularity, 2)}, (f"popularity:{product.id}",))
        found.append((added["popularity"], reason))
    return sorted((each for each in found if each[0] > 0), key=lambda each: -each[0])


def _reasons(
    weighed: Sequence[tuple[float, Reason]], product: Product, hit: Found, filters: Filters | None
) -> Iterable[Reason]:
    """Tastes that added most, the words and conditions that let the hit in, then what else added, the largest first.

    A taste that added less than the rating or the popularity stands behind it, for then that is why.
    """
    soft = [reason for _, reason in weighed]
    personal = list(takewhile(lambda reason: reason.kind not in GENERAL, soft))
    linked = [link_reason(link) for link in hit.links[:1]]
    met = list(constraint_reasons(filters, product, hit.variant_id)) if filters is not None else []
    return [*personal, *linked, *met, *soft[len(personal) :]][:MAX_REASONS]


def link_reason(link: Link) -> Reason:
    """Why a product stands here that says it in other words, or that goes with another."""
    return Reason(link.kind, {"said": link.said, "term": link.term}, (link.evidence,))


def _personal(belief: Belief) -> Reason:
    facts = dict(belief.facts)
    if belief.kind == "item":
        return Reason("viewed_item", facts, belief.evidence)
    if belief.kind == "category":
        kind: ReasonKind = "bought_category" if facts["purchases"] else "viewed_category"
        return Reason(kind, {"category": belief.value, **facts}, belief.evidence)
    if belief.kind == "brand":
        return Reason("liked_brand", {"brand": belief.value, **facts}, belief.evidence)
    if belief.kind == "price_band":
        return Reason("price_band", {"band": belief.value, **facts}, belief.evidence)
    return Reason("liked_attribute", facts, belief.evidence)


def constraint_reasons(filters: Filters, product: Product, variant_id: str | None) -> Iterable[Reason]:
    """The conditions that a product's own record shows to be met; what the record is silent about is no reason."""
    variant = product.variant(variant_id) if variant_id else None
    price = _price(product, variant)
    if filters.price is not None and price is not None and price.currency == filters.price.currency:
        low, high = filters.price.min, filters.price.max
        if (low is None or price.amount >= low) and (high is None or price.amount <= high):
            evidence = tuple(name for name, bound in (("price.min", low), ("price.max", high)) if bound is not None)
            if evidence:
                yield Reason(
                    "constraint", {"field": "price", "min": low, "max": high, "currency": price.currency}, evidence
                )
    known = _known(product, variant)
    for name, values in filters.attributes.items():
        wanted = {fold(value) for value in values}
        have = next((value for value in known.get(canonical(name), ()) if parts_of(value) & wanted), None)
        if have is not None:
            yield Reason("constraint", {"field": "attribute", "name": name, "value": have}, (f"attributes.{name}",))
    if product.brand and product.brand.casefold() in {brand.casefold() for brand in filters.brand}:
        yield Reason("constraint", {"field": "brand", "value": product.brand}, ("brand",))
    if filters.rating_min is not None and product.rating is not None and product.rating.value >= filters.rating_min:
        facts = {"field": "rating_min", "value": product.rating.value, "min": filters.rating_min}
        yield Reason("constraint", facts, ("rating_min",))
    availability = variant.availability if variant else product.availability
    if Availability.IN_STOCK in filters.availability and availability is Availability.IN_STOCK:
        yield Reason("constraint", {"field": "availability", "value": str(availability)}, ("availability",))
    for name, values in filters.exclude.attributes.items():
        unwanted = {fold(value) for value in values}
        have_values = known.get(canonical(name), ())
        if have_values and not any(parts_of(value) & unwanted for value in have_values):
            facts = {"field": "exclude", "name": name, "values": tuple(values)}
            yield Reason("constraint", facts, (f"exclude.attributes.{name}",))
    if (
        filters.exclude.brand
        and product.brand
        and product.brand.casefold() not in {each.casefold() for each in filters.exclude.brand}
    ):
        yield Reason(
            "constraint", {"field": "exclude", "name": "brand", "values": filters.exclude.brand}, ("exclude.brand",)
        )


def _price(product: Product, variant: Variant | None) -> Money | None:
    return variant.price if variant is not None and variant.price is not None else product.price


def _known(product: Product, variant: Variant | None) -> dict[str, tuple[str, ...]]:
    """Attribute values by the one name that filters use; a variant's own options stand before its product's values."""
    known = {canonical(name): values for name, values in product.attributes.items()}
    for option, value in (variant.options if variant else {}).items():
        known[canonical(option)] = (value,)
    return known
