"""What is wrong with many events together: the same one sent twice, dwell that cannot be, users faster than a person.

One event by itself is checked where it is read (`read_event`, `date_problem`). Here columns of numbers are kept of each, 80 bytes
an event, so that a file of millions is looked through as a whole before any of it is loaded.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storage.bots import ACTS, MOST_ACTS
from storage.event import CLOCK_SKEW_MS, EARLIEST_MS, Event

LONGEST_DWELL_MS: Final = 4 * 3_600_000
COARSE_CLOCK_MS: Final = 1_000  # shops write whole seconds
MOST_QUANTITY: Final = 1_000
FAR_VALUE: Final = 100  # times the 99th percentile
ENOUGH_VALUES: Final = 100
NAMED: Final = 10
_ABOUT_ITEMS: Final = frozenset(
    {"select_item", "view_item", "add_to_cart", "remove_from_cart", "begin_checkout", "purchase", "refund"}
)
_NONE: Final = -1


def date_problem(timestamp: int, now: int) -> str | None:
    """Why an instant cannot be that of an event, None where it can; both are in milliseconds since 1970."""
    if timestamp < EARLIEST_MS:
        return "timestamp: before 2000, which stands for no date"
    if timestamp > now + CLOCK_SKEW_MS:
        return "timestamp: lies in the future"
    return None


@dataclass(frozen=True, slots=True)
class Bot:
    """A user who was too fast in this file: how many acts in the fullest `minutes` of the clock, 1 or 60."""

    user_id: str
    events: int
    acts: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Dwell:
    """How long people looked, in seconds: known of so many events, missing in that share of views, and its percentiles."""

    known: int
    missing_share: float | None
    impossible: int
    p10: float | None
    p50: float | None
    p90: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What an audit found. The arrays have one value for each event, in the order in which they were added.

    `repeated` marks an event that says what an earlier one says under another id, `impossible` one whose dwell cannot be.
    `items` counts the events about products of each item id.
    """

    repeated: NDArray[np.bool_]
    impossible: NDArray[np.bool_]
    kinds: dict[str, int]
    users: int
    sessions: int
    first: int | None
    last: int | None
    without_session: int
    without_items: int
    bots: tuple[Bot, ...]
    bot_events: int
    dwell: Dwell
    odd_quantities: int
    odd_values: int
    items: Counter[str]


class EventAudit:
    """Takes events one by one, and then says what is wrong with them together."""

    def __init__(self) -> None:
        self._users: dict[str | None, int] = {}
        self._sessions: dict[Hashable, int] = {}
        self._kinds: dict[str, int] = {}
        self._currencies: dict[str | None, int] = {}
        self._columns = {name: array("q") for name in _COLUMNS}
        self._items: Counter[str] = Counter()
        self._without_items = 0

    def add(self, event: Event) -> None:
        """Notes an event."""
        items = tuple((item.item_id, item.quantity) for item in event.items)
        content = (event.user_id, event.session_id, event.event, event.timestamp, items, event.search_term)
        session = (event.user_id, event.session_id) if event.session_id is not None else None
        values = (
            _code(self._users, event.user_id),
            _NONE if session is None else _code(self._sessions, session),
            _code(self._kinds, event.event),
            event.timestamp,
            _NONE if event.dwell_ms is None else event.dwell_ms,
            hash(content),
            hash(event.event_id),
            max((quantity or 0 for _, quantity in items), default=0),
            _NONE if event.value is None else event.value,
            _code(self._currencies, event.currency),
        )
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        if event.event in _ABOUT_ITEMS:
            self._without_items += not items
            self._items.update(item_id for item_id, _ in items)

    def fates(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Which events are repeated under another id, under the same id, and have a dwell that cannot be."""
        column = self._arrays()
        repeated, again = _repeated(column)
        return repeated, again, _impossible(column, ~(repeated | again))

    def _arrays(self) -> dict[str, NDArray[np.int64]]:
        return {name: np.array(values, np.int64) for name, values in self._columns.items()}

    def findings(self) -> Findings:
        """What is wrong with all that was added."""
        column = self._arrays()
        repeated, again, impossible = self.fates()
        counts = np.bincount(column["kind"], minlength=len(self._kinds))
        bots, bot_events = self._bots(column, ~(repeated | again))
        time = column["time"]
        return Findings(
            repeated,
            impossible,
            dict(sorted(zip(self._kinds, counts.tolist(), strict=True), key=lambda each: -each[1])),
            len(self._users),
            len(self._sessions),
            int(time.min()) if len(time) else None,
            int(time.max()) if len(time) else None,
            int((column["session"] == _NONE).sum()),
            self._without_items,
            bots,
            bot_events,
            self._dwell(column, impossible),
            int((column["quantity"] > MOST_QUANTITY).sum()),
            _odd_values(column["value"], column["currency"]),
            self._items,
        )

    def _bots(self, column: dict[str, NDArray[np.int64]], counted: NDArray[np.bool_]) -> tuple[tuple[Bot, ...], int]:
        acts = counted & np.isin(column["kind"], [self._kinds[name] for name in ACTS if name in self._kinds])
        worst: dict[int, tuple[int, int]] = {}
        for span, most in MOST_ACTS.items():
            pairs = np.stack([column["user"][acts], column["time"][acts] // span])
            found, counts = np.unique(pairs, axis=1, return_counts=True)
            for user, count in zip(found[0][counts > most].tolist(), counts[counts > most].tolist(), strict=True):
                if count > worst.get(user, (0, 0))[0]:
                    worst[user] = (count, span // 60_000)
        events = np.bincount(column["user"], minlength=len(self._users))
        names = list(self._users)
        bots = [Bot(str(names[user]), int(events[user]), *most) for user, most in worst.items()]
        return tuple(sorted(bots, key=lambda bot: (-bot.events, bot.user_id))), sum(bot.events for bot in bots)

    def _dwell(self, column: dict[str, NDArray[np.int64]], impossible: NDArray[np.bool_]) -> Dwell:
        known = (column["dwell"] != _NONE) & ~impossible
        views = column["kind"] == self._kinds.get("view_item", _NONE)
        seconds = column["dwell"][known] / 1000
        told = [round(float(each), 1) for each in np.percentile(seconds, (10, 50, 90, 99))] if len(seconds) else []
        p10, p50, p90, p99 = told or (None, None, None, None)
        missing = float(1 - known[views].mean()) if views.any() else None
        return Dwell(int(known.sum()), missing, int(impossible.sum()), p10, p50, p90, p99)


_COLUMNS: Final = ("user", "session", "kind", "time", "dwell", "content", "id", "quantity", "value", "currency")


def clean_batch(batch: list[Event]) -> tuple[list[Event], list[int], int]:
    """The events of a batch that may be written, their places in it, and how many say the same under another id.

    Of the same event under several ids the first stays; dwell that cannot be becomes null.
    """
    audit = EventAudit()
    for event in batch:
        audit.add(event)
    repeated, _, impossible = audit.fates()
    places = np.flatnonzero(~repeated).tolist()
    return [cleaned(batch[place], bool(impossible[place])) for place in places], places, int(repeated.sum())


def cleaned(event: Event, impossible: bool) -> Event:
    """The event without a dwell that is `impossible`."""
    return event.model_copy(update={"dwell_ms": None}) if impossible else event


def _code(codes: dict[Any, int], value: Hashable) -> int:
    return codes.setdefault(value, len(codes))


def _repeated(column: dict[str, NDArray[np.int64]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Events whose content an earlier one has under another id, and those that an earlier one has under the same."""
    count = len(column["time"])
    repeated, again = np.zeros(count, bool), np.zeros(count, bool)
    # Stable, so the first of the same stands first. User and time are compared too: 64 bits alone could clash.
    order = np.lexsort((column["content"], column["time"], column["user"]))
    same = np.ones(max(0, count - 1), bool)
    for name in ("content", "time", "user"):
        same &= column[name][order][1:] == column[name][order][:-1]
    starts = np.flatnonzero(np.concatenate([[True], ~same])) if count else np.zeros(0, int)
    first = np.repeat(order[starts], np.diff(np.append(starts, count)))
    later = np.concatenate([[False], same]) if count else np.zeros(0, bool)
    twin = column["id"][order] == column["id"][first]
    repeated[order[later & ~twin]] = True
    again[order[later & twin]] = True
    return repeated, again


def _impossible(column: dict[str, NDArray[np.int64]], counted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Dwell beyond some hours, or longer than the time to the events of the session before and after it.

    Shops write an event when a look begins or when it ends, so the dwell must fit on one side only; and at the ends of a session
    any length fits.
    """
    dwell, session, time = column["dwell"], column["session"], column["time"]
    bad = dwell > LONGEST_DWELL_MS
    rows = np.flatnonzero(counted & (session != _NONE))
    if not len(rows):
        return bad
    moments, place = np.unique(np.stack([session[rows], time[rows]]), axis=1, return_inverse=True)
    inside = moments[0][1:] == moments[0][:-1]
    gaps = np.where(inside, np.diff(moments[1]), np.iinfo(np.int64).max - COARSE_CLOCK_MS)
    endless = [np.iinfo(np.int64).max - COARSE_CLOCK_MS]
    longest = np.maximum(np.concatenate([gaps, endless]), np.concatenate([endless, gaps]))
    bad[rows] |= dwell[rows] > longest[place.ravel()] + COARSE_CLOCK_MS
    return bad


def _odd_values(values: NDArray[np.int64], currencies: NDArray[np.int64]) -> int:
    """Values far above nearly all others in their currency."""
    odd = 0
    for currency in np.unique(currencies[values != _NONE]).tolist():
        some = values[(currencies == currency) & (values != _NONE)]
        if len(some) >= ENOUGH_VALUES:
            odd += int((some > FAR_VALUE * np.percentile(some, 99)).sum())
    return odd


def unknown_share(items: Counter[str], known: Callable[[str], bool]) -> tuple[float | None, tuple[str, ...]]:
    """The share of events whose item the catalog lacks, and the ids that are missed most often."""
    missing = Counter({item_id: count for item_id, count in items.items() if not known(item_id)})
    total = items.total()
    return (missing.total() / total if total else None), tuple(item_id for item_id, _ in missing.most_common(NAMED))
