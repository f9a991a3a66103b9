"""Reading transactions, CSV `user_id,timestamp,quantity,amount,currency`, as the days on which customers bought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from retrieval.retention import PurchaseDays
from storage.errors import InvalidInput
from storage.record import to_ms
from storage.rows import RowProblem, read_csv

_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)
_LONGEST_ID: Final = 200
_REQUIRED: Final = ("user_id", "timestamp")
_COLUMNS: Final = (*_REQUIRED, "quantity", "amount", "currency")
_EVERY: Final = 20_000  # rows between two words on progress


@dataclass(frozen=True)
class Transactions:
    """What a file says of who bought when.

    Day 0 of `purchases` is `first_day`, the file's first; `last_day` is its last, both in UTC. `refunds` counts rows that took
    something back, `dropped_fields` optional fields that could not be read.
    """

    purchases: PurchaseDays
    first_day: date
    last_day: date
    rows: int
    refunds: int
    dropped_fields: int
    problems: list[RowProblem]


def read_transactions(
    path: Path, today: date | None = None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Transactions:
    """Reads a file, packed or not; rows of a customer on one day are one purchase, whatever their currencies.

    A row whose quantity is not above 0, or whose amount is below 0, is a refund and no purchase; one without either is a purchase.
    Rows without a customer or a time, of the future, or of the first day of 1970, which stands for no date, are `problems`.

    Args:
        path: CSV with the columns in any order; `user_id` and `timestamp` are required.
        today: tomorrow is the last day that is believed, for clocks differ; by default the machine's day.
        progress: called with (bytes read, bytes in all).

    Raises:
        InvalidInput: the file cannot be read, lacks a required column, or holds no purchase.
    """
    latest = (today or datetime.now(UTC).date()) + timedelta(days=1)
    reading = _Reading((latest - _EPOCH).days)
    size, seen = path.stat().st_size if path.is_file() else 0, 0

    def tee(piece: memoryview) -> None:
        nonlocal seen
        seen += len(piece)

    for line, row in read_csv(path, tee):
        reading.add(line, row)
        if reading.rows % _EVERY == 0:
            progress(seen, size)
    progress(size, size)
    if not reading.customer:
        raise InvalidInput(
            f"{path} holds no purchase in {reading.rows} rows.",
            f"Give CSV with the columns {','.join(_COLUMNS)}; timestamps are ISO 8601 or milliseconds.",
        )
    first, last = reading.first, reading.last
    purchases = PurchaseDays.of(np.array(reading.customer), np.array(reading.day) - first)
    return Transactions(
        purchases,
        _EPOCH + timedelta(days=first),
        _EPOCH + timedelta(days=last),
        reading.rows,
        reading.refunds,
        reading.dropped,
        reading.problems,
    )


class _Reading:
    """Rows as they come; what a file says again and again (customers, times) is looked at once."""

    def __init__(self, latest: int) -> None:
        self.customer: list[int] = []
        self.day: list[int] = []
        self.problems: list[RowProblem] = []
        self.rows = self.refunds = self.dropped = 0
        self.first, self.last = latest, 0
        self._latest = latest
        self._users: dict[str, int] = {}
        self._days: dict[str, int | str] = {}

    def add(self, line: int, row: dict[str, str] | RowProblem) -> None:
        """Takes one row in, or notes why it cannot be."""
        self.rows += 1
        if isinstance(row, RowProblem):
            self.problems.append(row)
            return
        if self.rows == 1 and not all(name in row for name in _REQUIRED):
            missing = next(name for name in _REQUIRED if name not in row)
            raise InvalidInput(f"There is no column {missing}.", f"The header is {','.join(_COLUMNS)}.")
        user, time = (row.get(name, "").strip() for name in _REQUIRED)
        day = self._day(time)
        reason = _bad_user(user) if user not in self._users else None
        if reason is None and isinstance(day, str):
            reason = day
        if reason is not None or isinstance(day, str):
            self.problems.append(RowProblem(line, str(reason), row))
            return
        self.first, self.last = min(self.first, day), max(self.last, day)
        quantity, amount = self._number(row.get("quantity")), self._number(row.get("amount"))
        if (quantity is not None and quantity <= 0) or (amount is not None and amount < 0):
            self.refunds += 1
            return
        self.customer.append(self._users.setdefault(user, len(self._users)))
        self.day.append(day)

    def _day(self, text: str) -> int | str:
        """Days since 1970, or why there are none."""
        known = self._days.get(text)
        if known is not None:
            return known
        try:
            day: int | str = to_ms(text) // _DAY_MS
        except ValueError as error:
            return f"timestamp: {error}" if text else "timestamp: missing"
        if day == 0:
            day = "timestamp: 1970-01-01 stands for no date"
        elif int(day) > self._latest:
            day = "timestamp: lies in the future"
        self._days[text] = day
        return day

    def _number(self, text: str | None) -> float | None:
        """A number; of one that cannot be read there is none, which is counted."""
        if text is None or not text.strip():
            return None
        try:
            value = float(text)
        except ValueError:
            self.dropped += 1
            return None
        if value != value:
            self.dropped += 1
            return None
        return value


def _bad_user(user: str) -> str | None:
    if not user:
        return "user_id: missing"
    if len(user) > _LONGEST_ID or not user.isprintable():
        return f"user_id: longer than {_LONGEST_ID} characters, or not printable"
    return None


def reasons(problems: list[RowProblem], most: int = 3) -> str:
    """The commonest reasons with their counts: "12 x user_id: missing; 1 x timestamp: missing"."""
    counts = Counter(problem.reason for problem in problems).most_common(most)
    return "; ".join(f"{count} x {reason}" for reason, count in counts)
