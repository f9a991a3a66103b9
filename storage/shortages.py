"""When something could not be ordered, and who wanted it then: what offers and the catalog say, kept as intervals.

An offer row holds the last word alone, and the next `index` run makes it old; so what ran out and came back is written down here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from storage.consent import Consent
from storage.database import Database, in_chunks
from storage.principal import Principal, Role
from storage.tables import consents, event_items, events, offers, shortages

LONG_LOOK_MS: Final = 30_000
"""How long somebody looked at something who may have wanted it."""
_ORDERABLE: Final = ("in_stock", "backorder", "preorder")

Sold = tuple[str, str]
"""A product's id and a variant's, "" where the product itself is meant."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody put into the cart, or looked long at, what could not be ordered just then; instants in milliseconds, UTC.

    `until` is when it could be ordered again, None where it cannot yet.
    """

    user_id: str
    item_id: str
    carted: bool
    at: int
    since: int
    until: int | None


def note_offers(connection: Connection, keys: Iterable[Sold]) -> None:
    """Opens and closes shortages by what the offers of these keys say since they were written in this transaction."""
    states: dict[Sold, tuple[bool, int]] = {}
    wanted = set(keys)
    for ids in in_chunks(sorted({product_id for product_id, _ in wanted})):
        for row in connection.execute(select(offers).where(offers.c.product_id.in_(ids))):
            key = (row.product_id, row.variant_id)
            at = max(row.availability_at or 0, row.stock_at or 0)
            if key in wanted and at:
                states[key] = (_out(row), at)
    _note(connection, states)


def note_catalog(
    db: Database, principal: Principal, out: Mapping[Sold, int], read_at: Callable[[str], int | None]
) -> None:
    """What a catalog says: all that it has can be ordered but for `out`; a newer offer goes before it.

    Args:
        db: where to.
        principal: who says so.
        out: what cannot be ordered, with when that was read, in milliseconds since 1970.
        read_at: when the catalog read a product; None where it has none of that id, whose shortage stays as it was.

    Raises:
        Forbidden: only the shop itself says what it sells.
    """
    principal.require_role(Role.SERVICE, Role.ADMIN)
    states = {key: (True, at) for key, at in out.items()}
    with db.write() as connection:
        for product_id, variant_id in connection.execute(_OPEN):
            at = read_at(product_id)
            if at is not None:
                states.setdefault((product_id, variant_id), (False, at))
        _note(connection, states)
        note_offers(connection, out)


def wanted_while_out(db: Database, principal: Principal, default: Consent, since: int) -> Iterator[Wanted]:
    """Who wanted what could not be ordered, at `since` or later; by user, oldest first.

    Only what was recorded under a consent that says `personalize`, and of nobody who has withdrawn it.

    Args:
        db: where from.
        principal: who reads.
        default: the consent of people who never chose; the shop's `[consent]`.
        since: milliseconds since 1970.

    Raises:
        Forbidden: only the shop itself may look at everybody.
    """
    principal.require_role(Role.SERVICE, Role.ADMIN)
    refused = select(consents.c.user_id).where(consents.c.personalize.is_(False))
    willing = select(consents.c.user_id).where(consents.c.personalize.is_(True))
    allowed = events.c.user_id.not_in(refused) if default.personalize else events.c.user_id.in_(willing)
    looked = (events.c.event == "view_item") & (events.c.dwell_ms >= LONG_LOOK_MS)
    named = or_(
        (event_items.c.item_id == shortages.c.product_id) & (shortages.c.variant_id == ""),
        event_items.c.item_id == shortages.c.variant_id,
    )
    statement = (
        select(
            events.c.user_id,
            event_items.c.item_id,
            events.c.event,
            events.c.timestamp,
            shortages.c.since,
            shortages.c.until,
        )
        .select_from(shortages)
        .join(event_items, named)
        .join(events, events.c.row == event_items.c.event_row)
        .where(
            or_(shortages.c.until.is_(None), shortages.c.until > since),
            events.c.timestamp >= since,
            events.c.timestamp >= shortages.c.since,
            or_(shortages.c.until.is_(None), events.c.timestamp < shortages.c.until),
            or_(events.c.event == "add_to_cart", looked),
            events.c.personalize.is_(True),
            allowed,
        )
        .order_by(events.c.user_id, events.c.timestamp, events.c.row, event_items.c.line)
    )
    with db.read() as connection:
        for row in connection.execute(statement):
            yield Wanted(row.user_id, row.item_id, row.event == "add_to_cart", row.timestamp, row.since, row.until)


_OPEN: Final = select(shortages.c.product_id, shortages.c.variant_id).where(shortages.c.until.is_(None))
_CLOSE: Final = (
    update(shortages)
    .where(
        shortages.c.product_id == bindparam("product"),
        shortages.c.variant_id == bindparam("variant"),
        shortages.c.until.is_(None),
        shortages.c.since < bindparam("ended"),
    )
    .values(until=bindparam("ended"))
)


def _note(connection: Connection, states: Mapping[Sold, tuple[bool, int]]) -> None:
    """Whether each thing is out, and since when that is said; what contradicts a later word changes nothing."""
    opened: set[Sold] = set()
    for ids in in_chunks(sorted({product_id for product_id, _ in states})):
        opened.update((row[0], row[1]) for row in connection.execute(_OPEN.where(shortages.c.product_id.in_(ids))))
    over = [
        {"product": key[0], "variant": key[1], "ended": at}
        for key, (out, at) in states.items()
        if not out and key in opened
    ]
    if over:
        connection.execute(_CLOSE, over)
    new = [_row(key, at) for key, (out, at) in states.items() if out and key not in opened]
    for some in in_chunks(new):
        known = _known(connection, some)
        rows = [row for row in some if known.get((row["product_id"], row["variant_id"]), -1) < row["since"]]
        if rows:
            connection.execute(insert(shortages), rows)


def _known(connection: Connection, rows: Any) -> dict[Sold, int]:
    """When the last shortage of each of these things was over."""
    ids = sorted({row["product_id"] for row in rows})
    found: dict[Sold, int] = {}
    for row in connection.execute(select(shortages).where(shortages.c.product_id.in_(ids))):
        key = (row.product_id, row.variant_id)
        found[key] = max(found.get(key, -1), row.until or row.since)
    return found


def _row(key: Sold, at: int) -> dict[str, Any]:
    return {"product_id": key[0], "variant_id": key[1], "since": at, "until": None}


def _out(row: Any) -> bool:
    """Whether what an offer says cannot be ordered; stock 0 makes what is in stock out of stock (`index.product.sold_out`)."""
    if row.availability is not None and row.availability not in _ORDERABLE:
        return True
    return row.stock == 0 and row.availability in (None, "in_stock")
