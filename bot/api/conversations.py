"""A shopper's own conversations, read again: the list, one of them, and one as a file."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from bot.api.agent import NOT_KEPT, changes_of
from bot.api.requests import STREAMS, Body, EventStream
from bot.api.routes import for_user, principal_of
from bot.desk.desk import Desk
from bot.language import spoken
from bot.service import Assistant, shopper_of
from bot.transcript import ENDINGS, MEDIA_TYPES, Format, Past, PastList, Transcript, as_markdown, transcript_of
from bot.windows.texts import texts
from storage.conversations import conversation
from storage.past_conversations import MOST_PAST, past_conversations
from storage.principal import Principal
from storage.settings import ShopSettings
from storage.tickets import rate

Caller = Annotated[Principal, Depends(principal_of)]


class Rating(Body):
    """`POST /api/conversations/{id}/rating`: what the customer thought of the agents' help, from 1 to 5."""

    rating: Annotated[int, Field(ge=1, le=5)]


def conversation_routes(assistant: Assistant, settings: ShopSettings, desk: Desk) -> APIRouter:
    """The routes under `/api/conversations`. A foreign id answers as one that does not exist, from the data layer."""
    api = APIRouter(prefix="/api/conversations")
    database = assistant.database

    @api.get("", response_model=PastList)
    def past(
        caller: Caller, user_id: str | None = None, limit: Annotated[int, Query(ge=1, le=MOST_PAST)] = MOST_PAST
    ) -> Any:
        """The shopper's latest conversations, the latest first; `user_id` is for the shop's backend only."""
        shopper = shopper_of(caller, for_user(caller, user_id))
        found = past_conversations(database, caller, shopper, limit)
        return PastList(
            conversations=tuple(
                Past(
                    conversation_id=each.conversation_id,
                    title=each.title,
                    created_at=each.created_at,
                    updated_at=each.updated_at,
                    messages=each.messages,
                )
                for each in found
            )
        )

    @api.get("/{conversation_id}", response_model=Transcript)
    def read(conversation_id: str, caller: Caller) -> Any:
        """One conversation with its messages, cards and sources as they were shown then."""
        return transcript_of(database, caller, conversation_id)

    @api.get("/{conversation_id}/export", response_class=Response)
    def export(conversation_id: str, caller: Caller, format: Format = "markdown", language: str = "en") -> Response:
        """One conversation as a file to keep: `markdown` to read, `json` as `GET /api/conversations/{id}` returns it."""
        transcript = transcript_of(database, caller, conversation_id)
        if format == "json":
            content = transcript.model_dump_json(indent=2)
        else:
            tongue = spoken(language)
            words = texts(tongue)
            names = {"user": words["you"], "assistant": words["aisle"], "agent": words["agent"]}
            content = as_markdown(transcript, settings.name, names, tongue)
        name = f"aisle-{transcript.conversation_id}.{ENDINGS[format]}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Response(content, media_type=f"{MEDIA_TYPES[format]}; charset=utf-8", headers=headers)

    @api.get("/{conversation_id}/stream", response_class=Response, responses=STREAMS)
    async def stream(conversation_id: str, caller: Caller) -> EventStream:
        """Server-sent events: `changed` {conversation_id, updated_at, agent} at once and with every change of the conversation.

        `agent` is who speaks in Aisle's place, null while Aisle does.
        """
        # Before the answer begins, so that it can be refused.
        desk.feed.require_room(caller.id)
        await run_sync(conversation, database, caller, conversation_id)
        return EventStream(changes_of(desk, caller, conversation_id), headers=NOT_KEPT)

    @api.post("/{conversation_id}/rating", status_code=204)
    def rating(conversation_id: str, body: Rating, caller: Caller) -> Response:
        """What the customer thought of the agents' help in it; the last one counts."""
        rate(database, caller, conversation_id, body.rating)
        return Response(status_code=204)

    return api
