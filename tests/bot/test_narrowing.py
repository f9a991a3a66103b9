from __future__ import annotations

from bot.state import Topic
from bot.tasks.narrowing import splitting
from bot.tasks.search import round_price
from index.filters import Filters
from index.product import Product


def shelf(**columns: list[str]) -> list[Product]:
    rows = zip(*columns.values(), strict=True)
    return [
        Product(
            id=str(number),
            title=f"Thing {number}",
            attributes={name: (value,) for name, value in zip(columns, row, strict=True)},
        )
        for number, row in enumerate(rows)
    ]


def test_the_even_split_wins_over_the_lopsided_one() -> None:
    products = shelf(fit=["loose", "tight"] * 6, color=["red"] * 11 + ["blue"])
    assert splitting(products, Topic(query="shirt")) == ("fit", ["loose", "tight"])


def test_what_was_said_is_not_asked() -> None:
    products = shelf(fit=["loose", "tight"] * 6)
    assert splitting(products, Topic(query="loose shirt")) is None
    assert splitting(products, Topic(query="shirt", filters=Filters(attributes={"Fit": ("tight",)}))) is None


def test_numbers_ids_many_values_and_mixed_scripts_make_no_question() -> None:
    assert splitting(shelf(weight=["1 kg", "2 kg"] * 6), Topic()) is None
    assert splitting(shelf(sku=["a", "b"] * 6), Topic()) is None
    assert splitting(shelf(name=[chr(97 + place) for place in range(12)]), Topic()) is None
    assert splitting(shelf(color=["red", "红色"] * 6), Topic()) is None
    assert splitting([], Topic()) is None


def test_price_limits_are_round() -> None:
    assert round_price(8_734, "USD") == 9_000
    assert round_price(123_456, "USD") == 200_000
    assert round_price(50, "USD") == 200
    assert round_price(8_734, "JPY") == 9_000
