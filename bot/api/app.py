"""Puts the web application together: identity over everything, then routes, then the window at the root, last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.staticfiles import StaticFiles
from pydantic import Field

from bot.api import problems
from bot.api.identity import SESSION_COOKIE, IdentityMiddleware, cookie_options
from bot.api.requests import Body
from bot.api.routes import principal_of, routes
from bot.service import Assistant
from bot.windows import render
from bot.windows.customer import STYLE, CustomerWindow, DemoShopper
from bot.windows.texts import language_of
from storage.errors import NotFound
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.settings import ShopSettings

LARGEST_UPLOAD = "1mb"  # the window takes no files; Gradio's route for them exists all the same


class ShopperChoice(Body):
    """`POST /demo/shopper`: "" is a new visitor."""

    shopper: str = Field(max_length=200)


def create_app(
    assistant: Assistant,
    identity: Identity,
    shop: Path,
    settings: ShopSettings,
    demo_shoppers: tuple[DemoShopper, ...] = (),
) -> FastAPI:
    """The whole web application of one shop.

    Args:
        assistant: answers; the caller closes it.
        identity: checks tokens, keys and cookies.
        shop: the shop's folder; `media/` in it is served.
        settings: of the shop.
        demo_shoppers: only for the example shop: who a visitor may be.
    """
    app = FastAPI(title="Aisle", version="0.1.0", description="A shopping assistant that a shop runs itself.")
    problems.install(app)
    app.include_router(routes(assistant, settings))
    _add_health(app, assistant)
    _add_pages(app, assistant, shop)
    if demo_shoppers:
        _add_demo(app, identity, demo_shoppers)
    app.add_middleware(IdentityMiddleware, identity=identity, origins=settings.embed.origins)
    # Added last, so it stands outermost: with it Gradio adds no cross-origin headers of its own.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.embed.origins),
        allow_credentials=bool(settings.embed.origins),
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
    )
    window = CustomerWindow(assistant, settings.name, demo_shoppers)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        window.blocks(),
        path="/",
        footer_links=[],
        show_error=False,
        max_file_size=LARGEST_UPLOAD,
        css_paths=[STYLE],
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
    )
    return mounted


def _add_health(app: FastAPI, assistant: Assistant) -> None:
    @app.get("/healthz", include_in_schema=True)
    def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    def ready() -> Any:
        """Index and database answer; 503 says which one does not."""
        trouble = assistant.trouble()
        if trouble:
            return problems.problem(503, trouble, "See the server's log, or run: launch.py doctor")
        return {"status": "ready"}


def _add_pages(app: FastAPI, assistant: Assistant, shop: Path) -> None:
    media = shop / "media"
    if media.is_dir():
        app.mount("/media", StaticFiles(directory=media), name="media")

    @app.get("/window.css", include_in_schema=False)
    def style() -> FileResponse:
        return FileResponse(STYLE, media_type="text/css")

    @app.get("/products/{product_id}", include_in_schema=False)
    def product_page(product_id: str, request: Request) -> HTMLResponse:
        """A plain page of one product, for catalogs whose links point at this site."""
        language = language_of(request.headers.get("accept-language", ""))
        record = assistant.product_record(product_id)
        card = render.card(assistant.product(product_id, principal_of(request)), language, "")
        text = f"<p>{render.escape(record.description)}</p>"
        return HTMLResponse(render.page(record.title, f'<ul class="cards">{card}</ul>{text}', language))


def _add_demo(app: FastAPI, identity: Identity, shoppers: tuple[DemoShopper, ...]) -> None:
    known = {shopper.id for shopper in shoppers}

    @app.post("/demo/shopper", status_code=204, include_in_schema=False)
    def choose(choice: ShopperChoice) -> Response:
        """The visitor becomes a demo shopper, or a new visitor again."""
        response = Response(status_code=204)
        if not choice.shopper:
            response.delete_cookie(SESSION_COOKIE)
            return response
        if choice.shopper not in known:
            raise NotFound(f"There is no demo shopper {choice.shopper!r}.", f"Known: {', '.join(sorted(known))}.")
        cookie = identity.session_cookie(Principal(choice.shopper, Role.CUSTOMER))
        response.set_cookie(SESSION_COOKIE, cookie, **cookie_options())
        return response
