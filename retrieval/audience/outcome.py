"""Whether writing to people made a difference: those contacted beside those left alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Any, Final

from storage.consent import Consent
from storage.contacts import Contact, contacts_of
from storage.database import Database
from storage.principal import Principal
from storage.purchases import buyers
from storage.record import now_ms

FEWEST: Final = 20
"""People in a group below which nothing is concluded."""
_Z: Final = 1.959964  # 95 %, two-sided


@dataclass(frozen=True, slots=True)
class Group:
    """`people` of whom `bought` something since they were drawn, and kept it."""

    people: int
    bought: int

    @property
    def share(self) -> float | None:
        """None where there is nobody."""
        return self.bought / self.people if self.people else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a campaign.

    Attributes:
        campaign, band: as recorded.
        first, last: ISO days on which people were drawn.
        contacted, control: the two groups, as they were drawn, whoever opened a letter.
        refused: people who do not want to be looked at any more; they count in neither.
        difference: the share that bought of those contacted, less that of the control; None where a group is empty.
        low, high: its 95 % interval.
        verdict: "more", "fewer" or "inconclusive".
        reasons: why it is inconclusive.
    """

    campaign: str
    band: str
    first: str
    last: str
    contacted: Group
    control: Group
    refused: int
    difference: float | None
    low: float | None
    high: float | None
    verdict: str
    reasons: tuple[str, ...]

    def values(self) -> dict[str, Any]:
        """For JSON, the shares of both groups with them."""
        found = asdict(self)
        for name, group in (("contacted", self.contacted), ("control", self.control)):
            found[name]["share"] = group.share
        return found

    def text(self) -> str:
        """Some lines for a person."""
        lines = [f"{self.campaign} ({self.band}), drawn {self._when()}"]
        for name, group in (("contacted", self.contacted), ("control", self.control)):
            share = "" if group.share is None else f", {group.share:.1%}"
            lines.append(f"  {name:<10} {group.bought:,} of {group.people:,} bought since{share}")
        if self.difference is not None and self.low is not None and self.high is not None:
            points = (
                f"{100 * self.difference:+.1f} points, 95 % interval {100 * self.low:+.1f} to {100 * self.high:+.1f}"
            )
            lines.append(f"  difference {points}")
        why = f": {'; '.join(self.reasons)}" if self.reasons else ""
        lines.append(f"  {self.verdict}{why}")
        return "\n".join(lines)

    def _when(self) -> str:
        return f"on {self.first}" if self.first == self.last else f"from {self.first} to {self.last}"


def outcome_of(db: Database, principal: Principal, campaign: str, default: Consent, now: int | None = None) -> Outcome:
    """Compares who bought since they were drawn, the contacted with the control (by intention to treat).

    Args:
        db: where from.
        principal: who asks.
        campaign: its name.
        default: the consent of people who never chose; the shop's `[consent]`.
        now: milliseconds since 1970; by default this instant.

    Raises:
        Forbidden: only the shop itself may.
        NotFound: there is no such campaign.
    """
    drawn = contacts_of(db, principal, campaign, default)
    bought = _bought(db, principal, drawn, default, now_ms() if now is None else now)
    contacted, control = (
        Group(len(group), sum(each.user_id in bought for each in group))
        for group in ([each for each in drawn if each.agrees and each.control is wanted] for wanted in (False, True))
    )
    days = [datetime.fromtimestamp(each.drawn_at / 1000, UTC).date().isoformat() for each in drawn]
    low, high = difference(contacted, control) if contacted.people and control.people else (None, None)
    share = None if contacted.share is None or control.share is None else contacted.share - control.share
    reasons = [
        f"{name}: {group.people} people, {FEWEST} are needed"
        for name, group in (("contacted", contacted), ("control", control))
        if group.people < FEWEST
    ]
    if low is not None and high is not None and low <= 0 <= high:
        reasons.append("the interval of the difference holds zero")
    verdict = "inconclusive" if reasons or low is None else "more" if low > 0 else "fewer"
    return Outcome(
        campaign=campaign,
        band=drawn[0].band,
        first=min(days),
        last=max(days),
        contacted=contacted,
        control=control,
        refused=sum(not each.agrees for each in drawn),
        difference=share,
        low=low,
        high=high,
        verdict=verdict,
        reasons=tuple(reasons),
    )


def difference(one: Group, other: Group) -> tuple[float, float]:
    """The 95 % interval of the difference between two independent shares, one less the other.

    The squares of the distances of Wilson's limits from the shares add up: Newcombe (1998), Interval Estimation for the Difference
    Between Independent Proportions, Statistics in Medicine 17(8), method 10. 56 of 70 and 48 of 80 give .0524 to .3339.
    """
    first, second = one.bought / one.people, other.bought / other.people
    (low_1, high_1), (low_2, high_2) = _wilson(one), _wilson(other)
    gap = first - second
    return (
        gap - sqrt((first - low_1) ** 2 + (high_2 - second) ** 2),
        gap + sqrt((high_1 - first) ** 2 + (second - low_2) ** 2),
    )


def _wilson(group: Group) -> tuple[float, float]:
    """The score interval of one share (Wilson 1927)."""
    n, k = group.people, group.bought
    middle = 2 * k + _Z**2
    reach = _Z * sqrt(_Z**2 + 4 * k * (1 - k / n))
    return (middle - reach) / (2 * (n + _Z**2)), (middle + reach) / (2 * (n + _Z**2))


def _bought(db: Database, principal: Principal, drawn: list[Contact], default: Consent, now: int) -> set[str]:
    since = {each.user_id: each.drawn_at for each in drawn}
    return {
        buyer.user_id
        for buyer in buyers(db, principal, default, now)
        if buyer.user_id in since
        and any(purchase.kept and purchase.at > since[buyer.user_id] for purchase in buyer.purchases)
    }
