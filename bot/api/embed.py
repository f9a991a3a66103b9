"""The window on the shop's own pages: the script that puts it there, and the frame's way to know who looks at it.

    shop's page                         frame (Aisle's origin)
    <script src=…/embed.js>  ─opens─►   /embed?language=…           the handshake: no conversation yet
                             ◄─ready─   postMessage to the page
                             ─token─►   only to Aisle's origin, and taken only from an origin of `[embed]`
                                        POST /embed/session         the token becomes an HttpOnly cookie
                                        GET  /embed/session         did the browser keep it?
                                        /?embed=1                   the window

The cookie is `aisle_embed`, apart from that of the window at Aisle's own address, so that a shop's page can neither sign anybody
out there nor see who is signed in. It is `Partitioned` (CHIPS), so browsers that block third-party cookies keep it, one for each
shop page's site. Where none is kept all the same, the frame carries the token, or the visitor's signed id, in memory and sends it
with each request.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, Field

from bot.api.identity import address_of, embed_cookie
from bot.api.requests import Body
from bot.api.routes import principal_of
from bot.windows.texts import texts, window_language
from storage.errors import AisleError, Forbidden, TooManyAttempts
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.settings import ShopSettings

SCRIPTS = Path(__file__).parent.parent / "windows" / "scripts"
_JAVASCRIPT = "text/javascript; charset=utf-8"


class EmbedToken(Body):
    """`POST /embed/session`: the token that the shop's page passed, "" where it has none."""

    token: str = Field(default="", max_length=8_192)


class EmbedAnswer(BaseModel):
    """Why the token was refused; "" where it holds or there is none."""

    refused: str


class EmbedSession(BaseModel):
    """Whether the browser sent the frame's cookie; where it did not, `visitor` is what to send instead of it."""

    known: bool
    anonymous: bool
    visitor: str | None = None


def add_embed(app: FastAPI, identity: Identity, settings: ShopSettings) -> None:
    """The routes that the shop's pages and the frame in them need."""

    @app.get("/embed.js", include_in_schema=False)
    def script() -> FileResponse:
        """What the shop's page loads."""
        headers = {"Cache-Control": "public, max-age=300", "Cross-Origin-Resource-Policy": "cross-origin"}
        return FileResponse(SCRIPTS / "embed.js", media_type=_JAVASCRIPT, headers=headers)

    @app.get("/window.js", include_in_schema=False)
    def window_script() -> FileResponse:
        """What the window's page loads."""
        return FileResponse(SCRIPTS / "window.js", media_type=_JAVASCRIPT, headers={"Cache-Control": "no-cache"})

    @app.get("/embed-frame.js", include_in_schema=False)
    def frame_script() -> FileResponse:
        """What the handshake's page loads."""
        return FileResponse(SCRIPTS / "frame.js", media_type=_JAVASCRIPT, headers={"Cache-Control": "no-cache"})

    @app.get("/embed", include_in_schema=False)
    def frame(request: Request, language: Annotated[str, Query(max_length=35)] = "") -> HTMLResponse:
        """The first page in the frame: finds out who looks at it, then goes on to the window."""
        chosen = window_language(language, request.headers.get("accept-language", ""))
        loading = escape(texts(chosen)["loading"])
        origins = escape(json.dumps(settings.embed.origins), quote=True)
        return HTMLResponse(
            f'<!doctype html><html lang="{chosen}"><meta charset="utf-8"><title>{escape(settings.name)}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
            f'<link rel="stylesheet" href="/window.css"><body class="plain" data-origins="{origins}">'
            f'<main><p role="status">{loading}</p></main><script src="/embed-frame.js"></script></body></html>',
            headers={"Cache-Control": "no-store"},
        )

    @app.post("/embed/session", response_model=EmbedAnswer)
    def begin(body: EmbedToken, request: Request, response: Response) -> Any:
        """Signs the frame in as the customer whom the token names; out, where there is none or it does not hold."""
        response.headers["Cache-Control"] = "no-store"
        try:
            who = _customer(identity, body.token, address_of(request.scope)) if body.token else None
        except TooManyAttempts:
            raise
        except AisleError as error:
            who, refused = None, f"{error.message} {error.hint}".strip()
        else:
            refused = ""
        if who is not None:
            response.headers.append("set-cookie", embed_cookie(identity.session_cookie(who), request.scope))
        elif not principal_of(request).anonymous:
            response.headers.append("set-cookie", embed_cookie(identity.new_visitor()[1], request.scope))
        return EmbedAnswer(refused=refused)

    @app.get("/embed/session", response_model=EmbedSession)
    def known(request: Request, response: Response) -> Any:
        """Whether the frame's cookie came back."""
        response.headers["Cache-Control"] = "no-store"
        fresh = request.state.new_visitor
        return EmbedSession(known=fresh is None, anonymous=principal_of(request).anonymous, visitor=fresh)


def _customer(identity: Identity, token: str, address: str) -> Principal:
    """Whom a page's token names. An API key is none: it belongs on no page, and the cookie would outlive it and its scopes.

    Raises:
        Unauthenticated: it does not hold.
        TooManyAttempts: nor did many before it.
        Forbidden: it is no customer's.
    """
    who = identity.from_token(token, address)
    if who.role is not Role.CUSTOMER:
        raise Forbidden("The token is not a customer's.", "Sign one of the role customer on your server.")
    return who
