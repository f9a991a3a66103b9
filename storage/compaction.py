"""What erasures leave in the database's files is overwritten once for many: rewriting them costs what the whole database weighs.

    erased ─► the last rewrite is long ago?  yes ─► rewrite at once
                                             no  ─► wait, together with all that come meanwhile, until it is

Without this a visitor who comes, does something and is erased, again and again, would have the database rewritten each time. Who
waits stays open in the ledger, so that a kill loses nothing: the next start rewrites. Each process keeps its own interval.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from storage.database import Database
from storage.erasure import Ledger
from storage.errors import AisleError

INTERVAL_SECONDS: Final = 600.0
logger = logging.getLogger(__name__)


class Compactor:
    """Rewrites one database at most once in `interval` seconds; `clock` gives seconds that only grow."""

    def __init__(
        self,
        db: Database,
        shop: Path,
        interval: float = INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._shop = shop
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._rewriting = threading.Lock()  # one at a time, so that `close` ends after the last
        self._waiting: dict[str, int] = {}
        self._next = float("-inf")
        self._timer: threading.Timer | None = None
        self._closed = False

    def ask(self, hashed: str, at: int) -> bool:
        """Wants the remains of an erasure overwritten, as the ledger has it; whether they are, else they will be."""
        with self._lock:
            self._waiting[hashed] = at
            if self._clock() < self._next:
                self._wait()
                return False
            self._next = self._clock() + self._interval  # who asks meanwhile waits for the next time
        return self.run()

    def run(self) -> bool:
        """Rewrites now for all that wait; whether it could, else it is tried again after the interval."""
        with self._rewriting:
            return self._run()

    def _run(self) -> bool:
        with self._lock:
            taken, self._waiting = self._waiting, {}
            self._next = self._clock() + self._interval
            self._timer = None
        done = False
        try:
            if done := not taken or self._db.compact():
                Ledger.of(self._shop).finish(taken)
        except AisleError as error:
            done = False
            logger.warning("What was erased could not be overwritten yet: %s", error)
        if not done:
            with self._lock:
                self._waiting = taken | self._waiting
                self._wait()
        return done

    def close(self) -> None:
        """Rewrites for those that wait still; what cannot be now is done at the next start."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        self.run()

    def _wait(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = threading.Timer(max(0.0, self._next - self._clock()), self.run)
            self._timer.daemon = True
            self._timer.start()
