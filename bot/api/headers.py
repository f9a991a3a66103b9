"""What browsers are told about every answer, closed by default: what a page may load, who may frame it, what it tells others.

It stands around everything, so that REST, Gradio's whole prefix, /mcp, preflights and refusals are alike. A policy is chosen by
the kind of answer: a page gets one that its own scripts can live with, all else one that loads nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRAMED: Final = ("/", "/embed")
"""What the pages of `[embed]` may frame."""
_DOCS: Final = ("/docs", "/redoc")
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


class SecurityHeaders:
    """Adds the headers that an answer has not set itself.

    Gradio's pages hold scripts and styles of their own in the page (its configuration, differing with each request), and its
    handlers in JavaScript are made from text; so `script-src` allows both, from this site alone. Pictures come from wherever the
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

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in _ALL.items():
                    answer.setdefault(name, value)
                if path.startswith(_SHARED):
                    answer["cross-origin-resource-policy"] = "cross-origin"
                if path.startswith(_PRIVATE):
                    answer.setdefault("cache-control", "no-store")
                if scope.get("scheme") == "https":
                    answer.setdefault("strict-transport-security", _HSTS)
                answer["content-security-policy"] = self._policy(path, answer)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _policy(self, path: str, answer: Headers) -> str:
        framing = self._framing[path in FRAMED]
        if not answer.get("content-type", "").startswith("text/html"):
            return f"{_NOTHING}; {framing}"
        return f"{_DOCS_PAGE if path in _DOCS else _PAGE}; {framing}"


_PAGE: Final = "; ".join(
    (
        _NOTHING,
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: https: http:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
_DOCS_PAGE: Final = "; ".join(
    (
        _NOTHING,
        f"script-src 'unsafe-inline' {_DOCS_SCRIPTS}",
        f"style-src 'unsafe-inline' {_DOCS_SCRIPTS}",
        "img-src 'self' data: https://fastapi.tiangolo.com",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
