"""What becomes of a purchase: an order, its status by age, its parcel, sometimes a refund."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from numpy.random import Generator

from demo.catalog import CURRENCY, DemoProduct
from demo.tastes import Shopper
from demo.wording import pick
from index.product import Variant

_CARRIERS = ("Swiftlark Parcel", "Bluefern Express", "Hilltop Post")
_CANCELLED, _RETURNED = 0.03, 0.05


@dataclass(frozen=True)
class Purchase:
    """What was paid for, at which time; `event` is the purchase event, which gets the order's number."""

    shopper: Shopper
    event: dict[str, Any]
    products: tuple[DemoProduct, ...]
    quantities: tuple[int, ...]
    at: datetime


def make_order(
    rng: Generator, now: datetime, order_id: str, purchase: Purchase
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the order of a purchase, and the refund event of a returned one."""
    purchase.event["transaction_id"] = order_id
    age = (now - purchase.at) / timedelta(days=1)
    expected = purchase.at + timedelta(days=max(_days(product) for product in purchase.products))
    status = _status(rng, age, now >= expected, purchase.shopper.id.startswith("demo-"))
    order: dict[str, Any] = {
        "order_id": order_id,
        "user_id": purchase.shopper.id,
        "status": status,
        "placed_at": _iso(purchase.at),
        "currency": CURRENCY,
        "items": [
            {
                "product_id": product.product.id,
                "variant_id": variant.id if variant else None,
                "quantity": quantity,
                "price": item["price"],
            }
            for product, quantity, item in zip(
                purchase.products, purchase.quantities, purchase.event["items"], strict=True
            )
            for variant in [_variant(rng, product)]
        ],
    }
    if status in ("shipped", "delivered", "returned"):
        number = f"TRK{int(rng.integers(10**9, 10**10))}"
        order["tracking"] = {
            "carrier": pick(rng, _CARRIERS),
            "number": number,
            "url": f"https://tracking.example/{number}",
            "expected_at": _iso(expected),
        }
    if status != "returned":
        return order, None
    refunded_at = min(expected + timedelta(days=float(rng.uniform(3, 20))), now - timedelta(minutes=5))
    refund = {key: value for key, value in purchase.event.items() if key != "event_id"} | {
        "event": "refund",
        "session_id": f"{purchase.event['session_id']}-refund",
        "timestamp": round(refunded_at.timestamp() * 1000),
    }
    return order, refund


def _days(product: DemoProduct) -> int:
    delivery = product.product.delivery
    return delivery.days_max if delivery is not None and delivery.days_max is not None else 4


def _status(rng: Generator, age: float, arrived: bool, named: bool) -> str:
    fate = float(rng.random())
    if not named and fate < _CANCELLED:
        return "cancelled"
    if arrived:
        return "returned" if not named and age > 12 and fate < _CANCELLED + _RETURNED else "delivered"
    if age < 0.2:
        return "placed"
    return "paid" if age < 1 else "shipped"


def _variant(rng: Generator, product: DemoProduct) -> Variant | None:
    """Return a variant that the product's own price buys, an orderable one where there is one."""
    fitting = [variant for variant in product.product.variants if variant.price == product.product.price]
    orderable = [variant for variant in fitting if variant.availability.orderable]
    return pick(rng, orderable or fitting) if fitting else None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
