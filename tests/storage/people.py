"""A person with a row in every table that may hold one."""

from __future__ import annotations

from sqlalchemy import insert

from storage import suggestions
from storage.answers import Proposal, note_unanswered, propose
from storage.beliefs import hide_belief
from storage.carts import add_line
from storage.consent import Consent, set_consent
from storage.conversations import SUPPORT, Turn, append, start
from storage.customers import Customer, put_customers
from storage.database import Database
from storage.desk import add_note, keep_draft, on_behalf
from storage.event import parse_event
from storage.events import record_events
from storage.feedback import put_feedback
from storage.labels import request_labels
from storage.order_changes import make_change
from storage.order_rules import CancelOrder
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import OrderSettings
from storage.suggestions import show
from storage.tables import contacts
from storage.tickets import hand_to_team

ENGINEER = Principal("eve", Role.ENGINEER)
BACKEND = Principal("shop", Role.SERVICE)
AGENT = Principal("mia", Role.AGENT, SUPPORT)


def settle(database: Database, user_id: str, said: str = "hello") -> str:
    """Gives a person something in every table; returns the id of their conversation."""
    who = Principal(user_id, Role.CUSTOMER)
    set_consent(database, who, user_id, Consent(train=True))
    event = {"event_id": f"of {user_id}", "event": "view_item", "user_id": user_id, "timestamp": now_ms()}
    record_events(database, BACKEND, [parse_event({**event, "items": [{"item_id": "p1"}]})], Consent())
    hide_belief(database, who, user_id, "brand", "Acme")
    turn, reply = Turn(role="user", content=said), Turn(role="assistant", content=f"You said: {said}")
    append(database, who, talk := start(database, who), [turn, reply])
    request_labels(database, ENGINEER, {f"t {user_id}": turn.message_id})
    put_feedback(database, who, reply.message_id, None, "up")
    note_unanswered(database, reply.message_id, said, "en", "other")
    pair = Proposal(question=f"{said}? asks {user_id}", answer="Yes.", language="en", source=talk, conversation_id=talk)
    propose(database, ENGINEER, [pair])
    add_line(database, who, user_id, "p1", request_id=f"r {user_id}")
    order = {"order_id": f"order of {user_id}", "user_id": user_id, "status": "paid", "placed_at": now_ms()}
    order |= {"currency": "USD", "items": [{"product_id": "p1", "quantity": 1, "price": 900}]}
    put_orders(database, BACKEND, [Order.model_validate(order)])
    put_customers(database, BACKEND, [Customer(user_id=user_id)])
    cancel, allowed = CancelOrder(order_id=f"order of {user_id}"), OrderSettings(self_service=("cancel",))
    make_change(database, who, user_id, cancel, allowed, lambda _: {}, f"c {user_id}")
    hand_to_team(database, who, talk)
    add_note(database, AGENT, talk, f"{user_id} said {said}")
    on_behalf(database, AGENT, talk)
    keep_draft(database, AGENT, talk, f"Dear {user_id}, {said}")
    show(database, AGENT, talk, turn.message_id, [suggestions.Proposal("reply", "r1", f"Dear {user_id}, {said}")])
    with database.write() as connection:
        row = {"campaign": "spring", "user_id": user_id, "band": "at-risk", "control": False, "drawn_at": now_ms()}
        connection.execute(insert(contacts), row)
    return talk
