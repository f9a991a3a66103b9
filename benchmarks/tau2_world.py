"""τ²-bench retail as it lies on disk: its users, orders, catalog and tasks, and what its own tools do to them.

The data is read where it lies and nothing of it is kept. `World` is the reference: a small re-statement of the domain's tools
(τ²-bench, Sierra Research, arXiv 2506.07982), against which a backend's end state is compared.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.product import Availability, Money, Product, Variant
from storage.customers import Customer, PaymentMethod
from storage.orders import Address, Order, OrderItem
from storage.rows import RowProblem, read_jsonl

Row = dict[str, Any]
STATUS = {"pending": "paid", "processed": "shipped", "delivered": "delivered", "cancelled": "cancelled"}
"""Its statuses in our words: what has not left, what has, what has arrived."""
REASONS = ("no longer needed", "ordered by mistake")
WRITES = frozenset(
    {
        "cancel_pending_order",
        "return_delivered_order_items",
        "exchange_delivered_order_items",
        "modify_pending_order_items",
        "modify_pending_order_address",
        "modify_pending_order_payment",
        "modify_user_address",
    }
)


def cents(amount: float) -> int:
    """Dollars as the data has them in minor units."""
    return round(amount * 100)


@dataclass(frozen=True)
class Data:
    """The raw rows by id."""

    users: dict[str, Row]
    orders: dict[str, Row]
    variants: dict[str, dict[str, Row]]
    """Rows of the catalog by product, then by variant."""
    tasks: list[Row]

    @classmethod
    def read(cls, folder: Path) -> Data:
        """Reads the folder's files; raises `InvalidInput` where one is missing."""
        variants: dict[str, dict[str, Row]] = {}
        for row in _rows(folder / "catalog.jsonl.gz"):
            variants.setdefault(row["attributes"]["product_id"], {})[row["id"]] = row
        return cls(
            users={row["user_id"]: row for row in _rows(folder / "users.jsonl.gz")},
            orders={row["order_id"]: row for row in _rows(folder / "orders.jsonl.gz")},
            variants=variants,
            tasks=_rows(folder / "tasks_train.jsonl.gz"),
        )

    def products(self) -> dict[str, Product]:
        """The catalog in our records: one product with its variants for each of its products."""
        return {product_id: _product(product_id, rows) for product_id, rows in self.variants.items()}

    def customers(self) -> list[Customer]:
        """The users in our records."""
        return [_customer(row) for row in self.users.values()]

    def our_orders(self, now: int) -> list[Order]:
        """The orders in our records, all placed and delivered at `now`: the data has no dates and its policy no deadline."""
        return [_order(row, now) for row in self.orders.values()]


class Impossible(Exception):
    """The domain's own tool refuses."""


class World:
    """Orders and users under the domain's own tools; `state` is what two of them are compared by."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.users = copy.deepcopy(data.users)
        self.orders = copy.deepcopy(data.orders)
        self.requests: dict[str, tuple[Any, ...]] = {}

    def write(self, name: str, arguments: Row) -> None:
        """Runs one write; raises `Impossible` as the domain's tool does."""
        getattr(self, f"_{name}")(**arguments)

    def state(self) -> dict[str, Any]:
        """All orders and users as plain values."""
        orders = {
            order_id: (
                row["status"],
                sorted((item["item_id"], cents(item["price"])) for item in row["items"]),
                _place(row["address"]),
                row["payment_history"][0]["payment_method_id"],
                self.requests.get(order_id),
            )
            for order_id, row in self.orders.items()
        }
        users = {
            user_id: (
                _place(row["address"]),
                sorted((key, cents(each.get("balance", 0))) for key, each in row["payment_methods"].items()),
            )
            for user_id, row in self.users.items()
        }
        return {"orders": orders, "users": users}

    def _order(self, order_id: str, *status: str) -> Row:
        order = self.orders.get(order_id)
        if order is None or order["status"] not in status:
            raise Impossible(order_id)
        return order

    def _method(self, order: Row, method_id: str) -> Row:
        method: Row | None = self.users[order["user_id"]]["payment_methods"].get(method_id)
        if method is None:
            raise Impossible(method_id)
        return method

    def _cancel_pending_order(self, order_id: str, reason: str) -> None:
        order = self._order(order_id, "pending")
        if reason not in REASONS:
            raise Impossible(reason)
        paid = order["payment_history"][0]
        method = self._method(order, paid["payment_method_id"])
        if method["source"] == "gift_card":
            method["balance"] = round(method["balance"] + paid["amount"], 2)
        order["status"] = "cancelled"

    def _return_delivered_order_items(self, order_id: str, item_ids: list[str], payment_method_id: str) -> None:
        order = self._order(order_id, "delivered")
        method = self._method(order, payment_method_id)
        original = order["payment_history"][0]["payment_method_id"]
        if payment_method_id != original and method["source"] != "gift_card":
            raise Impossible(payment_method_id)
        items = self._items(order, item_ids)
        order["status"] = "return requested"
        back = sum(cents(item["price"]) for item in items)
        self.requests[order_id] = ("return", sorted(item_ids), back, payment_method_id)

    def _exchange_delivered_order_items(
        self, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> None:
        order = self._order(order_id, "delivered")
        due = self._difference(order, item_ids, new_item_ids, payment_method_id)
        order["status"] = "exchange requested"
        self.requests[order_id] = (
            "exchange", sorted(zip(item_ids, new_item_ids, strict=True)), -due, payment_method_id,
        )  # fmt: skip

    def _modify_pending_order_items(
        self, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> None:
        order = self._order(order_id, "pending")
        due = self._difference(order, item_ids, new_item_ids, payment_method_id)
        method = self._method(order, payment_method_id)
        if method["source"] == "gift_card":
            method["balance"] = round(method["balance"] - due / 100, 2)
        for old, new in zip(item_ids, new_item_ids, strict=True):
            item = next(each for each in order["items"] if each["item_id"] == old)
            row = self.data.variants[item["product_id"]][new]
            item.update(item_id=new, price=row["price"]["amount"] / 100)
        order["status"] = "pending (item modified)"
        self.requests[order_id] = ("items", -due, payment_method_id)

    def _modify_pending_order_address(self, order_id: str, **address: str) -> None:
        self._order(order_id, "pending", "pending (item modified)")["address"] = address

    def _modify_user_address(self, user_id: str, **address: str) -> None:
        self.users[user_id]["address"] = address

    def _items(self, order: Row, item_ids: list[str]) -> list[Row]:
        had = Counter(item["item_id"] for item in order["items"])
        if Counter(item_ids) - had:
            raise Impossible(str(item_ids))
        by_id = {item["item_id"]: item for item in order["items"]}
        return [by_id[item_id] for item_id in item_ids]

    def _difference(self, order: Row, item_ids: list[str], new_item_ids: list[str], payment_method_id: str) -> int:
        """What is due in cents."""
        items = self._items(order, item_ids)
        due = 0
        for item, new in zip(items, new_item_ids, strict=True):
            row = self.data.variants[item["product_id"]].get(new)
            if row is None or row["availability"] != "in_stock":
                raise Impossible(new)
            due += row["price"]["amount"] - cents(item["price"])
        method = self._method(order, payment_method_id)
        if method["source"] == "gift_card" and cents(method["balance"]) < due:
            raise Impossible(payment_method_id)
        return due


def known_from(text: str) -> dict[str, list[str]]:
    """What a customer says of themselves: e-mail addresses, the postal code, and pairs of capitalised words as names.

    A user id such as "mei_kovacs_8020" says a name too; the id itself is not believed.
    """
    rest = re.sub(r"\S+@\S+", " ", text)
    names = re.findall(r"\b(?=([A-Z][a-z]+ [A-Z][a-z]+)\b)", rest)
    names += [" ".join(pair).title() for pair in re.findall(r"\b([a-z]+)_([a-z]+)_\d+\b", rest)]
    return {
        "email": [found.rstrip(".,)") for found in re.findall(r"[\w.+-]+@[\w-]+\.[\w.]+", text)],
        "zip": re.findall(r"\b\d{5}\b", re.sub(r"\w+_\d+", " ", rest)),
        "name": names,
    }


def _rows(path: Path) -> list[Row]:
    return [row for _, row in read_jsonl(path) if not isinstance(row, RowProblem)]


def _place(address: Row) -> tuple[str, ...]:
    return tuple(address.get(name) or "" for name in ("address1", "address2", "city", "state", "country", "zip"))


def _product(product_id: str, rows: dict[str, Row]) -> Product:
    variants = []
    for variant_id, row in rows.items():
        options = {name: value for name, value in row["attributes"].items() if name != "product_id"}
        price, availability = Money.model_validate(row["price"]), Availability(row["availability"])
        variants.append(Variant(id=variant_id, price=price, availability=availability, options=options))
    title = next(iter(rows.values()))["title"]
    return Product(id=product_id, title=title, categories=(title,), variants=tuple(variants), language="en")


def _customer(row: Row) -> Customer:
    methods = tuple(
        PaymentMethod(
            id=each["id"],
            source=each["source"],
            brand=each.get("brand", ""),
            last_four=each.get("last_four", ""),
            balance=cents(each["balance"]) if "balance" in each else None,
        )
        for each in row["payment_methods"].values()
    )
    return Customer(
        user_id=row["user_id"],
        email=row["email"],
        first_name=row["name"]["first_name"],
        last_name=row["name"]["last_name"],
        address=Address.model_validate(row["address"]),
        payment_methods=methods,
    )


def _order(row: Row, now: int) -> Order:
    items = tuple(
        OrderItem(product_id=item["product_id"], variant_id=item["item_id"], price=cents(item["price"]))
        for item in row["items"]
    )
    return Order.model_validate(
        {
            "order_id": row["order_id"],
            "user_id": row["user_id"],
            "status": STATUS[row["status"]],
            "placed_at": now,
            "delivered_at": now if row["status"] == "delivered" else None,
            "currency": "USD",
            "items": items,
            "payment_method": row["payment_history"][0]["payment_method_id"],
            "address": row["address"],
        }
    )
