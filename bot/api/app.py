"""Puts the web application together: identity over everything, then routes, then the windows, that at the root last."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pydantic import Field
from starlette.routing import Route

from bot.api import problems
from bot.api.admission import AdmissionMiddleware, admission_for
from bot.api.agent import agent_routes
from bot.api.agent_page import add_agent_page
from bot.api.completions import completion_routes
from bot.api.conversations import conversation_routes
from bot.api.embed import add_embed
from bot.api.headers import SecurityHeaders
from bot.api.health import add_health
from bot.api.identity import SESSION_COOKIE, IdentityMiddleware, address_of, cookie_options
from bot.api.mcp import HEADERS as MCP_HEADERS
from bot.api.mcp import PATH as MCP_PATH
from bot.api.mcp import McpEndpoint
from bot.api.observed import Observed
from bot.api.ops import add_ops
from bot.api.problems import retry_after
from bot.api.proxies import TrustedProxies
from bot.api.requests import Body
from bot.api.routes import principal_of, routes
from bot.desk.desk import Desk
from bot.desk_figures import SupportFigures
from bot.figures import Experiments, Figures
from bot.service import Assistant
from bot.windows import render
from bot.windows.agent import PATH as DESK_PATH
from bot.windows.agent import AgentWindow
from bot.windows.customer import STYLE, CustomerWindow, DemoShopper
from bot.windows.doors import guard_windows
from bot.windows.ops import PATH as OPS_PATH
from bot.windows.ops import OpsWindow
from bot.windows.review import PATH as REVIEW_PATH
from bot.windows.review import ReviewWindow
from bot.windows.texts import language_of
from storage.conversations import SUPPORT
from storage.errors import AisleError, NotFound
from storage.identity import Identity
from storage.principal import FIGURES, Principal, Role
from storage.pseudonyms import Pseudonyms
from storage.secret import load_secret
from storage.settings import ShopSettings


class ShopperChoice(Body):
    """`POST /demo/shopper`: "" is a new visitor."""

    shopper: str = Field(max_length=200)


def create_app(
    assistant: Assistant,
    identity: Identity,
    shop: Path,
    settings: ShopSettings,
    demo_shoppers: tuple[DemoShopper, ...] = (),
    experiments: Experiments = lambda _: (),
) -> FastAPI:
    """The whole web application of one shop.

    Args:
        assistant: answers; the caller closes it.
        identity: checks tokens, keys and cookies.
        shop: the shop's folder; `media/` in it is served.
        settings: of the shop.
        demo_shoppers: only for the example shop: who a visitor may be.
        experiments: how the shop's experiments stand.
    """
    mcp = McpEndpoint(assistant, settings)
    app = FastAPI(
        title="Aisle",
        version="0.1.0",
        description="A shopping assistant that a shop runs itself.",
        lifespan=lambda _: mcp.run(),
    )
    problems.install(app)
    app.include_router(routes(assistant))
    desk = Desk(assistant)
    app.include_router(conversation_routes(assistant, settings, desk))
    app.include_router(agent_routes(desk))
    app.include_router(completion_routes(assistant))
    app.router.routes.append(Route(MCP_PATH, mcp))
    add_health(app, assistant)
    _add_pages(app, assistant, shop)
    _add_login(app, identity)
    add_embed(app, identity, settings)
    if demo_shoppers:
        _add_demo(app, identity, demo_shoppers)
    app.add_middleware(IdentityMiddleware, identity=identity, origins=settings.embed.origins)
    admission = admission_for(settings)
    app.add_middleware(AdmissionMiddleware, admission=admission)
    # What is added later stands outside of what was before. With this one Gradio adds no cross-origin headers of its own.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.embed.origins),
        allow_credentials=bool(settings.embed.origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", *MCP_HEADERS],
    )
    app.add_middleware(SecurityHeaders, origins=settings.embed.origins)
    app.add_middleware(TrustedProxies, trusted=settings.identity.trusted_proxies)
    figures = Figures(assistant, shop, settings, experiments)
    support = SupportFigures(assistant)
    add_ops(app, figures, support)
    OpsWindow(figures, support, settings).mount(app)
    review = ReviewWindow(assistant, support, settings)
    app.add_api_route(
        REVIEW_PATH, lambda: RedirectResponse(f"{REVIEW_PATH}/", status_code=307), include_in_schema=False
    )
    review.mount(app)
    add_agent_page(app)
    AgentWindow(settings).mount(app)
    CustomerWindow(assistant, settings.name, demo_shoppers, admission).mount(app)
    guard_windows(app)
    app.add_middleware(Observed, routes=tuple(app.routes), pseudonyms=Pseudonyms(load_secret(shop)))
    return app


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
        card = assistant.product(product_id, principal_of(request))
        inside = render.product(card, assistant.product_record(product_id).description, language)
        return HTMLResponse(render.page(card.title, inside, language))


def _add_login(app: FastAPI, identity: Identity) -> None:
    @app.get("/login", include_in_schema=False)
    def login(request: Request, token: Annotated[str, Query(max_length=200)] = "") -> Response:
        """The form for a key; with the token of a one-time link, signs in at once."""
        if token:
            return _signed_in(identity, token, request)
        return HTMLResponse(render.login(_language(request)))

    @app.post("/login", include_in_schema=False)
    def with_key(key: Annotated[str, Form(max_length=200)], request: Request) -> Response:
        """Signs in with an API key."""
        return _signed_in(identity, key, request)

    @app.post("/logout", include_in_schema=False)
    def logout() -> Response:
        """Ends the window's session."""
        response = RedirectResponse("/", status_code=303)
        response.delete_cookie(SESSION_COOKIE)
        return response


def _language(request: Request) -> str:
    return language_of(request.headers.get("accept-language", ""))


def _signed_in(identity: Identity, credential: str, request: Request) -> Response:
    """To the window that is theirs; who reads pages is told on the form why not."""
    try:
        cookie = identity.sign_in(credential, address_of(request.scope))
    except AisleError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        form = render.login(_language(request), error)
        return HTMLResponse(form, status_code=error.status, headers=retry_after(error))
    who = identity.from_session_cookie(cookie)
    role = who.role if who is not None else Role.CUSTOMER
    window = OPS_PATH if role in FIGURES else DESK_PATH if role is Role.AGENT else ""
    response = RedirectResponse(f"{window}/", status_code=303)
    response.set_cookie(SESSION_COOKIE, cookie, **cookie_options())
    return response


DEMO_STAFF: Final = {
    "agent": (Principal("Mia", Role.AGENT, SUPPORT), DESK_PATH),
    "supervisor": (Principal("Dana", Role.SUPERVISOR), OPS_PATH),
}
"""Whom a visitor of the demo can be behind the counter, and which window is theirs."""


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

    @app.get("/demo/{role}", include_in_schema=False)
    def work(role: str) -> Response:
        """The visitor works for the shop: an address for a private window, beside one in which they shop."""
        if role not in DEMO_STAFF:
            raise NotFound(f"Nobody works here as {role[:40]!r}.", f"Known: {', '.join(DEMO_STAFF)}.")
        who, window = DEMO_STAFF[role]
        response = RedirectResponse(f"{window}/", status_code=303)
        response.set_cookie(SESSION_COOKIE, identity.session_cookie(who), **cookie_options())
        return response
