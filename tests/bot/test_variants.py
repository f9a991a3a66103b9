"""Variants in conversation, window and API: the one that is meant, with its own price and stock, and what else there is."""

from __future__ import annotations

from bot.cards import Reply
from bot.present import card_of
from bot.shelf import price_of, telling_options, title_of
from bot.variants import open_choices
from bot.windows import render
from index.product import Availability, Money, Product
from storage.offers import Offer, put_offers
from storage.principal import Principal, Role
from tests.bot.conftest import Conversation
from tests.index.catalogs import products_of

SHOP = Principal(id="backend", role=Role.SERVICE)
RIDGE = "show me the Northpeak Ridge trail running shoes"


def offer(talk: Conversation, **fields: object) -> None:
    """What the shop's backend posts to `/api/products`."""
    news = talk.assistant.parts.shelf.spelled([Offer.model_validate(fields)])
    put_offers(talk.assistant.database, SHOP, news)


def cards(reply: Reply) -> list[tuple[str, str | None, str]]:
    return [(card.product_id, card.variant_id, card.title) for card in reply.products]


def lines(reply: Reply) -> list[str | None]:
    assert reply.cart is not None
    return [line.variant_id for line in reply.cart.lines]


def tee(**more: object) -> Product:
    variants = [
        {"id": f"{color}-{size}", "options": {"color": color, "size": size, "weight": f"{n} g"}, "price": f"${20 + n}"}
        for n, (color, size) in enumerate([("black", "L"), ("black", "M"), ("navy blue", "L")])
    ]
    return products_of({"title": "Holt slim tee", "variants": variants} | more)[0]


def test_a_card_names_the_options_and_costs_what_the_variant_costs() -> None:
    product = tee()
    card = card_of(product, "black-M")
    assert (card.title, card.price) == ("Holt slim tee (black, M)", Money(amount=2100, currency="USD"))
    assert card.attributes == {"color": ("black",), "size": ("M",)}  # nobody chooses by weight
    assert telling_options(product) == ["color", "size"]
    plain = card_of(product)
    assert (plain.title, plain.variant_id) == ("Holt slim tee", None)
    assert plain.attributes == {"color": ("black", "navy blue"), "size": ("L", "M")}


def test_an_option_that_stands_inside_a_word_is_named_all_the_same() -> None:
    product = products_of({"title": "Slim tee", "variants": [{"id": s, "options": {"size": s}} for s in "SL"]})[0]
    assert title_of(product, product.variant("L")) == "Slim tee (L)"


def test_without_a_variant_the_price_is_where_it_starts() -> None:
    product = tee(price="$99")
    assert price_of(product) == Money(amount=2000, currency="USD")
    sold = product.variants[0].model_copy(update={"stock": 0})
    assert price_of(product.model_copy(update={"variants": (sold, *product.variants[1:])})) == Money(
        amount=2100, currency="USD"
    )


def test_the_window_says_that_there_are_others_and_where_the_price_starts() -> None:
    product = tee()
    shown = render.card(card_of(product), "en", "m", record=product)
    assert "To choose from: 2 × color, 2 × size" in shown
    assert "from <strong>$20.00</strong>" in shown
    exact = render.card(card_of(product, "black-M"), "zh", "m", record=product)
    assert "可选：2 × 颜色, 2 × 尺码" in exact
    assert "<dt>颜色</dt><dd>黑色</dd>" in exact, "as the answer beside the card has it"
    assert "起" not in exact
    assert "To choose" not in render.card(card_of(product), "en", "m", record=tee(variants=[]))


def test_the_window_asks_for_what_was_not_said(talk: Conversation) -> None:
    shelf, understander = talk.assistant.parts.shelf, talk.assistant.parts.understander
    product = shelf.product("shoe-1")
    assert product is not None

    def left(*messages: str) -> list[str]:
        return [each.id for each in open_choices(understander, product, "shoe-1-blue-41", messages)]

    assert left("blue trail shoes") == ["shoe-1-blue-40", "shoe-1-blue-41", "shoe-1-blue-42"]
    assert left("trail shoes", "in blue", "size 41") == ["shoe-1-blue-41"]
    assert left("蓝色的跑鞋") == left("blue trail shoes")
    assert len(left("trail shoes")) == 6  # 44 is sold out in both colors
    html = render.choices(product, product.variants[:2], "en")
    assert 'data-variant="shoe-1-blue-40"' in html
    assert "blue, 40 · $119.00" in html


def test_a_question_is_answered_for_the_variant_it_names(talk: Conversation) -> None:
    talk.say("search", RIDGE)
    offer(talk, product_id="shoe-1", variant_id="shoe-1-black-42", price={"amount": 9900, "currency": "USD"})
    priced = talk.say("ask_product", "how much is it in black, size 42?")
    assert "$99.00" in priced.text
    assert cards(priced) == [("shoe-1", "shoe-1-black-42", "Northpeak Ridge trail running shoes (black, 42)")]
    assert priced.products[0].price == Money(amount=9900, currency="USD")
    sold = talk.say("ask_product", "is the black one in stock in 44?")
    assert "sold out" in sold.text
    assert sold.products[0].availability is Availability.OUT_OF_STOCK


def test_do_you_have_it_in_another_color(talk: Conversation) -> None:
    talk.say("search", RIDGE)
    talk.say("ask_product", "how much is the Northpeak Ridge?")
    found = talk.say("refine", "do you have it in black?")
    assert "(black)" in found.text
    assert "$119.00" in found.text
    assert [card.attributes["color"] for card in found.products] == [("black",)]
    none = talk.say("ask_product", "does it come in green?")
    assert "green" in none.text
    assert "blue" in none.text  # what there is
    assert "$" not in none.text


def test_a_question_about_a_list_is_a_condition(talk: Conversation) -> None:
    shown = talk.say("search", "trail running shoes")
    assert len(shown.products) > 1
    blue = talk.say("refine", "do you have them in blue?")
    assert blue.products
    assert all(card.attributes["color"] == ("blue",) for card in blue.products)


def test_the_one_that_is_named_goes_into_the_cart(talk: Conversation) -> None:
    talk.say("search", RIDGE)
    assert lines(talk.say("cart_add", "add the black one in 41")) == ["shoe-1-black-41"]
    assert lines(talk.say("cart_add", "also add it in blue"))[-1] == "shoe-1-blue-41"
    refused = talk.say("cart_add", "add the blue one in 44")
    assert refused.action == "ask"
    assert lines(talk.say("cart_view", "show my cart")) == ["shoe-1-black-41", "shoe-1-blue-41"]


def test_one_is_asked_for_where_several_products_have_it(talk: Conversation) -> None:
    talk.say("search", "trail running shoes")
    asked = talk.say("cart_add", "add the blue one in 42")
    assert asked.action == "ask"
    assert asked.cart is None or not asked.cart.lines
    assert "Ridge" in asked.text
    assert "Scree" in asked.text


def test_what_goes_with_the_first_one_of_nothing_is_asked_back(talk: Conversation) -> None:
    for message in ("what goes with the first one?", "what goes with this?", "这个配什么好"):
        reply = talk.say("recommend", message)
        assert reply.action == "ask"
        assert not reply.products
        assert "“" not in reply.text


def test_the_id_of_a_variant_stands_for_it_everywhere(talk: Conversation) -> None:
    assistant, shopper = talk.assistant, talk.principal
    card = assistant.product("shoe-3-blue-43")
    assert (card.product_id, card.variant_id) == ("shoe-3", "shoe-3-blue-43")
    assert card.attributes["size"] == ("43",)
    cart = assistant.add_to_cart(shopper, "shoe-3-blue-43")
    assert [(line.product_id, line.variant_id) for line in cart.lines] == [("shoe-3", "shoe-3-blue-43")]
    offer(talk, product_id="shoe-3-blue-43", price={"amount": 5000, "currency": "USD"})
    assert assistant.product("shoe-3-blue-43").price == Money(amount=5000, currency="USD")
    assert assistant.product("shoe-3").price == Money(amount=5000, currency="USD")  # where it starts now
    assert assistant.cart(shopper).subtotal == Money(amount=5000, currency="USD")
    found = assistant.search("trail running shoes", sort="price_asc")["products"][0]
    assert (found["product_id"], found["price"]["amount"]) == ("shoe-3", 5000)
