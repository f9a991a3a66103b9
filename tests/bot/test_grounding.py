from __future__ import annotations

import pytest

from bot.cards import Card
from bot.grounding import Ledger
from index.product import Money, Product


@pytest.fixture
def ledger() -> Ledger:
    found = Ledger("USD")
    found.product(
        Product.model_validate(
            {
                "id": "p1",
                "title": "Panasonic KX-TG1034S phone",
                "price": {"amount": 7999, "currency": "USD"},
                "list_price": {"amount": 129900, "currency": "USD"},
                "delivery": {"days_min": 2, "days_max": 4},
                "attributes": {"range": ["100 m"]},
            }
        )
    )
    found.text("Orders over $50 ship free. You have 30 days to return, minus 10 % for opened boxes.")
    return found


@pytest.mark.parametrize(
    "sentence",
    [
        "The Panasonic KX-TG1034S phone costs $79.99.",
        "It was $1,299.00 before.",
        "价格是 US$79.99。",
        "It takes 2–4 days.",
        "Our page says: “Orders over $50 ship free.”",
        "You have 30 days to return.",
        "Nothing with a figure at all.",
        "Its range is 100 m, with 4 handsets shown.",
        "大约 2–4 天送到。",
    ],
)
def test_what_records_back_stays(ledger: Ledger, sentence: str) -> None:
    assert ledger.checked([sentence]) == [sentence]
    assert ledger.removed == 0


@pytest.mark.parametrize(
    "sentence",
    [
        "It costs $78.99.",
        "It costs €79.99.",
        "只要 79 元。",
        "You pay just 100 dollars.",
        "Take 20% off today.",
        "It arrives in 1 day.",
        "3 天就能到。",
        "Or take the KX-TG9999Z instead.",
        "It is USD 5.",
    ],
)
def test_what_no_record_backs_is_removed_and_counted(ledger: Ledger, sentence: str) -> None:
    assert ledger.checked(["Hello.", sentence]) == ["Hello."]
    assert ledger.removed == 1


def test_cards_of_no_product_or_another_price_are_removed(ledger: Ledger) -> None:
    product = Product(id="p1", title="Phone", price=Money(amount=7999, currency="USD"))
    right = Card(product_id="p1", title="Phone", price=product.price)
    cheaper = right.model_copy(update={"price": Money(amount=100, currency="USD")})
    invented = right.model_copy(update={"product_id": "p2"})
    assert ledger.cards([right, cheaper, invented], {"p1": product}) == [right]
    assert ledger.removed == 2
