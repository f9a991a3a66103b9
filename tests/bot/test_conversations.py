"""Conversations read again: over HTTP with the principal checked, and as they stand in the window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from fastapi.testclient import TestClient

from bot.api.identity import EMBED_COOKIE, EMBED_HEADER
from bot.service import Assistant
from bot.transcript import messages_of, todays, transcript_of
from bot.windows import render
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.identity import Identity
from storage.offers import Offer, put_offers
from storage.past_conversations import TITLE_CHARACTERS, past_conversations
from storage.principal import Principal, Role, local_operator
from storage.settings import EmbedSettings, ShopSettings
from tests.bot.conftest import Conversation, application

PARTNER = "https://partner.example"
ANN = Principal("ann", Role.CUSTOMER)
BEN = Principal("ben", Role.CUSTOMER)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> Iterator[tuple[TestClient, Identity, Assistant]]:
    shop = tmp_path_factory.mktemp("conversations")
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


def headers(served: tuple[TestClient, Identity, Assistant], who: Principal) -> dict[str, str]:
    return {"Authorization": f"Bearer {served[1].token(who)}"}


def test_a_conversation_is_listed_read_and_exported(
    client: TestClient, served: tuple[TestClient, Identity, Assistant]
) -> None:
    ann = headers(served, ANN)
    reply = client.post("/api/chat", json={"message": "show me kettles"}, headers=ann).json()
    listed = client.get("/api/conversations", headers=ann).json()["conversations"]
    assert [(each["title"], each["messages"]) for each in listed] == [("show me kettles", 2)]
    address = f"/api/conversations/{reply['conversation_id']}"
    read = client.get(address, headers=ann).json()
    assert [message["text"] for message in read["messages"]] == ["show me kettles", reply["text"]]
    assert read["messages"][1]["products"] == reply["products"]
    for form, ending in (("markdown", "md"), ("json", "json")):
        file = client.get(f"{address}/export", params={"format": form, "language": "zh"}, headers=ann)
        assert file.headers["content-disposition"].endswith(f'.{ending}"')
        assert file.headers["cache-control"] == "no-store"
        assert reply["products"][0]["title"] in file.text
    assert client.get(f"{address}/export", params={"format": "pdf"}, headers=ann).status_code == 422


@pytest.mark.parametrize("path", ["", "/export"])
def test_anothers_conversation_answers_as_one_that_is_not_there(
    client: TestClient, served: tuple[TestClient, Identity, Assistant], path: str
) -> None:
    theirs = start(served[2].database, ANN)
    foreign = client.get(f"/api/conversations/{theirs}{path}", headers=headers(served, BEN))
    missing = client.get(f"/api/conversations/nowhere{path}", headers=headers(served, BEN))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["detail"].replace(theirs, "") == missing.json()["detail"].replace("nowhere", "")
    assert client.get("/api/conversations", headers=headers(served, BEN)).json()["conversations"] == []
    asked = {"user_id": ANN.id}
    assert client.get("/api/conversations", params=asked, headers=headers(served, BEN)).status_code == 403
    service = headers(served, Principal("shop", Role.SERVICE))
    assert client.get("/api/conversations", params=asked, headers=service).status_code == 200


def test_the_list_is_short_says_what_was_asked_first_and_leaves_out_silence(database: Database) -> None:
    start(database, ANN)  # nothing is said in it
    for number in range(4):
        told = [Turn(role="user", content=f"{number}\n " + "wool socks " * 20), Turn(role="assistant", content="…")]
        append(database, ANN, start(database, ANN), told)
    found = past_conversations(database, ANN, ANN.id, most=3)
    assert len(found) == 3
    assert all(len(each.title) <= TITLE_CHARACTERS and each.title.endswith("socks…") for each in found)
    assert [each.updated_at for each in found] == sorted((each.updated_at for each in found), reverse=True)


def test_an_old_card_has_todays_price(talk: Conversation, database: Database) -> None:
    talk.say("search", "show me kettles")
    kettle = talk.say("search", "the gooseneck kettle").products[0]
    assert kettle.price is not None
    price = {"amount": kettle.price.amount + 100, "currency": kettle.price.currency}
    put_offers(database, local_operator(), [Offer.model_validate({"product_id": kettle.product_id, "price": price})])
    assert talk.id is not None
    messages = transcript_of(database, talk.principal, talk.id).messages
    then = [card for card in messages[-1].products if card.product_id == kettle.product_id]
    now = [
        card
        for card in todays(messages, talk.assistant.parts.shelf)[-1].products
        if card.product_id == kettle.product_id
    ]
    assert then[0].price == kettle.price
    assert now[0].price is not None
    assert now[0].price.amount == kettle.price.amount + 100


def test_what_nobody_can_read_any_more_and_what_nobody_was_told_is_left_out() -> None:
    stored = [
        Turn(role="system", content="handed over"),
        Turn(role="assistant", content="two", data={"products": [{"id": 1}, "x"], "citations": 7}),
    ]
    (message,) = messages_of(stored)
    assert (message.text, message.products, message.citations) == ("two", (), ())


def test_only_the_checkout_of_the_shop_becomes_a_link() -> None:
    text = "Pay here: https://shop.example/pay/1 or at https://evil.example/"
    html = render.assistant_turn(text, (), (), "en", "m", checkout="https://shop.example/pay/1")
    assert '<a href="https://shop.example/pay/1" target="_top">' in html
    assert 'href="https://evil' not in html


def test_the_window_may_be_framed_by_the_named_origins_and_the_rest_by_nobody_else(client: TestClient) -> None:
    for path in ("/?embed=1", "/embed"):
        assert client.get(path).headers["content-security-policy"].endswith(f"; frame-ancestors 'self' {PARTNER}")
    for path in ("/login", "/docs", "/api/cart"):
        assert client.get(path).headers["content-security-policy"].endswith("; frame-ancestors 'self'")


def test_a_pages_token_becomes_a_cookie_and_its_absence_ends_it(
    client: TestClient, served: tuple[TestClient, Identity, Assistant]
) -> None:
    framed = {EMBED_HEADER: "1"}
    begun = client.post("/embed/session", json={"token": served[1].token(ANN)}, headers=framed)
    assert begun.json() == {"refused": ""}
    cookie = begun.headers.get_list("set-cookie")[-1]
    assert cookie.startswith(f"{EMBED_COOKIE}=")
    assert "HttpOnly" in cookie
    signed = {**framed, "Cookie": cookie.split(";")[0]}
    client.cookies.clear()
    assert client.get("/embed/session", headers=signed).json() == {"known": True, "anonymous": False, "visitor": None}
    # The frame's cookie is nothing to the window at Aisle's own address.
    assert client.get("/api/users/ann/profile", headers={"Cookie": signed["Cookie"]}).status_code == 404
    assert client.get("/api/users/ann/profile", headers=signed).status_code == 200
    ended = client.post("/embed/session", json={}, headers=signed)
    assert ended.headers["set-cookie"].startswith(f"{EMBED_COOKIE}=anon-")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SERVICE])
def test_only_a_customers_token_opens_a_frame(
    client: TestClient, served: tuple[TestClient, Identity, Assistant], role: Role
) -> None:
    for token in (served[1].token(Principal("x", role)), "nonsense", served[1].new_visitor()[1]):
        begun = client.post("/embed/session", json={"token": token}, headers={EMBED_HEADER: "1"})
        assert begun.json()["refused"]
        assert client.get("/embed/session", headers={EMBED_HEADER: "1"}).json()["anonymous"]


def test_a_visitor_without_cookies_is_known_by_their_signed_id(client: TestClient) -> None:
    framed = {EMBED_HEADER: "1"}
    visitor = client.get("/embed/session", headers=framed).json()["visitor"]
    client.cookies.clear()
    carried = {**framed, "Authorization": f"Bearer {visitor}"}
    reply = client.post("/api/chat", json={"message": "show me kettles"}, headers=carried).json()
    assert client.get(f"/api/conversations/{reply['conversation_id']}", headers=carried).status_code == 200
    forged = {**framed, "Authorization": f"Bearer {visitor[:-1]}{'1' if visitor[-1] == '0' else '0'}"}
    assert client.get("/api/conversations", headers=forged).status_code == 401


@pytest.mark.parametrize(("asked", "language"), [("?language=zh-CN", "zh"), ("", "en"), ("?language=xx", "en")])
def test_the_page_speaks_its_readers_language_before_any_script_runs(
    client: TestClient, asked: str, language: str
) -> None:
    page = client.get(f"/{asked}").text
    assert f'lang="{language}"' in page[:200]
    assert page.index("/window.js") < page.index("gradio_config")
