"""`/v1`: the assistant as OpenAI's clients speak to a model (Chat Completions API).

A client brings its history, and `bot/api/recall.py` finds the conversation to it. A system prompt, tools and sampling parameters
are taken and do nothing, for here no prompt steers what is true or done. Cards, citations and the cart come in the field `aisle`
beside the text, and the cards once more as a list at the end of the text for clients that know nothing of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from bot.api.problems import openai_error
from bot.api.recall import Recalled, Said, listing, recall
from bot.api.requests import LONGEST_MESSAGE, STREAMS, EventStream, Language
from bot.api.routes import Caller, Stream, for_user
from bot.cards import Card, Reply, View
from bot.markdown import unlinked
from bot.service import Assistant
from storage.errors import InvalidInput, NotFound
from storage.principal import Role
from storage.record import Id, now_ms

MODEL = "aisle"
MOST_MESSAGES = 2_000
# A word, a number, a sign, or a character of a script without spaces: near enough to what tokenizers count.
_PIECE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\w\s]")


class Loose(BaseModel):
    """Base of what OpenAI's clients send: they send much, and what is not read here is let pass."""

    model_config = ConfigDict(extra="ignore")


class TextPart(Loose):
    """A piece of a message. Pictures and sound are refused, for nothing here could see or hear them."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=LONGEST_MESSAGE)]


class ChatMessage(Loose):
    """One message of the history; what is not from user or assistant is not read."""

    role: Literal["user", "assistant", "system", "developer", "tool", "function"]
    content: Annotated[str, Field(max_length=LONGEST_MESSAGE)] | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The words."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(Loose):
    """`stream_options`."""

    include_usage: bool = False


class Metadata(Loose):
    """`metadata`: the conversation where the client keeps its id, and the language of the answer."""

    conversation_id: Id | None = None
    language: Language | None = None


class CompletionRequest(Loose):
    """`POST /v1/chat/completions`."""

    model: str = MODEL
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: Id | None = None
    metadata: Metadata | None = None
    n: Literal[1] | None = None


class Message(View):
    """The assistant's message."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(View):
    """The one answer."""

    index: int = 0
    message: Message
    finish_reason: Literal["stop"] = "stop"


class Usage(View):
    """Pieces of text, words and signs, that came in and went out; nothing is charged by them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(View):
    """The JSON of `POST /v1/chat/completions`.

    `aisle` is the reply as `POST /api/chat` gives it without its text, and `known_messages`, how many of the history's messages
    were said here.
    """

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str = MODEL
    choices: tuple[Choice, ...]
    usage: Usage
    aisle: dict[str, Any]


def completion_routes(assistant: Assistant) -> APIRouter:
    """All routes under `/v1`."""
    api = APIRouter(prefix="/v1")

    @api.get("/models")
    def models() -> dict[str, Any]:
        """The one model that is served."""
        return {"object": "list", "data": [_model()]}

    @api.get("/models/{model}")
    def model(model: str) -> dict[str, Any]:
        """The model of that name."""
        _require_model(model)
        return _model()

    @api.post("/chat/completions", response_model=Completion, responses=STREAMS)
    def complete(
        body: CompletionRequest,
        caller: Caller,
        x_stainless_retry_count: Annotated[str, Header(max_length=20)] = "0",
    ) -> Any:
        """One turn for OpenAI's clients. With `stream`, chunks as server-sent events and `[DONE]`."""
        _require_model(body.model)
        caller.require_role(Role.CUSTOMER, Role.SERVICE)
        history, message = _read(body.messages)
        user_id = for_user(caller, body.user)
        metadata = body.metadata or Metadata()
        retried = x_stainless_retry_count.strip() not in ("", "0")
        place = recall(
            assistant.database, caller, user_id or caller.id, history, message, metadata.conversation_id, retried
        )
        asked = sum(_pieces(each.text) for each in body.messages)
        if place.answer is not None:
            turn: Stream = _events(place.answer)
        elif body.stream:
            turn = assistant.stream(caller, message, place.conversation_id, user_id, metadata.language)
        else:
            turn = _events(assistant.reply(caller, message, place.conversation_id, user_id, metadata.language))
        return _streamed(body, turn, place, asked) if body.stream else _whole(turn, place, asked)

    return api


def _model() -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}


def _require_model(name: str) -> None:
    if name != MODEL:
        raise NotFound(f"There is no model {name[:100]!r}.", f"Use {MODEL!r}.")


def _read(messages: list[ChatMessage]) -> tuple[list[Said], str]:
    """The history and the message, what one side says in a row as one."""
    said: list[Said] = []
    for message in messages:
        if message.role not in ("user", "assistant") or (message.role == "assistant" and not message.text):
            continue  # a call of a tool has no text, and no tool is called here
        if said and said[-1].role == message.role:
            said[-1] = Said(message.role, f"{said[-1].text}\n{message.text}")
        else:
            said.append(Said(message.role, message.text))
    if not said or said[-1].role != "user":
        raise InvalidInput("The last message is not the user's.", "End `messages` with one of the role user.")
    return said[:-1], said[-1].text


def _events(reply: Reply) -> Stream:
    """A reply that is there as a whole, as the events of a stream."""
    yield "done", reply.model_dump(mode="json")


def _extension(whole: dict[str, Any], place: Recalled) -> dict[str, Any]:
    return {**{name: value for name, value in whole.items() if name != "text"}, "known_messages": place.known}


def _usage(asked: int, told: str) -> Usage:
    answered = _pieces(told)
    return Usage(prompt_tokens=asked, completion_tokens=answered, total_tokens=asked + answered)


def _pieces(text: str) -> int:
    return sum(1 for _ in _PIECE.finditer(text))


def _listing(whole: dict[str, Any]) -> list[str]:
    return listing([Card.model_validate(card) for card in whole["products"]])


def _whole(turn: Stream, place: Recalled, asked: int) -> Completion:
    ((_, whole),) = turn
    content = unlinked(whole["text"]) + "".join(_listing(whole))
    return Completion(
        id=f"chatcmpl-{whole['message_id']}",
        created=now_ms() // 1000,
        choices=(Choice(message=Message(content=content)),),
        usage=_usage(asked, content),
        aisle=_extension(whole, place),
    )


def _streamed(body: CompletionRequest, turn: Stream, place: Recalled, asked: int) -> EventStream | JSONResponse:
    """The turn as chunks; one that fails before it says anything is an error with its status."""
    first = next(turn)
    if first[0] == "error":
        return openai_error(first[1]["status"], first[1]["detail"], first[1]["hint"])
    usage = body.stream_options is not None and body.stream_options.include_usage
    chunks = _chunks(chain([first], turn), place, asked, usage)
    return EventStream(chunks)


def _chunks(turn: Stream, place: Recalled, asked: int, usage: bool) -> Iterator[str]:
    r"""`data: {"object": "chat.completion.chunk", …}\n\n`: the role, pieces of text, the end with `aisle`, then `[DONE]`."""
    head: dict[str, Any] = {"id": "chatcmpl-", "object": "chat.completion.chunk", "created": now_ms() // 1000}
    head["model"] = MODEL
    told: list[str] = []
    begun = False
    for name, payload in turn:
        if name == "error":
            yield _data(json.loads(bytes(openai_error(payload["status"], payload["detail"], payload["hint"]).body)))
            return
        if not begun and "message_id" in payload:
            head["id"] = f"chatcmpl-{payload['message_id']}"
            begun = True
            yield _data({**head, "choices": [_delta({"role": "assistant", "content": ""})]})
        if name == "text":
            told.append(unlinked(payload["delta"]))  # a delta ends with a sentence: no sign is cut in two
            yield _data({**head, "choices": [_delta({"content": told[-1]})]})
        if name == "done":
            rest = [*([] if told else [unlinked(payload["text"])]), *_listing(payload)]
            told += rest
            for piece in rest:
                yield _data({**head, "choices": [_delta({"content": piece})]})
            yield _data({**head, "choices": [_delta({}, "stop")], "aisle": _extension(payload, place)})
    if usage:
        yield _data({**head, "choices": [], "usage": _usage(asked, "".join(told)).model_dump()})
    yield "data: [DONE]\n\n"


def _delta(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _data(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
