"""While a shop is indexed, its models are loaded and it is served, nothing is unpickled and no shell is run."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bot.api.app import create_app
from bot.intent import IntentModel
from bot.parts import parts_of
from bot.service import Assistant
from index.build import build_index
from index.encoders import Encoder, encoder_for
from index.snapshot import Snapshot, current_index
from storage.database import Database
from storage.errors import Damaged
from storage.identity import Identity
from tests.bot.catalog import DOCUMENTS, PRODUCTS
from tests.bot.conftest import SETTINGS

WATCHED = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "subprocess.Popen",
    "webbrowser.open",
)
_watching: list[list[tuple[str, Any]]] = []


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in WATCHED:
        _watching[-1].append((event, arguments[:2]))


@pytest.fixture(scope="module", autouse=True)
def hook() -> None:
    """Python takes an audit hook for the rest of the process; it does nothing while nobody watches."""
    sys.addaudithook(_heard)


@contextmanager
def watching() -> Iterator[list[tuple[str, Any]]]:
    """What of `WATCHED` happens in the block."""
    heard: list[tuple[str, Any]] = []
    _watching.append(heard)
    yield heard
    _watching.remove(heard)


def test_the_hook_hears_a_pickle() -> None:
    content = pickle.dumps(PurePosixPath("/"))
    with watching() as heard:
        pickle.loads(content)  # noqa: S301 – it has to be heard
    assert ("pickle.find_class", ("pathlib", "PurePosixPath")) in heard


def test_indexing_loading_and_serving_unpickle_nothing(
    tmp_path: Path, encoder_cache: Path, encoders_by_space: Mapping[str, Encoder], demo_model_folder: Path
) -> None:
    del encoders_by_space  # exported by now, so that loading is what is watched
    catalog, documents = tmp_path / "catalog.jsonl.gz", tmp_path / "documents"
    documents.mkdir()
    with watching() as heard:
        with gzip.open(catalog, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(product) + "\n" for product in PRODUCTS)
        for name, text in DOCUMENTS.items():
            (documents / name).write_text(text, encoding="utf-8")
        encoders = {space: encoder_for(space, encoder_cache) for space in ("latin", "han")}
        build_index(catalog, tmp_path, SETTINGS, encoders.__getitem__, documents)
        folder = current_index(tmp_path)
        assert folder is not None
        database = Database.open(f"sqlite:///{tmp_path / 'aisle.db'}")
        parts = parts_of(Snapshot.load(folder), encoders, IntentModel.load(demo_model_folder), SETTINGS, database)
        assistant = Assistant(parts, SETTINGS, database, shop=tmp_path)
        identity = Identity.open(tmp_path, SETTINGS.identity, database)
        with TestClient(create_app(assistant, identity, tmp_path, SETTINGS)) as client:
            for message in (
                "show me kettles under $50",
                "蓝牙耳机有吗",
                "add the first one to my cart",
                "what is your return policy",
            ):
                assert client.post("/api/chat", json={"message": message}).status_code == 200
            assert client.post("/api/search", json={"text": "kettle"}).json()["products"]
            assert client.get("/").status_code == 200
        assistant.close()
        database.close()
    assert heard == []


def test_a_file_that_is_not_the_one_of_its_hash_is_never_opened(
    tmp_path: Path, bot_snapshot: Snapshot, demo_model_folder: Path
) -> None:
    """A pickle in the place of any file that a manifest names: the hash refuses it before a loader sees a byte."""
    owned = tmp_path / "owned"
    evil = f"cos\nsystem\n(S'touch {owned}'\ntR.".encode()
    loaders: list[tuple[Path, Callable[[Path], object]]] = [
        (bot_snapshot.folder, Snapshot.load),
        (demo_model_folder, IntentModel.load),
    ]
    for source, load in loaders:
        folder = tmp_path / source.name
        shutil.copytree(source, folder)
        named = [folder / name for name in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]]
        assert named
        for path in named:
            content = path.read_bytes()
            path.write_bytes(evil)
            with watching() as heard, pytest.raises(Damaged):
                load(folder)
            path.write_bytes(content)
            assert heard == []
        load(folder)
    assert not owned.exists()
