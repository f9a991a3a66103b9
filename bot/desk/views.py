"""What the desk tells an agent's window, exactly as `/api/agent` spells it."""

from __future__ import annotations

from typing import Literal

from bot.cards import BeliefView, Card, CartView, Citation, IntentView, View
from bot.transcript import Message
from index.product import Money
from storage.conversations import Channel
from storage.suggestions import Kind
from storage.tickets import Reason, SystemEvent

State = Literal["waiting", "held", "live"]
"""Waits for an agent, has one, or is with Aisle."""
Sentiment = Literal["upset", "neutral", "pleased"]
ChurnBand = Literal["new", "active", "cooling", "at-risk", "gone", ""]


class Row(View):
    """One conversation in the queue. Instants are in milliseconds since 1970, UTC.

    `name` is what the shop calls the customer, "" for a visitor; `waiting_since` is None where all is answered.
    `value` is what is at stake: the cart and the orders on their way. `churn` is "" where the shop has not learnt it or may not.
    `last_text` is what the customer or an agent said last, and Aisle's words only where neither has said anything.
    """

    conversation_id: str
    state: State
    holder: str | None
    team: str | None
    name: str
    channel: Channel
    language: str
    reason: Reason | None
    intent: IntentView | None
    sentiment: Sentiment
    value: Money | None
    churn: ChurnBand
    waiting_since: int | None
    updated_at: int
    last_text: str
    last_role: Literal["user", "assistant", "agent", ""]


class Queue(View):
    """The JSON of `GET /api/agent/conversations`, who has waited longest first; `agents` are those at the desk now."""

    conversations: tuple[Row, ...]
    agents: tuple[str, ...]


class Said(Message):
    """A message as an agent sees it: with its intent where the customer said it, the corrected one too, and by which agent."""

    intent: IntentView | None = None
    corrected: tuple[str, ...] = ()
    agent: str = ""


class Happening(View):
    """What happened between two messages: an agent came or went. `place` is how many messages stand before it."""

    place: int
    event: SystemEvent
    agent: str
    created_at: int


class NoteView(View):
    """One internal note."""

    note_id: str
    author: str
    text: str
    created_at: int


class OrderView(View):
    """One of the customer's orders, briefly."""

    order_id: str
    status: str
    placed_at: int
    total: Money | None
    titles: tuple[str, ...]
    tracking: str = ""


class CustomerView(View):
    """Who is on the other side. `stage` is where they are on the way to a purchase; `churn_reason` the facts behind the band.

    `consent` says what they agreed to (answer, personalize, train). Beliefs and churn are empty without their consent.
    """

    user_id: str
    name: str
    email: str
    anonymous: bool
    beliefs: tuple[BeliefView, ...]
    orders: tuple[OrderView, ...]
    cart: CartView
    stage: str
    churn: ChurnBand
    churn_reason: str
    consent: dict[str, bool]


class Case(View):
    """The JSON of `GET /api/agent/conversations/{id}`: all that stands beside one conversation.

    `contact` is where the customer agreed to be answered, having left; `labels` the intents that a message can be corrected to.
    """

    row: Row
    messages: tuple[Said, ...]
    happenings: tuple[Happening, ...]
    notes: tuple[NoteView, ...]
    customer: CustomerView
    contact: str
    draft: str
    labels: tuple[str, ...]


class SuggestionView(View):
    """One proposal for the agent. `text` is what would be sent, `title` where it comes from in a few words.

    `missing` names what the text lacks and the customer's records do not hold; `card` is the product of a product pick.
    """

    suggestion_id: str
    kind: Kind
    rank: int
    title: str
    text: str
    source: str
    missing: tuple[str, ...] = ()
    card: Card | None = None
    citation: Citation | None = None


class Suggestions(View):
    """The JSON of `GET /api/agent/conversations/{id}/suggestions`, for the customer's latest message."""

    message_id: str | None
    suggestions: tuple[SuggestionView, ...]


class Summary(View):
    """The JSON of `GET /api/agent/conversations/{id}/summary`: sentences out of the conversation, and what is still open.

    `by_model` says that a language model worded it, from the same sentences.
    """

    sentences: tuple[str, ...]
    open_issue: str
    by_model: bool = False


class NextAction(View):
    """The JSON of `GET /api/agent/conversations/{id}/next-action`: one thing to do now, with the facts behind it."""

    action: Literal["answer", "ask", "recommend", "reassure", "check_order", "offer_return", "follow_up", "close"]
    text: str
    reasons: tuple[str, ...]
