"""Expansion of queries by the graph, what goes with a product, and the reasons of both, over a real index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from index.encoders import Encoder
from index.snapshot import Snapshot
from retrieval.companions import companions, fits
from retrieval.expansion import expand
from retrieval.links import Link
from retrieval.profile import Profile
from retrieval.ranking import rerank
from retrieval.search import SearchEngine
from tests.index.catalogs import indexed, products_of

GRAPH = """source,relation,target,weight,language
quiet room,has_attribute,noise cancelling,,
charging brick,remove,charger,,
lap thing,synonym,laptop,,zh
"""


def row(number: str, title: str, *path: str, **fields: Any) -> dict[str, Any]:
    return {"id": number, "title": title, "categories": list(path), **fields}


CATALOG = [
    row("b1", "Ravnholt alloy bottle cage", "Cycling", "Bottle Cages"),
    row("b2", "Ravnholt bike pump", "Cycling", "Bike Pumps"),
    row("b3", "Metal bell", "Cycling", "Bells"),
    row("f1", "Oslo sofa, three seats", "Sofas"),
    row("f2", "Oslo dining table", "Dining Tables"),
    row("f3", "Cushion for every sofa", "Cushions", rating={"value": 4.9, "count": 90}),
    row("f4", "Slim coffee table", "Coffee Tables"),
    row("l1", "Meridian laptop, 13 inch", "Laptops", brand="Meridian", attributes={"screen size": ["13 inch"]}),
    row("l2", "Sleeve, felt", "Laptop Sleeves", brand="Other", attributes={"compatible with": ["13 inch laptops"]}),
    row("l3", "Sleeve, nylon", "Laptop Sleeves", attributes={"compatible with": ["16 inch laptops"]}),
    row("l4", "Wide sleeve", "Laptop Sleeves", attributes={"compatible with": ["laptops up to 14 inch"]}),
    row("l5", "Meridian laptop, 16 inch", "Laptops", brand="Meridian", attributes={"screen size": ["16 inch"]}),
    row("l6", "Wireless mouse", "Mice", availability="out_of_stock"),
    row("h1", "Headphones with noise cancelling", "Audio", "Headphones"),
    row("d1", "USB charger QX65-W", "Chargers", mpn="QX65-W"),
    row("z1", "三人位布艺沙发", "家具", "沙发"),
    row("z2", "大容量充电宝", "数码", "充电宝"),
    row("z3", "手机数据线", "数码", "数据线"),
]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory, encoders_by_space: Mapping[str, Encoder]) -> Snapshot:
    shop = tmp_path_factory.mktemp("shop")
    (shop / "graph.csv").write_text(GRAPH, encoding="utf-8")
    return indexed(shop, CATALOG, encoders_by_space)


@pytest.fixture(scope="module")
def engine(snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]) -> SearchEngine:
    return SearchEngine(snapshot, encoders_by_space)


def said(snapshot: Snapshot, text: str) -> dict[str, list[str]]:
    return {each.term: [other.term for other in each.meant] for each in expand(snapshot.graph, text).said}


def going_with(snapshot: Snapshot, number: str) -> dict[str, Link]:
    place = snapshot.row_of(number)
    assert place is not None
    return {hit.product_id: hit.links[0] for hit in companions(snapshot, place, np.ones(len(snapshot), np.bool_))}


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("metal bottle holder", "b1"),
        ("couch", "f1"),
        ("a settee please", "f1"),
        ("lounge table, low", "f4"),
        ("移动电源", "z2"),
        ("长沙发", "z1"),
        ("quiet room", "h1"),
    ],
)
def test_shoppers_words_find_the_shops(engine: SearchEngine, text: str, first: str) -> None:
    assert engine.search(text).hits[0].product_id == first


def test_weights_are_fitted_on_what_a_search_sees(engine: SearchEngine, snapshot: Snapshot) -> None:
    rows, evidence = engine.evidence("couch")
    sofa = rows.tolist().index(snapshot.row_of("f1"))
    assert evidence.words[sofa] > 0.5
    assert evidence.keywords[sofa] > 0
    sources = engine.search("couch").hits[0].sources
    assert {name: float(part[sofa]) for name, part in evidence.parts().items() if part[sofa] > 0} == dict(sources)


def test_a_phrase_is_taken_as_long_as_it_is_known(snapshot: Snapshot) -> None:
    assert "table" not in said(snapshot, "coffee table")
    assert "dining table" in said(snapshot, "a table")["table"]


@pytest.mark.parametrize(
    "text", ["not a couch", "no couch", "anything except a couch", "couch free", "不要长沙发", "不是沙发"]
)
def test_nothing_is_expanded_that_is_not_wanted(snapshot: Snapshot, text: str) -> None:
    assert said(snapshot, text) == {}


def test_a_negation_ends_with_its_clause(snapshot: Snapshot) -> None:
    assert "couch" in said(snapshot, "not leather, a couch")


@pytest.mark.parametrize("text", ["couch QX65-W", "QX65W", "sofa ab-1234"])
def test_a_model_number_means_one_article_in_its_own_words(snapshot: Snapshot, text: str) -> None:
    assert said(snapshot, text) == {}
    assert "couch" in said(snapshot, "couch 256gb")


def test_an_umbrella_term_takes_in_its_things_only_as_what_is_looked_for(snapshot: Snapshot) -> None:
    assert "sofa" in said(snapshot, "furniture for two")["furniture"]
    assert "sofa" not in said(snapshot, "furniture polish")["furniture"]
    assert "alloy" in said(snapshot, "metal shelf")["metal"]  # a property stands before what has it


def test_the_shops_removal_and_language_hold(snapshot: Snapshot) -> None:
    assert "charger" not in said(snapshot, "charging brick").get("charging brick", [])
    assert "lap thing" not in said(snapshot, "lap thing")
    assert expand(snapshot.graph, "lap thing 电脑").said


def test_empty_and_hostile_texts(snapshot: Snapshot) -> None:
    for text in ("", " ", "?!", "\x00", "😀", "'; --", "sofa " * 400, "沙发" * 400):
        expand(snapshot.graph, text)


def test_every_hit_says_by_which_word_it_was_found(engine: SearchEngine) -> None:
    hit = engine.search("couch").hits[0]
    assert hit.links == (Link("couch", "Sofas", "synonym", "graph:couch|synonym|sofa"),)
    assert engine.search("sofa").hits[0].links == ()
    (product,) = products_of(CATALOG[3])
    (ranked,) = rerank([hit], Profile(now=0), lambda _: product)
    (reason,) = ranked.reasons
    assert reason.kind == "synonym"
    assert reason.facts == {"said": "couch", "term": "Sofas"}
    assert reason.evidence == ("graph:couch|synonym|sofa",)


def test_what_goes_with_a_product_is_never_more_of_the_same(snapshot: Snapshot) -> None:
    for number in ("f1", "l1", "l2", "z2", "b2"):
        place = snapshot.row_of(number)
        own = snapshot.products.get(place or 0).categories[-1]
        for other in going_with(snapshot, number):
            assert snapshot.products.get(snapshot.row_of(other) or 0).categories[-1] != own
    assert "f3" in going_with(snapshot, "f1")


def test_what_fits_another_size_is_left_out(snapshot: Snapshot) -> None:
    links = going_with(snapshot, "l1")
    assert {"l2", "l4"} <= links.keys()
    assert "l3" not in links
    assert links["l2"].kind == "fits"
    assert links["l2"].said == "Laptops"
    assert "l1" not in going_with(snapshot, "l3")
    assert "l5" in going_with(snapshot, "l3")


def test_what_may_not_be_shown_is_not(snapshot: Snapshot) -> None:
    place = snapshot.row_of("f1")
    assert place is not None
    assert companions(snapshot, place, np.zeros(len(snapshot), np.bool_)) == []
    assert len(companions(snapshot, place, np.ones(len(snapshot), np.bool_), limit=1)) == 1


def test_the_products_own_language_comes_first(snapshot: Snapshot) -> None:
    assert set(going_with(snapshot, "z2")) == {"z3"}


@pytest.mark.parametrize(
    ("statement", "product", "answer"),
    [
        ("13 inch laptops", {"screen size": ["13 inch"]}, True),
        ("13-inch laptops", {"screen size": ["16 inch"]}, False),
        ("laptops up to 15 inch", {"screen size": ["13″"]}, True),
        ("13英寸笔记本", {"屏幕": ["13 inch"]}, True),
        ("laptops", {"screen size": ["13 inch"]}, None),
        ("13 inch laptops", {}, None),
    ],
)
def test_measures_decide_whether_one_fits(statement: str, product: dict[str, Any], answer: bool | None) -> None:
    candidate, other = products_of(
        {"title": "Sleeve", "attributes": {"compatible with": [statement]}}, {"title": "Laptop", "attributes": product}
    )
    assert fits(candidate, other) is answer
