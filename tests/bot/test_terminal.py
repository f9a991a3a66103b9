from __future__ import annotations

import io

from rich.console import Console

from bot.service import Assistant
from bot.terminal import converse
from storage.principal import Principal
from tests.bot.conftest import ToldIntents


def test_a_talk_in_the_terminal(assistant: Assistant, intents: ToldIntents, shopper: Principal) -> None:
    lines = iter(
        [
            ("search", "kettles under $50"),
            ("cart_add", "add the first one"),
            ("search", "[bold]kettle[/bold]"),
            ("", "/quit"),
        ]
    )
    out = io.StringIO()

    def read() -> str:
        label, text = next(lines)
        intents.label = label or intents.label
        return text

    converse(assistant, shopper, Console(file=out, width=160), read)
    told = out.getvalue()
    assert "1. " in told
    assert "$19.00" in told
    assert "1 ×" in told
    assert next(lines, None) is None


def test_the_end_of_input_ends_the_talk(assistant: Assistant, shopper: Principal) -> None:
    def read() -> str:
        raise EOFError

    converse(assistant, shopper, Console(file=io.StringIO()), read, "zh")
