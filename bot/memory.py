"""Where the conversations that are going on stand, kept at hand and brought up to date by reading on.

A state is a fold over stored turns, and stays one: what is kept here is the fold as far as it was read, and how many turns that
were. A turn in another process, or by an agent, is read on from there, so nobody has to be told; what falls out is folded anew.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final

from bot.state import DialogueState, step
from storage.conversations import Turn, read_on
from storage.database import Database
from storage.principal import Principal

KEPT: Final = 1_000
"""So many conversations are kept, those that spoke last."""
RECENT: Final = 8
"""So many of the last messages come with a state: the six that the intent model and a language model read, and the two before
them, where an address may have been proposed that is spoken of in those six."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state after the first `count` turns, the last `RECENT` of them, and the agent who speaks in Aisle's place."""

    count: int = 0
    holder: str | None = None
    state: DialogueState = field(default_factory=DialogueState)
    recent: tuple[Turn, ...] = ()


class Memory:
    """Folds conversations, each turn once. All methods may be called from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._kept: OrderedDict[str, Standing] = OrderedDict()

    def forget(self) -> None:
        """Nothing is kept any more; what goes on is folded anew."""
        with self._lock:
            self._kept.clear()

    def of(self, principal: Principal, conversation_id: str) -> Standing:
        """Where a conversation stands by what is stored now.

        Raises:
            NotFound: there is no such conversation for this principal; what is kept of it is never looked at before that is known.
        """
        with self._lock:
            known = self._kept.get(conversation_id, Standing())
        head, new = read_on(self._database, principal, conversation_id, after=known.count)
        if new:
            state = known.state
            for turn in new:
                state = step(state, turn)
            said = [turn for turn in new if turn.role != "system"]
            known = replace(known, count=known.count + len(new), state=state, recent=(*known.recent, *said)[-RECENT:])
        known = replace(known, holder=head.holder)
        with self._lock:
            self._kept[conversation_id] = known
            self._kept.move_to_end(conversation_id)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return known
