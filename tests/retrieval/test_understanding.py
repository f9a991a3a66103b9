from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.facets import Facets
from index.filters import Exclusions, Filters, PriceRange
from index.product import Availability, Money
from retrieval.understanding import Understander, merge
from retrieval.understanding.quantities import quantity_of
from retrieval.understanding.text import MAX_CHARACTERS
from tests.retrieval.behavior import SHOP
from tests.retrieval.catalog_words import BARE, UNDERSTANDER, Words, flat
from tests.retrieval.chinese_turns import HELD_OUT, SECOND
from tests.retrieval.measured_turns import CHINESE_LIMITS, LIMITS, PASSING, SIZES
from tests.retrieval.measured_words import MEASURED
from tests.retrieval.turns import CHINESE, ENGLISH


def read(turn: str) -> dict[str, Any]:
    return flat(UNDERSTANDER.read(turn.removeprefix("+"), Filters() if turn.startswith("+") else None))


@pytest.mark.parametrize(("turn", "expected"), ENGLISH.items(), ids=ENGLISH)
def test_english_turns(turn: str, expected: dict[str, Any]) -> None:
    assert read(turn) == expected


@pytest.mark.parametrize(("turn", "expected"), CHINESE.items(), ids=CHINESE)
def test_chinese_turns(turn: str, expected: dict[str, Any]) -> None:
    assert read(turn) == expected


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("red shoes", "en"),
        ("红色的鞋", "zh"),
        ("iPhone 15 手机壳", "zh"),
        ("do you have 华为 phones", "en"),
        ("XL码", "zh"),
        ("show me something like 这个", "en"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert UNDERSTANDER.read(text).language == language


def test_a_turn_without_words_keeps_the_language_of_the_talk() -> None:
    assert UNDERSTANDER.read("50-80", None, "zh").language == "zh"
    assert UNDERSTANDER.read("50-80", None, "en").language == "en"


def test_what_is_merely_named_is_a_wish_and_stays_in_the_query() -> None:
    understood = UNDERSTANDER.read("Panasonic cordless phone in leather case")
    assert understood.wishes.brand == ("Panasonic",)
    assert understood.wishes.categories == ("Cordless Phones",)
    assert "Panasonic cordless phone" in understood.query
    assert UNDERSTANDER.read("华为耳机").wishes == Filters(brand=("华为",), categories=("耳机",))


@pytest.mark.parametrize(
    "text",
    ["Panasonic cordless phone", "only Panasonic phones", "phones by Panasonic", "blue phone in black", "只要蓝色的"],
)
def test_a_catalog_without_the_field_never_filters_by_it(text: str) -> None:
    understood = BARE.read(text, Filters())
    assert understood.filters.empty
    assert understood.wishes.empty


def test_a_catalog_without_the_field_still_excludes_by_it() -> None:
    assert BARE.read("bag, not leather").filters.exclude.attributes == {"material": ("leather",)}
    assert BARE.read("不要红色的").filters.exclude.attributes == {"color": ("红色",)}


def test_a_field_that_few_products_have_only_ranks() -> None:
    rare = Understander(Words({}, {}, {"color": {"red": 1}}), "USD", 1000)
    assert rare.read("red shoes").filters.empty
    assert rare.read("red shoes").query == "red shoes"


@pytest.mark.parametrize(
    ("currency", "text", "price", "foreign"),
    [
        ("CNY", "三百元以内", (None, 30000), None),
        ("CNY", "¥300以内", (None, 30000), None),
        ("JPY", "under ¥3000", (None, 3000), None),
        ("CNY", "under $50", None, ("USD", 5000)),
        ("CAD", "under $50", (None, 5000), None),
        ("EUR", "shoes under 50 €", (None, 5000), None),
        ("EUR", "under 1.299,00 €", (None, 129900), None),
        ("GBP", "under 50 quid", (None, 5000), None),
        ("USD", "50块以内", (None, 5000), None),
        ("USD", "50元以内", None, ("CNY", 5000)),
        ("KWD", "under 1.5", None, None),
        ("KWD", "under 15.5 in total", (None, 15500), None),
    ],
)  # fmt: skip
def test_currencies(
    currency: str, text: str, price: tuple[int | None, int | None] | None, foreign: tuple[str, int] | None
) -> None:
    understood = Understander(Words(), currency, 200).read(text)
    said = understood.filters.price
    assert ((said.min, said.max) if said else None) == price
    assert said is None or said.currency == currency
    budget = understood.foreign_budget
    assert ((budget.currency, budget.amount) if budget else None) == foreign


def talk(*turns: str) -> Filters:
    current = Filters()
    for turn in turns:
        current = merge(current, UNDERSTANDER.read(turn, current))
    return current


def price(low: int | None, high: int | None) -> PriceRange:
    return PriceRange(min=low, max=high, currency="USD")


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["red shoes under $120", "under 80"], Filters(price=price(None, 8000), attributes={"color": ("red", "红色")})),
        (["over 50", "under 100"], Filters(price=price(5000, 10000))),
        (["between 50 and 80", "under 100"], Filters(price=price(None, 10000))),
        (["over 200", "under 100"], Filters(price=price(None, 10000))),
        (["under 100", "over 200"], Filters(price=price(20000, None))),
        (["under 100", "forget the budget"], Filters()),
        (["三百以内", "预算不限"], Filters()),
        (["in blue", "in black"], Filters(attributes={"color": ("black", "黑色")})),
        (["in white", "or black"], Filters(attributes={"color": ("white", "black", "黑色")})),
        (["only Nike", "also Bose"], Filters(brand=("Nike", "Bose"))),
        (["only Nike", "Bose"], Filters(brand=("Bose",))),
        (["not Nike", "only Nike"], Filters(brand=("Nike",))),
        (["only Nike", "not Nike"], Filters(exclude=Exclusions(brand=("Nike",)))),
        (["not Nike", "no Acme"], Filters(exclude=Exclusions(brand=("Nike", "Acme")))),
        (["in black", "not black"], Filters(exclude=Exclusions(attributes={"color": ("black", "黑色")}))),
        (["not black", "any color"], Filters()),
        (["不要皮的", "材质无所谓"], Filters()),
        (["in stock only", "at least 4 stars"], Filters(availability=(Availability.IN_STOCK,), rating_min=4)),
        (["at least 4 stars", "rating doesn't matter"], Filters()),
        (["red dress size M under 60", "start over"], Filters()),
        (["only Nike", "doesn't have to be Nike"], Filters()),
    ],
)
def test_conditions_over_turns(turns: list[str], expected: Filters) -> None:
    assert talk(*turns) == expected


def test_limits_that_no_price_keeps_both_are_no_condition_but_a_clash() -> None:
    read = UNDERSTANDER.read("over $100 but under $50")
    assert read.filters.price is None
    assert read.clash == (Money(amount=10_000, currency="USD"), Money(amount=5_000, currency="USD"))
    corrected = UNDERSTANDER.read("over $100, no, under $50")
    assert corrected.filters.price == price(None, 5000)
    assert corrected.clash is None
    assert UNDERSTANDER.read("低于50高于100").clash == read.clash


def test_what_is_wanted_and_turned_away_at_once_is_no_condition_but_opposed() -> None:
    for text, values in (
        ("white shoes that aren't white", ("white",)),
        ("不要黑色的黑色耳机", ("黑色", "black")),
    ):
        read = UNDERSTANDER.read(text)
        assert set(read.opposed["color"]) & set(values)
        assert not read.filters.attributes
        assert not read.filters.exclude.attributes
    assert UNDERSTANDER.read("shoes by Nike, not Nike").opposed == {"brand": ("Nike",)}
    assert not UNDERSTANDER.read("white shoes, no leather").opposed
    corrected = UNDERSTANDER.read("white shoes, no, not white")
    assert not corrected.opposed
    assert corrected.filters.exclude.attributes["color"] == ("white",)


@pytest.mark.parametrize(
    ("text", "colors"),
    [
        ("silver wall mirrors", ("silver",)),
        ("a silver hair dryer", ("silver",)),
        ("orange garden hoses", ("orange",)),
        ("orange garden gloves", ()),
        ("paint for silver walls", ()),
        ("shampoo for silver hair", ()),
    ],
)
def test_a_color_is_of_the_goods_and_not_of_the_thing_they_are_for(text: str, colors: tuple[str, ...]) -> None:
    words = Words(
        categories={"Wall Mirrors": 9, "Hair Dryers": 9, "Shampoos": 9, "Paints": 9, "Garden Hoses": 9},
        attributes={"color": {"silver": 20, "white": 20, "orange": 9}},
    )
    assert Understander(words, "USD", 40).read(text).filters.attributes.get("color", ()) == colors


def test_the_names_that_answer_a_question() -> None:
    assert UNDERSTANDER.names_for("battery life") == ("battery life",)
    assert UNDERSTANDER.names_for("water resistance") == ("waterproof",)
    assert UNDERSTANDER.names_for("fragrance") == ()


def test_other_spellings_of_color_lead_to_the_catalogs_own() -> None:
    assert UNDERSTANDER.read("深蓝色").filters.attributes == {"color": ("Navy Blue",)}
    assert UNDERSTANDER.read("grey").filters.attributes == {"color": ("Gray",)}
    compound = Understander(Words({}, {}, {"Colour": {"Matte Black": 3, "Blue/White": 2}}), "USD", 5)
    assert compound.read("in black").filters.attributes == {"Colour": ("Matte Black",)}
    assert compound.read("in white").filters.attributes == {"Colour": ("Blue/White",)}


def test_leather_excludes_no_faux_leather() -> None:
    assert "faux leather" not in UNDERSTANDER.read("not leather").filters.exclude.attributes["material"]


def test_two_languages_under_two_attribute_names() -> None:
    shop = Understander(Words({}, {}, {"color": {"red": 9, "blue": 9}, "颜色": {"红色": 5}}), "USD", 20)
    assert shop.read("in red").filters.attributes == {"color": ("red",)}
    assert shop.read("红色的").filters.attributes == {"颜色": ("红色",)}
    assert shop.read("蓝色的").filters.attributes == {"color": ("blue",)}


def test_another_brand_or_color_than_the_one_in_force() -> None:
    topic = Filters(brand=("Nike",), attributes={"color": ("black", "黑色")})
    other = merge(topic, UNDERSTANDER.read("any other brand?", topic))
    assert (other.brand, other.exclude.brand) == ((), ("Nike",))
    color = merge(topic, UNDERSTANDER.read("换个颜色", topic))
    assert (color.attributes, color.exclude.attributes) == ({}, {"color": ("black", "黑色")})
    assert merge(Filters(), UNDERSTANDER.read("a different color", Filters())).empty


def test_a_thing_to_be_without_is_found_inside_longer_values() -> None:
    shop = Understander(
        Words({}, {}, {"features": {"built-in microphone": 3, "no microphone": 2}, "特点": {"内置麦克风": 2}}), "USD", 9
    )
    assert shop.read("headset without microphone").filters.exclude.attributes == {
        "features": ("microphone", "built-in microphone")
    }
    assert shop.read("不带麦克风的耳机").filters.exclude.attributes == {
        "features": ("麦克风",),
        "特点": ("内置麦克风",),
    }


def test_small_talk_that_is_an_attribute_value_somewhere_is_no_condition() -> None:
    shop = Understander(Words({}, {}, {"nib": {"fine": 9, "extra fine": 9}, "resistance": {"light": 9}}), "USD", 9)
    assert shop.read("fine", Filters()).filters.empty
    assert shop.read("that's fine", Filters()).filters.empty
    assert shop.read("extra fine", Filters()).filters.attributes == {"nib": ("extra fine",)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("blue trail shoes under $70", {"p2"}),
        ("trail shoes, not blue, under $70", {"p1"}),
        ("only Acme tents", {"p3", "p1", "p6", "p8"}),
        ("shoes in size 42", {"p4"}),
        ("anything but Acme or Corvo", {"p2", "p7"}),
        ("四星以上的", {"p1"}),
        ("黑色的 150以内", {"p4"}),
    ],
)
def test_on_the_facets_of_a_catalog(text: str, found: set[str], tmp_path: Path) -> None:
    products = list(SHOP.values())
    rows = {product.id: row for row, product in enumerate(products)}
    facets = Facets.build(products, tmp_path, rows.get)
    filters = Understander(facets, "USD", len(facets)).read(text).filters
    assert {products[row].id for row in facets.mask(filters).allowed.nonzero()[0]} == found


def test_a_condition_beyond_the_cap_is_not_read_and_one_before_it_is() -> None:
    assert UNDERSTANDER.read(f"shoes under $50 {'x ' * MAX_CHARACTERS}").filters.price == price(None, 5000)
    assert UNDERSTANDER.read(f"{'x ' * MAX_CHARACTERS} under $50").filters.price is None


HOSTILE = [
    *("", " ", "\x00", "\ud800", "😀" * 50, "<b>'; DROP TABLE products;--", "<script>alert(1)</script>", "$", "¥" * 99),
    *(
        "1" * 50_000,
        "under " * 9_000,
        "的" * 50_000,
        "一" * 50_000,
        "the first " * 5_000,
        "not " * 12_000,
        "-" * 50_000,
    ),
    *("İİİ under $50", "½ ㎏ ① under ５０", "no " * 200 + "leather", "百千万十", "under $" + "9" * 40, "第零个"),
    *("0 stars or more", "between 0 and 0", "don't " * 5_000, "\u202e under 50", "$" * 50_000, " " * 50_000),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_input_is_read(text: str) -> None:
    understood = UNDERSTANDER.read(text, Filters())
    assert len(understood.query) <= MAX_CHARACTERS
    json.loads(understood.filters.model_dump_json())
    merge(Filters(), understood)


FRAGMENTS = st.sampled_from(
    [
        *(
            "under",
            "$",
            "50",
            "块",
            "以内",
            "not",
            "red",
            "不要",
            "红色",
            "的",
            "Nike",
            ",",
            "and",
            "和",
            "size",
            "42",
            "码",
            "第",
            "二",
            "个",
        ),
        *(
            "the first two",
            "at least",
            "4 stars",
            "between",
            "-",
            "到",
            "三百",
            "it",
            "它",
            "cheaper",
            "便宜点",
            "any color",
            "无所谓",
        ),
        *(
            "without wheels",
            "不带轮子",
            "€",
            "%",
            "'",
            '"',
            "1.5k",
            "多",
            "左右",
            "or",
            "或",
            "in",
            "from",
            "only",
            "只要",
            "max",
            "?",
        ),
        *("吗", "battery", "续航", "\x01", "<b>", "😀"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(FRAGMENTS, max_size=14).map("".join)
    | st.lists(FRAGMENTS, max_size=14).map(" ".join)
    | st.text(max_size=80),
    st.booleans(),
)
def test_any_text_is_read_the_same_twice_and_merges(text: str, in_topic: bool) -> None:
    current = Filters() if in_topic else None
    understood = UNDERSTANDER.read(text, current)
    assert understood == UNDERSTANDER.read(text, current)
    merged = merge(Filters(), understood)
    assert merge(merged, understood) == merged
    assert not set(merged.brand) & set(merged.exclude.brand)
    assert "\x00" not in understood.query


@given(
    st.integers(1, 9_999),
    st.sampled_from(["under ${}", "less than {} dollars", "{}块以内", "不超过{}块", "max ${}", "under ${:,}"]),
)
def test_every_amount_is_read_exactly(amount: int, phrase: str) -> None:
    assert UNDERSTANDER.read(f"headphones {phrase.format(amount)}").filters.price == price(None, amount * 100)


MEASURED_TURNS = {**LIMITS, **SIZES, **PASSING, **CHINESE_LIMITS}


@pytest.mark.parametrize(("turn", "expected"), MEASURED_TURNS.items(), ids=MEASURED_TURNS)
def test_quantities_sizes_and_what_is_told_in_passing(turn: str, expected: dict[str, Any]) -> None:
    assert flat(MEASURED.read(turn)) == expected


def test_the_running_topic_says_what_a_limit_is_of() -> None:
    assert MEASURED.read("at least 30 L", Filters(), topic="backpack").filters.attributes == {
        "capacity": ("35 L", "50 L")
    }
    assert MEASURED.read("at least 100 ml", Filters(), topic="sunscreen").filters.attributes == {"volume": ("200 ml",)}
    assert MEASURED.read("size 9", Filters(), topic="women's sneakers").filters.attributes["size"] == ("40",)


def test_a_limit_that_nothing_keeps_finds_nothing(tmp_path: Path) -> None:
    products = list(SHOP.values())
    facets = Facets.build(products, tmp_path, {product.id: row for row, product in enumerate(products)}.get)
    assert not facets.mask(Filters(attributes={"capacity": ("≥ 90 L",)})).allowed.any()


@pytest.mark.parametrize(
    ("value", "unit", "readings"),
    [
        ("1.5 L", "", {("volume", 1500, 1500)}),
        ("4-6 qt", "", {("volume", 3785.4, 5678.1)}),
        ("1 1/2 cups", "", {("volume", 354.9, 354.9)}),
        ("½ cup", "", {("volume", 118.3, 118.3)}),
        ("12 oz", "", {("volume", 354.9, 354.9), ("mass", 340.2, 340.2)}),
        ("5 ft 11 in", "", {("length", 1803.4, 1803.4)}),
        ("2小时30分钟", "", {("time", 9000, 9000)}),
        ("up to 40 hours", "", {("time", 144000, 144000)}),
        ("40 hours (with case)", "", {("time", 144000, 144000)}),
        ("-8 °C", "", {("celsius", -8, -8)}),
        ("23 °F", "", {("celsius", -5, -5)}),
        ("2,000 mAh", "", {("charge", 2000, 2000)}),
        ("0,5 L", "", {("volume", 500, 500)}),
        ("1.2", "kg", {("mass", 1200, 1200)}),
        ("6个", "", {("", 6, 6)}),
        ("4 ports", "", {("count of port", 4, 4)}),
        ("16个接口", "", {("count of port", 16, 16)}),
        ("IP67", "", {("mark ip", 7, 7)}),
        ("SPF 50+", "", {("mark spf", 50, 50)}),
        ("2K", "", {("lines", 1440, 1440)}),
        ("3.5 mm jack", "", set()),
        ("80 x 150 cm", "", set()),
        ("14 years and up", "", set()),
        ("from birth", "", set()),
        ("", "", set()),
    ],
)
def test_quantities_of_catalogs(value: str, unit: str, readings: set[tuple[str, float, float]]) -> None:
    assert {(each.kind, round(each.low, 1), round(each.high, 1)) for each in quantity_of(value, unit)} == readings


def test_an_attribute_is_a_quantity_where_most_of_it_is() -> None:
    words = {"connectivity": {"3.5 mm jack": 9, "2 m cable": 1, "USB-C": 9}, "cable": {"1 m": 5, "2 m": 5, "none": 2}}
    shop = Understander(Words({}, {}, words), "USD", 30)
    assert shop.read("headset with at least 1.5 m cable").filters.attributes == {"cable": ("2 m",)}


def plainly(found: dict[str, Any]) -> dict[str, Any]:
    """Values in no order, and of the query the words alone."""
    query = found.get("query")
    plain = {
        name: frozenset(value) if isinstance(value, tuple) and name not in ("price", "foreign", "ordinals") else value
        for name, value in found.items()
    }
    return plain | ({"query": re.sub(r"[\s的,，。、?]", "", query)} if isinstance(query, str) else {})


TYPED: dict[str, dict[str, Any]] = {**HELD_OUT, **SECOND}


@pytest.mark.parametrize(("turn", "expected"), TYPED.items(), ids=TYPED)
def test_chinese_as_it_is_typed(turn: str, expected: dict[str, Any]) -> None:
    running = Filters() if turn.startswith("+") else None
    found, wanted = plainly(flat(MEASURED.read(turn.removeprefix("+"), running, "zh"))), plainly(expected)
    if wanted.get("query") is ...:
        wanted = {name: value for name, value in wanted.items() if name != "query"}
        found.pop("query", None)
    assert found == wanted


@pytest.mark.parametrize(
    ("turn", "size"),
    [
        ("有大一号的吗", "42"),
        ("小一码的", "40"),
        ("one size up please", "42"),
        ("a smaller size", "40"),
        ("大一号的运动鞋", "42"),
    ],
)
def test_a_size_up_or_down_goes_on_from_the_one_said_before(turn: str, size: str) -> None:
    current = Filters(attributes={"size": ("41",)})
    assert merge(current, MEASURED.read(turn, current, "zh")).attributes["size"] == (size,)


def test_a_size_up_from_nothing_or_from_the_largest_sets_no_size() -> None:
    assert MEASURED.read("大一号的运动鞋", Filters()).filters.attributes == {}
    largest = Filters(attributes={"size": ("44",)})
    assert MEASURED.read("one size up", largest).filters.attributes == {}


def test_a_traditional_catalog_is_read_in_either_script() -> None:
    words = Words({}, {"雙肩包": 9}, {"顏色": {"黑色": 9, "紅色": 9}, "材質": {"皮革": 5}})
    shop = Understander(words, "TWD", 9)
    for turn in ("紅色的雙肩包", "红色的双肩包"):
        assert shop.read(turn).filters.attributes == {"顏色": ("紅色",)}
    assert shop.read("不要皮的雙肩包").filters.exclude.attributes == {"材質": ("皮革",)}
