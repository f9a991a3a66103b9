"""The same words get another answer by where the shopper is, and the customer's own words come before that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from bot.parts import Parts
from bot.service import Assistant
from bot.shelf import Found
from bot.steering import COMPARED, WIDE, Course, steer
from bot.turn import SLATE
from index.product import Product
from retrieval.path.stage import Position
from retrieval.profile import PriceLevels, traits
from retrieval.ranking import RankedHit
from retrieval.search import Hit
from storage.conversations import turns_of
from storage.database import Database
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import ShopSettings
from tests.bot.conftest import Conversation, ToldIntents

SECOND, HOUR = 1_000, 3_600_000
BRANDS = ["Acme", "Acme", "Acme", "Acme", "Borel", "Corvo", "Dune", "Echo"]


def product(number: int, leaf: str = "Shoes", **more: Any) -> Product:
    return Product(id=f"p{number}", title=f"{leaf} {number}", brand=BRANDS[number], categories=("Sport", leaf), **more)


def found(products: Iterable[Product]) -> Found:
    each = list(products)
    hits = [RankedHit(Hit(number, each.id, None, 1 - number / 50), 1 - number / 50) for number, each in enumerate(each)]
    return Found(tuple(hits), len(each), 0, {one.id: one for one in each})


def course(position: Position, of: Found, *chosen: str) -> tuple[Course, list[str]]:
    steered, ordered = steer(position, of, frozenset(chosen), lambda one: traits(one, PriceLevels()))
    assert {hit.hit.product_id for hit in ordered.hits} == {hit.hit.product_id for hit in of.hits}
    return steered, [hit.hit.product_id for hit in ordered.hits]


SHOES = found(product(number) for number in range(8))


class TestCourse:
    def test_who_browses_sees_a_range(self) -> None:
        steered, ids = course(Position(), SHOES)
        assert steered is WIDE
        assert steered.cards == SLATE
        assert ids[0] == "p0"
        assert {"p4", "p5", "p6", "p7"} < set(ids[:SLATE])

    def test_who_compares_sees_the_best_few(self) -> None:
        steered, ids = course(Position("comparing", categories=("Shoes",)), SHOES)
        assert (steered.stage, steered.cards) == ("comparing", COMPARED)
        assert ids[:3] == ["p0", "p1", "p2"]

    def test_who_is_ready_sees_what_they_are_set_on(self) -> None:
        steered, ids = course(Position("ready", categories=("Shoes",)), SHOES, "p6", "p2", "elsewhere")
        assert steered == Course("ready", 2, ("p2", "p6"))
        assert ids[:3] == ["p2", "p6", "p0"]

    def test_who_is_ready_for_what_does_not_fit_compares(self) -> None:
        steered, ids = course(Position("ready", categories=("Shoes",)), SHOES, "elsewhere")
        assert (steered.stage, steered.cards, steered.chosen) == ("ready", COMPARED, ())
        assert ids == [f"p{number}" for number in range(8)]

    def test_other_goods_are_browsed(self) -> None:
        tents = found(product(number, "Tents") for number in range(8))
        for stage in ("comparing", "ready"):
            assert course(Position(stage, categories=("Shoes",)), tents, "p2")[0] is WIDE
        # A catalog in two languages has two names for one kind.
        mixed = found(product(number, "Shoes" if number % 3 == 2 else "跑鞋") for number in range(6))
        assert course(Position("comparing", categories=("Shoes",)), mixed)[0].stage == "comparing"

    def test_what_cannot_be_bought_stays_last_and_is_not_what_one_is_set_on(self) -> None:
        gone = [product(number, availability="out_of_stock") for number in (1, 2)]
        mixed = found([product(0), *(product(number) for number in range(3, 8)), *gone])
        assert course(Position(), mixed)[1][-2:] == ["p1", "p2"]
        assert course(Position("ready", categories=("Shoes",)), mixed, "p1")[0].chosen == ()

    def test_nothing_found_is_nothing(self) -> None:
        assert course(Position("comparing", categories=("Shoes",)), found([])) == (WIDE, [])


class Shopper:
    """Somebody who did things in the shop before they chat."""

    def __init__(self, assistant: Assistant, intents: ToldIntents, name: str) -> None:
        self.principal = Principal(name, Role.CUSTOMER)
        self.talk = Conversation(assistant, intents, self.principal)
        self.assistant, self.done = assistant, 0

    def did(self, *steps: tuple[str, str, int], ago: int = 600 * SECOND) -> Conversation:
        """(event, item, dwell in seconds) one after the other, the first so long ago."""
        events = []
        for event, item, dwell in steps:
            self.done += 1
            row = {
                "event_id": f"{self.principal.id}-{self.done}",
                "event": event,
                "timestamp": now_ms() - ago + self.done * SECOND,
                "dwell_ms": dwell * SECOND,
                "items": [{"item_id": item}],
                "consent": {"personalize": True},
            }
            events.append(parse_event(row))
        record_events(self.assistant.database, self.principal, events)
        return self.talk


@pytest.fixture
def browser(assistant: Assistant, intents: ToldIntents) -> Conversation:
    return Shopper(assistant, intents, "browser").did(("view_item", "kettle-2", 5))


@pytest.fixture
def comparer(assistant: Assistant, intents: ToldIntents) -> Conversation:
    steps = [("view_item", "kettle-1", 40), ("view_item", "kettle-3", 50), ("view_item", "kettle-1", 60)]
    return Shopper(assistant, intents, "comparer").did(*steps)


@pytest.fixture
def buyer(assistant: Assistant, intents: ToldIntents) -> Conversation:
    return Shopper(assistant, intents, "buyer").did(("view_item", "shoe-2", 40), ("add_to_cart", "shoe-2", 0))


def stage_of(talk: Conversation) -> object:
    assert talk.id is not None
    return turns_of(talk.assistant.database, talk.principal, talk.id)[-1].data["stage"]


def test_the_same_words_get_three_answers(
    browser: Conversation, comparer: Conversation, assistant: Assistant, intents: ToldIntents
) -> None:
    ready = Shopper(assistant, intents, "ready").did(("view_item", "kettle-3", 40), ("add_to_cart", "kettle-3", 0))
    asked = "kettles under $80"
    wide, narrow, own = (talk.say("search", asked) for talk in (browser, comparer, ready))
    assert len(wide.products) > COMPARED
    assert "|" not in wide.text
    assert len(narrow.products) == COMPARED
    assert narrow.text.count("\n|") >= 4
    assert [card.product_id for card in own.products] == ["kettle-3"]
    assert "more" in own.text
    assert [stage_of(talk) for talk in (browser, comparer, ready)] == ["browsing", "comparing", "ready"]
    for reply in (wide, narrow, own):
        assert all(card.price is not None and card.price.amount < 8_000 for card in reply.products)


def test_who_is_ready_hears_what_may_hold_them_back_from_records(buyer: Conversation) -> None:
    reply = buyer.say("search", "trail running shoes")
    assert [card.product_id for card in reply.products] == ["shoe-2"]
    assert "2–4 days" in reply.text
    assert "in stock" in reply.text
    assert "44" not in reply.text  # sold out in that size
    assert any(citation.kind == "document" for citation in reply.citations)
    assert all(citation.quote in reply.text for citation in reply.citations)
    assert " left" not in reply.text  # how few there are would press
    assert reply.action == "answer"


def test_who_asks_for_more_gets_more(buyer: Conversation) -> None:
    first = buyer.say("search", "trail running shoes")
    more = buyer.say("search", "show me more")
    assert len(more.products) > 1
    assert not {card.product_id for card in more.products} & {card.product_id for card in first.products}


def test_who_goes_on_looking_is_not_shown_the_same_again(buyer: Conversation) -> None:
    buyer.say("search", "trail running shoes")
    again = buyer.say("search", "trail running shoes")
    assert len(again.products) > 1


def test_conditions_come_first(buyer: Conversation) -> None:
    reply = buyer.say("search", "trail running shoes under $100 not from Acme")
    chosen = buyer.assistant.product("shoe-2")
    fits = chosen.price is not None and chosen.price.amount < 10_000
    assert reply.products
    assert all(card.price is not None and card.price.amount < 10_000 for card in reply.products)
    assert ("shoe-2" in [card.product_id for card in reply.products]) == fits


def test_an_order_that_was_asked_for_stands(comparer: Conversation) -> None:
    reply = comparer.say("search", "cheapest kettles")
    prices = [card.price.amount for card in reply.products if card.price is not None]
    assert len(prices) > COMPARED
    assert prices == sorted(prices)
    assert "|" not in reply.text


def test_other_goods_are_browsed(comparer: Conversation) -> None:
    reply = comparer.say("search", "headphones")
    assert len(reply.products) > COMPARED
    assert stage_of(comparer) == "browsing"


def test_advice_for_who_compares_stays_with_what_they_compare(comparer: Conversation) -> None:
    reply = comparer.say("recommend", "what would you recommend?")
    assert {card.product_id.split("-")[0] for card in reply.products} == {"kettle"}
    gift = comparer.say("recommend", "what would you recommend as a gift for my mom?")
    assert {card.product_id.split("-")[0] for card in gift.products} != {"kettle"}


def test_help_is_offered_once_to_who_left_a_full_cart_and_nothing_else(
    assistant: Assistant, intents: ToldIntents
) -> None:
    talk = Shopper(assistant, intents, "waverer").did(("add_to_cart", "head-2", 0), ago=HOUR)
    hello = talk.say("greet", "hello")
    title = assistant.product("head-2").title
    assert title in hello.text
    assert hello.products == ()
    assert "$" not in hello.text  # never another price
    assert title not in talk.say("goodbye", "bye").text
    assert title not in Conversation(assistant, intents, Principal("new", Role.CUSTOMER)).say("greet", "hello").text


def test_it_speaks_chinese(assistant: Assistant, intents: ToldIntents) -> None:
    talk = Shopper(assistant, intents, "chinese").did(("view_item", "shoe-2", 40), ("add_to_cart", "shoe-2", 0))
    reply = assistant.reply(talk.principal, "trail running shoes 有吗", language="zh")
    assert "更多" in reply.text
    assert "天" in reply.text


@pytest.mark.parametrize("by", ["the shop's list", "the list that Aisle has"])
def test_what_the_law_holds_special_steers_nothing(
    parts: Parts, intents: ToldIntents, database: Database, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "the shop's list":
        parts = replace(parts, sensitive=("Kettles",))
    else:
        parts = replace(parts)  # which has read no product yet
        traits = import_module("retrieval.profile.traits")
        monkeypatch.setattr(traits, "sensitive_product", lambda product: "Kettles" in product.categories)
    assistant = Assistant(parts, ShopSettings(), database)
    steps = [("view_item", "kettle-3", 40), ("view_item", "kettle-3", 40), ("add_to_cart", "kettle-3", 0)]
    talk = Shopper(assistant, intents, "discreet").did(*steps, ago=HOUR)
    title = assistant.product("kettle-3").title
    assert title not in talk.say("greet", "hello").text
    assert len(talk.say("search", "kettles under $80").products) > COMPARED
    assistant.close()


def test_without_consent_everybody_browses(assistant: Assistant, intents: ToldIntents, database: Database) -> None:
    who = Principal("private", Role.CUSTOMER)
    rows = [
        {"event_id": f"e{number}", "event": name, "timestamp": now_ms() - 60 * SECOND + number, "items": [{"item_id": "kettle-3"}],
         "consent": {"personalize": False}}
        for number, name in enumerate(("view_item", "add_to_cart"))
    ]  # fmt: skip
    record_events(database, who, [parse_event(row) for row in rows])
    assert len(Conversation(assistant, intents, who).say("search", "kettles under $80").products) > COMPARED
