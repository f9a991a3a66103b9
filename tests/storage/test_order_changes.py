"""Changes to orders, on both databases: the rules, once only, by their owner only, and each written down."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from storage.customers import Customer, PaymentMethod, customer_of, find_customer, put_customers, read_customer
from storage.database import Database
from storage.errors import AisleError, Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from storage.order_changes import OrderChange, changes_after, changes_of, make_change, propose
from storage.order_rules import (
    CancelOrder,
    ChangeRequest,
    Choice,
    ExchangeItems,
    ModifyAddress,
    ModifyDefaultAddress,
    ModifyItems,
    ModifyPayment,
    Piece,
    Proposal,
    Refused,
    ReturnItems,
    Swap,
)
from storage.orders import Address, Order, orders_of, put_orders
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import ChangeKind, OrderSettings, parse_settings

ALL: tuple[ChangeKind, ...] = ("cancel", "return", "exchange", "items", "address", "payment", "default_address")
RULES = OrderSettings(self_service=ALL, return_days=30)
ALICE = Principal("alice", Role.CUSTOMER)
SHOP = Principal("shop", Role.SERVICE)
DAY = 86_400_000
ELM = Address(address1="5 Elm Road", city="Boston", state="MA", zip="02134")
CATALOG: Mapping[str, Mapping[str, Choice]] = {
    "shirt": {
        "blue": Choice(2000, "USD", True),
        "red": Choice(2300, "USD", True),
        "green": Choice(1500, "USD", True),
        "sold": Choice(2000, "USD", False),
        "euro": Choice(2000, "EUR", True),
        "free": Choice(None, "", True),
    },
    "mug": {"big": Choice(900, "USD", True)},
}


def order(number: str, status: str, **fields: Any) -> Order:
    row = {
        "order_id": number,
        "user_id": "alice",
        "status": status,
        "placed_at": now_ms() - 3 * DAY,
        "currency": "USD",
        "payment_method": "card",
        "items": [
            {"product_id": "shirt", "variant_id": "blue", "quantity": 1, "price": 2000},
            {"product_id": "mug", "variant_id": "big", "quantity": 3, "price": 800},
        ],
    }
    return Order.model_validate(row | fields)


@pytest.fixture(autouse=True)
def shop(database: Database) -> Database:
    methods = (
        PaymentMethod(id="card", source="credit_card", brand="visa", last_four="1234"),
        PaymentMethod(id="other-card", source="credit_card"),
        PaymentMethod(id="gift", source="gift_card", balance=500),
        PaymentMethod(id="rich", source="gift_card", balance=9000),
    )
    alice = Customer(
        user_id="alice",
        email="Alice@Shop.example",
        first_name="Alice",
        last_name="Lee",
        address=ELM,
        payment_methods=methods,
    )
    put_customers(database, SHOP, [alice, Customer(user_id="bob", email="bob@shop.example")])
    put_orders(
        database,
        SHOP,
        [
            order("open", "paid"),
            order("gone", "shipped"),
            order("here", "delivered"),
            order("old", "delivered", placed_at=now_ms() - 60 * DAY),
            order("bobs", "paid", user_id="bob"),
            order("by-gift", "paid", payment_method="gift"),
            order("unpriced", "delivered", items=[{"product_id": "shirt", "variant_id": "blue"}]),
        ],
    )
    return database


def catalog(product_id: str) -> Mapping[str, Choice]:
    return CATALOG.get(product_id, {})


def ask(db: Database, request: ChangeRequest, rules: OrderSettings = RULES, who: Principal = ALICE) -> Proposal:
    return propose(db, who, "alice", request, rules, catalog)


def do(db: Database, request: ChangeRequest, request_id: str = "r1", stamp: str | None = None) -> OrderChange:
    return make_change(db, ALICE, "alice", request, RULES, catalog, request_id, stamp)


def stored(db: Database, number: str) -> Order:
    return next(each for each in orders_of(db, ALICE, "alice") if each.order_id == number)


def balance(db: Database, method: str) -> int | None:
    customer = customer_of(db, ALICE, "alice")
    assert customer is not None
    found = customer.method(method)
    assert found is not None
    return found.balance


def back(number: str, *pieces: Piece, method: str | None = None) -> ReturnItems:
    return ReturnItems(order_id=number, pieces=pieces or (Piece(line=0),), payment_method=method)


def swap(
    number: str, to: str, kind: type[ExchangeItems] | type[ModifyItems], method: str | None = None
) -> ChangeRequest:
    return kind(order_id=number, swaps=(Swap(line=0, variant_id=to),), payment_method=method)


class TestWhatIsDone:
    def test_a_cancelled_order_is_refunded_whole(self, database: Database) -> None:
        proposal = ask(database, CancelOrder(order_id="open"))
        assert (proposal.amount, proposal.currency) == (4400, "USD")
        assert proposal.method is not None
        assert proposal.method.id == "card"
        assert stored(database, "open").status == "paid"
        made = do(database, CancelOrder(order_id="open"), stamp=proposal.stamp)
        assert (made.amount, made.payment_method, made.repeated) == (4400, "card", False)
        assert stored(database, "open").status == "cancelled"

    def test_some_pieces_go_back_at_what_was_paid(self, database: Database) -> None:
        assert ask(database, back("here", Piece(line=1, quantity=2))).amount == 1600
        assert ask(database, back("here", Piece(line=0), Piece(line=1))).amount == 4400
        assert do(database, back("here", Piece(line=1, quantity=2), method="gift")).payment_method == "gift"
        assert stored(database, "here").status == "delivered"
        assert balance(database, "gift") == 500, "nothing is refunded before the goods are back"

    def test_a_price_that_nobody_knows_gives_no_amount(self, database: Database) -> None:
        assert ask(database, back("unpriced")).amount is None

    def test_an_exchange_costs_the_difference(self, database: Database) -> None:
        assert ask(database, swap("here", "red", ExchangeItems)).amount == -300
        assert ask(database, swap("here", "green", ExchangeItems)).amount == 500
        assert ask(database, swap("here", "blue", ExchangeItems)).amount == 0, "the same again for one that broke"
        before = stored(database, "here")
        do(database, swap("here", "red", ExchangeItems))
        assert stored(database, "here") == before

    def test_items_of_an_open_order_are_changed_in_it(self, database: Database) -> None:
        made = do(database, swap("open", "red", ModifyItems, "gift"))
        assert made.amount == -300
        assert [(item.variant_id, item.price) for item in stored(database, "open").items] == [
            ("red", 2300),
            ("big", 800),
        ]
        assert balance(database, "gift") == 200

    def test_gift_cards_pay_and_are_paid(self, database: Database) -> None:
        do(database, ModifyPayment(order_id="by-gift", payment_method="rich"))
        assert (balance(database, "rich"), balance(database, "gift")) == (4600, 4900)
        assert stored(database, "by-gift").payment_method == "rich"
        do(database, CancelOrder(order_id="by-gift"), "r2")
        assert balance(database, "rich") == 9000

    def test_addresses(self, database: Database) -> None:
        do(database, ModifyAddress(order_id="open", address=ELM))
        do(database, ModifyAddress(order_id="open", address=Address(address1="6 Elm Road")), "r2")
        assert stored(database, "open").address == Address(address1="6 Elm Road")
        do(database, ModifyDefaultAddress(address=Address(address1="7 Elm Road")), "r3")
        customer = customer_of(database, ALICE, "alice")
        assert customer is not None
        assert customer.address == Address(address1="7 Elm Road")
        assert ELM.line == "5 Elm Road, Boston, MA 02134"

    def test_a_customer_whom_the_shop_never_reported_gets_a_record(self, database: Database) -> None:
        carol = Principal("carol", Role.CUSTOMER)
        make_change(database, carol, "carol", ModifyDefaultAddress(address=ELM), RULES, catalog, "r")
        assert customer_of(database, carol, "carol") == Customer(user_id="carol", address=ELM)


REFUSED: dict[str, tuple[ChangeRequest, str]] = {
    "cancel what has left": (CancelOrder(order_id="gone"), "not_open"),
    "cancel what has arrived": (CancelOrder(order_id="here"), "not_open"),
    "return what is open": (back("open"), "not_delivered"),
    "return what is on its way": (back("gone"), "not_delivered"),
    "return too late": (back("old"), "too_late"),
    "exchange too late": (swap("old", "red", ExchangeItems), "too_late"),
    "exchange what is open": (swap("open", "red", ExchangeItems), "not_delivered"),
    "change items of what has arrived": (swap("here", "red", ModifyItems), "not_open"),
    "address of what has left": (ModifyAddress(order_id="gone", address=ELM), "not_open"),
    "another product": (swap("here", "big", ExchangeItems), "other_product"),
    "a variant of nothing": (swap("open", "nothing", ModifyItems), "other_product"),
    "what is sold out": (swap("here", "sold", ExchangeItems), "unavailable"),
    "the same in an open order": (swap("open", "blue", ModifyItems), "same"),
    "another currency": (swap("here", "euro", ExchangeItems), "price_unknown"),
    "no price": (swap("here", "free", ExchangeItems), "price_unknown"),
    "a difference of no known price": (swap("unpriced", "red", ExchangeItems), "price_unknown"),
    "more than was bought": (back("here", Piece(line=1, quantity=4)), "no_such_line"),
    "a line that is not there": (back("here", Piece(line=2)), "no_such_line"),
    "a line twice": (back("here", Piece(line=1, quantity=2), Piece(line=1, quantity=2)), "no_such_line"),
    "a refund to another card": (back("here", method="other-card"), "payment_not_original"),
    "a refund to nobody's card": (back("here", method="bobs-card"), "payment_unknown"),
    "a gift card with too little": (ModifyPayment(order_id="open", payment_method="gift"), "balance"),
    "the card that it has": (ModifyPayment(order_id="open", payment_method="card"), "same"),
    "pay with nobody's card": (ModifyPayment(order_id="open", payment_method="bobs-card"), "payment_unknown"),
}


@pytest.mark.parametrize(("request_", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_the_rules_refuse_and_nothing_changes(database: Database, request_: ChangeRequest, reason: str) -> None:
    before = orders_of(database, ALICE, "alice"), customer_of(database, ALICE, "alice")
    for act in (ask, do):
        with pytest.raises(Refused) as refused:
            act(database, request_)
        assert refused.value.reason == reason
        assert refused.value.status == 409
    assert (orders_of(database, ALICE, "alice"), customer_of(database, ALICE, "alice")) == before
    assert changes_of(database, ALICE, "alice") == []


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (back("here"), back("here", Piece(line=1))),
        (back("here"), swap("here", "red", ExchangeItems)),
        (swap("here", "red", ExchangeItems), back("here")),
        (swap("open", "red", ModifyItems), swap("open", "green", ModifyItems)),
        (swap("open", "red", ModifyItems), CancelOrder(order_id="open")),
        (swap("open", "red", ModifyItems), ModifyAddress(order_id="open", address=ELM)),
        (
            ModifyPayment(order_id="open", payment_method="rich"),
            ModifyPayment(order_id="open", payment_method="card"),
        ),
    ],
)
def test_one_change_an_order(database: Database, first: ChangeRequest, then: ChangeRequest) -> None:
    do(database, first)
    with pytest.raises(Refused) as refused:
        do(database, then, "r2")
    assert refused.value.reason == "already_changed"
    assert len(changes_of(database, ALICE, "alice")) == 1


def test_an_address_may_change_before_the_items_do(database: Database) -> None:
    do(database, ModifyAddress(order_id="open", address=ELM))
    do(database, swap("open", "red", ModifyItems), "r2")
    assert [change.kind for change in changes_of(database, ALICE, "alice")] == ["address", "items"]


class TestWhoMay:
    @pytest.mark.parametrize("number", ["bobs", "nowhere"])
    def test_a_foreign_order_is_like_none(self, database: Database, number: str) -> None:
        for act in (ask, do):
            with pytest.raises(NotFound) as missing:
                act(database, CancelOrder(order_id=number))
            assert str(missing.value).replace(number, "X") == "There is no order 'X'. Check the number."
        assert orders_of(database, SHOP, "bob")[0].status == "paid"

    def test_a_visitor_has_no_orders(self, database: Database) -> None:
        visitor = Principal("alice", Role.CUSTOMER, anonymous=True)
        with pytest.raises(Unauthenticated):
            ask(database, CancelOrder(order_id="open"), who=visitor)

    @pytest.mark.parametrize("kind", ALL)
    def test_what_the_shop_does_not_offer_is_refused_to_all(self, database: Database, kind: ChangeKind) -> None:
        requests: dict[str, ChangeRequest] = {
            "cancel": CancelOrder(order_id="open"),
            "return": back("here"),
            "exchange": swap("here", "red", ExchangeItems),
            "items": swap("open", "red", ModifyItems),
            "address": ModifyAddress(order_id="open", address=ELM),
            "payment": ModifyPayment(order_id="open", payment_method="rich"),
            "default_address": ModifyDefaultAddress(address=ELM),
        }
        others = OrderSettings(self_service=tuple(each for each in ALL if each != kind))
        for who in (ALICE, SHOP):
            with pytest.raises(Refused) as refused:
                ask(database, requests[kind], others, who)
            assert refused.value.reason == "not_offered"
        assert ask(database, requests[kind], OrderSettings(self_service=(kind,))).request == requests[kind]

    def test_only_the_shop_reports_customers_and_fetches_changes(self, database: Database) -> None:
        do(database, CancelOrder(order_id="open"))
        for who in (Principal("x", role) for role in Role if role is not Role.SERVICE):
            with pytest.raises(Forbidden):
                put_customers(database, who, [])
            with pytest.raises(Forbidden):
                changes_after(database, who)


class TestOnce:
    def test_the_same_request_again_returns_what_was_done(self, database: Database) -> None:
        request = swap("open", "red", ModifyItems, "gift")
        first = do(database, request)
        again = do(database, request)
        assert again == first.model_copy(update={"repeated": True})
        assert balance(database, "gift") == 200

    def test_an_id_stands_for_one_request(self, database: Database) -> None:
        do(database, CancelOrder(order_id="open"))
        with pytest.raises(Conflict, match="another change"):
            do(database, CancelOrder(order_id="by-gift"))
        assert stored(database, "by-gift").status == "paid"

    def test_what_changed_since_it_was_agreed_to_is_not_done(self, database: Database) -> None:
        agreed = ask(database, CancelOrder(order_id="open")).stamp
        put_orders(database, SHOP, [order("open", "paid", items=[{"product_id": "mug", "quantity": 1, "price": 800}])])
        with pytest.raises(Conflict, match="agreed"):
            do(database, CancelOrder(order_id="open"), stamp=agreed)
        assert stored(database, "open").status == "paid"

    @pytest.mark.parametrize("same_id", [True, False])
    def test_many_at_once_have_one_effect(self, database: Database, same_id: bool) -> None:
        request = swap("open", "red", ModifyItems, "gift")
        outcomes: list[OrderChange | AisleError] = []
        start = threading.Barrier(6)

        def confirm(number: int) -> None:
            start.wait()
            try:
                outcomes.append(do(database, request, "r" if same_id else f"r{number}"))
            except AisleError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=confirm, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fresh = [each for each in outcomes if isinstance(each, OrderChange) and not each.repeated]
        others = [each for each in outcomes if each not in fresh]
        assert len(fresh) == 1
        assert len(others) == 5
        assert all(isinstance(each, OrderChange if same_id else Refused) for each in others)
        assert balance(database, "gift") == 200
        assert len(changes_of(database, ALICE, "alice")) == 1


class TestWhatIsWrittenDown:
    def test_who_what_and_when_in_order(self, database: Database) -> None:
        before = now_ms()
        do(database, ModifyAddress(order_id="open", address=ELM))
        make_change(database, SHOP, "alice", back("here", Piece(line=1, quantity=2)), RULES, catalog, "r2")
        first, second = changes_of(database, ALICE, "alice")
        assert (first.by_id, first.by_role, second.by_id, second.by_role) == ("alice", "customer", "shop", "service")
        assert second.request == back("here", Piece(line=1, quantity=2))
        assert second.lines[0] | {"line": 1, "product_id": "mug", "quantity": 2, "price": 800} == second.lines[0]
        assert before <= first.created_at <= second.created_at <= now_ms()
        assert changes_after(database, SHOP) == [first, second]
        assert changes_after(database, SHOP, first.row) == [second]
        assert changes_after(database, SHOP, limit=1) == [first]

    def test_a_late_report_of_the_shop_does_not_undo_a_cancelling(self, database: Database) -> None:
        do(database, CancelOrder(order_id="open"))
        put_orders(database, SHOP, [order("open", "placed")])
        assert stored(database, "open").status == "cancelled"
        put_orders(database, SHOP, [order("open", "shipped")])
        assert stored(database, "open").status == "shipped", "it left nevertheless: the shop knows"


class TestCustomers:
    def test_they_are_found_by_what_they_say(self, database: Database) -> None:
        for said in (
            {"email": " alice@shop.EXAMPLE "},
            {"first_name": "alice", "last_name": "LEE", "zip_code": "02134"},
        ):
            assert find_customer(database, ALICE, **said).user_id == "alice"
            assert find_customer(database, SHOP, **said).user_id == "alice"

    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"email": "nobody@shop.example"},
            {"first_name": "Alice", "last_name": "Lee"},
            {"email": "bob@shop.example"},
        ],
    )
    def test_nobody_is_found_otherwise_and_no_one_else(self, database: Database, said: dict[str, str]) -> None:
        with pytest.raises(NotFound, match="no such customer"):
            find_customer(database, ALICE, **said)

    def test_two_of_one_name_are_not_mixed_up(self, database: Database) -> None:
        twin = Customer(user_id="twin", first_name="Alice", last_name="Lee", address=ELM)
        put_customers(database, SHOP, [twin])
        with pytest.raises(Conflict, match="2 customers"):
            find_customer(database, SHOP, first_name="Alice", last_name="Lee", zip_code="02134")

    def test_a_bad_optional_field_is_dropped_and_a_missing_id_refused(self) -> None:
        customer, dropped = read_customer({"user_id": 7, "email": ["x"], "address": {"address1": "A", "zip": 5}})
        assert customer == Customer(user_id="7", address=Address(address1="A"))
        assert dropped == ("address.zip", "email")
        with pytest.raises(InvalidInput, match="user_id"):
            read_customer({"email": "x"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[orders]\nself_service = ["refund"]', "self_service"),
        ("[orders]\nreturn_days = -1", "return_days"),
        ('[orders]\nbackend = "no colon"', "backend"),
        ("[orders]\nreturn_day = 3", "return_days"),
    ],
)
def test_settings_that_cannot_be_are_named(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_settings(text)
