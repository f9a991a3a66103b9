from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from index.categories import CategoryIndex
from index.encoders import Encoder
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
    built = CategoryIndex.build(CATALOG, encoders_by_space)
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
    empty = CategoryIndex.build([], {"latin": latin_encoder})
    assert empty.cosines("latin", vector).shape == (0,)


def test_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="categories"):
        CategoryIndex.load(tmp_path)
