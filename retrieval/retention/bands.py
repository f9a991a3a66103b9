"""How each customer stands: a band, the figures it follows from, and the facts that a person can check.

A customer's *usual gap* is the median gap that their rhythm foresees: everybody's, shrunk towards their own (`rhythm.py`). Their
*chance* is that of a purchase within the next two usual gaps, the mean of what BG/NBD and the rhythm say: horizons that follow the
customer let a yearly and a weekly one be compared. Then, the first that holds::

    new       bought on one day only, and has not waited for longer than the usual gap
    active    has not waited for longer than the usual gap, or the chance is at least 50 %
    cooling   the chance is at least 30 %
    at-risk   the chance is at least 15 %
    gone      else
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.retention.forecast import RetentionModel
from retrieval.retention.history import DAYS_A_WEEK, Floats, Ints, PurchaseDays
from retrieval.retention.rhythm import Gaps, Rhythm

ACTIVE, COOLING, AT_RISK = 0.5, 0.3, 0.15
HORIZON_GAPS: Final = 2
SHORTEST, LONGEST = 28, 365
"""Days of the chance's horizon at least and at most."""
WEEKS: Final = 12
"""Weeks ahead of the expected purchases."""


class Band(StrEnum):
    """From the likeliest to come back to the least likely; `NEW` stands apart, for little is known."""

    NEW = "new"
    ACTIVE = "active"
    COOLING = "cooling"
    AT_RISK = "at-risk"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Standing:
    """One customer as of a day.

    Attributes:
        band: by the rule above.
        chance: of a purchase within `horizon_days`.
        horizon_days: two usual gaps, from four weeks to a year.
        p_active: that the customer has not left for good, by BG/NBD; 1 for who bought once, by its design.
        expected: days with a purchase within the next twelve weeks.
        purchases: days on which they bought.
        usual_days: the usual gap.
        current_days: since the last purchase.
        own_rhythm: whether the usual gap has gaps of their own in it, for else it is everybody's.
    """

    band: Band
    chance: float
    horizon_days: int
    p_active: float
    expected: float
    purchases: int
    usual_days: int
    current_days: int
    own_rhythm: bool

    @property
    def reason(self) -> str:
        """The facts behind the band, in English: "usually every 32 days, now 71 days"."""
        if self.own_rhythm:
            return f"usually every {days(self.usual_days)}, now {days(self.current_days)}"
        return f"bought once, {days(self.current_days)} ago; half of who comes back does within {days(self.usual_days)}"


def days(count: int) -> str:
    """`days(1)` is "1 day", `days(3)` "3 days"."""
    return f"{count} day{'' if count == 1 else 's'}"


def standings(forecast: RetentionModel, rhythm: Rhythm, purchases: PurchaseDays, until: int) -> list[Standing]:
    """Everybody as of the day before `until`, in the order of their numbers.

    Args:
        forecast: fitted to the shop's customers.
        rhythm: of all their purchases.
        purchases: of customers 0 … n - 1, each with one before `until`; later ones are not looked at.
        until: the day after the last that is watched.
    """
    known = purchases.before(until)
    summary, gaps = known.summary(until), Gaps.of(known, until)
    usual = rhythm.due(gaps).median
    horizon = np.clip(HORIZON_GAPS * usual, SHORTEST, LONGEST)
    ahead = forecast.predict(summary, WEEKS)
    chance = (forecast.predict(summary, horizon / DAYS_A_WEEK).p_purchase + rhythm.p_purchase(gaps, horizon)) / 2
    return [
        Standing(
            band=band,
            chance=float(chance[row]),
            horizon_days=round(float(horizon[row])),
            p_active=float(ahead.p_active[row]),
            expected=float(ahead.purchases[row]),
            purchases=int(gaps.count[row]) + 1,
            usual_days=max(1, round(float(usual[row]))),
            current_days=int(gaps.open[row]),
            own_rhythm=bool(gaps.count[row]),
        )
        for row, band in enumerate(bands(chance, gaps.count, gaps.open <= usual))
    ]


def bands(chance: Floats, repeats: Ints, on_time: NDArray[np.bool_]) -> list[Band]:
    """The rule, for each customer: their chance, days with a purchase after the first, whether they are within the usual gap."""
    holds = [on_time & (repeats == 0), on_time | (chance >= ACTIVE), chance >= COOLING, chance >= AT_RISK]
    order = list(Band)
    return [order[place] for place in np.select(holds, range(len(holds)), len(holds)).tolist()]
