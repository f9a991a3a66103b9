"""What suggestions, summaries and rows are made from: one conversation with its customer's records, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.cards import CartView
from bot.service import Assistant
from bot.state import DialogueState, fold
from storage.consent import Consent, consent_of
from storage.conversations import Conversation, Turn, read_on
from storage.customers import Customer
from storage.desk import on_behalf
from storage.orders import Order
from storage.principal import Principal


@dataclass
class Context:
    """One conversation at one moment; what costs a read is read when it is first asked for.

    `customer` reads in the customer's place, which the data layer allowed because the agent may see this conversation.
    """

    assistant: Assistant
    head: Conversation
    turns: Sequence[Turn]
    customer: Principal

    @classmethod
    def of(cls, assistant: Assistant, principal: Principal, conversation_id: str) -> Context:
        """Reads a conversation.

        Raises:
            Forbidden: the role may not work at the desk.
            NotFound: there is no such conversation for this principal.
        """
        customer = on_behalf(assistant.database, principal, conversation_id)
        head, turns = read_on(assistant.database, principal, conversation_id)
        return cls(assistant, head, turns, customer)

    @cached_property
    def state(self) -> DialogueState:
        """Where the dialogue stands."""
        return fold(self.turns)

    @property
    def said(self) -> list[Turn]:
        """The turns that somebody said, without what the system noted."""
        return [turn for turn in self.turns if turn.role != "system"]

    @property
    def asked(self) -> Turn | None:
        """The customer's latest message."""
        return next((turn for turn in reversed(self.turns) if turn.role == "user"), None)

    @property
    def language(self) -> str:
        """The one that the customer speaks."""
        return self.asked.language if self.asked is not None else "en"

    @cached_property
    def consent(self) -> Consent:
        """What the customer agreed to."""
        assistant = self.assistant
        return consent_of(assistant.database, self.customer, self.customer.id, assistant.settings.consent)

    @cached_property
    def record(self) -> Customer:
        """What the shop says of the customer; an empty record where it knows nothing."""
        return self.assistant.backend.user(self.customer, self.customer.id)

    @cached_property
    def orders(self) -> list[Order]:
        """The customer's orders, the latest first."""
        orders = self.assistant.backend.orders(self.customer, self.customer.id)
        return sorted(orders, key=lambda order: -order.placed_at)

    @cached_property
    def cart(self) -> CartView:
        """The customer's cart at today's prices."""
        return self.assistant.cart(self.customer)
