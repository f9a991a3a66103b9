"""Every route that the application has, without a login: what is not decided here fails, so that a new one cannot slip in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI

from bot.api.identity import SESSION_COOKIE
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage.identity import Identity
from storage.principal import Principal, Role
from tests.bot.conftest import application, serving

FOREIGN: Final = "https://elsewhere.example"
SAFE: Final = ("GET", "HEAD")

STATIC: Final = {
    "GET /healthz",
    "GET /readyz",
    "GET /docs",
    "HEAD /docs",
    "GET /docs/oauth2-redirect",
    "HEAD /docs/oauth2-redirect",
    "GET /redoc",
    "HEAD /redoc",
    "GET /openapi.json",
    "HEAD /openapi.json",
    "GET /window.css",
    "GET /window.js",
    "GET /embed.js",
    "GET /embed-frame.js",
    "GET /login",
    "GET /media/{path:path}",
    # Gradio's, of the customer's window.
    "GET /",
    "HEAD /",
    "GET /config",
    "GET /assets/{path:path}",
    "GET /static/{path:path}",
    "GET /svelte/{path:path}",
    "GET /favicon.ico",
    "GET /theme.css",
    "GET /gradio_api/app_id",
    "GET /gradio_api/startup-events",
}
"""The same for everybody."""

OWN: Final[dict[str, int]] = {
    "POST /login": 422,  # a form without a key
    "POST /logout": 303,
    "GET /products/{product_id}": 404,
    "GET /embed": 200,
    "GET /embed/session": 200,
    "POST /embed/session": 200,
    "POST /api/chat": 422,
    "POST /api/search": 200,
    "POST /api/events": 422,
    "POST /api/feedback": 422,
    "GET /api/cart": 200,
    "POST /api/cart/lines": 422,
    "PATCH /api/cart/lines": 422,
    "DELETE /api/cart/lines": 422,
    "GET /api/products/{product_id}": 404,
    "GET /api/users/{user_id}/profile": 404,
    "DELETE /api/users/{user_id}/profile/{kind}/{value:path}": 404,
    "GET /api/users/{user_id}/consent": 404,
    "PUT /api/users/{user_id}/consent": 404,
    "GET /api/users/{user_id}/export": 404,
    "DELETE /api/users/{user_id}": 404,
    "GET /api/conversations": 200,
    "GET /api/conversations/{conversation_id}": 404,
    "GET /api/conversations/{conversation_id}/export": 404,
    "GET /api/conversations/{conversation_id}/stream": 404,
    "POST /api/conversations/{conversation_id}/rating": 404,
    "GET /v1/models": 200,
    "GET /v1/models/{model}": 404,
    "POST /v1/chat/completions": 400,
    "POST /mcp": 400,
    "POST /gradio_api/queue/join": 422,
    "GET /gradio_api/queue/data": 422,
    "GET /gradio_api/heartbeat/{session_hash}": 200,
}
"""What a visitor may, in their own name and of their own things, and the status of a request for nobody's or for nothing."""

SAID: Final = {"text": "hello"}
BODIES: Final[dict[str, Any]] = {
    "PUT /api/users/{user_id}/consent": {"answer": True, "personalize": True, "train": False},
    "POST /api/products": {"offers": [{"product_id": "p1", "stock": 1}]},
    "POST /api/conversations/{conversation_id}/rating": {"rating": 5},
    "POST /api/agent/conversations/{conversation_id}/release": {},
    "POST /api/agent/conversations/{conversation_id}/assign": {"agent": "mia"},
    "POST /api/agent/conversations/{conversation_id}/close": {"code": "solved"},
    "POST /api/agent/conversations/{conversation_id}/messages": SAID,
    "POST /api/agent/conversations/{conversation_id}/notes": SAID,
    "PUT /api/agent/conversations/{conversation_id}/draft": SAID,
    "POST /api/agent/conversations/{conversation_id}/intent": {"message_id": "m", "intents": ["search"]},
    "POST /api/agent/conversations/{conversation_id}/suggestions/{suggestion_id}": {"done": "dismissed"},
    "POST /api/agent/conversations/{conversation_id}/translation": {"text": "hi", "language": "zh"},
}
"""What is in order but for who asks; elsewhere the body is empty."""

STAFF: Final = ("/metrics", "/api/order-changes", "/api/agent", "/agent", "/ops", "/review")
"""For who works for the shop, whole."""
STAFF_ALONE: Final = {"POST /api/products", "GET /api/audit"}
UNUSED: Final = re.compile(
    r"/(gradio_api|login/$|logout$|monitoring|config/$|deep_link|robots|pwa_icon|manifest|openapi)"
)
"""What Gradio has beside that no window uses: it answers as if it were not there."""


@dataclass(frozen=True)
class Shop:
    app: FastAPI
    client: httpx.Client
    identity: Identity

    def ask(self, route: str, **more: Any) -> httpx.Response:
        """The head of the answer to a request for nobody's things; a stream is left at once."""
        method, _, path = route.partition(" ")
        filled = re.sub(r"\{[^}]*\}", "nobodys-thing", path)
        body = {"json": BODIES.get(route, {})} if method not in SAFE else {}
        self.client.cookies.clear()
        with self.client.stream(method, filled, **body, **more) as answer:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer.read()
            return answer


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> Iterator[Shop]:
    """Served for real, for some of Gradio's routes never end."""
    folder = tmp_path_factory.mktemp("walked")
    (folder / "media").mkdir()
    (folder / "media" / "nobodys-thing").write_text("a picture")
    with (
        application(folder, bot_snapshot, encoders_by_space) as opened,
        serving(opened.app) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield Shop(opened.app, client, opened.identity)


def routes_of(routes: Any, prefix: str = "") -> Iterator[str]:
    """`METHOD /path` of all routes, those of what is mounted and included too."""
    for route in routes:
        if hasattr(route, "effective_candidates"):  # a router that FastAPI keeps whole
            yield from routes_of(route.effective_candidates(), prefix)
        elif type(route).__name__ == "Mount" and route.routes:
            yield from routes_of(route.routes, prefix + route.path)
        elif type(route).__name__ == "Mount":
            yield f"GET {prefix}{route.path}/{{path:path}}"  # files
        else:
            for method in sorted(route.methods or {"POST"}):
                yield f"{method} {prefix}{route.path}"


def is_staffs(route: str) -> bool:
    path = route.partition(" ")[2]
    return route in STAFF_ALONE or any(path == start or path.startswith(f"{start}/") for start in STAFF)


def test_none_is_forgotten(shop: Shop) -> None:
    found = list(routes_of(shop.app.router.routes))
    documented = {
        f"{method.upper()} {path}" for path, methods in shop.app.openapi()["paths"].items() for method in methods
    }
    assert {route.replace(":path", "") for route in found} >= documented, "the walk misses some"
    assert any("/gradio_api/upload" in route for route in found), "the walk misses Gradio's"
    undecided = [
        route
        for route in found
        if not (route in STATIC or route in OWN or is_staffs(route) or UNUSED.search(route.partition(" ")[2]))
    ]
    assert undecided == [], "decide who may see it: the table at the top of this file"
    assert STATIC | set(OWN) <= set(found), "the tables name what is gone"


def test_without_a_login_only_ones_own(shop: Shop) -> None:
    wrong = {}
    for route in routes_of(shop.app.router.routes):
        status = shop.ask(route).status_code
        expected: tuple[int, ...]
        if route in STATIC:
            expected = (200, 404)  # 404: there is no such file
        elif route in OWN:
            expected = (OWN[route],)
        elif is_staffs(route):
            expected = (401, 403)
        else:
            expected = (404, 405)
        if status not in expected:
            wrong[route] = (status, expected)
    assert wrong == {}


def test_a_foreign_page_reads_nothing_and_changes_nothing(shop: Shop) -> None:
    signed_in = {SESSION_COOKIE: shop.identity.session_cookie(Principal("maya", Role.CUSTOMER))}
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in signed_in.items())}
    for route in routes_of(shop.app.router.routes):
        method, _, path = route.partition(" ")
        answers = [shop.ask(route, headers={"Origin": FOREIGN, **cookie})]
        if method not in SAFE:
            assert answers[0].status_code == 403, route
        asked = {"Origin": FOREIGN, "Access-Control-Request-Method": method}
        answers.append(shop.ask(f"OPTIONS {path}", headers=asked))
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control-allow-origin")], route


def test_every_answer_is_closed_by_default(shop: Shop) -> None:
    for route in routes_of(shop.app.router.routes):
        headers = shop.ask(route).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), route
        assert "frame-ancestors 'self'" in policy, route
        assert headers["x-content-type-options"] == "nosniff", route
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin", route
        assert "camera=()" in headers["permissions-policy"], route
        assert "strict-transport-security" not in headers, "this is not https"
        assert "'unsafe-inline'" not in policy.split("script-src ")[-1].split(";")[0], route
