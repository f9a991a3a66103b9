"""A stored conversation as it is read again: in the window, through the API, and as a file that the customer keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from bot.cards import Card, Citation, View
from bot.markdown import unlinked
from bot.present import card_of
from bot.shelf import Shelf
from index.money import format_money
from index.product import Availability
from storage.conversations import Turn, conversation, turns_of
from storage.database import Database
from storage.principal import Principal

Format = Literal["markdown", "json"]
MEDIA_TYPES: dict[Format, str] = {"markdown": "text/markdown", "json": "application/json"}
ENDINGS: dict[Format, str] = {"markdown": "md", "json": "json"}
_Kind = TypeVar("_Kind", bound=View)
_Told = TypeVar("_Told", bound="Message")


class Message(View):
    """One turn as it was told, with the cards and sources that stood beside it; `created_at` is in ms since 1970, UTC."""

    message_id: str
    role: Literal["user", "assistant", "agent"]
    text: str
    language: str
    created_at: int
    products: tuple[Card, ...] = ()
    citations: tuple[Citation, ...] = ()


class Transcript(View):
    """The JSON of `GET /api/conversations/{id}`."""

    conversation_id: str
    created_at: int
    updated_at: int
    messages: tuple[Message, ...]


class Past(View):
    """One conversation in the list of `GET /api/conversations`; `title` is the start of what the shopper said first."""

    conversation_id: str
    title: str
    created_at: int
    updated_at: int
    messages: int


class PastList(View):
    """The JSON of `GET /api/conversations`, the latest first."""

    conversations: tuple[Past, ...]


def messages_of(turns: Iterable[Turn]) -> tuple[Message, ...]:
    """Turns as messages, those of the system left out: they are not said to anybody.

    Cards that an older version stored and nobody can read any more are left out too.
    """
    return tuple(
        Message(
            message_id=turn.message_id,
            role=turn.role,
            text=turn.content,
            language=turn.language,
            created_at=turn.created_at,
            products=tuple(_read(Card, turn.data.get("products"))),
            citations=tuple(_read(Citation, turn.data.get("citations"))),
        )
        for turn in turns
        if turn.role != "system"
    )


def _read(kind: type[_Kind], rows: Any) -> Iterator[_Kind]:
    for row in rows if isinstance(rows, list) else ():
        try:
            yield kind.model_validate(row)
        except ValidationError:
            continue


def transcript_of(database: Database, principal: Principal, conversation_id: str) -> Transcript:
    """A whole conversation.

    Raises:
        NotFound: there is no such conversation for this principal.
    """
    head = conversation(database, principal, conversation_id)
    return Transcript(
        conversation_id=conversation_id,
        created_at=head.created_at,
        updated_at=head.updated_at,
        messages=messages_of(turns_of(database, principal, conversation_id)),
    )


def todays(messages: Iterable[_Told], shelf: Shelf) -> list[_Told]:
    """The messages with the price and the availability of today on their cards: one buys from a card, however old it is.

    What the shop has no more is `discontinued`.
    """
    messages = list(messages)
    ids = [card.product_id for message in messages for card in message.products]
    products = shelf.products(ids) if ids else {}

    def today(card: Card) -> Card:
        product = products.get(card.product_id)
        if product is None:
            return card.model_copy(update={"availability": Availability.DISCONTINUED})
        now = card_of(product, card.variant_id)
        return card.model_copy(
            update={"price": now.price, "list_price": now.list_price, "availability": now.availability}
        )

    return [
        message.model_copy(update={"products": tuple(map(today, message.products))}) if message.products else message
        for message in messages
    ]


def as_markdown(transcript: Transcript, shop: str, names: dict[str, str], language: str) -> str:
    """A conversation as a document to keep. `names` says what each role is called, by role.

    Prices are those that were shown then. What a customer wrote is quoted, so that it cannot pass for the document's own headings,
    and nothing that anybody wrote becomes a link or a picture.
    """
    parts = [f"# {_line(shop)}", day_of(transcript.created_at)]
    for message in transcript.messages:
        parts.append(f"**{names[message.role]}**, {_minute(message.created_at)}")
        parts.append("\n".join(f"> {unlinked(line)}" for line in message.text.strip().splitlines()))
        if message.products:
            parts.append("\n".join(_item(card, language) for card in message.products))
        parts += [f"> {_line(citation.quote)}\n>\n> ({_line(citation.title)})" for citation in message.citations]
    return "\n\n".join(parts) + "\n"


def day_of(instant: int) -> str:
    """The day of an instant in milliseconds, UTC: "2026-03-02"."""
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d")


def _minute(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _item(card: Card, language: str) -> str:
    price = f": {format_money(card.price, language)}" if card.price else ""
    return f"* {_line(card.title)}{price}"


def _line(text: str) -> str:
    return unlinked(" ".join(text.split()))
