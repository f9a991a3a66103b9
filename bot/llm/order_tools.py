"""The backend's operations as a model's tools: it reads the customer's own orders, and says what they may want changed.

A tool of the kind that writes ends in a `Proposal` of the backend's and in nothing else: the turn states it, the customer's
yes is what writes (`bot/tasks/order_changes.py`). Who they are stays here: names, e-mail and user id are never handed out, and
an address is a name ("address_1") that stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.backend import OPERATIONS, Caller, Operation, Outcome, order_of
from bot.llm.handout import Handout, enclosed, quiet
from bot.order_wishes import kinds_named
from bot.shelf import title_of
from bot.turn import Turn
from index.product import Money
from storage.errors import AisleError
from storage.order_rules import ChangeRequest
from storage.orders import OPEN, Address, Order

NEWEST = 6
"""So many orders of the customer are handed out, the newest first."""
NOT_ASKED = "The customer has not asked for that. Ask what they want, or answer."
ONE = "The customer is asked about one change at a time, and there is one already."
_HIDDEN = frozenset({"find_user"})
"""Who the customer is the server knows; nobody else is to be found."""
_SWAPS = ("exchange_items", "modify_items")
"""Asked for in the same words with the same arguments; the order's status tells which of them it is."""


@dataclass
class OrderTools:
    """The tools of one turn. `said` are the customer's latest messages, oldest first; `settled` is called once, with a proposal.

    `proposal` is what the model would change, `transfer` why it would have a person take over, `read` the orders that it looked
    at, in that order. Not safe for several threads: `Toolbox` lets one tool run at a time.
    """

    turn: Turn
    handout: Handout
    said: Sequence[str]
    settled: Callable[[], None]
    proposal: ChangeRequest | None = None
    transfer: str = ""
    read: list[Order] = field(default_factory=list)
    _addresses: dict[str, Address] = field(default_factory=dict)

    def offered(self, changes: bool) -> list[Operation[Any]]:
        """The operations that a model may call: with `changes` those that customers of this shop do by themselves, too.

        The same for every turn of a shop: servers keep what they have read of a beginning that they know.
        """
        able = self.turn.backend.rules.self_service
        return [
            operation
            for name, operation in OPERATIONS.items()
            if name not in _HIDDEN and (not operation.write or (changes and _kind(operation) in able))
        ]

    def records(self) -> str:
        """The customer's newest orders, as a model is given them with the question."""
        orders = self.turn.backend.orders(self.turn.principal, self.turn.user_id)
        newest = sorted(orders, key=lambda order: order.placed_at, reverse=True)[:NEWEST]
        return enclosed([self._order(order) for order in newest])

    def call(self, operation: Operation[Any], given: Mapping[str, Any]) -> str:
        """What the model reads of an operation; whatever goes wrong is a sentence, and nothing has happened."""
        try:
            return self._called(operation, given)
        except AisleError as error:
            return str(error)

    def _called(self, operation: Operation[Any], given: Mapping[str, Any]) -> str:
        backend, caller = self.turn.backend, Caller(self.turn.principal, self.turn.user_id)
        arguments = dict(given)
        if operation.write:
            if _kind(operation) not in frozenset().union(*map(kinds_named, self.said)):
                return NOT_ASKED
            if self.proposal is not None:
                return ONE
            if "order_id" in arguments:
                order = order_of(backend, caller, str(arguments["order_id"]))
                arguments["order_id"] = order.order_id
                if operation.name in _SWAPS:
                    operation = OPERATIONS["modify_items" if order.status in OPEN else "exchange_items"]
                    arguments.pop("kind", None)
            address = arguments.get("address")
            if isinstance(address, Address):
                arguments["address"] = self._addresses.get(address.address1, address)
        outcome = operation.call(backend, caller, arguments)
        if outcome.proposal is not None:
            self.proposal = outcome.proposal.request
            self.settled()
        self.transfer = self.transfer or outcome.transfer
        return self._told(operation, caller, outcome)

    def _told(self, operation: Operation[Any], caller: Caller, outcome: Outcome) -> str:
        """An outcome as the model may read it."""
        match operation.name:
            case "list_orders":
                return self.records()
            case "get_order":
                order = order_of(self.turn.backend, caller, outcome.data["order_id"])
                if order not in self.read:
                    self.read.append(order)
                changes = [change["kind"] for change in outcome.data["changes"]]
                return enclosed(self._order(order) | {"changes": changes, "total": self._money(order.total, order)})
            case "get_user":
                address = outcome.data["address"]
                methods = [
                    {name: method[name] for name in ("id", "source", "brand")}
                    for method in outcome.data["payment_methods"]
                ]
                default = self._name(Address.model_validate(address)) if address is not None else None
                return enclosed({"default_address": default, "payment_methods": methods})
            case "get_product":
                for variant in outcome.data["variants"]:
                    price = variant["price"]
                    variant["price"] = self.turn.voice.money(Money.model_validate(price)) if price else None
                return enclosed(_quiet(outcome.data))
            case _ if outcome.proposal is not None:
                return "Not done: the customer is asked now whether it shall be. Say nothing more."
        return enclosed(outcome.data)

    def _order(self, order: Order) -> dict[str, Any]:
        if order.order_id not in self.handout.orders:
            self.handout.orders.append(order.order_id)
        items = []
        for line, item in enumerate(order.items):
            product = self.turn.backend.product(item.product_id)
            variant = product.variant(item.variant_id) if product is not None and item.variant_id else None
            title = quiet(title_of(product, variant)) if product is not None else ""
            self.handout.mentioned.append(title)
            row = {"line": line, "title": title, "quantity": item.quantity, "product_id": item.product_id}
            if item.variant_id:
                row["variant_id"] = item.variant_id
            items.append(row | ({"price": self._money(item.price, order)} if item.price is not None else {}))
        found: dict[str, Any] = {"order_id": order.order_id, "status": order.status, "items": items}
        if order.payment_method:
            found["payment_method"] = order.payment_method
        return found | ({"address": self._name(order.address)} if order.address is not None else {})

    def _money(self, amount: int | None, order: Order) -> str | None:
        if amount is None:
            return None
        return self.turn.voice.money(Money(amount=amount, currency=order.currency or self.turn.currency))

    def _name(self, address: Address) -> str:
        """The name that stands for an address, the same for the same one."""
        known = next((name for name, each in self._addresses.items() if each == address), None)
        name = known or f"address_{len(self._addresses) + 1}"
        self._addresses[name] = address
        return name


def _kind(operation: Operation[Any]) -> str:
    """The kind of change that an operation of those that write proposes."""
    return str(operation.arguments.model_fields["kind"].default)


def _quiet(value: Any) -> Any:
    """A product's record without what speaks to a model: a feed may come from strangers."""
    if isinstance(value, str):
        return quiet(value)
    if isinstance(value, dict):
        return {quiet(name): _quiet(each) for name, each in value.items()}
    return [_quiet(each) for each in value] if isinstance(value, list) else value
