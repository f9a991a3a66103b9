from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from numpy.random import PCG64, Generator

from bot.intent import IntentModel
from bot.parts import parts_of
from bot.service import Assistant
from demo.catalog import make_catalog
from demo.generate import DOCUMENTS
from finetune.dialogue.journeys import Journey, read_journeys
from finetune.evaluate_dialogue import CHECKOUT
from index.build import build_index
from index.encoders import Encoder
from index.snapshot import Snapshot, current_index
from storage.database import Database
from storage.settings import ShopSettings

JOURNEYS = Path(__file__).resolve().parents[3] / "demo" / "journeys"
SETTINGS = ShopSettings(currency="USD", languages=("en", "zh"))
PRODUCTS, EACH = 1500, 3
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def third() -> list[Journey]:
    """Every third journey, so that each file is there."""
    return read_journeys(JOURNEYS)[::EACH]


@pytest.fixture(scope="session")
def rehearsed(
    tmp_path_factory: pytest.TempPathFactory,
    encoders_by_space: Mapping[str, Encoder],
    demo_model: IntentModel,
    third: Sequence[Journey],
) -> Iterator[Assistant]:
    """The demo shop's assistant, with the goods that the journeys of `third` are about and every thirtieth product else."""
    root = tmp_path_factory.mktemp("dialogue-shop")
    kinds = {kind for journey in third for turn in journey.turn for kind in turn.kinds}
    kinds |= {kind for journey in third for order in journey.order for kind in order.kinds}
    catalog = [each.product for each in make_catalog(Generator(PCG64([7, 0])), NOW, PRODUCTS)]
    kept = [each for number, each in enumerate(catalog) if each.categories[-1] in kinds or number % 30 == 0]
    (root / "catalog.jsonl").write_text("".join(f"{each.model_dump_json()}\n" for each in kept), "utf-8")
    shutil.copytree(DOCUMENTS, root / "documents")
    build_index(root / "catalog.jsonl", root, SETTINGS, encoders_by_space.__getitem__, root / "documents")
    folder = current_index(root)
    assert folder is not None
    database = Database.open(f"sqlite:///{root}/rehearsal.db")
    parts = parts_of(Snapshot.load(folder), encoders_by_space, demo_model, SETTINGS, database)
    assistant = Assistant(parts, SETTINGS, database, CHECKOUT)
    yield assistant
    assistant.close()
    database.close()
