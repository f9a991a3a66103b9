"""What was meant takes the place of what was understood; what was not wrong stays. And swearing is passed over."""

from __future__ import annotations

import pytest

from bot.cards import Reply
from bot.corrections import corrects, meant, plain_audience
from bot.manners import decent, only_swears
from tests.bot.conftest import Conversation


def ids(reply: Reply) -> list[str]:
    return [card.product_id for card in reply.products]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("no, I meant for kids", "for kids"),
        ("sorry, I meant under $80", "under $80"),
        ("wait, I said hoodies", "hoodies"),
        ("I meant the blue one", "the blue one"),
        ("不是，我是说男款", "男款"),
        ("错了，是帐篷", "帐篷"),
        ("哦不对，是给小孩穿的", "给小孩穿的"),
        ("不对，要女款的", "女款的"),
    ],
)
def test_a_correction_is_read_without_the_words_that_make_it_one(message: str, what: str) -> None:
    assert corrects(message)
    assert meant(message) == what


def test_whom_it_is_for_in_the_words_of_pages() -> None:
    assert plain_audience("给小孩穿的") == "小孩"
    assert plain_audience("给小孩") == "小孩"
    assert plain_audience("女士用") == "女士"
    assert plain_audience("for kids") == "for kids"


@pytest.mark.parametrize("message", ["no", "no thanks", "不是", "不用了", "something for kids", "no sugar added tea"])
def test_a_plain_no_is_none(message: str) -> None:
    assert not corrects(message)
    assert meant(message) == message


@pytest.mark.parametrize("label", ["refine", "search", "reject"])
@pytest.mark.parametrize("words", ["no, I meant kettles", "不是，我要烧水壶"])
def test_other_goods_keep_the_budget(talk: Conversation, label: str, words: str) -> None:
    talk.say("search", "black headphones under $50")
    reply = talk.say(label, words)
    assert ids(reply)
    assert ids(reply)[0].startswith("kettle")
    assert not any(each.startswith("head") for each in ids(reply))
    assert all(card.price is not None and card.price.amount <= 5000 for card in reply.products)
    assert "kettle-2" in ids(reply), "that it should be black was said of headphones"


@pytest.mark.parametrize("label", ["refine", "reject"])
def test_a_condition_is_put_right(talk: Conversation, label: str) -> None:
    talk.say("search", "headphones under $100")
    assert ids(talk.say("refine", "in black")) == ["head-1"]
    assert ids(talk.say(label, "no, I meant blue")) == ["head-2"]


def test_whom_it_is_for_is_put_right(talk: Conversation) -> None:
    talk.say("search", "headphones for women")
    reply = talk.say("reject", "no, I meant for kids")
    assert ids(reply)
    assert "women" not in reply.text
    assert "kids" in reply.text, "no page says it, and that is told"


@pytest.mark.parametrize("words", ["no, I meant the second one", "不是，我是说第二个"])
def test_another_product_than_was_offered_is_offered_and_not_added(talk: Conversation, words: str) -> None:
    slate = ids(talk.say("search", "kettles"))
    talk.say("ask_product", "tell me about the first one")
    talk.say("cart_add", "I like the first one", confidence=0.5)
    reply = talk.say("reject", words)
    assert reply.action == "ask"
    assert reply.cart is None or not reply.cart.lines
    added = talk.say("accept", "yes" if words.isascii() else "好的")
    assert added.cart is not None
    assert [line.product_id for line in added.cart.lines] == [slate[1]]


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("show me some fucking kettles", "show me some kettles"),
        ("他妈的，有没有耳机", "，有没有耳机"),
        ("滚筒洗衣机", "滚筒洗衣机"),
        ("assassin's creed mug", "assassin's creed mug"),
    ],
)
def test_what_is_asked_is_read_without_the_swearing(message: str, left: str) -> None:
    assert decent(message) == left
    assert not only_swears(message)


def test_a_swearing_shopper_is_served(talk: Conversation) -> None:
    reply = talk.say("search", "show me some fucking kettles")
    assert len(reply.products) == 4
    assert "fuck" not in reply.text


@pytest.mark.parametrize("words", ["fuck you", "what the fuck", "傻逼"])
@pytest.mark.parametrize("label", ["accept", "reject", "chitchat", "cart_add"])
def test_who_only_swears_gets_a_calm_word_and_a_person_is_offered(talk: Conversation, words: str, label: str) -> None:
    reply = talk.say(label, words)
    assert reply.action == "ask"
    assert not reply.products
    assert reply.cart is None
    assert talk.say("accept", "yes" if words.isascii() else "好的").action == "handoff"


def test_swearing_keeps_what_was_offered_and_accepts_nothing(talk: Conversation) -> None:
    talk.say("search", "kettles")
    talk.say("cart_add", "the second one", confidence=0.4)
    swore = talk.say("accept", "wtf")
    assert swore.cart is None
    assert talk.say("accept", "yes").cart is not None
