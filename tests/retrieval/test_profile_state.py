"""Streaming, replay and any order in between give the same profile to the last bit, and sums are what their definition says."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.product import Product
from retrieval.profile import (
    EVENT_WEIGHTS,
    MOST_EVENTS,
    PATH_EVENTS,
    Meanings,
    PriceLevels,
    Profile,
    ProfileState,
    build_profile,
    decay,
    traits,
    weight_of,
)
from retrieval.profile import state as profile_state
from retrieval.profile.state import RECENT
from retrieval.profile.sums import DecayedSums
from storage.bots import MOST_ACTS
from storage.consent import Consent
from storage.event import Event
from tests.retrieval.behavior import DAY, HOUR, NOW, SHOP, event, refusing

LEVELS = PriceLevels.of_products(SHOP.values())
KINDS = st.sampled_from([*EVENT_WEIGHTS, "view_cart", "view_item_list", "search", "recommendation_shown"])
# Ages from a day ahead over sessions to years, so that hours are dropped and months are shifted.
AGES = st.integers(-2 * DAY, 2 * HOUR) | st.integers(0, 100 * HOUR) | st.integers(0, 4_000 * DAY) | st.just(NOW)
BAGS = st.lists(
    st.builds(
        lambda number, name, items, age, dwell, allowed: event(number, name, None, age).model_copy(
            update={
                "items": tuple(item for each in items for item in event(0, name, each).items),
                "dwell_ms": dwell,
                "consent": Consent(personalize=allowed),
            }
        ),
        st.integers(0, 60),
        KINDS,
        st.lists(st.sampled_from([*SHOP, "gone"]), max_size=3),
        AGES,
        st.none() | st.integers(0, 90_000),
        st.integers(0, 5).map(bool),
    ),
    max_size=40,
    unique_by=lambda each: each.event_id,
)


def state_of() -> ProfileState:
    return ProfileState(Meanings(SHOP.get, LEVELS))


def streamed(events: list[Event]) -> Profile:
    state = state_of()
    for each in events:
        state.add(each, NOW)
    return state.profile(NOW)


@settings(deadline=None, max_examples=150)
@given(BAGS, st.randoms(use_true_random=False), st.integers(3, 60))
def test_any_order_and_a_replay_give_the_same_to_the_last_bit(
    events: list[Event], rng: random.Random, most: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(profile_state, "MOST_EVENTS", most)  # so that events leave the window too
        came = [*events, *events[::3]]
        rng.shuffle(came)
        state = state_of()
        for each in came:
            state.add(each, NOW)
            state.profile(NOW)  # reading in between changes nothing
        replay = sorted(events, key=lambda each: (each.timestamp, each.event_id))
        assert state.profile(NOW) == streamed(replay) == streamed(replay[::-1])
        later = NOW + 3 * DAY
        assert state.profile(later).interests.keys() == state.profile(NOW).interests.keys()


@settings(deadline=None)
@given(BAGS)
def test_sums_are_the_decayed_weights(events: list[Event]) -> None:
    allowed = [each.model_copy(update={"consent": None}) for each in events]
    profile = streamed(allowed)
    counted = [each for each in allowed if NOW - 9_000 * DAY < each.timestamp <= NOW + DAY]
    latest = max([NOW, *(each.timestamp for each in counted if each.event in PATH_EVENTS)])
    for trait, interest in profile.interests.items():
        expected = math.fsum(
            weight_of(each) * decay(latest - each.timestamp)
            for each in counted
            for item in {item.item_id: item for item in each.items}
            if item in SHOP and trait in [("item", item), *traits(SHOP[item], LEVELS)]
        )
        assert interest.weight == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-10, 10), st.integers(0, 3_000 * HOUR)), max_size=20))
def test_what_is_taken_back_leaves_nothing(parts: list[tuple[float, int]]) -> None:
    kept, touched = DecayedSums[str](), DecayedSums[str]()
    for weight, age in parts:
        kept.add("a", weight, NOW - age)
        touched.add("a", weight, NOW - age)
    for weight, age in parts:
        touched.add("ab", 7 * weight, NOW - age)
    for weight, age in reversed(parts):
        touched.add("ab", 7 * weight, NOW - age, times=-1)
    assert touched.at(NOW) == kept.at(NOW)


def test_the_newest_events_count_and_no_more() -> None:
    events = [event(number, "view_item", "p1", age=HOUR * number) for number in range(MOST_EVENTS + 20)]
    profile = streamed(events[::-1])
    assert len(profile.interests["item", "p1"].events) == MOST_EVENTS
    assert profile == streamed(events) == streamed(events[:MOST_EVENTS])


def test_the_last_things_done_are_kept_oldest_first() -> None:
    events = [event(number, "view_item", "p1", age=HOUR * number) for number in range(RECENT + 5)]
    events += [event(900, "search", None, age=-1, search_term="tent"), event(901, "recommendation_shown", "p2", age=0)]
    recent = streamed(events).recent
    assert len(recent) == RECENT
    assert [each.event_id for each in recent[-3:]] == ["e1", "e0", "e900"]
    assert recent[0].event_id == f"e{RECENT - 2}"


def test_what_was_refused_is_used_for_nothing() -> None:
    profile = streamed([refusing(1, "p1"), event(2, "view_item", "p2", age=1)])
    assert {each.event_id for each in profile.recent} == {"e2"}
    assert ("brand", "Acme") not in profile.interests


def test_who_refuses_now_is_a_stranger_whatever_was_allowed_before() -> None:
    before = [event(number, "purchase", "p1", age=DAY) for number in range(5)]
    assert not streamed(before).empty
    refused = streamed([*before, refusing(9, "p2")])
    assert refused.empty
    assert refused.recent == ()
    again = event(10, "view_item", "p2", age=1)
    assert not streamed([*before, refusing(9, "p2"), again]).empty


def test_a_bot_has_no_taste() -> None:
    minute, most = next(iter(MOST_ACTS.items()))
    start = NOW - HOUR - NOW % minute
    clicks = [
        event(number, "view_item", "p1").model_copy(update={"timestamp": start + number}) for number in range(most + 1)
    ]
    assert not streamed(clicks[:-1]).empty
    assert streamed(clicks).empty
    slower = [each.model_copy(update={"timestamp": start + 60 * number}) for number, each in enumerate(clicks)]
    assert streamed(slower).empty, "still one minute"
    hour, many = list(MOST_ACTS.items())[-1]
    assert many < MOST_EVENTS, "else no profile could tell"
    steady = [
        event(number, "view_item", "p1").model_copy(update={"timestamp": start - start % hour + 8_000 * number})
        for number in range(many + 1)
    ]
    assert not streamed(steady[:-1]).empty
    assert streamed(steady).empty
    human = [each.model_copy(update={"timestamp": start + 10_000 * number}) for number, each in enumerate(clicks)]
    assert not streamed(human).empty


def test_a_clock_that_runs_ahead_does_not_make_weights_grow() -> None:
    ahead = streamed([event(1, "view_item", "p1", age=-DAY // 2)])
    assert ahead.interests["item", "p1"].weight == pytest.approx(1, abs=1e-9)
    assert streamed([event(1, "view_item", "p1", age=-DAY - 1)]).empty


def test_products_that_are_gone_leave_the_others_as_they_are() -> None:
    events = [event(number, "view_item", f"p{number}", age=HOUR) for number in range(1, 9)]
    half: dict[str, Product] = {name: each for name, each in SHOP.items() if name in ("p1", "p2", "p3", "p7")}
    left = build_profile(events, half.get, NOW, levels=LEVELS)
    assert {value for kind, value in left.interests if kind == "item"} == set(half)
    kept = [each for each in events if each.items[0].item_id in half]
    assert left.interests == build_profile(kept, SHOP.get, NOW, levels=LEVELS).interests


def test_other_weights_can_be_given() -> None:
    events = [event(1, "purchase", "p1"), event(2, "view_item", "p7")]
    profile = build_profile(events, SHOP.get, NOW, levels=LEVELS, weights={"view_item": 2.0, "purchase": -1.0})
    assert profile.strength("category", "Tents") > 0 > profile.strength("category", "Trail shoes")
