"""What to say to "the seventh one" where the list has six."""

from __future__ import annotations

from bot.state import Pending
from bot.turn import Answer, Turn


def off_list(turn: Turn, answer: Answer) -> None:
    """A position that the list does not have."""
    if not turn.state.shown:
        return answer.ask(turn.voice.say("search.nothing_shown"), Pending(kind="what"))
    return answer.ask(turn.voice.say("search.position", count=len(turn.state.shown)), Pending(kind="what"))
