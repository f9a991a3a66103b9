"""Orders, offers, thumbs and removed beliefs, on both databases."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from storage.beliefs import hidden_beliefs, hide_belief
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import Forbidden, InvalidInput, NotFound
from storage.feedback import feedback_of, put_feedback
from storage.offers import Offer, OfferReader, Price, all_offers, offers_for, put_offers
from storage.orders import Order, baskets, orders_of, put_orders, read_order
from storage.principal import Principal, Role


def order(number: int, **fields: Any) -> Order:
    row = {"order_id": f"A-{number}", "user_id": "alice", "status": "placed", "placed_at": 1767323045000 + number}
    return Order.model_validate(row | fields)


class TestOrders:
    def test_they_are_read_back_whole_and_oldest_first(
        self, database: Database, alice: Principal, backend: Principal
    ) -> None:
        tracking = {"carrier": "顺丰", "number": "SF1", "url": "https://x.example/SF1", "expected_at": "2026-01-05"}
        items = [{"product_id": "p1", "variant_id": "blue", "quantity": 2, "price": 1299}, {"product_id": "p2"}]
        new = [
            order(2),
            order(1, status="shipped", currency="CNY", items=items, tracking=tracking),
            order(3, user_id="bob"),
        ]
        assert put_orders(database, backend, new) == 3
        assert orders_of(database, alice, "alice") == [new[1], new[0]]

    def test_a_later_report_replaces_the_earlier(
        self, database: Database, alice: Principal, backend: Principal
    ) -> None:
        put_orders(database, backend, [order(1, items=[{"product_id": "p1"}, {"product_id": "p2"}])])
        after = order(1, status="delivered", items=[{"product_id": "p1"}])
        put_orders(database, backend, [order(1), after])
        assert orders_of(database, alice, "alice") == [after]

    def test_many_at_once_and_none(self, database: Database, alice: Principal, backend: Principal) -> None:
        many = [order(number, items=[{"product_id": "p"}] * 2) for number in range(1200)]
        assert put_orders(database, backend, many) == 1200
        assert orders_of(database, alice, "alice") == many
        assert put_orders(database, backend, []) == 0

    def test_baskets_say_what_each_person_kept_and_not_who(self, database: Database, backend: Principal) -> None:
        items = [{"product_id": "p2"}, {"product_id": "p1"}, {"product_id": "p1"}]
        new = [
            order(1, items=items[:2]),
            order(2, items=[{"product_id": "p3"}, *items]),
            order(3, status="cancelled", items=[{"product_id": "p9"}]),
            order(4, user_id="bob", items=items[:1]),
            order(5, user_id="carol", status="returned", items=items),
        ]
        put_orders(database, backend, new)
        assert list(baskets(database, backend)) == [("p1", "p2", "p3")]
        for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER):
            with pytest.raises(Forbidden):
                list(baskets(database, Principal("x", role)))

    def test_agents_and_supervisors_read_them(self, database: Database, backend: Principal) -> None:
        put_orders(database, backend, [order(1)])
        for role in (Role.AGENT, Role.SUPERVISOR):
            assert len(orders_of(database, Principal("x", role, "sales"), "alice")) == 1

    def test_optional_fields_that_are_broken_become_null_and_are_named(self) -> None:
        row = {
            "order_id": 7,
            "user_id": "alice",
            "status": "shipped",
            "placed_at": "2026-01-02",
            "currency": "usd",
            "items": [{"product_id": "p1", "quantity": "two", "price": 9.99}, {"quantity": 3}, "junk"],
            "tracking": {"carrier": "DHL", "number": {}, "expected_at": "soon"},
        }
        before = copy.deepcopy(row)
        read, dropped = read_order(row)
        assert row == before
        assert read.tracking is not None
        assert (read.order_id, read.currency, read.tracking.carrier) == ("7", None, "DHL")
        assert (read.tracking.number, read.tracking.expected_at) == (None, None)
        assert [(item.product_id, item.quantity, item.price) for item in read.items] == [("p1", 1, None)]
        assert set(dropped) == {
            "currency",
            "items.0.price",
            "items.0.quantity",
            "items.1.product_id",
            "items.2",
            "tracking.expected_at",
            "tracking.number",
        }
        assert read_order(row | {"tracking": "by post", "items": {}})[1] == ("currency", "items", "tracking")

    @pytest.mark.parametrize("change", [{"status": "lost"}, {"placed_at": "soon"}, {"user_id": ""}, {"order_id": None}])
    def test_a_broken_required_field_costs_the_row(self, change: dict[str, Any]) -> None:
        row = {"order_id": "A", "user_id": "alice", "status": "paid", "placed_at": 1767323045000, "currency": "usd"}
        with pytest.raises(InvalidInput, match=next(iter(change))):
            read_order(row | change)

    @pytest.mark.parametrize("change", [{"status": "lost"}, {"placed_at": None}, {"user_id": ""}, {"order_id": None}])
    def test_required_fields(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            order(1, **change)


class TestOffers:
    def test_the_newest_report_holds_in_whatever_order_they_come(self, database: Database, backend: Principal) -> None:
        def offer(amount: int, at: int) -> Offer:
            return Offer(product_id="p1", price=Price(amount=amount, currency="USD"), updated_at=at)

        put_offers(database, backend, [offer(200, 1_800_000_000_000), offer(100, 1_700_000_000_000)])
        put_offers(database, backend, [offer(150, 1_750_000_000_000)])
        assert offers_for(database, ["p1"]) == [offer(200, 1_800_000_000_000)]
        put_offers(database, backend, [offer(50, 1_900_000_000_000)])
        assert offers_for(database, ["p1"]) == [offer(50, 1_900_000_000_000)]

    def test_a_product_and_its_variants_are_apart(self, database: Database, backend: Principal) -> None:
        whole = Offer(product_id="p1", availability="in_stock", stock=5, updated_at=1_700_000_000_000)
        blue = Offer(
            product_id="p1", variant_id="blue", stock=0, availability="out_of_stock", updated_at=1_700_000_000_001
        )
        other = Offer(product_id="p2", stock=1, updated_at=1_700_000_000_002)
        put_offers(database, backend, [whole, blue, other])
        assert sorted(offers_for(database, ["p1", "p1", "nope"]), key=lambda offer: offer.variant_id or "") == [
            whole,
            blue,
        ]
        assert all_offers(database) == [whole, blue, other]
        assert all_offers(database, since=1_700_000_000_001) == [blue, other]
        assert offers_for(database, ["p1"], since=1_700_000_000_001) == [blue]
        assert offers_for(database, []) == []

    @pytest.mark.parametrize("together", [True, False])
    def test_a_report_erases_nothing_that_it_does_not_name(
        self, database: Database, backend: Principal, together: bool
    ) -> None:
        """Price and stock come from two systems, late ones too: each part is what its own newest report says."""
        price, later = Price(amount=100, currency="USD"), Price(amount=90, currency="EUR")
        reports = [
            Offer(product_id="p1", price=price, updated_at=1_700_000_000_001),
            Offer(product_id="p1", stock=5, updated_at=1_700_000_000_003),
            Offer(product_id="p1", price=later, availability="in_stock", updated_at=1_700_000_000_002),
            Offer(product_id="p1", price=price, updated_at=1_700_000_000_000),
        ]
        for batch in [reports] if together else [[report] for report in reports]:
            put_offers(database, backend, batch)
        expected = [reports[2], reports[1]]
        assert all_offers(database) == offers_for(database, ["p1"]) == expected
        # A price from before the catalog was read does not come back with newer stock.
        assert all_offers(database, since=1_700_000_000_003) == expected[1:]
        assert offers_for(database, ["p1"], since=1_700_000_000_003) == expected[1:]

    def test_they_come_in_the_order_in_which_they_hold(self, database: Database, backend: Principal) -> None:
        def stock(variant: str | None, at: int) -> Offer:
            return Offer(product_id="p1", variant_id=variant, stock=1, updated_at=at)

        ordered = [stock(None, 1_700_000_000_000), stock("a", 1_700_000_000_000), stock("z", 1_700_000_000_000)]
        ordered.append(stock("b", 1_700_000_000_001))
        put_offers(database, backend, ordered[::-1])
        assert all_offers(database) == offers_for(database, ["p1"]) == ordered

    def test_many_are_looked_up_in_one_go(self, database: Database, backend: Principal) -> None:
        put_offers(database, backend, [Offer(product_id=f"p{number}", stock=number) for number in range(1200)])
        assert len(offers_for(database, [f"p{number}" for number in range(1100)])) == 1100

    @pytest.mark.parametrize(
        "change", [{"stock": -1}, {"price": {"amount": 9.99, "currency": "USD"}}, {"availability": "maybe"}]
    )
    def test_impossible_values(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Offer.model_validate({"product_id": "p1"} | change)


class TestFeedback:
    def test_a_later_thumb_replaces_the_earlier(self, database: Database, alice: Principal) -> None:
        said = [Turn(message_id="q", role="user", content="?"), Turn(message_id="m", role="assistant", content="!")]
        append(database, alice, start(database, alice), said)
        put_feedback(database, alice, "m", "p1", "up")
        put_feedback(database, alice, "m", None, "up")
        put_feedback(database, alice, "m", "p1", "down")
        assert sorted(feedback_of(database, alice, "alice"), key=str) == [("m", "p1", "down"), ("m", None, "up")]

    def test_only_replies_can_be_rated(self, database: Database, alice: Principal) -> None:
        append(database, alice, start(database, alice), [Turn(message_id="q", role="user", content="?")])
        for strange in ("q", "nope", ""):
            with pytest.raises(NotFound):
                put_feedback(database, alice, strange, None, "up")


class TestBeliefs:
    def test_what_was_removed_stays_removed(self, database: Database, alice: Principal, mallory: Principal) -> None:
        for _ in range(2):
            hide_belief(database, alice, "alice", "brand", "Acme")
        hide_belief(database, alice, "alice", "category", "鞋/跑步鞋")
        assert hidden_beliefs(database, alice, "alice") == {("brand", "Acme"), ("category", "鞋/跑步鞋")}
        assert hidden_beliefs(database, mallory, "mallory") == set()


class TestOfferReader:
    def test_it_reads_anew_only_what_changed(self, database: Database, backend: Principal) -> None:
        reader = OfferReader(database, since=1_700_000_000_000)
        assert reader() == []
        for change in (
            {"stock": 5},
            {"stock": 4},
            {"availability": "backorder"},
            {"price": Price(amount=9, currency="USD")},
        ):
            put_offers(
                database,
                backend,
                [Offer.model_validate({"product_id": "p1", "updated_at": 1_700_000_002_000, **change})],
            )
            found = reader()
            assert found == all_offers(database, since=1_700_000_000_000)
            assert reader() is found
        put_offers(database, backend, [Offer(product_id="p2", stock=1, updated_at=1_600_000_000_000)])
        assert reader() is found
