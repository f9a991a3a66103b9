from __future__ import annotations

import pytest
from tokenizers import Tokenizer

from bot.history import (
    ASSISTANT,
    LAST_TURN,
    TURN_TOKENS,
    USER,
    HistoryLimits,
    Window,
    tokenize,
    window_of,
)
from index.pretrained import weights_file


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    found = Tokenizer.from_file(str(weights_file("minilm").parent / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


def said(*turns: tuple[str, str]) -> list[dict[str, object]]:
    return [{"role": role, "content": content} for role, content in turns]


def test_last_user_turn_stands_apart_and_history_is_newest_first() -> None:
    window = window_of(said(("user", "hi"), ("assistant", "hello"), ("user", "a  kettle\n"), ("assistant", "unread")))
    assert window == Window("a kettle", ((ASSISTANT, "hello"), (USER, "hi")))


def test_agents_count_as_the_shop_and_other_roles_are_no_history() -> None:
    window = window_of(said(("system", "be kind"), ("tool", "{}"), ("agent", "Ann here"), ("user", "ok")))
    assert window.history == ((ASSISTANT, "Ann here"),)


def test_only_the_newest_messages_are_kept() -> None:
    turns = [("user" if number % 2 else "assistant", str(number)) for number in range(20)]
    window = window_of(said(*turns, ("user", "now")))
    assert [text for _, text in window.history] == ["19", "18", "17"]
    longer = window_of(said(*turns, ("user", "now")), HistoryLimits(messages=5))
    assert [text for _, text in longer.history] == ["19", "18", "17", "16", "15"]
    assert window_of(said(*turns, ("user", "now")), HistoryLimits(messages=0)).history == ()


@pytest.mark.parametrize(
    "messages", [[], said(("assistant", "hello")), [{"role": "user", "content": None}], [{"role": "user"}]]
)
def test_without_a_user_turn_the_window_is_empty(messages: list[dict[str, object]]) -> None:
    assert window_of(messages).turn == ""


def test_tokens_name_their_segments(tokenizer: Tokenizer) -> None:
    tokens = tokenize(Window("a kettle", ((ASSISTANT, "hello"), (USER, "hi"))), tokenizer)
    assert [tokenizer.id_to_token(each) for each in tokens.ids] == [
        "[CLS]", "a", "kettle", "[SEP]", "hello", "[SEP]", "hi", "[SEP]",
    ]  # fmt: skip
    assert tokens.segments == [LAST_TURN] * 4 + [ASSISTANT] * 2 + [USER] * 2
    assert tokens.turn_length == 4


def test_a_turn_of_64_tokens_is_whole_and_the_budget_drops_the_oldest(tokenizer: Tokenizer) -> None:
    turn = " ".join(["kettle"] * 64)
    history = tuple((ASSISTANT, f"message {number} " + "tea " * 60) for number in range(4))
    tokens = tokenize(Window(turn, history), tokenizer)
    assert tokens.ids[1:65] == [tokenizer.token_to_id("kettle")] * 64
    assert len(tokens.ids) == len(tokens.segments) <= HistoryLimits().budget
    words = [tokenizer.id_to_token(each) for each in tokens.ids]
    assert "0" in words
    assert "3" not in words


def test_a_huge_message_keeps_both_ends_and_is_cheap(tokenizer: Tokenizer) -> None:
    text = "tent " + "x" * 25_000 + " \U0001f600" * 12_000 + " kettle"
    window = window_of(said(("assistant", "y" * 1_000_000), ("user", text)))
    assert len(window.turn) <= 1_300
    tokens = tokenize(window, tokenizer)
    assert tokens.ids[1] == tokenizer.token_to_id("tent")
    assert tokens.ids[tokens.turn_length - 2] == tokenizer.token_to_id("kettle")
    assert tokens.turn_length <= TURN_TOKENS + 2


@pytest.mark.parametrize(
    ("messages", "han"),
    [
        (said(("user", "有没有电饭煲")), True),
        (said(("user", "do you have a kettle")), False),
        (said(("user", "想买手机"), ("assistant", "好的"), ("user", "iPhone 15")), True),
        (said(("user", "想买手机"), ("assistant", "好的"), ("user", "sorry, let us speak English")), False),
        (said(("user", "iPhone 要黑色的")), True),
        (said(("user", "")), False),
    ],
)
def test_script_of_a_turn(messages: list[dict[str, object]], han: bool) -> None:
    assert window_of(messages).is_han is han
