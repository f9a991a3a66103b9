"""What the intent model sees of a conversation: the last user turn, and apart from it the messages before.

The last turn comes first and whole, then the history with the newest message first, so that a full budget drops the oldest:

    messages   user "hi" · assistant "what can I do for you?" · user "a kettle"
    tokens     [CLS] a kettle [SEP] what can i do for you ? [SEP] hi [SEP]
    segments     0   0   0     0     1   …                  1    2   2

Segments tell the model who speaks, so that no token is spent on role names, and they let it pool the last turn by itself:
history joined into one text costs accuracy where the last turn says it all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

TURN_TOKENS = 80
"""The last turn is whole up to here; a longer one keeps its start and its end."""

_TURN_CHARACTERS = 1_200
_MESSAGE_CHARACTERS = 400
_SPACE = re.compile(r"\s+")

LAST_TURN, ASSISTANT, USER = 0, 1, 2
"""Segment numbers."""
SEGMENTS = 3

OPENING, CLOSING = ("[CLS]", "<s>"), ("[SEP]", "</s>")
"""The special tokens around a turn, by the names that tokenizers give them."""

_SHORT_TURN = 12
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


class TextTokenizer(Protocol):
    """As much of `tokenizers.Tokenizer` as is used here."""

    def encode(self, sequence: str, *, add_special_tokens: bool = True) -> object:
        """An encoding whose `ids` are the token numbers."""
        ...

    def token_to_id(self, token: str) -> int | None:
        """The number of a special token."""
        ...


@dataclass(frozen=True)
class HistoryLimits:
    """How much of a conversation a model sees; it is stored with the model, which must be served as it was trained.

    `messages` of the history at most, `message_tokens` of the start of each (assistants list products at length), and `budget`
    tokens for everything.
    """

    messages: int = 3
    message_tokens: int = 24
    budget: int = 128


@dataclass(frozen=True, slots=True)
class Window:
    """The last user turn and the messages before it, newest first, each as (segment, text)."""

    turn: str
    history: tuple[tuple[int, str], ...] = ()

    @property
    def is_han(self) -> bool:
        """Whether the customer writes Chinese: a short turn ("ok", "128GB") goes by what was said before."""
        if _HAN.search(self.turn):
            return True
        before = " ".join(text for segment, text in self.history if segment == USER)
        return len(self.turn) <= _SHORT_TURN and bool(_HAN.search(before))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token numbers and their segments, of equal length, special tokens included."""

    ids: list[int]
    segments: list[int]

    @property
    def turn_length(self) -> int:
        """How many tokens stand before the history."""
        return self.segments.count(LAST_TURN)


def window_of(messages: Sequence[Mapping[str, object]], limits: HistoryLimits | None = None) -> Window:
    """The window of a conversation whose last user message is the one to classify; what follows it is ignored."""
    most = (limits or HistoryLimits()).messages
    turn, history = "", []
    found = False
    for message in reversed(messages):
        role, content = message.get("role"), message.get("content")
        if role not in ("user", "assistant", "agent") or not isinstance(content, str):
            continue
        if not found:
            if role == "user":
                turn, found = _ends(content, _TURN_CHARACTERS), True
                if not most:
                    break
            continue
        history.append((USER if role == "user" else ASSISTANT, _start(content, _MESSAGE_CHARACTERS)))
        if len(history) == most:
            break
    return Window(turn, tuple(history))


def tokenize(window: Window, tokenizer: TextTokenizer, limits: HistoryLimits | None = None) -> Tokens:
    """The window as numbers, at most `limits.budget` of them."""
    limits = limits or HistoryLimits()
    opening, closing = _special(tokenizer, *OPENING), _special(tokenizer, *CLOSING)
    turn = _pieces(tokenizer, window.turn)
    if len(turn) > TURN_TOKENS:
        turn = turn[: TURN_TOKENS // 2] + turn[-TURN_TOKENS // 2 :]
    ids = [opening, *turn, closing]
    segments = [LAST_TURN] * len(ids)
    for segment, text in window.history:
        room = min(limits.message_tokens, limits.budget - len(ids) - 1)
        if room < 1:
            break
        pieces = _pieces(tokenizer, text)[:room]
        ids += [*pieces, closing]
        segments += [segment] * (len(pieces) + 1)
    return Tokens(ids, segments)


def _pieces(tokenizer: TextTokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)  # type: ignore[attr-defined]


def _special(tokenizer: TextTokenizer, *names: str) -> int:
    for name in names:
        number = tokenizer.token_to_id(name)
        if number is not None:
            return number
    raise ValueError(f"the tokenizer has none of {', '.join(names)}")


def _start(text: str, limit: int) -> str:
    return _SPACE.sub(" ", text[: 2 * limit]).strip()[:limit]


def _ends(text: str, limit: int) -> str:
    if len(text) <= limit:
        return _SPACE.sub(" ", text).strip()
    return _start(text, limit // 2) + " " + _SPACE.sub(" ", text[-limit:]).strip()[-limit // 2 :]
