"""The days on which customers bought, and what the models need of them: how often, how lately, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

DAYS_A_WEEK: Final = 7


@dataclass(frozen=True)
class Summary:
    """One row a customer, all (customers,); times in weeks.

    `frequency` counts the days with a purchase after the first one, `recency` is the time from the first to the last of them,
    `age` that from the first to the last day that was watched. So a customer who bought on days 0, 3 and 14 of 30 is::

        frequency 2, recency 14/7, age 29/7
    """

    customer: Ints
    frequency: Ints
    recency: Floats
    age: Floats

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True)
class PurchaseDays:
    """Pairs of (customer, day) without repeats, ordered by customer and day; `customer` and `day` are (pairs,).

    Days are counted from an origin of the caller's; customers are 0 … `customers` - 1.
    """

    customer: Ints
    day: Ints
    customers: int

    @classmethod
    def of(cls, customer: Ints, day: Ints) -> Self:
        """Merges purchases by customer and day; both are (purchases,), at least one, in any order, customers numbered from 0."""
        origin, span = day.min(), int(day.max() - day.min()) + 1
        keys = np.unique(customer.astype(np.int64) * span + (day - origin))
        return cls(keys // span, keys % span + origin, int(customer.max()) + 1)

    def before(self, day: int) -> Self:
        """What was known when that day began."""
        kept = self.day < day
        return type(self)(self.customer[kept], self.day[kept], self.customers)

    def summary(self, until: int) -> Summary:
        """Customers who bought before day `until`, as they stood on the day before it; their order is by number."""
        known = self.before(until)
        # The pairs lie ordered, so a customer's first and last ones are where the number changes.
        customer, first, count = np.unique(known.customer, return_index=True, return_counts=True)
        start, end = known.day[first], known.day[first + count - 1]
        return Summary(customer, count - 1, (end - start) / DAYS_A_WEEK, (until - 1 - start) / DAYS_A_WEEK)

    def count(self, customer: Ints, start: int, end: int) -> Ints:
        """Days with a purchase from day `start` to before day `end`, for each of the customers (customers,)."""
        within = (self.day >= start) & (self.day < end)
        return np.bincount(self.customer[within], minlength=self.customers)[customer]
