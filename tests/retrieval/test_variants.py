"""The variant that the words of a query choose: which options they name, and what of it can be had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from index.encoders import Encoder
from index.filters import Filters, PriceRange
from index.product import Product
from index.snapshot import Snapshot
from retrieval.search import Hit, SearchEngine
from retrieval.variants import Said
from storage.offers import Offer, Price
from tests.index.catalogs import indexed, products_of


def product(title: str, **options: tuple[str, ...]) -> Product:
    """One variant for each combination of the options."""
    combined: list[dict[str, str]] = [{}]
    for name, values in options.items():
        combined = [each | {name: value} for each in combined for value in values]
    variants = [{"id": f"v{place}", "options": own} for place, own in enumerate(combined)]
    return products_of({"title": title, "variants": variants})[0]


BOOTS = product("Red Wing boots", color=("red", "black", "navy blue", "sky blue", "blue"), size=("41", "42"))
SHIRT = product("T恤 纯棉", 颜色=("黑色", "白色", "红"), 尺码=("L", "XL", "大"))
PHONE = product("Holt phone", storage=("128 GB", "256 GB", "1 TB"))
WATCH_OPTIONS = ({"color": "blue/white", "size": "EU 42"}, {"color": "dark grey"})
WATCH = products_of(
    {"title": "Watch", "variants": [{"id": str(n), "options": own} for n, own in enumerate(WATCH_OPTIONS)]}
)[0]


@pytest.mark.parametrize(
    ("sold", "text", "named"),
    [
        (BOOTS, "red wing boots", ""),  # the maker's name is no color
        (BOOTS, "red wing boots red", "red 41, red 42"),
        (BOOTS, "red wing boots black 42", "black 42"),
        (BOOTS, "navy blue boots 41", "navy blue 41"),  # and no sky blue
        (BOOTS, "blue boots 41", "navy blue 41, sky blue 41, blue 41"),
        (BOOTS, "boots", ""),
        (SHIRT, "黑色 L码 T恤", "黑色 L"),
        (SHIRT, "白T恤 XL", "白色 XL"),
        (SHIRT, "红色T恤", "红 L, 红 XL, 红 大"),
        (SHIRT, "大人T恤", ""),
        (SHIRT, "红 summer shirt", "红 L, 红 XL, 红 大"),
        (SHIRT, "summer 红 shirt", "红 L, 红 XL, 红 大"),
        (SHIRT, "黑板擦", ""),
        (SHIRT, "kettle 1.7 L", ""),
        (PHONE, "256GB phone", "256 GB"),
        (PHONE, "phone with 1tb", "1 TB"),
        (PHONE, "phone 15", ""),
        (WATCH, "white watch", "blue/white EU 42"),
        (WATCH, "grey watch", "dark grey"),
        (WATCH, "men's watch size 42", "blue/white EU 42"),
    ],
)
def test_which_options_a_text_names(sold: Product, text: str, named: str) -> None:
    count = Said(text).fit(sold)[:, 0]
    best = [each for each, own in zip(sold.variants, count, strict=True) if own == count.max() > 0]
    assert ", ".join(" ".join(each.options.values()) for each in best) == named


def test_the_exact_name_goes_before_what_is_like_it_and_other_words_count() -> None:
    exactly = Said("blue boots").fit(BOOTS)[:, 1].tolist()
    fit = {tuple(each.options.values()): own for each, own in zip(BOOTS.variants, exactly, strict=True)}
    assert fit["blue", "41"] > fit["sky blue", "41"] > fit["black", "41"]
    assert Said("schwarz boots", ["black"]).fit(BOOTS)[:, 0].any()
    assert not Said("schwarz boots").fit(BOOTS)[:, 0].any()


def row(number: str, title: str, color: str, size: str, price: float, **more: Any) -> dict[str, Any]:
    return {"id": number, "title": f"{title} {color} {size}", "item_group_id": title, "attributes": {"color": color, "size": size},
            "price": f"{price:.2f} USD", "quantity": 5, "categories": ["Shoes"]} | more  # fmt: skip


FEED = [
    row("ridge-r41", "Ridge running shoes", "red", "41", 80),
    row("ridge-r42", "Ridge running shoes", "red", "42", 85, quantity=0, mpn="NP-4242R"),
    row("ridge-b42", "Ridge running shoes", "blue", "42", 79, mpn="NP-4242B"),
    row("drift-r41", "Drift running shoes", "red", "41", 95),
    row("drift-r42", "Drift running shoes", "red", "42", 99),
    row("kestrel-1", "Kestrel phone", "black", "128 GB", 500),
    row("kestrel-2", "Kestrel phone", "black", "256 GB", 600),
    {"id": "merle", "title": "Merle phone 128 GB", "price": "300 USD"},
    row("tee-1", "纯棉T恤", "黑色", "M码", 30),
    row("tee-2", "纯棉T恤", "黑色", "L码", 31),
    row("tee-3", "纯棉T恤", "白色", "L码", 32),
    *(
        {"id": f"x{n}", "title": title}
        for n, title in enumerate(("Oak table", "Wool scarf", "Assam tea", "Camping tent"))
    ),
]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory, encoders_by_space: Mapping[str, Encoder]) -> Snapshot:
    shop = tmp_path_factory.mktemp("variants")
    return indexed(shop, FEED, encoders_by_space)


@pytest.fixture(scope="module")
def engine(snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]) -> SearchEngine:
    return SearchEngine(snapshot, encoders_by_space)


def shown(hits: list[Hit]) -> list[tuple[str, str | None]]:
    return [(hit.product_id, hit.variant_id) for hit in hits]


def test_a_color_that_is_only_named_chooses_the_variant_once(engine: SearchEngine) -> None:
    hits = shown(engine.search("blue running shoes").hits)
    assert ("Ridge running shoes", "ridge-b42") in hits
    assert len({product_id for product_id, _ in hits}) == len(hits)
    assert ("Ridge running shoes", None) in shown(engine.search("running shoes").hits)
    assert shown(engine.search("256GB phone").hits)[0] == ("Kestrel phone", "kestrel-2")
    assert shown(engine.search("黑色 L码 T恤").hits)[0] == ("纯棉T恤", "tee-2")


def test_sold_out_is_chosen_only_where_nothing_else_is_named_as_well(engine: SearchEngine) -> None:
    hits = engine.search("red running shoes").hits
    assert dict(shown(hits))["Ridge running shoes"] == "ridge-r41"
    named = shown(engine.search("red running shoes 42").hits)
    assert named[0] == ("Drift running shoes", "drift-r42")  # which has it
    assert ("Ridge running shoes", "ridge-r42") in named  # whose card says that it is sold out


def test_newer_offers_count(snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]) -> None:
    news = [
        Offer(product_id="Ridge running shoes", variant_id="ridge-r42", availability="in_stock", stock=3),
        Offer(product_id="Drift running shoes", variant_id="drift-r42", stock=0),
        Offer(product_id="Kestrel phone", variant_id="kestrel-2", price=Price(amount=100, currency="USD")),
    ]
    engine = SearchEngine(snapshot, encoders_by_space, lambda: news)
    assert shown(engine.search("red running shoes 42").hits)[0] == ("Ridge running shoes", "ridge-r42")
    cheap = Filters(price=PriceRange(max=20_000, currency="USD"))
    assert shown(engine.search("phone", cheap).hits) == [("Kestrel phone", "kestrel-2")]


def test_words_choose_among_what_the_conditions_left(engine: SearchEngine) -> None:
    red = Filters(attributes={"color": ("red",)})
    assert dict(shown(engine.search("drift running shoes 42", red).hits))["Drift running shoes"] == "drift-r42"
    cheap = Filters(price=PriceRange(max=9_600, currency="USD"))
    assert dict(shown(engine.search("drift running shoes 42", cheap).hits))["Drift running shoes"] == "drift-r41"


@pytest.mark.parametrize(
    ("text", "variant"), [("ridge-b42", "ridge-b42"), ("NP-4242R", "ridge-r42"), ("np4242b", "ridge-b42")]
)
def test_a_variants_number_finds_its_product_and_chooses_it(engine: SearchEngine, text: str, variant: str) -> None:
    assert shown(engine.search(text).hits)[0] == ("Ridge running shoes", variant)


def test_ids_of_variants_lead_to_their_product(snapshot: Snapshot) -> None:
    assert snapshot.row_of("tee-3") == snapshot.row_of("纯棉T恤") is not None
    assert snapshot.row_of("tee-9") is None
    assert snapshot.row_of("") is None
