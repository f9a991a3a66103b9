"""Replies become templates that hold nothing of anybody."""

from __future__ import annotations

import pytest

from bot.desk.marks import known_in
from bot.desk.templates import known_of, records_of, template_of
from storage.customers import Customer, put_customers
from storage.database import Database
from storage.errors import NotFound
from storage.orders import Order, put_orders
from storage.principal import Principal, Role

SHOP = Principal("shop", Role.SERVICE)
DAY = 86_400_000
MARCH_3 = 1_772_496_000_000  # 2026-03-03T00:00Z
NORA = Customer(user_id="nora", first_name="Nora", last_name="Vale", email="nora@mail.example")
TITLES = {"kettle": "Redfern Kettle, 1.7 L", "mug": "Blue Mug"}


def order(number: str, **fields: object) -> Order:
    row = {
        "order_id": number,
        "user_id": "nora",
        "status": "shipped",
        "placed_at": MARCH_3 - 5 * DAY,
        "currency": "USD",
        "items": [{"product_id": "kettle", "quantity": 1, "price": 4599}],
        "tracking": {"carrier": "Hilltop Post", "number": "TRK1234567890", "expected_at": MARCH_3},
    }
    return Order.model_validate(row | fields)


KNOWN = known_of([order("A100042")], NORA, TITLES)


@pytest.mark.parametrize(
    ("said", "template"),
    [
        ("Hi Nora, A100042 is due on 3 March.", "Hi {first_name}, {order_id} is due on {expected_at}."),
        ("$45.99 go back, Nora Vale", "{amount} go back, {first_name} {last_name}"),
        ("The Redfern Kettle, 1.7 L went out with Hilltop Post", "The {product} went out with {carrier}"),
        ("Mailed to nora@mail.example, see TRK1234567890", "Mailed to {email}, see {tracking}"),
        (
            "您好，包裹TRK1234567890在3月3日前到，US$45.99会退回。",
            "您好，包裹{tracking}在{expected_at}前到，{amount}会退回。",
        ),
        ("Ordered on February 26, it left.", "Ordered on {placed_at}, it left."),
        ("A1000420 and XA100042 are others'", "{number} and {number} are others'"),
    ],
)
def test_what_records_know_becomes_a_slot_of_its_kind(said: str, template: str) -> None:
    assert template_of(said, KNOWN) == template


@pytest.mark.parametrize(
    ("said", "template"),
    [
        ("Hello Greta, this is Dana.", "Hello {first_name}, this is {agent}."),
        ("You're welcome, Greta!", "You're welcome, {first_name}!"),
        ("Hi there, sorry!", "Hi there, sorry!"),
        ("王芳您好，我是客服小雨。", "{first_name}您好，我是客服{agent}。"),
        ("您好，请问有什么可以帮您？", "您好，请问有什么可以帮您？"),
        ("It costs $5.99 until 24 May 2026, or 2026-05-24.", "It costs {money} until {date}, or {date}."),
        ("5月24日前付39元", "{date}前付{money}"),
        ("Ticket #4711 and case 123456", "Ticket {number} and case {number}"),
        ("Write to a.b@c.de or call +49 170 1234567", "Write to {contact} or call {contact}"),
        ("The WH-1000XM4 has 30 hours and 128GB", "The WH-1000XM4 has 30 hours and 128GB"),
        ("We ship within 2 days, up to 3 parcels.", "We ship within 2 days, up to 3 parcels."),
    ],
)
def test_without_records_figures_and_names_are_told_by_their_shape(said: str, template: str) -> None:
    assert template_of(said) == template


@pytest.mark.parametrize(
    "said",
    [
        "",
        "   ",
        "x" * 1_001,
        "Your {order_id} left",
        "a } b",
        "Card 4111 1111 1111 1111",
        "IBAN DE89 3704 0044 0532 0130 00",
    ],
)
def test_what_makes_no_template_is_refused(said: str) -> None:
    assert template_of(said) is None


def test_a_dialogue_says_what_its_numbers_and_names_are() -> None:
    said = [("user", "my order A7001 is late, tracking no 99123456"), ("agent", "Hi Omar, I'm Mira from support.")]
    known = known_in(said)
    assert known == {"A7001": "order_id", "99123456": "tracking", "Omar": "first_name", "Mira": "agent"}
    assert template_of("A7001 (99123456) is yours, Omar", known) == "{order_id} ({tracking}) is yours, {first_name}"


def test_a_customer_cannot_make_a_word_a_name() -> None:
    assert known_in([("user", "Hi Kettle, this is Refund.")]) == {}


def test_a_value_that_stands_for_two_things_is_no_slot() -> None:
    same_day = order("A2", placed_at=MARCH_3)  # ordered and due on one day
    assert "3 March" not in known_of([same_day], None, TITLES)
    assert template_of("on 3 March", known_of([same_day], None, TITLES)) == "on {date}"


def test_records_are_those_of_the_customer_who_is_asked_for(database: Database) -> None:
    put_customers(database, SHOP, [NORA])
    put_orders(database, SHOP, [order("A100042")])
    records = records_of(database, Principal("desk", Role.SUPERVISOR), lambda product_id: TITLES.get(product_id, ""))
    assert records("nora") == KNOWN
    assert records("omar") == {}
    with pytest.raises(NotFound):
        records_of(database, Principal("omar", Role.CUSTOMER), str)("nora")
