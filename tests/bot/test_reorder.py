"""A reminder of what is used up about now: with its days, once, by consent, and never of what cannot be bought."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.cards import Reply
from bot.service import Assistant
from retrieval.retention.customers import CustomerModel
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.offers import Offer, put_offers
from storage.orders import put_orders, read_order
from storage.principal import Principal, Role
from storage.purchases import Buyer, Purchase
from storage.record import now_ms
from tests.bot.conftest import Conversation, ToldIntents

SHOP = Principal("shop", Role.SERVICE)
DAY = 86_400_000


def bought(database: Database, user: str, product: str, *ago: int) -> None:
    rows = [
        {
            "order_id": f"{user}-{days}",
            "user_id": user,
            "status": "delivered",
            "placed_at": now_ms() - days * DAY,
            "currency": "USD",
            "items": [{"product_id": product, "quantity": 1, "price": 1200}],
        }
        for days in ago
    ]
    assert put_orders(database, SHOP, [read_order(row)[0] for row in rows]) == len(rows)


@pytest.fixture
def rhythmic(assistant: Assistant) -> Assistant:
    """A shop whose customers buy tea every 28 to 32 days."""
    now = now_ms()
    people = [
        Buyer(
            f"c{number}",
            tuple(
                Purchase(now - (age * (28 + number % 5) + number % 20) * DAY, ("tea-1",)) for age in range(6, -1, -1)
            ),
        )
        for number in range(80)
    ]
    model = CustomerModel.fit(people, assistant.parts.shelf.goods, now)
    assert list(model.categories) == ["Kitchen > Teas"]
    assistant.parts = replace(assistant.parts, customers=model)
    return assistant


def greeting(assistant: Assistant, intents: ToldIntents, user: str, hello: str = "hi") -> Reply:
    return Conversation(assistant, intents, Principal(user, Role.CUSTOMER)).say("greet", hello)


def test_who_bought_tea_a_month_ago_is_reminded_once(
    rhythmic: Assistant, intents: ToldIntents, database: Database
) -> None:
    bought(database, "ann", "tea-1", 119, 90, 60, 30)
    talk = Conversation(rhythmic, intents, Principal("ann", Role.CUSTOMER))
    reply = talk.say("greet", "hi")
    assert [card.product_id for card in reply.products] == ["tea-1"]
    assert "Glenmoor Assam loose leaf tea" in reply.text
    assert "30 days" in reply.text, "figures pass the check, for they come from the record of orders"
    assert talk.say("greet", "hello again").products == ()


def test_in_chinese(rhythmic: Assistant, intents: ToldIntents, database: Database) -> None:
    bought(database, "ann", "tea-1", 119, 90, 60, 30)
    reply = greeting(rhythmic, intents, "ann", "你好")
    assert "30 天" in reply.text


@pytest.mark.parametrize(("user", "ago"), [("new", ()), ("just", (62, 32, 2)), ("gone", (600, 570, 540))])
def test_nothing_is_due_to_others(
    rhythmic: Assistant, intents: ToldIntents, database: Database, user: str, ago: tuple[int, ...]
) -> None:
    if ago:
        bought(database, user, "tea-1", *ago)
    assert greeting(rhythmic, intents, user).products == ()


def test_not_against_their_will(rhythmic: Assistant, intents: ToldIntents, database: Database) -> None:
    bought(database, "ann", "tea-1", 119, 90, 60, 30)
    set_consent(database, Principal("ann", Role.CUSTOMER), "ann", Consent(personalize=False))
    assert greeting(rhythmic, intents, "ann").products == ()


def test_not_of_what_is_sold_out_or_special(rhythmic: Assistant, intents: ToldIntents, database: Database) -> None:
    bought(database, "ann", "tea-1", 119, 90, 60, 30)
    shelf = rhythmic.parts.shelf
    rhythmic.parts = replace(rhythmic.parts, shelf=replace(shelf, sensitive=("Teas",)))
    assert greeting(rhythmic, intents, "ann").products == ()
    rhythmic.parts = replace(rhythmic.parts, shelf=shelf)
    put_offers(database, SHOP, [Offer(product_id="tea-1", availability="out_of_stock", updated_at=now_ms())])
    assert greeting(rhythmic, intents, "ann").products == ()


def test_a_shop_without_a_rhythm_says_hello(assistant: Assistant, intents: ToldIntents, database: Database) -> None:
    bought(database, "ann", "tea-1", 119, 90, 60, 30)
    assert greeting(assistant, intents, "ann").products == ()
