"""A version that is laid over the one before says what a version built as a whole from the same products says."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.base import Base
from index.build import BuildReport, build_index
from index.filters import Filters, PriceRange
from index.graph.observe import Observations
from index.snapshot import Snapshot, current_index
from retrieval.search import SearchEngine
from storage.settings import ShopSettings
from tests.index.catalogs import HashEncoder, hash_encoders, write_jsonl

SIZE = 160
SMALL, LARGE = 10_000, 20  # products that count as a small catalog
THINGS = "lamp kettle tent sofa backpack headphones shoe 台灯 水壶".split()
WORDS = "red blue steel oak light folding quiet 折叠 不锈钢 waterproof XR-200 XR-210B for hikers with stand".split()
BRANDS = ("Acme", "ACME", "Northpeak", "")
# Counts that only builds read, in the order in which things were counted; what follows from them is compared instead.
COUNTS = {"counted.json", "leaves.npy"}


def made(chance: random.Random, number: int) -> dict[str, Any]:
    """A product with whatever a feed may have, or lack."""
    thing = chance.choice(THINGS)
    words = chance.sample(WORDS, chance.randrange(1, 5))
    row: dict[str, Any] = {"id": f"p{number}", "title": f"{' '.join(words)} {thing} {chance.randrange(30)}"}
    if chance.random() < 0.8:
        row["brand"] = chance.choice(BRANDS)
        row["categories"] = [chance.choice(["Home", "home", "Outdoor"]), f"{thing}s"]
        row["price"] = {"amount": chance.randrange(100, 9_000), "currency": chance.choice(["USD", "USD", "EUR"])}
    if chance.random() < 0.5:
        row["attributes"] = {chance.choice(["Color", "colour", "Material"]): chance.sample(WORDS[:4], 2)}
        row["description"] = " ".join(chance.choices(WORDS, k=12))
        row["rating"] = {"value": chance.randrange(50) / 10, "count": chance.randrange(90)}
    if chance.random() < 0.3:
        row["variants"] = [
            {"id": f"p{number}-{size}", "price": f"${chance.randrange(5, 90)}", "options": {"Size": size}}
            for size in chance.sample("SML", chance.randrange(1, 4))
        ]
    if chance.random() < 0.2:
        row |= {"mpn": f"MX-{chance.randrange(9_000)}", "availability": "out_of_stock"}
    return row


def repriced(row: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    return {**row, "price": {"amount": chance.randrange(100, 9_000), "currency": "USD"}, "stock": chance.randrange(3)}


def snapshot(shop: Path) -> Snapshot:
    folder = current_index(shop)
    assert folder is not None
    return Snapshot.load(folder)


def index(shop: Path, rows: list[dict[str, Any]], encoders: Mapping[str, HashEncoder], **options: Any) -> BuildReport:
    shop.mkdir(exist_ok=True)
    return build_index(write_jsonl(shop / "c.jsonl", rows), shop, ShopSettings(), encoders, **options)


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"], autouse=True)
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    for name in ("index.parts.SMALL_CATALOG", "index.snapshot.SMALL_CATALOG", "index.vectors.EXACT_UP_TO"):
        monkeypatch.setattr(name, request.param)
    monkeypatch.setattr("index.parts.MOST_RESTATED", 100.0)
    return bool(request.param == LARGE)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", range(3))
def test_updates_are_as_if_built_as_a_whole(tmp_path: Path, seed: int, large: bool) -> None:
    chance, encoders, shop = random.Random(seed), hash_encoders(), tmp_path / "shop"
    catalog = {row["id"]: row for row in (made(chance, number) for number in range(SIZE))}
    assert index(shop, [*catalog.values()], encoders).mode == "whole"
    for step in range(4):  # to about a fifth of the products, as much as is laid over a version
        changed = [made(chance, int(name[1:])) for name in chance.sample([*catalog], 4)]
        changed += [made(chance, 1_000 * (step + 1) + number) for number in range(chance.randrange(4))]
        changed += [repriced(catalog[name], chance) for name in chance.sample([*catalog], 5)]
        delta = {row["id"]: row for row in changed}
        catalog |= delta
        if step % 2:
            for name in chance.sample([*catalog], chance.randrange(6)):
                del catalog[name]
            feed = [*catalog.values()]
            chance.shuffle(feed)
            report = index(shop, feed, encoders)
        else:
            report = index(shop, [*delta.values()], encoders, update=True)
        assert (report.mode, report.products) == ("changes", len(catalog))
        assert report.changed <= 15
        assert report.repriced > 0
    loaded = snapshot(shop)
    assert set(loaded.products.ids()) == set(catalog)
    in_order = [json.loads(product.model_dump_json(exclude_defaults=True)) for product in loaded.products]
    index(tmp_path / "whole", in_order, hash_encoders())
    whole = snapshot(tmp_path / "whole")
    assert [*loaded.products] == [*whole.products]
    compare_files(files(loaded.folder), files(whole.folder), large)
    compare_counts(loaded.folder, whole.folder)
    texts = [row["title"] for row in catalog.values()][::6]
    compare_searches(loaded, whole, encoders, texts, 0.1 if large else 0.01)


def compare_files(now: dict[str, bytes], whole: dict[str, bytes], large: bool) -> None:
    """All files are the same byte by byte, but those in which a reason is written down why not."""
    other: tuple[str, ...] = ("keywords/", "products.sqlite", "manifest.json", "read_at.npy", "added_at.npy")
    if large:  # places of vectors that are not held any more; the idf of n-grams as a sample had it
        other += ("vectors/", "ngrams/")
    names = {name for name in now if not name.startswith(other) and name.split("/")[-1] not in COUNTS}
    assert names == {name for name in whole if not name.startswith(other) and name.split("/")[-1] not in COUNTS}
    assert len(names) > 90
    for name in sorted(names):
        if name.endswith("words.json"):
            assert json.loads(now[name]) == json.loads(whole[name])
            assert [*json.loads(now[name])["brands"]] == [*json.loads(whole[name])["brands"]], "in the order of codes"
        else:
            assert now[name] == whole[name], name


def compare_counts(now: Path, whole: Path) -> None:
    seen, expected = (Observations(Base(folder / "graph", np.zeros(0, np.bool_))) for folder in (now, whole))
    assert seen._tallies() == expected._tallies()
    spelled, other = (json.loads((folder / "facets" / "counted.json").read_text()) for folder in (now, whole))
    assert spelled == other


def compare_searches(
    loaded: Snapshot, whole: Snapshot, encoders: Mapping[str, HashEncoder], texts: list[str], tolerance: float
) -> None:
    """The same products with the same scores, but for what is approximate.

    BM25 still counts the words of rows that are struck out. The graph of a large catalog compares 8 bits a dimension, in the
    range that the vectors of the last whole build had: of 160 random ones another often lies outside, of 100,000 hardly any.
    """
    engines = SearchEngine(loaded, encoders), SearchEngine(whole, encoders)
    filters = (None, Filters(price=PriceRange(max=4_000, currency="USD")), Filters(brand=("acme",)))
    for number, text in enumerate(texts):
        ours, theirs = (engine.search(text, filters[number % 3], limit=50) for engine in engines)
        scores, expected = ({hit.product_id: hit.score for hit in result.hits} for result in (ours, theirs))
        both = scores.keys() & expected.keys()
        assert max((abs(scores[name] - expected[name]) for name in both), default=0.0) < tolerance, text
        # What is so little like the query that these decide whether it is shown.
        edge = [found[name] for found in (scores, expected) for name in found.keys() - both]
        assert max(edge, default=0.0) < 0.5 * max(expected.values(), default=1.0), text
        assert len(edge) <= 0.1 * len(both) + 2, text
        assert ours.unknown_price == theirs.unknown_price


def test_prices_alone_embed_nothing_and_leave_all_words_alone(tmp_path: Path) -> None:
    chance, encoders, shop = random.Random(5), hash_encoders(), tmp_path / "shop"
    catalog = [made(chance, number) for number in range(SIZE)]
    index(shop, catalog, encoders)
    before = files(snapshot(shop).folder)
    for encoder in encoders.values():
        encoder.seen.clear()
    report = index(shop, [repriced(row, chance) for row in catalog], encoders)
    assert (report.mode, report.changed, report.repriced) == ("changes", 0, SIZE)
    assert report.embedded == 0
    assert [text for encoder in encoders.values() for text in encoder.seen] == []
    now = files(snapshot(shop).folder)
    same = {name.split("/")[0] for name in now if now[name] == before[name]}
    assert {"words", "graph", "texts", "ngrams", "categories", "vectors"} <= same
    assert now["facets/offer_price.npy"] != before["facets/offer_price.npy"]
    assert now["facets/titles.text.npy"] == before["facets/titles.text.npy"]


def test_the_same_catalog_again_changes_nothing(tmp_path: Path) -> None:
    chance, encoders = random.Random(6), hash_encoders()
    catalog = [made(chance, number) for number in range(SIZE)]
    index(tmp_path, catalog, encoders)
    report = index(tmp_path, catalog[::-1], encoders)
    assert (report.mode, report.changed, report.repriced, report.embedded) == ("changes", 0, 0, 0)


def test_what_was_left_behind_is_cleared_when_enough_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setattr("index.parts.MOST_RESTATED", 0.2)
    chance, encoders = random.Random(7), hash_encoders()
    catalog = [made(chance, number) for number in range(SIZE)]
    index(tmp_path, catalog, encoders)
    modes = []
    for step in range(4):
        delta = [made(chance, 20 * step + number) for number in range(14)]
        modes.append(index(tmp_path, delta, encoders, update=True).mode)
    assert modes == ["changes", "changes", "whole", "changes"], "14 and 14 of 160 are less than a fifth, 42 are more"
    loaded = snapshot(tmp_path)
    assert loaded.restated == 14
    assert len(loaded.vectors["han"]) == SIZE, "what is given up in the graph is not counted"


def test_a_catalog_that_becomes_large_is_built_as_a_whole(tmp_path: Path, large: bool) -> None:
    chance, encoders = random.Random(8), hash_encoders()
    start = LARGE - 2 if large else SIZE
    index(tmp_path, [made(chance, number) for number in range(start)], encoders)
    more = [made(chance, number) for number in range(start, start + 5)]
    assert index(tmp_path, more, encoders, update=True).mode == ("whole" if large else "changes")
    assert len(snapshot(tmp_path)) == start + 5
