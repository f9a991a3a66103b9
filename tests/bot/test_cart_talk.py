from __future__ import annotations

import pytest

from bot.cards import Reply
from bot.service import Assistant
from index.product import Availability, Money
from storage.database import Database
from storage.errors import Conflict, Forbidden, NotFound
from storage.offers import Offer, Price, put_offers
from storage.principal import Principal, Role
from tests.bot.conftest import Conversation

SHOP = Principal(id="backend", role=Role.SERVICE)


def lines(reply: Reply) -> list[tuple[str, str | None, int]]:
    assert reply.cart is not None
    return [(line.product_id, line.variant_id, line.quantity) for line in reply.cart.lines]


def offer(database: Database, product_id: str, **changes: object) -> None:
    put_offers(database, SHOP, [Offer.model_validate({"product_id": product_id, **changes})])


def test_it_is_the_product_talked_about(talk: Conversation) -> None:
    talk.say("search", "headphones")
    talk.say("ask_product", "what is the weight of the Arbor Studio?")
    assert lines(talk.say("cart_add", "add it")) == [("head-1", None, 1)]


def test_a_variant_is_asked_for_once_and_then_meant(talk: Conversation) -> None:
    talk.say("search", "trail running shoes")
    asked = talk.say("cart_add", "add two of the Falken Drift")
    assert asked.action == "ask"
    assert asked.cart is None or not asked.cart.lines
    assert "41" in asked.text
    assert lines(talk.say("cart_add", "41 please")) == [("shoe-2", "shoe-2-green-41", 2)]
    assert lines(talk.say("cart_add", "one more of it")) == [("shoe-2", "shoe-2-green-41", 3)]


def test_a_size_that_was_said_is_not_asked_again(talk: Conversation) -> None:
    talk.say("search", "Northpeak Ridge trail running shoes")
    talk.say("refine", "in blue, size 42")
    assert lines(talk.say("cart_add", "I'll take the first one")) == [("shoe-1", "shoe-1-blue-42", 1)]


def test_a_sold_out_size_is_not_added_and_not_offered(talk: Conversation) -> None:
    talk.say("search", "Northpeak Ridge trail running shoes")
    reply = talk.say("cart_add", "add the Northpeak Ridge")
    assert reply.action == "ask"
    assert "44" not in reply.text


def test_a_price_from_before_the_catalog_was_read_no_longer_counts(
    talk: Conversation, database: Database, assistant: Assistant
) -> None:
    read_at = assistant.parts.shelf.snapshot.read_at
    offer(database, "head-1", price=Price(amount=100, currency="USD"), updated_at=read_at - 1)
    before = talk.say("search", "headphones").products
    offer(database, "head-1", price=Price(amount=200, currency="USD"), updated_at=read_at)
    after = talk.say("search", "headphones").products
    prices = [next(card.price for card in cards if card.product_id == "head-1") for cards in (before, after)]
    assert prices[0] != Money(amount=100, currency="USD")
    assert prices[1] == Money(amount=200, currency="USD")


@pytest.mark.parametrize("text", ["add the moon rocket", "put the Zorblax 9000 in my cart", "加一个滑雪板"])
def test_what_was_not_named_is_never_added(talk: Conversation, text: str) -> None:
    talk.say("search", "kettles")
    talk.say("ask_product", "how much is the Pip travel kettle?")
    reply = talk.say("cart_add", text)
    assert reply.action == "ask"
    assert talk.assistant.cart(talk.principal).lines == ()


def test_sold_out_and_too_many_are_reported_truly(talk: Conversation, database: Database) -> None:
    talk.say("search", "headphones")
    sold_out = talk.say("cart_add", "add the Northtone Sport neckband")
    assert "Northtone Sport" in sold_out.text
    assert talk.assistant.cart(talk.principal).lines == ()
    few = talk.say("cart_add", "add five of the Arbor Mini")
    assert few.action == "ask"
    assert talk.assistant.cart(talk.principal).lines == ()
    assert lines(talk.say("accept", "ok")) == [("head-2", None, 1)]
    full = talk.say("cart_add", "add one Arbor Mini")
    assert talk.assistant.cart(talk.principal).lines[0].quantity == 1
    assert "Arbor Mini" in full.text


def test_removing_by_name_by_position_and_in_part(talk: Conversation) -> None:
    talk.say("cart_add", "add three Brindle electric kettles")
    talk.say("cart_add", "add the Pip travel kettle")
    assert lines(talk.say("cart_remove", "remove one Brindle"))[0] == ("kettle-3", None, 2)
    talk.say("cart_view", "show my cart")
    assert lines(talk.say("cart_remove", "remove the second one")) == [("kettle-3", None, 2)]
    assert "surfboard" not in talk.say("cart_remove", "remove the Brindle kettle").text
    assert talk.assistant.cart(talk.principal).lines == ()
    assert talk.say("cart_remove", "remove it").cart is not None


def test_emptying_needs_a_yes(talk: Conversation) -> None:
    talk.say("cart_add", "add the Pip travel kettle")
    assert talk.say("cart_remove", "empty my cart").action == "ask"
    talk.say("reject", "no")
    assert len(talk.assistant.cart(talk.principal).lines) == 1
    talk.say("cart_remove", "empty my cart")
    assert lines(talk.say("accept", "yes")) == []


def test_prices_and_stock_of_the_moment_are_shown(talk: Conversation, database: Database) -> None:
    offer(database, "kettle-2", price=Price(amount=1500, currency="USD"), stock=2)
    found = talk.say("search", "Pip travel kettle")
    assert next(card for card in found.products if card.product_id == "kettle-2").price == Money(
        amount=1500, currency="USD"
    )
    assert "$15.00" in talk.say("ask_product", "how much is the Pip travel kettle?").text
    assert "$15.00" in talk.say("cart_add", "add it").text
    offer(database, "kettle-2", availability="out_of_stock", stock=0)
    gone = talk.say("cart_view", "my cart")
    assert gone.cart is not None
    assert gone.cart.lines[0].availability is Availability.OUT_OF_STOCK
    assert gone.cart.subtotal is None
    assert "Pip" in gone.text


def test_checkout_hands_over_a_link_and_an_empty_cart_has_none(talk: Conversation) -> None:
    assert "https" not in talk.say("checkout", "checkout").text
    talk.say("cart_add", "add the Pip travel kettle")
    reply = talk.say("checkout", "I want to pay")
    assert reply.cart is not None
    assert reply.cart.checkout_url == f"https://shop.example/checkout/{reply.cart.cart_id}"
    assert reply.cart.checkout_url in reply.text


def test_the_cart_by_api(assistant: Assistant, shopper: Principal) -> None:
    with pytest.raises(NotFound):
        assistant.add_to_cart(shopper, "nothing-like-it")
    with pytest.raises(NotFound):
        assistant.add_to_cart(shopper, "shoe-2", "shoe-2-purple-99")
    with pytest.raises(Conflict, match="variants"):
        assistant.add_to_cart(shopper, "shoe-2")
    with pytest.raises(Conflict):
        assistant.add_to_cart(shopper, "head-4")
    with pytest.raises(Conflict, match="12"):
        assistant.add_to_cart(shopper, "head-1", quantity=13)
    for _ in range(2):
        cart = assistant.add_to_cart(shopper, "head-1", quantity=10, request_id="r1")
    assert [line.quantity for line in cart.lines] == [10]
    assert cart.subtotal == Money(amount=89_000, currency="USD")
    line = cart.lines[0].line_id
    with pytest.raises(Conflict):
        assistant.change_cart_line(shopper, line, 13)
    assert assistant.change_cart_line(shopper, line, 2).pieces == 2
    with pytest.raises(NotFound):
        assistant.change_cart_line(Principal(id="other", role=Role.CUSTOMER), line, 1)
    assert assistant.remove_cart_line(shopper, line).lines == ()
    with pytest.raises(Forbidden):
        assistant.cart(shopper, "somebody-else")
    assert assistant.cart(SHOP, "shopper-1").lines == ()


def test_a_product_that_left_the_catalog_stays_visible_in_the_cart(
    assistant: Assistant, database: Database, shopper: Principal
) -> None:
    from storage.carts import add_line

    add_line(database, shopper, shopper.id, "long-gone", None, 1)
    cart = assistant.cart(shopper)
    assert cart.lines[0].availability is Availability.DISCONTINUED
    assert cart.lines[0].price is None
    assert cart.subtotal is None
    assert cart.checkout_url == ""


def test_a_doubtful_wish_to_buy_is_offered_and_not_done(talk: Conversation) -> None:
    talk.say("search", "kettles")
    offered = talk.say("cart_add", "second one", confidence=0.65)
    assert offered.action == "ask"
    assert talk.assistant.cart(talk.principal).lines == ()
    assert [line.quantity for line in (talk.say("accept", "yes").cart or pytest.fail("no cart")).lines] == [1]


def filled(talk: Conversation, assistant: Assistant, *products: str) -> None:
    for product in products:
        assistant.add_to_cart(talk.principal, product)


def test_a_position_that_the_cart_lacks_takes_nothing_out(talk: Conversation, assistant: Assistant) -> None:
    filled(talk, assistant, "head-1", "kettle-1", "kettle-2")
    talk.say("search", "kettles")
    talk.say("cart_remove", "remove the ninth one")
    assert len(assistant.cart(talk.principal).lines) == 3


def test_positions_count_in_the_cart_after_something_was_added(talk: Conversation) -> None:
    for name in ("Arbor Studio", "Hearthway gooseneck kettle", "Pip travel kettle"):
        talk.say("cart_add", f"add the {name}")
    assert lines(talk.say("cart_remove", "remove the first one")) == [("kettle-1", None, 1), ("kettle-2", None, 1)]


@pytest.mark.parametrize("text", ["remove the tent", "take out the Zorblax", "把帐篷删掉"])
def test_what_is_not_in_the_cart_is_not_taken_for_what_is(talk: Conversation, assistant: Assistant, text: str) -> None:
    filled(talk, assistant, "kettle-1")
    talk.say("cart_remove", text)
    assert len(assistant.cart(talk.principal).lines) == 1


@pytest.mark.parametrize("text", ["remove it", "take that out please", "delete the item", "删掉它", "把这个商品删了"])
def test_the_only_line_is_what_is_meant(talk: Conversation, assistant: Assistant, text: str) -> None:
    filled(talk, assistant, "kettle-1")
    assert lines(talk.say("cart_remove", text)) == []


def test_a_doubtful_removal_is_asked_about(talk: Conversation, assistant: Assistant) -> None:
    filled(talk, assistant, "kettle-1")
    assert talk.say("cart_remove", "remove it", confidence=0.5).action == "ask"
    assert len(assistant.cart(talk.principal).lines) == 1
    assert lines(talk.say("accept", "yes")) == []


def test_a_doubtful_yes_empties_no_cart(talk: Conversation, assistant: Assistant) -> None:
    filled(talk, assistant, "kettle-1", "head-1")
    assert talk.say("cart_remove", "empty my cart").action == "ask"
    talk.say("accept", "what about the weather tomorrow", confidence=0.3)
    assert len(assistant.cart(talk.principal).lines) == 2


@pytest.mark.parametrize(
    ("label", "text"),
    [("reject", "not 41"), ("ask_product", "is 41 a wide fit?"), ("refine", "I don't want 41"), ("refine", "不要41")],
)
def test_an_option_that_is_turned_down_or_asked_about_is_not_bought(talk: Conversation, label: str, text: str) -> None:
    talk.say("search", "trail running shoes")
    assert talk.say("cart_add", "add the Falken Drift").action == "ask"
    reply = talk.say(label, text)
    assert reply.cart is None or not reply.cart.lines


def test_the_stock_holds_whatever_the_request_id(assistant: Assistant, talk: Conversation) -> None:
    assistant.add_to_cart(talk.principal, "head-1", quantity=1, request_id="a")
    with pytest.raises(Conflict, match="12"):
        assistant.add_to_cart(talk.principal, "head-1", quantity=50, request_id="b")
    assert assistant.add_to_cart(talk.principal, "head-1", quantity=11, request_id="c").lines[0].quantity == 12
    assert assistant.add_to_cart(talk.principal, "head-1", quantity=11, request_id="c").lines[0].quantity == 12
