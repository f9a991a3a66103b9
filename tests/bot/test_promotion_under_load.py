"""Models are promoted and broken ones pointed at while shoppers talk: no turn is dropped, and each is by one version."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import uvicorn

from bot.api.app import create_app
from bot.intent import KIND, SETTINGS, IntentModel, IntentSettings
from bot.labels import LABELS
from bot.parts import intent_versions
from bot.policy import ACTIONS
from bot.service import Assistant
from bot.watcher import Watcher
from index.build import build_index
from index.encoders import Encoder
from storage.database import Database
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.publish import POINTER, write_manifest
from storage.settings import ShopSettings
from tests.fixtures import SOAK
from tests.index.catalogs import write_jsonl

SHOPPERS, PROMOTIONS = (16, 60) if SOAK else (4, 6)
TEXTS = ("show me kettles", "put the second one in my cart", "can I return it later?", "where is my order?")
SETTINGS_OF_SHOP = ShopSettings(
    languages=("en",),
    intents={f"{version}_{label}": label for version in "ab" for label in LABELS if label in ACTIONS},
)


@dataclass(frozen=True)
class Said:
    """A turn: when it began and ended, its status, and the intent that was found."""

    started: float
    ended: float
    text: str
    status: int
    intent: tuple[str, float]


@pytest.fixture
def shop(tmp_path: Path, encoder_cache: Path, encoders_by_space: Mapping[str, Encoder]) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "encoder").symlink_to(encoder_cache)
    (tmp_path / "documents").mkdir()
    rows = [{"id": f"p{n}", "title": f"Kettle {n}", "price": "$10"} for n in range(3)]
    catalog = write_jsonl(tmp_path / "catalog.jsonl", rows)
    build_index(catalog, tmp_path, SETTINGS_OF_SHOP, encoders_by_space.__getitem__, tmp_path / "documents")
    return tmp_path


def make_version(shop: Path, source: Path, version: str, temperature: float) -> Path:
    """The shipped English model with label names and confidences of its own, so that who answered can be told."""
    folder = intent_versions(shop).root / version
    (folder / "latin").mkdir(parents=True)
    for path in (source / "latin").iterdir():
        os.link(path, folder / "latin" / path.name)
    settings = IntentSettings.load(source)
    encoder = dataclasses.replace(settings.encoders["latin"], temperature=temperature)
    labels = tuple(f"{version}_{label}" for label in settings.labels)
    dataclasses.replace(settings, labels=labels, encoders={"latin": encoder}).save(folder)
    write_manifest(folder, KIND, {})
    return folder


def answers_of(folder: Path) -> dict[str, tuple[str, float]]:
    model, found = IntentModel.load(folder), {}
    for text in TEXTS:
        prediction = model.predict([{"role": "user", "content": text}])
        label = "out_of_scope" if prediction.out_of_scope else prediction.label
        found[text] = (label, round(prediction.confidence, 4))
    return found


@contextmanager
def serving(assistant: Assistant, shop: Path, database: Database) -> Iterator[tuple[str, Identity]]:
    """A real server in a thread, and who can sign tokens for it."""
    identity = Identity.open(shop, SETTINGS_OF_SHOP.identity, database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    web = create_app(assistant, identity, shop, SETTINGS_OF_SHOP)
    server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{port}", identity
    finally:
        server.should_exit = True
        thread.join()


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def talk(address: str, token: str, turns: list[Said], ended: threading.Event) -> None:
    """A shopper who starts one conversation after the other without pause."""
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        while not ended.is_set():
            for text in TEXTS:
                started = time.monotonic()
                answer = client.post("/api/chat", json={"message": text})
                intent = answer.json().get("intent", {})
                found = (intent.get("label", answer.text), intent.get("confidence", -1.0))
                turns.append(Said(started, time.monotonic(), text, answer.status_code, found))


def test_promotion_under_load(
    shop: Path, demo_model_folder: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    versions = intent_versions(shop)
    known = {
        name: answers_of(make_version(shop, demo_model_folder, name, heat)) for name, heat in (("a", 0.9), ("b", 1.1))
    }
    assert not set(known["a"].values()) & set(known["b"].values())
    versions.activate("a")
    database = Database.connect(sqlite_url)
    assistant = Assistant.open(shop, SETTINGS_OF_SHOP, database)
    turns: list[Said] = []
    ended = threading.Event()
    swaps = [(time.monotonic(), "a")]  # when a version was seen to serve
    orders = [time.monotonic()]  # when it was told to
    with Watcher(assistant, shop, seconds=0.02), serving(assistant, shop, database) as (address, identity):
        tokens = [identity.token(Principal(f"shopper-{number}", Role.CUSTOMER)) for number in range(SHOPPERS)]
        shoppers = [threading.Thread(target=talk, args=(address, token, turns, ended)) for token in tokens]
        for each in shoppers:
            each.start()

        def some_turns_more() -> None:
            until = len(turns) + 2 * SHOPPERS
            wait_until(lambda: len(turns) >= until or not any(each.is_alive() for each in shoppers))

        def serves(version: str) -> bool:
            return assistant.parts.model == version

        def refused_more_than(times: int) -> bool:
            return caplog.text.count("is refused") > times

        try:
            some_turns_more()
            for number in range(PROMOTIONS):
                version = "ba"[number % 2]
                orders.append(time.monotonic())
                versions.activate(version)
                wait_until(partial(serves, version))
                swaps.append((time.monotonic(), version))
                some_turns_more()
            for break_it in (point_at_a_flipped_bit, point_at_other_labels):
                refused = caplog.text.count("is refused")
                break_it(shop, demo_model_folder)
                wait_until(partial(refused_more_than, refused))
                some_turns_more()
                assert assistant.parts.model == "a"
        finally:
            ended.set()
            for each in shoppers:
                each.join()
    assistant.close()

    assert {each.status for each in turns} == {200}, "no turn is dropped"
    by = {(text, intent): name for name, answers in known.items() for text, intent in answers.items()}
    assert {by.get((each.text, each.intent)) for each in turns} == {"a", "b"}, (
        "each turn is by one version that is whole"
    )
    orders.append(float("inf"))
    for place, (seen, version) in enumerate(swaps):
        between = [each for each in turns if seen < each.started and each.ended < orders[place + 1]]
        assert between, "shoppers talked while this one served"
        assert {by[each.text, each.intent] for each in between} == {version}, "and only this one"
    log = caplog.text
    assert "The intent model flipped is refused" in log
    assert "The intent model mislabelled is refused" in log
    assert "Serving the intent model a instead of mislabelled" in log
    again = Assistant.open(shop, SETTINGS_OF_SHOP, database)  # a restart falls back too
    assert again.parts.model == "a"
    again.close()
    database.close()


def point_at_a_flipped_bit(shop: Path, source: Path) -> None:
    """By hand: `activate` would not."""
    folder = make_version(shop, source, "flipped", 1.0)
    weights = max((folder / "latin").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.unlink()  # its other links keep what they have
    weights.write_bytes(content)
    (intent_versions(shop).root / POINTER).write_text("flipped\n")


def point_at_other_labels(shop: Path, source: Path) -> None:
    """A whole folder, as its manifest says, whose label file belongs to another model."""
    folder = make_version(shop, source, "mislabelled", 1.0)
    settings = IntentSettings.load(folder)
    (folder / SETTINGS).unlink()
    dataclasses.replace(settings, labels=settings.labels[:-1]).save(folder)
    write_manifest(folder, KIND, {})
    intent_versions(shop).activate("mislabelled")
