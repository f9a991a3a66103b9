from __future__ import annotations

from decimal import Decimal

import pytest

from index.money import currency_of, format_money, minor_digits, parse_money
from index.product import Money


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        ("$1,299.00", 129900, "USD"),
        ("1.299,00 €", 129900, "EUR"),
        ("1.299 €", 129900, "EUR"),
        ("€12,5", 1250, "EUR"),
        ("¥1,299", 129900, "CNY"),
        ("￥１２９９", 129900, "CNY"),
        ("1299元", 129900, "CNY"),
        ("人民币 88", 8800, "CNY"),
        ("1.2万元", 1200000, "CNY"),
        ("1 299,00 zł", 129900, "PLN"),
        ("CHF 1'299.00", 129900, "CHF"),
        ("₹1,29,900.00", 12990000, "INR"),
        ("99.99 USD", 9999, "USD"),
        ("$12.99 CAD", 1299, "CAD"),
        ("KWD 1.250", 1250, "KWD"),
        ("JPY 1,299", 1299, "JPY"),
        ("0.995", 100, "USD"),
        (12.5, 1250, "USD"),
        (Decimal("12.345"), 1235, "USD"),
        (7, 700, "USD"),
        ({"amount": 1299, "currency": "eur"}, 1299, "EUR"),
        ({"amount": 1299.0}, 1299, "USD"),
        (0, 0, "USD"),
    ],
)
def test_prices_as_shops_write_them(written: object, amount: int, currency: str) -> None:
    assert parse_money(written, "USD") == Money(amount=amount, currency=currency)


@pytest.mark.parametrize(
    "written",
    ["", "on request", "10 - 20 USD", "$10 / $20", "-5", "−5 €", "1,2,3", "12 dollars per metre", "$", "NaN", True, None,
     float("nan"), float("inf"), [], {"amount": "12"}, {"amount": 12.5}, {"amount": -1}, {"amount": True},
     {"amount": 5, "currency": "XXQ"}, "9" * 40, "1.2.3.4"],
)  # fmt: skip
def test_what_is_no_price(written: object) -> None:
    assert parse_money(written, "USD") is None


def test_a_shared_sign_means_the_shops_own_currency() -> None:
    assert parse_money("$5", "CAD") == Money(amount=500, currency="CAD")
    assert parse_money("$5", "EUR") == Money(amount=500, currency="USD")
    assert parse_money("¥500", "JPY") == Money(amount=500, currency="JPY")
    assert currency_of("元", "TWD") == "TWD"
    assert currency_of("bananas", "USD") is None


@pytest.mark.parametrize(
    ("money", "language", "text"),
    [
        (Money(amount=129900, currency="USD"), "en", "$1,299.00"),
        (Money(amount=129900, currency="USD"), "zh", "US$1,299.00"),
        (Money(amount=1500, currency="CNY"), "zh-CN", "¥15.00"),
        (Money(amount=1500, currency="CNY"), "en", "CN¥15.00"),
        (Money(amount=1299, currency="JPY"), "en", "¥1,299"),
        (Money(amount=1200, currency="CHF"), "en", "12.00 CHF"),
        (Money(amount=1250, currency="KWD"), "en", "1.250 KWD"),
    ],
)
def test_prices_as_people_read_them(money: Money, language: str, text: str) -> None:
    assert format_money(money, language) == text


@pytest.mark.parametrize("currency", ["USD", "EUR", "CNY", "JPY", "GBP", "KWD", "CHF", "INR"])
def test_what_is_written_is_read_back(currency: str) -> None:
    for amount in (0, 1, 99, 100, 123456, 10**9):
        money = Money(amount=amount, currency=currency)
        assert parse_money(format_money(money), currency) == money
    assert minor_digits("JPY") == 0
