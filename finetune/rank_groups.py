"""What a ranker learns from: choices among candidates, each with all that was known at that moment and nothing later.

    a search     the candidates that today's search finds for the words, of which some were chosen within half an hour
    a slate      the cards that were shown, of which some were chosen within a window; where lots were drawn, each card
                 weighs one over the chance of the place that it got

A slate's log has the place that search gave a card, not its relevance: that is taken to fall evenly over the candidates, as it does
for a search without words. Products are as the catalog has them today; profile and popularity are of the moment.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.shelf import CANDIDATES
from index.product import Product
from retrieval.profile import Meanings, ProfileState
from retrieval.rank_features import FEATURES, Floats, Signals
from retrieval.ranking import scaled, terms_of
from retrieval.slates import attributed, once
from storage.event import Event
from storage.events import POPULARITY_WEIGHTS
from storage.searches import Choice
from storage.slates import Audience

LEVELS: Final[Mapping[str, int]] = {"select_item": 1, "view_item": 1, "add_to_cart": 2, "purchase": 3}
GAINS: Final = (0.0, 1.0, 3.0, 6.0)
"""By level, in clicks; those of `finetune.slate_log.REWARDS`."""
HEAVIEST: Final = 10.0
"""No card weighs more than so many, however unlikely its place was."""
MOST_SEARCHES: Final = 5_000
"""The latest searches that are learnt from: each has to be searched again."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """What one shopper could choose from at an instant, in milliseconds since 1970; everything by candidate.

    `relevance` is from 0 to 1, `levels` index `GAINS`, and `weights` say how much each choice counts.
    """

    user_id: str
    at: int
    items: tuple[str, ...]
    relevance: tuple[float, ...]
    levels: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class RankData:
    """Groups in the order of time, their candidates' rows one after the other.

    Attributes:
        features: (rows, FEATURES).
        levels: (rows,), which index `GAINS`.
        weights: (rows,).
        sizes: rows of each group, (groups,).
        users: whose each group is, (groups,).
        at: instant of each group, (groups,).
    """

    features: Floats
    levels: Ints
    weights: Floats
    sizes: Ints
    users: Sequence[str]
    at: Ints

    def __len__(self) -> int:
        return len(self.sizes)

    def part(self, start: int, end: int) -> RankData:
        """The groups from `start` up to `end`."""
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        rows = slice(int(ends[start]), int(ends[end]))
        return RankData(
            self.features[rows],
            self.levels[rows],
            self.weights[rows],
            self.sizes[start:end],
            self.users[start:end],
            self.at[start:end],
        )


def search_groups(
    choices: Iterable[Choice],
    find: Callable[[str], Sequence[tuple[str, float]]],
    product_of: Callable[[str], str],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Group]:
    """A group for each search with a choice among what is found for it.

    Args:
        choices: as `storage.searches.training_choices` yields them.
        find: words to (product, score), best first.
        product_of: the product of a variant.
        progress: told how many searches of how many are done.
    """
    asked: dict[tuple[str, int, str], dict[str, int]] = defaultdict(dict)
    for choice in choices:
        chosen, item = asked[choice.user_id, choice.at, choice.text], product_of(choice.item_id)
        chosen[item] = max(chosen.get(item, 0), LEVELS[choice.event])
    latest = sorted(asked, key=lambda each: each[1])[-MOST_SEARCHES:]
    found, groups = cache(find), []
    for number, (user_id, at, text) in enumerate(latest):
        hits = found(text)
        levels = tuple(asked[user_id, at, text].get(item, 0) for item, _ in hits)
        if _tells(levels):
            relevance = tuple(scaled([score for _, score in hits]))
            groups.append(Group(user_id, at, tuple(item for item, _ in hits), relevance, levels, (1.0,) * len(hits)))
        progress(number + 1, len(latest))
    return groups


def slate_groups(
    audiences: Iterable[Audience], window_ms: int, now: int, product_of: Callable[[str], str]
) -> list[Group]:
    """A group for each slate whose window is over, with a choice of its cards; one whose chances nobody knows tells nothing."""
    groups = []
    for audience in audiences:
        slates = once(audience.slates)
        earned = attributed(slates, audience.responses, window_ms)
        for number, slate in enumerate(slates):
            cards = slate.cards
            if slate.timestamp > now - window_ms or any(not card.propensity for card in cards):
                continue
            kinds = [earned.get((number, card.item_id), {}) for card in cards]
            levels = tuple(max((LEVELS[each] for each in kind if each in LEVELS), default=0) for kind in kinds)
            places = [number if card.index is None else card.index for number, card in enumerate(cards)]
            if _tells(levels):
                group = Group(
                    audience.user_id,
                    slate.timestamp,
                    tuple(product_of(card.item_id) for card in cards),
                    tuple(max(0.0, 1 - place / CANDIDATES) for place in places),
                    levels,
                    tuple(min(HEAVIEST, 1 / (card.propensity or 1.0)) for card in cards),
                )
                groups.append(group)
    return groups


def _tells(levels: Sequence[int]) -> bool:
    """Whether some were chosen, and others not as much."""
    return len(set(levels)) > 1


def rank_data(
    groups: Iterable[Group],
    events: Mapping[str, Sequence[Event]],
    record: Callable[[str], Product | None],
    meanings: Meanings,
    signals: Signals,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RankData:
    """The groups with their features, each from what had happened before its instant alone.

    Args:
        groups: in whatever order.
        events: of each user, in whatever order.
        record: looks a product up by its own id or a variant's; one that is gone has no traits.
        meanings: what an interest in an item says.
        signals: what is known beside.
        progress: told how many groups of how many are done.
    """
    ordered = sorted(groups, key=lambda each: (each.at, each.user_id))
    shares = shares_at(ordered, events, record)
    states: dict[str, tuple[ProfileState, list[Event], list[int]]] = {}
    rows: list[Floats] = []
    for number, group in enumerate(ordered):
        if group.user_id not in states:
            own = sorted(events.get(group.user_id, ()), key=attrgetter("timestamp"))
            states[group.user_id] = (ProfileState(meanings), own, [0])
        state, own, taken = states[group.user_id]
        before = bisect_left(own, group.at, key=attrgetter("timestamp"))
        for event in own[taken[0] : before]:
            state.add(event, group.at)
        taken[0] = before
        profile = state.profile(group.at)
        products = [record(item) for item in group.items]
        terms = terms_of(group.relevance, profile, products, shares[number])
        rows.append(signals.rows(profile, products, terms))
        progress(number + 1, len(ordered))
    return RankData(
        np.concatenate(rows) if rows else np.zeros((0, len(FEATURES))),
        np.array([level for group in ordered for level in group.levels], dtype=np.int64),
        np.array([weight for group in ordered for weight in group.weights]),
        np.array([len(group.items) for group in ordered], dtype=np.int64),
        [group.user_id for group in ordered],
        np.array([group.at for group in ordered], dtype=np.int64),
    )


def shares_at(
    groups: Sequence[Group], events: Mapping[str, Sequence[Event]], record: Callable[[str], Product | None]
) -> list[tuple[float, ...]]:
    """How popular each candidate was at the instant of its group, as a share of the most popular product's, 0 to 1.

    People are counted, as `storage.events.popularity` counts them. `groups` are in the order of time.
    """
    first: dict[tuple[str, str, str], int] = {}  # (user, event, product) to when that was first
    for user_id, own in events.items():
        for event in own:
            for item in event.items if event.event in POPULARITY_WEIGHTS else ():
                product = record(item.item_id)
                key = (user_id, event.event, product.id if product is not None else item.item_id)
                first[key] = min(event.timestamp, first.get(key, event.timestamp))
    coming = sorted((at, product, POPULARITY_WEIGHTS[event]) for (_, event, product), at in first.items())
    weights: defaultdict[str, float] = defaultdict(float)
    most, place, found = 0.0, 0, []
    for group in groups:
        while place < len(coming) and coming[place][0] < group.at:
            _, popular, weight = coming[place]
            weights[popular] += weight
            most, place = max(most, weights[popular]), place + 1
        found.append(tuple(weights.get(item, 0.0) / most if most else 0.0 for item in group.items))
    return found
