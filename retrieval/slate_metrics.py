"""What became of the slates that were shown: how often their cards were clicked, put into the cart and bought.

    position   cards   people   clicked   carted   bought
           1     120       80        31       12        5
           2     120       80        20        6        4

Who buys has clicked and carted, whether or not that was logged. These figures say what happened and not why: what stands first is
clicked because it stands first. `finetune.evaluate_policy` and experiments say which order is better.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from retrieval.slates import REWARDS, attributed, once
from storage.slates import Audience

Step = Literal["clicked", "carted", "bought"]
STEPS: Final[tuple[Step, ...]] = ("clicked", "carted", "bought")
_REACHED: Final[Mapping[str, int]] = {"select_item": 1, "view_item": 1, "add_to_cart": 2, "purchase": 3}
"""How many of the steps an event has behind it."""


@dataclass(slots=True)
class Tally:
    """Cards or slates that were shown, how many of them reached each step, and the people behind both counts."""

    shown: int = 0
    people: set[str] = field(default_factory=set)
    reached: Counter[Step] = field(default_factory=Counter)
    takers: defaultdict[Step, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, user_id: str, steps: int) -> None:
        """One more, which reached the first `steps` of `STEPS`."""
        self.shown += 1
        self.people.add(user_id)
        for step in STEPS[:steps]:
            self.reached[step] += 1
            self.takers[step].add(user_id)


@dataclass(slots=True)
class SlateMetrics:
    """What was counted.

    Attributes:
        slates: all of them; one has reached what the furthest of its cards has.
        positions: cards by the place at which they stood, from 1.
        days: slates by policy version and day ("2026-03-30", UTC).
        thumbs: cards with a thumb, by "up" and "down".
    """

    slates: Tally = field(default_factory=Tally)
    positions: defaultdict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    days: defaultdict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    thumbs: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))


def slate_metrics(
    audiences: Iterable[Audience], window_ms: int, version_of: Callable[[str], str] = lambda version: version
) -> SlateMetrics:
    """Counts slates and their cards.

    Args:
        audiences: by person.
        window_ms: how long after it was shown a card may be clicked.
        version_of: the name under which a policy version is counted; "" stands for one that was not logged.
    """
    found = SlateMetrics()
    for audience in audiences:
        user, slates = audience.user_id, once(audience.slates)
        responses = attributed(slates, audience.responses, window_ms)
        for number, slate in enumerate(slates):
            furthest = 0
            for place, card in enumerate(slate.cards):
                kinds = responses.get((number, card.item_id), {})
                steps = max((_REACHED[kind] for kind in kinds if kind in REWARDS), default=0)
                found.positions[1 + (place if card.position is None else card.position)].add(user, steps)
                furthest = max(furthest, steps)
                for kind in kinds:
                    if kind not in REWARDS:
                        found.thumbs[kind.removeprefix("thumb_")].add(user, 0)
            found.slates.add(user, furthest)
            day = datetime.fromtimestamp(slate.timestamp / 1000, UTC).date().isoformat()
            found.days[version_of(slate.policy_version or ""), day].add(user, furthest)
    return found
