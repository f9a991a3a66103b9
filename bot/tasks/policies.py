"""Questions about the shop.

The passage of its own pages that answers, word for word, else what a person answered to the same question before, or an honest
"that is not written".
"""

from __future__ import annotations

from bot.cards import Citation
from bot.passages import best_passages, excerpt
from bot.state import Pending
from bot.tasks.answers import from_book
from bot.turn import Answer, Open, Turn


def ask(turn: Turn, answer: Answer) -> None:
    """Quotes the best passage, else an answer given before; below the thresholds a person is offered instead."""
    found = best_passages(turn.shelf, turn.message, turn.language)
    if not found:
        known = from_book(turn, answer)
        if known:
            return answer.say(*known)
        answer.unanswered = Open("policy")
        return answer.ask(turn.voice.say("policy.none"), Pending(kind="handoff", task="unanswered"))
    passage = found[0]
    quote = excerpt(turn.shelf, passage, turn.message)
    answer.ledger.text(passage.text, quote, passage.title)
    answer.citations.append(Citation(kind="document", id=passage.document_id, title=passage.title, quote=quote))
    return answer.say(turn.voice.say("policy.answer", quote=quote, title=passage.title))
