from __future__ import annotations

import pytest

from bot.language import foreign, language_of


@pytest.mark.parametrize(
    ("message", "before", "expected"),
    [
        ("show me headphones", "", "en"),
        ("有没有耳机", "", "zh"),
        ("iPhone 15 有货吗", "en", "zh"),
        ("do you have 耳机 with a long cable?", "zh", "en"),
        ("ok", "zh", "zh"),
        ("128GB", "zh", "zh"),
        ("KX-TG1034S", "zh", "zh"),
        ("thanks a lot, see you soon", "zh", "en"),
        ("50-80", "", "en"),
        ("好", "en", "zh"),
        ("", "zh", "zh"),
    ],
)
def test_language_of_a_turn(message: str, before: str, expected: str) -> None:
    assert language_of(message, before) == expected


def test_a_wish_wins_and_an_unknown_one_does_not() -> None:
    assert language_of("hello there my friend", "", "zh") == "zh"
    assert language_of("hello there my friend", "", "fr") == "en"


@pytest.mark.parametrize(
    "message",
    [
        "Привет, есть наушники?",
        "こんにちは、ヘッドホンはありますか",
        "bonjour je cherche une lampe",
        "안녕하세요",
        "quiero una lámpara",
    ],
)
def test_other_languages_are_noticed(message: str) -> None:
    assert foreign(message)


@pytest.mark.parametrize(
    "message",
    [
        "un-ear headphones pour over kettle",
        "café lamp",
        "耳机",
        "a pour over kettle",
        "los angeles hat",
        "🎧",
        "Haben chair",
        "",
    ],
)
def test_odd_words_in_english_are_not_another_language(message: str) -> None:
    assert not foreign(message)
