"""Weights of kinds of events are found again where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.event_weights import GAP_MS, KINDS, Choices, choices_of, learn_weights
from retrieval.profile import EVENT_WEIGHTS
from storage.errors import InvalidInput
from storage.event import Event, parse_event

NOON = 1_767_323_045_000
HOUR = 3_600_000
TRUTH = {"select_item": 0.5, "view_item": 1.0, "add_to_cart": 2.0, "purchase": -1.5, "refund": -1.0}


def did(number: int, name: str, item: str, at: int) -> Event:
    row = {"event_id": f"e{number}", "event": name, "timestamp": NOON + at, "items": [{"item_id": item}]}
    return parse_event(row)


def drawn(truth: dict[str, float], count: int, seed: int) -> Choices:
    """Choices that were drawn by the model itself."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 8, count)
    starts = np.cumsum(sizes) - sizes
    counts = rng.poisson(1.0, (sizes.sum(), len(KINDS))).astype(float)
    scores = counts @ np.array([truth.get(kind, 0.0) for kind in KINDS]) + rng.gumbel(size=len(counts))
    best = np.repeat(np.maximum.reduceat(scores, starts), sizes)
    return Choices(counts, scores == best, starts, np.arange(count), np.arange(count))


def test_known_weights_are_found_again() -> None:
    learnt = learn_weights(drawn(TRUTH, 4_000, 1))
    for kind in KINDS:
        assert learnt[kind] == pytest.approx(TRUTH.get(kind, 0.0), abs=0.2), kind
    test = drawn(TRUTH, 2_000, 2)
    reciprocal = {name: (1 / test.ranks(each)).mean() for name, each in (("learnt", learnt), ("stated", EVENT_WEIGHTS))}
    assert reciprocal["learnt"] > reciprocal["stated"] + 0.05
    assert reciprocal["learnt"] == pytest.approx((1 / test.ranks(TRUTH)).mean(), abs=0.01)


def test_too_little_or_nonsense_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too few"):
        learn_weights(drawn(TRUTH, 50, 1))
    with pytest.raises(InvalidInput, match="no weights"):
        learn_weights(drawn({"view_item": -1.0}, 500, 1))


def test_a_purchase_is_a_choice_among_what_was_met_long_enough_before() -> None:
    history = [
        did(5, "purchase", "b2", 0),
        did(1, "view_item", "a1", -30 * HOUR),
        did(2, "view_item", "b1", -29 * HOUR),
        did(3, "add_to_cart", "b1", -28 * HOUR),
        did(4, "view_item", "c1", -GAP_MS + 1),
        did(6, "view_item_list", "d1", -29 * HOUR),
        did(7, "purchase", "e1", HOUR),  # never met before
    ]
    choices = choices_of([history, history[1:]], lambda item: item[0], fade=lambda age: 1.0)
    assert len(choices) == 1
    assert choices.bought.tolist() == [False, True]
    view, cart = KINDS.index("view_item"), KINDS.index("add_to_cart")
    assert choices.counts[:, [view, cart]].tolist() == [[1, 0], [1, 1]]
    assert choices.ranks({"view_item": 1, "add_to_cart": 1}).tolist() == [1]
    assert choices.ranks({"add_to_cart": -1}).tolist() == [2]
    assert choices.ranks({"view_item": 1}).tolist() == [1.5]


def test_nobody_bought() -> None:
    with pytest.raises(InvalidInput, match="Nobody bought"):
        choices_of([[did(1, "view_item", "a", 0)], []], lambda item: item)


def test_a_part_is_made_of_whole_choices() -> None:
    choices = drawn(TRUTH, 30, 3)
    some = np.arange(30) % 3 == 0
    assert choices.part(some).ranks(TRUTH).tolist() == choices.ranks(TRUTH)[some].tolist()
