"""Replies become templates that hold nothing of anybody, and are filled from one customer's records alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bot.desk.marks import known_in
from bot.desk.templates import facts_of, fill, known_of, meant, slots_in, template_of
from bot.embedded import EmbeddedBackend
from index.product import Product
from storage.customers import Customer, put_customers
from storage.database import Database
from storage.errors import NotFound
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.settings import OrderSettings

SHOP, AGENT = Principal("shop", Role.SERVICE), Principal("dana", Role.AGENT, team="support")
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


def test_filling_says_what_is_missing_and_opens_no_slot_in_a_value() -> None:
    facts = {"first_name": "{order_id}<script>", "order_id": "A1"}
    text, missing = fill("Hi {first_name}, {order_id} comes on {expected_at}. {expected_at}!", facts)
    assert text == "Hi {order_id}<script>, A1 comes on {expected_at}. {expected_at}!"
    assert missing == ("expected_at",)
    assert fill("{amount}", {"amount": ""}) == ("{amount}", ("amount",))
    assert slots_in("{a} {b} {a}") == ("a", "b")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["where is A1?", "and a2 ?"], "A2"),
        (["A1 or A2", "which one?"], "A2"),
        (["A22 is not it"], None),
        ([], None),
    ],
)
def test_of_several_orders_only_a_named_one_is_meant(said: list[str], expected: str | None) -> None:
    found = meant([order("A1"), order("A2")], said)
    assert (found.order_id if found else None) == expected


def backend(database: Database) -> EmbeddedBackend:
    put_customers(database, SHOP, [NORA])
    put_orders(database, SHOP, [order("A100042"), order("A100077", status="placed", tracking=None)])
    products: Mapping[str, Product] = {key: Product(id=key, title=title) for key, title in TITLES.items()}
    return EmbeddedBackend(database, OrderSettings(), products.get)


def test_facts_are_those_of_the_order_that_was_named(database: Database) -> None:
    shop = backend(database)
    facts = facts_of(shop, AGENT, "nora", ["A100042 is late"], "en", agent="Dana")
    template = "Hi {first_name}, {agent} here. {product} of {order_id} ({amount}) comes with {carrier} {tracking} on {expected_at}."
    assert fill(template, facts) == (
        "Hi Nora, Dana here. Redfern Kettle, 1.7 L of A100042 ($45.99) comes with Hilltop Post TRK1234567890 on 3 March 2026.",
        (),
    )
    chinese = facts_of(shop, AGENT, "nora", ["A100042"], "zh")
    assert fill("{expected_at}送到，{amount}", chinese) == ("2026年3月3日送到，US$45.99", ())


def test_which_of_two_orders_is_not_guessed(database: Database) -> None:
    text, missing = fill(
        "{first_name}: {order_id}, {tracking}", facts_of(backend(database), AGENT, "nora", ["late!"], "en")
    )
    assert (text, missing) == ("Nora: {order_id}, {tracking}", ("order_id", "tracking"))


def test_another_customer_reads_no_facts(database: Database) -> None:
    with pytest.raises(NotFound):
        facts_of(backend(database), Principal("omar", Role.CUSTOMER), "nora", [], "en")
