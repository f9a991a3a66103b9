"""What of Gradio can be reached: the few of its routes that the windows use, each session bound to who uses it.

Gradio lets the browser choose the name of its session and asks nobody whose it is: who knows another's `session_hash` hears the
answers that go there, which hold the whole view, and ends what runs in it. So Gradio never sees the browser's name, but one that
is made from it and from who asks: with a stolen name one is in a session of one's own. Nothing is kept for that, and every process
comes to the same name. Routes that no window uses (files, uploads, a proxy, calls by name, cancelling by an event's id) do not
exist.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from gradio.routes import App
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.api.problems import problem
from storage.errors import AisleError, InvalidInput, NotFound
from storage.principal import Principal

JOIN: Final = "/gradio_api/queue/join"
LISTEN: Final = "/gradio_api/queue/data"
BEAT: Final = "/gradio_api/heartbeat/"
_GET = ("GET", "HEAD")
_PAGES: Final = ("/", "", "/config", "/theme.css", "/favicon.ico", "/gradio_api/app_id", "/gradio_api/startup-events")
_FOLDERS: Final = ("/assets/", "/static/", "/svelte/")
LARGEST_JOIN: Final = 1_000_000
"""Bytes of one event: a message and the names of components."""
_LONGEST_NAME: Final = 200
_FIELD: Final = "session_hash"


def guard_windows(app: Starlette) -> None:
    """Puts `WindowDoors` before every window that is mounted by now."""
    for route in app.router.routes:
        if isinstance(route, Mount) and isinstance(route.app, App):
            route.app = WindowDoors(route.app)


def session_of(principal: Principal, name: str) -> str:
    """The session that Gradio sees for the one that a browser names; the same name of somebody else is another one."""
    asked = json.dumps([principal.role, principal.id, principal.anonymous, name])
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


class WindowDoors:
    """ASGI, before one mounted window; the identity middleware has said who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes what a window needs, in the caller's own session; all else is a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            scope, receive = await _bound(scope, receive)
        except AisleError as error:
            await problem(error.status, error.message, error.hint)(scope, receive, send)
            return
        await self.app(scope, receive, send)


async def _bound(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """The request in the session of who asks.

    Raises:
        NotFound: no window uses this route.
        InvalidInput: it names no session.
    """
    path, method = scope["path"].removeprefix(scope.get("root_path", "")), scope["method"]
    if method in _GET and (path in _PAGES or path.startswith(_FOLDERS)):
        return scope, receive
    principal: Principal | None = scope.get("state", {}).get("principal")
    if principal is None:  # nobody was asked for: what is open to all is not of a window
        raise NotFound("There is nothing here.", "See /docs for what is served.")
    if method == "GET" and path == LISTEN:
        asked = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        bound = urlencode({_FIELD: session_of(principal, _named(asked.get(_FIELD)))})
        return {**scope, "query_string": bound.encode()}, receive
    if method == "GET" and path.startswith(BEAT):
        name = path.removeprefix(BEAT)
        whole = scope["path"].removesuffix(name) + session_of(principal, _named(name))
        return {**scope, "path": whole, "raw_path": whole.encode()}, receive
    if method == "POST" and path == JOIN:
        event = await _event(receive)
        event[_FIELD] = session_of(principal, _named(event.get(_FIELD)))
        body = json.dumps(event).encode()
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        return {**scope, "headers": headers}, _replayed(body, receive)
    raise NotFound("There is nothing here.", "See /docs for what is served.")


def _named(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidInput("The request names no session.", "Load the window anew.")
    return name


async def _event(receive: Receive) -> dict[str, Any]:
    """The JSON object of a request; raises `InvalidInput` where it is none or too large."""
    body = b""
    more = True
    while more and len(body) <= LARGEST_JOIN:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        event = json.loads(body) if len(body) <= LARGEST_JOIN else None
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise InvalidInput(
            "The request is no event of a window.", f"Send a JSON object of at most {LARGEST_JOIN} bytes."
        )
    return event


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the whole body once, and then what really comes."""
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again
