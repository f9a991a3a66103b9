"""Prices, stock and availability newer than the index: what the shop's backend reports between two runs of `index`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypedDict

from sqlalchemy import Row, Select, select

from storage.database import Database, in_chunks
from storage.principal import Principal, Role
from storage.record import Count, Currency, Id, Instant, MinorUnits, Record, now_ms
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


def put_offers(db: Database, principal: Principal, new: Sequence[Offer]) -> None:
    """Keeps offers durably; an older report never replaces a newer one.

    Raises:
        Forbidden: only the shop's backend says what things cost.
    """
    principal.require_role(Role.SERVICE)
    latest: dict[tuple[str, str], _Stored] = {}
    for offer in new:
        row = _stored(offer)
        key = (row["product_id"], row["variant_id"])
        if key not in latest or latest[key]["updated_at"] <= row["updated_at"]:
            latest[key] = row
    if latest:
        with db.write(durable=True) as connection:
            statement = db.upsert(offers, keys=("product_id", "variant_id"), newer_by="updated_at")
            connection.execute(statement, list(latest.values()))


def offers_for(db: Database, product_ids: Iterable[str], since: int = 0) -> list[Offer]:
    """The offers of some products and of their variants that were reported at `since` or later, in milliseconds."""
    found: list[Offer] = []
    with db.read() as connection:
        for ids in in_chunks(sorted(set(product_ids))):
            rows = connection.execute(select(offers).where(offers.c.product_id.in_(ids), offers.c.updated_at >= since))
            found += [_offer(row) for row in rows]
    return found


def all_offers(db: Database, since: int = 0) -> list[Offer]:
    """Every offer reported at `since` or later, in milliseconds."""
    statement: Select[tuple[object, ...]] = select(offers).where(offers.c.updated_at >= since)
    with db.read() as connection:
        return [_offer(row) for row in connection.execute(statement.order_by(offers.c.updated_at))]


def _stored(offer: Offer) -> _Stored:
    return {
        "product_id": offer.product_id,
        "variant_id": offer.variant_id or "",
        "amount": offer.price.amount if offer.price else None,
        "currency": offer.price.currency if offer.price else None,
        "availability": offer.availability,
        "stock": offer.stock,
        "updated_at": offer.updated_at or now_ms(),
    }


def _offer(row: Row[tuple[object, ...]]) -> Offer:
    values = row._mapping
    priced = values["amount"] is not None
    return Offer(
        product_id=values["product_id"],
        variant_id=values["variant_id"] or None,
        price=Price(amount=values["amount"], currency=values["currency"]) if priced else None,
        availability=values["availability"],
        stock=values["stock"],
        updated_at=values["updated_at"],
    )
