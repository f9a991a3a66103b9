"""The routes of the public contract: thin, for the assistant and the data layer decide everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from bot.api.requests import (
    STREAMS,
    AddLineRequest,
    ChangeLineRequest,
    ChatRequest,
    ConsentRequest,
    EventsRequest,
    EventStream,
    FeedbackRequest,
    OffersRequest,
    RemoveLineRequest,
    SearchRequest,
)
from bot.cards import AccessList, AccessView, Card, CartView, ConsentView, ProfileView, Reply
from bot.service import Assistant
from storage.access_log import MOST
from storage.consent import Consent
from storage.errors import Forbidden, InvalidInput
from storage.event import Event, parse_event
from storage.event_audit import clean_batch, date_problem
from storage.feedback import put_feedback
from storage.offers import put_offers
from storage.order_changes import changes_after
from storage.principal import Principal, Role
from storage.record import now_ms

Stream = Iterator[tuple[str, dict[str, Any]]]


def principal_of(request: Request) -> Principal:
    """Who asks, as the identity middleware found it."""
    principal: Principal = request.state.principal
    return principal


def for_user(principal: Principal, user_id: str | None) -> str | None:
    """The `user_id` of a body, which only the shop's own backend may set.

    Raises:
        Forbidden: another role set it.
    """
    if user_id is not None and principal.role is not Role.SERVICE:
        raise Forbidden("Only the role service may name a user_id.", "Leave it out: you are known by your token.")
    return user_id


def owned(principal: Principal, user_id: str) -> str | None:
    """The `user_id` of an address, as the assistant takes it: None for the caller's own.

    Raises:
        NotFound: it is another's.
    """
    principal.require_owner(user_id)
    return None if principal.role is Role.CUSTOMER else user_id


Caller = Annotated[Principal, Depends(principal_of)]


def routes(assistant: Assistant) -> APIRouter:
    """All routes under `/api`."""
    api = APIRouter(prefix="/api")
    database = assistant.database

    @api.post("/chat", response_model=Reply, responses=STREAMS)
    def chat(body: ChatRequest, caller: Caller) -> Any:
        """One turn. With `stream`, server-sent events: meta, products, text…, citations, cart, done or error."""
        turn = (caller, body.message, body.conversation_id, for_user(caller, body.user_id), body.language)
        if body.stream:
            return EventStream(server_sent(assistant.stream(*turn)))
        return assistant.reply(*turn)

    @api.post("/search")
    def search(body: SearchRequest, caller: Caller) -> dict[str, Any]:
        """Products for a text; conditions in the text join the filters."""
        return assistant.search(body.text, body.filters, body.sort, body.limit, caller)

    @api.post("/events", status_code=202)
    def events(body: EventsRequest, caller: Caller) -> dict[str, Any]:
        """Behavior events, at most 1,000; accepted means durable. The same event under another id is a duplicate too."""
        valid: list[Event] = []
        places: list[int] = []
        rejected: list[tuple[int, str]] = []
        now = now_ms()
        for place, row in enumerate(body.events):
            try:
                if not isinstance(row, dict):
                    raise InvalidInput("not an object")
                event = parse_event(row)
                if problem := date_problem(event.timestamp, now):
                    raise InvalidInput(problem)
                valid.append(event)
                places.append(place)
            except InvalidInput as error:
                rejected.append((place, error.message))
        clean, kept, repeated = clean_batch(valid)
        recorded = assistant.record(caller, clean)
        rejected += [(places[kept[number]], reason) for number, reason in recorded.rejected]
        return {
            "accepted": recorded.accepted,
            "duplicates": recorded.duplicates + repeated,
            "rejected": [{"index": index, "reason": reason} for index, reason in sorted(rejected)],
        }

    @api.post("/feedback", status_code=204)
    def feedback(body: FeedbackRequest, caller: Caller) -> Response:
        """Thumbs up or down on a message, or on one product of it."""
        put_feedback(database, caller, body.message_id, body.product_id, body.value)
        return Response(status_code=204)

    @api.get("/cart", response_model=CartView)
    def cart(caller: Caller, user_id: str | None = None) -> Any:
        """The cart at today's prices."""
        return assistant.cart(caller, for_user(caller, user_id))

    @api.post("/cart/lines", response_model=CartView)
    def add_line(body: AddLineRequest, caller: Caller, user_id: str | None = None) -> Any:
        """Puts a product into the cart."""
        owner = for_user(caller, user_id)
        return assistant.add_to_cart(
            caller, body.product_id, body.variant_id, body.quantity, body.request_id, user_id=owner
        )

    @api.patch("/cart/lines", response_model=CartView)
    def change_line(body: ChangeLineRequest, caller: Caller, user_id: str | None = None) -> Any:
        """Sets the quantity of a line; 0 removes it."""
        owner = for_user(caller, user_id)
        return assistant.change_cart_line(caller, body.line_id, body.quantity, body.request_id, user_id=owner)

    @api.delete("/cart/lines", response_model=CartView)
    def remove_line(body: RemoveLineRequest, caller: Caller, user_id: str | None = None) -> Any:
        """Takes a line out of the cart."""
        return assistant.remove_cart_line(caller, body.line_id, body.request_id, user_id=for_user(caller, user_id))

    @api.get("/products/{product_id}", response_model=Card)
    def product(product_id: str, caller: Caller) -> Any:
        """The card of one product, also by the id of a variant."""
        return assistant.product(product_id, caller)

    @api.post("/products", status_code=204)
    def offers(body: OffersRequest, caller: Caller) -> Response:
        """Newer prices, stock and availability of products and variants, from the role service."""
        put_offers(database, caller, assistant.parts.shelf.spelled(body.offers))
        return Response(status_code=204)

    @api.get("/order-changes")
    def order_changes(
        caller: Caller, after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
    ) -> dict[str, Any]:
        """What customers changed about orders after that row, in the order in which it was done, for the role service."""
        made = changes_after(database, caller, after, limit)
        return {"changes": [change.model_dump(mode="json", exclude={"repeated"}) for change in made]}

    @api.get("/users/{user_id}/profile", response_model=ProfileView)
    def profile(user_id: str, caller: Caller, language: str = "en") -> Any:
        """What the shop believes about a shopper."""
        return assistant.profile(caller, owned(caller, user_id), language)

    @api.delete("/users/{user_id}/profile/{kind}/{value:path}", response_model=ProfileView)
    def remove_belief(user_id: str, kind: str, value: str, caller: Caller) -> Any:
        """Removes one belief for good."""
        return assistant.remove_belief(caller, kind, value, owned(caller, user_id))

    @api.get("/users/{user_id}/consent", response_model=ConsentView)
    def consent(user_id: str, caller: Caller) -> Any:
        """What a shopper allows (answers that use their data, results in their order, models that learn), and all their choices."""
        return assistant.consent(caller, owned(caller, user_id))

    @api.put("/users/{user_id}/consent", response_model=ConsentView)
    def choose(user_id: str, body: ConsentRequest, caller: Caller) -> Any:
        """A shopper's choice, which counts at once: from the shopper or from the shop's backend for them."""
        return assistant.set_consent(caller, Consent.model_validate(body.model_dump()), owned(caller, user_id))

    @api.get("/audit")
    def audit(
        caller: Caller,
        user_id: Annotated[str | None, Query(max_length=200)] = None,
        before: Annotated[int | None, Query(ge=0)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> AccessList:
        """Who of the shop's people looked at whose data, the latest first: for admins and supervisors."""
        found = assistant.accesses(caller, user_id, limit, before)
        return AccessList(accesses=tuple(AccessView.model_validate(asdict(each)) for each in found))

    @api.get("/users/{user_id}/export")
    def export(user_id: str, caller: Caller, language: str = "en") -> dict[str, Any]:
        """All that is kept of a shopper and concluded about them: for the shopper, the shop's backend and an admin."""
        return assistant.export(caller, user_id, language)

    @api.delete("/users/{user_id}")
    def erase(user_id: str, caller: Caller) -> dict[str, Any]:
        """Erases a shopper for good, how many rows by table: for the shopper, the shop's backend and an admin.

        `compacted` is false where the database's files are overwritten a little later, together with those of others.
        """
        erased = assistant.erase(caller, user_id)
        return {"user_id": user_id, "erased": dict(erased.rows), "compacted": erased.compacted}

    return api


def server_sent(events: Stream) -> Iterator[str]:
    r"""Events of a turn in the wire format of SSE: `event: text\ndata: {"delta": "Hello"}\n\n`."""
    for name, payload in events:
        yield f"event: {name}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n"
