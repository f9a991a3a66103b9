"""Answers that people gave to customers before, for questions that ask the same again.

A pair is found by its question. Only approved pairs are known here, and a pair that is approved, reworded or rejected while the
shop is served counts from the next question on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.evidence import Judge, words_of
from index.encoders import Encoder, Script, Vectors, script_of
from storage.answers import StoredAnswer, approved_answers, approved_mark
from storage.database import Database

_KEPT: Final = 10_000
FEATURES: Final = ("bias", "meaning", "share", "lead")
JUDGES: Final[Mapping[Script, Judge]] = {
    "latin": Judge((-8.0, 10.0, 2.0, 2.0), 0.5),
    "han": Judge((-30.0, 32.0, 2.0, 2.0), 0.5),
}
"""By script. Fitted on wordings of the demo's questions: `python -m benchmarks.answers --fit`."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A pair that answers a question, and how sure that is, from 0 to 1."""

    pair: StoredAnswer
    score: float


@dataclass(frozen=True)
class _Page:
    """The approved pairs of one language and script, with the vectors of their questions: (pairs, dim)."""

    pairs: tuple[StoredAnswer, ...]
    words: tuple[frozenset[str], ...]
    vectors: Vectors


class AnswerBook:
    """The approved pairs of a shop. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._marks: dict[Script, tuple[int, int, str]] = {}
        self._pages: dict[tuple[str, Script], _Page] = {}
        self._known: dict[tuple[str, str], NDArray[np.float32]] = {}

    def find(self, question: str, language: str, encoders: Mapping[str, Encoder]) -> Remembered | None:
        """The pair that answers a question in its language; None where none is sure enough.

        Args:
            question: the customer's words.
            language: the language of the answer, "en" or "zh".
            encoders: by script; the question's own is used.
        """
        script = script_of(question)
        encoder = encoders.get(script)
        if encoder is None:
            return None
        page = self._page(language, script, encoder)
        if page is None:
            return None
        features = features_of(question, page.words, page.vectors, encoder)
        judge = JUDGES[script]
        scores = judge.scores(features)
        best = int(scores.argmax())
        return Remembered(page.pairs[best], float(scores[best])) if scores[best] > judge.enough else None

    def _page(self, language: str, script: Script, encoder: Encoder) -> _Page | None:
        """The pairs as they are approved now; what is known already is not embedded again."""
        mark = (*approved_mark(self._database), encoder.hash)
        with self._lock:
            if self._marks.get(script) != mark:
                self._marks[script] = mark
                self._pages = {key: page for key, page in self._pages.items() if key[1] != script}
            if (language, script) not in self._pages:
                self._pages[language, script] = self._read(language, script, encoder)
            page = self._pages[language, script]
        return page if page.pairs else None

    def _read(self, language: str, script: Script, encoder: Encoder) -> _Page:
        pairs = [
            pair
            for pair in approved_answers(self._database)
            if pair.language == language and script_of(pair.question) == script
        ]
        missing = [pair.question for pair in pairs if (encoder.hash, pair.question) not in self._known]
        if (
            len(self._known) > 2 * len(pairs) + _KEPT
        ):  # pairs that are no longer approved, vectors of a replaced encoder
            self._known = {}
            missing = [pair.question for pair in pairs]
        for question, vector in zip(missing, encoder.encode_queries(missing), strict=True):
            self._known[encoder.hash, question] = vector
        vectors = [self._known[encoder.hash, pair.question] for pair in pairs]
        stacked = np.stack(vectors) if vectors else np.empty((0, encoder.dim), np.float32)
        return _Page(tuple(pairs), tuple(words_of(pair.question) for pair in pairs), stacked)


def features_of(
    question: str, words: Sequence[frozenset[str]], vectors: Vectors, encoder: Encoder
) -> NDArray[np.float64]:
    """The cosine of both questions, the share of words that they have in common (Dice), and by how much the cosine leads.

    (pairs, len(FEATURES)).
    """
    cosines = encoder.on_pretrained_scale(vectors @ encoder.encode_queries([question])[0])  # (pairs,)
    asked = words_of(question)
    shares = [2 * len(asked & each) / ((len(asked) + len(each)) or 1) for each in words]
    highest = np.sort(cosines)[::-1]
    rival = np.where(cosines == highest[0], highest[1] if len(highest) > 1 else highest[0] - 0.2, highest[0])
    lead = np.clip(cosines - rival, -0.2, 0.2)
    return np.column_stack([np.ones(len(cosines)), cosines, shares, lead]).astype(np.float64)
