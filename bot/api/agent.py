"""The agents' desk over HTTP, for the window at `/agent` and for a desk of the shop's own, and its stream of what happens.

A stream costs no thread: it waits in the event loop, and what it tells is made once for all who are told (`bot/desk/feed.py`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, Final, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Response
from pydantic import Field

from bot.api.requests import STREAMS, Body, EventStream, Language
from bot.api.routes import principal_of
from bot.cards import View
from bot.desk.desk import LONGEST, MOST_CARDS, Desk, Filter
from bot.desk.feed import Listener, Looked
from bot.desk.views import Case, NextAction, NoteView, Queue, Row, Said, Suggestions, Summary
from storage import desk as kept
from storage.access_log import note
from storage.conversations import conversation
from storage.corrections import LONGEST_NAME, MOST_INTENTS
from storage.principal import Principal, Role
from storage.record import Id
from storage.tickets import DESK, Change

HEARTBEAT_SECONDS: Final = 15.0
"""A comment goes out so often, for proxies close what is silent; an agent who hears it is at the desk."""
STREAM_SECONDS: Final = 300.0
"""A stream ends after so long and is asked for anew, so that whoever may listen no more hears no more."""
NOT_KEPT: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Caller = Annotated[Principal, Depends(principal_of)]


class ReleaseRequest(Body):
    """`POST …/release`: into the queue again, or to Aisle."""

    to: Literal["queue", "aisle"] = "queue"


class AssignRequest(Body):
    """`POST …/assign`: the agent by name, as their key names them."""

    agent: Id


class CloseRequest(Body):
    """`POST …/close`: one of the codes of `[desk]`."""

    code: Annotated[str, Field(max_length=40)]


class SayRequest(Body):
    """`POST …/messages`: the same `message_id` twice says it once; `suggestion_id` is what the text began as."""

    text: Annotated[str, Field(max_length=LONGEST)] = ""
    products: Annotated[list[Id], Field(max_length=MOST_CARDS)] = Field(default_factory=list)
    suggestion_id: Id | None = None
    message_id: Id | None = None


class TextRequest(Body):
    """`POST …/notes` and `PUT …/draft`."""

    text: Annotated[str, Field(max_length=kept.LONGEST_NOTE)]


class IntentRequest(Body):
    """`POST …/intent`: the leading intent first."""

    message_id: Id
    intents: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_NAME)]], Field(min_length=1, max_length=MOST_INTENTS)
    ]


class MarkRequest(Body):
    """`POST …/suggestions/{suggestion_id}`."""

    done: Literal["inserted", "dismissed"]


class TranslationRequest(Body):
    """`POST …/translation`: a text, and the language that it is wanted in."""

    text: Annotated[str, Field(max_length=LONGEST)]
    language: Language


class Translation(View):
    """The JSON of `POST …/translation`: a machine's, to be read by the agent."""

    text: str


class Messages(View):
    """The JSON of `GET …/messages`."""

    messages: tuple[Said, ...]


class Notes(View):
    """The JSON of `GET …/notes`."""

    notes: tuple[NoteView, ...]


class Macros(View):
    """The JSON of `GET /api/agent/macros`."""

    macros: tuple[kept.Macro, ...]


def agent_routes(desk: Desk) -> APIRouter:
    """The routes under `/api/agent`, for agents and supervisors. A conversation of another team does not exist for an agent."""
    api = APIRouter(prefix="/api/agent")
    own = "/conversations/{conversation_id}"

    @api.get("/conversations", response_model=Queue)
    def queue(caller: Caller, state: Filter | None = None) -> Any:
        """Conversations with an open ticket, who has waited longest first, or those of one state; `live` is a supervisor's."""
        return desk.queue(caller, state)

    @api.get(own, response_model=Case)
    def case(conversation_id: str, caller: Caller) -> Any:
        """One conversation with what stands beside it: messages, notes, the customer and their records, the agent's draft."""
        return desk.case(caller, conversation_id)

    @api.post(f"{own}/claim", response_model=Row)
    def claim(conversation_id: str, caller: Caller) -> Any:
        """Takes a conversation: Aisle falls silent in it. 409 where another agent holds it."""
        return desk.claim(caller, conversation_id)

    @api.post(f"{own}/release", response_model=Row)
    def release(conversation_id: str, body: ReleaseRequest, caller: Caller) -> Any:
        """Lets a conversation go, into the queue or to Aisle."""
        return desk.release(caller, conversation_id, body.to)

    @api.post(f"{own}/assign", response_model=Row)
    def assign(conversation_id: str, body: AssignRequest, caller: Caller) -> Any:
        """Gives a conversation to an agent; a supervisor can take it from another with that."""
        return desk.assign(caller, conversation_id, body.agent)

    @api.post(f"{own}/close", response_model=Row)
    def close(conversation_id: str, body: CloseRequest, caller: Caller) -> Any:
        """Closes the ticket with how it ended; Aisle speaks again."""
        return desk.close(caller, conversation_id, body.code)

    @api.get(f"{own}/messages", response_model=Messages)
    def messages(conversation_id: str, caller: Caller) -> Any:
        """What was said."""
        return Messages(messages=desk.messages(caller, conversation_id))

    @api.post(f"{own}/messages", response_model=Said)
    def say(conversation_id: str, body: SayRequest, caller: Caller) -> Any:
        """Says something to the customer; 409 where the caller does not hold the conversation."""
        return desk.say(caller, conversation_id, body.text, body.products, body.suggestion_id, body.message_id)

    @api.get(f"{own}/notes", response_model=Notes)
    def notes(conversation_id: str, caller: Caller) -> Any:
        """What agents told each other."""
        return Notes(notes=desk.notes(caller, conversation_id))

    @api.post(f"{own}/notes", response_model=NoteView)
    def note(conversation_id: str, body: TextRequest, caller: Caller) -> Any:
        """Tells the other agents something; the customer's window never shows it, an export of their data does."""
        return desk.note(caller, conversation_id, body.text)

    @api.put(f"{own}/draft", status_code=204)
    def draft(conversation_id: str, body: TextRequest, caller: Caller) -> Response:
        """Keeps what was written and not sent; an empty text removes it."""
        desk.draft(caller, conversation_id, body.text)
        return Response(status_code=204)

    @api.post(f"{own}/intent", status_code=204)
    def correct(conversation_id: str, body: IntentRequest, caller: Caller) -> Response:
        """What a customer meant with a message; the labels are those of `GET …/conversations/{id}`."""
        desk.correct(caller, conversation_id, body.message_id, body.intents)
        return Response(status_code=204)

    @api.get(f"{own}/suggestions", response_model=Suggestions)
    def suggestions(conversation_id: str, caller: Caller, language: Language | None = None) -> Any:
        """What could be answered to the customer's latest message, best first; titles are in `language`, the agent's."""
        return desk.suggestions(caller, conversation_id, language or "")

    @api.post(f"{own}/suggestions/{{suggestion_id}}", status_code=204)
    def marked(conversation_id: str, suggestion_id: str, body: MarkRequest, caller: Caller) -> Response:
        """What the agent made of a suggestion; that it was sent is said with the message."""
        desk.mark(caller, conversation_id, suggestion_id, body.done)
        return Response(status_code=204)

    @api.get(f"{own}/summary", response_model=Summary)
    def summary(conversation_id: str, caller: Caller, language: Language | None = None) -> Any:
        """The conversation in a few sentences, and what is open."""
        return desk.summary(caller, conversation_id, language or "")

    @api.get(f"{own}/next-action", response_model=NextAction)
    def next_action(conversation_id: str, caller: Caller, language: Language | None = None) -> Any:
        """The one thing to do now, with the facts behind it."""
        return desk.next_action(caller, conversation_id, language or "")

    @api.post(f"{own}/translation", response_model=Translation)
    def translation(conversation_id: str, body: TranslationRequest, caller: Caller) -> Any:
        """A text of the conversation in another language, by the shop's language model; 503 where there is none or it fails."""
        return Translation(text=desk.translate(caller, conversation_id, body.text, body.language))

    @api.get("/macros", response_model=Macros)
    def macros(caller: Caller) -> Any:
        """The replies at hand."""
        return Macros(macros=tuple(desk.macros(caller)))

    @api.get("/stream", response_class=Response, responses=STREAMS)
    async def stream(caller: Caller, conversation_id: str | None = None) -> EventStream:
        """What happens, as server-sent events: `queue` {rows, gone, agents}, and `conversation` where the one named changed.

        Whoever listens is at the desk. With `renew` a stream ends, after five minutes or when it has missed something: listen again
        and read the queue anew.
        """
        caller.require_role(*DESK)
        desk.feed.require_room(caller.id)
        if conversation_id is not None:
            await run_sync(conversation, desk.assistant.database, caller, conversation_id)
        return EventStream(happens(desk, caller, conversation_id), headers=NOT_KEPT)

    return api


async def happens(desk: Desk, caller: Principal, conversation_id: str | None) -> AsyncGenerator[str]:
    """What an agent's window is told, as `GET /api/agent/stream` has it; it listens until it is closed."""

    def wanted(change: Change) -> bool:
        return caller.role is Role.SUPERVISOR or (change.team is not None and change.team == caller.team)

    await run_sync(note, desk.assistant.database, caller, "", "queue")  # the stream tells what the list does
    listener = desk.feed.listen(wanted, caller.id)
    try:
        yield await run_sync(_queued, desk, caller, ())
        async for looked in heard(listener):
            if not looked:
                await run_sync(kept.be_present, desk.assistant.database, caller)
                yield ":\n\n"
                continue
            yield await run_sync(_queued, desk, caller, looked)
            for change in looked:
                if change.conversation_id == conversation_id:
                    yield event("conversation", {"conversation_id": conversation_id, "updated_at": change.updated_at})
        yield event("renew", {})
    finally:
        desk.feed.leave(listener)


def _queued(desk: Desk, caller: Principal, looked: Looked) -> str:
    """One `queue` event; the first also says that the agent has come."""
    if not looked:
        kept.be_present(desk.assistant.database, caller)
    shown = tuple(change for change in looked if change.open or change.holder is not None)
    gone = [change.conversation_id for change in looked if not change.open and change.holder is None]
    rows = ",".join(desk.spelled(shown))
    rest = json.dumps({"gone": gone, "agents": desk.agents(caller)}, ensure_ascii=False)
    return f'event: queue\ndata: {{"rows": [{rows}], {rest[1:]}\n\n'


async def heard(listener: Listener) -> AsyncIterator[Looked]:
    """What happens, and nothing when it is time for a heartbeat; ends after a while, and once the listener missed something."""
    clock = asyncio.get_running_loop().time
    beat, end = clock() + HEARTBEAT_SECONDS, clock() + STREAM_SECONDS
    while not listener.behind and clock() < end:
        looked = await listener.next(max(0.0, beat - clock()))
        if looked is None or clock() >= beat:
            beat = clock() + HEARTBEAT_SECONDS
            yield ()
        if looked:
            yield looked


def event(name: str, payload: dict[str, Any]) -> str:
    r"""One event in the wire format of SSE: `event: changed\ndata: {"agent": "mia"}\n\n`."""
    return f"event: {name}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n"


async def changes_of(desk: Desk, caller: Principal, conversation_id: str) -> AsyncIterator[str]:
    """What the customer's window is told of its conversation: that it changed, and which agent speaks."""

    def wanted(change: Change) -> bool:
        return change.conversation_id == conversation_id

    listener = desk.feed.listen(wanted, caller.id)
    try:
        head = await run_sync(conversation, desk.assistant.database, caller, conversation_id)
        yield _changed(conversation_id, head.updated_at, head.holder)
        async for looked in heard(listener):
            for change in looked:
                yield _changed(conversation_id, change.updated_at, change.holder)
            if not looked:
                yield ":\n\n"
    finally:
        desk.feed.leave(listener)


def _changed(conversation_id: str, updated_at: int, agent: str | None) -> str:
    return event("changed", {"conversation_id": conversation_id, "updated_at": updated_at, "agent": agent})
