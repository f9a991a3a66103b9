"""Null baselines: what the same harness says of assistants that understand nothing."""

from __future__ import annotations

from bot.cards import IntentView, Reply
from bot.language import language_of
from bot.service import Assistant
from finetune.dialogue.scene import Speak
from index.clean import clean_text
from storage.principal import Principal
from storage.record import new_id

CARDS = 6


def echo(assistant: Assistant) -> Speak:
    """Says what was said."""

    def speak(principal: Principal, message: str, conversation_id: str | None) -> Reply:
        return _reply(conversation_id, message, message, ())

    return speak


def stateless(assistant: Assistant) -> Speak:
    """Searches with each message as it is: no state, no intents, no cart. The search and its understanding are the real ones."""

    def speak(principal: Principal, message: str, conversation_id: str | None) -> Reply:
        found = assistant.search(message, limit=CARDS)
        reply = _reply(conversation_id, message, "", found["products"])
        return reply.model_copy(update={"text": "; ".join(card.title for card in reply.products)})

    return speak


def _reply(conversation_id: str | None, message: str, text: str, cards: object) -> Reply:
    return Reply.model_validate(
        {
            "conversation_id": conversation_id or new_id(),
            "message_id": "",
            "text": text,
            "language": language_of(clean_text(message), "", None),
            "intent": IntentView(label="search", confidence=1.0),
            "action": "answer",
            "products": cards,
        }
    )


BASELINES = {"echo": echo, "stateless": stateless}
