"""How much one event says of a taste, and how that fades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from storage.event import Event

# Stated defaults, in units of one plain view. What was taken back weighs against the interest, but less than what it
# undoes: who returns a shoe still looked for shoes. Being shown something is no interest.
EVENT_WEIGHTS: Mapping[str, float] = {
    "select_item": 0.5,
    "view_item": 1.0,
    "add_to_cart": 3.0,
    "begin_checkout": 3.0,
    "purchase": 6.0,
    "remove_from_cart": -2.0,
    "refund": -5.0,
}
PATH_EVENTS: Final = frozenset({*EVENT_WEIGHTS, "view_cart", "search"})
"""What a shopper did themselves: the events that a profile is made from. What was only shown to them is none."""

LONG_DWELL_MS, LONG_DWELL_FACTOR = 30_000, 2.0
GLANCE_MS, GLANCE_FACTOR = 3_000, 0.3
SESSION_HALF_LIFE_MS: Final = 3_600_000
LONG_HALF_LIFE_MS: Final = 30 * 86_400_000


def decay(age_ms: float) -> float:
    """Share of an event's weight that is left after `age_ms`; never negative, 1 for one that happens now."""
    age = max(0.0, age_ms)
    return 0.5 * float(2.0 ** (-age / SESSION_HALF_LIFE_MS)) + 0.5 * float(2.0 ** (-age / LONG_HALF_LIFE_MS))


def weight_of(event: Event, weights: Mapping[str, float] = EVENT_WEIGHTS) -> float:
    """What one event says before decay, in plain views; a long look counts double, a glance a third."""
    weight = weights.get(event.event, 0.0)
    if event.event == "view_item" and event.dwell_ms is not None:
        if event.dwell_ms >= LONG_DWELL_MS:
            return weight * LONG_DWELL_FACTOR
        if event.dwell_ms < GLANCE_MS:
            return weight * GLANCE_FACTOR
    return weight
