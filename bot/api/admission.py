"""Applies `bot/admission.py` to the routes that compute: chat, search, `/v1`, agents' suggestions, and `/mcp`, whose tools search.

All else passes: health and metrics, what an agent answers, events, carts, pages. The customer window's turns go through Gradio's
own queue, so the window asks the same `Admission` itself (`bot/windows/customer.py`).
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.admission import Admission
from bot.api.mcp import LARGEST_REQUEST as MCP_LARGEST
from bot.api.mcp import PATH as MCP_PATH
from bot.api.problems import refusal
from index.transformer import cores
from storage.errors import Busy
from storage.settings import ShopSettings

LARGEST: Final = 4 * 2**20
"""Bytes of a body: 200,000 characters of a conversation, each escaped, are 2.4 MB."""
TURNS_A_CORE: Final = 2
_DEAR: Final = ("/api/chat", "/api/search", "/v1/chat/completions", MCP_PATH)


def admission_for(settings: ShopSettings) -> Admission:
    """As many at once as the cores can work on, and those beside them who only wait for a language model."""
    waiting = settings.llm.parallel if settings.llm is not None else 0
    return Admission(TURNS_A_CORE * cores() + waiting)


class AdmissionMiddleware:
    """Refuses dear requests with 429 and `Retry-After` while too many wait, before who asks is known or a body is read.

    A body is read before the place is taken, so that a slow sender holds none.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self.app = app
        self.admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not _is_dear(scope):
            await self.app(scope, receive, send)
            return None
        length = _length(scope)
        if scope["path"] == MCP_PATH and length > MCP_LARGEST:
            return await self.app(scope, receive, send)  # which refuses it, without reading it
        if length > LARGEST:
            return await _too_large(scope, receive, send)
        try:
            self.admission.require_room()
            begun = await _begin(receive)
            if begun is None:
                return await _too_large(scope, receive, send)
            async with self.admission.place_async():
                await self.app(scope, _replay(begun, receive), send)
        except Busy as busy:
            headers = {"Retry-After": str(busy.retry_after)}
            await refusal(scope["path"], busy.status, busy.message, busy.hint, headers)(scope, receive, send)


def _is_dear(scope: Scope) -> bool:
    path: str = scope["path"]
    if scope["method"] == "POST":
        return path in _DEAR
    return scope["method"] == "GET" and path.startswith("/api/agent/") and path.endswith("/suggestions")


def _length(scope: Scope) -> int:
    """The bytes that a request says it has; 0 where it does not say."""
    told = Headers(scope=scope).get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else 0


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    hint = f"Send at most {LARGEST // 2**20} MB."
    await refusal(scope["path"], 413, "The request is too large.", hint)(scope, receive, send)


async def _begin(receive: Receive) -> list[Message] | None:
    """The messages of a request until its body is whole or its sender is gone; None for a body that is too large."""
    begun: list[Message] = []
    size = 0
    while True:
        message = await receive()
        begun.append(message)
        size += len(message.get("body", b""))
        if size > LARGEST:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return begun


def _replay(begun: list[Message], receive: Receive) -> Receive:
    """Gives again what was read, then what comes."""
    kept = iter(begun)

    async def again() -> Message:
        message = next(kept, None)
        return await receive() if message is None else message

    return again
