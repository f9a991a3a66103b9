from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bot.desk.sentiment import asks_again, sentiment_of
from storage.conversations import Turn

MESSAGES = Path(__file__).parents[3] / "benchmarks" / "demo_queries" / "sentiment.toml"


def user(*texts: str, label: str = "") -> list[Turn]:
    data = {"intent": {"label": label, "confidence": 0.9}} if label else {}
    return [Turn(role="user", content=text, data=data) for text in texts]


def test_messages_written_by_hand_are_told_apart() -> None:
    parts = tomllib.loads(MESSAGES.read_text(encoding="utf-8"))
    judged = [
        (sentiment_of(user(text)), label)
        for languages in parts.values()
        for labels in languages.values()
        for label, texts in labels.items()
        for text in texts
    ]
    assert len(judged) >= 120
    assert sum(told == label for told, label in judged) >= 0.93 * len(judged)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not bad", "pleased"),
        ("can't complain", "pleased"),
        ("再好不过", "pleased"),
        ("没什么可挑剔的", "pleased"),
        ("not good", "upset"),
        ("一点都不好用", "upset"),
        ("thanks for nothing", "upset"),
        ("is it good?", "neutral"),
        ("I want the best one", "neutral"),
        ("有没有好用的", "neutral"),
        ("垃圾袋有吗", "neutral"),
        ("特别喜欢", "pleased"),
        ("OK, USB-C AND HDMI PLEASE", "neutral"),
        ("WHY IS IT NOT HERE", "upset"),
        ("", "neutral"),
        ("😡", "upset"),
        ("❤️❤️", "pleased"),
    ],
)
def test_words_that_turn_others_around(text: str, told: str) -> None:
    assert sentiment_of(user(text)) == told


def test_only_the_customers_own_words_count_and_the_latest_most() -> None:
    assert sentiment_of([]) == "neutral"
    assert sentiment_of([Turn(role="agent", content="I am so sorry, this is terrible")]) == "neutral"
    assert sentiment_of(user("this is terrible", "where is it?", "thank you so much, that solved it!")) == "pleased"
    assert sentiment_of(user("great!", "hm", "this is ridiculous")) == "upset"


def test_asking_the_same_again_and_a_complaint_add_up() -> None:
    assert sentiment_of(user("my parcel is late", label="complaint")) == "neutral"
    again = user("when will my parcel be here", "hello, when will my parcel be here", label="complaint")
    assert asks_again(again)
    assert sentiment_of(again) == "upset"
    assert not asks_again(user("yes", "yes"))
    assert not asks_again([])


def test_what_older_versions_stored_and_very_long_messages_are_read() -> None:
    assert sentiment_of([Turn(role="user", content="hm", data={"intent": None})]) == "neutral"
    assert asks_again(user("where is it? " * 300, "where is it? " * 300 + "!"))
