"""Prices, stock and availability newer than the index: what the shop's backend reports between two runs of `index`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypedDict, cast

from sqlalchemy import Row, and_, bindparam, case, func, or_, select

from storage.database import Database, in_chunks
from storage.errors import Unavailable
from storage.principal import Principal, Role
from storage.record import Count, Currency, Id, Instant, MinorUnits, Record, now_ms
from storage.shortages import note_offers
from storage.tables import offers


class Price(Record):
    """Integer minor units of a currency."""

    amount: MinorUnits
    currency: Currency


class Offer(Record):
    """What is true now of a product, or of one variant of it; a field that is None says nothing new."""

    product_id: Id
    variant_id: Id | None = None
    price: Price | None = None
    availability: Literal["in_stock", "backorder", "preorder", "out_of_stock", "discontinued"] | None = None
    stock: Count | None = None
    updated_at: Instant | None = None


class _Stored(TypedDict):
    product_id: str
    variant_id: str
    amount: int | None
    currency: str | None
    availability: str | None
    stock: int | None
    updated_at: int
    price_at: int | None
    availability_at: int | None
    stock_at: int | None


# What is reported as one, by the column that says when: a shop reports price and stock from two systems.
_SAID: Final = {"price_at": ("amount", "currency"), "availability_at": ("availability",), "stock_at": ("stock",)}


def put_offers(db: Database, principal: Principal, new: Sequence[Offer]) -> None:
    """Keeps offers durably. Price, availability and stock are kept one by one, each as the newest report that names it says.

    Raises:
        Forbidden: only the shop's backend says what things cost.
    """
    principal.require_role(Role.SERVICE)
    latest: dict[tuple[str, str], _Stored] = {}
    for offer in new:
        row = _stored(offer)
        key = (row["product_id"], row["variant_id"])
        latest[key] = _merged(latest[key], row) if key in latest else row
    if latest:
        with db.write(durable=True) as connection:
            statement = db.upsert(offers, keys=("product_id", "variant_id"), merged=_merging)
            connection.execute(statement, list(latest.values()))
            note_offers(connection, latest)


def offers_for(db: Database, product_ids: Iterable[str], since: int = 0) -> list[Offer]:
    """What was reported of some products and their variants at `since` or later, in milliseconds; ordered as `all_offers`."""
    found: list[Row[tuple[object, ...]]] = []
    with db.read() as connection:
        for ids in in_chunks(sorted(set(product_ids))):
            found += connection.execute(
                select(offers).where(offers.c.product_id.in_(ids), offers.c.updated_at >= since)
            )
    return _in_order(found, since)


def all_offers(db: Database, since: int = 0) -> list[Offer]:
    """Everything that was reported at `since` or later, in milliseconds.

    Oldest first, and of one moment the product before its variants: applied in this order, the last word holds. A row of
    which parts were reported at different moments comes as one offer for each of them.
    """
    with db.read() as connection:
        return _in_order(connection.execute(select(offers).where(offers.c.updated_at >= since)), since)


class OfferReader:
    """`all_offers` for who asks again and again: they are read anew only when the table has changed.

    While the database is away what was read last is given. Safe to share between threads.
    """

    def __init__(self, db: Database, since: int = 0) -> None:
        self._db = db
        self._since = since
        self._read: tuple[tuple[object, ...], list[Offer]] | None = None

    def __call__(self) -> list[Offer]:
        """The offers, the same list as before where nothing changed."""
        read = self._read
        try:
            with self._db.read() as connection:
                state = tuple(connection.execute(_STATE, {"since": self._since}).one())
            if read is None or read[0] != state:
                read = self._read = (state, all_offers(self._db, self._since))
        except Unavailable:
            if read is None:
                raise
        return read[1]

    def of(self, product_ids: Sequence[str]) -> list[Offer]:
        """`offers_for`; while the database is away, of what `__call__` read last."""
        try:
            return offers_for(self._db, product_ids, self._since)
        except Unavailable:
            return [offer for offer in self() if offer.product_id in product_ids]


# What changes when a report is kept: every one moves a time, a figure or a word.
_STATE = select(
    func.count(), *(func.sum(offers.c[name]) for name in ("price_at", "availability_at", "stock_at", "amount", "stock")),
    func.min(offers.c.availability), func.max(offers.c.availability),
).where(offers.c.updated_at >= bindparam("since"))  # fmt: skip


def _stored(offer: Offer) -> _Stored:
    at = offer.updated_at or now_ms()
    return {
        "product_id": offer.product_id,
        "variant_id": offer.variant_id or "",
        "amount": offer.price.amount if offer.price else None,
        "currency": offer.price.currency if offer.price else None,
        "availability": offer.availability,
        "stock": offer.stock,
        "updated_at": at,
        "price_at": None if offer.price is None else at,
        "availability_at": None if offer.availability is None else at,
        "stock_at": None if offer.stock is None else at,
    }


def _merged(old: _Stored, new: _Stored) -> _Stored:
    """Two reports on one thing as one; the later in the list wins a tie. The same as `_merging` does in the database."""
    row: dict[str, Any] = {**old, "updated_at": max(old["updated_at"], new["updated_at"])}
    before, after = dict(old), dict(new)
    for moment, fields in _SAID.items():
        said, kept = after[moment], before[moment]
        if said is not None and (kept is None or said >= kept):  # type: ignore[operator]
            row |= {name: after[name] for name in (moment, *fields)}
    return cast(_Stored, row)


def _merging(new: Any) -> dict[str, Any]:
    """The columns of a stored row after the report `new`: a part that it does not name, or knew earlier, stays."""
    old = offers.c
    values: dict[str, Any] = {
        "updated_at": case((new.updated_at >= old.updated_at, new.updated_at), else_=old.updated_at)
    }
    for moment, fields in _SAID.items():
        newer = and_(new[moment].is_not(None), or_(old[moment].is_(None), new[moment] >= old[moment]))
        values |= {name: case((newer, new[name]), else_=old[name]) for name in (moment, *fields)}
    return values


def _in_order(rows: Iterable[Row[tuple[object, ...]]], since: int) -> list[Offer]:
    found = [offer for row in rows for offer in _offers(dict(row._mapping), since)]
    return sorted(found, key=lambda offer: (offer.updated_at or 0, offer.variant_id or "", offer.product_id))


def _offers(row: Mapping[str, Any], since: int) -> Iterator[Offer]:
    """What a row says, a moment at a time; what is older than `since` is left out."""
    moments = {row[moment] for moment in _SAID if row[moment] is not None and row[moment] >= since}
    for at in moments:
        yield Offer(
            product_id=row["product_id"],
            variant_id=row["variant_id"] or None,
            price=Price(amount=row["amount"], currency=row["currency"]) if row["price_at"] == at else None,
            availability=row["availability"] if row["availability_at"] == at else None,
            stock=row["stock"] if row["stock_at"] == at else None,
            updated_at=at,
        )
