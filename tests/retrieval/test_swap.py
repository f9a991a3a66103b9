"""Search goes on while versions of the index are published: no reader sees a mix, and the memory of the old one returns."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from index.build import build_index
from index.filters import Filters, PriceRange
from index.snapshot import Snapshot, current_index
from retrieval.search import SearchEngine
from storage.offers import Offer, Price
from storage.settings import ShopSettings
from tests.index.catalogs import hash_encoders, write_jsonl

VERSIONS, PRODUCTS, READERS = 4, 60, 4


@pytest.fixture(autouse=True, params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact search in memory, and a graph with mapped titles."""
    if request.param == "large":
        for name in ("index.parts.SMALL_CATALOG", "index.snapshot.SMALL_CATALOG", "index.vectors.EXACT_UP_TO"):
            monkeypatch.setattr(name, 20)


def publish(shop: Path, number: int) -> None:
    """A catalog that says its number in each title, and asks it as the price."""
    rows = [
        {"id": f"p{n}", "title": f"Lamp edition{number} model {n}", "price": number, "brand": f"Maker{number}"}
        for n in range(PRODUCTS)
    ]
    shop.mkdir(exist_ok=True)
    build_index(write_jsonl(shop / "catalog.jsonl", rows), shop, ShopSettings(), hash_encoders())


def opened(shop: Path) -> tuple[Snapshot, SearchEngine]:
    folder = current_index(shop)
    assert folder is not None
    snapshot = Snapshot.load(folder)
    offers = [Offer(product_id="p3", price=Price(amount=1, currency="USD"))]
    return snapshot, SearchEngine(snapshot, hash_encoders(), lambda: offers)


@contextmanager
def readers(shop: Path, serving: list[tuple[Snapshot, SearchEngine]]) -> Iterator[list[str]]:
    """Threads that search for as long as the block runs; what they saw amiss is what they give."""
    amiss: list[str] = []
    searched, ended = [0] * READERS, threading.Event()

    def read(reader: int) -> None:
        while not ended.is_set():
            snapshot, engine = serving[0]
            number = int(snapshot.products.get(0).brand.removeprefix("Maker"))
            price = PriceRange(min=number * 100, max=number * 100, currency="USD")
            for filters in (None, Filters(price=price), Filters(brand=(f"maker{number}",))):
                try:
                    result = engine.search("lamp model", filters)
                    titles = {snapshot.products.get(hit.row).title.split()[1] for hit in result.hits}
                    expected = PRODUCTS - 1 if filters is not None and filters.price else PRODUCTS
                    if titles != {f"edition{number}"} or result.total != expected:
                        amiss.append(f"edition {number}: {titles}, {result.total} found")
                except Exception as error:  # an error in a thread would be lost
                    amiss.append(repr(error))
            searched[reader] += 1

    threads = [threading.Thread(target=read, args=(reader,)) for reader in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield amiss
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert min(searched) > 0, "every reader searched"


def test_readers_see_one_version_and_the_memory_of_the_others_returns(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    publish(shop, 1)
    serving = [opened(shop)]
    old: list[weakref.ref[object]] = []
    folders = [serving[0][0].folder]
    gc.disable()  # what only a collection would free stays in memory for as long as a busy server does without one
    try:
        with readers(shop, serving) as amiss:
            for number in range(2, VERSIONS + 1):
                publish(shop, number)
                snapshot, engine = serving[0]
                parts = (engine, snapshot.facets, snapshot.products, snapshot.vectors["latin"], snapshot.words)
                old += [weakref.ref(part) for part in parts]
                del snapshot, engine, parts
                serving[0] = opened(shop)
                folders.append(serving[0][0].folder)
        assert amiss == []
        assert [part() for part in old if part() is not None] == []
    finally:
        gc.enable()
    maps = Path("/proc/self/maps").read_text()
    assert not [folder.name for folder in folders[:-1] if folder.name in maps], "nothing of an old version is mapped"
    assert serving[0][0].folder.name in maps
    assert json.loads((folders[-1] / "manifest.json").read_text())["meta"]["products"] == PRODUCTS
