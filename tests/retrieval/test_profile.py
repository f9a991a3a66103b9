from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.product import Product
from retrieval.profile import (
    EVENT_WEIGHTS,
    LONG_HALF_LIFE_MS,
    BeliefKind,
    PriceLevels,
    Profile,
    build_profile,
    decay,
    traits,
)
from storage.event import Event
from tests.retrieval.behavior import DAY, HOUR, NOW, SHOP, event, refusing

LEVELS = PriceLevels.of_products(SHOP.values())


def profile_of(*events: Event, hidden: set[tuple[str, str]] | None = None, personalize: bool = True) -> Profile:
    return build_profile(events, SHOP.get, NOW, hidden or (), LEVELS, personalize)


def weight(profile: Profile, kind: BeliefKind, value: str) -> float:
    interest = profile.interests.get((kind, value))
    return interest.weight if interest else 0.0


def test_stranger() -> None:
    profile = profile_of()
    assert profile.empty
    assert profile.beliefs() == []
    assert profile.strength("brand", "Acme") == 0


def test_price_levels_are_terciles_of_a_category() -> None:
    assert LEVELS.cuts == {"Trail shoes": (8000, 15000)}
    assert [LEVELS.band(SHOP[f"p{number}"]) for number in (1, 3, 5, 7)] == ["budget", "middle", "premium", None]


def test_what_is_remembered_of_a_product_gives_way_to_what_it_says_now() -> None:
    before = Product(id="same", title="Tent", brand="Acme", categories=("Tents",), attributes={"color": ("blue",)})
    after = before.model_copy(update={"attributes": {"color": ("red",)}})
    special = before.model_copy(update={"title": "Pregnancy test"})
    for _ in range(2):
        assert traits(before, LEVELS) == [("category", "Tents"), ("brand", "Acme"), ("attribute", "color: blue")]
        assert traits(after, LEVELS)[-1] == ("attribute", "color: red")
        assert traits(special, LEVELS) == []


def test_traits() -> None:
    assert traits(SHOP["p3"], LEVELS) == [
        ("category", "Outdoor"),
        ("category", "Trail shoes"),
        ("brand", "Acme"),
        ("price_band", "middle"),
        ("attribute", "color: blue"),
        ("attribute", "material: cotton"),
    ]


@pytest.mark.parametrize(
    ("more", "less"),
    [
        (event(1, "purchase", "p1"), event(1, "add_to_cart", "p1")),
        (event(1, "add_to_cart", "p1"), event(1, "view_item", "p1", dwell_ms=60_000)),
        (event(1, "view_item", "p1", dwell_ms=60_000), event(1, "view_item", "p1")),
        (event(1, "view_item", "p1"), event(1, "view_item", "p1", dwell_ms=800)),
        (event(1, "view_item", "p1", dwell_ms=800), event(1, "view_item_list", "p1")),
        (event(1, "recommendation_shown", "p1"), event(1, "refund", "p1")),
        (event(1, "view_item", "p1", age=HOUR), event(1, "view_item", "p1", age=3 * DAY)),
    ],
)
def test_what_says_more(more: Event, less: Event) -> None:
    assert weight(profile_of(more), "brand", "Acme") > weight(profile_of(less), "brand", "Acme")


def test_a_return_takes_back_most_of_a_purchase() -> None:
    kept = profile_of(event(1, "purchase", "p1", DAY))
    returned = profile_of(event(1, "purchase", "p1", DAY), event(2, "refund", "p1", DAY))
    assert 0 < weight(returned, "item", "p1") < weight(kept, "item", "p1") / 4


def test_only_a_return_is_a_dislike_and_no_belief() -> None:
    profile = profile_of(event(1, "refund", "p1"))
    assert profile.strength("brand", "Acme") < 0
    assert profile.beliefs() == []


def test_decay_is_half_session_half_memory() -> None:
    assert decay(0) == 1
    assert decay(LONG_HALF_LIFE_MS) == pytest.approx(0.25, abs=1e-9)
    assert decay(-5) == 1
    assert [decay(age) for age in range(0, 100 * DAY, DAY)] == sorted(
        (decay(age) for age in range(0, 100 * DAY, DAY)), reverse=True
    )


def test_belief_tells_how_much_and_when() -> None:
    views = [
        event(number, "view_item", item, age)
        for number, (item, age) in enumerate([("p1", DAY * 2), ("p2", DAY * 3), ("p3", DAY * 4), ("p3", DAY * 40)])
    ]
    belief = next(belief for belief in profile_of(*views).beliefs() if belief.value == "Trail shoes")
    assert belief.kind == "category"
    assert belief.facts == {"items": 3, "views": 3, "carts": 0, "purchases": 0, "days": 7}
    assert belief.evidence == ("e0", "e1", "e2")


def test_belief_about_an_attribute_names_it() -> None:
    beliefs = profile_of(event(1, "view_item", "p2"), event(2, "purchase", "p3")).beliefs()
    blue = next(belief for belief in beliefs if belief.value == "color: blue")
    assert (blue.facts["name"], blue.facts["value"], blue.facts["purchases"]) == ("color", "blue", 1)


def test_a_parent_category_is_not_told_beside_the_child_that_explains_it() -> None:
    values = {belief.value for belief in profile_of(event(1, "view_item", "p1"), event(2, "view_item", "p2")).beliefs()}
    assert "Trail shoes" in values
    assert "Outdoor" not in values
    spread = {belief.value for belief in profile_of(event(1, "view_item", "p1"), event(2, "view_item", "p7")).beliefs()}
    assert {"Trail shoes", "Tents", "Outdoor"} <= spread


def test_only_prices_that_stand_out_are_a_taste() -> None:
    even = profile_of(*[event(number, "purchase", item) for number, item in enumerate(["p1", "p3", "p5"])])
    assert abs(even.strength("price_band", "budget")) < 0.01
    assert not [belief for belief in even.beliefs() if belief.kind == "price_band"]
    cheap = profile_of(*[event(number, "purchase", item) for number, item in enumerate(["p1", "p2", "p1"])])
    assert cheap.strength("price_band", "budget") > 0.7
    assert cheap.strength("price_band", "premium") < 0
    assert [belief.value for belief in cheap.beliefs() if belief.kind == "price_band"] == ["budget"]


def test_hidden_beliefs_neither_show_nor_rank() -> None:
    events = [event(1, "purchase", "p1"), event(2, "view_item", "p2")]
    profile = profile_of(*events, hidden={("brand", "acme"), ("attribute", "color: red")})
    assert not {belief.value for belief in profile.beliefs()} & {"Acme", "color: red"}
    assert profile.strength("brand", "Acme") == 0
    assert profile.strength("brand", "Borel") > 0


def test_refused_consent_is_not_used() -> None:
    assert profile_of(refusing(1, "p1")).empty
    assert not profile_of(refusing(1, "p1"), event(2, "view_item", "p2")).strength("brand", "Acme")
    assert profile_of(event(1, "purchase", "p1"), personalize=False).empty


def test_dirt_is_passed_over() -> None:
    events = [
        event(1, "view_item", "gone"),
        event(2, "view_item", None),
        event(3, "search", None, search_term="tent"),
        event(4, "view_item", "p1", age=-400 * DAY),
        event(5, "view_item", "p1", age=NOW),
    ]
    profile = profile_of(*events)
    assert profile.interests == {}
    assert [each.event_id for each in profile.recent] == ["e1", "e2", "e3"]


def test_one_view_is_held_back() -> None:
    one, many = (
        profile_of(event(1, "view_item", "p1")),
        profile_of(*[event(number, "view_item", "p1") for number in range(30)]),
    )
    assert 0 < one.strength("brand", "Acme") <= 1 / 3
    assert many.strength("brand", "Acme") > 0.8


ITEMS = st.sampled_from([*SHOP, "gone"])
EVENTS = st.lists(
    st.builds(
        lambda number, name, item, age, dwell: event(
            number, name, item, age, **({"dwell_ms": dwell} if dwell is not None else {})
        ),
        st.integers(0, 30),
        st.sampled_from([*EVENT_WEIGHTS, "view_item_list", "search"]),
        ITEMS,
        st.integers(-DAY // 2, 200 * DAY),
        st.none() | st.integers(0, 90_000),
    ),
    max_size=25,
    unique_by=lambda each: each.event_id,
)


@settings(deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(events: list[Event], rng: random.Random) -> None:
    shuffled = [*events, *events[:5]]
    rng.shuffle(shuffled)
    assert profile_of(*shuffled) == profile_of(*events)


@settings(deadline=None)
@given(EVENTS)
def test_every_belief_has_evidence_among_the_events(events: list[Event]) -> None:
    profile = profile_of(*events)
    known = {each.event_id: each for each in events}
    for belief in profile.beliefs():
        assert belief.evidence
        assert set(belief.evidence) <= set(known)
        seen: list[Product] = [SHOP[item.item_id] for id_ in belief.evidence for item in known[id_].items]
        assert all((belief.kind, belief.value) in traits(each, LEVELS) for each in seen)
        assert all(NOW - known[id_].timestamp <= int(belief.facts["days"]) * DAY for id_ in belief.evidence)
    for kind, value in profile.interests:
        assert -1 <= profile.strength(kind, value) <= 1
        assert math.isfinite(profile.strength(kind, value))
