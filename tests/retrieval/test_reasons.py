"""Reasons are checked by the records: whatever ranking says passes, and whatever is made up does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.filters import Exclusions, Filters, PriceRange
from index.product import Availability
from retrieval.links import Link
from retrieval.profile import PriceLevels, Profile, build_profile
from retrieval.ranking import Reason, rerank
from retrieval.reasons import Grounds, Problem, problem_of
from tests.retrieval.behavior import DAY, NOW, SHOP, event

LEVELS = PriceLevels.of_products(SHOP.values())
LINK = Link("sneakers", "Trail shoes", "synonym", "graph:sneakers|synonym|trail shoes")
FIT = Link("Bicycles", "Tents", "fits", "graph:tent|compatible_with|bicycle")


@dataclass(frozen=True)
class Hit:
    product_id: str
    score: float
    variant_id: str | None = None
    links: tuple[Link, ...] = ()


def profile_of(*seen: tuple[str, str, int]) -> Profile:
    events = [event(number, name, item, days * DAY) for number, (name, item, days) in enumerate(seen)]
    return build_profile(events, SHOP.get, NOW, levels=LEVELS)


ACTS = st.tuples(
    st.sampled_from(["view_item", "select_item", "add_to_cart", "purchase", "remove_from_cart", "refund"]),
    st.sampled_from([*SHOP, "gone"]),
    st.integers(0, 400),
)
CONDITIONS = st.builds(
    Filters,
    price=st.none() | st.builds(PriceRange, max=st.integers(5000, 30000), currency=st.just("USD")),
    brand=st.sampled_from([(), ("acme",), ("Borel", "Corvo")]),
    attributes=st.sampled_from([{}, {"Color": ("RED", "blue")}, {"size": ("42",)}]),
    exclude=st.sampled_from([Exclusions(), Exclusions(brand=("Corvo",), attributes={"material": ("leather",)})]),
    availability=st.sampled_from([(), (Availability.IN_STOCK,)]),
    rating_min=st.sampled_from([None, 4.0]),
)
HITS = st.lists(
    st.builds(
        Hit,
        st.sampled_from([*SHOP]),
        st.floats(0, 1),
        variant_id=st.none(),
        links=st.sampled_from([(), (LINK,), (FIT, LINK)]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda hit: hit.product_id,
)
POPULARITY = st.dictionaries(st.sampled_from([*SHOP]), st.floats(0, 1), max_size=4)


@settings(deadline=None, max_examples=200)
@given(st.lists(ACTS, max_size=12), CONDITIONS, HITS, POPULARITY, st.booleans())
def test_all_that_ranking_says_has_evidence_and_none_of_it_holds_for_a_stranger(
    acts: list[tuple[str, str, int]], filters: Filters, hits: list[Hit], popularity: dict[str, float], reorder: bool
) -> None:
    profile = profile_of(*acts)
    grounds = Grounds(profile, filters, popularity)
    for ranked in rerank(hits, profile, SHOP.get, filters, popularity, reorder):
        product = SHOP[ranked.hit.product_id]
        for reason in ranked.reasons:
            assert problem_of(reason, product, ranked.hit, grounds) is None
            assert problem_of(replace(reason, evidence=()), product, ranked.hit, grounds) == "no_evidence"
            forged = replace(reason, evidence=(*reason.evidence, "made-up"))
            assert problem_of(forged, product, ranked.hit, grounds) is not None
            bare = replace(ranked.hit, links=())
            assert problem_of(reason, product, bare, Grounds()) is not None or reason.kind == "rating"


ACME = profile_of(("view_item", "p1", 1), ("view_item", "p3", 1), ("purchase", "p7", 2), ("view_item", "p6", 300))
GROUNDS = Grounds(
    ACME, Filters(price=PriceRange(max=9000, currency="USD"), attributes={"color": ("red",)}), {"p1": 0.9}
)
VIEWED = {"views": 2, "carts": 0, "purchases": 0, "items": 2, "days": 1}
SHOES = {"category": "Trail shoes", **VIEWED}
RED = {"field": "attribute", "name": "color", "value": "red"}
UNDER_90 = {"field": "price", "min": None, "max": 9000, "currency": "USD"}


def test_the_honest_ones_pass() -> None:
    honest = [
        Reason("viewed_category", SHOES, ("e0", "e1")),
        Reason("liked_brand", {"brand": "Acme", **VIEWED}, ("e1",)),
        Reason("constraint", UNDER_90, ("price.max",)),
        Reason("constraint", RED, ("attributes.color",)),
        Reason("rating", {"value": 4.8, "count": 40}, ("rating:p1",)),
        Reason("popular", {"share": 0.9}, ("popularity:p1",)),
        Reason("synonym", {"said": LINK.said, "term": LINK.term}, (LINK.evidence,)),
    ]
    hit = Hit("p1", 1.0, links=(LINK,))
    assert [problem_of(reason, SHOP["p1"], hit, GROUNDS) for reason in honest] == [None] * len(honest)


@pytest.mark.parametrize(
    ("forged", "problem"),
    [
        (Reason("viewed_category", SHOES, ("e99",)), "unknown_event"),
        (Reason("viewed_category", SHOES, ("e0", "e2")), "other_event"),  # e2 was a tent
        (Reason("viewed_item", VIEWED, ("e1",)), "other_event"),  # of another product
        (Reason("viewed_category", {"category": "Tents", **VIEWED}, ("e2",)), "foreign_trait"),
        (Reason("liked_brand", {"brand": "Borel", **VIEWED}, ("e2",)), "foreign_trait"),
        (Reason("liked_attribute", {"name": "color", "value": "gold", **VIEWED}, ("e0",)), "foreign_trait"),
        (Reason("viewed_category", {**SHOES, "views": 7}, ("e0", "e1")), "other_value"),
        (Reason("bought_category", SHOES, ("e0", "e1")), "other_value"),
        (Reason("constraint", UNDER_90, ("price.min",)), "no_condition"),
        (Reason("constraint", {**UNDER_90, "max": 5000}, ("price.max",)), "other_value"),
        (Reason("constraint", {**RED, "value": "gold"}, ("attributes.color",)), "other_value"),
        (Reason("constraint", RED, ("attributes.material",)), "no_condition"),
        (Reason("constraint", {"field": "brand", "value": "Acme"}, ("brand",)), "no_condition"),
        (Reason("rating", {"value": 5.0, "count": 40}, ("rating:p1",)), "other_value"),
        (Reason("rating", {"value": 4.8, "count": 40}, ("rating:p2",)), "other_value"),
        (Reason("popular", {"share": 1.0}, ("popularity:p1",)), "other_value"),
        (Reason("goes_with", {"said": "Tents", "term": "Trail shoes"}, (LINK.evidence,)), "other_value"),
        (Reason("synonym", {"said": LINK.said, "term": LINK.term}, ("graph:a|synonym|b",)), "other_value"),
        (Reason("popular", {"share": 0.9}), "no_evidence"),
    ],
)  # fmt: skip
def test_each_kind_of_forgery_is_named(forged: Reason, problem: Problem) -> None:
    assert problem_of(forged, SHOP["p1"], Hit("p1", 1.0, links=(LINK,)), GROUNDS) == problem


def test_of_a_sensitive_product_no_taste_is_spoken_but_conditions_are() -> None:
    special = SHOP["p1"].model_copy(update={"categories": ("Outdoor", "Maternity", "Trail shoes")})
    hit = Hit("p1", 1.0)
    assert problem_of(Reason("viewed_category", SHOES, ("e0", "e1")), special, hit, GROUNDS) == "sensitive"
    assert problem_of(Reason("constraint", RED, ("attributes.color",)), special, hit, GROUNDS) is None
