"""A server that is killed while shoppers talk: all that it acknowledged is there afterwards, once, in a database that is whole."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bot.parts import intent_versions
from index.build import build_index
from index.encoders import Encoder
from storage.database import Database
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.settings import ShopSettings
from storage.tables import cart_lines, carts, event_items, events, turns
from tests.fixtures import REPOSITORY, SOAK
from tests.index.catalogs import write_jsonl
from tests.kills import assert_sound, kill

KILLS, SHOPPERS = (60, 8) if SOAK else (2, 4)
LIVES_S = (0.1, 1.5)
PRODUCTS = 4
SETTINGS = ShopSettings(languages=("en",))
pytestmark = pytest.mark.timeout(3_600 if SOAK else 300)


@pytest.fixture
def shop(
    tmp_path: Path, encoder_cache: Path, encoders_by_space: Mapping[str, Encoder], demo_model_folder: Path
) -> Path:
    """A shop of four kettles that `launch.py serve` serves."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "encoder").symlink_to(encoder_cache)
    (tmp_path / "shop.toml").write_text('languages = ["en"]\n', encoding="utf-8")
    rows = [{"id": f"p{n}", "title": f"Kettle {n}", "price": "$10"} for n in range(PRODUCTS)]
    catalog = write_jsonl(tmp_path / "catalog.jsonl", rows)
    build_index(catalog, tmp_path, SETTINGS, encoders_by_space.__getitem__)
    versions = intent_versions(tmp_path)
    shutil.copytree(demo_model_folder, versions.root / "shipped", copy_function=os.link)
    versions.activate("shipped")
    return tmp_path


@dataclass
class Server:
    """`launch.py serve`, started again after each kill; `address` changes with each start."""

    shop: Path
    address: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "launch.py", "serve", "--shop", str(self.shop), "--port", str(port)]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        with (self.shop / "server.log").open("a") as log:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, text=True)
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            assert self.process.poll() is None, (self.shop / "server.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "it did not start"
            try:
                with urllib.request.urlopen(f"{address}/readyz", timeout=2):
                    break
            except OSError:
                time.sleep(0.1)
        self.address = address

    def kill(self) -> None:
        assert self.process is not None
        kill(self.process)


@dataclass
class Shopper:
    """Talks, looks and buys without pause. What got no answer is sent again, but for messages, which are new each time."""

    server: Server
    name: str
    token: str
    ended: threading.Event
    said: set[str] = field(default_factory=set)
    """Messages that were sent."""
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Messages that were answered, with the answer's id and text."""
    seen: set[str] = field(default_factory=set)
    """Ids of events, all of them acknowledged in the end."""
    bought: Counter[str] = field(default_factory=Counter)
    """Pieces by product, all of them acknowledged in the end."""
    trouble: list[str] = field(default_factory=list)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    def run(self) -> None:
        conversation: str | None = None
        number = 0
        while not self.ended.is_set():
            number += 1
            text = f"show me kettles, asked by {self.name} as number {number}"
            self.said.add(text)
            body = {"message": text, "conversation_id": conversation if number % 5 else None}
            reply = self.sent("/api/chat", body)
            if reply is not None:
                conversation = reply["conversation_id"]
                self.told[text] = (reply["message_id"], reply["text"])
            ids = [f"{self.name}-{number}-{place}" for place in range(3)]
            self.seen |= set(ids)
            now = int(time.time() * 1000)
            # A moment apart: the same at the same moment would be taken for one event under several ids.
            looked = [
                {"event_id": each, "event": "view_item", "timestamp": now + place, "items": [{"item_id": "p0"}]}
                for place, each in enumerate(ids)
            ]
            self.until_acknowledged("/api/events", {"events": looked})
            product = f"p{number % PRODUCTS}"
            self.bought[product] += 1
            request = {"product_id": product, "request_id": f"{self.name}-{number}"}
            self.until_acknowledged("/api/cart/lines", request)

    def until_acknowledged(self, path: str, body: dict[str, Any]) -> None:
        while self.sent(path, body) is None:
            pass

    def sent(self, path: str, body: dict[str, Any]) -> Any:
        """The answer; None, after a moment, where none came."""
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            answer = self.client.post(f"{self.server.address}{path}", json=body, headers=headers)
        except httpx.HTTPError:
            time.sleep(0.2)
            return None
        if answer.status_code == 429:
            time.sleep(0.2)
            return None
        if not answer.is_success:
            self.trouble.append(f"{path}: {answer.status_code} {answer.text}")
            self.ended.set()
        return answer.json()


@pytest.fixture
def server(shop: Path) -> Iterator[Server]:
    running = Server(shop)
    running.start()
    yield running
    assert running.process is not None
    running.process.terminate()
    running.process.wait()


def test_all_that_was_acknowledged_survives_every_kill(shop: Path, server: Server) -> None:
    chance, ended = random.Random(11), threading.Event()
    database = Database.open(SETTINGS.database.url_for(shop))
    identity = Identity.open(shop, SETTINGS.identity, database)
    shoppers = []
    for number in range(SHOPPERS):
        name = f"shopper-{number}"
        token = identity.token(Principal(name, Role.CUSTOMER))
        shoppers.append(Shopper(server, name, token, ended))
    threads = [threading.Thread(target=each.run) for each in shoppers]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        more = sum(len(each.told) for each in shoppers) + SHOPPERS
        wait_until(partial(has_answered, shoppers, more))
        time.sleep(chance.uniform(*LIVES_S))
        server.kill()
        server.start()
    wait_until(lambda: all(each.told for each in shoppers))
    ended.set()
    for thread, each in zip(threads, shoppers, strict=True):
        thread.join()
        each.client.close()
    assert [trouble for each in shoppers for trouble in each.trouble] == []
    for each in shoppers:
        check(database, each)
    assert sum(len(each.said) - len(each.told) for each in shoppers) <= KILLS * SHOPPERS
    assert_sound(database)
    database.close()


def has_answered(shoppers: list[Shopper], turns: int) -> bool:
    """Whether so many turns were answered, or a shopper met an error."""
    return sum(len(each.told) for each in shoppers) > turns or shoppers[0].ended.is_set()


def wait_until(holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def check(database: Database, shopper: Shopper) -> None:
    """What the database holds against what one shopper was told."""
    with database.read() as connection:
        stored = connection.execute(select(turns).order_by(turns.c.conversation_id, turns.c.number)).all()
        kept = connection.execute(
            select(events.c.row, events.c.event_id).where(
                events.c.user_id == shopper.name, events.c.event == "view_item"
            )
        ).all()
        items = Counter(connection.execute(select(event_items.c.event_row)).scalars())
        lines = connection.execute(
            select(cart_lines.c.product_id, cart_lines.c.quantity)
            .join(carts, carts.c.cart_id == cart_lines.c.cart_id)
            .where(carts.c.user_id == shopper.name)
        ).all()
    asked = Counter(turn.content for turn in stored if turn.role == "user" and turn.content in shopper.said)
    assert set(asked.values()) <= {1}, "no message is there twice"
    assert shopper.told.keys() <= asked.keys(), "every message that was answered is there"
    for before, after in pairwise(stored):
        if before.content in shopper.told:
            assert (after.message_id, after.content) == shopper.told[before.content], "with the answer that was given"
    assert Counter(row.event_id for row in kept) == Counter(dict.fromkeys(shopper.seen, 1))
    assert {items[row.row] for row in kept} == {1}
    assert {line.product_id: line.quantity for line in lines} == dict(shopper.bought)
