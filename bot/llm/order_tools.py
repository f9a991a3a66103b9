"""The backend's operations as a model's tools: it reads the customer's own orders, and says what they may want changed.

A tool of the kind that writes ends in a `Proposal` of the backend's and in nothing else: the turn states it, the customer's
yes is what writes (`bot/tasks/order_changes.py`). Who they are stays here: names, e-mail, user id and addresses are never handed
out. Addresses, means of payment, products and variants have short names for one turn ("address_1"), which tools take back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from bot.backend import OPERATIONS, Caller, Operation, order_of
from bot.llm.handout import Handout, enclosed, quiet
from bot.order_wishes import kinds_named, named_order
from bot.shelf import title_of
from bot.turn import Turn
from index.product import Money
from storage.errors import AisleError
from storage.order_rules import CancelOrder, ChangeRequest, Refused
from storage.orders import OPEN, Order, OrderItem

NEWEST = 6
"""So many orders of the customer are handed out, the newest first."""
WHOSE_ADDRESS = "The customer has named no such address. Ask for it, or take one that you were given by its name."
NO_VARIANT = "That is no variant of the line's product. Call get_product with that product: it names its variants."
NOT_ASKED = "The customer has not asked for that. Ask what they want, or answer."
DONE = "Not done: the customer is asked now whether it shall be. Say nothing more."
PERSON = "Not done: the customer is asked now whether a person shall take over. Say nothing more."
ONE = "The customer is asked about one change at a time, and there is one already."
_WORDS = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_HIDDEN = frozenset({"find_user", "list_orders", "modify_items"})
"""Who the customer is the server knows, their orders are handed out with the question, and an exchange in an order that has not
left yet is asked for in the same words with the same arguments: its status tells."""


@dataclass
class OrderTools:
    """The tools of one turn. `said` are the customer's latest messages, oldest first.

    `settled` is called when there is something to ask of them, a proposal or whether a person shall take over; `restore` puts
    back into arguments what was masked in their words on the way out.

    `proposal` is what the model would change, `transfer` why it would have a person take over, `read` the orders that it looked
    at, in that order. Not safe for several threads: `Toolbox` lets one tool run at a time.
    """

    turn: Turn
    handout: Handout
    said: Sequence[str]
    settled: Callable[[], None]
    restore: Callable[[str], str]
    proposal: ChangeRequest | None = None
    transfer: str = ""
    read: list[Order] = field(default_factory=list)
    _named: dict[str, Any] = field(default_factory=dict)

    def offered(self, changes: bool) -> list[tuple[Operation[Any], str]]:
        """The operations that a model may call, and what it is told of them.

        With `changes` those that customers of this shop do by themselves, too. The same for every turn of a shop: servers keep
        what they have read of a beginning that they know.
        """
        able = set(self.turn.backend.rules.self_service)
        kinds = able | ({"exchange"} if "items" in able else set())
        return [
            (operation, self._doc(operation))
            for name, operation in OPERATIONS.items()
            if name not in _HIDDEN and (not operation.write or (changes and _kind(operation) in kinds))
        ]

    def records(self) -> str:
        """The customer's newest orders, as a model is given them with the question."""
        orders = self.turn.backend.orders(self.turn.principal, self.turn.user_id)
        newest = sorted(orders, key=lambda order: order.placed_at, reverse=True)[:NEWEST]
        return enclosed([self._order(order) for order in newest])

    def call(self, operation: Operation[Any], given: Mapping[str, Any]) -> str:
        """What the model reads of an operation; whatever goes wrong is a sentence, and nothing has happened."""
        try:
            return self._write(operation, given) if operation.write else self._read(operation, given)
        except AisleError as error:
            told = str(error)
            for name, value in self._named.items():
                told = told.replace(value, name) if name.startswith("method") else told
            return told

    def _read(self, operation: Operation[Any], given: Mapping[str, Any]) -> str:
        caller = Caller(self.turn.principal, self.turn.user_id)
        outcome = operation.call(self.turn.backend, caller, self._meant(given))
        if outcome.transfer:
            self.transfer = outcome.transfer
            self.settled()
            return PERSON
        found = outcome.data
        match operation.name:
            case "get_order":
                order = order_of(self.turn.backend, caller, found["order_id"])
                if order not in self.read:
                    self.read.append(order)
                changes = [change["kind"] for change in found["changes"]]
                found = self._order(order) | {"total": self._money(order.total, order.currency), "changes": changes}
            case "get_user":
                methods = {
                    self._name("method", method["id"]): f"{method['source']} {method['brand']}".strip()
                    for method in found["payment_methods"]
                }
                address = self._name("address", found["address"]) if found["address"] is not None else None
                found = {"default_address": address, "payment_methods": methods}
            case "get_product":
                found = {"title": quiet(found["title"])} | {
                    self._name("variant", each["variant_id"]): self._variant(each) for each in found["variants"]
                }
        return enclosed(found)

    def _write(self, operation: Operation[Any], given: Mapping[str, Any]) -> str:
        kinds: set[str] = {_kind(operation)} if operation.name != "exchange_items" else {"exchange", "items"}
        if kinds.isdisjoint(kind for text in self.said for kind in kinds_named(text)):
            return NOT_ASKED
        if self.proposal is not None:
            return ONE
        backend, caller = self.turn.backend, Caller(self.turn.principal, self.turn.user_id)
        arguments = {name: value for name, value in self._meant(given).items() if name != "kind"}
        if "order_id" in arguments:
            order = order_of(backend, caller, str(arguments["order_id"]))
            arguments["order_id"] = order.order_id
            if named_order(self.turn.message, [order.order_id]) is None and self._names_another():
                return NOT_ASKED
            if operation.name == "exchange_items" and order.status in OPEN:
                operation = OPERATIONS["modify_items"]
        if "address" in arguments and not self._own(arguments["address"]):
            return WHOSE_ADDRESS
        try:
            proposal = operation.call(backend, caller, arguments).proposal
            self.proposal = proposal.request if proposal is not None else None
        except Refused as refused:
            if refused.reason == "other_product":
                return NO_VARIANT
            if refused.reason != "reason_needed":
                raise
            self.proposal = CancelOrder(order_id=arguments["order_id"])  # the customer is asked for the reason
        self.settled()
        return DONE

    def _names_another(self) -> bool:
        """Whether the message names an order by its number, so that no other can be meant."""
        orders = self.turn.backend.orders(self.turn.principal, self.turn.user_id)
        return named_order(self.turn.message, [order.order_id for order in orders]) is not None

    def _own(self, address: Any) -> bool:
        """Whether street, place and postal code are the customer's words or a record's: no parcel goes where a title says."""
        if not isinstance(address, Mapping):
            return True  # not as it has to be: the operation says so
        known = [*self.said, *(" ".join(each.values()) for each in self._named.values() if isinstance(each, dict))]
        words = set(_WORDS.findall(" ".join(known).casefold()))
        spelled = " ".join(str(address.get(name) or "") for name in ("address1", "address2", "city", "zip"))
        return set(_WORDS.findall(spelled.casefold())) <= words

    def _meant(self, value: Any) -> Any:
        """Arguments with what their names stand for."""
        if isinstance(value, BaseModel):
            value = value.model_dump()
        if isinstance(value, str):
            return self._named.get(value, self.restore(value))
        if isinstance(value, Mapping):
            if isinstance(address := self._named.get(str(value.get("address1"))), dict):
                return address
            return {name: self._meant(each) for name, each in value.items()}
        return [self._meant(each) for each in value] if isinstance(value, list | tuple) else value

    def _name(self, kind: str, value: Any) -> str:
        """The name of a value, the same for the same one."""
        known = next((name for name, each in self._named.items() if each == value and name.startswith(kind)), None)
        name = known or f"{kind}_{1 + sum(each.startswith(kind) for each in self._named)}"
        self._named[name] = value
        return name

    def _doc(self, operation: Operation[Any]) -> str:
        reasons = self.turn.backend.rules.cancel_reasons
        told = f" The reason is one of: {', '.join(reasons)}." if operation.name == "cancel_order" and reasons else ""
        return operation.doc + told

    def _order(self, order: Order) -> dict[str, Any]:
        if order.order_id not in self.handout.orders:
            self.handout.orders.append(order.order_id)
        found: dict[str, Any] = {"order_id": order.order_id, "status": order.status}
        if order.payment_method:
            found["payment_method"] = self._name("method", order.payment_method)
        if order.address is not None:
            found["address"] = self._name("address", order.address.model_dump())
        return found | {f"line {line}": self._item(item, order) for line, item in enumerate(order.items)}

    def _item(self, item: OrderItem, order: Order) -> str:
        product = self.turn.backend.product(item.product_id)
        variant = product.variant(item.variant_id) if product is not None and item.variant_id else None
        title = quiet(title_of(product, variant)) if product is not None else ""
        self.handout.mentioned.append(title)
        name = self._name("product", item.product_id)
        parts = (f"{item.quantity} x {title}".strip(), name, self._money(item.price, order.currency))
        return ", ".join(filter(None, parts))

    def _variant(self, variant: Mapping[str, Any]) -> str:
        price = variant["price"]
        spelled = self._money(price["amount"], price["currency"]) if price else ""
        options = quiet(", ".join(map(str, variant["options"].values())))
        return ", ".join(filter(None, (options, spelled, variant["availability"])))

    def _money(self, amount: int | None, currency: str | None) -> str:
        if amount is None:
            return ""
        return self.turn.voice.money(Money(amount=amount, currency=currency or self.turn.currency))


def _kind(operation: Operation[Any]) -> str:
    """The kind of change that an operation of those that write proposes."""
    return str(operation.arguments.model_fields["kind"].default)
