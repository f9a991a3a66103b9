"""The bodies that the routes take. Limits stand here once: the assistant never sees a larger request."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from bot.reply.voice import languages
from index.filters import Filters
from storage.offers import Offer
from storage.record import Id

EVENT_STREAM: Final = "text/event-stream"
STREAMS: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {EVENT_STREAM: {}}}}
"""What OpenAPI says of a route that answers as server-sent events, or does so if asked to."""
LONGEST_MESSAGE = 200_000  # bytes are cheap to refuse; the assistant itself answers what is too long to read


def _spoken(code: str) -> str:
    if code not in languages():
        raise ValueError(f"spoken here are {', '.join(languages())}")
    return code


Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$"), AfterValidator(_spoken)]
Quantity = Annotated[int, Field(ge=1, le=999)]


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused, so that a misspelt one is not ignored in silence."""

    model_config = ConfigDict(extra="forbid")


class ChatRequest(Body):
    """`POST /api/chat`."""

    message: Annotated[str, Field(max_length=LONGEST_MESSAGE)]
    conversation_id: Id | None = None
    user_id: Id | None = None
    language: Language | None = None
    stream: bool = False


class SearchRequest(Body):
    """`POST /api/search`."""

    text: Annotated[str, Field(max_length=LONGEST_MESSAGE)] = ""
    filters: Filters | None = None
    sort: Literal["relevance", "price_asc", "price_desc", "rating", "newest"] = "relevance"
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class EventsRequest(Body):
    """`POST /api/events`; each event is validated by itself, so that one broken event loses no other."""

    events: Annotated[list[Any], Field(max_length=1000)]


class FeedbackRequest(Body):
    """`POST /api/feedback`."""

    message_id: Id
    product_id: Id | None = None
    value: Literal["up", "down"]


class AddLineRequest(Body):
    """`POST /api/cart/lines`; the same `request_id` twice adds once."""

    product_id: Id
    variant_id: Id | None = None
    quantity: Quantity = 1
    request_id: Id | None = None


class ChangeLineRequest(Body):
    """`PATCH /api/cart/lines`."""

    line_id: Id
    quantity: Annotated[int, Field(ge=0, le=999)]
    request_id: Id | None = None


class RemoveLineRequest(Body):
    """`DELETE /api/cart/lines`."""

    line_id: Id
    request_id: Id | None = None


class OffersRequest(Body):
    """`POST /api/products`: newer prices and stock from the shop's backend."""

    offers: Annotated[list[Offer], Field(min_length=1, max_length=1000)]


class ConsentRequest(Body):
    """`PUT /api/users/{id}/consent`: all three, so that none is given by leaving it out."""

    answer: StrictBool
    personalize: StrictBool
    train: StrictBool


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = EVENT_STREAM
