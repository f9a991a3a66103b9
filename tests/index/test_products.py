from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
    assert "a" in writer
    assert "c" not in writer
    writer.close()
    assert [product.title for product in ProductStore(tmp_path / "p.sqlite")] == ["new", "b"]


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
