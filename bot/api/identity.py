"""Finds out who asks, once for every request: REST, the window and all of Gradio's own paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.api.problems import problem, refusal, retry_after
from bot.api.scopes import missing_scope
from storage.errors import AisleError
from storage.identity import Identity
from storage.labels import LABELLERS
from storage.principal import FIGURES, Principal, Role
from storage.tickets import DESK

SESSION_COOKIE = "aisle_session"
VISITOR_COOKIE = "aisle_visitor"
EMBED_COOKIE = "aisle_embed"
EMBED_HEADER = "x-aisle-embed"
VISITOR_DAYS = 180
OPEN: Final = ("/healthz", "/readyz", "/window.css", "/window.js", "/embed.js", "/embed-frame.js")
OPEN_FOLDER: Final = "/media/"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SAFE = ("GET", "HEAD", "OPTIONS")
_STAFF: Final = {"/ops": FIGURES, "/agent": DESK, "/review": LABELLERS}
"""Windows that only some roles may see, Gradio's own paths below them included."""


def cookie_options() -> dict[str, Any]:
    """How every cookie is set: scripts cannot read it, other sites cannot send it."""
    return {"httponly": True, "samesite": "lax", "path": "/"}


def embed_cookie(value: str, scope: Scope) -> str:
    """A `Set-Cookie` header for the frame on a shop's page.

    In a frame of another site only `SameSite=None; Secure` travels, and `Partitioned` (CHIPS) keeps it where third-party cookies
    are blocked. Browsers take `Secure` over https and from their own machine; elsewhere over http the frame does without.
    """
    host = Headers(scope=scope).get("host", "").rsplit(":", 1)[0]
    secure = scope.get("scheme") == "https" or host in _LOOPBACK
    across = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
    return f"{EMBED_COOKIE}={value}; HttpOnly; {across}; Path=/; Max-Age={VISITOR_DAYS * 86_400}"


def address_of(scope: Scope) -> str:
    """Where a request comes from, as `TrustedProxies` left it: an IP address; "" where the socket has none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _in_frame(scope: Scope, headers: Headers) -> bool:
    """Whether the frame on a shop's page asks: the window's page says so in its address, its script in a header."""
    window = scope["path"] == "/" and b"embed=1" in scope["query_string"].split(b"&")
    return window or scope["path"] == "/embed" or EMBED_HEADER in headers


def _is_elsewhere(headers: Headers) -> bool:
    """Whether the request names another origin than this site's own."""
    origin = headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        return True


def _let_in(path: str) -> tuple[Role, ...] | None:
    """The roles that may see a path; None where everybody may."""
    return next((roles for window, roles in _STAFF.items() if path == window or path.startswith(f"{window}/")), None)


def _not_let_in(principal: Principal, roles: tuple[Role, ...], headers: Headers) -> Response:
    """A browser that is not signed in goes to where it can be; all others are told."""
    if not principal.anonymous:
        return problem(403, f"The role {principal.role} may not see this.", f"It needs one of: {', '.join(roles)}.")
    if "text/html" in headers.get("accept", ""):
        return RedirectResponse("/login", status_code=303)
    return problem(401, "This is for who works for the shop.", "Sign in at /login.")


class IdentityMiddleware:
    """Puts the `Principal` into `request.state`; gives a visitor without one the signed cookie.

    A token or key that does not hold is an error, never a silent fall back to a visitor. A request that changes something and
    is known by cookie alone must come from this site or from an origin of `[embed]`, for browsers send cookies by themselves.
    Nothing below `/ops`, `/agent` and `/review`, Gradio's own paths included, answers anybody but those whom they are for, and
    nothing at all answers a key whose scopes do not reach it.
    """

    def __init__(self, app: ASGIApp, identity: Identity, origins: Iterable[str] = ()) -> None:
        self.app = app
        self.identity = identity
        self.origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in OPEN or scope["path"].startswith(OPEN_FOLDER):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # A page of the shop's is of the same site where their domains are: it must not act as who is signed in here.
        framed = _in_frame(scope, headers) or _is_elsewhere(headers)
        try:
            principal, cookie = self._who(headers, framed, address_of(scope))
        except AisleError as error:
            told = refusal(scope["path"], error.status, error.message, error.hint, retry_after(error))
            await told(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state |= {"principal": principal, "new_visitor": cookie}
        if self.identity.has_uses:
            await run_sync(self.identity.note_uses)
        if "authorization" not in headers and scope["method"] not in _SAFE and not self._from_here(headers):
            hint = "Name its origin under [embed] in shop.toml."
            refused = refusal(scope["path"], 403, "The request comes from another site.", hint)
            await refused(scope, receive, send)
            return
        roles = _let_in(scope["path"])
        if roles is not None and principal.role not in roles:
            await _not_let_in(principal, roles, headers)(scope, receive, send)
            return
        if (lacks := missing_scope(principal.scopes, scope["method"], scope["path"])) is not None:
            hint = "Make a key that has it: `launch.py keys create --scope …`."
            refused = refusal(scope["path"], 403, f"This key does not reach that: {lacks}.", hint)
            await refused(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                set_already = any(each.startswith(f"{EMBED_COOKIE}=") for each in answer.getlist("set-cookie"))
                if cookie and not set_already:
                    answer.append("set-cookie", embed_cookie(cookie, scope) if framed else _visitor_cookie(cookie))
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _who(self, headers: Headers, framed: bool, address: str) -> tuple[Principal, str | None]:
        """The principal, and a new visitor's signed id where the request brought none."""
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        if scheme:
            shown = credential.strip() if scheme.lower() == "bearer" else ""
            return self.identity.from_bearer(shown, address), None
        # Like browsers: what another site of the domain set in its own way must not hide our cookies.
        cookies = cookie_parser(headers.get("cookie", ""))
        session, visitor = (EMBED_COOKIE, EMBED_COOKIE) if framed else (SESSION_COOKIE, VISITOR_COOKIE)
        known = self.identity.from_session_cookie(cookies.get(session, "")) or self.identity.from_visitor_cookie(
            cookies.get(visitor, "")
        )
        return (known, None) if known else self.identity.new_visitor()

    def _from_here(self, headers: Headers) -> bool:
        return not _is_elsewhere(headers) or headers.get("origin") in self.origins


def _visitor_cookie(value: str) -> str:
    return f"{VISITOR_COOKIE}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={VISITOR_DAYS * 86_400}"
