from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from bot.api.app import create_app
from bot.cards import Reply
from bot.intent import Prediction
from bot.labels import LABELS
from bot.parts import Parts, parts_of
from bot.service import Assistant
from index.build import build_index
from index.encoders import Encoder
from index.snapshot import Snapshot, current_index
from storage.database import Database
from storage.identity import Identity
from storage.keys import create_key
from storage.principal import Principal, Role
from storage.settings import ShopSettings
from tests.bot.catalog import DOCUMENTS, PRODUCTS

SETTINGS = ShopSettings()


class ToldIntents:
    """Takes the intent from the test instead of from a model, so that a test of a task does not hang on a model's skill."""

    def __init__(self) -> None:
        self.label, self.confidence, self.out_of_scope = "search", 0.95, False

    @property
    def labels(self) -> tuple[str, ...]:
        return LABELS

    def predict(self, messages: Sequence[Mapping[str, object]]) -> Prediction:
        assert messages[-1]["role"] == "user"
        return Prediction(
            label=self.label,
            labels=(self.label,),
            confidence=self.confidence,
            scores={self.label: self.confidence},
            out_of_scope=self.out_of_scope,
            margin=1.0,
        )


class Conversation:
    """One shopper's talk: `say(label, text)` is a turn whose intent is known."""

    def __init__(self, assistant: Assistant, intents: ToldIntents, principal: Principal) -> None:
        self.assistant, self.intents, self.principal = assistant, intents, principal
        self.id: str | None = None

    def say(self, label: str, text: str, confidence: float = 0.95) -> Reply:
        self.intents.label, self.intents.confidence = label, confidence
        self.intents.out_of_scope = label == "out_of_scope"
        reply = self.assistant.reply(self.principal, text, self.id)
        self.id = reply.conversation_id
        return reply


@pytest.fixture(scope="session")
def bot_snapshot(tmp_path_factory: pytest.TempPathFactory, encoders_by_space: Mapping[str, Encoder]) -> Snapshot:
    root = tmp_path_factory.mktemp("bot-shop")
    catalog = root / "catalog.jsonl.gz"
    with gzip.open(catalog, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(product, ensure_ascii=False) + "\n" for product in PRODUCTS)
    documents = root / "documents"
    documents.mkdir()
    for name, text in DOCUMENTS.items():
        (documents / name).write_text(text, encoding="utf-8")
    build_index(catalog, root, SETTINGS, encoders_by_space.__getitem__, documents)
    folder = current_index(root)
    assert folder is not None
    return Snapshot.load(folder)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database.connect(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def intents() -> ToldIntents:
    return ToldIntents()


@pytest.fixture
def parts(
    bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder], intents: ToldIntents, database: Database
) -> Parts:
    return parts_of(bot_snapshot, encoders_by_space, intents, SETTINGS, database)


@pytest.fixture
def assistant(parts: Parts, database: Database) -> Iterator[Assistant]:
    opened = Assistant(parts, SETTINGS, database, "https://shop.example/checkout/{cart_id}")
    yield opened
    opened.close()


@pytest.fixture
def shopper() -> Principal:
    return Principal(id="shopper-1", role=Role.CUSTOMER)


@pytest.fixture
def talk(assistant: Assistant, intents: ToldIntents, shopper: Principal) -> Conversation:
    return Conversation(assistant, intents, shopper)


@dataclass
class Live:
    """A shop that is served for real, on a port of this machine. Tests keep apart by being different people."""

    url: str
    assistant: Assistant
    identity: Identity
    intents: ToldIntents

    def key(self, user: str, role: Role = Role.CUSTOMER) -> str:
        """A new API key."""
        return create_key(self.assistant.database, Principal("operator", Role.ADMIN), role, user).key


@dataclass(frozen=True)
class Application:
    """A shop of these tests with its application, and what stands behind it."""

    app: FastAPI
    assistant: Assistant
    identity: Identity
    database: Database


@contextmanager
def application(
    shop: Path,
    snapshot: Snapshot,
    encoders: Mapping[str, Encoder],
    settings: ShopSettings = SETTINGS,
    intents: ToldIntents | None = None,
    checkout: str = "",
) -> Iterator[Application]:
    """Puts a shop's application together in a folder of its own; all is closed when the block ends."""
    database = Database.open(f"sqlite:///{shop / 'aisle.db'}")
    parts = parts_of(snapshot, encoders, intents or ToldIntents(), settings, database)
    assistant = Assistant(parts, settings, database, checkout, shop=shop)
    identity = Identity.open(shop, settings.identity, database)
    try:
        yield Application(create_app(assistant, identity, shop, settings), assistant, identity, database)
    finally:
        assistant.close()
        database.close()


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serves an application on a port of this machine until the block ends; its address."""
    # The protocol is named, for only then does asyncio send each answer at once (TCP_NODELAY).
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        web = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not web.started and thread.is_alive():
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        web.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def live(
    tmp_path_factory: pytest.TempPathFactory, bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> Iterator[Live]:
    """One server for all tests of protocols whose clients are real."""
    shop = tmp_path_factory.mktemp("live")
    intents, checkout = ToldIntents(), "https://shop.example/checkout/{cart_id}"
    with (
        application(shop, bot_snapshot, encoders_by_space, intents=intents, checkout=checkout) as opened,
        serving(opened.app) as url,
    ):
        yield Live(url, opened.assistant, opened.identity, intents)
