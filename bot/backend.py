"""The shop's orders as the conversation reads and changes them: one protocol, and its operations with typed arguments.

A shop has its own system behind this, or the tables here (`bot/embedded.py`). Nothing that talks, a template or a language
model, writes by itself: an operation that changes something only says what it would come to, a `Proposal`. The conversation
states that to the customer, and after a yes the server calls `Backend.change` with the proposal's stamp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.arithmetic import calculate
from bot.shelf import availability_of, price_of
from index.product import Product
from storage.customers import Customer
from storage.errors import InvalidInput, NotFound
from storage.order_changes import OrderChange
from storage.order_rules import (
    CancelOrder,
    ChangeRequest,
    ExchangeItems,
    ModifyAddress,
    ModifyDefaultAddress,
    ModifyItems,
    ModifyPayment,
    Proposal,
    ReturnItems,
)
from storage.orders import Order
from storage.principal import Principal
from storage.record import reasons_of
from storage.settings import OrderSettings

A = TypeVar("A", bound=BaseModel)


@runtime_checkable
class Backend(Protocol):
    """Reads and changes a shop's orders. Calls may come from several threads.

    Every method takes who asks, and every implementation checks it: what is another's raises `NotFound`, word for word as what
    does not exist. A system that does not answer raises `Unavailable`.
    """

    @property
    def rules(self) -> OrderSettings:
        """What customers may change, and within how many days."""

    def find_user(
        self, principal: Principal, *, email: str = "", first_name: str = "", last_name: str = "", zip_code: str = ""
    ) -> Customer:
        """The customer of that e-mail address, or name and postal code. It identifies nobody; customers find themselves only."""

    def user(self, principal: Principal, user_id: str) -> Customer:
        """Name, default address, means of payment; with nothing but the id where the shop keeps none of these."""

    def orders(self, principal: Principal, user_id: str) -> list[Order]:
        """All orders of a user, oldest first."""

    def changes(self, principal: Principal, user_id: str) -> list[OrderChange]:
        """What was changed about a user's orders here, oldest first."""

    def product(self, product_id: str) -> Product | None:
        """A product with its variants as they are offered now, also by the id of a variant; None where there is none."""

    def propose(self, principal: Principal, user_id: str, request: ChangeRequest) -> Proposal:
        """What a change would come to, nothing being changed. Raises `Refused` with the rule that forbids it."""

    def change(
        self, principal: Principal, user_id: str, request: ChangeRequest, request_id: str, stamp: str
    ) -> OrderChange:
        """Makes the change that the customer agreed to, durably, and once for a `request_id`.

        Raises `Refused` where the rules forbid it by now, and `Conflict` where it would no longer come to what `stamp`, the
        proposal's, stands for.
        """


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and whose orders are meant."""

    principal: Principal
    user_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation found, as JSON values; what it would change; why a person is needed."""

    data: Any
    proposal: Proposal | None = None
    transfer: str = ""


class Arguments(BaseModel):
    """Base of arguments: a name that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoArguments(Arguments):
    """Nothing to say: the customer is the one who is signed in."""


class FindUser(Arguments):
    """The e-mail address alone, or first name, last name and postal code."""

    email: str = Field(default="", max_length=200)
    first_name: str = Field(default="", max_length=200)
    last_name: str = Field(default="", max_length=200)
    zip_code: str = Field(default="", max_length=200)


class OrderNumber(Arguments):
    """The number of an order of the customer."""

    order_id: str = Field(min_length=1, max_length=200)


class ProductNumber(Arguments):
    """The id of a product or of one of its variants."""

    product_id: str = Field(min_length=1, max_length=200)


class Expression(Arguments):
    """Numbers with + - * / and parentheses."""

    expression: str = Field(min_length=1, max_length=200)


class Transfer(Arguments):
    """What the person who takes over has to know, in a sentence."""

    summary: str = Field(min_length=1, max_length=2_000)


@dataclass(frozen=True)
class Operation(Generic[A]):
    """One thing that can be asked of a backend. `write` marks those whose outcome is a proposal that needs the customer's yes."""

    name: str
    doc: str
    arguments: type[A]
    run: Callable[[Backend, Caller, A], Outcome]
    write: bool = False

    def call(self, backend: Backend, caller: Caller, arguments: Mapping[str, Any]) -> Outcome:
        """Reads the arguments and runs.

        Raises:
            InvalidInput: the arguments are not as `arguments` has them.
            AisleError: what the backend raises; its text may be shown.
        """
        try:
            read = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            raise InvalidInput(f"{self.name}: {reasons_of(error)}.", "Correct the arguments.") from None
        return self.run(backend, caller, read)


def order_of(backend: Backend, caller: Caller, order_id: str) -> Order:
    """One order of the caller's user; a "#" before the number does not count.

    Raises:
        NotFound: there is none, or it is another's.
    """
    wanted = order_id.strip().lstrip("#").casefold()
    orders = backend.orders(caller.principal, caller.user_id)
    found = next((order for order in orders if order.order_id.lstrip("#").casefold() == wanted), None)
    if found is None:
        raise NotFound(f"There is no order {order_id[:200]!r}.", "Check the number.")
    return found


def order_data(order: Order) -> dict[str, Any]:
    """An order as JSON values, its lines numbered as requests name them."""
    data = order.model_dump(mode="json", exclude_none=True)
    data["items"] = [{"line": number, **item} for number, item in enumerate(data["items"])]
    return data | {"total": order.total}


def product_data(product: Product) -> dict[str, Any]:
    """A product and its variants as JSON values, with today's price and availability."""
    variants = [
        {
            "variant_id": variant.id,
            "options": variant.options,
            "price": price.model_dump(mode="json") if (price := price_of(product, variant)) else None,
            "availability": availability_of(product, variant).value,
        }
        for variant in product.variants
    ]
    return {"product_id": product.id, "title": product.title, "variants": variants}


def proposal_data(proposal: Proposal) -> dict[str, Any]:
    """What a change would come to, as JSON values."""
    lines = [{name: getattr(line, name) for name in line.__slots__} for line in proposal.lines]
    return {
        "request": proposal.request.model_dump(mode="json"),
        "lines": lines,
        "amount": proposal.amount,
        "currency": proposal.currency,
        "payment_method": proposal.method.id if proposal.method else None,
        "state": "not done: the customer has to confirm",
    }


def _find_user(backend: Backend, caller: Caller, found: FindUser) -> Outcome:
    return Outcome(backend.find_user(caller.principal, **found.model_dump()).model_dump(mode="json"))


def _user(backend: Backend, caller: Caller, _: NoArguments) -> Outcome:
    return Outcome(backend.user(caller.principal, caller.user_id).model_dump(mode="json"))


def _orders(backend: Backend, caller: Caller, _: NoArguments) -> Outcome:
    return Outcome([order_data(order) for order in backend.orders(caller.principal, caller.user_id)])


def _order(backend: Backend, caller: Caller, number: OrderNumber) -> Outcome:
    order = order_of(backend, caller, number.order_id)
    made = [change for change in backend.changes(caller.principal, caller.user_id) if change.order_id == order.order_id]
    return Outcome(order_data(order) | {"changes": [change.model_dump(mode="json") for change in made]})


def _product(backend: Backend, _: Caller, number: ProductNumber) -> Outcome:
    product = backend.product(number.product_id)
    if product is None:
        raise NotFound(f"There is no product {number.product_id!r}.", "Take the id from an order or a search.")
    return Outcome(product_data(product))


def _calculate(_: Backend, __: Caller, sum_: Expression) -> Outcome:
    return Outcome(str(calculate(sum_.expression)))


def _transfer(_: Backend, __: Caller, transfer: Transfer) -> Outcome:
    return Outcome("A person takes over.", transfer=transfer.summary)


def _propose(backend: Backend, caller: Caller, request: BaseModel) -> Outcome:
    proposal = backend.propose(caller.principal, caller.user_id, cast("ChangeRequest", request))
    return Outcome(proposal_data(proposal), proposal)


def _changes(name: str, request: type[A]) -> Operation[A]:
    return Operation(name, request.__doc__ or "", request, _propose, write=True)


_ALL: tuple[Operation[Any], ...] = (
    Operation("find_user", "Finds a customer by e-mail address, or by name and postal code.", FindUser, _find_user),
    Operation("get_user", "The customer's name, default address and means of payment.", NoArguments, _user),
    Operation("list_orders", "All orders of the customer, oldest first.", NoArguments, _orders),
    Operation("get_order", "One order: status, items with their line numbers, address, changes.", OrderNumber, _order),
    Operation("get_product", "A product and its variants with price and availability.", ProductNumber, _product),
    Operation("calculate", "The exact value of a sum.", Expression, _calculate),
    Operation("transfer_to_person", "Hands the conversation to a person of the shop.", Transfer, _transfer),
    _changes("cancel_order", CancelOrder),
    _changes("return_items", ReturnItems),
    _changes("exchange_items", ExchangeItems),
    _changes("modify_items", ModifyItems),
    _changes("modify_address", ModifyAddress),
    _changes("modify_payment", ModifyPayment),
    _changes("modify_default_address", ModifyDefaultAddress),
)
OPERATIONS: Mapping[str, Operation[Any]] = {operation.name: operation for operation in _ALL}
"""Everything that can be asked of a backend, by name."""
