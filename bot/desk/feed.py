"""Tells windows that something changed, while it changes: one look at the database for all of them, twice a second.

Conversations are changed by several processes, so what happened is read, never sent from where it happened. A conversation's
`updated_at` rises with every change; a look takes those that are newer than the newest seen, with two seconds before it again, for
a transaction is seen when it ends and not when it began.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from storage.database import Database
from storage.errors import AisleError, Unavailable
from storage.record import now_ms
from storage.tickets import Change, changes

SECONDS: Final = 0.5
OVERLAP_MS: Final = 2_000
MOST_LISTENERS: Final = 5_000
MOST_OF_ONE: Final = 16
"""Windows that listen at once, in all and of one person."""
MOST_WAITING: Final = 1_000
"""Looks that a window may be behind; one that is further behind is told to read everything anew."""
_LOGGER = logging.getLogger(__name__)

Looked = tuple[Change, ...]


@dataclass(eq=False, slots=True)
class Listener:
    """One window that listens, of the person `who`. `wanted` picks what it may hear of; `behind` says that it missed something."""

    wanted: Callable[[Change], bool]
    who: str
    loop: asyncio.AbstractEventLoop
    looks: asyncio.Queue[Looked] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    behind: bool = False

    def tell(self, looked: Looked) -> None:
        """Hands over what happened; called in the listener's own loop."""
        try:
            self.looks.put_nowait(looked)
        except asyncio.QueueFull:
            self.behind = True

    async def next(self, timeout: float) -> Looked | None:
        """What happened next; None where nothing did for so many seconds."""
        try:
            return await asyncio.wait_for(self.looks.get(), timeout)
        except TimeoutError:
            return None


class Feed:
    """Looks at the database as long as somebody listens. Safe to share between threads and loops."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._thread: threading.Thread | None = None
        self._seen: dict[str, int] = {}
        self._newest = 0

    def require_room(self, who: str) -> None:
        """Asks whether one more window of a person may listen.

        Raises:
            Unavailable: there are too many, of theirs or in all.
        """
        with self._lock:
            own = sum(listener.who == who for listener in self._listeners)
            if own >= MOST_OF_ONE or len(self._listeners) >= MOST_LISTENERS:
                raise Unavailable("Too many windows listen.", "Close some, or try again in a minute.")

    def listen(self, wanted: Callable[[Change], bool], who: str) -> Listener:
        """Begins to listen, from now on; called in the loop that will wait for what happens."""
        listener = Listener(wanted, who, asyncio.get_running_loop())
        with self._lock:
            self._listeners.add(listener)
            if self._thread is None:
                self._newest, self._seen = now_ms(), {}
                self._thread = threading.Thread(target=self._run, name="desk-feed", daemon=True)
                self._thread.start()
        return listener

    def leave(self, listener: Listener) -> None:
        """Listens no more."""
        with self._lock:
            self._listeners.discard(listener)

    def look(self) -> Looked:
        """What changed since the last look."""
        found = changes(self._database, self._newest - OVERLAP_MS)
        new = tuple(each for each in found if self._seen.get(each.conversation_id, 0) < each.updated_at)
        if found:
            # Another machine's clock may be ahead: what this one sees next must not be taken for old.
            self._newest = max(self._newest, min(found[-1].updated_at, now_ms()))
        self._seen = {each.conversation_id: each.updated_at for each in found}
        return new

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(SECONDS):
            with self._lock:
                if not self._listeners:
                    self._thread = None
                    return
                listeners = tuple(self._listeners)
            try:
                looked = self.look()
            except AisleError as error:
                # What changes meanwhile is newer than what was seen last, and is found once the database is back.
                _LOGGER.warning("The desk cannot look: %s", error)
                continue
            except Exception:  # a defect must not leave every window without news until a restart
                _LOGGER.exception("The desk cannot look.")
                continue
            for listener in listeners:
                own = tuple(filter(listener.wanted, looked))
                if own:
                    self._tell(listener, own)

    def _tell(self, listener: Listener, own: Looked) -> None:
        try:
            listener.loop.call_soon_threadsafe(listener.tell, own)
        except RuntimeError:  # its loop has ended with the server
            self.leave(listener)
