"""The HTTP contract, over a real assistant, index and database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bot.api.identity import SESSION_COOKIE, VISITOR_COOKIE
from bot.service import Assistant
from bot.windows import render
from bot.windows.customer import CustomerWindow, Talk
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage.identity import Identity
from storage.keys import create_key
from storage.order_changes import make_change
from storage.order_rules import CancelOrder
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.publish import REFUSED
from storage.record import now_ms
from storage.settings import EmbedSettings, OrderSettings, ShopSettings
from tests.bot.catalog import PRODUCTS
from tests.bot.conftest import application

OPENAPI = Path(__file__).parent.parent.parent / "docs" / "openapi.json"
PARTNER = "https://partner.example"
REPLY = {"conversation_id", "message_id", "text", "language", "intent", "action", "products", "citations", "cart"}


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> Iterator[tuple[TestClient, Identity, Assistant]]:
    """One application for all tests: mounting the window takes seconds. Tests keep apart by being different people."""
    shop = tmp_path_factory.mktemp("served")
    settings = ShopSettings(embed=EmbedSettings(origins=(PARTNER,)))
    with (
        application(shop, bot_snapshot, encoders_by_space, settings) as opened,
        TestClient(opened.app) as client,
    ):
        yield client, opened.identity, opened.assistant


@pytest.fixture
def client(served: tuple[TestClient, Identity, Assistant]) -> TestClient:
    served[0].cookies.clear()
    return served[0]


@pytest.fixture
def identity(served: tuple[TestClient, Identity, Assistant]) -> Identity:
    return served[1]


def bearer(identity: Identity, user: str, role: Role = Role.CUSTOMER) -> dict[str, str]:
    return {"Authorization": f"Bearer {identity.token(Principal(user, role))}"}


def chat(client: TestClient, message: str = "show me kettles", **fields: object) -> dict[str, object]:
    answer = client.post("/api/chat", json={"message": message, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_visitor_is_known_by_a_signed_cookie(client: TestClient) -> None:
    first = client.get("/api/cart")
    assert "HttpOnly" in first.headers["set-cookie"]
    product = PRODUCTS[0]["id"]
    added = client.post("/api/cart/lines", json={"product_id": product})
    assert added.status_code == 200, added.text
    assert "set-cookie" not in added.headers
    assert [line["product_id"] for line in client.get("/api/cart").json()["lines"]] == [product]
    signed = client.cookies[VISITOR_COOKIE]
    forged = signed[:-1] + ("0" if signed[-1] != "0" else "1")
    client.cookies.clear()
    assert client.get("/api/cart", headers={"Cookie": f"{VISITOR_COOKIE}={forged}"}).json()["lines"] == []


def test_a_turn_has_all_fields_of_the_contract(client: TestClient) -> None:
    reply = chat(client)
    assert set(reply) == REPLY
    assert reply["products"], "a kettle is in the catalog"
    again = chat(client, "the second one", conversation_id=reply["conversation_id"])
    assert again["conversation_id"] == reply["conversation_id"]


def test_a_streamed_turn_sends_its_events_in_order(client: TestClient) -> None:
    with client.stream("POST", "/api/chat", json={"message": "show me kettles", "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    payloads = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    order = ["meta", "products", "text", "citations", "cart", "done"]
    assert list(dict.fromkeys(names)) == [name for name in order if name in names]
    assert {"meta", "products", "text", "done"} <= set(names)
    deltas = "".join(payload["delta"] for name, payload in zip(names, payloads, strict=True) if name == "text")
    assert deltas == payloads[-1]["text"]


def test_anothers_conversation_looks_like_none(client: TestClient, identity: Identity) -> None:
    theirs = chat(client)["conversation_id"]
    client.cookies.clear()
    answer = client.post("/api/chat", json={"message": "hi", "conversation_id": theirs})
    missing = client.post("/api/chat", json={"message": "hi", "conversation_id": "nowhere"})
    assert answer.status_code == missing.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "hint"}
    profile = client.get("/api/users/maya/profile", headers=bearer(identity, "leo"))
    assert profile.status_code == 404


@pytest.mark.parametrize("credential", ["Bearer nonsense", "Bearer ", "Basic dTpw", "Bearer aisle_nokey"])
def test_a_credential_that_does_not_hold_is_refused(client: TestClient, credential: str) -> None:
    answer = client.get("/api/cart", headers={"Authorization": credential})
    assert answer.status_code == 401
    assert answer.json()["hint"]


def test_only_the_service_may_name_a_user(client: TestClient, identity: Identity) -> None:
    body = {"message": "hello", "user_id": "maya"}
    assert client.post("/api/chat", json=body, headers=bearer(identity, "leo")).status_code == 403
    reply = client.post("/api/chat", json=body, headers=bearer(identity, "backend", Role.SERVICE))
    assert reply.status_code == 200
    conversation = reply.json()["conversation_id"]
    mine = {"message": "hello again", "conversation_id": conversation}
    assert client.post("/api/chat", json=mine, headers=bearer(identity, "maya")).status_code == 200
    assert client.post("/api/chat", json=mine, headers=bearer(identity, "leo")).status_code == 404


def test_search_keeps_its_conditions(client: TestClient) -> None:
    answer = client.post("/api/search", json={"text": "kettle under $40", "limit": 5}).json()
    assert answer["constraints"]["price"]["max"] == 4000
    assert all(card["price"]["amount"] <= 4000 for card in answer["products"])
    wrong = client.post("/api/search", json={"text": "kettle", "limit": 101})
    assert wrong.status_code == 422
    assert "limit" in wrong.json()["detail"]
    assert client.post("/api/search", json={"txt": "kettle"}).status_code == 422


def test_events_are_accepted_once_and_broken_ones_named(client: TestClient) -> None:
    view = {"event_id": "e1", "event": "view_item", "timestamp": "2026-11-01T10:00:00Z", "items": [{"item_id": "p"}]}
    batch = {"events": [view, {"event": "view_item"}, "nonsense", {**view, "event_id": "e2", "user_id": "other"}]}
    answer = client.post("/api/events", json=batch)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert [row["index"] for row in answer.json()["rejected"]] == [1, 2, 3]
    assert client.post("/api/events", json={"events": [view]}).json() == {
        "accepted": 0,
        "duplicates": 1,
        "rejected": [],
    }
    assert client.post("/api/events", json={"events": [view] * 1001}).status_code == 422


def test_events_that_cannot_be_are_refused_and_repeats_are_duplicates(client: TestClient) -> None:
    view = {"event": "view_item", "session_id": "s", "items": [{"item_id": "p"}], "dwell_ms": 90_000}
    times = {"a": 0, "b": 10_000, "b-again": 10_000, "c": 30_000, "never": -1_793_000_000_000, "later": 10**12}
    batch = [{**view, "event_id": name, "timestamp": 1_793_527_200_000 + at} for name, at in times.items()]
    answer = client.post("/api/events", json={"events": batch}).json()
    assert (answer["accepted"], answer["duplicates"]) == (3, 1)
    assert [row["index"] for row in answer["rejected"]] == [4, 5]
    assert ["no date" in row["reason"] or "future" in row["reason"] for row in answer["rejected"]] == [True, True]
    again = client.post("/api/events", json={"events": batch[::-1]}).json()
    assert (again["accepted"], again["duplicates"]) == (1, 3), "among batches an id alone tells a repeat"


def test_a_profile_knows_of_each_batch_at_once(client: TestClient, identity: Identity) -> None:
    backend, product = bearer(identity, "backend", Role.SERVICE), PRODUCTS[0]
    told = []
    for number in range(3):
        event = {
            "event_id": f"n{number}",
            "event": "view_item",
            "user_id": "noa",
            "timestamp": now_ms() - 90_000 * number,
        }
        event |= {"items": [{"item_id": product["id"]}]}
        assert client.post("/api/events", json={"events": [event]}, headers=backend).json()["accepted"] == 1
        beliefs = client.get("/api/users/noa/profile", headers=backend).json()["beliefs"]
        told.append(max(belief["weight"] for belief in beliefs))
        assert f"n{number}" in {name for belief in beliefs for name in belief["evidence"]}
    assert told == sorted(told)


def test_the_cart_changes_truly(client: TestClient) -> None:
    product = PRODUCTS[0]["id"]
    once = {"product_id": product, "quantity": 2, "request_id": "r1"}
    client.post("/api/cart/lines", json=once)
    cart = client.post("/api/cart/lines", json=once).json()
    (line,) = cart["lines"]
    assert line["quantity"] == 2
    assert cart["subtotal"]["amount"] == 2 * line["price"]["amount"]
    changed = client.patch("/api/cart/lines", json={"line_id": line["line_id"], "quantity": 1}).json()
    assert changed["lines"][0]["quantity"] == 1
    assert changed["version"] > cart["version"]
    empty = client.request("DELETE", "/api/cart/lines", json={"line_id": line["line_id"]}).json()
    assert empty["lines"] == []
    unknown = client.post("/api/cart/lines", json={"product_id": "no-such-product"})
    assert unknown.status_code == 404


def test_the_shop_fetches_what_customers_changed(
    client: TestClient, identity: Identity, served: tuple[TestClient, Identity, Assistant]
) -> None:
    database = served[2].database
    order = {"order_id": "A-1", "user_id": "nora", "status": "paid", "placed_at": 1767323045}
    put_orders(database, Principal("backend", Role.SERVICE), [Order.model_validate(order)])
    nora, rules = Principal("nora", Role.CUSTOMER), OrderSettings(self_service=("cancel",))
    made = make_change(database, nora, "nora", CancelOrder(order_id="A-1"), rules, lambda _: {}, "r1")
    service = bearer(identity, "backend", Role.SERVICE)
    (change,) = client.get("/api/order-changes", headers=service).json()["changes"]
    assert (change["kind"], change["order_id"], change["by_id"]) == ("cancel", "A-1", "nora")
    assert client.get(f"/api/order-changes?after={made.row}", headers=service).json() == {"changes": []}
    assert client.get("/api/order-changes?after=-1", headers=service).status_code == 422
    assert client.get("/api/order-changes", headers=bearer(identity, "nora", Role.CUSTOMER)).status_code == 403


def test_newer_prices_come_from_the_service_only(client: TestClient, identity: Identity) -> None:
    product = PRODUCTS[1]["id"]
    offer = {"offers": [{"product_id": product, "price": {"amount": 123, "currency": "USD"}}]}
    assert client.post("/api/products", json=offer).status_code == 403
    service = bearer(identity, "backend", Role.SERVICE)
    assert client.post("/api/products", json=offer, headers=service).status_code == 204
    assert client.get(f"/api/products/{product}").json()["price"] == {"amount": 123, "currency": "USD"}
    assert client.get("/api/products/no-such-product").status_code == 404


def test_a_variant_is_reported_and_looked_up_by_its_own_id(client: TestClient, identity: Identity) -> None:
    offer = {"offers": [{"product_id": "shoe-2-green-42", "price": {"amount": 4321, "currency": "USD"}, "stock": 0}]}
    service = bearer(identity, "backend", Role.SERVICE)
    assert client.post("/api/products", json=offer, headers=service).status_code == 204
    card = client.get("/api/products/shoe-2-green-42").json()
    assert (card["product_id"], card["variant_id"]) == ("shoe-2", "shoe-2-green-42")
    assert (card["price"]["amount"], card["availability"]) == (4321, "out_of_stock")
    assert card["attributes"]["size"] == ["42"]
    other = client.get("/api/products/shoe-2-green-41").json()
    assert (other["price"]["amount"], other["availability"]) == (8900, "in_stock")
    line = client.post("/api/cart/lines", json={"product_id": "shoe-2-green-41"}).json()["lines"][-1]
    assert (line["product_id"], line["variant_id"]) == ("shoe-2", "shoe-2-green-41")
    assert client.post("/api/cart/lines", json={"product_id": "shoe-2-green-42"}).status_code == 409
    found = client.post("/api/search", json={"text": "Falken Drift trail running shoes 41"}).json()["products"][0]
    assert (found["variant_id"], found["title"]) == ("shoe-2-green-41", "Falken Drift trail running shoes (41)")


def test_thumbs_need_a_message_of_ones_own(client: TestClient) -> None:
    reply = chat(client)
    thumb = {"message_id": reply["message_id"], "value": "up"}
    assert client.post("/api/feedback", json=thumb).status_code == 204
    client.cookies.clear()
    assert client.post("/api/feedback", json=thumb).status_code == 404


def test_a_belief_can_be_removed(client: TestClient, identity: Identity) -> None:
    maya = bearer(identity, "maya")
    product = next(each for each in PRODUCTS if each.get("categories") and each.get("brand"))
    views = [
        {
            "event_id": f"v{number}",
            "event": "view_item",
            "timestamp": f"2026-11-2{number}T10:00:00Z",
            "items": [{"item_id": product["id"]}],
            "dwell_ms": 40_000,
        }
        for number in range(4)
    ]
    assert client.post("/api/events", json={"events": views}, headers=maya).json()["accepted"] == 4
    beliefs = client.get("/api/users/maya/profile", headers=maya).json()["beliefs"]
    assert beliefs
    first = beliefs[0]
    left = client.delete(f"/api/users/maya/profile/{first['kind']}/{first['value']}", headers=maya).json()["beliefs"]
    assert (first["kind"], first["value"]) not in {(each["kind"], each["value"]) for each in left}
    assert len(left) < len(beliefs)


def test_a_shopper_takes_their_data_out_and_is_erased(client: TestClient, identity: Identity) -> None:
    vera = bearer(identity, "vera")
    said = "a lamp for my attic in Aberystwyth"
    conversation = client.post("/api/chat", json={"message": said}, headers=vera).json()["conversation_id"]
    client.post("/api/cart/lines", json={"product_id": PRODUCTS[0]["id"]}, headers=vera)
    theirs = client.get("/api/users/vera/export", headers=vera).json()
    assert [turn["content"] for turn in theirs["turns"] if turn["role"] == "user"] == [said]
    assert theirs["cart_lines"]
    assert theirs["user_id"] == "vera"
    for other in ({}, bearer(identity, "leo"), bearer(identity, "eve", Role.ENGINEER)):
        assert client.get("/api/users/vera/export", headers=other).status_code == 404
        assert client.delete("/api/users/vera", headers=other).status_code == 404
    done = client.delete("/api/users/vera", headers=vera).json()
    assert done["erased"]["conversations"] == 1
    left = client.get("/api/users/vera/export", headers=bearer(identity, "backend", Role.SERVICE)).json()
    assert not any(value for name, value in left.items() if name not in ("user_id", "exported_at"))
    gone = {"message": "and cheaper?", "conversation_id": conversation}
    assert client.post("/api/chat", json=gone, headers=vera).status_code == 404
    assert client.post("/api/chat", json={"message": "hello"}, headers=vera).status_code == 200, "as a stranger"


def test_another_site_cannot_act_by_cookie(client: TestClient) -> None:
    product = {"product_id": PRODUCTS[0]["id"]}
    client.get("/api/cart")
    refused = client.post("/api/cart/lines", json=product, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert client.get("/api/cart").json()["lines"] == []
    assert client.post("/api/cart/lines", json=product, headers={"Origin": PARTNER}).status_code == 200
    agent = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "mcp-protocol-version, mcp-name",
    }
    assert client.options("/mcp", headers={"Origin": PARTNER, **agent}).status_code == 200
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options("/api/chat", headers=preflight).headers


def test_a_key_and_a_one_time_link_sign_in(client: TestClient, served: tuple[TestClient, Identity, Assistant]) -> None:
    admin = Principal("operator", Role.ADMIN)
    made = create_key(served[2].database, admin, Role.CUSTOMER, "maya")
    assert client.get("/api/users/maya/profile").status_code == 404
    answer = client.get(f"/login?token={made.link_token}", follow_redirects=False)
    assert answer.status_code == 303
    assert client.cookies[SESSION_COOKIE]
    assert client.get("/api/users/maya/profile").status_code == 200
    client.cookies.clear()
    assert client.get(f"/login?token={made.link_token}", follow_redirects=False).status_code == 401
    assert client.post("/login", data={"key": made.key}, follow_redirects=False).status_code == 303
    assert client.post("/logout", follow_redirects=False).status_code == 303
    assert client.get("/api/users/maya/profile").status_code == 404


@pytest.mark.parametrize("text", ["", "🙂🙂🙂", "<script>alert(1)</script>", "'; DROP TABLE turns; --", "x" * 50_000])
def test_odd_messages_get_an_answer(client: TestClient, text: str) -> None:
    reply = chat(client, text)
    assert reply["text"]


def test_health_is_open_and_the_window_is_served(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"
    page = client.get("/")
    assert page.status_code == 200
    assert "gradio" in page.text


def test_the_window_escapes_what_it_is_told() -> None:
    hostile = '<img src=x onerror="alert(1)">'
    assert "<img" not in render.user_turn(hostile, "en")
    assert "<img" not in render.assistant_turn(hostile, (), (), "en", "m")
    assert render.safe_url("javascript:alert(1)") == ""
    assert render.safe_url("//evil.example/x") == ""
    assert render.safe_url("/products/1") == "/products/1"


def test_counters_are_for_who_runs_the_shop(client: TestClient, identity: Identity) -> None:
    REFUSED.add(kind="index")
    told = client.get("/metrics", headers=bearer(identity, "prometheus", Role.SERVICE))
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert f'aisle_refused_versions_total{{kind="index"}} {REFUSED.value(kind="index")}\n' in told.text
    assert client.get("/metrics").status_code == 403


def test_the_committed_openapi_file_is_the_one_that_is_served(client: TestClient) -> None:
    served = client.get("/openapi.json").json()
    if os.environ.get("WRITE_OPENAPI"):
        OPENAPI.write_text(json.dumps(served, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(OPENAPI.read_text(encoding="utf-8")) == served, "write it anew: make openapi"


def test_a_page_of_the_shop_is_never_who_is_signed_in_here(client: TestClient, identity: Identity) -> None:
    """Where the shop's domain is Aisle's too, browsers send our cookies along with requests of its pages."""
    client.cookies.set(SESSION_COOKIE, identity.session_cookie(Principal("Mia", Role.AGENT, "support")))
    assert client.get("/api/agent/conversations").status_code == 200
    assert client.get("/api/agent/conversations", headers={"Origin": PARTNER}).status_code == 403
    assert client.post("/api/agent/conversations/x/claim", headers={"Origin": PARTNER}).status_code == 403


@pytest.mark.parametrize("others", ['prefs={"a":1}', "cart[]=1", "a=b c", "flag", "=", ""])
def test_cookies_of_other_software_do_not_hide_the_visitors(client: TestClient, others: str) -> None:
    product = PRODUCTS[0]["id"]
    client.post("/api/cart/lines", json={"product_id": product})
    cookie = f"{others}; {VISITOR_COOKIE}={client.cookies[VISITOR_COOKIE]}"
    client.cookies.clear()
    assert len(client.get("/api/cart", headers={"Cookie": cookie}).json()["lines"]) == 1


def test_the_backend_speaks_for_whose_conversation_it_is(client: TestClient, identity: Identity) -> None:
    service = bearer(identity, "backend", Role.SERVICE)
    first = client.post("/api/chat", json={"message": "kettles", "user_id": "nora"}, headers=service).json()
    theirs = {"message": "the first one", "conversation_id": first["conversation_id"]}
    assert client.post("/api/chat", json=theirs, headers=service).status_code == 200
    assert client.post("/api/chat", json={**theirs, "user_id": "leo"}, headers=service).status_code == 404


@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.ENGINEER, Role.ADMIN])
def test_staff_speak_in_no_customers_name(client: TestClient, identity: Identity, role: Role) -> None:
    theirs = chat(client)["conversation_id"]
    staff = bearer(identity, "ann", role)
    for body in ({"message": "thanks", "conversation_id": theirs}, {"message": "hello"}):
        assert client.post("/api/chat", json=body, headers=staff).status_code == 403


def test_a_fault_of_ours_is_a_problem_too(
    served: tuple[TestClient, Identity, Assistant], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _, assistant = served

    def broken(*_: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(assistant, "_profile_of", broken)
    quiet = TestClient(client.app, raise_server_exceptions=False)
    answer = quiet.post("/api/chat", json={"message": "show me kettles"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    with quiet.stream("POST", "/api/chat", json={"message": "show me kettles", "stream": True}) as stream:
        text = stream.read().decode()
    assert "event: error" in text
    assert '"status": 500' in text.replace('"status":500', '"status": 500')
    assert "secret" not in text


def test_an_origin_that_is_none_is_refused(client: TestClient) -> None:
    answer = client.post("/api/feedback", json={"message_id": "m", "value": "up"}, headers={"Origin": "http://["})
    assert answer.status_code == 403


def test_a_broken_address_in_the_catalog_is_no_link() -> None:
    assert render.safe_url("http://[bad/x") == ""
    assert render.safe_url("javascript:alert(1)") == ""
    assert render.safe_url("https://shop.example/x") == "https://shop.example/x"


def test_a_products_own_page_has_no_buttons_without_script(client: TestClient) -> None:
    page = client.get(f"/products/{PRODUCTS[0]['id']}").text
    assert PRODUCTS[0]["title"] in page
    assert "<button" not in page


def test_staff_who_sign_in_can_sign_out(client: TestClient, served: tuple[TestClient, Identity, Assistant]) -> None:
    window = CustomerWindow(served[2], "Shop")
    panel = window._view(Principal("ann", Role.AGENT, team="support"), Talk())[window.cart]
    assert "agent" in panel
    assert 'action="/logout"' in panel


EVERYTHING = {"answer": True, "personalize": True, "train": True}


class TestConsent:
    def test_a_shopper_chooses_and_sees_what_they_chose(self, client: TestClient, identity: Identity) -> None:
        mine = bearer(identity, "cora")
        before = client.get("/api/users/cora/consent", headers=mine).json()
        assert before == {
            "user_id": "cora", "answer": True, "personalize": True, "train": False, "chosen": False, "history": []
        }  # fmt: skip
        chosen = client.put("/api/users/cora/consent", json=EVERYTHING, headers=mine)
        assert chosen.status_code == 200, chosen.text
        assert chosen.json()["chosen"]
        backend = bearer(identity, "shop", Role.SERVICE)
        without = {"answer": False, "personalize": True, "train": False}
        now = client.put("/api/users/cora/consent", json=without, headers=backend).json()
        assert (now["answer"], now["personalize"], now["train"]) == (False, False, False)
        assert now == client.get("/api/users/cora/consent", headers=mine).json()
        assert [(each["by_role"], each["source"], each["train"]) for each in now["history"]] == [
            ("service", "api", False),
            ("customer", "api", True),
        ]

    @pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER, Role.ADMIN])
    def test_another_persons_is_not_there(self, client: TestClient, identity: Identity, role: Role) -> None:
        others = bearer(identity, "mallory", role)
        assert client.get("/api/users/cora/consent", headers=others).status_code == 404
        assert client.put("/api/users/cora/consent", json=EVERYTHING, headers=others).status_code == 404

    @pytest.mark.parametrize(
        "body", [{}, {"answer": True, "personalize": True}, {"answer": 1, "personalize": True, "train": True}]
    )
    def test_none_is_given_by_leaving_it_out(self, client: TestClient, identity: Identity, body: object) -> None:
        answer = client.put("/api/users/cora/consent", json=body, headers=bearer(identity, "cora"))
        assert answer.status_code == 422


class TestAudit:
    def test_who_looks_at_a_profile_is_seen_by_admins_and_supervisors(
        self, client: TestClient, identity: Identity, served: tuple[TestClient, Identity, Assistant]
    ) -> None:
        assistant, backend = served[2], bearer(identity, "shop", Role.SERVICE)
        views = [
            {"event_id": f"look {place}", "event": "view_item", "user_id": "vera", "timestamp": now_ms()}
            | {"items": [{"item_id": product["id"]}], "dwell_ms": 30_000}
            for place, product in enumerate(PRODUCTS[:6])
        ]
        client.post("/api/events", json={"events": views}, headers=backend)
        assert client.get("/api/users/vera/profile", headers=bearer(identity, "vera")).json()["beliefs"]
        for _ in range(3):
            assert client.get("/api/users/vera/profile", headers=backend).json()["beliefs"]
        client.get("/api/users/vera/export", headers=bearer(identity, "boss", Role.ADMIN))
        for role in (Role.ADMIN, Role.SUPERVISOR):
            asked = client.get("/api/audit", params={"user_id": "vera"}, headers=bearer(identity, "boss", role))
            found = [(each["by_id"], each["what"]) for each in asked.json()["accesses"]]
            assert found == [("boss", "export"), ("shop", "profile")]
        newest = asked.json()["accesses"][0]["at"]
        earlier = {"user_id": "vera", "before": newest, "limit": 1}
        (older,) = client.get("/api/audit", params=earlier, headers=bearer(identity, "boss", Role.ADMIN)).json()[
            "accesses"
        ]
        assert older["what"] == "profile"
        assistant.erase(Principal("boss", Role.ADMIN), "vera")
        asked = client.get("/api/audit", params={"user_id": "vera"}, headers=bearer(identity, "boss", Role.ADMIN))
        after = asked.json()["accesses"]
        assert [each["what"] for each in after] == ["erasure", "export", "profile"]
        assert all(each["whose"].startswith("erased:") for each in after)
        everything = client.get("/api/audit", headers=bearer(identity, "boss", Role.ADMIN)).text
        assert "vera" not in everything

    @pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.ENGINEER, Role.SERVICE])
    def test_nobody_else_sees_it(self, client: TestClient, identity: Identity, role: Role) -> None:
        assert client.get("/api/audit", headers=bearer(identity, "mia", role)).status_code == 403
