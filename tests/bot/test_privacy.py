"""What nothing is concluded from is found by who asks for it, and remembered of nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bot.parts import parts_of
from bot.service import Assistant
from index.build import build_index
from index.encoders import Encoder
from index.snapshot import Snapshot, current_index
from storage.database import Database
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import ShopSettings
from tests.bot.conftest import Conversation, ToldIntents

SETTINGS = ShopSettings.model_validate({"languages": ["en"], "privacy": {"sensitive": ["Lamps"]}})
SHOPPER = Principal("shopper-1", Role.CUSTOMER)


def row(product_id: str, title: str, brand: str, leaf: str, price: int) -> dict[str, object]:
    money = {"amount": price, "currency": "USD"}
    return {
        "id": product_id,
        "title": title,
        "brand": brand,
        "categories": ["Home", leaf],
        "price": money,
        "language": "en",
    }


CATALOG = [
    row("test-1", "Clear pregnancy test", "Clear", "Pregnancy tests", 900),
    row("test-2", "Dawn pregnancy test", "Dawn", "Pregnancy tests", 1900),
    row("lamp-1", "Brass desk lamp", "Oak", "Lamps", 4900),
    row("lamp-2", "Glass desk lamp", "Elm", "Lamps", 3900),
    row("mug-1", "Stoneware mug", "Fern", "Mugs", 1200),
    row("mug-2", "Enamel mug", "Moss", "Mugs", 1100),
]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory, encoders_by_space: Mapping[str, Encoder]) -> Snapshot:
    root: Path = tmp_path_factory.mktemp("private-shop")
    (root / "catalog.jsonl").write_text("".join(json.dumps(each) + "\n" for each in CATALOG), encoding="utf-8")
    build_index(root / "catalog.jsonl", root, SETTINGS, encoders_by_space.__getitem__)
    folder = current_index(root)
    assert folder is not None
    return Snapshot.load(folder)


@pytest.fixture
def private(
    snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder], intents: ToldIntents, database: Database
) -> Iterator[Assistant]:
    opened = Assistant(parts_of(snapshot, encoders_by_space, intents, SETTINGS, database), SETTINGS, database)
    events = [
        {"event_id": f"{event}-{item}", "event": event, "timestamp": now_ms() - 1000, "items": [{"item_id": item}]}
        for item in ("test-1", "lamp-1", "mug-1")
        for event in ("view_item", "purchase")
    ]
    record_events(database, SHOPPER, [parse_event(each) for each in events])
    yield opened
    opened.close()


def test_it_is_no_belief(private: Assistant) -> None:
    believed = {(belief.kind, belief.value) for belief in private.profile(SHOPPER).beliefs}
    assert ("category", "Mugs") in believed
    assert ("brand", "Clear") not in believed, "the brand would tell"
    assert not {value for _, value in believed} & {"Pregnancy tests", "Lamps", "Oak"}


def test_who_asks_gets_it_with_their_own_conditions_as_reasons(private: Assistant, intents: ToldIntents) -> None:
    reply = Conversation(private, intents, SHOPPER).say("search", "pregnancy test under $10")
    assert [card.product_id for card in reply.products] == ["test-1"]
    (reason,) = reply.products[0].reasons
    assert reason.evidence == ("price.max",)
    assert private.removed == 0


def test_what_was_looked_at_before_is_no_reason_there_but_elsewhere(private: Assistant, intents: ToldIntents) -> None:
    for text, personal in (("pregnancy test", False), ("mug", True)):
        cards = Conversation(private, intents, SHOPPER).say("search", text).products
        events = {each for card in cards for reason in card.reasons for each in reason.evidence if "view_item" in each}
        assert bool(events) is personal
        assert not any("test" in each for each in events)
