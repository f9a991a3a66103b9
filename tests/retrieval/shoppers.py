"""A made-up shop's orders in a real database: some buy coffee in a rhythm, some lamps by chance, some have left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from retrieval.goods import Good
from retrieval.retention.rhythm import Rhythm
from storage.database import Database
from storage.orders import Order, put_orders
from storage.principal import local_operator
from tests.retrieval.renewals import renewals

DAY = 86_400_000
START = 20_000
DAYS = 300
NOW = (START + DAYS) * DAY - 1
"""The end of the last day."""
LAW = Rhythm(mu=float(np.log(30)), tau=0.3, sigma=0.25, a=4.0, b=1.0)
GOODS = {
    "coffee-1": Good("coffee-1", "Morning roast", ("Food", "Coffee"), True),
    "coffee-2": Good("coffee-2", "=Evening roast", ("Food", "Coffee"), True),
    "coffee-2-big": Good("coffee-2", "=Evening roast (1 kg)", ("Food", "Coffee"), True),
    "coffee-3": Good("coffee-3", "Sold-out roast", ("Food", "Coffee"), False),
    "lamp": Good("lamp", "Lamp", ("Home", "Lamps"), True),
    "odd": Good("odd", "Of no category", (), True),
}


def goods(ids: Iterable[str]) -> Mapping[str, Good]:
    return {each: GOODS[each] for each in ids if each in GOODS}


def place(db: Database, user: str, item: str, *days: int, status: str = "delivered") -> None:
    """Orders at noon of days counted from the start."""
    rows = [
        {
            "order_id": f"{user}-{item}-{day}",
            "user_id": user,
            "status": status,
            "placed_at": (START + day) * DAY + DAY // 2,
            "items": [{"product_id": item}],
        }
        for day in days
    ]
    put_orders(db, local_operator(), [Order.model_validate(row) for row in rows])


def fill(db: Database, coffee: int = 120, lamps: int = 120) -> None:
    """Shoppers c000 … buy coffee in a rhythm, l000 … a lamp now and then."""
    rows: list[dict[str, Any]] = []
    for name, item, law, count in (
        ("c", "coffee-1", LAW, coffee),
        ("l", "lamp", Rhythm(float(np.log(60)), 0.5, 1.3, 1.5, 1.0), lamps),
    ):
        bought = renewals(law, count, DAYS, seed=len(rows), join_days=200)
        for number, (customer, day) in enumerate(zip(bought.customer.tolist(), bought.day.tolist(), strict=True)):
            rows.append(
                {
                    "order_id": f"{name}-{number}",
                    "user_id": f"{name}{customer:03}",
                    "status": "delivered",
                    "placed_at": (START + day) * DAY + DAY // 2,
                    "items": [{"product_id": item}],
                }
            )
    put_orders(db, local_operator(), [Order.model_validate(row) for row in rows])
