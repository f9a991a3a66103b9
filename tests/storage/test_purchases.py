"""Who bought what: orders and events as one, and what is no purchase."""

from __future__ import annotations

from typing import Any

import pytest

from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Forbidden, NotFound
from storage.event import parse_event
from storage.events import record_events
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.purchases import SAME_PURCHASE_MS, Purchase, buyer_of, buyers

SHOP = Principal("shop", Role.SERVICE)
HOUR, DAY = 3_600_000, 86_400_000
NOON = 20_000 * DAY + 12 * HOUR
AGREED = Consent()


def order(db: Database, number: str, at: int, *items: str, user: str = "alice", status: str = "paid") -> None:
    row = {"order_id": number, "user_id": user, "status": status, "placed_at": at}
    put_orders(db, SHOP, [Order.model_validate({**row, "items": [{"product_id": each} for each in items]})])


def event(
    db: Database, number: str, at: int, *items: str, user: str = "alice", name: str = "purchase", **more: Any
) -> None:
    row = {"event_id": number, "event": name, "user_id": user, "timestamp": at, **more}
    record_events(db, SHOP, [parse_event({**row, "items": [{"item_id": each} for each in items]})])


def bought(db: Database, user: str = "alice", now: int = NOON + 999 * DAY) -> list[Purchase]:
    buyer = buyer_of(db, SHOP, user, AGREED, now)
    return [] if buyer is None else list(buyer.purchases)


class TestOnce:
    def test_an_order_and_its_event_are_one_purchase(self, database: Database) -> None:
        order(database, "o1", NOON, "a", "b")
        event(database, "e1", NOON - 3 * HOUR, "b")
        assert bought(database) == [Purchase(NOON, ("a", "b"))]

    def test_so_are_those_on_two_sides_of_midnight(self, database: Database) -> None:
        midnight = NOON + 12 * HOUR
        order(database, "o1", midnight + 1, "a")
        event(database, "e1", midnight - 1, "a")
        assert bought(database) == [Purchase(midnight + 1, ("a",))]

    def test_an_event_of_something_else_or_of_another_day_is_another_purchase(self, database: Database) -> None:
        order(database, "o1", NOON, "a")
        event(database, "e1", NOON, "c")
        event(database, "e2", NOON + SAME_PURCHASE_MS + 1, "a")
        assert [each.items for each in bought(database)] == [("a",), ("c",), ("a",)]

    def test_a_variants_event_is_its_products_order(self, database: Database) -> None:
        row = {"order_id": "o1", "user_id": "alice", "status": "paid", "placed_at": NOON}
        item = {"product_id": "shirt", "variant_id": "shirt-m"}
        put_orders(database, SHOP, [Order.model_validate({**row, "items": [item]})])
        event(database, "e1", NOON, "shirt-m")
        assert bought(database) == [Purchase(NOON, ("shirt",))]

    @pytest.mark.parametrize(("ordered", "told"), [((), ("a",)), (("a",), ()), ((), ())])
    def test_without_items_the_time_alone_tells(
        self, database: Database, ordered: tuple[str, ...], told: tuple[str, ...]
    ) -> None:
        order(database, "o1", NOON, *ordered)
        event(database, "e1", NOON + HOUR, *told)
        assert bought(database) == [Purchase(NOON, ordered)]


class TestNoPurchase:
    def test_a_cancelled_order_takes_its_event_with_it(self, database: Database) -> None:
        order(database, "o1", NOON, "a", status="cancelled")
        event(database, "e1", NOON, "a")
        assert bought(database) == []

    def test_a_returned_order_was_not_kept(self, database: Database) -> None:
        order(database, "o1", NOON, "a", status="returned")
        event(database, "e1", NOON, "a")
        assert bought(database) == [Purchase(NOON, ("a",), kept=False)]

    def test_a_refund_takes_its_product_from_the_last_purchase_before_it(self, database: Database) -> None:
        for number, day in enumerate((0, 10, 20)):
            event(database, f"e{number}", NOON + day * DAY, "a", "b")
        event(database, "r1", NOON + 15 * DAY, "a", name="refund")
        assert [each.items for each in bought(database)] == [("a", "b"), ("b",), ("a", "b")]
        event(database, "r2", NOON + 16 * DAY, "b", name="refund")
        assert [each.kept for each in bought(database)] == [True, False, True]
        event(database, "r3", NOON - DAY, "a", name="refund")
        assert len(bought(database)) == 3, "a refund of nothing changes nothing"

    def test_the_future_and_no_date(self, database: Database) -> None:
        order(database, "o1", NOON + 2, "a")
        order(database, "o2", 5, "a")
        event(database, "e1", NOON + 3, "b")
        assert bought(database, now=NOON + 1) == []
        assert bought(database, now=NOON + 2) == [Purchase(NOON + 2, ("a",))]

    def test_views_and_carts(self, database: Database) -> None:
        event(database, "e1", NOON, "a", name="view_item")
        event(database, "e2", NOON, "a", name="add_to_cart")
        assert bought(database) == []


class TestConsent:
    def test_who_says_no_is_not_read(self, database: Database) -> None:
        for user in ("alice", "bob", "carol"):
            order(database, f"o-{user}", NOON, "a", user=user)
        set_consent(database, SHOP, "bob", Consent(personalize=False))
        set_consent(database, SHOP, "carol", Consent(personalize=True))
        assert [each.user_id for each in buyers(database, SHOP, AGREED)] == ["alice", "carol"]
        refused = Consent(personalize=False)
        assert [each.user_id for each in buyers(database, SHOP, refused)] == ["carol"]
        assert buyer_of(database, SHOP, "bob", AGREED) is None
        assert buyer_of(database, SHOP, "alice", refused) is None

    def test_an_event_that_was_recorded_without_it_is_not_read(self, database: Database) -> None:
        event(database, "e1", NOON, "a", consent={"personalize": False})
        event(database, "e2", NOON + 5 * DAY, "a", consent={"personalize": True})
        assert [each.at for each in bought(database)] == [NOON + 5 * DAY]


def test_only_the_shop_sees_everybody_and_only_the_owner_themselves(database: Database) -> None:
    order(database, "o1", NOON, "a")
    for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER):
        with pytest.raises(Forbidden):
            list(buyers(database, Principal("alice", role), AGREED))
    alice = Principal("alice", Role.CUSTOMER)
    assert buyer_of(database, alice, "alice", AGREED) == buyer_of(database, SHOP, "alice", AGREED)
    with pytest.raises(NotFound):
        buyer_of(database, Principal("mallory", Role.CUSTOMER), "alice", AGREED)


def test_everybody_comes_once_oldest_purchase_first(database: Database) -> None:
    order(database, "o2", NOON + DAY, "a", user="bob")
    order(database, "o1", NOON + 3 * DAY, "b")
    event(database, "e1", NOON, "c")
    event(database, "e2", NOON - DAY, "c", user="bob")
    found = {each.user_id: [one.at for one in each.purchases] for each in buyers(database, SHOP, AGREED)}
    assert found == {"alice": [NOON, NOON + 3 * DAY], "bob": [NOON - DAY, NOON + DAY]}


def test_ten_thousand_orders_of_one_shopper_with_their_events(database: Database) -> None:
    rows = [
        {"order_id": f"o{n}", "user_id": "alice", "status": "paid", "placed_at": NOON + n * HOUR} for n in range(10_000)
    ]
    items = [{"product_id": "a"}]
    put_orders(database, SHOP, [Order.model_validate({**row, "items": items}) for row in rows])
    told = [
        {"event_id": f"e{n}", "event": "purchase", "user_id": "alice", "timestamp": NOON + n * HOUR + 9}
        for n in range(10_000)
    ]
    record_events(database, SHOP, [parse_event({**row, "items": [{"item_id": "a"}]}) for row in told])
    assert len(bought(database)) == 10_000
