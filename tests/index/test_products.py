from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from index.products import ProductStore, ProductWriter
from storage.errors import Damaged
from tests.index.catalogs import products_of


def stored(path: Path, count: int = 50) -> ProductStore:
    writer = ProductWriter(path)
    for line, product in enumerate(
        products_of(*({"title": f"杯子 {n} 🎧", "price": n} for n in range(count))), start=1
    ):
        assert writer.put(line, product) is None
    writer.close()
    return ProductStore(path)


def test_by_row_and_by_id(tmp_path: Path) -> None:
    store = stored(tmp_path / "p.sqlite")
    assert len(store) == 50
    assert store.row_of("7") == 7
    assert store.row_of("nobody") is None
    assert store.row_of("\ud800") is None
    assert store.get(7).title == "杯子 7 🎧"
    assert [product.id for product in store] == list(store.ids()) == [str(n) for n in range(50)]
    with pytest.raises(IndexError):
        store.get(50)


def test_a_replaced_product_keeps_its_row(tmp_path: Path) -> None:
    writer = ProductWriter(tmp_path / "p.sqlite")
    first, second, other = products_of(
        {"id": "a", "title": "old"}, {"id": "a", "title": "new"}, {"id": "b", "title": "b"}
    )
    assert writer.put(1, first) is None
    assert writer.put(2, other) is None
    replaced = writer.put(3, second)
    assert replaced is not None
    assert replaced[0] == 1
    assert "old" in replaced[1]
    writer.close()
    assert [product.title for product in ProductStore(tmp_path / "p.sqlite")] == ["new", "b"]


def test_a_run_on_top_of_an_older_version_knows_what_it_changed(tmp_path: Path) -> None:
    before = stored(tmp_path / "p.sqlite", 8)
    old = [*before]
    writer = ProductWriter(tmp_path / "q.sqlite", before)
    assert (len(writer), writer.unread()) == (8, 8)
    writer.put(1, old[5].model_copy(update={"stock": 3}))
    writer.put(2, old[2])
    writer.put(3, old[7].model_copy(update={"title": "new title"}))
    writer.put(4, old[6])
    writer.put(5, products_of({"id": "x", "title": "another"})[0])
    assert writer.put(6, old[2].model_copy(update={"url": "https://shop.example/2"})) == (2, stored_body(before, 2))
    change = writer.close()
    assert [product.id for product in ProductStore(tmp_path / "q.sqlite")] == [*map(str, range(8)), "x"]
    assert (change.before, change.size) == (8, 9)
    assert (change.restated.tolist(), change.repriced.tolist()) == ([7, 8], [2, 5])
    assert change.read.tolist() == [2, 5, 6, 7, 8]
    assert np.flatnonzero(change.stale).tolist() == [7]


@pytest.mark.parametrize(
    ("named", "new", "ids", "restated", "stale"),
    [
        ([0, 1, 2, 3, 4, 5], 0, ["0", "1", "2", "3", "4", "5"], [], []),
        ([5, 4, 3, 0], 0, ["0", "4", "5", "3"], [1, 2], [1, 2, 4, 5]),  # the last take the rows of those that are gone
        ([0, 1, 2], 0, ["0", "1", "2"], [], [3, 4, 5]),
        ([0, 1, 3, 4, 5], 1, ["0", "1", "x0", "3", "4", "5"], [2], [2]),  # the new ones first
        ([0, 5], 3, ["0", "5", "x0", "x1", "x2"], [1, 2, 3, 4], [1, 2, 3, 4, 5]),
    ],
)
def test_what_a_whole_catalog_does_not_name_is_removed(
    tmp_path: Path, named: list[int], new: int, ids: list[str], restated: list[int], stale: list[int]
) -> None:
    before = stored(tmp_path / "p.sqlite", 6)
    old = [*before]
    writer = ProductWriter(tmp_path / "q.sqlite", before)
    added = products_of(*({"id": f"x{number}", "title": "new"} for number in range(new)))
    for line, product in enumerate([*(old[row] for row in named), *added], start=1):
        writer.put(line, product)
    writer.remove_unread()
    change = writer.close()
    store = ProductStore(tmp_path / "q.sqlite")
    assert [*store.ids()] == ids
    assert [store.row_of(each) for each in ids] == [*range(len(ids))]
    assert change.restated.tolist() == restated
    assert np.flatnonzero(change.stale).tolist() == stale
    assert change.read.tolist() == [*range(len(ids))]


def stored_body(store: ProductStore, row: int) -> str:
    return store.get(row).model_dump_json(exclude_defaults=True)


def test_many_threads_read_at_once(tmp_path: Path) -> None:
    store = stored(tmp_path / "p.sqlite", 200)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: (store.row_of(str(n % 200)), store.get(n % 200).id), range(2_000)))
    assert found == [(n % 200, str(n % 200)) for n in range(2_000)]


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "p.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(Damaged):
        ProductStore(tmp_path / "p.sqlite")
    with pytest.raises(Damaged):
        ProductStore(tmp_path / "missing.sqlite")


def test_it_cannot_be_written(tmp_path: Path) -> None:
    store = stored(tmp_path / "p.sqlite")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._connection().execute("DELETE FROM products")
