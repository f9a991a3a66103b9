"""Who orders: name, default address and means of payment, as the shop's own system reports them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement, Connection, select

from storage.access_log import look, note, write_down
from storage.database import Database, lock_row
from storage.errors import Conflict, NotFound
from storage.orders import Address, Part
from storage.principal import Principal, Role
from storage.record import Id, MinorUnits, Record, now_ms, read_leniently
from storage.tables import customers

_REQUIRED = frozenset({"user_id"})


class PaymentMethod(Record):
    """A means of payment, without any number that pays. `balance` is what a gift card holds, in the shop's minor units."""

    model_config = ConfigDict(extra="ignore")

    id: Id
    source: Literal["gift_card", "credit_card", "paypal", "other"] = "other"
    brand: Part = ""
    last_four: Part = ""
    balance: MinorUnits | None = None


class Customer(Record):
    """Somebody who orders. Only `user_id` is required."""

    model_config = ConfigDict(extra="ignore")

    user_id: Id
    email: Part = ""
    first_name: Part = ""
    last_name: Part = ""
    address: Address | None = None
    payment_methods: tuple[PaymentMethod, ...] = Field(default=(), max_length=100)

    def method(self, method_id: str | None) -> PaymentMethod | None:
        """The means of payment of that id; None where the customer has none such."""
        return next((method for method in self.payment_methods if method.id == method_id), None)


def read_customer(row: dict[str, Any]) -> tuple[Customer, tuple[str, ...]]:
    """The customer in a row, and the names of the optional fields that had to be dropped.

    Raises:
        InvalidInput: `user_id` is missing or cannot be used.
    """
    return read_leniently(Customer, row, _REQUIRED, "Send user_id.", frozenset({"address"}))


def put_customers(db: Database, principal: Principal, new: Sequence[Customer]) -> int:
    """Keeps customers durably, each in place of its earlier record; returns how many.

    Raises:
        Forbidden: only the shop's backend reports them.
    """
    principal.require_role(Role.SERVICE)
    latest = {customer.user_id: customer for customer in new}
    if latest:
        with db.write(durable=True) as connection:
            connection.execute(db.upsert(customers, keys=("user_id",)), [row_of(each) for each in latest.values()])
    return len(latest)


def customer_of(db: Database, principal: Principal, user_id: str) -> Customer | None:
    """A shopper's record, None where the shop reported none; agents and supervisors may read it too.

    Raises:
        NotFound: it is another's.
    """
    principal.require_owner(user_id, Role.AGENT, Role.SUPERVISOR)
    with db.read() as connection:
        found = customer_within(connection, user_id)
        seen = look(connection, principal, user_id, "record") if found is not None else None
    write_down(db, (seen,))
    return found


def find_customer(
    db: Database,
    principal: Principal,
    *,
    email: str = "",
    first_name: str = "",
    last_name: str = "",
    zip_code: str = "",
) -> Customer:
    """The customer with this e-mail address, or with this name and postal code; capitals and outer spaces do not count.

    This identifies nobody: who asks has been identified before, and a customer finds nobody but themselves.

    Raises:
        NotFound: there is none, or it is another's.
        Conflict: the name and postal code fit several.
    """
    if email:
        found = _matching(db, customers.c.email_key == _folded(email))
    elif first_name and last_name and zip_code:
        found = _matching(db, customers.c.name_key == _folded(first_name, last_name, zip_code))
    else:
        found = []
    found = [each for each in found if principal.owns(each.user_id, Role.AGENT, Role.SUPERVISOR)]
    if not found:
        raise NotFound(
            "There is no such customer.", "Give the e-mail address, or first name, last name and postal code."
        )
    if len(found) > 1:
        raise Conflict(f"{len(found)} customers have that name and postal code.", "Give the e-mail address.")
    note(db, principal, found[0].user_id, "record")
    return found[0]


def customer_within(connection: Connection, user_id: str, hold: bool = False) -> Customer | None:
    """The record inside a transaction, held until it ends where `hold` says so."""
    own = select(customers).where(customers.c.user_id == user_id)
    row = connection.execute(lock_row(connection, own) if hold else own).mappings().one_or_none()
    return None if row is None else _customer(dict(row))


def row_of(customer: Customer) -> dict[str, Any]:
    """All columns of a record, as of now."""
    zip_code = customer.address.zip if customer.address else ""
    named = customer.first_name and customer.last_name and zip_code
    return {
        **customer.model_dump(mode="json"),
        "email_key": _folded(customer.email) if customer.email else None,
        "name_key": _folded(customer.first_name, customer.last_name, zip_code) if named else None,
        "updated_at": now_ms(),
    }


def _matching(db: Database, which: ColumnElement[bool]) -> list[Customer]:
    with db.read() as connection:
        rows = (
            connection.execute(select(customers).where(which).order_by(customers.c.user_id).limit(100)).mappings().all()
        )
    return [_customer(dict(row)) for row in rows]


def _customer(row: dict[str, Any]) -> Customer:
    texts = {name: row[name] or "" for name in ("email", "first_name", "last_name")}
    return Customer.model_validate({**row, **texts})


def _folded(*words: str) -> str:
    return "\n".join(" ".join(word.split()).casefold() for word in words)
