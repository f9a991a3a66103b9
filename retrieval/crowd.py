"""What many shoppers like and how far they are, as counts of people: the profiles of single ones are made and forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from retrieval.path.chain import PurchaseChain
from retrieval.path.stage import Journey, Stage
from retrieval.path.tokens import CategoryOf
from retrieval.profile import Meanings, ProfileState
from storage.behavior import Behavior


@dataclass(frozen=True, slots=True)
class Crowd:
    """Counts of people.

    Attributes:
        people: of whom anything may be used.
        categories, brands: by name, of whom it is one of their strongest beliefs.
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
    liked: Counter[tuple[str, str]] = Counter()
    stages: Counter[Stage] = Counter()
    for behavior in behaviors:
        state = ProfileState(eyes.meanings, eyes.personalize)
        for event in behavior.events:
            state.add(event, now)
        profile = state.profile(now, behavior.hidden)
        if not profile.recent:
            continue
        people += 1
        liked.update((belief.kind, belief.value) for belief in profile.beliefs())
        if profile.recent[-1].timestamp >= lately:
            path = Journey.of(behavior.events, eyes.category_of, eyes.personalize, eyes.hidden)
            stages[path.at(now, eyes.chain).stage] += 1
    return Crowd(people, _of("category", liked), _of("brand", liked), stages)


def _of(kind: str, liked: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """The counts of one kind, largest first, equal ones by name."""
    own = {value: count for (each, value), count in liked.items() if each == kind}
    return dict(sorted(own.items(), key=lambda entry: (-entry[1], entry[0])))
