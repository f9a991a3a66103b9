"""A customer's conversation as an agent sees it, for tests of what stands beside it."""

from __future__ import annotations

from typing import Any

from bot.desk.context import Context
from bot.desk.ranking import Suggested
from bot.desk.suggest import Suggester
from storage.conversations import Turn, append
from storage.customers import Customer, put_customers
from storage.database import Database
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.tickets import Reason, hand_to_team
from tests.bot.conftest import Conversation

AGENT = Principal("mia", Role.AGENT, team="support")
SHOP = Principal("shop", Role.SERVICE)
SUPERVISOR = Principal("sue", Role.SUPERVISOR)
DAY_MS = 86_400_000


def asked_a_person(talk: Conversation, reason: Reason = "asked") -> Context:
    """What the agents see of the conversation once it is theirs."""
    assert talk.id is not None
    hand_to_team(talk.assistant.database, talk.principal, talk.id, reason=reason)
    return seen(talk)


def seen(talk: Conversation) -> Context:
    """The same as it is now."""
    assert talk.id is not None
    return Context.of(talk.assistant, AGENT, talk.id)


def proposed(talk: Conversation, **more: Any) -> list[Suggested]:
    """What is proposed for the customer's latest message."""
    return Suggester(talk.assistant, **more).suggest(asked_a_person(talk))


def of_kind(proposals: list[Suggested], kind: str) -> list[Suggested]:
    """Those of a kind, in their order."""
    return [each for each in proposals if each.proposal.kind == kind]


def adds(talk: Conversation, role: Any, content: str, label: str = "") -> None:
    """Somebody says something that Aisle does not answer; of a customer's message `label` is its intent."""
    assert talk.id is not None
    data: dict[str, Any] = {"agent": AGENT.id} if role == "agent" else {}
    if label:
        data["intent"] = {"label": label, "confidence": 0.95}
    by = SUPERVISOR if role == "agent" else talk.principal
    append(talk.assistant.database, by, talk.id, [Turn(role=role, content=content, data=data)])


def ordered(database: Database, order_id: str, status: str = "shipped", due_in: int = 2, **fields: Any) -> Order:
    """An order of the shopper with a parcel that is due in so many days, negative ones in the past."""
    row = {
        "order_id": order_id,
        "user_id": "shopper-1",
        "status": status,
        "placed_at": now_ms() - 5 * DAY_MS,
        "currency": "USD",
        "items": [{"product_id": "kettle-1", "quantity": 1, "price": 5200}],
        "tracking": {"carrier": "ParcelOne", "number": "PO99012345", "expected_at": now_ms() + due_in * DAY_MS},
    }
    order = Order.model_validate(row | fields)
    put_orders(database, SHOP, [order])
    return order


def named(database: Database, first_name: str = "Mia") -> None:
    """The shop knows the shopper's name."""
    put_customers(database, SHOP, [Customer(user_id="shopper-1", first_name=first_name)])
