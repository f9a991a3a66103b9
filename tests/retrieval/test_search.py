"""Search over a real index: built with the real encoders from a small catalog in two languages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from index.build import build_index
from index.encoders import Encoder
from index.filters import Exclusions, Filters, PriceRange
from index.product import Availability
from index.snapshot import Snapshot, current_index
from retrieval.search import Hit, SearchEngine, SearchResult, Sort
from storage.offers import Offer, Price
from storage.settings import ShopSettings
from tests.index.catalogs import hash_encoders, indexed


def product(number: str, title: str, cents: int | None, **fields: Any) -> dict[str, Any]:
    price = {"amount": cents, "currency": "USD"} if cents is not None else None
    return {"id": number, "title": title, "price": price, **fields}


CATALOG = [
    product("h1", "Sonderbach Aria over-ear headphones, wireless, noise cancelling", 19900, brand="Sonderbach",
            categories=["Audio", "Headphones"], mpn="SB-AR700X", rating={"value": 4.6, "count": 210}),
    product("h2", "Pellworth in-ear headphones with cable", 2400, brand="Pellworth", categories=["Audio", "Headphones"],
            rating={"value": 3.9, "count": 44}, published_at="2026-03-01T00:00:00Z"),
    product("h3", "Sonderbach Duo bluetooth headphones", 8900, brand="Sonderbach", categories=["Audio", "Headphones"],
            rating={"value": 5.0, "count": 1}, published_at="2025-01-01T00:00:00Z"),
    product("h4", "Sonderbach Studio headphones", None, brand="Sonderbach", categories=["Audio", "Headphones"]),
    product("k1", "Moorhen electric kettle 1.7 L", 3900, brand="Moorhen", categories=["Kitchen", "Kettles"],
            attributes={"color": ["white"]}, description="<b>Boils</b> fast. Not for camping."),
    product("k2", "Moorhen stovetop kettle", 2900, brand="Moorhen", categories=["Kitchen", "Kettles"],
            availability="out_of_stock"),
    product("s1", "Northpeak trail running shoes", 11900, brand="Northpeak", categories=["Shoes", "Running"], variants=[
        {"id": "s1-b42", "options": {"color": "blue", "size": "42"}, "price": {"amount": 11900, "currency": "USD"}},
        {"id": "s1-r42", "options": {"color": "red", "size": "42"}, "price": {"amount": 9900, "currency": "USD"}},
        {"id": "s1-r43", "options": {"color": "red", "size": "43"}, "availability": "out_of_stock"}]),
    product("s2", "Northpeak city sneakers", 7900, brand="Northpeak", categories=["Shoes", "Sneakers"]),
    product("c1", "Sofa with three seats, grey velvet", 89900, categories=["Furniture"]),
    product("c2", "Oak dining table", 49900, categories=["Furniture"]),
    product("d1", "USB-C charger 65 W", 3500, mpn="QX65-W", categories=["Electronics", "Chargers"]),
    product("d2", "USB-C charger 30 W", 1900, mpn="QX30-W", categories=["Electronics", "Chargers"]),
    product("z1", "无线蓝牙耳机 主动降噪", 12900, categories=["数码", "耳机"], language="zh"),
    product("z2", "电热水壶 1.5升 不锈钢", 4500, categories=["厨房", "水壶"], language="zh"),
    product("z3", "男士跑步鞋 透气", 8800, categories=["鞋", "跑步鞋"], language="zh"),
    product("z4", "天然乳胶枕头", 6600, categories=["家居"], language="zh"),
]  # fmt: skip


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory, encoders_by_space: Mapping[str, Encoder]) -> Snapshot:
    shop = tmp_path_factory.mktemp("shop")
    return indexed(shop, CATALOG, encoders_by_space)


@pytest.fixture(scope="module")
def engine(snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]) -> SearchEngine:
    return SearchEngine(snapshot, encoders_by_space)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, encoders_by_space: Mapping[str, Encoder]) -> SearchEngine:
    """The same catalog, kept as one of more than 20,000 products is: a graph of vectors, n-grams of the candidates' titles."""
    shop = tmp_path_factory.mktemp("large")
    catalog = shop / "catalog.jsonl"
    catalog.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in CATALOG), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        for name in ("index.parts.SMALL_CATALOG", "index.snapshot.SMALL_CATALOG", "index.vectors.EXACT_UP_TO"):
            patched.setattr(name, 5)
        build_index(catalog, shop, ShopSettings(), encoders_by_space.__getitem__)
        folder = current_index(shop)
        assert folder is not None
        loaded = Snapshot.load(folder, encoders_by_space)
    assert {store.name for store in loaded.vectors.values()} == {"hnsw-sq8"}
    return SearchEngine(loaded, encoders_by_space)


def ids(result: SearchResult) -> list[str]:
    return [hit.product_id for hit in result.hits]


def below(cents: int) -> Filters:
    return Filters(price=PriceRange(max=cents, currency="USD"))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("noise cancelling headphones", "h1"),
        ("bluetooth headphones", "h3"),
        ("blutooth hedphones", "h3"),
        ("a couch", "c1"),
        ("SBAR700X", "h1"),
        ("qx-30w", "d2"),
        ("QX65W", "d1"),
        ("electric kettle", "k1"),
        ("蓝牙耳机", "z1"),
        ("跑步鞋", "z3"),
        ("烧水壶", "z2"),
        ("枕头", "z4"),
        ("electric kettle'; --", "k1"),
        ("<script>alert('kettle')</script> electric kettle", "k1"),
    ],
)
def test_what_is_meant_comes_first(engine: SearchEngine, text: str, first: str) -> None:
    result = engine.search(text)
    assert result.matched
    assert ids(result)[0] == first


@pytest.mark.parametrize(
    "text",
    [
        "helicopter",
        "red helicopter",
        "life insurance",
        "asdfgh qwerty",
        "显微镜",
        "红酒",
        "吉他",
        "😀🎁",
        "?!",
        "\x00",
        "q" * 50_000,
        'AND OR NOT ("',
    ],
)
def test_what_the_shop_has_not_is_not_found(engine: SearchEngine, text: str) -> None:
    result = engine.search(text)
    assert not result.matched
    assert result.hits == []
    assert result.total == 0


@pytest.mark.parametrize("sort", ["relevance", "price_asc"])
@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("noise cancelling headphones", None),
        ("blutooth hedphones", None),
        ("qx-30w", None),
        ("跑步鞋", None),
        ("headphones", Filters(price=PriceRange(max=10_000, currency="USD"))),
        ("running shoes", Filters(attributes={"color": ("red",)})),
        ("kettle", Filters(exclude=Exclusions(brand=("Moorhen",)))),
        ("helicopter", None),
        ("", Filters(categories=("Headphones",))),
    ],
)
def test_a_large_catalog_is_searched_alike(
    engine: SearchEngine, large: SearchEngine, text: str, filters: Filters | None, sort: Sort
) -> None:
    small, found = engine.search(text, filters, sort), large.search(text, filters, sort)
    assert ids(found)[:1] == ids(small)[:1]
    assert (found.matched, found.unknown_price) == (small.matched, small.unknown_price)
    assert found.hits == [] or found.hits[0].variant_id == small.hits[0].variant_id


def test_a_found_product_says_why(engine: SearchEngine, snapshot: Snapshot) -> None:
    hit = engine.search("SB-AR700X").hits[0]
    assert hit.sources["codes"] > 0.5
    assert hit.row == snapshot.row_of("h1")
    assert 0 < hit.score <= 1.001
    assert isinstance(hit, Hit)


def test_the_price_filters_before_the_cut_and_unknown_prices_are_counted(engine: SearchEngine) -> None:
    result = engine.search("headphones", below(10_000))
    assert set(ids(result)) == {"h2", "h3"}
    assert result.total == 2
    assert result.unknown_price >= 1
    assert ids(engine.search("headphones", below(10_000), limit=1))[0] in {"h2", "h3"}


def test_an_excluded_brand_is_never_shown(engine: SearchEngine) -> None:
    found = ids(engine.search("headphones", Filters(exclude=Exclusions(brand=("sonderbach",)))))
    assert "h2" in found
    assert not {"h1", "h3", "h4"} & set(found)


def test_nothing_allowed_is_nothing_found(engine: SearchEngine) -> None:
    result = engine.search("headphones", Filters(brand=("Moorhen",)))
    assert not {"h1", "h2", "h3", "h4"} & set(ids(result))


def test_the_variant_that_keeps_the_conditions_is_named(engine: SearchEngine) -> None:
    red = engine.search("running shoes", Filters(attributes={"color": ("red",)})).hits[0]
    assert (red.product_id, red.variant_id) == ("s1", "s1-r42")
    blue = engine.search("running shoes", Filters(attributes={"color": ("Blue",)})).hits[0]
    assert (blue.product_id, blue.variant_id) == ("s1", "s1-b42")
    assert engine.search("running shoes").hits[0].variant_id is None


def test_other_orders_sort_only_what_is_relevant(engine: SearchEngine) -> None:
    cheapest = ids(engine.search("headphones", sort="price_asc"))
    assert cheapest[:4] == ["h2", "h3", "z1", "h1"]  # headphones are headphones in either language
    assert "d2" not in cheapest  # cheaper, but no headphones
    assert cheapest[-1] == "h4"  # no price, so last
    assert ids(engine.search("headphones", sort="price_desc"))[:4] == ["h1", "z1", "h3", "h2"]
    assert ids(engine.search("headphones", sort="newest"))[:2] == ["h2", "h3"]


def test_a_rating_of_one_counts_less_than_one_of_many(engine: SearchEngine) -> None:
    assert ids(engine.search("headphones", sort="rating"))[:2] == ["h1", "h3"]


@pytest.mark.parametrize("text", ["", "  ", "show me something", "推荐一下"])
def test_without_words_it_lists_what_is_allowed_best_rated_first(engine: SearchEngine, text: str) -> None:
    result = engine.search(text, Filters(categories=("Headphones",)))
    assert result.matched
    assert result.total == 4
    assert ids(result)[0] == "h1"


def test_the_limit_cuts_the_hits_but_not_the_total(engine: SearchEngine) -> None:
    result = engine.search("", limit=3)
    assert len(result.hits) == 3
    assert result.total == len(CATALOG)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """600 phones and 100 cases, the cheapest phone among the last, searched by words."""
    shop = tmp_path_factory.mktemp("crowd")
    rows = [product(f"p{n}", f"Acme phone model {n}", 90_000 - n) for n in range(600)]
    rows[570]["price"]["amount"] = 100
    rows += [product(f"c{n}", f"Leather case {n}", 10 + n) for n in range(100)]
    catalog = shop / "catalog.jsonl"
    catalog.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    build_index(catalog, shop, ShopSettings(), hash_encoders())
    folder = current_index(shop)
    assert folder is not None
    return Snapshot.load(folder)


def test_the_cheapest_of_a_crowd_is_the_cheapest_of_all(crowd: Snapshot) -> None:
    engine = SearchEngine(crowd, {})
    result = engine.search("phone", sort="price_asc")
    assert ids(result)[:3] == ["p570", "p599", "p598"]
    assert result.total == 600
    assert ids(engine.search("phone", sort="price_desc"))[:2] == ["p0", "p1"]
    dear = engine.search("phone", Filters(price=PriceRange(min=89_700, currency="USD")), sort="price_asc")
    assert (ids(dear)[0], dear.total) == ("p300", 301)


def test_the_total_by_relevance_counts_those_beyond_the_candidates_too(crowd: Snapshot) -> None:
    engine = SearchEngine(crowd, {})
    assert engine.search("phone").total == 600
    assert engine.search("phone", below(89_700)).total == 300
    assert engine.search("leather case").total == 100


def test_prices_of_newer_offers_order_what_was_found(
    snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> None:
    offers = [Offer(product_id="h1", price=Price(amount=1_000, currency="USD")), Offer(product_id="h4", stock=1)]
    engine = SearchEngine(snapshot, encoders_by_space, lambda: offers)
    assert ids(engine.search("headphones", sort="price_asc")) == ["h1", "h2", "h3", "z1", "h4"]
    assert ids(engine.search("headphones", sort="price_desc"))[:4] == ["z1", "h3", "h2", "h1"]
    assert ids(engine.search("", Filters(categories=("Headphones",)), sort="price_asc"))[0] == "h1"


def test_newer_offers_decide_what_passes(snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]) -> None:
    offers = [
        Offer(product_id="h1", price=Price(amount=4900, currency="USD")),
        Offer(product_id="h2", availability="out_of_stock"),
    ]
    engine = SearchEngine(snapshot, encoders_by_space, lambda: offers)
    assert "h1" in ids(engine.search("headphones", below(5_000)))
    available = Filters(availability=(Availability.IN_STOCK,))
    assert "h2" not in ids(engine.search("headphones", available))


def test_a_shop_without_encoders_still_finds_by_words(snapshot: Snapshot) -> None:
    engine = SearchEngine(snapshot, {})
    assert ids(engine.search("blutooth headphones"))[0] == "h3"
    assert ids(engine.search("蓝牙耳机"))[0] == "z1"
    assert not engine.search("helicopter").matched


def test_results_are_reproducible_and_threads_share_an_engine(engine: SearchEngine) -> None:
    texts = ["headphones", "蓝牙耳机", "kettle", "running shoes", "charger"] * 4
    expected = [ids(engine.search(text)) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert [ids(result) for result in pool.map(engine.search, texts)] == expected


def test_the_cheapest_phone_is_a_phone(tmp_path: Path, encoders_by_space: Mapping[str, Encoder]) -> None:
    rows = [
        product("case", "Silicone case for a phone", 2900, categories=["Accessories"]),
        product("dear", "Galaxy S7", 30000, categories=["smartphones"]),
        product("cheap", "Oppo A57", 20000, categories=["smartphones"]),
    ]
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    build_index(catalog, tmp_path, ShopSettings(), encoders_by_space)
    folder = current_index(tmp_path)
    assert folder is not None
    small = SearchEngine(Snapshot.load(folder), encoders_by_space)
    assert set(ids(small.search("phone"))) == {"case", "dear", "cheap"}
    assert ids(small.search("phone", sort="price_asc")) == ["cheap", "dear"]


def test_a_need_that_is_told_finds_what_serves_it_and_an_unsold_name_nothing(engine: SearchEngine) -> None:
    assert ids(engine.search("something to sit on with my friends"))[0] == "c1"
    assert ids(engine.search("I want to run in the woods"))[0] == "s1"
    assert not engine.search("boat with an outboard motor").matched
    assert not engine.search("rocking horse for my son").matched


@pytest.mark.parametrize("text", ["帐篷", "咖啡机", "红色的窗帘", "婴儿车"])
def test_goods_that_no_product_has_by_any_word_are_not_found(engine: SearchEngine, text: str) -> None:
    assert not engine.search(text).matched


@pytest.mark.parametrize(("text", "first"), [("耳塞", "z1"), ("沙发", "c1"), ("充电头", "d1"), ("跑鞋", "z3")])
def test_goods_that_are_there_by_another_word_are(engine: SearchEngine, text: str, first: str) -> None:
    assert first in ids(engine.search(text))
