"""What a reply carries beside its text, exactly as the HTTP contract spells it: cards, citations, the cart."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from index.product import Availability, Money, Rating

Action = Literal["answer", "ask", "handoff"]


class View(BaseModel):
    """Base of what leaves: immutable; built by the server, so never partly filled."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CardReason(View):
    """Why a card is here.

    A sentence, and the ids of the events, constraints or edges of the graph (`graph:couch|synonym|sofa`) behind it.
    """

    text: str
    evidence: tuple[str, ...] = ()


class Card(View):
    """One product as it is shown. Price, stock and availability come from the snapshot and newer offers."""

    product_id: str
    variant_id: str | None = None
    title: str
    brand: str = ""
    price: Money | None = None
    list_price: Money | None = None
    rating: Rating | None = None
    image_url: str = ""
    url: str = ""
    availability: Availability = Availability.IN_STOCK
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    reasons: tuple[CardReason, ...] = ()


class Citation(View):
    """Where a sentence of the reply comes from; `quote` is verbatim."""

    kind: Literal["document", "review", "dialogue", "product"]
    id: str
    title: str
    quote: str
    url: str = ""


class CartLineView(View):
    """One line of a cart with today's price of one piece; a product that is gone has no price and is `discontinued`."""

    line_id: str
    product_id: str
    variant_id: str | None = None
    title: str
    quantity: int
    price: Money | None = None
    availability: Availability = Availability.IN_STOCK


class CartView(View):
    """A cart with today's prices. `subtotal` counts the lines that have a price and can be ordered."""

    cart_id: str
    version: int
    lines: tuple[CartLineView, ...] = ()
    subtotal: Money | None = None
    checkout_url: str = ""

    @property
    def pieces(self) -> int:
        """How many pieces are in it."""
        return sum(line.quantity for line in self.lines)


class IntentView(View):
    """What the model took the turn for; `confidence` is calibrated, 0 to 1."""

    label: str
    confidence: float


class Reply(View):
    """One whole answer, the JSON of `POST /api/chat`."""

    conversation_id: str
    message_id: str
    text: str
    language: str
    intent: IntentView
    action: Action
    products: tuple[Card, ...] = ()
    citations: tuple[Citation, ...] = ()
    cart: CartView | None = None


class BeliefView(View):
    """One thing that the shop believes about a shopper, in words; kind and value are the address for its removal."""

    kind: str
    value: str
    text: str
    weight: float
    evidence: tuple[str, ...] = ()


class AccessView(View):
    """One look at a customer's data: `whose` is their id, "erased:" with a keyed hash once they are erased, "" for a list of many.

    `at` is in milliseconds since 1970, UTC; `conversation_id` is what it was for, "" where it was for none.
    """

    at: int
    by_id: str
    by_role: str
    whose: str
    what: str
    conversation_id: str


class AccessList(View):
    """The JSON of `GET /api/audit`."""

    accesses: tuple[AccessView, ...]


class ConsentGiven(View):
    """A choice as it was given: `given_at` in milliseconds since 1970, UTC; `by_role` "" where nobody knows any more."""

    answer: bool
    personalize: bool
    train: bool
    given_at: int
    by_role: str
    source: str


class ConsentView(View):
    """The JSON of `GET` and `PUT /api/users/{id}/consent`.

    `chosen` is false where the shop's default holds; `history` are all choices, the latest first.
    """

    user_id: str
    answer: bool
    personalize: bool
    train: bool
    chosen: bool
    history: tuple[ConsentGiven, ...]


class ProfileView(View):
    """The JSON of `GET /api/users/{id}/profile`."""

    user_id: str
    beliefs: tuple[BeliefView, ...] = ()
