from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from index.categories import CategoryIndex
from index.encoders import Encoder, document_text
from index.vectors import ExactStore
from storage.errors import Damaged
from tests.index.catalogs import products_of

CATALOG = products_of(
    {"title": "Galaxy S7", "categories": ["Electronics", "smartphones"]},
    {"title": "Oak bed", "categories": ["furniture"]},
    {"title": "Gift card"},
    {"title": "Loafer", "categories": ["Clothing", "mens-shoes"]},
    {"title": "iPhone 5s", "categories": ["Electronics", "Smartphones"]},
)  # fmt: skip


@pytest.fixture(params=["built", "loaded"])
def categories(
    request: pytest.FixtureRequest, tmp_path: Path, encoders_by_space: Mapping[str, Encoder]
) -> CategoryIndex:
    stores = {
        space: ExactStore.build(encoder.encode_documents([document_text(product) for product in CATALOG]))
        for space, encoder in encoders_by_space.items()
    }
    built = CategoryIndex.build(CATALOG, encoders_by_space, stores)
    if request.param == "built":
        return built
    built.save(tmp_path)
    return CategoryIndex.load(tmp_path)


def nearest(categories: CategoryIndex, encoder: Encoder, text: str) -> list[int]:
    cosines = categories.cosines("latin", encoder.encode_queries([text])[0])
    assert cosines.shape == (3,)
    return [int(row) for row in categories.rows_of(int(cosines.argmax()))]


@pytest.mark.parametrize(("text", "rows"), [("phones", [0, 4]), ("couch", [1]), ("sneakers", [3])])
def test_a_kind_of_thing_finds_its_category(
    categories: CategoryIndex, latin_encoder: Encoder, text: str, rows: list[int]
) -> None:
    assert nearest(categories, latin_encoder, text) == rows


def test_names_are_spoken_and_the_leaf_counts(categories: CategoryIndex) -> None:
    assert categories.names == ("smartphones", "furniture", "mens shoes")


def test_a_product_without_category_and_a_space_without_vectors_are_near_nothing(
    categories: CategoryIndex, latin_encoder: Encoder
) -> None:
    vector = latin_encoder.encode_queries(["gift card"])[0]
    assert 2 not in np.concatenate([categories.rows_of(name) for name in range(3)])
    assert categories.cosines("han", vector).shape == (0,)
    assert categories.of_rows(categories.closeness("latin", vector), np.array([2])).tolist() == [0]
    assert categories.closeness("elsewhere", vector).tolist() == [0] * 3
    empty = CategoryIndex.build(
        [], {"latin": latin_encoder}, {"latin": ExactStore.build(np.empty((0, 384), np.float32))}
    )
    assert empty.cosines("latin", vector).shape == (0,)
    assert empty.of_rows(empty.closeness("latin", vector), np.empty(0, np.int64)).shape == (0,)


@pytest.mark.parametrize(("text", "near"), [("a mobile to call with", [0, 4]), ("something to sleep on", [1])])
def test_a_query_is_closest_to_the_category_whose_products_it_is_near(
    categories: CategoryIndex, latin_encoder: Encoder, text: str, near: list[int]
) -> None:
    close = categories.closeness("latin", latin_encoder.encode_queries([text])[0])
    found = categories.of_rows(close, np.arange(5))
    assert np.flatnonzero(found == found.max()).tolist() == near
    assert found.min() == 0
    assert found.max() < 0.9, "of three categories one is always the nearest"


def test_a_category_is_clearly_the_nearest_among_many(latin_encoder: Encoder) -> None:
    names = "sofas tents kettles drills novels violins sneakers lipsticks printers helmets pillows cameras".split()
    catalog = products_of(*({"title": f"Good {name}", "categories": [name]} for name in names))
    store = ExactStore.build(latin_encoder.encode_documents([document_text(product) for product in catalog]))
    built = CategoryIndex.build(catalog, {"latin": latin_encoder}, {"latin": store})
    close = built.closeness("latin", latin_encoder.encode_queries(["a couch to sit on"])[0])
    assert names[int(close.argmax())] == "sofas"
    assert close.max() > 0.9
    assert sorted(close)[-2] < 0.7


def test_each_script_has_its_own_nearest_category(han_encoder: Encoder) -> None:
    catalog = products_of(
        {"title": "瑜伽垫 天然橡胶", "categories": ["瑜伽垫"]},
        {"title": "猫粮 鸡肉", "categories": ["猫粮"]},
        {"title": "壁挂镜", "categories": ["壁挂镜"]},
        {"title": "Yoga mat, natural rubber", "categories": ["Yoga mats"]},
        {"title": "Dry cat food, chicken", "categories": ["Cat food"]},
        {"title": "Wall mirror", "categories": ["Mirrors"]},
    )
    store = ExactStore.build(han_encoder.encode_documents([document_text(product) for product in catalog]))
    built = CategoryIndex.build(catalog, {}, {"han": store})
    close = built.of_rows(built.closeness("han", han_encoder.encode_queries(["加厚的瑜伽垫"])[0]), np.arange(6))
    assert min(close[[0, 3]]) > 1.5 * max(close[[1, 2, 4, 5]])


def test_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="categories"):
        CategoryIndex.load(tmp_path)
