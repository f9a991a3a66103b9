"""Gifts by what somebody likes: for the person, within the budget, one question where nothing is known."""

from __future__ import annotations

import pytest

from bot.cards import Reply
from bot.tasks.gifts import asks_gift, suits, taste_in
from index.product import Product
from tests.bot.conftest import Conversation


def ids(reply: Reply) -> list[str]:
    return [card.product_id for card in reply.products]


@pytest.mark.parametrize(
    ("words", "taste"),
    [
        ("a gift for my dad who likes cooking", "cooking"),
        ("I need a present for my mom, she loves gardening", "gardening"),
        ("给爸爸选个礼物，他喜欢做饭", "做饭"),
        ("what could I get a friend who cooks a lot", "cooks"),
        ("a gift for my wife", ""),
        ("送女朋友什么好", ""),
    ],
)
def test_what_is_liked_is_read(words: str, taste: str) -> None:
    assert taste_in(words) == taste


def test_wrap_and_cards_are_no_gifts() -> None:
    assert asks_gift("a present for her")
    assert asks_gift("想挑个礼物")
    assert asks_gift("what could i get a friend who runs a lot, max 100")
    assert asks_gift("what should I buy my dad?")
    assert not asks_gift("can I get a friend's discount?")
    assert not asks_gift("do you sell gift cards?")
    assert not asks_gift("can you gift wrap it")


@pytest.mark.parametrize(
    ("title", "values", "who", "may"),
    [
        ("Trail shoes", "women", "my dad", False),
        ("Trail shoes", "women", "my mom", True),
        ("Trail shoes", "men", "给妈妈", False),
        ("Sneakers", "men, women", "my mom", True),
        ("Kids' sneakers", "", "my boss", False),
        ("Kids' sneakers", "", "my son", True),
        ("儿童运动鞋", "", "给同事", False),
        ("Kettle", "", "my boss", True),
    ],
)
def test_for_whom_a_product_may_be_a_gift(title: str, values: str, who: str, may: bool) -> None:
    attributes = {"for": tuple(values.split(", "))} if values else {}
    assert suits(Product(id="p", title=title, attributes=attributes), who) is may


@pytest.mark.parametrize(
    "words", ["a gift for my dad who likes tea, under $50", "给爸爸选个礼物，他喜欢喝茶，50美元以内"]
)
def test_ideas_keep_to_taste_and_budget_and_ask_nothing(talk: Conversation, words: str) -> None:
    reply = talk.say("recommend", words.replace("，50美元以内", ""))
    assert reply.products
    if words.isascii():
        assert "tea" in reply.text
        assert all(card.price is not None and card.price.amount <= 5000 for card in reply.products)
        assert "tea-1" in ids(reply)
    assert reply.action == "answer"
    assert "head-4" not in ids(reply), "what is sold out is no idea"


@pytest.mark.parametrize(
    ("words", "answer"), [("I need a gift under $60", "he likes tea"), ("想送老公礼物", "他喜欢音乐")]
)
def test_one_question_where_nothing_is_known_and_its_answer_keeps_the_budget(
    talk: Conversation, words: str, answer: str
) -> None:
    asked = talk.say("recommend", words)
    assert asked.action == "ask"
    assert asked.products, "there is something to look at meanwhile"
    told = talk.say("chitchat", answer, confidence=0.3)
    assert told.products
    if words.isascii():
        assert "tea-1" in ids(told)
        assert all(card.price is not None and card.price.amount <= 6000 for card in told.products)


def test_no_kind_crowds_out_the_others(talk: Conversation) -> None:
    reply = talk.say("recommend", "a gift for somebody who likes music and tea")
    assert len([each for each in ids(reply) if each.startswith("head-")]) <= 2


def test_advice_without_words_speaks_the_language_of_the_talk(talk: Conversation) -> None:
    # Three goods have Chinese pages: too few for a slate, so the others fill it.
    assert len(talk.say("recommend", "推荐点东西吧").products) >= 3
    assert all(
        not each.startswith("zh-") for each in ids(talk.say("recommend", "please recommend something nice to me"))
    )
