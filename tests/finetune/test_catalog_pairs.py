"""Queries made from the catalog: repeatable, of the product's own words, in both languages."""

from __future__ import annotations

from finetune.catalog_pairs import catalog_pairs
from tests.index.catalogs import products_of

PRODUCTS = products_of(
    {
        "title": "Harbor Knit Sweater, Merino Wool",
        "brand": "Northquay",
        "description": "Warm and light, it keeps its shape after many washes and does not itch at all.",
        "attributes": {"color": ["moss green"]},
    },
    {
        "title": "无线蓝牙耳机 主动降噪",
        "description": "佩戴舒适，续航长达三十小时，通话清晰，支持快充，随附便携收纳盒。",
    },
    {"title": "Gift card", "description": "Gift card"},
    {"title": "!!!"},
)
NUMBERED = list(enumerate(PRODUCTS))


def test_the_pairs_of_an_epoch_are_the_same_every_time_and_others_in_the_next() -> None:
    first = catalog_pairs(NUMBERED, seed=1, epoch=0)
    assert first == catalog_pairs(NUMBERED, seed=1, epoch=0)
    assert len({tuple(pair.query for pair in catalog_pairs(NUMBERED, 1, epoch)) for epoch in range(6)}) > 3


def test_a_made_query_is_of_the_words_of_its_product() -> None:
    for epoch in range(20):
        for pair in catalog_pairs(NUMBERED, seed=0, epoch=epoch):
            product = PRODUCTS[pair.row]
            told = " ".join([product.title, product.brand, product.description, "moss green"]).replace(" ", "")
            assert pair.query.strip()
            # Chinese has no spaces, and pieces of it that changed places stand together.
            pieces = pair.query if pair.row == 1 else pair.query.split()
            assert all(piece in told for piece in pieces)


def test_a_stretch_of_the_description_has_to_find_the_rest_of_the_text() -> None:
    stretches = [pair for pair in catalog_pairs(NUMBERED, seed=0, epoch=0) if pair.text]
    assert {pair.row for pair in stretches} == {0, 1}  # the others tell nothing beside their titles
    assert all(PRODUCTS[pair.row].description not in pair.text for pair in stretches)
    assert all(PRODUCTS[pair.row].title in pair.text for pair in stretches)


def test_chinese_is_joined_without_spaces_and_a_title_is_not_always_whole() -> None:
    made = {pair.query for epoch in range(20) for pair in catalog_pairs(NUMBERED[1:2], 0, epoch)}
    assert not any(" " in query for query in made)
    assert any(len(query) < len("无线蓝牙耳机主动降噪") for query in made)
