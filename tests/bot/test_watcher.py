"""New versions are served without a restart, and broken ones are not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.service import Assistant
from bot.watcher import Watcher
from index.build import build_index
from index.encoders import Encoder
from index.snapshot import index_versions
from storage.database import Database
from storage.errors import Unavailable
from storage.settings import ShopSettings
from tests.index.catalogs import write_jsonl

SETTINGS = ShopSettings()


@pytest.fixture
def shop(tmp_path: Path, encoder_cache: Path, latin_encoder: Encoder) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "encoder").symlink_to(encoder_cache)
    return tmp_path


def publish(shop: Path, encoders: Mapping[str, Encoder], *titles: str) -> None:
    rows = [{"id": f"p{number}", "title": title, "price": "$10"} for number, title in enumerate(titles)]
    catalog, documents = write_jsonl(shop / "catalog.jsonl", rows), shop / "documents"
    documents.mkdir(exist_ok=True)
    build_index(catalog, shop, SETTINGS, encoders, documents, allow_shrink=True)


def titles(assistant: Assistant) -> list[str]:
    return [card["title"] for card in assistant.search("")["products"]]


def test_a_new_index_is_served_without_a_restart(
    shop: Path, encoders_by_space: Mapping[str, Encoder], database: Database
) -> None:
    publish(shop, encoders_by_space, "Kettle")
    assistant = Assistant.open(shop, SETTINGS, database)
    with Watcher(assistant, shop, seconds=0.05):
        assert titles(assistant) == ["Kettle"]
        publish(shop, encoders_by_space, "Kettle", "Teapot")
        for _ in range(600):
            if len(titles(assistant)) == 2:
                break
            time.sleep(0.05)
        assert sorted(titles(assistant)) == ["Kettle", "Teapot"]
    assistant.close()


def test_what_cannot_be_loaded_leaves_what_served(
    shop: Path, encoders_by_space: Mapping[str, Encoder], database: Database
) -> None:
    publish(shop, encoders_by_space, "Kettle")
    assistant = Assistant.open(shop, SETTINGS, database)
    watcher = Watcher(assistant, shop)
    assert not watcher.look()
    publish(shop, encoders_by_space, "Teapot")
    current = shop / "index" / (index_versions(shop).pointer() or "")
    (current / "manifest.json").write_text('{"format": 99}')
    (assistant.parts.shelf.snapshot.folder / "manifest.json").unlink()  # no older one to fall back to either
    assert not watcher.look()
    assert titles(assistant) == ["Kettle"]
    publish(shop, encoders_by_space, "Teapot", "Mug")
    assert watcher.look()
    assert sorted(titles(assistant)) == ["Mug", "Teapot"]
    assistant.close()


def test_what_was_published_before_the_watch_began_is_taken_too(
    shop: Path, encoders_by_space: Mapping[str, Encoder], database: Database
) -> None:
    publish(shop, encoders_by_space, "Kettle")
    assistant = Assistant.open(shop, SETTINGS, database)
    publish(shop, encoders_by_space, "Teapot")
    watcher = Watcher(assistant, shop)
    assert watcher.look()
    assert titles(assistant) == ["Teapot"]
    assert not watcher.look()
    assistant.close()


def test_trouble_that_passes_is_tried_again_and_said_once(
    shop: Path,
    encoders_by_space: Mapping[str, Encoder],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(shop, encoders_by_space, "Kettle")
    assistant = Assistant.open(shop, SETTINGS, database)
    watcher = Watcher(assistant, shop)
    publish(shop, encoders_by_space, "Teapot")

    def away(_: object) -> dict[str, float]:
        raise Unavailable("The database does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr("bot.parts.popularity", away)
        assert not watcher.look()
        assert not watcher.look()
    assert caplog.text.count("cannot be loaded now") == 1
    assert titles(assistant) == ["Kettle"]
    assert watcher.look()
    assert titles(assistant) == ["Teapot"]
    assistant.close()
