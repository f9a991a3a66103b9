"""One shopper's behavior as a stream: all that counts at first, then what came since, each with what forbids its use.

The order of the stream is that in which events were written, whenever they happened and whichever process wrote them. A reader
keeps a `Cursor` to the last row that it saw; a row that is gone means that the person was erased, and the reader starts anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, func, select

from storage.consent import Consent
from storage.database import Database, in_chunks
from storage.event import Event, EventItem
from storage.events import event_of, items_of
from storage.principal import FIGURES, Principal
from storage.tables import consents, event_items, events
from storage.tables import hidden_beliefs as hidden

_WILLING, _UNWILLING = Consent(personalize=True), Consent(personalize=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a reader counts: of these kinds, from the instant `since`, and no more than the newest `most`."""

    kinds: Collection[str]
    since: int
    most: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a shopper that was read. Rows may be numbered anew where the last were erased, ids are not."""

    row: int
    event_id: str


@dataclass(frozen=True, slots=True)
class Behavior:
    """What was read: `events` are all that count where `whole` is true, else those after the cursor, in no certain order.

    `personalize` is the person's choice of today; where it is false, no event may be used, whatever it was recorded under.
    `hidden` holds the (kind, value) of the beliefs that they removed.
    """

    events: tuple[Event, ...]
    whole: bool
    cursor: Cursor | None
    hidden: frozenset[tuple[str, str]]
    personalize: bool


def behavior_of(
    db: Database,
    principal: Principal,
    user_id: str,
    wanted: Wanted,
    until: int,
    default: Consent,
    after: Cursor | None = None,
) -> Behavior:
    """Reads what a profile is made from, all of it as of one moment.

    Args:
        db: where from.
        principal: who reads; the shopper or the shop's backend.
        user_id: whose.
        wanted: which events count, each with the consent that it was recorded under.
        until: later events are not among the newest, in milliseconds since 1970.
        default: the consent of people who never chose; the shop's `[consent]`.
        after: where the last read ended. Everything is read where it is left out, where that row is gone, or where more than
            `wanted.most` came since.

    Raises:
        NotFound: the shopper is another.
    """
    principal.require_owner(user_id)
    with db.read() as connection:
        removed = connection.execute(select(hidden.c.kind, hidden.c.value).where(hidden.c.user_id == user_id)).all()
        chosen = connection.execute(select(consents.c.personalize).where(consents.c.user_id == user_id)).scalar()
        since = _since(connection, user_id, after, wanted.most) if after is not None else None
        whole = since is None
        if since is None:
            last = connection.execute(_rows(user_id, events.c.row, events.c.event_id).limit(1)).one_or_none()
            cursor = Cursor(last.row, last.event_id) if last is not None else None
            rows = _newest(connection, user_id, wanted, until) if cursor is not None else []
        else:
            cursor = Cursor(since[-1]["row"], since[-1]["event_id"])
            rows = [row for row in since[1:] if row["event"] in wanted.kinds]
        items = items_of(connection, [row["row"] for row in rows])
    return Behavior(
        tuple(event_of(row, items.get(row["row"], ())) for row in rows),
        whole,
        cursor,
        frozenset((row.kind, row.value) for row in removed),
        default.personalize if chosen is None else chosen,
    )


@dataclass(frozen=True, slots=True)
class Crowd:
    """Whom of everybody a reader looks at: who did one of the `kinds` from `active_since` on, at most the `most` latest of them."""

    kinds: Collection[str]
    active_since: int
    most: int


def nameless_behaviors(
    db: Database, principal: Principal, crowd: Crowd, wanted: Wanted, until: int, default: Consent
) -> Iterator[Behavior]:
    """What profiles of many are made from, without saying whose they are: names of events, times, sessions, dwell and item ids.

    Whoever does not want to be known today is left out; an event's own `personalize` is the reader's to look at.

    Args:
        db: where from.
        principal: who reads.
        crowd: of whom.
        wanted: which events of each count.
        until: later events do not count, in milliseconds since 1970.
        default: the consent of people who never chose; the shop's `[consent]`.

    Raises:
        Forbidden: the role may not see figures over everybody.
    """
    principal.require_role(*FIGURES)
    with db.read() as connection:
        users = connection.execute(_latest(crowd, until, default)).scalars().all()
        for some in in_chunks(users):
            removed: dict[str, set[tuple[str, str]]] = {}
            for user_id, kind, value in connection.execute(
                select(hidden.c.user_id, hidden.c.kind, hidden.c.value).where(hidden.c.user_id.in_(some))
            ):
                removed.setdefault(user_id, set()).add((kind, value))
            lines = connection.execute(_newest_of(some, wanted, until))
            for user_id, own in groupby(lines, key=attrgetter("user_id")):
                events_ = tuple(_nameless(list(group)) for _, group in groupby(own, key=attrgetter("row")))
                yield Behavior(events_, True, None, frozenset(removed.get(user_id, ())), True)


@lru_cache(maxsize=50_000)
def _bare_item(item_id: str) -> EventItem:
    """An item of which only the id is known; many look at the same."""
    return EventItem.model_construct(item_id=item_id)


def _nameless(lines: Sequence[Any]) -> Event:
    """An event from its joined lines, of which there is one without an item where it has no items."""
    event = lines[0]
    return Event.model_construct(
        event_id=event.event_id,
        event=event.event,
        timestamp=event.timestamp,
        session_id=event.session_id,
        dwell_ms=event.dwell_ms,
        consent=_WILLING if event.personalize else _UNWILLING,
        items=tuple(_bare_item(line.item_id) for line in lines if line.item_id is not None),
    )


def _latest(crowd: Crowd, until: int, default: Consent) -> Any:
    """The ids of the crowd."""
    last = func.max(events.c.timestamp)
    return (
        select(events.c.user_id)
        .outerjoin(consents, consents.c.user_id == events.c.user_id)
        .where(
            events.c.timestamp.between(crowd.active_since, until),
            events.c.event.in_(crowd.kinds),
            func.coalesce(consents.c.personalize, default.personalize).is_(True),
        )
        .group_by(events.c.user_id)
        .order_by(last.desc(), events.c.user_id)
        .limit(crowd.most)
    )


def _newest_of(users: Sequence[str], wanted: Wanted, until: int) -> Any:
    """Of each of these users the newest events that count."""
    place = func.row_number().over(
        partition_by=events.c.user_id, order_by=(events.c.timestamp.desc(), events.c.row.desc())
    )
    ranked = (
        select(
            events.c.user_id,
            events.c.row,
            events.c.event_id,
            events.c.event,
            events.c.timestamp,
            events.c.session_id,
            events.c.dwell_ms,
            events.c.personalize,
            place.label("place"),
        )
        .where(
            events.c.user_id.in_(users),
            events.c.event.in_(wanted.kinds),
            events.c.timestamp.between(wanted.since, until),
        )
        .subquery()
    )
    return (
        select(ranked, event_items.c.item_id)
        .outerjoin(event_items, event_items.c.event_row == ranked.c.row)
        .where(ranked.c.place <= wanted.most)
        .order_by(ranked.c.user_id, ranked.c.row, event_items.c.line)
    )


def _rows(user_id: str, *columns: Any) -> Any:
    return select(*columns).where(events.c.user_id == user_id).order_by(events.c.row.desc())


def _since(connection: Connection, user_id: str, after: Cursor, most: int) -> Sequence[Any] | None:
    """The cursor's row and those after it, oldest first; None where that row is gone, or too many came."""
    statement = (
        select(events)
        .where(events.c.user_id == user_id, events.c.row >= after.row)
        .order_by(events.c.row)
        .limit(most + 2)
    )
    rows = connection.execute(statement).mappings().all()
    if not rows or len(rows) == most + 2 or (rows[0]["row"], rows[0]["event_id"]) != (after.row, after.event_id):
        return None
    return rows


def _newest(connection: Connection, user_id: str, wanted: Wanted, until: int) -> Sequence[Any]:
    # Those of one instant in the order that Python gives them, which is that of their bytes.
    bytewise = events.c.event_id.collate("BINARY" if connection.dialect.name == "sqlite" else "C")
    statement = (
        select(events)
        .where(
            events.c.user_id == user_id,
            events.c.event.in_(wanted.kinds),
            events.c.timestamp.between(wanted.since, until),
        )
        .order_by(events.c.timestamp.desc(), bytewise.desc())
        .limit(wanted.most)
    )
    return connection.execute(statement).mappings().all()
