"""Writing and reading behavior events: idempotent, in any order, durable once accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, case, distinct, func, insert, select

from storage.bots import bot_ids
from storage.consent import Consent
from storage.database import Database, in_chunks
from storage.errors import InvalidInput, NotFound
from storage.event import Event, EventItem
from storage.principal import Principal, Role
from storage.tables import consents, event_items, events

_ITEM_FIELDS = tuple(EventItem.model_fields)
POPULARITY_WEIGHTS: Final = {"select_item": 1.0, "view_item": 1.0, "add_to_cart": 3.0, "purchase": 5.0}
"""What one person's doing something once says about a product's popularity."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch; `rejected` holds (index in the batch, reason)."""

    accepted: int
    duplicates: int
    rejected: tuple[tuple[int, str], ...]


def record_events(
    db: Database, principal: Principal, batch: Sequence[Event], default_consent: Consent | None = None
) -> Recorded:
    """Writes events in one durable transaction; one whose id the user has already is a duplicate and changes nothing.

    Rows are numbered in the order in which they can be seen, so that a reader may go on after the last that it saw.
    Late and disordered events are fine. A customer writes only their own, the shop's backend writes anyone's.

    Args:
        db: where to.
        principal: who writes.
        batch: the events, in any order.
        default_consent: for events without consent, of people who never chose; the shop's `[consent]`.

    Raises:
        Forbidden: the role may not write events.
    """
    own, repeated, rejected = owned(principal, batch)
    if not own:
        return Recorded(0, repeated, rejected)
    with db.write(durable=True) as connection:
        if not db.is_sqlite:  # SQLite has one writer anyway
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4157356)")
        chosen = _consents_of(connection, sorted({user for (user, _), event in own.items() if event.consent is None}))
        fallback = default_consent or Consent()
        rows = [_row_of(user, event, event.consent or chosen.get(user, fallback)) for (user, _), event in own.items()]
        statement = db.insert_new(events).returning(events.c.row, events.c.user_id, events.c.event_id)
        added = connection.execute(statement, rows).all()
        items = [
            {"event_row": row, "line": line, **item.model_dump()}
            for row, user_id, event_id in added
            for line, item in enumerate(own[user_id, event_id].items)
        ]
        if items:
            connection.execute(insert(event_items), items)
    return Recorded(len(added), repeated + len(own) - len(added), rejected)


def owned(
    principal: Principal, batch: Sequence[Event]
) -> tuple[dict[tuple[str, str], Event], int, tuple[tuple[int, str], ...]]:
    """A batch by (user, event id), how many of it are repeats, and what of it is rejected, with its index and why.

    Raises:
        Forbidden: the role may not write events.
    """
    principal.require_role(Role.CUSTOMER, Role.SERVICE)
    rejected: list[tuple[int, str]] = []
    own: dict[tuple[str, str], Event] = {}
    repeated = 0
    for number, event in enumerate(batch):
        try:
            user_id = writer_of(principal, event)
        except (InvalidInput, NotFound) as error:
            rejected.append((number, error.message))
            continue
        key = (user_id, event.event_id)
        repeated += key in own
        own.setdefault(key, event)
    return own, repeated, tuple(rejected)


def events_of(
    db: Database, principal: Principal, user_id: str, limit: int | None = None, since: int | None = None
) -> list[Event]:
    """A user's events, oldest first, with the consent that each was recorded under.

    Args:
        db: where from.
        principal: who reads; the user or the shop's backend.
        user_id: whose.
        limit: at most so many, the newest.
        since: only those at this instant or later, in milliseconds.

    Raises:
        NotFound: the events are another's.
    """
    principal.require_owner(user_id)
    newest_first = select(events).where(events.c.user_id == user_id)
    if since is not None:
        newest_first = newest_first.where(events.c.timestamp >= since)
    newest_first = newest_first.order_by(events.c.timestamp.desc(), events.c.row.desc()).limit(limit)
    with db.read() as connection:
        found = connection.execute(newest_first).mappings().all()[::-1]
        items = items_of(connection, [row["row"] for row in found])
    return [event_of(row, items.get(row["row"], ())) for row in found]


def popularity(db: Database) -> dict[str, float]:
    """How much people do with each product: people who viewed it, plus 3 for each who put it in the cart, 5 who bought.

    People are counted, not events, so that one cannot make a product popular alone; bots are not counted.
    """
    per_event = (
        select(
            event_items.c.item_id,
            (func.count(distinct(events.c.user_id)) * case(POPULARITY_WEIGHTS, value=events.c.event, else_=0.0)).label(
                "weight"
            ),
        )
        .join(events, events.c.row == event_items.c.event_row)
        .where(events.c.event.in_(POPULARITY_WEIGHTS), events.c.user_id.not_in(bot_ids()))
        .group_by(event_items.c.item_id, events.c.event)
        .subquery()
    )
    totals = select(per_event.c.item_id, func.sum(per_event.c.weight)).group_by(per_event.c.item_id)
    with db.read() as connection:
        return {item_id: float(weight) for item_id, weight in connection.execute(totals)}


def writer_of(principal: Principal, event: Event) -> str:
    """The user whose event it is, where the principal may write it.

    Raises:
        InvalidInput: the shop's backend does not say whose it is.
        NotFound: it is another's.
    """
    if principal.role is Role.SERVICE:
        if event.user_id is None:
            raise InvalidInput("user_id: required from the shop's backend")
        return event.user_id
    if event.user_id not in (None, principal.id):
        raise NotFound("user_id: only the shop's backend writes events of others")
    return principal.id


def _row_of(user_id: str, event: Event, consent: Consent) -> dict[str, Any]:
    fields = event.model_dump(exclude={"items", "consent", "user_id"})
    return {"user_id": user_id, **fields, **consent.model_dump()}


def _consents_of(connection: Connection, users: Sequence[str]) -> dict[str, Consent]:
    """What these people chose; those who never did are missing."""
    found = {}
    for some in in_chunks(users):
        for row in connection.execute(select(consents).where(consents.c.user_id.in_(some))):
            found[row.user_id] = Consent(answer=row.answer, personalize=row.personalize, train=row.train)
    return found


def items_of(connection: Connection, rows: Sequence[int]) -> dict[int, tuple[EventItem, ...]]:
    """The items of events, by the event's row."""
    found: dict[int, tuple[EventItem, ...]] = {}
    for some in in_chunks(rows):
        statement = (
            select(event_items)
            .where(event_items.c.event_row.in_(some))
            .order_by(event_items.c.event_row, event_items.c.line)
        )
        for row, lines in groupby(connection.execute(statement).mappings(), key=itemgetter("event_row")):
            found[row] = tuple(
                EventItem.model_construct(**{name: line[name] for name in _ITEM_FIELDS}) for line in lines
            )
    return found


def event_of(row: Any, items: tuple[EventItem, ...]) -> Event:
    """The event in a row of the table; it was validated when it was written."""
    consent = Consent.model_construct(answer=row["answer"], personalize=row["personalize"], train=row["train"])
    return Event.model_construct(
        event_id=row["event_id"],
        event=row["event"],
        timestamp=row["timestamp"],
        user_id=row["user_id"],
        session_id=row["session_id"],
        items=items,
        value=row["value"],
        currency=row["currency"],
        search_term=row["search_term"],
        dwell_ms=row["dwell_ms"],
        consent=consent,
    )
