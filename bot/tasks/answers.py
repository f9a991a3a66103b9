"""An answer that a person gave before, word for word, to a customer who asks the same."""

from __future__ import annotations

from bot.cards import Citation
from bot.turn import Answer, Turn


def from_book(turn: Turn, answer: Answer) -> list[str]:
    """The approved answer to the turn's question, cited; empty where no pair is sure enough."""
    found = turn.answers.find(turn.message, turn.voice.language.code, turn.shelf.encoders)
    if found is None:
        return []
    pair = found.pair
    answer.ledger.text(pair.answer)
    answer.citations.append(Citation(kind="dialogue", id=pair.answer_id, title=pair.question, quote=pair.answer))
    return [turn.voice.say("policy.known", quote=pair.answer)]
