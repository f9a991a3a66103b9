"""What a turn means of all that was shown, in both languages: by place, by an earlier list, by a trait, by price."""

from __future__ import annotations

import pytest

from bot.cards import Reply
from tests.bot.conftest import Conversation


def ids(reply: Reply) -> list[str]:
    return [card.product_id for card in reply.products]


def in_cart(reply: Reply) -> list[str]:
    return [] if reply.cart is None else [line.product_id for line in reply.cart.lines]


@pytest.fixture
def shown(talk: Conversation) -> tuple[list[str], list[str], list[str]]:
    """Headphones, then kettles, then phones."""
    return tuple(ids(talk.say("search", words)) for words in ("headphones", "kettles", "cordless phones"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "words", ["how much is the one you showed first?", "the price of the first one you showed me?", "最开始那款多少钱"]
)
def test_the_very_first_is_remembered(talk: Conversation, shown: tuple[list[str], ...], words: str) -> None:
    assert ids(talk.say("ask_product", words)) == shown[0][:1]


@pytest.mark.parametrize("words", ["add the one you showed first", "最开始那款加入购物车"])
def test_what_may_be_either_is_asked_about_once_and_never_guessed(
    talk: Conversation, shown: tuple[list[str], ...], words: str
) -> None:
    asked = talk.say("cart_add", words)
    assert asked.action == "ask"
    assert not in_cart(asked)
    added = talk.say("cart_add", "the first one" if words.isascii() else "第一个")
    assert in_cart(added) == shown[0][:1]


def test_the_first_of_a_talk_about_one_thing_is_added_at_once(talk: Conversation) -> None:
    first = ids(talk.say("search", "kettles"))
    talk.say("refine", "cheaper")
    assert in_cart(talk.say("cart_add", "add the one you showed first")) == first[:1]


@pytest.mark.parametrize("words", ["the first one from before", "上一批的第一个", "之前的第一个"])
def test_a_position_in_an_earlier_list(talk: Conversation, shown: tuple[list[str], ...], words: str) -> None:
    assert ids(talk.say("refine", words)) == shown[1][:1]
    assert talk.say("cart_add", f"add {words}" if words.isascii() else f"{words}加购物车").action == "ask"


@pytest.mark.parametrize("words", ["how much is the second kettle?", "the second kettle", "第二个kettle多少钱"])
def test_a_position_among_goods_that_were_shown_before(
    talk: Conversation, shown: tuple[list[str], ...], words: str
) -> None:
    assert ids(talk.say("ask_product", words)) == [shown[1][1]]


def test_chinese_goods_shown_before(talk: Conversation) -> None:
    talk.say("search", "蓝牙耳机")
    talk.say("search", "保温杯")
    assert ids(talk.say("ask_product", "第二个蓝牙耳机多少钱")) in (["zh-1"], ["zh-2"])


@pytest.mark.parametrize("words", ["how much is that blue one?", "刚才那个蓝色的多少钱"])
def test_a_trait_is_looked_for_in_earlier_lists_too(
    talk: Conversation, shown: tuple[list[str], ...], words: str
) -> None:
    # None of the phones is blue; of the kettles one is.
    assert ids(talk.say("ask_product", words)) == ["kettle-4"]


def test_a_trait_that_nothing_shown_has_buys_nothing(talk: Conversation, shown: tuple[list[str], ...]) -> None:
    talk.say("ask_product", "tell me about the first one")
    reply = talk.say("cart_add", "add the green one")
    assert not in_cart(reply)
    assert reply.action == "ask"


@pytest.mark.parametrize("words", ["the cheaper of the two", "which is cheaper?", "两个里便宜的那个", "哪个便宜"])
@pytest.mark.parametrize("label", ["search", "refine", "compare"])
def test_the_cheaper_of_those_compared(talk: Conversation, words: str, label: str) -> None:
    talk.say("search", "kettles")
    compared = talk.say("compare", "compare the second and the third")
    cheaper = min(compared.products, key=lambda card: card.price.amount if card.price else 0).product_id
    assert ids(talk.say(label, words)) == [cheaper]


@pytest.mark.parametrize("words", ["add the cheaper one", "便宜的那个加购物车"])
def test_the_cheaper_one_is_added_where_two_were_compared_and_asked_about_else(talk: Conversation, words: str) -> None:
    talk.say("search", "kettles")
    assert talk.say("cart_add", words).action == "ask", "of four that is no one product"
    compared = talk.say("compare", "compare the first two")
    cheaper = min(compared.products, key=lambda card: card.price.amount if card.price else 0).product_id
    assert in_cart(talk.say("cart_add", words)) == [cheaper]


def test_it_is_what_was_talked_about_many_turns_ago(talk: Conversation) -> None:
    talk.say("search", "kettles")
    talk.say("ask_product", "tell me about the third one")
    meant = talk.say("ask_product", "what is it made of?").products[0].product_id
    for number in range(9):
        talk.say(*(("thank", "thanks"), ("ask_policy", "what is your return policy?"))[number % 2])
    assert ids(talk.say("ask_product", "and how much is it?")) == [meant]
    assert in_cart(talk.say("cart_add", "add it to my cart")) == [meant]


def test_a_wish_that_buys_nothing_is_not_bought(talk: Conversation) -> None:
    talk.say("search", "kettles")
    reply = talk.say("cart_add", "1.7 L glass", confidence=0.82)
    assert not in_cart(reply)
    assert ids(reply), "it is a refinement"


def test_the_second_of_several_is_not_lost_where_the_first_needs_a_size(talk: Conversation) -> None:
    first, second = ids(talk.say("search", "trail running shoes"))[:2]
    asked = talk.say("cart_add", "add the first two")
    assert asked.action == "ask"
    options = {"shoe-1": "blue 42", "shoe-2": "41", "shoe-3": "42"}
    one = talk.say("refine", options[first])
    assert in_cart(one) == [first]
    assert one.action == "ask", "what was said answered the first question alone"
    assert sorted(in_cart(talk.say("refine", options[second]))) == sorted([first, second])


def test_what_needs_no_choice_is_added_before_the_question(talk: Conversation) -> None:
    talk.say("search", "Falken Drift trail running shoes")
    talk.say("search", "kettles")
    talk.say("compare", "compare the Falken Drift and the Pip travel kettle")
    reply = talk.say("cart_add", "add both of them")
    assert reply.action == "ask"
    assert in_cart(reply) == ["kettle-2"]
    assert sorted(in_cart(talk.say("refine", "41"))) == ["kettle-2", "shoe-2"]


@pytest.mark.parametrize("words", ["add the better rated one", "评分高的那个加购物车"])
def test_the_better_rated_of_those_compared_is_one_product(talk: Conversation, words: str) -> None:
    talk.say("search", "kettles")
    compared = talk.say("compare", "compare the Hearthway gooseneck kettle and the Brindle electric kettle")
    assert sorted(ids(compared)) == ["kettle-1", "kettle-3"]
    assert in_cart(talk.say("cart_add", words)) == ["kettle-1"]
    corrected = talk.say("cart_add", "I meant the cheaper one" if words.isascii() else "不是，我要便宜的那个")
    assert corrected.action == "ask"
    assert "Brindle" in corrected.text


def test_one_that_is_pointed_at_is_never_two(talk: Conversation) -> None:
    talk.say("search", "kettles")
    talk.say("compare", "compare the first two")
    assert not in_cart(talk.say("cart_add", "add it to my cart"))
    assert len(in_cart(talk.say("cart_add", "add both of them to my cart"))) == 2


@pytest.mark.parametrize("label", ["complaint", "chitchat", "search", "out_of_scope"])
def test_what_was_shown_is_no_complaint(talk: Conversation, shown: tuple[list[str], ...], label: str) -> None:
    assert ids(talk.say(label, "the first kettle you showed me")) == shown[1][:1]
