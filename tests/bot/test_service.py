from __future__ import annotations

import json

import pytest

from bot.policy import ACTIONS
from bot.service import Assistant, deltas
from index.filters import Filters, PriceRange
from storage.database import Database
from storage.errors import Forbidden, InvalidInput, NotFound
from storage.event import parse_event
from storage.events import events_of, record_events
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.record import now_ms
from tests.bot.conftest import Conversation, ToldIntents

SHOP = Principal(id="backend", role=Role.SERVICE)


def looked_at(database: Database, user: Principal, *products: str) -> None:
    consent = {"answer": True, "personalize": True, "train": False}
    events = [
        parse_event(
            {
                "event_id": f"{user.id}-{number}",
                "event": "view_item",
                "timestamp": now_ms() - 60_000 * number,
                "dwell_ms": 40_000,
                "items": [{"item_id": product}],
                "consent": consent,
            }
        )
        for number, product in enumerate(products)
    ]
    record_events(database, user, events)


def test_the_stream_has_the_contracts_order_and_the_replys_text(
    assistant: Assistant, intents: ToldIntents, shopper: Principal
) -> None:
    intents.label = "search"
    events = list(assistant.stream(shopper, "kettles under $50"))
    names = [name for name, _ in events]
    assert names[:2] == ["meta", "products"]
    assert names[-3:] == ["citations", "cart", "done"]
    assert set(names[2:-3]) == {"text"}
    done = events[-1][1]
    assert "".join(payload["delta"] for name, payload in events if name == "text") == done["text"]
    assert events[1][1]["products"] == done["products"] != []
    json.dumps(events)


def test_the_stream_ends_with_an_error_that_names_the_way_out(assistant: Assistant, shopper: Principal) -> None:
    ((name, payload),) = list(assistant.stream(shopper, "hello", "no-such-conversation"))
    assert name == "error"
    assert payload["status"] == 404
    assert payload["hint"]


@pytest.mark.parametrize("text", ["", "a", "One. Two: three! 四。五？\n\n| a |\n", "3.5 L costs $1.00 each. Yes"])
def test_deltas_lose_nothing(text: str) -> None:
    assert "".join(deltas(text)) == text


def test_search_as_the_api_answers(assistant: Assistant, shopper: Principal) -> None:
    found = assistant.search("kettles under $50", principal=shopper)
    assert found["total"] == 3
    assert found["constraints"]["price"]["max"] == 5000
    assert {card["product_id"] for card in found["products"]} == {"kettle-2", "kettle-3", "kettle-4"}
    narrower = assistant.search(
        "kettles under $50", Filters(price=PriceRange(max=3500, currency="USD")), "price_desc", 1
    )
    assert [card["product_id"] for card in narrower["products"]] == ["kettle-3"]
    assert narrower["total"] == 2
    assert assistant.search("surfboard") == {
        "products": [],
        "constraints": Filters().model_dump(mode="json"),
        "total": 0,
    }
    for bad in ({"sort": "random"}, {"limit": 0}, {"limit": 101}):
        with pytest.raises(InvalidInput):
            assistant.search("kettle", **bad)


def test_a_product_by_id(assistant: Assistant) -> None:
    assert assistant.product("head-2").list_price is not None
    with pytest.raises(NotFound):
        assistant.product("nothing")


def test_two_shoppers_get_other_orders_and_reasons_with_evidence(
    assistant: Assistant, intents: ToldIntents, database: Database
) -> None:
    walker, runner = (Principal(id=name, role=Role.CUSTOMER) for name in ("walker", "runner"))
    looked_at(database, walker, *["kettle-3"] * 4)
    looked_at(database, runner, *["kettle-4"] * 4)
    slates = [
        Conversation(assistant, intents, who).say("search", "electric kettle").products for who in (walker, runner)
    ]
    assert [card.product_id for card in slates[0]] != [card.product_id for card in slates[1]]
    places = [[card.product_id for card in slate].index("kettle-4") for slate in slates]
    assert places[1] < places[0]
    reasons = [reason for card in slates[0] if card.brand == "Brindle" for reason in card.reasons]
    assert any(set(reason.evidence) & {"walker-0", "walker-1", "walker-2", "walker-3"} for reason in reasons)
    assert not any("runner" in evidence for reason in reasons for evidence in reason.evidence)


def test_what_was_said_is_no_taste_and_a_taste_no_condition(
    assistant: Assistant, intents: ToldIntents, database: Database
) -> None:
    """Conditions live in the conversation and filter; tastes live in the profile and order."""
    fond, talker = (Principal(id=name, role=Role.CUSTOMER) for name in ("fond", "talker"))
    said = Conversation(assistant, intents, talker)
    assert all(card.price and card.price.amount <= 4_000 for card in said.say("search", "kettle under $40").products)
    assert assistant.profile(talker).beliefs == ()
    assert assistant._profile_of(talker, "talker").empty
    dear = max(assistant.search("electric kettle")["products"], key=lambda card: card["price"]["amount"])
    looked_at(database, fond, *[dear["product_id"]] * 6)
    assert not assistant._profile_of(fond, "fond").empty
    plain, personal = (assistant.search("electric kettle", limit=30, principal=who) for who in (talker, fond))
    assert personal["constraints"] == plain["constraints"]
    assert {card["product_id"] for card in personal["products"]} == {card["product_id"] for card in plain["products"]}
    cheap = Conversation(assistant, intents, fond).say("search", "electric kettle under $40").products
    assert cheap
    assert all(card.price and card.price.amount <= 4_000 for card in cheap), "whatever they like"


def test_a_belief_is_told_and_gone_once_removed(assistant: Assistant, database: Database, shopper: Principal) -> None:
    looked_at(database, shopper, "head-1", "head-1", "kettle-1")
    profile = assistant.profile(shopper)
    brands = [belief for belief in profile.beliefs if belief.kind == "brand"]
    assert any("Arbor" in belief.text for belief in brands)
    chinese = assistant.profile(shopper, language="zh")
    assert any("今天" in belief.text for belief in chinese.beliefs)
    left = assistant.remove_belief(shopper, "brand", "Arbor")
    assert all((belief.kind, belief.value) != ("brand", "Arbor") for belief in left.beliefs)
    assert assistant.profile(shopper, shopper.id, "xx").user_id == shopper.id
    with pytest.raises(NotFound):
        assistant.profile(shopper, "another")
    with pytest.raises(NotFound):
        assistant.remove_belief(shopper, "brand", "Arbor", "another")


def test_what_was_shown_is_written_with_its_positions(talk: Conversation, database: Database) -> None:
    reply = talk.say("search", "kettles")
    talk.assistant.exposures.flush()
    (event,) = events_of(database, talk.principal, talk.principal.id)
    assert event.event == "recommendation_shown"
    assert [item.item_id for item in event.items] == [card.product_id for card in reply.products]
    assert [item.position for item in event.items] == [0, 1, 2, 3]
    assert {item.slate_id for item in event.items} == {reply.message_id}


def test_orders_are_told_to_their_owner_alone(
    talk: Conversation, assistant: Assistant, intents: ToldIntents, database: Database
) -> None:
    order = {
        "order_id": "A-1001", "user_id": "shopper-1", "status": "shipped", "placed_at": 1_760_000_000_000, "currency": "USD",
        "items": [{"product_id": "kettle-2", "quantity": 2, "price": 1900}],
        "tracking": {"carrier": "Swift", "number": "SW778899", "expected_at": 1_760_400_000_000},
    }  # fmt: skip
    put_orders(database, SHOP, [Order.model_validate(order)])
    reply = talk.say("order_status", "where is my order?")
    assert "A-1001" in reply.text
    assert "SW778899" in reply.text
    assert "14 October 2025" in reply.text
    assert "Pip travel kettle" in reply.text
    assert talk.say("order_status", "cancel order A-1001").action == "ask"
    assert "A-9999" in talk.say("order_status", "where is A-9999?").text
    stranger = Conversation(assistant, intents, Principal(id="stranger", role=Role.CUSTOMER))
    assert "SW778899" not in stranger.say("order_status", "where is order A-1001?").text
    anonymous = Conversation(assistant, intents, Principal(id="anon-1", role=Role.CUSTOMER, anonymous=True))
    assert "ign in" in anonymous.say("order_status", "where is my order?").text


def test_user_id_is_for_the_backend_alone(assistant: Assistant, shopper: Principal) -> None:
    with pytest.raises(Forbidden):
        assistant.reply(shopper, "hello", user_id="shopper-2")
    reply = assistant.reply(SHOP, "kettles", user_id="shopper-2")
    assert assistant.reply(SHOP, "cheaper", reply.conversation_id, "shopper-2").conversation_id == reply.conversation_id


def test_each_turn_is_timed_by_stage(talk: Conversation) -> None:
    talk.say("search", "kettles")
    timed = talk.assistant.timings[-1]
    assert {"storage", "intent", "understanding", "search", "ranking", "reply", "total"} <= set(timed)
    assert sum(value for name, value in timed.items() if name != "total") <= timed["total"] + 1e-6


def test_starters_have_answers(assistant: Assistant, intents: ToldIntents, shopper: Principal) -> None:
    english, chinese = assistant.starters("en"), assistant.starters("zh")
    assert len(english) >= 3
    assert len(chinese) >= 3
    assert not any("\u4e00" <= char <= "\u9fff" for text in english for char in text)
    assert len(ACTIONS) == 20
