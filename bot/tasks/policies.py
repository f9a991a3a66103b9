"""Questions about the shop.

The passage of its own pages that answers, word for word, else what a person answered to the same question before, or an honest
"that is not written".
"""

from __future__ import annotations

import re

from bot.cards import Citation
from bot.passages import best_passages, excerpt
from bot.state import Pending
from bot.tasks.answers import from_book
from bot.turn import Answer, Open, Turn

_CIRCUMSTANCE = re.compile(
    r"[,;]?\s*\b(?:if|in case|because|since|unless)\b[^?.!,;]*[,;]?"
    r"|(?:如果|要是|假如|万一)[^，,。？?!！]{1,24}?(?:的话[，,]?|[，,])",
    re.IGNORECASE,
)
"""Why or when somebody asks: "can I return it if it doesn't fit in my car?" asks how goods are returned, whatever the reason."""


def ask(turn: Turn, answer: Answer) -> None:
    """Quotes the best passage, else an answer given before; below the thresholds a person is offered instead."""
    question = turn.message
    found = best_passages(turn.shelf, question, turn.language)
    if not found:
        known = from_book(turn, answer)
        if known:
            return answer.say(*known)
        question = _CIRCUMSTANCE.sub(" ", question).strip()
        found = best_passages(turn.shelf, question, turn.language) if question and question != turn.message else []
    if not found:
        answer.unanswered = Open("policy")
        return answer.ask(turn.voice.say("policy.none"), Pending(kind="handoff", task="unanswered"))
    passage = found[0]
    quote = excerpt(turn.shelf, passage, question)
    answer.ledger.text(passage.text, quote, passage.title)
    answer.citations.append(Citation(kind="document", id=passage.document_id, title=passage.title, quote=quote))
    return answer.say(turn.voice.say("policy.answer", quote=quote, title=passage.title))
