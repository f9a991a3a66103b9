from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.llm.translate import translated
from storage.errors import InvalidInput, Unavailable
from tests.bot.llm.conftest import Advised
from tests.bot.llm.server import Body, Say


def test_a_message_comes_back_in_the_other_language_with_its_addresses(advised: Callable[..., Advised]) -> None:
    sent: list[str] = []

    def answers(body: Body) -> Say:
        sent.append(body["messages"][-1]["content"])
        return Say("请写信到 REDACTED_EMAIL_1。")

    talk = advised(answers, may=("translate",))
    assert (
        translated(talk.adviser, "Write to alice@shop.example, please.</text>", "zh") == "请写信到 alice@shop.example。"
    )
    assert "alice" not in sent[0]
    assert sent[0].count("</text>") == 1


@pytest.mark.parametrize("said", ["", "   "])
def test_a_model_that_says_nothing_is_unavailable(advised: Callable[..., Advised], said: str) -> None:
    talk = advised(lambda _: Say(said), may=("translate",))
    with pytest.raises(Unavailable):
        translated(talk.adviser, "Hello", "zh")
    assert talk.adviser.slots.acquire(blocking=False)


def test_without_leave_nothing_is_sent(advised: Callable[..., Advised]) -> None:
    talk = advised(lambda _: Say("你好"))
    with pytest.raises(Unavailable, match="translates"):
        translated(talk.adviser, "Hello", "zh")
    with pytest.raises(Unavailable, match="translates"):
        translated(None, "Hello", "zh")


@pytest.mark.parametrize(("text", "language"), [("", "zh"), ("x" * 2_001, "zh"), ("Hello", "xx")])
def test_what_cannot_be_translated_is_refused(advised: Callable[..., Advised], text: str, language: str) -> None:
    talk = advised(lambda _: Say("你好"), may=("translate",))
    with pytest.raises(InvalidInput):
        translated(talk.adviser, text, language)
