"""A small shop and shoppers for the profile and ranking tests."""

from __future__ import annotations

from typing import Any

from index.product import Money, Product, Rating, Variant
from storage.consent import Consent
from storage.event import Event, parse_event

NOW = 1_760_000_000_000
HOUR, DAY = 3_600_000, 86_400_000


def product(number: int, leaf: str, brand: str, dollars: int, color: str, **fields: Any) -> Product:
    return Product(
        id=f"p{number}",
        title=f"{brand} {color} {leaf}",
        brand=brand,
        categories=("Outdoor", leaf),
        price=Money(amount=dollars * 100, currency="USD"),
        attributes={"color": (color,), "material": ("cotton",)},
        **fields,
    )


SIZE_42 = Variant(id="v1", price=Money(amount=9000, currency="USD"), options={"size": "42"})
SHOP: dict[str, Product] = {
    each.id: each
    for each in (
        product(1, "Trail shoes", "Acme", 40, "red", rating=Rating(value=4.8, count=40)),
        product(2, "Trail shoes", "Borel", 60, "blue"),
        product(3, "Trail shoes", "Acme", 80, "blue"),
        product(4, "Trail shoes", "Corvo", 100, "black", variants=(SIZE_42,)),
        product(5, "Trail shoes", "Corvo", 150, "red"),
        product(6, "Trail shoes", "Acme", 200, "black"),
        product(7, "Tents", "Borel", 200, "green"),
        product(8, "Tents", "Acme", 300, "green"),
    )
}  # fmt: skip


def event(number: int, name: str, item: str | None, age: int = HOUR, **fields: Any) -> Event:
    row = {
        "event_id": f"e{number}",
        "event": name,
        "timestamp": NOW - age,
        "items": [{"item_id": item}] if item else [],
    }
    return parse_event(row | fields)


def refusing(number: int, item: str) -> Event:
    return event(number, "purchase", item).model_copy(update={"consent": Consent(personalize=False)})
