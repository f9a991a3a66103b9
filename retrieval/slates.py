"""Which slate earned what: what people did with a product, laid to the slate that showed it to them.

A card earns the furthest of `REWARDS` that its shopper took within the window after it was shown, and ±`THUMB` for a thumb. What
names a slate belongs to that one; all else to the last slate before it that showed the product.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from storage.slates import FEEDBACK, Response, ShownSlate

REWARDS: Mapping[str, float] = {"select_item": 1.0, "view_item": 1.0, "add_to_cart": 3.0, "purchase": 6.0}
"""In clicks; the order of the profile's weights (`retrieval.profile.EVENT_WEIGHTS`), a stated default that no data chose."""
THUMB = 1.0


def once(slates: Sequence[ShownSlate]) -> list[ShownSlate]:
    """The slates, of those with the same id the first."""
    known: set[str] = set()
    found = []
    for slate in slates:
        if slate.slate_id is None or slate.slate_id not in known:
            found.append(slate)
        if slate.slate_id is not None:
            known.add(slate.slate_id)
    return found


def attributed(
    slates: Sequence[ShownSlate], responses: Sequence[Response], window_ms: int
) -> dict[tuple[int, str], dict[str, float]]:
    """By (number of the slate, product): the furthest step and the last thumb, with what they earn."""
    showing: dict[str, list[int]] = {}
    by_id: dict[tuple[str, str], int] = {}
    for place, slate in enumerate(slates):
        for item_id in {card.item_id for card in slate.cards}:
            showing.setdefault(item_id, []).append(place)
            if slate.slate_id is not None:
                by_id[slate.slate_id, item_id] = place
    found: dict[tuple[int, str], dict[str, float]] = {}
    number: int | None
    for response in responses:
        if response.slate_id is not None:
            number = by_id.get((response.slate_id, response.item_id))
        else:
            numbers = showing.get(response.item_id, [])
            before = bisect_right(numbers, response.timestamp, key=lambda each: slates[each].timestamp)
            number = numbers[before - 1] if before else None
        if number is None or not 0 <= response.timestamp - slates[number].timestamp <= window_ms:
            continue
        own = found.setdefault((number, response.item_id), {})
        if response.event != FEEDBACK:
            step = next((kind for kind in own if kind in REWARDS), None)
            if step is None or REWARDS[response.event] > REWARDS[step]:
                own.pop(step or "", None)
                own[response.event] = REWARDS[response.event]
        elif response.up is not None:
            own.pop("thumb_down" if response.up else "thumb_up", None)
            own["thumb_up" if response.up else "thumb_down"] = THUMB if response.up else -THUMB
    return found
