"""What browsers are told about every answer, closed by default: what a page may load, who may frame it, what it tells others.

It stands around everything, so that REST, Gradio's whole prefix, /mcp, preflights and refusals are alike. A policy is chosen by
the kind of answer: a page gets one that its own scripts can live with, all else one that loads nothing at all.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRAMED: Final = ("/", "/embed")
"""What the pages of `[embed]` may frame."""
_DOCS_SCRIPTS: Final = "https://cdn.jsdelivr.net"
_NOTHING: Final = "default-src 'none'"
_ALL: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_HSTS: Final = "max-age=31536000"
_SHARED: Final = ("/media/",)
"""Pictures of products: a shop's own pages show them, too."""
_PRIVATE: Final = ("/api/", "/v1/", "/mcp", "/login", "/metrics")
"""What nobody on the way may keep, unless the route says otherwise."""


_INLINE_SCRIPT: Final = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)


class SecurityHeaders:
    """Adds the headers that an answer has not set itself.

    Gradio's pages hold scripts that differ with each request, its configuration above all. Each is named by its hash (CSP 3), so
    that none that came into a page later runs, nor any handler in its markup. What a handler in Python's `js=` says Gradio makes
    into a function from text, so its windows need 'unsafe-eval'; and styles stand in the markup. Pictures come from wherever the
    catalog has them.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str] = ()) -> None:
        self.app = app
        self._framing = {
            True: " ".join(("frame-ancestors 'self'", *sorted(origins))),
            False: "frame-ancestors 'self'",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        framing = self._framing[path in FRAMED]
        held: Message = {}
        page = bytearray()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                _add(answer, scope)
                is_page = answer.get("content-type", "").startswith("text/html")
                if is_page and path in _WITH_SCRIPTS:
                    held.update(message)  # until they are known
                    return
                answer["content-security-policy"] = f"{_PAGE if is_page else _NOTHING}; {framing}"
            elif held:
                page.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                policy = _WITH_SCRIPTS[path].format(hashes=_hashes(bytes(page)))
                MutableHeaders(scope=held)["content-security-policy"] = f"{policy}; {framing}"
                await send(held)
                message = {"type": "http.response.body", "body": bytes(page)}
            await send(message)

        await self.app(scope, receive, send_with_headers)


def close(answer: MutableHeaders, scope: Scope) -> None:
    """All of it for an answer that is no page and stands outside, such as one to an exception that nothing caught."""
    _add(answer, scope)
    answer["content-security-policy"] = f"{_NOTHING}; frame-ancestors 'self'"


def _add(answer: MutableHeaders, scope: Scope) -> None:
    """What does not hang on the kind of answer."""
    path: str = scope["path"]
    if path.startswith(_SHARED):
        answer["cross-origin-resource-policy"] = "cross-origin"
    if path.startswith(_PRIVATE):
        answer.setdefault("cache-control", "no-store")
    if scope.get("scheme") == "https":
        answer.setdefault("strict-transport-security", _HSTS)
    for name, value in _ALL.items():
        answer.setdefault(name, value)


def _hashes(page: bytes) -> str:
    """The scripts that stand in a page, as `script-src` names them."""
    scripts = (script.replace(b"\r\n", b"\n") for script in _INLINE_SCRIPT.findall(page))  # as browsers read lines
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(each).digest()).decode()}'" for each in scripts)


_SITE: Final = (
    "connect-src 'self'",
    "img-src 'self' data: https: http:",
    "base-uri 'self'",
    "form-action 'self'",
)
_PAGE: Final = "; ".join((_NOTHING, "script-src 'self'", "style-src 'self'", "style-src-attr 'unsafe-inline'", *_SITE))
_WINDOW: Final = "; ".join(
    (
        _NOTHING,
        "script-src 'self' 'unsafe-eval' {hashes}",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "manifest-src 'self'",
        *_SITE,
    )
)
_DOCS_PAGE: Final = "; ".join(
    (
        _NOTHING,
        f"script-src {_DOCS_SCRIPTS} {{hashes}}",
        f"style-src 'unsafe-inline' {_DOCS_SCRIPTS}",
        "img-src 'self' data: https://fastapi.tiangolo.com",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""FastAPI's pages for developers are the ones that load from elsewhere."""
_WITH_SCRIPTS: Final = {
    **dict.fromkeys(("/", "/agent/", "/ops/", "/review/"), _WINDOW),
    **dict.fromkeys(("/docs", "/redoc"), _DOCS_PAGE),
}
"""The policies of pages that hold scripts, by path: Gradio's windows and FastAPI's documentation."""
