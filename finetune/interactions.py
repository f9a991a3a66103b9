"""Reading interactions, CSV `user_id,item_id,timestamp`, as what each shopper turned to, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from retrieval.sequence import Histories
from storage.errors import InvalidInput
from storage.record import now_ms, to_ms
from storage.rows import RowProblem, read_csv

_REQUIRED: Final = ("user_id", "item_id", "timestamp")
_LONGEST_ID: Final = 200
_DAY_MS: Final = 86_400_000
_EVERY: Final = 20_000  # rows between two words on progress


@dataclass(frozen=True)
class Interactions:
    """What a file says of who turned to what: histories of item numbers, and the ids that shoppers and items have by number."""

    histories: Histories
    users: tuple[str, ...]
    items: tuple[str, ...]
    rows: int = 0
    repeated: int = 0
    problems: tuple[RowProblem, ...] = ()


def read_interactions(
    path: Path, now: int | None = None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Interactions:
    """Reads a file, packed or not. Rows may come in any order; those of one moment stay in the file's.

    A timestamp is ISO 8601, or a whole number of any unit, such as a place in the sequence, by which a shopper's rows are ordered.
    A row that repeats another is passed over. Rows without shopper, item or time, or of the future, are `problems`.

    Args:
        path: CSV with the columns in any order.
        now: milliseconds since 1970, tomorrow's end of which is the last that is believed; by default the machine's.
        progress: called with (bytes read, bytes in all).

    Raises:
        InvalidInput: the file cannot be read, lacks a column, or holds no interaction.
    """
    latest = (now_ms() if now is None else now) + _DAY_MS
    size, seen = path.stat().st_size if path.is_file() else 0, 0

    def tee(piece: memoryview) -> None:
        nonlocal seen
        seen += len(piece)

    users: dict[str, int] = {}
    items: dict[str, int] = {}
    found: dict[tuple[int, int, int], None] = {}  # (user, time, item)
    problems: list[RowProblem] = []
    rows = repeated = 0
    for line, row in read_csv(path, tee):
        rows += 1
        if rows % _EVERY == 0:
            progress(seen, size)
        if isinstance(row, RowProblem):
            problems.append(row)
            continue
        missing = next((name for name in _REQUIRED if name not in row), None) if rows == 1 else None
        if missing:
            raise InvalidInput(f"There is no column {missing}.", f"The header is {','.join(_REQUIRED)}.")
        user, item, time = (row.get(name, "").strip() for name in _REQUIRED)
        try:
            at = _moment(time, latest)
            _check_id("user_id", user)
            _check_id("item_id", item)
        except ValueError as error:
            problems.append(RowProblem(line, str(error), row))
            continue
        key = (users.setdefault(user, len(users)), at, items.setdefault(item, len(items)))
        repeated += key in found
        found[key] = None
    progress(size, size)
    if not found:
        raise InvalidInput(
            f"{path} holds no interaction in {rows} rows.", f"Give CSV with the columns {','.join(_REQUIRED)}."
        )
    return Interactions(_ordered(found), tuple(users), tuple(items), rows, repeated, tuple(problems))


def interactions_of(rows: Iterable[tuple[str, str, int]]) -> Interactions:
    """The same from (shopper, item, time); of one item turned to several times on end, once."""
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    found = {
        (users.setdefault(user, len(users)), at, items.setdefault(item, len(items))): None for user, item, at in rows
    }
    histories = _ordered(found)
    new = np.ones(len(histories.items), bool)
    new[1:] = (histories.items[1:] != histories.items[:-1]) | (histories.users[1:] != histories.users[:-1])
    return Interactions(histories.kept(new), tuple(users), tuple(items), len(found))


def _ordered(found: Iterable[tuple[int, int, int]]) -> Histories:
    """By shopper and time, else as they come."""
    user, at, item = np.array(list(found), np.int64).reshape(-1, 3).T
    order = np.lexsort((at, user))  # stable
    starts = np.zeros(int(user.max(initial=-1)) + 2, np.int64)
    np.cumsum(np.bincount(user), out=starts[1:])
    return Histories(item[order], starts)


def _moment(text: str, latest: int) -> int:
    """Milliseconds, or the number that is given."""
    if not text:
        raise ValueError("timestamp: missing")
    try:
        at = int(text) if text.lstrip("-").isascii() and text.lstrip("-").isdigit() else to_ms(text)
    except ValueError as error:
        raise ValueError(f"timestamp: {error}") from None
    if at > latest:
        raise ValueError("timestamp: lies in the future")
    return at


def _check_id(name: str, text: str) -> None:
    if not text:
        raise ValueError(f"{name}: missing")
    if len(text) > _LONGEST_ID or not text.isprintable():
        raise ValueError(f"{name}: longer than {_LONGEST_ID} characters, or not printable")
