"""The window's page as it leaves: Gradio's own, in the shopper's language and with the window's script before all others.

Gradio adds what its `head` is given only while the page is being built, when its first requests are on their way already; in a
frame those must say that they come from there.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.windows.texts import window_language

LANGUAGE_COOKIE = "aisle_language"
_HEAD = b"<head>"
_SCRIPT = b'<head><script src="/window.js"></script>'
_ENGLISH = b'lang="en"'


def language_of_page(headers: Headers, query: bytes) -> str:
    """The language of the window: that of the page around it, else the one chosen here before, else the browser's."""
    asked = parse_qs(query.decode("latin-1")).get("language", [""])[0]
    chosen = cookie_parser(headers.get("cookie", "")).get(LANGUAGE_COOKIE, "")
    return window_language(asked or chosen, headers.get("accept-language", ""))


class WindowPage:
    """Puts script and language into the page at `/`; all else passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        language = language_of_page(Headers(scope=scope), scope["query_string"])
        start: Message = {}
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                start.update(message)
                return
            if message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            page = body.replace(_HEAD, _SCRIPT, 1).replace(_ENGLISH, f'lang="{language}"'.encode(), 1)
            MutableHeaders(scope=start)["content-length"] = str(len(page))
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, send_page)
