"""What many shoppers like and how far they are, as counts of people: the profiles of single ones are made and forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from retrieval.path.chain import PurchaseChain
from retrieval.path.stage import Journey, Stage
from retrieval.path.tokens import CategoryOf
from retrieval.profile import BeliefKind, Meanings, ProfileState
from storage.behavior import Behavior

KINDS: Final[tuple[BeliefKind, ...]] = ("category", "brand")
FAVORITES: Final = 3
"""Of each kind, one's strongest beliefs that count: with all of them everybody likes much."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Counts of people.

    Attributes:
        people: of whom anything may be used.
        categories, brands: by name, of whom it is one of the `FAVORITES` that they like most.
        stages: of those who were there since `lately`, how far they are.
    """

    people: int
    categories: Mapping[str, int]
    brands: Mapping[str, int]
    stages: Mapping[Stage, int]


@dataclass(frozen=True, slots=True)
class Eyes:
    """What the catalog that serves now makes of events, as for a single shopper.

    `personalize` is the shop's default where an event carries no consent; `hidden` says whether nothing may be known of an item.
    """

    meanings: Meanings
    category_of: CategoryOf
    personalize: bool
    hidden: Callable[[str], bool]
    chain: PurchaseChain | None = None


def crowd_of(behaviors: Iterable[Behavior], eyes: Eyes, now: int, lately: int) -> Crowd:
    """Counts people; bots, those who do not want to be known, and beliefs that were removed count nowhere.

    Args:
        behaviors: one of each person.
        eyes: what the catalog makes of events.
        now: milliseconds since 1970.
        lately: from when on somebody must have been there to have a stage.
    """
    people = 0
    liked: Counter[tuple[BeliefKind, str]] = Counter()
    stages: Counter[Stage] = Counter()
    for behavior in behaviors:
        state = ProfileState(eyes.meanings, eyes.personalize)
        for event in behavior.events:
            state.add(event, now)
        profile = state.profile(now, behavior.hidden)
        if not profile.recent:
            continue
        people += 1
        for kind in KINDS:
            liked.update((kind, value) for value in profile.strongest(kind, FAVORITES))
        if profile.recent[-1].timestamp >= lately:
            path = Journey.of(behavior.events, eyes.category_of, eyes.personalize, eyes.hidden)
            stages[path.at(now, eyes.chain).stage] += 1
    categories, brands = (_of(kind, liked) for kind in KINDS)
    return Crowd(people, categories, brands, stages)


def _of(kind: BeliefKind, liked: Mapping[tuple[BeliefKind, str], int]) -> dict[str, int]:
    """The counts of one kind, largest first, equal ones by name."""
    own = {value: count for (each, value), count in liked.items() if each == kind}
    return dict(sorted(own.items(), key=lambda entry: (-entry[1], entry[0])))
