"""Changes to orders: judged and made in one transaction, each once however often it is sent, and each written down.

A change is made in the rows of the order where the shop's own system would see it (`cancelled`, another variant, another
address); a return and an exchange are requests, for the goods have to come back first. The shop fetches all of them in the order in
which they were made (`changes_after`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from storage.customers import Customer, customer_within, row_of
from storage.database import Database
from storage.errors import Conflict, NotFound, Unauthenticated
from storage.order_rules import (
    REQUEST,
    Catalog,
    ChangeRequest,
    ExchangeItems,
    Facts,
    ModifyAddress,
    ModifyDefaultAddress,
    ModifyItems,
    ModifyPayment,
    Proposal,
    ReturnItems,
    judge,
)
from storage.orders import order_within
from storage.principal import Principal, Role
from storage.record import Id, Instant, Record, now_ms
from storage.settings import ChangeKind, OrderSettings
from storage.tables import customers, order_changes, order_items, orders

MOST_AT_ONCE = 1_000


class OrderChange(Record):
    """One change that was made: what was asked for, what it came to, by whom and when.

    `row` counts them in the order in which they were made; `amount` is as in `Proposal`; `lines` are as judged; `repeated` is
    true for the answer to a request that had been carried out before.
    """

    row: int
    request_id: Id
    user_id: Id
    order_id: Id | None
    kind: ChangeKind
    request: ChangeRequest
    lines: tuple[dict[str, Any], ...] = ()
    amount: int | None
    currency: str | None
    payment_method: Id | None
    by_id: Id
    by_role: Role
    created_at: Instant
    repeated: bool = False


def propose(
    db: Database, principal: Principal, user_id: str, request: ChangeRequest, rules: OrderSettings, catalog: Catalog
) -> Proposal:
    """What the request would come to now; nothing is changed.

    Raises:
        NotFound: the order, or the user, is another's or does not exist.
        Unauthenticated: the principal is a visitor whom nobody knows.
        Refused: the rules do not allow it.
    """
    _check_caller(principal, user_id)
    catalog = _fetched(db, user_id, request, catalog)
    with db.read() as connection:
        return _judged(connection, user_id, request, rules, catalog, hold=False)


def make_change(
    db: Database,
    principal: Principal,
    user_id: str,
    request: ChangeRequest,
    rules: OrderSettings,
    catalog: Catalog,
    request_id: str,
    stamp: str | None = None,
) -> OrderChange:
    """Makes a change, durably and once.

    Args:
        db: where.
        principal: who asks: the customer, or the shop's backend for them.
        user_id: whose order it is.
        request: what is asked for.
        rules: the shop's `[orders]`.
        catalog: the variants that can be had.
        request_id: the same id with the same request again changes nothing and returns what was done.
        stamp: of the proposal that the customer agreed to.

    Raises:
        NotFound, Unauthenticated, Refused: as `propose`.
        Conflict: the change would no longer be what the customer agreed to, or `request_id` was used for another one.
    """
    _check_caller(principal, user_id)
    catalog = _fetched(db, user_id, request, catalog)
    with db.write(durable=True) as connection:
        if not db.is_sqlite:
            # One at a time, as on SQLite: so a request that comes twice is seen, and rows come in the order of their numbers.
            connection.exec_driver_sql("LOCK TABLE order_changes IN SHARE ROW EXCLUSIVE MODE")
        done = _made_before(connection, user_id, request_id)
        if done is not None:
            if done.request != request:
                raise Conflict(f"The request id {request_id[:200]!r} was used for another change.", "Use a new one.")
            return done.model_copy(update={"repeated": True})
        proposal = _judged(connection, user_id, request, rules, catalog, hold=True)
        if stamp is not None and stamp != proposal.stamp:
            raise Conflict("The change is no longer what was agreed to.", "Propose it again.")
        _apply(connection, user_id, proposal)
        row = {
            "user_id": user_id,
            "request_id": request_id,
            "order_id": proposal.order.order_id if proposal.order else None,
            "kind": request.kind,
            "detail": {
                "request": request.model_dump(mode="json"),
                "lines": [{name: getattr(line, name) for name in line.__slots__} for line in proposal.lines],
            },
            "amount": proposal.amount,
            "currency": proposal.currency,
            "payment_method": proposal.method.id if proposal.method else None,
            "by_id": principal.id,
            "by_role": principal.role.value,
            "created_at": now_ms(),
        }
        connection.execute(insert(order_changes), row)
        made = _made_before(connection, user_id, request_id)
    if made is None:
        raise RuntimeError("a row that was written cannot be read")
    return made


def changes_of(db: Database, principal: Principal, user_id: str) -> list[OrderChange]:
    """A shopper's changes, oldest first; agents and supervisors may read them too.

    Raises:
        NotFound: they are another's.
    """
    principal.require_owner(user_id, Role.AGENT, Role.SUPERVISOR)
    statement = select(order_changes).where(order_changes.c.user_id == user_id).order_by(order_changes.c.row)
    with db.read() as connection:
        return [_change(dict(row)) for row in connection.execute(statement).mappings()]


def changes_after(db: Database, principal: Principal, row: int = 0, limit: int = MOST_AT_ONCE) -> list[OrderChange]:
    """The changes made after that row, of everybody, in the order in which they were made: what the shop's system fetches.

    Raises:
        Forbidden: only the shop's backend may.
    """
    principal.require_role(Role.SERVICE)
    statement = select(order_changes).where(order_changes.c.row > row).order_by(order_changes.c.row).limit(limit)
    with db.read() as connection:
        return [_change(dict(each)) for each in connection.execute(statement).mappings()]


def _check_caller(principal: Principal, user_id: str) -> None:
    principal.require_owner(user_id)
    if principal.anonymous:
        raise Unauthenticated("A visitor has no orders.", "Sign in.")


def _fetched(db: Database, user_id: str, request: ChangeRequest, catalog: Catalog) -> Catalog:
    """What the catalog says of the products that are exchanged, asked before the transaction.

    A catalog reads from the database itself: inside of it, it would wait for a connection that those hold who wait for the lock.
    """
    if not isinstance(request, ExchangeItems | ModifyItems):
        return catalog
    with db.read() as connection:
        order = order_within(connection, user_id, request.order_id, hold=False)
    lines = {swap.line for swap in request.swaps}
    ids = {item.product_id for line, item in enumerate(order.items if order else ()) if line in lines}
    known = {product_id: catalog(product_id) for product_id in ids}
    return lambda product_id: known.get(product_id, {})


def _judged(
    connection: Connection, user_id: str, request: ChangeRequest, rules: OrderSettings, catalog: Catalog, hold: bool
) -> Proposal:
    order = None
    earlier: Sequence[str] = ()
    if not isinstance(request, ModifyDefaultAddress):
        order = order_within(connection, user_id, request.order_id, hold)
        if order is None:
            raise NotFound(f"There is no order {request.order_id!r}.", "Check the number.")
        kinds = select(order_changes.c.kind).where(order_changes.c.order_id == order.order_id)
        earlier = connection.execute(kinds).scalars().all()
    customer = customer_within(connection, user_id, hold)
    return judge(request, Facts(order, customer, frozenset(earlier), catalog, rules, now_ms()))


def _apply(connection: Connection, user_id: str, proposal: Proposal) -> None:
    """Changes the rows of the order and the customer."""
    match proposal.request:
        case ModifyDefaultAddress(address=address):
            known = customer_within(connection, user_id) or Customer(user_id=user_id)
            _store(connection, known.model_copy(update={"address": address}))
        case ReturnItems() | ExchangeItems():
            pass  # a request: the shop carries it out when the goods are back
        case ModifyAddress(address=address, order_id=order_id):
            _head(connection, order_id, address=address.model_dump())
        case ModifyPayment(payment_method=method_id, order_id=order_id):
            total = proposal.order.total if proposal.order else None
            _move(connection, user_id, method_id, -(total or 0))
            if proposal.order is not None and proposal.order.payment_method is not None:
                _move(connection, user_id, proposal.order.payment_method, total or 0)
            _head(connection, order_id, payment_method=method_id)
        case ModifyItems(order_id=order_id):
            for line in proposal.lines:
                own = (order_items.c.order_id == order_id) & (order_items.c.line == line.line)
                taken = {"variant_id": line.to_variant_id, "price": line.to_price}
                connection.execute(update(order_items).where(own).values(taken))
            _settle(connection, user_id, proposal)
        case request:
            _head(connection, request.order_id, status="cancelled")
            _settle(connection, user_id, proposal)


def _settle(connection: Connection, user_id: str, proposal: Proposal) -> None:
    if proposal.method is not None and proposal.amount:
        _move(connection, user_id, proposal.method.id, proposal.amount)


def _move(connection: Connection, user_id: str, method_id: str, amount: int) -> None:
    """Puts an amount on a gift card, or takes it from there; any other means of payment is the shop's to charge and refund."""
    customer = customer_within(connection, user_id)
    if customer is None:
        return
    methods = tuple(
        method.model_copy(update={"balance": (method.balance or 0) + amount})
        if method.id == method_id and method.source == "gift_card"
        else method
        for method in customer.payment_methods
    )
    _store(connection, customer.model_copy(update={"payment_methods": methods}))


def _head(connection: Connection, order_id: str, **values: Any) -> None:
    connection.execute(update(orders).where(orders.c.order_id == order_id).values(values))


def _store(connection: Connection, customer: Customer) -> None:
    row = row_of(customer)
    found = connection.execute(update(customers).where(customers.c.user_id == customer.user_id).values(row))
    if not found.rowcount:
        connection.execute(insert(customers), row)


def _made_before(connection: Connection, user_id: str, request_id: str) -> OrderChange | None:
    own = (order_changes.c.user_id == user_id) & (order_changes.c.request_id == request_id)
    row = connection.execute(select(order_changes).where(own)).mappings().one_or_none()
    return None if row is None else _change(dict(row))


def _change(row: dict[str, Any]) -> OrderChange:
    detail = row.pop("detail")
    return OrderChange(**row, request=REQUEST.validate_python(detail["request"]), lines=tuple(detail["lines"]))
