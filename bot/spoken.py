"""What is said in a turn, as it becomes known: cards, checked sentences, a model's advice among them, and at last the question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bot.cards import Card
from bot.reply.voice import Voice
from bot.turn import Answer

if TYPE_CHECKING:
    from bot.llm.advise import Consultation

Event = tuple[str, dict[str, Any]]


class Spoken:
    """One reply on its way out. Nothing leaves that the answer's ledger does not back.

    `text` and `cards` are what was said and shown so far; `finish` adds what is still owed.
    """

    def __init__(self, voice: Voice, answer: Answer, consultation: Consultation | None = None) -> None:
        self.text = ""
        self.cards: list[Card] | None = None
        self._voice, self._answer, self._consultation = voice, answer, consultation
        self._parts: list[str] = []
        self._taken = 0

    def events(self) -> Iterator[Event]:
        """`("products", …)` once, then `("text", {"delta": one or more sentences})` repeated.

        What the templates know is said before a model's advice is waited for; a question comes last.
        """
        consultation = self._consultation
        advice = iter(consultation.sentences() if consultation is not None else ())
        if consultation is not None and consultation.waits:
            advice = iter(list(advice))  # until the model has decided nothing is known to be shown
        yield self._shown()
        yield from self._said(self._owed(question=consultation is None))
        for sentence in advice:
            yield from self._said([sentence])
        yield from self._said(self._owed())

    def finish(self) -> str:
        """The whole text, also where nobody read on; with all parts removed it says so."""
        if self._consultation is not None:
            self._consultation.close()
        if self.cards is None:
            self._shown()
        for _ in self._said(self._owed()):
            pass
        if not self.text:
            self.text = self._voice.say("removed.sentence")
        return self.text

    def _shown(self) -> Event:
        answer = self._answer
        self.cards = answer.ledger.reasons(answer.ledger.cards(answer.cards, answer.products), answer.found)
        return "products", {"products": [card.model_dump(mode="json") for card in self.cards]}

    def _owed(self, question: bool = True) -> list[str]:
        """The answer's parts that are not said yet; the question that it ends with only where it is its turn."""
        parts = self._answer.parts
        end = len(parts) if question or self._answer.pending is None else max(self._taken, len(parts) - 1)
        owed = parts[self._taken : end]
        self._taken = end
        return owed

    def _said(self, parts: list[str]) -> Iterator[Event]:
        self._parts += self._answer.ledger.checked(parts)
        whole = self._voice.sentences(self._parts).strip()
        delta, self.text = whole[len(self.text) :], whole
        if delta:
            yield "text", {"delta": delta}
