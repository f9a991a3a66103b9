"""Who gets in, over the real application: failed sign-ins, proxies, scopes of keys, and what browsers are told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.api.headers import SecurityHeaders
from bot.api.identity import EMBED_HEADER, SESSION_COOKIE, VISITOR_COOKIE, address_of
from bot.api.proxies import TrustedProxies
from bot.api.scopes import missing_scope
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage.database import Database
from storage.errors import Unavailable
from storage.identity import Identity
from storage.keys import create_key, list_keys, revoke_key, today
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.scopes import FAMILIES
from storage.settings import ShopSettings
from tests.bot.conftest import application

ADMIN = Principal("operator", Role.ADMIN)
PROXY, ATTACKER, CUSTOMER = "10.0.0.1", "192.0.2.66", "192.0.2.7"
SETTINGS = ShopSettings.model_validate({"identity": {"trusted_proxies": [PROXY, "10.1.0.0/16"]}})
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory, bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> Iterator[tuple[TestClient, Identity, Database]]:
    """One application for all tests, behind one trusted proxy; each test comes from addresses of its own."""
    shop = tmp_path_factory.mktemp("front-door")
    with (
        application(shop, bot_snapshot, encoders_by_space, SETTINGS) as shop_opened,
        TestClient(shop_opened.app, client=(PROXY, 1)) as client,
    ):
        yield client, shop_opened.identity, shop_opened.database


@pytest.fixture
def client(opened: tuple[TestClient, Identity, Database]) -> TestClient:
    opened[0].cookies.clear()
    return opened[0]


@pytest.fixture
def database(opened: tuple[TestClient, Identity, Database]) -> Database:
    return opened[2]


@pytest.fixture
def key(database: Database) -> Callable[..., str]:
    """Makes a key: `key(Role.SUPERVISOR, "di", "desk")`, the last its scopes."""

    def make(role: Role, name: str, *scopes: str) -> str:
        return create_key(database, ADMIN, role, name, "support", scopes=scopes or None).key

    return make


def from_(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


Try = Callable[[TestClient, int, dict[str, str]], Any]
WAYS: dict[str, Try] = {
    "a key at /login": lambda client, n, headers: client.post(
        "/login", data={"key": f"aisle_{n:08x}_guessed"}, headers=headers
    ),
    "a link": lambda client, n, headers: client.get(f"/login?token=guessed-{n}", headers=headers),
    "an API key": lambda client, n, headers: client.get(
        "/api/cart", headers={**headers, "Authorization": f"Bearer aisle_{n:08x}_guessed"}
    ),
    "a token": lambda client, n, headers: client.get(
        "/v1/models", headers={**headers, "Authorization": f"Bearer {n}.forged.token"}
    ),
    "a page's token": lambda client, n, headers: client.post(
        "/embed/session", json={"token": f"{n}.forged.token"}, headers={**headers, EMBED_HEADER: "1"}
    ),
    "over MCP": lambda client, n, headers: client.post(
        "/mcp", json={}, headers={**headers, "Authorization": f"Bearer {n}.forged.token"}
    ),
}


class TestAttempts:
    @pytest.mark.parametrize("way", WAYS)
    def test_thirty_that_fail_are_throttled(self, client: TestClient, key: Callable[..., str], way: str) -> None:
        here, elsewhere = (f"192.0.2.{10 * (number + list(WAYS).index(way))}" for number in (1, 10))
        answers = [WAYS[way](client, number, from_(here)) for number in range(30)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [200 if way == "a page's token" else 401] * 20 + [429] * 10
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
        if way == "a token":
            assert answers[-1].json()["error"]["type"] == "rate_limit_error"
        else:
            assert answers[-1].headers["content-type"] == "application/problem+json"
            assert answers[-1].json()["status"] == 429
        good = key(Role.SUPERVISOR, "di")
        signed_in = client.post("/login", data={"key": good}, headers=from_(elsewhere), follow_redirects=False)
        assert signed_in.status_code == 303
        client.cookies.clear()
        assert client.post("/login", data={"key": good}, headers=from_(here)).status_code == 429
        assert client.get("/api/cart", headers=from_(here)).status_code == 200, (
            "a visitor shows nothing that could fail"
        )

    def test_one_account_from_many_addresses(self, client: TestClient, key: Callable[..., str]) -> None:
        mine, other = key(Role.SUPERVISOR, "di"), key(Role.SUPERVISOR, "ed")
        for number in range(10):
            tried = client.post("/login", data={"key": mine[:-1]}, headers=from_(f"198.51.100.{number}"))
            assert tried.status_code == 401
        for shown, status in ((mine, 429), (other, 303)):
            found = client.post("/login", data={"key": shown}, headers=from_("198.51.100.99"), follow_redirects=False)
            assert found.status_code == status

    def test_a_signed_token_and_a_signed_in_window_go_on(
        self, client: TestClient, opened: tuple[TestClient, Identity, Database], key: Callable[..., str]
    ) -> None:
        here, identity = from_("203.0.113.5"), opened[1]
        backend = {**here, "Authorization": f"Bearer {key(Role.SERVICE, 'backend')}"}
        maya = {**here, "Authorization": f"Bearer {identity.token(Principal('maya', Role.CUSTOMER))}"}
        window = {**here, "Cookie": f"{SESSION_COOKIE}={identity.session_cookie(Principal('maya', Role.CUSTOMER))}"}
        assert client.get("/api/order-changes", headers=backend).status_code == 200
        for number in range(25):
            WAYS["an API key"](client, number, here)
        for headers, path in (
            (backend, "/api/order-changes"),
            (maya, "/api/cart"),
            (window, "/api/users/maya/profile"),
        ):
            assert client.get(path, headers=headers).status_code == 200

    @pytest.mark.parametrize(
        ("language", "refused", "later"),
        [("en", "is not valid (any more)", "Please try again in 30 seconds."), ("zh-CN", "已经失效", "30 秒再试")],
    )
    def test_the_page_says_so(self, client: TestClient, language: str, refused: str, later: str) -> None:
        headers = {**PAGE, "Accept-Language": language, **from_(f"203.0.113.{len(language)}0")}
        pages = [WAYS["a key at /login"](client, number, headers) for number in range(21)]
        for page, status, words in ((pages[0], 401, refused), (pages[-1], 429, later)):
            assert page.status_code == status
            assert re.search(rf'<p class="failure" role="alert">[^<]*{re.escape(words)}', page.text)
            assert 'name="key"' in page.text, "and lets one try again"
        assert pages[-1].headers["retry-after"] == "30"

    def test_a_database_that_is_away_is_no_wrong_key(
        self, client: TestClient, opened: tuple[TestClient, Identity, Database], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> None:
            raise Unavailable("The database does not answer.", "Start it.")

        monkeypatch.setattr("storage.identity.key_of", away)
        for number in range(30):
            page = WAYS["a key at /login"](client, number, {**PAGE, **from_("203.0.113.77")})
            assert page.status_code == 503
        assert "That did not work." in page.text


class TestProxies:
    @pytest.fixture
    def seen(self) -> Callable[..., list[str]]:
        """Who a request seems to come from, by peer, and by which scheme."""

        async def tell(request: Request) -> Response:
            return PlainTextResponse(f"{address_of(request.scope)} {request.url.scheme}")

        def ask(peer: str, *trusted: str, **headers: str) -> list[str]:
            app = TrustedProxies(Starlette(routes=[Route("/", tell)]), trusted)
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return TestClient(app, client=(peer, 1)).get("/", headers=sent).text.split()

        return ask

    def test_only_a_trusted_one_is_believed(self, seen: Callable[..., list[str]]) -> None:
        told = {"X_Forwarded_For": "192.0.2.9", "X_Forwarded_Proto": "https"}
        assert seen("10.1.2.3", "10.1.0.0/16", **told) == ["192.0.2.9", "https"]
        assert seen("10.2.2.3", "10.1.0.0/16", **told) == ["10.2.2.3", "http"]
        assert seen("127.0.0.1", **told) == ["127.0.0.1", "http"], "not even this machine, unless it is named"
        assert seen("10.1.2.3", "10.1.0.0/16") == ["10.1.2.3", "http"]

    def test_what_the_client_wrote_before_it_counts_for_nothing(self, seen: Callable[..., list[str]]) -> None:
        chain = "203.0.113.1, 192.0.2.9, 10.1.7.7"
        assert seen("10.1.2.3", "10.1.0.0/16", X_Forwarded_For=chain)[0] == "192.0.2.9"

    def test_one_that_is_not_listed_is_told_of_once(
        self, seen: Callable[..., list[str]], caplog: pytest.LogCaptureFixture
    ) -> None:
        async def nothing(request: Request) -> Response:
            return Response()

        app = TestClient(TrustedProxies(Starlette(routes=[Route("/", nothing)])), client=(PROXY, 1))
        app.get("/")
        assert caplog.text == ""
        for _ in range(3):
            app.get("/", headers=from_("192.0.2.9"))
        assert caplog.text.count("trusted_proxies") == 1
        assert PROXY in caplog.text

    def test_guesses_cannot_be_spread_over_invented_addresses(self, client: TestClient) -> None:
        answers = [
            client.get(f"/login?token=guessed-{n}", headers=from_(f"198.18.0.{n}, 203.0.113.200")) for n in range(21)
        ]
        assert answers[-1].status_code == 429

    def test_without_a_socket_there_is_no_address(self) -> None:
        assert address_of({"type": "http", "client": None}) == ""


SCOPED = {
    "POST /api/chat": "chat",
    "POST /v1/chat/completions": "chat",
    "GET /v1/models": "chat",
    "POST /mcp": "chat",
    "GET /api/cart": "chat",
    "PATCH /api/cart/lines": "chat",
    "GET /api/conversations/x/export": "chat",
    "POST /api/feedback": "chat",
    "GET /": "chat",
    "POST /gradio_api/queue/join": "chat",
    "POST /embed/session": "chat",
    "POST /demo/shopper": "chat",
    "GET /api/products/p1": "catalog",
    "POST /api/products": "catalog",
    "POST /api/search": "catalog",
    "GET /products/p1": "catalog",
    "POST /api/events": "events",
    "GET /api/order-changes": "orders",
    "GET /api/users/maya/export": "users",
    "DELETE /api/users/maya": "users",
    "GET /api/agent/conversations": "desk",
    "POST /agent/gradio_api/queue/join": "desk",
    "GET /ops/": "figures",
    "POST /ops/gradio_api/queue/join": "figures",
    "POST /ops/audience": "figures",
    "GET /metrics": "figures",
    "POST /review/gradio_api/queue/join": "review",
}
READS = ("POST /api/search", "POST /ops/gradio_api/queue/join")


class TestScopes:
    @pytest.mark.parametrize("route", SCOPED)
    def test_one_family_reaches_a_route_and_no_other(self, route: str) -> None:
        method, _, path = route.partition(" ")
        reads = method == "GET" or route in READS
        for family in FAMILIES:
            mine = family == SCOPED[route]
            assert (missing_scope(frozenset({family}), method, path) is None) is mine
            assert (missing_scope(frozenset({f"{family}:read"}), method, path) is None) is (mine and reads)
        assert missing_scope(None, method, path) is None

    def test_what_no_scope_reaches(self) -> None:
        everything = frozenset(FAMILIES)
        for path in ("/api", "/api/new", "/api/chatter", "/api/agents"):
            assert missing_scope(everything, "GET", path) == "no scope reaches it"
        for path in ("/login", "/logout", "/openapi.json", "/docs"):
            assert missing_scope(frozenset({"events"}), "POST", path) is None

    def test_every_documented_route_has_a_family(self, client: TestClient) -> None:
        everything = frozenset(FAMILIES)
        for path, methods in client.get("/openapi.json").json()["paths"].items():
            for method in methods:
                assert missing_scope(everything, method.upper(), path) is None, path

    def test_a_key_reaches_what_it_is_bound_to(self, client: TestClient, key: Callable[..., str]) -> None:
        feed = {"Authorization": f"Bearer {key(Role.SERVICE, 'feed', 'catalog', 'orders:read')}"}
        offers = {"offers": [{"product_id": "kettle-1", "stock": 3}]}
        assert client.post("/api/products", json=offers, headers=feed).status_code == 204
        assert client.get("/api/order-changes", headers=feed).status_code == 200
        refused = client.get("/api/users/maya/export", headers=feed)
        assert refused.status_code == 403
        assert "needs the scope users:read" in refused.json()["detail"]
        assert client.post("/v1/chat/completions", json={}, headers=feed).json()["error"]["type"] == "permission_error"
        unbound = {"Authorization": f"Bearer {key(Role.SERVICE, 'backend')}"}
        assert client.get("/api/users/maya/export", headers=unbound).status_code == 200

    def test_a_scope_gives_nothing_that_the_role_lacks(self, client: TestClient, key: Callable[..., str]) -> None:
        maya = {"Authorization": f"Bearer {key(Role.CUSTOMER, 'maya', 'catalog', 'desk', 'figures')}"}
        assert client.post("/api/products", json={"offers": [{"product_id": "p"}]}, headers=maya).status_code == 403
        assert client.get("/api/agent/conversations", headers=maya).status_code == 403
        assert client.get("/metrics", headers=maya).status_code == 403

    def test_a_window_is_as_narrow_as_the_key_it_was_opened_with(
        self, client: TestClient, key: Callable[..., str]
    ) -> None:
        answer = client.post("/login", data={"key": key(Role.SUPERVISOR, "di", "figures:read")}, follow_redirects=False)
        assert answer.headers["location"] == "/ops/"
        assert client.get("/ops/").status_code == 200
        assert client.post("/ops/audience", data={"band": "at-risk"}).status_code == 403
        assert client.get("/agent/").status_code == 403
        assert client.get("/").status_code == 403
        assert client.post("/logout", follow_redirects=False).status_code == 303

    def test_no_page_signs_in_with_a_key(self, client: TestClient, key: Callable[..., str]) -> None:
        begun = client.post(
            "/embed/session", json={"token": key(Role.CUSTOMER, "maya", "events")}, headers={EMBED_HEADER: "1"}
        )
        assert begun.json()["refused"]
        assert client.get("/embed/session", headers={EMBED_HEADER: "1"}).json()["anonymous"]

    def test_the_day_of_use_is_written_with_the_first_request(
        self, client: TestClient, database: Database, key: Callable[..., str]
    ) -> None:
        shown = key(Role.ENGINEER, "used-once")
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {shown}"}).status_code == 200
        (mine,) = (each for each in list_keys(database, ADMIN) if each.name == "used-once")
        assert mine.used_at == today()
        revoke_key(database, ADMIN, mine.key_id)
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {shown}"}).status_code == 401


@pytest.mark.parametrize("path", ["/agent/", "/ops/", "/review/", "/ops/gradio_api/queue/data"])
def test_who_may_not_see_a_window_is_sent_to_sign_in_or_told(
    client: TestClient, key: Callable[..., str], path: str
) -> None:
    sent = client.get(path, headers=PAGE, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login")
    assert client.get(path).status_code == 401
    maya = {"Authorization": f"Bearer {key(Role.CUSTOMER, 'maya')}"}
    assert client.get(path, headers={**PAGE, **maya}).status_code == 403


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://[", ""])
def test_a_page_of_elsewhere_changes_nothing_by_cookie(client: TestClient, origin: str) -> None:
    refused = client.post("/logout", headers={"Origin": origin}, follow_redirects=False)
    assert refused.status_code == 403
    assert "[embed]" in refused.json()["hint"]


class TestHeaders:
    def test_only_over_https_it_is_for_good(self, client: TestClient) -> None:
        for path in ("/api/cart", "/", "/mcp", "/nowhere", "/window.css"):
            secure = client.get(path, headers={"X-Forwarded-Proto": "https", **from_(CUSTOMER)}).headers
            assert secure["strict-transport-security"] == "max-age=31536000"
            assert "strict-transport-security" not in client.get(path).headers

    def test_an_answer_about_somebody_is_kept_by_nobody(self, client: TestClient) -> None:
        for path in ("/api/cart", "/api/conversations", "/v1/models", "/login", "/metrics"):
            assert client.get(path).headers["cache-control"] == "no-store", path
        assert "no-store" not in client.get("/embed.js").headers["cache-control"]

    def test_what_is_shared_may_be(self, client: TestClient) -> None:
        assert client.get("/embed.js").headers["cross-origin-resource-policy"] == "cross-origin"
        assert client.get("/media/lamp.png").headers["cross-origin-resource-policy"] == "cross-origin"
        assert client.get("/window.js").headers["cross-origin-resource-policy"] == "same-origin"

    def test_data_is_no_page_and_a_plain_page_has_no_script_of_its_own(self, client: TestClient) -> None:
        for path in ("/api/cart", "/openapi.json", "/window.css", "/nowhere"):
            assert client.get(path).headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'self'"
        for path in ("/login", "/embed"):
            policy = client.get(path).headers["content-security-policy"]
            assert "; script-src 'self'; style-src 'self'; " in policy
        assert (
            "https:" not in client.get("/login").headers["content-security-policy"].split("script-src")[1].split(";")[0]
        )

    def test_the_scripts_of_a_window_are_named_one_by_one(self, client: TestClient) -> None:
        for path in ("/", "/docs"):
            answer = client.get(path)
            (allowed,) = re.findall(r"script-src ([^;]*)", answer.headers["content-security-policy"])
            inline = [each for each in re.findall(r"<script[^>]*>", answer.text) if " src=" not in each]
            assert allowed.count("'sha256-") == len(inline) > 0
            assert "unsafe-inline" not in allowed

    def test_a_page_that_comes_in_pieces_is_hashed_whole(self) -> None:
        async def page(request: Request) -> Response:
            pieces = iter(["<script>let\r", "\na = 1</scr", "ipt><script src='/x.js'></script><p onclick='b()'></p>"])
            return StreamingResponse(pieces, media_type="text/html")

        app = SecurityHeaders(Starlette(routes=[Route("/", page)]), ["https://shop.example"])
        answer = TestClient(app).get("/")
        # printf 'let\na = 1' | openssl dgst -sha256 -binary | base64
        assert (
            "'unsafe-eval' 'sha256-6/2BVmnGpWdJ4IlRt79wvQStzIVS8qu7/TehnKOjfwU=';"
            in answer.headers["content-security-policy"]
        )
        assert answer.headers["content-security-policy"].endswith("frame-ancestors 'self' https://shop.example")
        assert answer.text.startswith("<script>let\r\n")


def test_visitors_who_are_erased_one_after_the_other_cost_one_rewrite(client: TestClient) -> None:
    done = []
    for number in range(3):
        client.cookies.clear()
        event = {"event_id": "e", "event": "view_item", "timestamp": now_ms(), "items": [{"item_id": "kettle-1"}]}
        assert client.post("/api/events", json={"events": [event]}).json()["accepted"] == 1, number
        visitor = client.cookies[VISITOR_COOKIE].rpartition(".")[0]
        done.append(client.delete(f"/api/users/{visitor}").json())
    assert [each["erased"]["events"] for each in done] == [1, 1, 1]
    assert [each["compacted"] for each in done] == [True, False, False]
