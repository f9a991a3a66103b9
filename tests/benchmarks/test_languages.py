"""Needs in pairs: both sides ask for the same thing, and what answers it follows from the records."""

from __future__ import annotations

import math

from benchmarks.languages import pairs_of, recall, search_figures
from benchmarks.needs import Names
from index.product import Money, Product

NAMES = Names({"Kettles": "Kettles", "水壶": "Kettles"}, {})
PRODUCTS = [
    *(
        Product(
            id=f"en-{number}", title="Kettle", categories=("Kettles",), language="en",
            price=Money(amount=1000 * number, currency="USD"), attributes={"color": ("red",)},
        )
        for number in range(1, 4)
    ),
    *(
        Product(
            id=f"zh-{number}", title="水壶", categories=("水壶",), language="zh",
            price=Money(amount=1000 * number, currency="USD"), attributes={"颜色": ("红色",)},
        )
        for number in range(1, 3)
    ),
]  # fmt: skip


def test_a_need_is_said_in_both_languages_and_answered_in_either() -> None:
    pairs = {pair.kind: pair for pair in pairs_of(PRODUCTS, NAMES, {"red": "红色"}, {})}
    assert pairs["kind"].texts == {"en": "kettles", "zh": "水壶"}
    assert pairs["color"].texts == {"en": "red kettles", "zh": "红色的水壶"}
    assert pairs["color"].relevant == {"en": {"en-1", "en-2", "en-3"}, "zh": {"zh-1", "zh-2"}}
    assert pairs["price"].texts == {"en": "kettles under $20", "zh": "20美元以内的水壶"}
    assert pairs["price"].relevant == {"en": {"en-1", "en-2"}, "zh": {"zh-1", "zh-2"}}


def test_recall_is_of_what_ten_can_hold() -> None:
    assert recall(["a", "b"], frozenset("ac")) == 0.5
    assert recall([str(each) for each in range(20)], frozenset(map(str, range(20)))) == 1.0
    assert math.isnan(recall(["a"], frozenset()))


def test_a_search_that_knows_no_chinese_is_behind() -> None:
    pairs = pairs_of(PRODUCTS, NAMES, {"red": "红色"}, {})
    figures = search_figures(pairs, lambda text: [each.id for each in PRODUCTS] if text.isascii() else [])
    assert figures["en"]["recall"] == 1.0
    assert figures["difference"] == -1.0
    assert figures["zh"]["own"] == 0.0
