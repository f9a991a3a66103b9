"""What is said where no product helps: calm words, no doctor's advice, and a person at once where somebody is in danger."""

from __future__ import annotations

from bot.concern import concern_of
from bot.state import Pending
from bot.turn import Answer, Turn


def care(turn: Turn, answer: Answer) -> None:
    """Nothing is shown in such a turn; who is in danger is handed to a person without being asked."""
    concern = concern_of(turn.message) or "medical"
    answer.say(turn.voice.say(f"care.{concern}"))
    if turn.crisis_contact and concern == "crisis":
        answer.ledger.text(turn.crisis_contact)
        answer.say(turn.voice.say("care.contact", contact=turn.crisis_contact))
    if concern == "crisis":
        answer.hand_over("danger")
        return answer.say(turn.voice.say("care.handed_over"))
    if concern == "medical":
        return answer.ask(turn.voice.say("care.person"), Pending(kind="handoff"))
    return None
