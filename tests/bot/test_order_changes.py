"""Changes to orders by talk: asked for what is missing, told what would happen, done once after a yes, reported as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bot.backend import OPERATIONS, Backend, Caller
from bot.cards import Reply
from bot.embedded import EmbeddedBackend, backend_of
from bot.order_wishes import address_in, kinds_named, named_lines, wanted, wish
from bot.parts import Parts
from bot.service import Assistant
from bot.tasks.order_changes import draft_of, request_of
from index.product import Product
from storage.conversations import turns_of
from storage.customers import Customer, PaymentMethod, customer_of, put_customers
from storage.database import Database
from storage.errors import InvalidInput, NotFound, Unavailable
from storage.offers import Offer, Price, put_offers
from storage.order_changes import OrderChange, changes_of
from storage.order_rules import (
    CancelOrder,
    ChangeRequest,
    ExchangeItems,
    ModifyAddress,
    ModifyDefaultAddress,
    ModifyItems,
    ModifyPayment,
    Piece,
    Refused,
    ReturnItems,
    Swap,
)
from storage.orders import Address, Order, orders_of, put_orders
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import OrderSettings, ShopSettings
from tests.bot.conftest import Conversation, ToldIntents

SHOP = Principal("shop", Role.SERVICE)
DAY = 86_400_000
RULES = OrderSettings(
    self_service=("cancel", "return", "exchange", "items", "address", "payment", "default_address"), return_days=30
)
SHOE = {"product_id": "shoe-2", "variant_id": "shoe-2-green-41", "quantity": 1, "price": 8900}
MUGS = {"product_id": "tea-1", "quantity": 2, "price": 1200}
KETTLE = {"product_id": "kettle-3", "quantity": 1, "price": 3400}


def order(number: str, status: str, *items: dict[str, Any], days: int = 3, **fields: Any) -> Order:
    row = {
        "order_id": number,
        "user_id": "shopper-1",
        "status": status,
        "placed_at": now_ms() - days * DAY,
        "currency": "USD",
        "payment_method": "card",
        "items": items or (KETTLE,),
    }
    return Order.model_validate(row | fields)


@pytest.fixture
def assistant(parts: Parts, database: Database) -> Iterator[Assistant]:
    """A shop whose customers change everything by themselves."""
    opened = Assistant(parts, ShopSettings(orders=RULES), database, "https://shop.example/{cart_id}")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def bought(database: Database) -> None:
    methods = (
        PaymentMethod(id="card", source="credit_card", brand="visa", last_four="1234"),
        PaymentMethod(id="gift", source="gift_card", balance=9900),
    )
    put_customers(database, SHOP, [Customer(user_id="shopper-1", payment_methods=methods)])
    put_orders(
        database,
        SHOP,
        [
            order("A-1001", "paid", KETTLE, MUGS, days=1),
            order("A-1002", "delivered", SHOE, MUGS, KETTLE, days=9),
            order("A-1003", "delivered", KETTLE, days=90),
            order("B-2001", "paid", user_id="somebody"),
        ],
    )


def status(database: Database, number: str) -> str:
    return next(each.status for each in orders_of(database, SHOP, "shopper-1") if each.order_id == number)


def made(database: Database) -> list[OrderChange]:
    return changes_of(database, SHOP, "shopper-1")


class TestCancel:
    def test_it_is_stated_confirmed_done_and_told(self, talk: Conversation, database: Database) -> None:
        asked = talk.say("order_status", "cancel my order A-1001")
        assert asked.action == "ask"
        for said in (
            "A-1001",
            "1 × Brindle electric kettle",
            "2 × Glenmoor Assam",
            "$58.00",
            "Visa card ending in 1234",
        ):
            assert said in asked.text
        assert status(database, "A-1001") == "paid"
        done = talk.say("accept", "yes")
        assert done.action == "answer"
        assert "A-1001" in done.text
        assert "$58.00" in done.text
        assert status(database, "A-1001") == "cancelled"
        assert [change.kind for change in made(database)] == ["cancel"]

    def test_in_chinese(self, talk: Conversation, database: Database) -> None:
        asked = talk.say("order_status", "帮我取消订单 A-1001")
        assert "A-1001" in asked.text
        assert "US$58.00" in asked.text
        assert "尾号 1234" in asked.text
        done = talk.say("accept", "好的")
        assert "取消" in done.text
        assert status(database, "A-1001") == "cancelled"

    @pytest.mark.parametrize(
        ("label", "text"), [("reject", "no"), ("reject", "不用了"), ("search", "show me kettles"), ("greet", "hello")]
    )
    def test_nothing_happens_without_a_yes(self, talk: Conversation, database: Database, label: str, text: str) -> None:
        talk.say("order_status", "cancel order A-1001")
        talk.say(label, text)
        talk.say("accept", "yes")
        assert status(database, "A-1001") == "paid"
        assert made(database) == []

    @pytest.mark.parametrize(
        ("label", "text"),
        [
            ("accept", "yes but only the kettle"),
            ("accept", "ok, wait"),
            ("accept", "yes for order 2"),
            ("accept", "好，但是先别"),
        ],
    )
    def test_a_yes_that_adds_something_is_none(
        self, talk: Conversation, database: Database, label: str, text: str
    ) -> None:
        talk.say("order_status", "cancel order A-1001")
        talk.say(label, text)
        assert made(database) == []

    def test_an_unsure_yes_is_none(self, talk: Conversation, database: Database) -> None:
        talk.say("order_status", "cancel order A-1001")
        talk.say("accept", "whatever you think", confidence=0.6)
        assert made(database) == []

    def test_it_is_the_order_spoken_of(self, talk: Conversation, database: Database) -> None:
        talk.say("order_status", "where is my order A-1001?")
        assert "A-1001" in talk.say("cart_remove", "cancel it").text
        talk.say("accept", "yes")
        assert status(database, "A-1001") == "cancelled"

    def test_a_second_time_it_says_so(self, talk: Conversation, database: Database) -> None:
        talk.say("order_status", "cancel order A-1001")
        talk.say("accept", "yes")
        again = talk.say("order_status", "cancel order A-1001")
        assert "cancelled" in again.text
        assert again.action == "ask", "a person may help"
        assert len(made(database)) == 1

    @pytest.mark.parametrize("number", ["A-1002", "A-1003"])
    def test_what_cannot_be_is_refused_at_once(self, talk: Conversation, number: str) -> None:
        reply = talk.say("order_status", f"cancel order {number}")
        assert number in reply.text
        assert "$" not in reply.text
        assert talk.say("accept", "yes").action == "handoff"

    def test_a_foreign_number_is_like_none(self, talk: Conversation, database: Database) -> None:
        foreign = talk.say("order_status", "cancel order B-2001")
        missing = Conversation(talk.assistant, talk.intents, talk.principal).say("order_status", "cancel order B-2999")
        assert foreign.action == missing.action == "answer"
        assert "B-2001" in foreign.text
        assert "Brindle" not in foreign.text
        talk.say("accept", "yes")
        assert orders_of(database, SHOP, "somebody")[0].status == "paid"

    def test_strangers_are_asked_to_sign_in(self, assistant: Assistant, intents: ToldIntents) -> None:
        visitor = Conversation(assistant, intents, Principal("anon-1", Role.CUSTOMER, anonymous=True))
        assert "ign in" in visitor.say("order_status", "cancel order A-1001").text
        assert "登录" in visitor.say("order_status", "我想退货").text

    def test_reasons_are_asked_for_where_the_shop_wants_one(
        self, parts: Parts, database: Database, intents: ToldIntents, shopper: Principal
    ) -> None:
        rules = OrderSettings(self_service=("cancel",), cancel_reasons=("no longer needed", "ordered by mistake"))
        assistant = Assistant(parts, ShopSettings(orders=rules), database)
        talk = Conversation(assistant, intents, shopper)
        assert "ordered by mistake" in talk.say("order_status", "cancel order A-1001").text
        assert "$58.00" in talk.say("search", "no longer needed").text
        talk.say("accept", "yes")
        assert made(database)[0].request.model_dump()["reason"] == "no longer needed"
        assistant.close()


class TestReturn:
    def test_which_items_is_asked_and_some_go_back(self, talk: Conversation, database: Database) -> None:
        assert "Falken Drift" in talk.say("order_status", "I want to return something from order A-1002").text
        asked = talk.say("search", "one of the tea")
        assert "1 × Glenmoor" in asked.text
        assert "$12.00" in asked.text
        assert "Falken" not in asked.text
        done = talk.say("accept", "yes please")
        assert "$12.00" in done.text
        assert made(database)[0].lines[0] | {"line": 1, "quantity": 1} == made(database)[0].lines[0]

    @pytest.mark.parametrize(
        ("text", "amount"),
        [
            ("all of it", "$147.00"),
            ("everything except the shoes", "$58.00"),
            ("the kettle and the tea", "$58.00"),
            ("the first one", "$89.00"),
        ],
    )
    def test_items_are_named_in_many_ways(self, talk: Conversation, text: str, amount: str) -> None:
        talk.say("order_status", "return order A-1002")
        assert amount in talk.say("search", text).text

    def test_what_was_stated_can_be_amended(self, talk: Conversation, database: Database) -> None:
        talk.say("order_status", "I want to return the kettle from order A-1002")
        assert "$123.00" in talk.say("out_of_scope", "also the shoes", 0.4).text
        assert "$89.00" in talk.say("out_of_scope", "only the shoes", 0.4).text
        talk.say("accept", "yes")
        assert [line["product_id"] for line in made(database)[0].lines] == ["shoe-2"]

    def test_fewer_pieces_than_were_stated(self, talk: Conversation) -> None:
        assert "$24.00" in talk.say("order_status", "I want to return the tea from order A-1002").text
        assert "$12.00" in talk.say("cart_add", "one of them").text

    def test_the_one_order_that_has_it_is_meant(self, talk: Conversation) -> None:
        assert "A-1002" in talk.say("ask_policy", "I want to return the trail running shoes").text

    def test_onto_a_gift_card(self, talk: Conversation, database: Database) -> None:
        asked = talk.say("order_status", "return the kettle from order A-1002 and refund it to my gift card")
        assert "gift card" in asked.text
        talk.say("accept", "yes")
        assert made(database)[0].payment_method == "gift"

    def test_too_late_names_the_days(self, talk: Conversation, database: Database) -> None:
        assert "30 days" in talk.say("order_status", "return order A-1003").text
        assert "30 天" in talk.say("order_status", "我要退订单 A-1003").text
        assert made(database) == []

    def test_what_is_not_delivered_cannot_go_back(self, talk: Conversation) -> None:
        assert "deliver" in talk.say("order_status", "I want to return order A-1001").text

    def test_in_chinese(self, talk: Conversation, database: Database) -> None:
        put_orders(
            database,
            SHOP,
            [order("A-1004", "delivered", {"product_id": "zh-3", "quantity": 2, "price": 1590}, KETTLE, days=2)],
        )
        assert "保温杯" in talk.say("ask_policy", "我想退订单 A-1004").text
        assert "1 × 不锈钢保温杯" in talk.say("search", "退一个保温杯").text
        assert "退货" in talk.say("accept", "是的").text
        assert made(database)[0].amount == 1590

    def test_it_is_told_with_the_status(self, talk: Conversation) -> None:
        talk.say("order_status", "return the kettle from order A-1002")
        talk.say("accept", "yes")
        assert "eturn" in talk.say("order_status", "where is order A-1002").text


class TestExchange:
    def test_the_variant_that_is_named(self, talk: Conversation, database: Database) -> None:
        put_offers(
            database,
            SHOP,
            [Offer(product_id="shoe-2", variant_id="shoe-2-green-42", price=Price(amount=9900, currency="USD"))],
        )
        asked = talk.say("order_status", "exchange the shoes from order A-1002 for size 42")
        assert "42" in asked.text
        assert "$10.00" in asked.text
        talk.say("accept", "yes")
        assert made(database)[0].lines[0]["to_variant_id"] == "shoe-2-green-42"
        assert made(database)[0].amount == -1000

    def test_it_is_asked_for_where_several_can_be(self, talk: Conversation, database: Database) -> None:
        put_orders(
            database,
            SHOP,
            [
                order(
                    "A-1005",
                    "delivered",
                    {"product_id": "shoe-1", "variant_id": "shoe-1-blue-40", "quantity": 1, "price": 11900},
                )
            ],
        )
        asked = talk.say("order_status", "I need another size for order A-1005, exchange it please")
        assert "black / 42" in asked.text
        assert "44" not in asked.text, "sold out"
        assert "(black, 42)" in talk.say("search", "black / 42").text
        talk.say("accept", "yes")
        assert made(database)[0].lines[0]["to_variant_id"] == "shoe-1-black-42"

    def test_what_broke_is_exchanged_for_the_same(self, talk: Conversation, database: Database) -> None:
        asked = talk.say("order_status", "the shoes from order A-1002 broke, I want to exchange them for the same item")
        assert asked.text.count("(green, 41)") >= 2 or asked.text.count("41") >= 2
        talk.say("accept", "yes")
        assert made(database)[0].lines[0]["to_variant_id"] == "shoe-2-green-41"

    def test_an_open_order_is_changed_instead(self, talk: Conversation, database: Database) -> None:
        put_orders(database, SHOP, [order("A-1006", "paid", SHOE, days=1)])
        asked = talk.say("order_status", "把订单 A-1006 的鞋换成 42 码")
        assert "42" in asked.text
        talk.say("accept", "好")
        assert made(database)[0].kind == "items"
        assert orders_of(database, SHOP, "shopper-1")[-1].items[0].variant_id == "shoe-2-green-42"

    def test_what_has_no_other_version_is_said(self, talk: Conversation) -> None:
        assert "no other version" in talk.say("order_status", "exchange the kettle from order A-1002").text.replace(
            "nothing to exchange", "no other version"
        )


class TestAddressAndPayment:
    def test_an_address_is_repeated_word_for_word(self, talk: Conversation, database: Database) -> None:
        talk.say("order_status", "please change the delivery address of order A-1001")
        asked = talk.say("order_status", "12 Main Street, Springfield, IL 62704")
        assert "12 Main Street, Springfield, IL 62704" in asked.text
        again = talk.say("out_of_scope", "no, to 14 Main Street, Springfield, IL 62704", 0.4)
        assert "14 Main Street" in again.text
        talk.say("accept", "yes")
        assert [each.address.line for each in orders_of(database, SHOP, "shopper-1") if each.address] == [
            "14 Main Street, Springfield, IL 62704"
        ]

    def test_the_default_address_in_chinese(self, talk: Conversation, database: Database) -> None:
        asked = talk.say("order_status", "把我的默认地址改成杭州市西湖区文三路8号")
        assert "杭州市西湖区文三路8号" in asked.text
        talk.say("accept", "好的")
        customer = customer_of(database, SHOP, "shopper-1")
        assert customer is not None
        assert customer.address is not None
        assert customer.address.line == "杭州市西湖区文三路8号"

    def test_another_means_of_payment(self, talk: Conversation, database: Database) -> None:
        asked = talk.say("order_status", "I want to change the payment of order A-1001 to my gift card")
        assert "gift card" in asked.text
        assert "$58.00" in asked.text
        talk.say("accept", "yes")
        customer = customer_of(database, SHOP, "shopper-1")
        assert customer is not None
        assert customer.payment_methods[1].balance == 4100


class TestOnce:
    def test_two_confirms_at_once_have_one_effect(self, talk: Conversation, database: Database) -> None:
        talk.say("order_status", "return the kettle from order A-1002")
        talk.intents.label = "accept"
        replies: list[Reply] = []
        start = threading.Barrier(2)

        def confirm() -> None:
            start.wait()
            replies.append(talk.assistant.reply(talk.principal, "yes", talk.id))

        threads = [threading.Thread(target=confirm) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(replies) == 2
        assert len(made(database)) == 1

    def test_killed_between_the_write_and_the_reply_it_is_done_once_and_told(
        self, talk: Conversation, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        talk.say("order_status", "cancel order A-1001")

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as context:
            context.setattr("bot.talk.conversations.append", killed)
            with pytest.raises(KeyboardInterrupt):
                talk.say("accept", "yes")
        assert status(database, "A-1001") == "cancelled"
        done = talk.say("accept", "yes")
        assert "$58.00" in done.text
        assert "A-1001" in done.text
        assert len(made(database)) == 1

    def test_what_changed_since_is_told_and_asked_again(self, talk: Conversation, database: Database) -> None:
        talk.say("order_status", "cancel order A-1001")
        put_orders(database, SHOP, [order("A-1001", "paid", KETTLE, days=1)])
        asked = talk.say("accept", "yes")
        assert asked.action == "ask"
        assert "$34.00" in asked.text
        assert made(database) == []
        talk.say("accept", "yes")
        assert made(database)[0].amount == 3400

    def test_what_left_in_between_is_not_called_cancelled(self, talk: Conversation, database: Database) -> None:
        talk.say("order_status", "cancel order A-1001")
        put_orders(database, SHOP, [order("A-1001", "shipped", KETTLE, MUGS, days=1)])
        told = talk.say("accept", "yes")
        assert "cancelled" not in told.text
        assert status(database, "A-1001") == "shipped"
        assert made(database) == []

    def test_a_confirm_of_another_conversation_does_nothing(
        self, talk: Conversation, assistant: Assistant, intents: ToldIntents, database: Database
    ) -> None:
        talk.say("order_status", "cancel order A-1001")
        Conversation(assistant, intents, talk.principal).say("accept", "yes")
        assert made(database) == []


class Silent(EmbeddedBackend):
    """A shop's own system whose answer to a write is lost, though the write was made."""

    def change(
        self, principal: Principal, user_id: str, request: ChangeRequest, request_id: str, stamp: str
    ) -> OrderChange:
        change = super().change(principal, user_id, request, request_id, stamp)
        if not change.repeated:
            raise Unavailable("The order system does not answer.", "Try again.")
        return change


def silent(rules: OrderSettings, database: Database, products: Any) -> Backend:
    return Silent(database, rules, products)


def broken(rules: OrderSettings, database: Database, products: Any) -> object:
    return object()


class TestTheShopsOwnSystem:
    def test_a_lost_answer_is_not_reported_as_done(
        self, parts: Parts, database: Database, intents: ToldIntents, shopper: Principal
    ) -> None:
        rules = RULES.model_copy(update={"backend": f"{__name__}:silent"})
        assistant = Assistant(parts, ShopSettings(orders=rules), database)
        talk = Conversation(assistant, intents, shopper)
        talk.say("order_status", "cancel order A-1001")
        unsure = talk.say("accept", "yes")
        assert unsure.action == "ask"
        assert "es again" in unsure.text or "another yes" in unsure.text.lower()
        assert "A-1001" in talk.say("accept", "yes").text
        assert len(made(database)) == 1
        assistant.close()

    @pytest.mark.parametrize("name", ["no_such_module:x", f"{__name__}:nothing", f"{__name__}:broken"])
    def test_one_that_is_not_there_is_named(self, database: Database, name: str) -> None:
        with pytest.raises(InvalidInput, match=name.split(":")[1]):
            backend_of(OrderSettings(backend=name), database, lambda _: None)


class TestWithoutSelfService:
    def test_a_person_does_it_and_policies_stay_questions(
        self, parts: Parts, database: Database, intents: ToldIntents, shopper: Principal
    ) -> None:
        assistant = Assistant(parts, ShopSettings(), database)
        talk = Conversation(assistant, intents, shopper)
        assert talk.say("order_status", "cancel order A-1001").action == "ask"
        assert talk.say("accept", "yes").action == "handoff"
        assert talk.say("ask_policy", "I want to return something").citations
        assert made(database) == []
        assistant.close()


class TestOperations:
    def test_a_write_only_proposes(self, assistant: Assistant, shopper: Principal, database: Database) -> None:
        caller = Caller(shopper, "shopper-1")
        outcome = OPERATIONS["cancel_order"].call(assistant.backend, caller, {"order_id": "A-1001"})
        assert outcome.proposal is not None
        assert outcome.data["amount"] == 5800
        assert "not done" in outcome.data["state"]
        assert status(database, "A-1001") == "paid"
        assert [name for name, each in OPERATIONS.items() if each.write] == [
            "cancel_order", "return_items", "exchange_items", "modify_items", "modify_address", "modify_payment",
            "modify_default_address",
        ]  # fmt: skip

    def test_reads(self, assistant: Assistant, shopper: Principal) -> None:
        caller = Caller(shopper, "shopper-1")

        def call(name: str, **arguments: str) -> Any:
            return OPERATIONS[name].call(assistant.backend, caller, arguments).data

        assert len(call("list_orders")) == 3
        found = call("get_order", order_id="#A-1002")
        assert [item["line"] for item in found["items"]] == [0, 1, 2]
        assert (found["total"], found["changes"]) == (14700, [])
        assert call("get_user")["payment_methods"][0]["last_four"] == "1234"
        variants = {
            each["variant_id"]: each["availability"] for each in call("get_product", product_id="shoe-1")["variants"]
        }
        assert variants["shoe-1-blue-44"] == "out_of_stock"
        assert call("calculate", expression="0.1 + 0.2 * (3 - 1)") == "0.5"
        assert OPERATIONS["transfer_to_person"].call(assistant.backend, caller, {"summary": "hurt"}).transfer == "hurt"

    @pytest.mark.parametrize(
        ("name", "arguments", "error"),
        [
            ("get_order", {"order_id": "B-2001"}, NotFound),
            ("cancel_order", {"order_id": "B-2001"}, NotFound),
            ("get_product", {"product_id": "nothing"}, NotFound),
            ("find_user", {"email": "other@shop.example"}, NotFound),
            ("get_order", {}, InvalidInput),
            ("get_order", {"order_id": "A-1001", "user_id": "somebody"}, InvalidInput),
            ("return_items", {"order_id": "A-1002", "pieces": []}, InvalidInput),
            ("calculate", {"expression": "__import__('os')"}, InvalidInput),
            ("calculate", {"expression": "9**9**9"}, InvalidInput),
            ("calculate", {"expression": "1/0"}, InvalidInput),
            ("cancel_order", {"order_id": "A-1002"}, Refused),
        ],
    )
    def test_bad_arguments_and_foreign_things_are_refused(
        self, assistant: Assistant, shopper: Principal, name: str, arguments: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            OPERATIONS[name].call(assistant.backend, Caller(shopper, "shopper-1"), arguments)


@pytest.mark.parametrize(
    ("text", "about", "kind"),
    [
        ("cancel my last order", False, "cancel"), ("我要取消订单", False, "cancel"), ("cancel it", True, "cancel"),
        ("I'd like to return the shoes", False, "return"), ("把那个杯子退了", False, "return"),
        ("please exchange my order A-1002", False, "exchange"), ("我收到的鞋想换一双", False, "exchange"),
        ("my delivery address is wrong", True, "address"), ("我想改收货地址", False, "address"),
        ("update my default address", False, "default_address"), ("pay order A-1001 with paypal", False, None),
        # Questions about rules, and other talk, ask for no change.
        ("what is your return policy?", True, None), ("how do I return something?", True, None), ("怎么退货", True, None),
        ("can I return it within 30 days?", False, None), ("cancel", False, None), ("why was my order cancelled?", True, None),
        ("我的订单为什么被取消了", True, None), ("remove the kettle from the cart", False, None),
        ("change it to blue", False, None),
        ("换成蓝色的", False, None), ("do you have a return label printer", False, None),
        ("don't cancel my order", True, None),
        ("I want to exchange ideas", False, None), ("show me something to swap tyres", False, None),
    ],
)  # fmt: skip
def test_words_that_ask_for_a_change(text: str, about: bool, kind: str | None) -> None:
    assert wanted(text, about) == kind


def test_which_lines_and_where_to() -> None:
    titles = ["Red mug", "Blue mug", "Tea pot"]
    assert named_lines("the mugs", titles) == (0, 1)
    assert named_lines("the red mug", titles) == (0,)
    assert named_lines("all but not the tea pot", titles) == (0, 1)
    assert named_lines("everything", titles) == (0, 1, 2)
    assert named_lines("the lamp", titles) == ()
    assert address_in("change the address to 5 Elm Road, Boston", asked_for=False) == "5 Elm Road, Boston"
    assert address_in("5 Elm Road, Boston", asked_for=True) == "5 Elm Road, Boston"
    assert address_in("I want to change it to 5 Elm Road", asked_for=False) == "5 Elm Road"
    for none in ("change the address to something else", "change it to be the same as order #W123", "to item 98448"):
        assert address_in(none, asked_for=False) is None
    swap = "exchange the red mug for a green one and the tea pot in 1 l for 2 l"
    assert wish(swap, titles, 2).strip() == "2 l"
    assert wish(swap, titles, 0).split()[:2] == ["a", "green"]


def test_what_is_stored_says_what_was_agreed_to(talk: Conversation, database: Database) -> None:
    talk.say("order_status", "cancel order A-1001")
    asked = turns_of(database, talk.principal, str(talk.id))[-1]
    talk.say("accept", "yes")
    assert made(database)[0].request_id == asked.message_id
    assert asked.data["effects"]["pending"]["draft"]["order_id"] == "A-1001"


def test_the_embedded_backend_is_a_backend(database: Database) -> None:
    products: dict[str, Product] = {}
    assert isinstance(EmbeddedBackend(database, RULES, products.get), Backend)


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ("where is it?", set()),
        ("what if I returned it?", {"return"}),
        ("please don't cancel it", set()),
        ("call it off, I don't need it", {"cancel"}),
        ("the blue one instead", {"exchange", "items"}),
        ("I have moved, use my new address", {"address", "default_address"}),
        ("charge my PayPal, I pay with that", {"payment"}),
        ("这个退掉，地址也改", {"return", "exchange", "items", "address"}),
        ("不想要了", {"cancel"}),
    ],
)
def test_kinds_of_change_that_a_message_has_a_word_for(message: str, kinds: set[str]) -> None:
    assert kinds_named(message) == kinds


@pytest.mark.parametrize(
    "request_",
    [
        CancelOrder(order_id="1", reason="no longer needed"),
        ReturnItems(order_id="1", pieces=(Piece(line=1), Piece(line=0, quantity=2)), payment_method="gift"),
        ExchangeItems(order_id="1", swaps=(Swap(line=0, variant_id="a"),)),
        ModifyItems(order_id="1", swaps=(Swap(line=2, variant_id="b"),), payment_method="card"),
        ModifyAddress(order_id="1", address=Address(address1="5 Elm Street, Springfield")),
        ModifyPayment(order_id="1", payment_method="gift"),
        ModifyDefaultAddress(address=Address(address1="5 Elm Street")),
    ],
)
def test_a_draft_stands_for_the_request_that_it_was_made_of(request_: ChangeRequest) -> None:
    assert request_of(draft_of(request_)) == request_
