"""What belongs to one shopper looks to every other as if it did not exist, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage.beliefs import hidden_beliefs, hide_belief
from storage.carts import add_line, cart_of, change_line, empty_cart, remove_line
from storage.consent import Consent, consent_of, set_consent
from storage.conversations import Turn, append, conversation, conversations_of, start, turns_of
from storage.customers import Customer, customer_of, find_customer, put_customers
from storage.database import Database
from storage.errors import Forbidden, NotFound
from storage.event import parse_event
from storage.events import events_of, record_events
from storage.feedback import feedback_of, put_feedback
from storage.keys import create_key, list_keys, revoke_key
from storage.offers import Offer, put_offers
from storage.order_changes import changes_of, make_change, propose
from storage.order_rules import CancelOrder
from storage.orders import Order, orders_of, put_orders
from storage.principal import Principal, Role
from storage.purchases import buyer_of
from storage.settings import OrderSettings
from storage.tickets import hand_to_team

ALICE = Principal("alice", Role.CUSTOMER)
STRANGERS = [
    Principal("mallory", Role.CUSTOMER),
    Principal("anon-1", Role.CUSTOMER, anonymous=True),
    Principal("alice ", Role.CUSTOMER),
    Principal("Alice", Role.CUSTOMER),
    # The same id in another role is another person.
    Principal("alice", Role.ENGINEER),
    Principal("alice", Role.ADMIN),
]
TALKING = "talking"
MESSAGE = "a-message"
LINE = "a-line"

CANCEL = CancelOrder(order_id="o1")
RULES = OrderSettings(self_service=("cancel",))

Act = Callable[[Database, Principal, dict[str, str]], object]
ACTS: dict[str, Act] = {
    "read events": lambda db, who, _: events_of(db, who, "alice"),
    "read beliefs": lambda db, who, _: hidden_beliefs(db, who, "alice"),
    "hide a belief": lambda db, who, _: hide_belief(db, who, "alice", "brand", "Acme"),
    "read consent": lambda db, who, _: consent_of(db, who, "alice", Consent()),
    "change consent": lambda db, who, _: set_consent(db, who, "alice", Consent(train=True)),
    "start a conversation": lambda db, who, _: start(db, who, "alice"),
    "list conversations": lambda db, who, _: conversations_of(db, who, "alice"),
    "see a conversation": lambda db, who, ids: conversation(db, who, ids[TALKING]),
    "read turns": lambda db, who, ids: turns_of(db, who, ids[TALKING]),
    "write turns": lambda db, who, ids: append(db, who, ids[TALKING], [Turn(role="user", content="hi")]),
    "hand it over": lambda db, who, ids: hand_to_team(db, who, ids[TALKING], "sales"),
    "read the cart": lambda db, who, _: cart_of(db, who, "alice"),
    "fill the cart": lambda db, who, _: add_line(db, who, "alice", "p1"),
    "change the cart": lambda db, who, ids: change_line(db, who, "alice", ids[LINE], 9),
    "take from the cart": lambda db, who, ids: remove_line(db, who, "alice", ids[LINE]),
    "empty the cart": lambda db, who, _: empty_cart(db, who, "alice"),
    "read orders": lambda db, who, _: orders_of(db, who, "alice"),
    "read the customer's record": lambda db, who, _: customer_of(db, who, "alice"),
    "find the customer": lambda db, who, _: find_customer(db, who, email="alice@shop.example"),
    "read changes": lambda db, who, _: changes_of(db, who, "alice"),
    "ask what a change comes to": lambda db, who, _: propose(db, who, "alice", CANCEL, RULES, lambda _: {}),
    "change an order": lambda db, who, _: make_change(db, who, "alice", CANCEL, RULES, lambda _: {}, "r"),
    "read purchases": lambda db, who, _: buyer_of(db, who, "alice", Consent()),
    "rate a reply": lambda db, who, ids: put_feedback(db, who, ids[MESSAGE], None, "down"),
    "read ratings": lambda db, who, _: feedback_of(db, who, "alice"),
}


@pytest.fixture
def ids(database: Database, backend: Principal) -> dict[str, str]:
    """Alice has one of everything."""
    record_events(database, ALICE, [parse_event({"event_id": "e", "event": "view_item", "timestamp": 1767323045})])
    hide_belief(database, ALICE, "alice", "color", "red")
    set_consent(database, ALICE, "alice", Consent())
    talking = start(database, ALICE)
    reply = Turn(role="assistant", content="Hello")
    append(database, ALICE, talking, [reply])
    cart = add_line(database, ALICE, "alice", "p1")
    put_feedback(database, ALICE, reply.message_id, "p1", "up")
    order = {"order_id": "o1", "user_id": "alice", "status": "paid", "placed_at": 1767323045}
    put_orders(database, backend, [Order.model_validate(order)])
    put_customers(database, backend, [Customer(user_id="alice", email="alice@shop.example")])
    return {TALKING: talking, MESSAGE: reply.message_id, LINE: cart.lines[0].line_id}


def test_only_the_owner_may(database: Database, backend: Principal, ids: dict[str, str]) -> None:
    before = everything(database, backend, ids)
    for name, act in ACTS.items():
        for stranger in STRANGERS:
            with pytest.raises(NotFound) as refused:
                act(database, stranger, ids)
            assert refused.value.status == 404, (name, stranger)
    assert everything(database, backend, ids) == before


def test_the_owner_may_all_of_it(database: Database, ids: dict[str, str]) -> None:
    for act in ACTS.values():
        act(database, ALICE, ids)


def test_a_foreign_id_reads_exactly_like_one_that_does_not_exist(database: Database, ids: dict[str, str]) -> None:
    mallory = STRANGERS[0]
    for act in ("see a conversation", "read turns", "write turns", "rate a reply"):
        with pytest.raises(NotFound) as foreign:
            ACTS[act](database, mallory, ids)
        with pytest.raises(NotFound) as missing:
            ACTS[act](database, mallory, dict.fromkeys(ids, "nothing"))
        shown = str(foreign.value)
        for value in ids.values():
            shown = shown.replace(value, "nothing")
        assert shown == str(missing.value)
        assert "alice" not in shown


def test_agents_see_what_their_team_was_handed(database: Database, ids: dict[str, str]) -> None:
    sales, repairs = Principal("ann", Role.AGENT, "sales"), Principal("bob", Role.AGENT, "repairs")
    loose, supervisor = Principal("cy", Role.AGENT), Principal("di", Role.SUPERVISOR)
    for agent in (sales, repairs, loose):
        assert conversations_of(database, agent, "alice") == []
        with pytest.raises(NotFound):
            turns_of(database, agent, ids[TALKING])
    hand_to_team(database, ALICE, ids[TALKING], "sales")
    append(database, sales, ids[TALKING], [Turn(role="agent", content="May I help?")])
    assert [turn.role for turn in turns_of(database, sales, ids[TALKING])] == ["assistant", "agent"]
    assert len(conversations_of(database, sales, "alice")) == 1
    assert conversations_of(database, repairs, "alice") == []
    for agent in (repairs, loose):
        with pytest.raises(NotFound):
            turns_of(database, agent, ids[TALKING])
    assert len(turns_of(database, supervisor, ids[TALKING])) == 2


def test_only_the_shop_reports_orders_and_prices(database: Database) -> None:
    for who in (Principal("x", role) for role in Role if role is not Role.SERVICE):
        with pytest.raises(Forbidden):
            put_orders(database, who, [])
        with pytest.raises(Forbidden):
            put_offers(database, who, [Offer(product_id="p1")])


def test_only_an_admin_manages_keys(database: Database) -> None:
    for who in (Principal("x", role) for role in Role if role is not Role.ADMIN):
        with pytest.raises(Forbidden):
            create_key(database, who, Role.ADMIN, "me")
        with pytest.raises(Forbidden):
            list_keys(database, who)
        with pytest.raises(Forbidden):
            revoke_key(database, who, "k")


def everything(db: Database, who: Principal, ids: dict[str, str]) -> list[object]:
    reading = ("read events", "read beliefs", "read consent", "list conversations", "read turns", "read the cart")
    return [ACTS[act](db, who, ids) for act in (*reading, "read orders", "read ratings")]
