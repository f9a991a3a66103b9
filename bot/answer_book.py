"""Answers that people gave to customers before, for questions that ask the same again.

A pair is found by its question. Only approved pairs are known here, and a pair that is approved, reworded or rejected while the
shop is served counts from the next question on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.evidence import Judge, vector_of, words_of
from index.encoders import Encoder, Script, Vectors, script_of
from storage.answers import StoredAnswer, approved_answers, approved_mark
from storage.database import Database

OTHERS: Final[Mapping[Script, tuple[str, ...]]] = {
    "latin": (
        "Where is my order?", "I want to return this.", "What does it cost?", "Is it in stock?", "Show me running shoes.",
        "Hello, how are you?", "Which one is better?", "I have a complaint.", "Thank you very much.", "Can I speak to a person?",
        "How long does delivery take?", "Does it come in blue?",
    ),
    "han": (
        "我的订单到哪了？", "我想退货。", "多少钱？", "有货吗？", "想买跑鞋。", "你好，在吗？", "哪个更好？", "我要投诉。",
        "谢谢你。", "转人工。", "几天能到？", "有蓝色的吗？",
    ),
}  # fmt: skip
"""What shops are told every day and no pair answers: a pair must be closer than these, also in a book of one pair."""
SAME_WORDS: Final = 2
"""Telling words from which on a question that has just those of a pair's question is the same question."""
_KEPT: Final = 10_000
FEATURES: Final = ("bias", "meaning", "share", "lead", "answer", "unheld")
JUDGES: Final[Mapping[Script, Judge]] = {
    "latin": Judge((-5.35, 8.64, -4.24, 13.28, 4.9, 1.13), 0.991),
    "han": Judge((-26.42, 18.0, -1.82, 25.41, 16.12, -2.85), 0.986),
}
"""By script. Fitted on wordings of the demo's questions: `python -m benchmarks.answers --fit`."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A pair that answers a question, and how sure that is, from 0 to 1."""

    pair: StoredAnswer
    score: float


@dataclass(frozen=True)
class _Page:
    """The approved pairs of one language and script, and how they are compared."""

    pairs: tuple[StoredAnswer, ...]
    looks: Looks


@dataclass(frozen=True)
class Looks:
    """Pairs as questions are compared with them: (pairs, dim) vectors and the telling words of question and answer."""

    questions: Vectors
    answers: Vectors
    others: Vectors
    asked: tuple[frozenset[str], ...]
    said: tuple[frozenset[str], ...]


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
        judge = JUDGES[script]
        scores = scores_of(question, page.looks, features_of(question, page.looks, encoder), judge)
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
        looks = Looks(
            self._vectors(encoder, [pair.question for pair in pairs], encoder.encode_queries),
            self._vectors(encoder, [pair.answer for pair in pairs], encoder.encode_documents),
            self._vectors(encoder, OTHERS[script], encoder.encode_queries),
            tuple(words_of(pair.question) for pair in pairs),
            tuple(words_of(pair.answer) for pair in pairs),
        )
        return _Page(tuple(pairs), looks)

    def _vectors(self, encoder: Encoder, texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors]) -> Vectors:
        """(texts, dim); what is known is not embedded again."""
        if (
            len(self._known) > 4 * len(texts) + _KEPT
        ):  # pairs that are no longer approved, vectors of a replaced encoder
            self._known = {}
        missing = list(dict.fromkeys(text for text in texts if (encoder.hash, text) not in self._known))
        for text, vector in zip(missing, encode(missing), strict=True):
            self._known[encoder.hash, text] = vector
        return np.stack([self._known[encoder.hash, text] for text in texts]) if texts else encode([])


def looks_of(pairs: Sequence[tuple[str, str]], encoder: Encoder) -> Looks:
    """Of (question, answer) pairs."""
    questions, answers = [question for question, _ in pairs], [answer for _, answer in pairs]
    return Looks(
        encoder.encode_queries(questions),
        encoder.encode_documents(answers),
        encoder.encode_queries(OTHERS["han" if encoder.space == "han" else "latin"]),
        tuple(map(words_of, questions)),
        tuple(map(words_of, answers)),
    )


def scores_of(question: str, looks: Looks, features: NDArray[np.float64], judge: Judge) -> NDArray[np.float64]:
    """How sure it is that each pair answers, (pairs,) from 0 to 1; 1 where the question has the pair's own telling words."""
    asked = words_of(question)
    same = np.array([len(asked) >= SAME_WORDS and asked == each for each in looks.asked])
    return np.where(same, 1.0, judge.scores(features))


def features_of(question: str, looks: Looks, encoder: Encoder) -> NDArray[np.float64]:
    """How a question looks beside each pair, (pairs, len(FEATURES)).

    The cosine of both questions, the share of words that they have in common (Dice), by how much that cosine leads over those of
    all others, the cosine of question and answer, and the share of the question's words that the pair does not have at all: "Do you
    ship to Brazil?" differs from "Do you ship to Peru?" in nothing else.
    """
    vector = vector_of(encoder, question)  # (dim,)
    cosines = encoder.on_pretrained_scale(looks.questions @ vector)  # (pairs,)
    answered = encoder.on_pretrained_scale(looks.answers @ vector)
    asked = words_of(question)
    shares = [2 * len(asked & each) / ((len(asked) + len(each)) or 1) for each in looks.asked]
    unheld = [len(asked - own - said) / (len(asked) or 1) for own, said in zip(looks.asked, looks.said, strict=True)]
    others = float(encoder.on_pretrained_scale(looks.others @ vector).max())
    first, second = [*np.sort(cosines)[::-1].tolist(), others][:2]
    rival = np.maximum(np.where(cosines == first, second, first), others)
    lead = np.clip(cosines - rival, -0.2, 0.2)
    return np.column_stack([np.ones(len(cosines)), cosines, shares, lead, answered, unheld]).astype(np.float64)
