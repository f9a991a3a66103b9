"""Replies kept at hand, found for what a customer says: by meaning and words together, above a threshold or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np

from bot.evidence import vector_of
from bot.passages import shares_of, worth_of
from index.encoders import Encoder, Script, Vectors, script_of
from storage.database import Database
from storage.desk import Macro, macros_of
from storage.principal import Principal, Role

ENOUGH: Final[Mapping[Script, float]] = {"latin": 0.35, "han": 0.55}
"""Less than a passage needs, for a reply need not have the question's words; in Chinese all sentences are somewhat alike."""
_READER = Principal("aisle", Role.SUPERVISOR, machine=True)


_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|dear|good \w+|thank you|thanks)\b[\w\s{}]{0,24}[,.!]|^(?:您好|你好|亲|感谢)[^，。！]{0,16}[，。！]",
    re.I,
)
_SLOT = re.compile(r"\{\w+\}")


def _plain(text: str) -> str:
    """A reply without its greeting and its slots, which say nothing of what it answers."""
    return " ".join(_SLOT.sub(" ", _GREETING.sub("", text)).split())


@dataclass(frozen=True)
class _Page:
    """The replies of one language, and their vectors, (macros, dim)."""

    macros: tuple[Macro, ...]
    vectors: Vectors
    texts: tuple[str, ...]


class MacroBook:
    """A shop's replies at hand; one that is changed counts from the next question on. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._pages: dict[tuple[str, Script], tuple[tuple[str, tuple[Macro, ...]], _Page]] = {}

    def find(self, question: str, language: str, encoders: Mapping[str, Encoder], k: int) -> list[tuple[float, Macro]]:
        """The best `k` replies in a language, each with how well it fits (from `ENOUGH` up to 1.65), best first.

        Args:
            question: the customer's words.
            language: that of the replies.
            encoders: by script; the one that reads the question and the replies is used.
            k: at most so many.
        """
        script: Script = "han" if language == "zh" or "latin" not in encoders else script_of(question)
        encoder = encoders.get(script)
        macros = tuple(macro for macro in macros_of(self._database, _READER) if macro.language == language)
        if encoder is None or not macros or not question.strip():
            return []
        page = self._page(macros, language, script, encoder)
        cosines = encoder.on_pretrained_scale(page.vectors @ vector_of(encoder, question)).tolist()
        shares = shares_of(question, page.texts)
        worths = [worth_of(encoder, cosine, share) for cosine, share in zip(cosines, shares, strict=True)]
        best = sorted(range(len(macros)), key=lambda place: -worths[place])[:k]
        return [(worths[place], macros[place]) for place in best if worths[place] >= ENOUGH[script]]

    def _page(self, macros: tuple[Macro, ...], language: str, script: Script, encoder: Encoder) -> _Page:
        mark = (encoder.hash, macros)
        with self._lock:
            known = self._pages.get((language, script))
            if known is not None and known[0] == mark:
                return known[1]
        texts = tuple(f"{macro.title}. {_plain(macro.text)}" for macro in macros)
        page = _Page(macros, np.asarray(encoder.encode_documents(list(texts)), np.float32), texts)
        with self._lock:
            self._pages[language, script] = (mark, page)
        return page
