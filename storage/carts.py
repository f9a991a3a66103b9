"""Carts: versioned, and each change takes effect once however often it is sent.

A cart holds no prices and no titles: those are rendered from the catalog when it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from storage.database import Database, lock_row
from storage.errors import Conflict, InvalidInput, NotFound
from storage.principal import Principal
from storage.record import new_id, now_ms
from storage.tables import cart_lines, cart_requests, carts

MOST_OF_ONE = 999
MOST_LINES = 200
_REQUEST_DAYS = 7


@dataclass(frozen=True, slots=True)
class CartLine:
    """A product, or one variant of it, and how many."""

    line_id: str
    product_id: str
    variant_id: str | None
    quantity: int


@dataclass(frozen=True, slots=True)
class Cart:
    """A user's cart; `version` grows by one with each change, 0 is a cart that never held anything."""

    cart_id: str
    version: int
    lines: tuple[CartLine, ...]


Change = Callable[[tuple[CartLine, ...]], tuple[CartLine, ...]]


def cart_of(db: Database, principal: Principal, user_id: str) -> Cart:
    """The user's cart, which may be empty.

    Raises:
        NotFound: the cart is another's.
    """
    principal.require_owner(user_id)
    with db.read() as connection:
        found = _load(connection, user_id)
    return found or Cart("", 0, ())


def cart_owner(db: Database, principal: Principal, cart_id: str) -> str:
    """Whose cart has that id.

    Raises:
        NotFound: there is none, or it is another's.
    """
    with db.read() as connection:
        owner = connection.execute(select(carts.c.user_id).where(carts.c.cart_id == cart_id)).scalar_one_or_none()
    if owner is None or not principal.owns(owner):
        # One text for both, so that a foreign id cannot be told from one that does not exist.
        raise NotFound(f"There is no cart {cart_id[:200]!r} here.", "Create one.")
    return str(owner)


def add_line(
    db: Database,
    principal: Principal,
    user_id: str,
    product_id: str,
    variant_id: str | None = None,
    quantity: int = 1,
    *,
    most: int | None = None,
    request_id: str | None = None,
    expected_version: int | None = None,
) -> Cart:
    """Puts a product in the cart; one that is there already becomes more of it.

    Args:
        db: where to.
        principal: who changes it: its owner or the shop's backend.
        user_id: whose cart.
        product_id: what; whether it can be bought is checked before.
        variant_id: which choice of it.
        quantity: how many, 1 to 999.
        most: how many of it the cart may hold then, for example what is in stock.
        request_id: the same id again changes nothing and returns the cart as it is now.
        expected_version: refuse where the cart was changed since that version.

    Raises:
        NotFound: the cart is another's.
        InvalidInput: the quantity is not possible, or the cart is full.
        Conflict: the cart has another version, request_id was used for another change, or it would hold more than `most`.
    """
    if not 1 <= quantity <= MOST_OF_ONE:
        raise InvalidInput(f"The quantity {quantity} is not possible.", f"Give 1 to {MOST_OF_ONE}.")

    def change(lines: tuple[CartLine, ...]) -> tuple[CartLine, ...]:
        same = next((line for line in lines if (line.product_id, line.variant_id) == (product_id, variant_id)), None)
        _check_stock(quantity + (same.quantity if same else 0), most)
        if same is None:
            if len(lines) >= MOST_LINES:
                raise InvalidInput(f"The cart is full: {MOST_LINES} lines.", "Remove something first.")
            return (*lines, CartLine(new_id(), product_id, variant_id, quantity))
        total = same.quantity + quantity
        if total > MOST_OF_ONE:
            raise InvalidInput(f"The cart cannot hold {total} of one product.", f"At most {MOST_OF_ONE}.")
        return tuple(replace(line, quantity=total) if line is same else line for line in lines)

    what = ["add", product_id, variant_id, quantity]
    return _change(db, principal, user_id, change, what, request_id, expected_version)


def change_line(
    db: Database,
    principal: Principal,
    user_id: str,
    line_id: str,
    quantity: int,
    *,
    most: int | None = None,
    request_id: str | None = None,
    expected_version: int | None = None,
) -> Cart:
    """Sets how many of a line; 0 removes it. Arguments and errors as in `add_line`; an unknown line is `NotFound`."""
    if not 0 <= quantity <= MOST_OF_ONE:
        raise InvalidInput(f"The quantity {quantity} is not possible.", f"Give 0 to {MOST_OF_ONE}.")

    def change(lines: tuple[CartLine, ...]) -> tuple[CartLine, ...]:
        if all(line.line_id != line_id for line in lines):
            raise NotFound(f"The cart has no line {line_id[:200]!r}.", "Read the cart again.")
        _check_stock(quantity, most)
        changed = (replace(line, quantity=quantity) if line.line_id == line_id else line for line in lines)
        return tuple(line for line in changed if line.quantity)

    return _change(db, principal, user_id, change, ["set", line_id, quantity], request_id, expected_version)


def remove_line(
    db: Database,
    principal: Principal,
    user_id: str,
    line_id: str,
    *,
    request_id: str | None = None,
    expected_version: int | None = None,
) -> Cart:
    """Takes a line out of the cart. Arguments and errors as in `change_line`."""
    return change_line(db, principal, user_id, line_id, 0, request_id=request_id, expected_version=expected_version)


def empty_cart(
    db: Database,
    principal: Principal,
    user_id: str,
    *,
    request_id: str | None = None,
    expected_version: int | None = None,
) -> Cart:
    """Takes everything out of the cart. Arguments and errors as in `add_line`."""
    return _change(db, principal, user_id, lambda _: (), ["empty"], request_id, expected_version)


def replace_lines(
    db: Database,
    principal: Principal,
    user_id: str,
    wanted: Sequence[tuple[str, str | None, int]],
    *,
    begins: bool = False,
    request_id: str | None = None,
    expected_version: int | None = None,
) -> Cart:
    """Makes `wanted`, (product_id, variant_id, quantity) each, all that the cart holds; what stays keeps its line's id.

    Other arguments and errors as in `add_line`; one that `begins` a cart is a `Conflict` where it holds something already.
    """
    if len(wanted) > MOST_LINES:
        raise InvalidInput(f"The cart cannot hold {len(wanted)} lines.", f"At most {MOST_LINES}.")
    for *_, quantity in wanted:
        if not 1 <= quantity <= MOST_OF_ONE:
            raise InvalidInput(f"The quantity {quantity} is not possible.", f"Give 1 to {MOST_OF_ONE}.")

    def change(lines: tuple[CartLine, ...]) -> tuple[CartLine, ...]:
        if begins and lines:
            raise Conflict(f"The cart holds {len(lines)} lines already.", "Update or cancel it.")
        ids = {(line.product_id, line.variant_id): line.line_id for line in lines}
        return tuple(
            CartLine(ids.get((product_id, variant_id)) or new_id(), product_id, variant_id, quantity)
            for product_id, variant_id, quantity in wanted
        )

    what = ["begin" if begins else "replace", *(list(line) for line in wanted)]
    return _change(db, principal, user_id, change, what, request_id, expected_version)


def _check_stock(total: int, most: int | None) -> None:
    if most is not None and total > most:
        raise Conflict(f"Only {most} of it are in stock, not {total}.", f"Ask for at most {most}.")


def _change(
    db: Database,
    principal: Principal,
    user_id: str,
    change: Change,
    what: list[Any],
    request_id: str | None,
    expected_version: int | None,
) -> Cart:
    """Applies a change to a cart once."""
    principal.require_owner(user_id)
    spelled = json.dumps(what)
    with db.write(durable=True) as connection:
        now = now_ms()
        fresh = {"cart_id": new_id(), "user_id": user_id, "version": 0, "updated_at": now}
        connection.execute(db.insert_new(carts), fresh)
        # Two writers of one cart wait here for each other, so neither works on a version that is already gone.
        connection.execute(lock_row(connection, select(carts.c.cart_id).where(carts.c.user_id == user_id)))
        cart = _load(connection, user_id)
        if cart is None:
            raise NotFound("The cart was erased just now.", "Try again.")
        if request_id is not None and _seen(connection, cart.cart_id, request_id, spelled, now):
            return cart
        if expected_version is not None and expected_version != cart.version:
            raise Conflict(
                f"The cart has version {cart.version}, not {expected_version}.",
                "Read it again, then repeat the change.",
            )
        after = Cart(cart.cart_id, cart.version + 1, change(cart.lines))
        _store(connection, after, now)
    return after


def _load(connection: Connection, user_id: str) -> Cart | None:
    head = connection.execute(select(carts).where(carts.c.user_id == user_id)).one_or_none()
    if head is None:
        return None
    columns = (cart_lines.c.line_id, cart_lines.c.product_id, cart_lines.c.variant_id, cart_lines.c.quantity)
    statement = select(*columns).where(cart_lines.c.cart_id == head.cart_id).order_by(cart_lines.c.place)
    return Cart(head.cart_id, head.version, tuple(CartLine(*row) for row in connection.execute(statement)))


def _store(connection: Connection, cart: Cart, now: int) -> None:
    own = carts.c.cart_id == cart.cart_id
    connection.execute(update(carts).where(own).values(version=cart.version, updated_at=now))
    connection.execute(delete(cart_lines).where(cart_lines.c.cart_id == cart.cart_id))
    rows = [
        {
            "cart_id": cart.cart_id,
            "line_id": line.line_id,
            "place": place,
            "product_id": line.product_id,
            "variant_id": line.variant_id,
            "quantity": line.quantity,
        }
        for place, line in enumerate(cart.lines)
    ]
    if rows:
        connection.execute(insert(cart_lines), rows)


def _seen(connection: Connection, cart_id: str, request_id: str, spelled: str, now: int) -> bool:
    """Whether this request was applied before; if not, it is noted."""
    own = cart_requests.c.cart_id == cart_id
    connection.execute(delete(cart_requests).where(own, cart_requests.c.created_at < now - _REQUEST_DAYS * 86_400_000))
    statement = select(cart_requests.c.change).where(own, cart_requests.c.request_id == request_id)
    before = connection.execute(statement).scalar_one_or_none()
    if before is None:
        row = {"cart_id": cart_id, "request_id": request_id, "change": spelled, "created_at": now}
        connection.execute(insert(cart_requests), row)
        return False
    if before != spelled:
        raise Conflict(f"The request id {request_id[:200]!r} was used for another change.", "Use a new one each time.")
    return True
