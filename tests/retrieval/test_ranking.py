from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.filters import Exclusions, Filters, PriceRange
from index.product import Availability, Money
from retrieval.links import Link
from retrieval.profile import PriceLevels, Profile, build_profile
from retrieval.ranking import LEAD, MATCH_WEIGHT, MAX_REASONS, constraint_reasons, rerank
from storage.event import Event
from tests.retrieval.behavior import DAY, NOW, SHOP, event

LEVELS = PriceLevels.of_products(SHOP.values())


@dataclass(frozen=True)
class Hit:
    product_id: str
    score: float
    variant_id: str | None = None
    links: tuple[Link, ...] = ()


def profile_of(*events: Event) -> Profile:
    return build_profile(events, SHOP.get, NOW, levels=LEVELS)


STRANGER = profile_of()
ACME_FAN = profile_of(
    *[event(number, "view_item", item, DAY) for number, item in enumerate(["p1", "p3", "p6", "p8", "p6"])]
)
BUDGET_BLUE = profile_of(
    event(1, "purchase", "p2", DAY), event(2, "view_item", "p2", DAY), event(3, "add_to_cart", "p2", DAY)
)
NO_LEATHER = Exclusions(attributes={"material": ("leather",)})
NO_WHEELS = Exclusions(attributes={"features": ("wheels",)})
HITS = [Hit("p5", 1.0), Hit("p4", 0.98), Hit("p2", 0.96), Hit("p6", 0.94), Hit("p7", 0.0)]


def order(profile: Profile, hits: list[Hit] | None = None) -> list[str]:
    return [each.hit.product_id for each in rerank(hits or HITS, profile, SHOP.get)]


def test_two_tastes_two_orders_and_reasons() -> None:
    assert order(ACME_FAN)[0] == "p6"
    assert order(BUDGET_BLUE)[0] == "p2"
    assert order(STRANGER) == ["p5", "p4", "p2", "p6", "p7"]
    fan = {reason.kind: reason for reason in rerank(HITS, ACME_FAN, SHOP.get)[0].reasons}
    blue = {reason.kind: reason for reason in rerank(HITS, BUDGET_BLUE, SHOP.get)[0].reasons}
    assert fan["viewed_category"].facts == {
        "category": "Trail shoes",
        "items": 3,
        "views": 4,
        "carts": 0,
        "purchases": 0,
        "days": 1,
    }
    assert fan["liked_brand"].facts["brand"] == "Acme"
    assert "bought_category" in blue
    assert fan.keys() != blue.keys()


def test_reasons_name_the_events_that_prove_them() -> None:
    for each in rerank(HITS, ACME_FAN, SHOP.get):
        for reason in each.reasons:
            assert reason.evidence
            assert all(id_ in {"e0", "e1", "e2", "e3", "e4"} for id_ in reason.evidence)


def test_a_stranger_gets_no_personal_reason() -> None:
    assert all(not each.reasons for each in rerank(HITS, STRANGER, SHOP.get))


def test_a_sorted_list_keeps_its_order_and_no_taste_is_its_reason() -> None:
    """What put nothing where it stands is no reason; conditions that let it in are."""
    filters = Filters(brand=("acme",))
    ranked = rerank(HITS, ACME_FAN, SHOP.get, filters, {"p2": 1.0}, reorder=False)
    assert [each.hit for each in ranked] == HITS
    assert {reason.kind for each in ranked for reason in each.reasons} == {"constraint"}


def test_a_taste_that_added_less_than_popularity_stands_behind_it() -> None:
    """One look at something blue adds .017 at most, the favorite of all .04."""
    blue = profile_of(event(1, "view_item", "p3", 20 * DAY))
    hits = [Hit("p2", 1.0), Hit("p7", 0.2)]
    (first, _) = rerank(hits, blue, SHOP.get, popularity={"p2": 1.0})
    kinds = [reason.kind for reason in first.reasons]
    assert "popular" in kinds
    assert "liked_attribute" in kinds
    assert kinds.index("popular") < kinds.index("liked_attribute")


def test_an_exact_hit_stays_first_whatever_the_taste() -> None:
    assert order(ACME_FAN, [Hit("p5", 10.0), Hit("p6", 1.0), Hit("p3", 0.9)])[0] == "p5"


def test_rating_and_popularity_decide_between_equals() -> None:
    equals = [Hit("p2", 1.0), Hit("p1", 1.0)]
    assert [each.hit.product_id for each in rerank(equals, STRANGER, SHOP.get)] == ["p1", "p2"]
    first = rerank(equals, STRANGER, SHOP.get, popularity={"p2": 1.0, "p1": 0.02})[0]
    assert first.hit.product_id == "p2"
    assert [reason.kind for reason in first.reasons] == ["popular"]
    assert [reason.kind for reason in rerank(equals, STRANGER, SHOP.get)[0].reasons] == ["rating"]


def test_a_product_that_is_gone_keeps_its_relevance_without_reasons() -> None:
    ranked = rerank([Hit("gone", 1.0), Hit("p2", 0.9)], ACME_FAN, SHOP.get)
    assert {each.hit.product_id for each in ranked} == {"gone", "p2"}
    assert next(each for each in ranked if each.hit.product_id == "gone").reasons == ()


@pytest.mark.parametrize(
    ("filters", "product_id", "variant_id", "evidence"),
    [
        (Filters(price=PriceRange(max=10000, currency="USD")), "p1", None, [("price.max",)]),
        (Filters(price=PriceRange(min=1000, max=10000, currency="USD")), "p1", None, [("price.min", "price.max")]),
        (Filters(price=PriceRange(max=9500, currency="USD")), "p4", "v1", [("price.max",)]),
        (Filters(price=PriceRange(max=9500, currency="USD")), "p4", None, []),
        (Filters(price=PriceRange(max=10000, currency="EUR")), "p1", None, []),
        (Filters(attributes={"Color": ("RED", "blue")}), "p1", None, [("attributes.Color",)]),
        (Filters(attributes={"size": ("42",)}), "p4", "v1", [("attributes.size",)]),
        (Filters(attributes={"size": ("42",)}), "p4", None, []),
        (Filters(brand=("acme",)), "p1", None, [("brand",)]),
        (Filters(rating_min=4), "p1", None, [("rating_min",)]),
        (Filters(rating_min=4), "p2", None, []),
        (Filters(availability=(Availability.IN_STOCK,)), "p2", None, [("availability",)]),
        (Filters(exclude=NO_LEATHER), "p2", None, [("exclude.attributes.material",)]),
        (Filters(exclude=NO_WHEELS), "p2", None, []),
        (Filters(exclude=Exclusions(brand=("Acme",))), "p2", None, [("exclude.brand",)]),
    ],
)  # fmt: skip
def test_conditions_become_reasons_only_where_the_record_shows_them(
    filters: Filters, product_id: str, variant_id: str | None, evidence: list[tuple[str, ...]]
) -> None:
    assert [reason.evidence for reason in constraint_reasons(filters, SHOP[product_id], variant_id)] == evidence


def test_the_offer_of_the_moment_counts() -> None:
    dearer = SHOP["p1"].model_copy(update={"price": Money(amount=99_000, currency="USD")})
    filters = Filters(price=PriceRange(max=5000, currency="USD"))
    assert list(constraint_reasons(filters, SHOP["p1"], None))
    assert not list(constraint_reasons(filters, dearer, None))


HIT_LISTS = st.lists(
    st.builds(
        Hit, st.sampled_from([*SHOP, "gone"]), st.floats(-5, 5, allow_nan=False).map(lambda score: round(score, 6))
    ),
    max_size=9,
    unique_by=lambda hit: hit.product_id,
).map(lambda hits: sorted(hits, key=lambda hit: -hit.score))
TASTES = st.sampled_from([STRANGER, ACME_FAN, BUDGET_BLUE, profile_of(event(1, "refund", "p5"))])


@settings(deadline=None)
@given(HIT_LISTS, TASTES, st.dictionaries(st.sampled_from([*SHOP]), st.floats(0, 1), max_size=4))
def test_nothing_is_added_or_lost_and_relevance_leads(
    hits: list[Hit], taste: Profile, popularity: dict[str, float]
) -> None:
    ranked = rerank(hits, taste, SHOP.get, popularity=popularity)
    assert sorted(each.hit.product_id for each in ranked) == sorted(hit.product_id for hit in hits)
    assert ranked == rerank(hits, taste, SHOP.get, popularity=popularity)
    assert all(len(each.reasons) <= MAX_REASONS for each in ranked)
    if len(hits) < 2 or hits[0].score == hits[-1].score:
        return
    spread = hits[0].score - hits[-1].score
    place = {each.hit.product_id: position for position, each in enumerate(ranked)}
    for better in hits:
        for worse in hits:
            if (better.score - worse.score) / spread > LEAD + 1e-9:
                assert place[better.product_id] < place[worse.product_id]


@given(TASTES, st.sampled_from([*SHOP]))
def test_taste_moves_a_score_within_its_bounds(taste: Profile, product_id: str) -> None:
    hit = [Hit(product_id, 1.0)]
    moved = rerank(hit, taste, SHOP.get)[0].score - rerank(hit, STRANGER, SHOP.get)[0].score
    assert abs(moved) <= MATCH_WEIGHT


def test_what_all_hits_share_is_no_reason_except_the_category() -> None:
    kinds = {
        reason.kind
        for each in rerank([Hit("p1", 1.0), Hit("p3", 0.9), Hit("p6", 0.8)], ACME_FAN, SHOP.get)
        for reason in each.reasons
    }
    assert "viewed_category" in kinds
    assert "liked_brand" not in kinds
