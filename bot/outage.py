"""What can be answered while the database is away: what the catalog and the shop's own pages say.

Nobody is known then, nothing is kept and nothing can be changed, so nothing is answered that needs it, and the reply says so. Its
conversation has an id that no stored one has: once the database is back, what is said in it begins a new conversation.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from bot.cards import IntentView, Reply
from bot.grounding import Ledger
from bot.labels import OUT_OF_SCOPE
from bot.reply.voice import Voice
from bot.spoken import Event, Spoken
from bot.talk import Rehearsal
from bot.turn import Answer
from storage.database import Database
from storage.errors import Unavailable
from storage.record import new_id

RETRY_S: Final = 2.0
"""Between two tries at a database that is away, for a try can take seconds."""
_AWAY: Final = "away-"
_LOGGER = logging.getLogger(__name__)


class Outage:
    """Whether the database is away, by what the last turns have met. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._until = 0.0
        self._suspected = False

    @property
    def lasts(self) -> bool:
        """Whether a turn cannot be kept now.

        After an outage it is asked whether the database can be written, before anything is done that is to be kept there.
        """
        if time.monotonic() < self._until:
            return True
        if self._suspected:
            try:
                with self._database.write():
                    self._suspected = False
            except Unavailable as error:
                self.met(error)
        return self._suspected

    def suspect(self) -> None:
        """A turn failed after it had begun: by the database, or by something else. The next one asks."""
        self._suspected = True

    def met(self, error: Unavailable) -> None:
        """A turn did not reach the database."""
        if not self._suspected:
            _LOGGER.warning("Turns are answered without the database: %s", error)
        self._until, self._suspected = time.monotonic() + RETRY_S, True


def stored(conversation_id: str | None) -> str | None:
    """The id of a conversation that can be stored; None for one that was held while the database was away."""
    return None if conversation_id is not None and conversation_id.startswith(_AWAY) else conversation_id


def answer(
    rehearsal: Rehearsal | None, voice: Voice, currency: str, conversation_id: str | None, told: Callable[[Reply], None]
) -> Iterator[Event]:
    """A turn as it comes: `meta`, `products`, then `text` repeated; `told` is given the reply at its end.

    Args:
        rehearsal: what was found without a database; nothing, where the turn needs it.
        voice: the turn's language, where nothing was found.
        currency: of the shop.
        conversation_id: as the customer named it; where they named none, the reply names one that is not stored.
        told: takes the whole reply.
    """
    found = rehearsal.answer if rehearsal is not None and _stands_alone(rehearsal.answer) else None
    if rehearsal is not None and found is not None:
        voice = rehearsal.turn.voice
        found.parts.insert(len(found.parts) - (found.pending is not None), voice.say("away.found"))
    else:
        found = Answer(Ledger(currency))
        found.say(voice.say("away.nothing"))
    intent = rehearsal.intent if rehearsal is not None else IntentView(label=OUT_OF_SCOPE, confidence=1.0)
    conversation_id, message_id = conversation_id or f"{_AWAY}{new_id()}", new_id()
    language = voice.language.code
    names = {"conversation_id": conversation_id, "message_id": message_id, "language": language}
    yield "meta", {**names, "intent": intent.model_dump(mode="json")}
    spoken = Spoken(voice, found)
    yield from spoken.events()
    text = spoken.finish()
    told(
        Reply(
            conversation_id=conversation_id,
            message_id=message_id,
            text=text,
            language=language,
            intent=intent,
            action="answer",
            products=tuple(spoken.cards or ()),
            citations=tuple(found.citations),
        )
    )


def _stands_alone(found: Answer) -> bool:
    """Whether it says something, and offers nothing that would have to be kept: a person to talk to, a cart."""
    offers_person = found.handed_off or (found.pending is not None and found.pending.kind == "handoff")
    return bool(found.parts) and found.cart is None and not offers_person
