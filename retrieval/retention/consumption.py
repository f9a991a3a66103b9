"""What customers use up: which categories are bought regularly, and what of them is due for whom.

Every leaf category is watched twice, by customer, and by customer and product: somebody who buys two coffees in turn has a rhythm
of coffee and a slower one of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from retrieval.goods import Good, Goods
from retrieval.retention.history import PurchaseDays
from retrieval.retention.rhythm import Gaps, Rhythm, is_consumable
from storage.purchases import Buyer

DAY_MS: Final = 86_400_000
LEAST_CHANCE: Final = 0.25
"""Of a purchase within the window, below which nothing is called due."""
PATH: Final = " > "

Rhythms = Mapping[str, Rhythm]
"""By category, as its path: "Pets > Dogs > Dog food"."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that a customer uses up; days since 1970, UTC.

    Attributes:
        good: what was bought last of the category.
        purchases: days on which something of the category was bought.
        usual_days: the usual gap between them.
        product_days: that of this very product, where it was bought before and such gaps are regular.
        last: the day of the last purchase.
        due: the day by which half of such gaps are over.
        early, late: those by which 10 and 90 % are.
        chance: of a purchase within the window that was asked about.
    """

    good: Good
    purchases: int
    usual_days: int
    product_days: int | None
    last: int
    due: int
    early: int
    late: int
    chance: float


@dataclass
class Habit:
    """What one customer bought of one category: days, ascending, each once; of all of it and by product; and what last."""

    last: Good
    days: list[int] = field(default_factory=list)
    by_product: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, day: int, good: Good) -> None:
        """Something more of it, later than what was added before."""
        for days in (self.days, self.by_product[good.product_id]):
            if not days or days[-1] != day:
                days.append(day)
        self.last = good

    @property
    def of_last(self) -> list[int]:
        """The days of the product that was bought last."""
        return self.by_product[self.last.product_id]


@dataclass(frozen=True)
class Consumption:
    """What everybody bought and kept of what the catalog puts in a category, by category and user."""

    habits: Mapping[str, Mapping[str, Habit]]

    @classmethod
    def of(cls, people: Iterable[Buyer], goods: Goods) -> Self:
        """Looks each product up once."""
        buyers = list(people)
        known = goods({item for buyer in buyers for purchase in buyer.purchases for item in purchase.items})
        habits: defaultdict[str, dict[str, Habit]] = defaultdict(dict)
        for buyer in buyers:
            for purchase in buyer.purchases:
                for item in purchase.items if purchase.kept else ():
                    good = known.get(item)
                    if good is not None and good.category:
                        of_category = habits[PATH.join(good.category)]
                        of_category.setdefault(buyer.user_id, Habit(good)).add(purchase.at // DAY_MS, good)
        return cls(habits)

    def rhythms(self, until: int) -> tuple[Rhythms, Rhythms]:
        """Of each category that is bought regularly, and of the same product in it where that is; as of the day before `until`."""
        of_category, of_product = {}, {}
        for category, habits in sorted(self.habits.items()):
            if (rhythm := _rhythm([each.days for each in habits.values()], until)) is not None:
                of_category[category] = rhythm
            alone = [days for each in habits.values() for days in each.by_product.values()]
            if (rhythm := _rhythm(alone, until)) is not None:
                of_product[category] = rhythm
        return of_category, of_product

    def dues(self, of_category: Rhythms, of_product: Rhythms, today: int, within: int) -> dict[str, list[Due]]:
        """What is due, by user, the likeliest first.

        A category is due from `within` days before its median day to the day by which 90 % of all gaps are over, where the chance
        of a purchase within `within` days is at least `LEAST_CHANCE`. The rhythm of the very product says how often that one is
        bought, not whether something is due: it foretells the category less well (docs/benchmarks.md).
        """
        found: defaultdict[str, list[Due]] = defaultdict(list)
        for category, rhythm in of_category.items():
            for user, due in _due(rhythm, of_product.get(category), self.habits.get(category, {}), today, within):
                found[user].append(due)
        for dues in found.values():
            dues.sort(key=lambda due: (-due.chance, due.good.product_id))
        return dict(found)


def sequences(days: Iterable[Sequence[int]]) -> PurchaseDays:
    """Lists of ascending days, as those of customers 0, 1 and so on."""
    lists = list(days)
    customer = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    return PurchaseDays(customer, np.array([day for each in lists for day in each], dtype=np.int64), len(lists))


def _rhythm(lists: Sequence[Sequence[int]], until: int) -> Rhythm | None:
    purchases = sequences(lists)
    return Rhythm.fit(Gaps.of(purchases, until)) if is_consumable(purchases) else None


def _due(
    rhythm: Rhythm, of_product: Rhythm | None, habits: Mapping[str, Habit], today: int, within: int
) -> Iterator[tuple[str, Due]]:
    """What of one category is due, with whose it is."""
    if not habits:
        return
    gaps = Gaps.of(sequences(habit.days for habit in habits.values()), today + 1)
    alone = Gaps.of(sequences(habit.of_last for habit in habits.values()), today + 1)
    when, chance = rhythm.due(gaps), rhythm.p_purchase(gaps, within)
    again = None if of_product is None else of_product.due(alone).median
    for row, (user, habit) in enumerate(habits.items()):
        last = habit.days[-1]
        median, early, late = (max(1, round(float(each[row]))) for each in (when.median, when.early, when.late))
        if not last + median - within <= today <= last + late or chance[row] < LEAST_CHANCE:
            continue
        due = Due(
            good=habit.last,
            purchases=len(habit.days),
            usual_days=median,
            product_days=None if again is None or not alone.count[row] else max(1, round(float(again[row]))),
            last=last,
            due=last + median,
            early=last + early,
            late=last + late,
            chance=float(chance[row]),
        )
        yield user, due
