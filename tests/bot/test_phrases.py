"""What words make plain by themselves, and which products' names do not set them off."""

from __future__ import annotations

import pytest

from bot.phrases import asks_again, asks_new, asks_others, bundled, returned_to
from bot.state import Topic

SHOES, TENTS, ZH = Topic(query="trail running shoes"), Topic(query="family tents"), Topic(query="跑鞋")


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("back to the running shoes", SHOES),
        ("let's go back to the trail shoes please", SHOES),
        ("can we return to the tents?", TENTS),
        ("what about the tents from before?", TENTS),
        ("show me the shoes you showed me earlier", SHOES),
        ("回到刚才的跑鞋", ZH),
        ("还是看刚才的跑鞋吧", ZH),
        ("之前的跑鞋呢", ZH),
        ("back to the kettles", None),
        ("a back to school bag", None),
        ("running shoes", None),
        ("backpack", None),
        ("回收袋", None),
    ],
)
def test_an_earlier_topic_is_named(text: str, topic: Topic | None) -> None:
    assert returned_to((TENTS, ZH, SHOES), text) == topic


@pytest.mark.parametrize(
    "text",
    [
        "any other ideas?",
        "something else, he already has that",
        "anything different?",
        "do you have other suggestions",
        "no, something else please",
        "还有别的吗",
        "别的推荐，他已经有了",
        "换一批看看",
        "有没有其他款",
    ],
)
def test_others_are_asked_for(text: str) -> None:
    assert asks_others(text)


@pytest.mark.parametrize(
    "text",
    ["other colors of this one", "something else than leather shoes", "不要别的颜色", "different socks for kids"],
)
def test_others_are_not_asked_for(text: str) -> None:
    assert not asks_others(text)


@pytest.mark.parametrize(
    "text",
    ["show me something new", "what's new?", "any new arrivals", "new in this week", "有什么新品", "最近上新了吗"],
)
def test_what_is_new(text: str) -> None:
    assert asks_new(text)


@pytest.mark.parametrize(
    "text", ["new balance shoes", "a new phone", "New Zealand wool sweater", "新款手机", "新生儿衣服"]
)
def test_goods_that_are_called_new(text: str) -> None:
    assert not asks_new(text)


@pytest.mark.parametrize(
    "text",
    [
        "same coffee as last time",
        "reorder my last order",
        "buy it again",
        "the usual please",
        "再买一次上次的",
        "上次买的咖啡豆再来一份",
        "上次的订单再买一次",
        "和上次一样",
        "老样子",
    ],
)
def test_the_same_again(text: str) -> None:
    assert asks_again(text)


@pytest.mark.parametrize(
    "text", ["the same in blue", "show me it again", "is it the same size as the other", "再看看", "再便宜点"]
)
def test_not_the_same_again(text: str) -> None:
    assert not asks_again(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("everything for a weekend hike under $300", "weekend hike"),
        ("everything I need to go camping", "camping"),
        ("what do I need for camping, on a budget of 200 dollars", "camping"),
        ("all the gear for yoga", "yoga"),
        ("a starter kit for painting under 80", "painting"),
        ("全套露营装备，200美元以内", "露营"),
        ("养猫需要哪些东西", "养猫"),
        ("add everything to my cart", None),
        ("remove everything", None),
        ("is everything in stock", None),
        ("what is the price for shipping", None),
        ("what do you recommend for my dad", None),
        ("hiking boots", None),
    ],
)
def test_everything_for_something(text: str, what: str | None) -> None:
    assert bundled(text) == what
