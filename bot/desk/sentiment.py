"""How a customer feels, from what they said last."""

from __future__ import annotations

from collections.abc import Sequence

from bot.desk.views import Sentiment
from storage.conversations import Turn


def sentiment_of(turns: Sequence[Turn]) -> Sentiment:
    """The customer's mood after `turns`, oldest first."""
    complained = any(turn.role == "user" and turn.data.get("task") == "complaint" for turn in turns)
    return "upset" if complained else "neutral"
