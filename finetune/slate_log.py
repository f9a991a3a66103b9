"""Logged slates as arrays: which of them can be used, and what each card earned within a stated time.

Slates that always come in one order say nothing about another, so they are left out, and in a slate the cards that could not move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.off_policy import Floats, Ints, Slates
from retrieval.slates import attributed, once
from storage.slates import Audience, ShownCard, ShownSlate

MOST_CARDS = 50
"""Cards of a slate that can move; longer lists are browsing pages, whose shares of a lot are too small to weigh by."""
_PRICE = 3.0  # largest logarithm of a price over its slate's mean

FIXED, UNKNOWN, IMPOSSIBLE = "fixed_order", "no_propensity", "impossible_propensity"


@dataclass(frozen=True)
class SlateLog:
    """What of a log can be used.

    Attributes:
        slates: the arrays, None where no slate can be used.
        policies: by name, (cards, places) as `off_policy.evaluate` takes them.
        shown: slates that were read.
        left_out: by reason, slates that were not used.
        versions: by policy version, slates that are used.
        rewards: by event, `thumb_up` and `thumb_down`, cards of them that earned that.
    """

    slates: Slates | None
    policies: Mapping[str, Floats]
    shown: int
    left_out: Mapping[str, int]
    versions: Mapping[str, int]
    rewards: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Slate:
    """A usable slate: the cards that could move, and for each the places, 0 to their number less one."""

    cards: Sequence[ShownCard]
    place: Sequence[int]
    ranked: Sequence[int]
    relevance: Sequence[int] | None


def read_slates(audiences: Iterable[Audience], window_ms: int, now: int) -> SlateLog:
    """The slates of a log whose window is over, with their rewards.

    Args:
        audiences: by user, as `storage.slates.training_slates` yields them.
        window_ms: how long after it was shown a card earns.
        now: milliseconds since 1970.
    """
    left_out: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    earned: Counter[str] = Counter()
    used: list[_Slate] = []
    users: list[int] = []
    rewards: list[float] = []
    shown = 0
    for user, audience in enumerate(audiences):
        shown += len(audience.slates)
        slates = once(audience.slates)
        left_out["duplicate"] += len(audience.slates) - len(slates)
        responses = attributed(slates, audience.responses, window_ms)
        for number, slate in enumerate(slates):
            found = "too_recent" if slate.timestamp > now - window_ms else _usable(slate)
            if isinstance(found, str):
                left_out[found] += 1
                continue
            used.append(found)
            users.append(user)
            versions[slate.policy_version or ""] += 1
            for card in found.cards:
                kinds = responses.get((number, card.item_id), {})
                earned.update(kinds.keys())
                rewards.append(sum(kinds.values()))
    arrays, policies = _arrays(used, users, rewards) if used else (None, {})
    return SlateLog(arrays, policies, shown, +left_out, versions, earned)


def _usable(slate: ShownSlate) -> _Slate | str:
    """The cards that could move, or why the slate cannot be used."""
    cards = slate.cards
    positions = {card.position for card in cards}
    if None in positions or len(positions) < len(cards) or len({card.item_id for card in cards}) < len(cards):
        return "broken"
    cards = tuple(card for card in cards if not card.reserved)
    if any(card.propensity is None for card in cards):
        return UNKNOWN
    if not all(0 < (card.propensity or 0.0) <= 1 for card in cards):
        return IMPOSSIBLE
    free = [card for card in cards if (card.propensity or 0.0) < 1]
    if len(free) < 2:
        return FIXED
    if len(free) > MOST_CARDS:
        return "too_long"
    indexes = [card.index for card in free if card.index is not None]
    relevance = _places(indexes) if len(set(indexes)) == len(free) else None
    return _Slate(free, _places([card.position or 0 for card in free]), range(len(free)), relevance)


def _places(values: Sequence[int]) -> list[int]:
    """`_places([7, 2, 4])` is `[2, 0, 1]`."""
    place = {value: number for number, value in enumerate(sorted(values))}
    return [place[value] for value in values]


def _arrays(used: Sequence[_Slate], users: Sequence[int], rewards: Sequence[float]) -> tuple[Slates, dict[str, Floats]]:
    cards = [card for slate in used for card in slate.cards]
    ranked = np.array([place for slate in used for place in slate.ranked])
    known = all(slate.relevance is not None for slate in used)
    relevance = np.array([place for slate in used for place in slate.relevance or ()]) if known else ranked
    slate = np.repeat(np.arange(len(used)), [len(each.cards) for each in used])
    slates = Slates(
        slate=slate,
        user=np.unique(users, return_inverse=True)[1],
        place=np.array([place for each in used for place in each.place]),
        propensity=np.array([card.propensity for card in cards], dtype=np.float64),
        reward=np.array(rewards),
        features=np.column_stack([1 / np.log2(ranked + 2), 1 / np.log2(relevance + 2), _prices(cards, slate)]),
    )
    policies = {"ranked": slates.in_order(ranked), "random": slates.at_random()}
    return slates, policies | ({"relevance": slates.in_order(relevance)} if known else {})


def _prices(cards: Sequence[ShownCard], slate: Ints) -> Floats:
    """The logarithm of each price less the mean of its slate, 0 where there is none, (cards,)."""
    known = np.array([(card.price or 0) > 0 for card in cards])
    logs = np.log([card.price if card.price else 1 for card in cards])
    means = np.bincount(slate, logs * known) / np.maximum(np.bincount(slate, known), 1)
    prices: Floats = np.clip(np.where(known, logs - means[slate], 0.0), -_PRICE, _PRICE)
    return prices
