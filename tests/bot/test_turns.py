"""A talk of many turns: topics to return to, other picks, sets, the same again, and what changed meanwhile."""

from __future__ import annotations

import pytest

from bot.service import Assistant
from storage.database import Database
from storage.offers import Offer, put_offers
from storage.orders import put_orders, read_order
from storage.principal import Principal, Role
from storage.record import now_ms
from tests.bot.conftest import Conversation, ToldIntents

SHOP = Principal("shop", Role.SERVICE)


def offer(database: Database, product_id: str, **changes: object) -> None:
    put_offers(database, SHOP, [Offer.model_validate({"product_id": product_id, **changes})])


def order(database: Database, user: str, order_id: str, days_ago: int, *items: tuple[str, int], **more: object) -> None:
    row = {
        "order_id": order_id,
        "user_id": user,
        "status": "delivered",
        "placed_at": now_ms() - days_ago * 86_400_000,
        "currency": "USD",
        "items": [{"product_id": product, "quantity": 1, "price": price} for product, price in items],
    }
    assert put_orders(database, SHOP, [read_order(row | more)[0]]) == 1


class TestReturning:
    def test_an_earlier_topic_comes_back_with_its_conditions(self, talk: Conversation) -> None:
        talk.say("search", "headphones under $100")
        talk.say("search", "kettles")
        reply = talk.say("out_of_scope", "back to the headphones")
        assert reply.products
        assert all(card.price and card.price.amount <= 10_000 for card in reply.products)
        assert {card.product_id.split("-")[0] for card in reply.products} == {"head"}
        blue = talk.say("refine", "in blue")
        assert [card.product_id for card in blue.products] == ["head-2"], "and is the running one again"

    def test_a_condition_may_come_with_it(self, talk: Conversation) -> None:
        talk.say("search", "headphones")
        talk.say("search", "kettles")
        reply = talk.say("search", "back to the headphones, under $50")
        assert {card.product_id for card in reply.products} <= {"head-2", "head-4"}

    def test_chinese(self, talk: Conversation) -> None:
        talk.say("search", "蓝牙耳机")
        talk.say("search", "保温杯")
        reply = talk.say("out_of_scope", "还是看刚才的蓝牙耳机吧")
        assert {card.product_id for card in reply.products[:2]} == {"zh-1", "zh-2"}, (
            "those in the language of the talk first"
        )
        assert reply.language == "zh"

    def test_it_survives_a_restart(self, talk: Conversation, assistant: Assistant, database: Database) -> None:
        talk.say("search", "headphones under $100")
        talk.say("search", "kettles")
        talk.assistant = Assistant(assistant.parts, assistant.settings, database)
        assert talk.say("chitchat", "back to the headphones").products

    def test_what_was_never_looked_for_is_a_search(self, talk: Conversation) -> None:
        talk.say("search", "kettles")
        assert "head-1" in {card.product_id for card in talk.say("search", "back to the headphones").products}


class TestOthers:
    def test_what_was_shown_is_not_shown_again(self, talk: Conversation) -> None:
        first = talk.say("recommend", "what do you recommend?")
        second = talk.say("recommend", "any other ideas?")
        assert second.products
        assert not {card.product_id for card in first.products} & {card.product_id for card in second.products}

    def test_of_a_topic_the_next_ones_come(self, talk: Conversation) -> None:
        first = talk.say("search", "headphones")
        second = talk.say("reject", "something else, he already has that")
        assert not {card.product_id for card in first.products} & {card.product_id for card in second.products}

    def test_what_is_new_is_no_product_called_new(self, talk: Conversation) -> None:
        reply = talk.say("refine", "show me something new")
        assert len(reply.products) == 6
        assert "new" not in reply.text.casefold().replace("newest", "").replace("newly", ""), (
            "not a search for the word"
        )


class TestBudgets:
    def test_limits_that_exclude_each_other_are_asked_about(self, talk: Conversation) -> None:
        reply = talk.say("search", "headphones under $50 but over $100")
        assert (reply.action, reply.products) == ("ask", ())
        assert "$50.00" in reply.text
        assert "$100.00" in reply.text
        answered = talk.say("refine", "under $50")
        assert {card.product_id for card in answered.products} <= {"head-2", "head-4"}
        assert answered.products

    def test_a_correction_is_no_contradiction(self, talk: Conversation) -> None:
        reply = talk.say("search", "headphones over $100, no, under $50")
        assert reply.action == "answer"
        assert all(card.price and card.price.amount < 5_000 for card in reply.products)

    def test_a_range_said_backwards_is_a_range(self, talk: Conversation) -> None:
        reply = talk.say("search", "headphones between 100 and 40")
        assert {card.product_id for card in reply.products} == {"head-1", "head-2"}


class TestChanges:
    def test_another_price_is_told(self, talk: Conversation, database: Database) -> None:
        talk.say("search", "headphones")
        offer(database, "head-1", price={"amount": 9900, "currency": "USD"})
        reply = talk.say("cart_add", "add the Arbor Studio")
        assert "$89.00" in reply.text
        assert "$99.00" in reply.text
        assert reply.cart is not None
        assert reply.cart.lines[0].price is not None
        assert reply.cart.lines[0].price.amount == 9900

    def test_it_is_told_once(self, talk: Conversation, database: Database) -> None:
        talk.say("search", "headphones")
        offer(database, "head-1", price={"amount": 9900, "currency": "USD"})
        assert "$89.00" in talk.say("search", "Arbor Studio headphones").text
        assert "$89.00" not in talk.say("search", "Arbor Studio over-ear headphones").text

    @pytest.mark.parametrize(
        ("ask", "add", "sold_out"),
        [("headphones", "add the Arbor Studio", "sold out"), ("蓝牙耳机", "第一个加入购物车", "售罄|卖完")],
    )
    def test_what_sold_out_meanwhile_is_told_and_not_added(
        self, talk: Conversation, database: Database, ask: str, add: str, sold_out: str
    ) -> None:
        first = talk.say("search", ask).products[0].product_id
        offer(database, "head-1" if ask == "headphones" else first, stock=0)
        reply = talk.say("cart_add", add)
        assert any(word in reply.text for word in sold_out.split("|"))
        assert talk.assistant.cart(talk.principal).lines == ()

    def test_what_did_not_change_is_not_mentioned(self, talk: Conversation, database: Database) -> None:
        talk.say("search", "headphones")
        offer(database, "head-1", price={"amount": 8900, "currency": "USD"})
        assert talk.say("cart_add", "add the Arbor Studio").text.count("$89.00") == 1, "the subtotal"


class TestAgain:
    def test_the_last_order_is_offered_at_todays_price(self, talk: Conversation, database: Database) -> None:
        order(database, "shopper-1", "o1", 40, ("kettle-1", 5200))
        order(database, "shopper-1", "o2", 9, ("tea-1", 1000), ("head-1", 8900))
        reply = talk.say("order_status", "reorder my last order")
        assert [card.product_id for card in reply.products] == ["tea-1", "head-1"]
        assert "$10.00" in reply.text
        assert "$12.00" in reply.text
        assert talk.assistant.cart(talk.principal).lines == (), "nothing is added without a yes"
        talk.say("accept", "yes")
        assert [line.product_id for line in talk.assistant.cart(talk.principal).lines] == ["tea-1", "head-1"]

    @pytest.mark.parametrize("text", ["same tea as last time", "再来一份上次买的 Assam tea"])
    def test_by_name(self, talk: Conversation, database: Database, text: str) -> None:
        order(database, "shopper-1", "o1", 40, ("tea-1", 1200))
        order(database, "shopper-1", "o2", 9, ("head-1", 8900))
        assert [card.product_id for card in talk.say("cart_add", text).products] == ["tea-1"]

    def test_what_was_never_bought_is_said(self, talk: Conversation, database: Database) -> None:
        order(database, "shopper-1", "o1", 40, ("tea-1", 1200))
        reply = talk.say("cart_add", "same accordion as last time")
        assert (reply.products, reply.action) == ((), "answer")

    def test_cancelled_and_gone(self, talk: Conversation, database: Database) -> None:
        order(database, "shopper-1", "o1", 40, ("gone-1", 1200))
        order(database, "shopper-1", "o2", 9, ("tea-1", 1200), status="cancelled")
        assert talk.say("order_status", "reorder my last order").products == ()

    def test_a_stranger_signs_in_first(self, assistant: Assistant, intents: ToldIntents, database: Database) -> None:
        order(database, "anon-1", "o1", 4, ("tea-1", 1200))
        stranger = Conversation(assistant, intents, Principal("anon-1", Role.CUSTOMER, anonymous=True))
        assert stranger.say("order_status", "reorder my last order").products == ()

    def test_another_shoppers_order_is_not_found(self, talk: Conversation, database: Database) -> None:
        order(database, "somebody-else", "o1", 4, ("tea-1", 1200))
        assert talk.say("order_status", "same tea as last time").products == ()


class TestSets:
    def test_one_of_each_within_the_budget_and_the_total_is_the_sum(self, talk: Conversation) -> None:
        reply = talk.say("search", "everything for running under $100")
        assert [card.product_id for card in reply.products] == ["shoe-2"], (
            "the one kind that is sold here, and what fits"
        )
        total = sum(card.price.amount for card in reply.products if card.price)
        assert total <= 10_000
        assert f"${total / 100:,.2f}" in reply.text

    def test_running_in_both_languages(self, talk: Conversation) -> None:
        for text in ("everything for running under $100", "全套跑步装备"):
            reply = talk.say("search", text)
            assert [card.product_id for card in reply.products][:1], text
            assert reply.products[0].product_id.startswith("shoe-")

    def test_an_amount_for_all_together_is_the_limit(self, talk: Conversation) -> None:
        reply = talk.say("search", "complete running kit, 100 dollars all together")
        assert reply.products
        assert sum(card.price.amount for card in reply.products if card.price) <= 10_000

    def test_too_small_a_budget_shows_nothing_and_asks(self, talk: Conversation) -> None:
        reply = talk.say("search", "everything for running under $5")
        assert (reply.products, reply.action) == ((), "ask")

    def test_after_nothing_fitted_another_sum_is_enough(self, talk: Conversation) -> None:
        talk.say("search", "everything for running under $5")
        assert [card.product_id for card in talk.say("cart_view", "make it 100 in total").products] == ["shoe-2"]
        dearer = talk.say("cart_view", "总共200块以内")
        assert [card.product_id for card in dearer.products] == ["shoe-3", "zh-3"]
        assert "US$164.90" in dearer.text
        assert talk.say("search", "控制在100欧元以内").action != "handoff", "euros are not the shop's money"

    @pytest.mark.parametrize(
        ("asked", "cheaper", "other", "without"),
        [
            (
                "everything for running",
                "swap the shoes for cheaper ones",
                "another pair of shoes",
                "leave out the shoes",
            ),
            ("全套跑步装备", "跑鞋换个便宜点的", "第一个换一款", "跑鞋不要了，我有"),
        ],
    )
    def test_one_thing_of_it_is_exchanged_or_struck(
        self, talk: Conversation, asked: str, cheaper: str, other: str, without: str
    ) -> None:
        def set_of(text: str, label: str = "refine") -> tuple[list[str], str]:
            reply = talk.say(label, text)
            total = sum(card.price.amount for card in reply.products if card.price)
            assert not reply.products or f"{total / 100:,.2f}" in reply.text, "the sum is that of the cards"
            return [card.product_id for card in reply.products], reply.text

        assert set_of(asked)[0] == ["shoe-3", "zh-3"]
        assert set_of(cheaper)[0] == ["shoe-1", "zh-3"], "the better of the two that cost less"
        assert set_of(other)[0] == ["shoe-2", "zh-3"], "neither of those that were there"
        cards, said = set_of(other)
        assert not cards
        assert "Falken Drift" in said
        assert set_of(without, "cart_remove")[0] == ["zh-3"]
        assert talk.assistant.cart(talk.principal).lines == ()

    def test_a_condition_on_what_comes_in_its_place_is_kept(self, talk: Conversation) -> None:
        assert [card.product_id for card in talk.say("search", "everything for running").products] == ["shoe-3", "zh-3"]
        green = talk.say("refine", "swap the shoes for green ones")
        assert [card.product_id for card in green.products] == ["shoe-2", "zh-3"]
        assert "Falken Drift" in green.text
        none = talk.say("refine", "swap the shoes for some under $20")
        assert (none.products, none.action) == ((), "answer")
        assert "Falken Drift" in none.text

    def test_who_asks_about_it_or_has_it_in_the_cart_changes_nothing(self, talk: Conversation) -> None:
        talk.say("search", "everything for running")
        asked = talk.say("ask_product", "the shoes in another color, have you got them?")
        assert [card.product_id for card in asked.products] != ["shoe-1", "zh-3"], "they are not exchanged"
        assert "Ridge" not in asked.text
        talk.say("search", "everything for running")
        talk.say("cart_add", "add the second one to my cart")
        removed = talk.say("cart_remove", "leave out the bottle")
        assert "shoe-3" not in [card.product_id for card in removed.products], "the set is not told anew"
        assert removed.cart is not None
        assert removed.cart.lines == ()

    def test_what_is_no_change_of_it_is_none(self, talk: Conversation) -> None:
        talk.say("search", "everything for running")
        assert talk.say("ask_product", "which is better for mud?").text
        assert talk.say("cart_remove", "remove the shoes from my cart").action != "handoff"
        talk.say("search", "kettles")
        kettles = talk.say("refine", "cheaper")
        assert all(card.product_id.startswith("kettle") for card in kettles.products), "the set is over"

    def test_all_of_it_goes_into_the_cart(self, talk: Conversation) -> None:
        talk.say("search", "headphones under $100")
        talk.say("refine", "only Arbor")
        reply = talk.say("cart_add", "add all of them")
        assert reply.cart is not None
        assert {line.product_id for line in reply.cart.lines} == {"head-1", "head-2"}

    def test_with_nothing_shown_everything_is_nothing(self, talk: Conversation) -> None:
        assert talk.say("cart_add", "add everything to my cart").action == "ask"
        assert talk.assistant.cart(talk.principal).lines == ()
