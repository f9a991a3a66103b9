"""What is near is not called what was asked for."""

from __future__ import annotations

import pytest

from bot.cards import Reply
from tests.bot.conftest import Conversation


def ids(reply: Reply) -> list[str]:
    return [card.product_id for card in reply.products]


@pytest.mark.parametrize(
    ("words", "least"),
    [
        ("kettles under $10", "$19.00"),
        ("10美元以内的保温杯", "US$15.90"),
        ("18美元以内的烧水壶", "US$19.00"),  # kettles go by English names alone, and what costs less is a flask
    ],
)
def test_goods_that_a_budget_leaves_out_are_not_replaced_by_others(talk: Conversation, words: str, least: str) -> None:
    reply = talk.say("search", words)
    assert reply.action == "ask"
    assert not reply.products
    assert least in reply.text


def test_of_the_words_added_those_that_no_page_says_are_told(talk: Conversation) -> None:
    talk.say("search", "kettles")
    reply = talk.say("refine", "travel kettles for women")
    assert "women" in reply.text
    assert ids(reply) == ["kettle-2"], "the words that a page says hold"


def test_words_that_some_page_says_narrow_and_are_repeated(talk: Conversation) -> None:
    talk.say("search", "kettles")
    reply = talk.say("refine", "gooseneck")
    assert ids(reply) == ["kettle-1"]
    assert "gooseneck" in reply.text
