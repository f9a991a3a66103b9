from __future__ import annotations

import pytest

from bot.cards import Card, CardReason
from bot.grounding import Ledger
from bot.shelf import Found
from index.product import Money, Product
from retrieval.ranking import RankedHit, Reason
from retrieval.search import Hit


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


class TestReasons:
    RATED = Product.model_validate({"id": "p1", "title": "Kettle", "rating": {"value": 4.5, "count": 9}})
    TRUE = Reason("rating", {"value": 4.5, "count": 9}, ("rating:p1",))
    FORGED = Reason("viewed_item", {"views": 1, "carts": 0, "purchases": 0, "items": 1, "days": 1}, ("e1",))

    def found(self, *reasons: Reason) -> Found:
        hit: RankedHit[Hit] = RankedHit(Hit(0, "p1", None, 1.0), 1.0, reasons)
        return Found((hit,), 1, 0, {"p1": self.RATED})

    def card(self, *reasons: Reason) -> Card:
        spoken = tuple(CardReason(text=reason.kind, evidence=reason.evidence) for reason in reasons)
        return Card(product_id="p1", title="Kettle", reasons=spoken)

    def test_a_reason_that_the_records_back_stays(self, ledger: Ledger) -> None:
        cards = [self.card(self.TRUE)]
        assert ledger.reasons(cards, self.found(self.TRUE)) == cards
        assert ledger.removed == 0

    def test_a_forged_one_goes_the_card_stays_and_it_is_counted(
        self, ledger: Ledger, caplog: pytest.LogCaptureFixture
    ) -> None:
        (card,) = ledger.reasons([self.card(self.FORGED, self.TRUE)], self.found(self.FORGED, self.TRUE))
        assert [reason.text for reason in card.reasons] == ["rating"]
        assert ledger.removed == 1
        assert "unknown_event" in caplog.text

    def test_one_that_no_search_gave_goes(self, ledger: Ledger) -> None:
        """Neither a sentence more than there are reasons, nor one with other evidence, nor any without a search."""
        found = self.found(self.TRUE)
        (card,) = ledger.reasons([self.card(self.TRUE, self.TRUE)], found)
        assert len(card.reasons) == 1
        swapped = self.card(self.TRUE).model_copy(update={"reasons": (CardReason(text="x", evidence=("rating:p2",)),)})
        assert ledger.reasons([swapped], found)[0].reasons == ()
        assert ledger.reasons([self.card(self.TRUE)], None)[0].reasons == ()
        assert ledger.removed == 3
