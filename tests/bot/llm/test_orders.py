"""Orders with a model, over real HTTP: what it looks up the server tells, what it would change the customer is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bot.backend import OPERATIONS
from bot.embedded import EmbeddedBackend
from storage.customers import Customer, PaymentMethod, put_customers
from storage.database import Database
from storage.errors import Unavailable
from storage.order_changes import OrderChange, changes_of
from storage.orders import Address, Order, put_orders
from storage.principal import Principal, Role
from storage.settings import OrderSettings
from tests.bot.llm.conftest import Advised
from tests.bot.llm.server import Body, Say, called
from tests.bot.test_order_changes import KETTLE, MUGS, RULES, SHOE, SHOP, order

Begin = Callable[..., Advised]
HOME = Address(address1="5 Elm Street", city="Springfield", zip="12345")
MAY = ("orders", "order_changes")


@pytest.fixture(autouse=True)
def bought(database: Database) -> None:
    methods = (
        PaymentMethod(id="visa-77", source="credit_card", brand="visa", last_four="1234"),
        PaymentMethod(id="gift-88", source="gift_card", balance=9900),
    )
    ann = Customer(
        user_id="shopper-1",
        email="ann@shop.example",
        first_name="Annabel",
        last_name="Quux",
        address=HOME,
        payment_methods=methods,
    )
    put_customers(database, SHOP, [ann])
    orders: list[Order] = [
        order("A-1001", "paid", KETTLE, MUGS, days=1, payment_method="visa-77"),
        order("A-1002", "delivered", SHOE, MUGS, KETTLE, days=9, payment_method="visa-77", address=HOME),
        order("B-2001", "paid", user_id="somebody"),
    ]
    put_orders(database, SHOP, orders)


@pytest.fixture
def shop(advised: Begin) -> Begin:
    """Call it with the calls that the model makes, one an answer, and with settings that are not the usual."""

    def begin(*calls: Say, rules: OrderSettings = RULES, **changes: Any) -> Advised:
        def respond(body: Body) -> Say:
            done = len(called(body))
            return calls[done] if done < len(calls) else Say("I looked at A-1002 for you.")

        return advised(respond, rules=rules, **{"may": MAY, **changes})

    return begin


def call(name: str, **arguments: Any) -> Say:
    return Say(tool=name, arguments=arguments)


def made(talk: Advised) -> list[OrderChange]:
    return changes_of(talk.assistant.database, SHOP, "shopper-1")


RETURN = call("return_items", order_id="A-1002", pieces=[{"line": 1, "quantity": 1}])
SENDS_BACK = "I want to return what I brew my mornings with"


def test_a_proposal_is_stated_from_records_and_done_once_after_a_yes(shop: Begin) -> None:
    talk = shop(RETURN)
    asked = talk.say("order_status", SENDS_BACK)
    assert (talk.record["use"], talk.record["path"], talk.record["reason"]) == ("orders", "llm", "complete")
    assert asked.action == "ask"
    for said in ("A-1002", "1 × Glenmoor Assam", "$12.00", "Visa card ending in 1234"):
        assert said in asked.text
    assert made(talk) == []
    assert len(talk.server.bodies) == 1  # with a proposal nothing more is asked of the model
    done = talk.say("accept", "yes")
    assert "A-1002" in done.text
    assert [change.kind for change in made(talk)] == ["return"]
    talk.say("accept", "yes")
    assert len(made(talk)) == 1
    assert len(talk.server.bodies) == 1


@pytest.mark.parametrize(("label", "answer"), [("reject", "no"), ("search", "show me kettles"), ("accept", "ok, wait")])
def test_without_a_plain_yes_nothing_is_done(shop: Begin, label: str, answer: str) -> None:
    talk = shop(RETURN)
    talk.say("order_status", SENDS_BACK)
    talk.server.respond = lambda body: Say("")
    talk.say(label, answer)
    talk.say("accept", "yes")
    assert made(talk) == []


def test_in_chinese(shop: Begin) -> None:
    talk = shop(RETURN)
    asked = talk.say("out_of_scope", "订单里早上喝的那个我想退掉")
    assert "US$12.00" in asked.text
    assert "A-1002" in asked.text
    talk.say("accept", "好的")
    assert [change.kind for change in made(talk)] == ["return"]


def test_an_order_that_it_looks_at_is_told_by_the_server(shop: Begin) -> None:
    talk = shop(call("get_order", order_id="#a-1002"))
    reply = talk.say("order_status", "where are the shoes that I ordered?")
    assert "A-1002" in reply.text
    assert "running shoes" in reply.text
    assert "delivered" in reply.text
    assert "I looked at A-1002 for you." in reply.text
    assert talk.record["tools"] == ["get_order"]


def test_what_it_says_of_an_order_in_its_own_words_must_be_backed(shop: Begin) -> None:
    talk = shop()
    told = "A-1002 costs $3. A-1002 arrives tomorrow. A-1009 is yours too. I have cancelled A-1001."
    talk.server.respond = lambda body: Say(told)
    reply = talk.say("order_status", "where are the shoes that I ordered?")
    assert talk.record["sentences"] == 0
    for said in ("$3", "tomorrow", "A-1009", "cancelled"):
        assert said not in reply.text


def test_variants_and_means_of_payment_have_names_that_tools_take_back(shop: Begin) -> None:
    def respond(body: Body) -> Say:
        read = called(body)
        if not read:
            return call("get_product", product_id="product_3")  # the kettle, the tea, the shoes
        if len(read) == 1:
            return call("get_user")
        swap = {"line": 0, "variant_id": "variant_1"}
        return call("exchange_items", order_id="A-1002", swaps=[swap], payment_method="method_2")

    talk = shop()
    talk.server.respond = respond
    reply = talk.say("order_status", "I'd like another size instead of the ones that pinch, on my gift card")
    pending = talk.last.data["effects"]["pending"]
    assert pending["kind"] == "order_change"
    assert pending["draft"]["method"] == "gift-88"
    assert pending["draft"]["variants"][0].startswith("shoe-2-")
    assert "running shoes (41)" in reply.text


def test_an_exchange_in_an_order_that_has_not_left_is_a_change_of_its_items(shop: Begin) -> None:
    shoes = order("A-1005", "paid", SHOE, days=0)
    talk = shop(
        call("get_product", product_id="shoe-2"),
        call("exchange_items", order_id="A-1005", swaps=[{"line": 0, "variant_id": "shoe-2-blue-42"}]),
    )
    put_orders(talk.assistant.database, SHOP, [shoes])
    talk.say("out_of_scope", "in the last order I would rather have them in blue, please exchange that")
    assert talk.last.data["effects"]["pending"]["draft"]["kind"] == "items"


def test_who_the_customer_is_stays_here_and_an_address_is_a_name(shop: Begin) -> None:
    talk = shop(call("get_user"), call("modify_address", order_id="A-1001", address={"address1": "address_1"}))
    reply = talk.say("out_of_scope", "send my newest order to where I live, the address is wrong")
    assert "5 Elm Street, Springfield, 12345" in reply.text
    sent = str(talk.server.bodies)
    for own in ("Annabel", "Quux", "ann@shop", "Elm Street", "shopper-1", "visa-77", "1234", "B-2001", "somebody"):
        assert own not in sent
    assert "address_1" in sent
    talk.say("accept", "yes")
    assert [change.kind for change in made(talk)] == ["address"]


def test_an_address_and_a_card_that_were_told_do_not_go_out_with_the_last_messages(shop: Begin) -> None:
    talk = shop(call("get_user"), call("modify_address", order_id="A-1001", address={"address1": "address_1"}))
    assert "5 Elm Street" in talk.say("out_of_scope", "send my newest order to where I live, the address is wrong").text
    assert "5 Elm Street" in talk.say("accept", "yes").text
    assert "1234" in talk.say("order_status", "I want to cancel order A-1001").text
    talk.server.bodies.clear()
    asked = talk.say("order_status", "where are the shoes that I ordered to 5 elm street, springfield, 12345?")
    assert asked.text
    assert talk.server.bodies
    sent = str(talk.server.bodies)
    assert "REDACTED_ADDRESS_1" in sent
    for own in ("Elm Street", "elm street", "1234"):
        assert own not in sent


@pytest.mark.parametrize(
    ("message", "wish"),
    [
        ("where are the shoes that I ordered?", RETURN),
        ("how is my order, please don't cancel it", call("cancel_order", order_id="A-1001")),
        ("cancel the order of somebody", call("cancel_order", order_id="B-2001")),
        ("cancel the order", call("cancel_order", order_id="A-1002")),
        ("I want to return it", call("return_items", order_id="A-1002", pieces=[{"line": 9}])),
        ("I want to return it", call("return_items", order_id="A-1002", pieces=[{"line": 1, "quantity": 50}])),
        ("I want to return it", call("return_items", order_id="A-1002", pieces=[{"line": 1}], payment_method="evil")),
        ("I want to return it", call("return_items", order_id="A-1002", pieces=[], stamp="x")),
        ("I want to return it", Say(tool="return_items", arguments='{"order_id": "A-10')),
        (
            "I want to return it",
            call("return_items", order_id="A-1002", pieces=[{"line": 1}], payment_method="method_2"),
        ),
        ("exchange my order", call("exchange_items", order_id="A-1002", swaps=[{"line": 1, "variant_id": "shoe-2"}])),
        ("cancel the order A-1002 please, or tell me why not", call("cancel_order", order_id="A-1001")),
        (
            "the address of my newest order is wrong",
            call("modify_address", order_id="A-1001", address={"address1": "1 Evil Road", "city": "Elsewhere"}),
        ),
        ("is my order there? confirm it", call("change", order_id="A-1002", stamp="x")),
    ],
)
def test_what_was_not_asked_for_or_may_not_be_is_not_even_proposed(shop: Begin, message: str, wish: Say) -> None:
    talk = shop(wish, wish)
    talk.say("order_status", message)
    pending = talk.last.data["effects"]["pending"]
    assert pending is None or pending["kind"] != "order_change" or pending["draft"]["kind"] != "return"
    if pending is not None and pending["kind"] == "order_change":
        assert talk.server.bodies == []  # the templates read it themselves, by the same rules
    assert made(talk) == []
    assert "visa-77" not in str(talk.server.bodies)


def test_a_reason_that_is_none_of_the_shops_is_asked_of_the_customer(shop: Begin) -> None:
    rules = RULES.model_copy(update={"cancel_reasons": ("no longer needed", "ordered by mistake")})
    talk = shop(call("cancel_order", order_id="A-1001", reason="because"), rules=rules)
    reply = talk.say("out_of_scope", "call it off, the order from yesterday, I do not want that kettle any more")
    assert "no longer needed" in str(talk.server.bodies[0]["tools"])
    assert "ordered by mistake" in reply.text
    asked = talk.say("order_status", "ordered by mistake")
    assert asked.action == "ask"
    talk.say("accept", "yes")
    assert [change.kind for change in made(talk)] == ["cancel"]


def test_a_wish_that_was_taken_for_a_question_of_policy_is_read_by_the_model(shop: Begin) -> None:
    talk = shop(RETURN)
    reply = talk.say("ask_policy", "the zzyzx smell of it is bad, any refund for what I brew?")
    assert talk.record["use"] == "orders"
    assert "1 × Glenmoor Assam" in reply.text


def test_who_has_no_orders_is_told_so_and_nobody_is_asked(shop: Begin) -> None:
    talk = shop(RETURN, principal=Principal("shopper-9", Role.CUSTOMER))
    talk.say("order_status", SENDS_BACK)
    assert talk.server.bodies == []


def test_a_person_is_offered_and_never_fetched(shop: Begin) -> None:
    talk = shop(call("transfer_to_person", summary="The parcel is open."))
    reply = talk.say("out_of_scope", "the parcel of my order was open")
    assert reply.action == "ask"
    assert talk.last.data["effects"]["pending"]["kind"] == "handoff"
    assert not talk.last.data["effects"]["handed_off"]


@pytest.mark.parametrize(
    ("may", "offered"),
    [
        (("phrase", "plan"), None),
        (("orders",), {"get_user", "get_order", "get_product", "calculate", "transfer_to_person"}),
        (MAY, {name for name in OPERATIONS if name not in ("find_user", "list_orders", "modify_items")}),
    ],
)
def test_the_shop_says_how_far_a_model_may_go(shop: Begin, may: tuple[str, ...], offered: set[str] | None) -> None:
    talk = shop(may=may)
    talk.say("order_status", "where are the shoes that I ordered?")
    names = [{tool["function"]["name"] for tool in body["tools"]} for body in talk.server.bodies]
    assert (names[0] if names else None) == offered


def test_it_changes_nothing_that_customers_of_the_shop_cannot_change_themselves(shop: Begin) -> None:
    talk = shop(RETURN, rules=OrderSettings())
    talk.say("order_status", SENDS_BACK)
    assert "return_items" not in str(talk.server.bodies[0]["tools"])
    assert talk.last.data["effects"]["pending"]["kind"] == "handoff"


@pytest.mark.parametrize("failure", [Say(status=500), Say(broken=True), Say(""), RETURN])
def test_whatever_fails_the_templates_answer_stands(shop: Begin, failure: Say) -> None:
    alone = shop(may=("phrase",)).say("order_status", "where are the shoes that I ordered?")
    talk = shop(failure, failure, failure, failure)
    reply = talk.say("order_status", "where are the shoes that I ordered?")
    assert talk.record["path"] == "templates"
    assert ("A-1001" in reply.text, reply.action) == ("A-1001" in alone.text, alone.action)


def test_strangers_are_never_helped_with_orders(shop: Begin) -> None:
    talk = shop(RETURN, principal=Principal("anon-1", Role.CUSTOMER, anonymous=True))
    talk.say("order_status", SENDS_BACK)
    assert talk.server.bodies == []


@dataclass(frozen=True)
class Silent(EmbeddedBackend):
    """The shop's own system, which does not answer."""

    def orders(self, principal: Principal, user_id: str) -> list[Order]:
        raise Unavailable("The order system does not answer.", "Try again.")


def test_a_backend_that_is_silent_costs_the_model_and_not_the_turn(shop: Begin) -> None:
    talk = shop(RETURN)
    talk.assistant.backend = Silent(talk.assistant.database, RULES, talk.assistant.backend.product)
    reply = talk.say("out_of_scope", "what do you think of my order")
    assert reply.text
    assert talk.server.bodies == []
    assert "llm" not in talk.last.data


def test_what_was_masked_on_the_way_out_is_put_back_into_a_call(shop: Begin) -> None:
    def respond(body: Body) -> Say:
        sent = str(body["messages"][-1]["content"])
        assert "4915112345678" not in sent.rpartition("The customer says: ")[2]
        return call("cancel_order", order_id="REDACTED_PHONE_1")

    talk = shop()
    put_orders(talk.assistant.database, SHOP, [order("+4915112345678", "paid", KETTLE, days=2)])
    talk.server.respond = respond
    talk.say("out_of_scope", "the order from the day before, +4915112345678, I do not need it")
    assert talk.last.data["effects"]["pending"]["draft"]["order_id"] == "+4915112345678"


def test_a_short_number_of_an_order_is_no_figure_that_may_be_said(shop: Begin) -> None:
    talk = shop()
    put_orders(talk.assistant.database, SHOP, [order("20", "paid", KETTLE, days=2)])
    talk.server.respond = lambda body: Say("You save 20 with it. Order #20 is the kettle.")
    reply = talk.say("order_status", "where are the shoes that I ordered?")
    assert "save" not in reply.text
    assert "Order #20 is the kettle." in reply.text


def test_what_the_titles_in_an_order_say_may_be_said_of_it(shop: Begin) -> None:
    talk = shop()
    talk.server.respond = lambda body: Say("A-1001 has the 1.7 L kettle. A-1001 has the waterproof kettle of 2.5 L.")
    reply = talk.say("order_status", "where are the shoes that I ordered?")
    assert "A-1001 has the 1.7 L kettle." in reply.text
    assert "waterproof" not in reply.text


@pytest.mark.parametrize("street", ["1 Evil Road", "улица Зла 1", "邪恶路一号", "Straße 9"])
def test_no_parcel_goes_to_an_address_that_the_customer_did_not_name(shop: Begin, street: str) -> None:
    wish = call("modify_address", order_id="A-1001", address={"address1": street})
    talk = shop(wish)
    talk.say("out_of_scope", "the address of my order is wrong")
    assert (talk.last.data["effects"]["pending"] or {}).get("kind") != "order_change"
    talk = shop(wish)
    talk.say("out_of_scope", f"my order, the address is wrong; {street.upper()} would be right")
    assert talk.last.data["effects"]["pending"]["kind"] == "order_change"
