"""The model through LangChain: `init_chat_model` for any provider, `create_agent` for the loop of tools.

With `bot/llm/retriever.py` the only place that imports LangChain; it is imported where shop.toml has `[llm]`, and then only.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelCallLimitMiddleware
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain.agents.middleware.types import ModelCallResult, ModelRequest, ModelResponse
from langchain.chat_models import init_chat_model
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import StructuredTool
from langsmith import tracing_context

from bot.llm.model import ModelFailed, Request, Tool, Used
from storage.errors import InvalidInput, Unavailable
from storage.record import new_id
from storage.settings import LlmSettings

_LOGGER = logging.getLogger(__name__)
NO_KEY = "none"
"""What is sent where the shop names no key: servers of one's own want none, but the client wants a word."""
_HELD = re.compile(r"\s*(?:\{\{?\s*(?:\"|$)|\[\s*(?:\{|$)|`|<|$)")
"""How a text begins that may become a call which a small model spells out; "{p1} is …" is none."""
_SPELLED_CALL = re.compile(r"^\s*(?:```(?:json)?|<tool_call>)?\s*\{?(?=[{\[])")
"""How a text begins that is meant as a call of a tool, and not as one for the customer; some copy a template's "{{"."""


class LangChainModel:
    """A chat model of `[llm]` with Aisle's tools; calls it at most `settings.max_calls` times a turn."""

    def __init__(self, settings: LlmSettings, chat: BaseChatModel) -> None:
        self.name = f"{settings.provider}:{settings.model}"
        self._most_calls = settings.max_calls
        self._chat = chat

    @classmethod
    def open(cls, settings: LlmSettings, api_key: str) -> LangChainModel:
        """The model that `[llm]` names; nothing is sent yet.

        Raises:
            Unavailable: LangChain's package for the provider is not installed.
            InvalidInput: there is no such provider, or it does not take what is set.

        """
        # Some providers refuse what they do not know, so what is not set is not sent.
        options: dict[str, Any] = {"base_url": settings.base_url} if settings.base_url else {}
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        try:
            chat = init_chat_model(
                settings.model,
                model_provider=settings.provider,
                api_key=api_key or NO_KEY,
                timeout=settings.timeout_s,
                max_retries=0,  # a second try would come too late: the templates have the answer
                max_tokens=settings.max_tokens,
                **options,
            )
        except ImportError as error:
            raise Unavailable(f"[llm] provider {settings.provider!r}: {error}", "Install that package.") from None
        except (ValueError, TypeError) as error:
            reason = str(error).splitlines()[0][:200]
            raise InvalidInput(f"[llm] in shop.toml cannot be used: {reason}", "See docs/llm.md.") from None
        return cls(settings, chat)

    def stream(self, request: Request, stopped: Callable[[], bool]) -> Iterator[str | Used]:
        """As `Model.stream`."""
        limits: list[AgentMiddleware[Any, Any, Any]] = [
            ModelCallLimitMiddleware(run_limit=self._most_calls, exit_behavior="error"),
            SpelledCalls({tool.name for tool in request.tools}),
            LastWord(self._most_calls),
        ]
        agent = create_agent(
            self._chat,
            [structured(tool) for tool in request.tools],
            system_prompt=request.system,
            middleware=limits,
        )
        messages = [{"role": role, "content": content} for role, content in request.messages]
        config = {"callbacks": [_Stop(stopped)], "recursion_limit": 4 * self._most_calls + 4}
        try:
            # Whatever the environment says, no conversation goes to a tracing service.
            with tracing_context(enabled=False):
                steps = agent.stream({"messages": messages}, config, stream_mode="messages")  # type: ignore[call-overload]
                yield from _texts(steps)
        except _Stopped:
            return
        except ModelCallLimitExceededError:
            raise ModelFailed("loop") from None
        except Exception as error:
            # Each provider raises errors of its own; their texts may repeat the conversation, so only their kind is told.
            if stopped():
                return
            status = getattr(error, "status_code", None)
            raise ModelFailed(f"HTTP {status}" if status is not None else type(error).__name__) from error


def structured(tool: Tool) -> StructuredTool:
    """One of our tools as LangChain has them."""
    return StructuredTool.from_function(
        func=tool.run, name=tool.name, description=tool.description, args_schema=tool.arguments
    )


class SpelledCalls(AgentMiddleware):
    """Small models write a call as JSON into their text: `{"name": "search_products", "arguments": {…}}`. It becomes a call."""

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self._names = names

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """The model's answer, a spelled call in it made one."""
        response = handler(request)
        messages = [self._read(each) if isinstance(each, AIMessage) else each for each in response.result]
        return ModelResponse(result=messages, structured_response=response.structured_response)

    def _read(self, message: AIMessage) -> AIMessage:
        text = message.text
        start = _SPELLED_CALL.match(text)
        if message.tool_calls or start is None:
            return message
        try:
            found, _ = json.JSONDecoder().raw_decode(text[start.end() :])
        except ValueError:
            return message
        call = found[0] if isinstance(found, list) and found else found
        arguments = call.get("arguments", call.get("parameters")) if isinstance(call, dict) else None
        if not isinstance(arguments, dict) or call.get("name") not in self._names:
            return message
        made = {"name": call["name"], "args": arguments, "id": new_id(), "type": "tool_call"}
        return message.model_copy(update={"content": "", "tool_calls": [made]})


class LastWord(AgentMiddleware):
    """The last call that a turn may make has no tools, so that a model which would read on for ever has to answer."""

    def __init__(self, most_calls: int) -> None:
        super().__init__()
        self._left = most_calls

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """The model's answer."""
        self._left -= 1
        return handler(request if self._left > 0 else request.override(tools=[]))


class _Stopped(BaseException):
    """The turn is over; nobody reads on. No Exception, for LangChain logs those of a callback as defects."""


class _Stop(BaseCallbackHandler):
    """Ends a stream that nobody waits for any more: without this an endless answer would keep its thread."""

    raise_error = True

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped

    def on_llm_new_token(self, *_: Any, **__: Any) -> None:
        if self._stopped():
            raise _Stopped

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        if self._stopped():
            raise _Stopped


def _texts(steps: Iterator[Any]) -> Iterator[str | Used]:
    """What the model says to the customer: of each message the pieces of text, but not of one that spells a call."""
    message_id: str | None = None
    held, passed = "", False
    for chunk, about in steps:
        if about.get("langgraph_node") != "model" or not isinstance(chunk, AIMessageChunk):
            continue
        if chunk.id != message_id:
            message_id, held, passed = chunk.id, "", False
        if chunk.usage_metadata is not None:
            yield Used(chunk.usage_metadata["input_tokens"], chunk.usage_metadata["output_tokens"])
        text = str(chunk.text)
        if not passed:
            held += text
            passed = _HELD.match(held) is None
            text = held if passed else ""
        if text:
            yield text
