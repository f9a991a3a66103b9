"""The backend that comes with Aisle: orders as the shop reported them, changed in its own database, SQLite or PostgreSQL."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.backend import Backend
from bot.shelf import availability_of, price_of
from index.product import Product
from storage import order_changes
from storage.customers import Customer, customer_of, find_customer
from storage.database import Database
from storage.errors import InvalidInput
from storage.order_changes import OrderChange, changes_of
from storage.order_rules import ChangeRequest, Choice, Proposal
from storage.orders import Order, orders_of
from storage.principal import Principal
from storage.settings import OrderSettings

Products = Callable[[str], Product | None]
"""A product as it is offered now, by its id or that of a variant."""


@dataclass(frozen=True)
class EmbeddedBackend:
    """A `Backend` over the tables of `storage/`; `products` says what the catalog offers at the moment of the call."""

    database: Database
    rules: OrderSettings
    products: Products

    def find_user(
        self, principal: Principal, *, email: str = "", first_name: str = "", last_name: str = "", zip_code: str = ""
    ) -> Customer:
        """As `Backend` has it."""
        return find_customer(
            self.database, principal, email=email, first_name=first_name, last_name=last_name, zip_code=zip_code
        )

    def user(self, principal: Principal, user_id: str) -> Customer:
        """As `Backend` has it."""
        return customer_of(self.database, principal, user_id) or Customer(user_id=user_id)

    def orders(self, principal: Principal, user_id: str) -> list[Order]:
        """As `Backend` has it."""
        return orders_of(self.database, principal, user_id)

    def changes(self, principal: Principal, user_id: str) -> list[OrderChange]:
        """As `Backend` has it."""
        return changes_of(self.database, principal, user_id)

    def product(self, product_id: str) -> Product | None:
        """As `Backend` has it."""
        return self.products(product_id)

    def propose(self, principal: Principal, user_id: str, request: ChangeRequest) -> Proposal:
        """As `Backend` has it."""
        return order_changes.propose(self.database, principal, user_id, request, self.rules, self._choices)

    def change(
        self, principal: Principal, user_id: str, request: ChangeRequest, request_id: str, stamp: str
    ) -> OrderChange:
        """As `Backend` has it."""
        return order_changes.make_change(
            self.database, principal, user_id, request, self.rules, self._choices, request_id, stamp
        )

    def _choices(self, product_id: str) -> Mapping[str, Choice]:
        product = self.products(product_id)
        if product is None:
            return {}
        prices = {variant.id: price_of(product, variant) for variant in product.variants}
        return {
            variant.id: Choice(
                price.amount if (price := prices[variant.id]) else None,
                price.currency if price else "",
                availability_of(product, variant).orderable,
            )
            for variant in product.variants
        }


def backend_of(rules: OrderSettings, database: Database, products: Products) -> Backend:
    """The shop's own backend where `[orders] backend` names its factory, else the embedded one.

    A factory is called as this function is: `factory(rules, database, products)`.

    Raises:
        InvalidInput: there is no such factory, or what it makes is no `Backend`.
    """
    if not rules.backend:
        return EmbeddedBackend(database, rules, products)
    module, _, name = rules.backend.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidInput(
            f"shop.toml [orders] backend {rules.backend!r} cannot be loaded: {error}.",
            "Install the package that has it, or correct the name.",
        ) from None
    backend = factory(rules, database, products)
    if not isinstance(backend, Backend):
        raise InvalidInput(
            f"shop.toml [orders] backend {rules.backend!r} makes no backend.",
            "It needs the methods of bot.backend.Backend.",
        )
    return backend
