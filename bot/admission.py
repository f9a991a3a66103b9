"""Who is answered now, who waits for a moment, and who is told to come back: before anything dear is begun.

A turn computes; more turns at once than there are cores make all of them slower and none more of them done. So a few are worked on,
the next wait in the order in which they came, and one that would wait too long is refused at once, while that costs nothing
("Addressing Cascading Failures" in Google's SRE book: serve at the limit, shed the rest early and cheaply). How long somebody would
wait follows from how many wait and how fast they leave, W = L / λ (Little, 1961). The queue is bounded by time and not by number,
as in CoDel (Nichols and Jacobson, ACM Queue 2012), so that it needs no tuning where turns take longer.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from storage.errors import Busy
from storage.metrics import Counter

BUSY: Final = Counter("aisle_busy_total", "Turns and searches that were refused because too much was asked at once.")

LONGEST_WAIT_S: Final = 0.25
"""Who would wait longer is refused: with the turn itself it stays within twice the 300 ms that a turn may take."""
PATIENCE_S: Final = 1.0
"""Who was let wait and waits so long all the same, because those inside have become slow, is refused after all."""
LATEST_RETRY_S: Final = 30
_FIRST_INTERVAL_S: Final = 0.02
_WEIGHT: Final = 0.1  # of the newest interval in the mean


class Admission:
    """Gives places to at most `parallel` holders at once. Safe to share between threads and loops.

    `place` is for threads, `place_async` for coroutines; both raise `Busy` in place of entering. `clock` gives seconds.
    """

    def __init__(self, parallel: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._free = self._parallel = parallel
        self._waiting: deque[Future[None]] = deque()
        self._interval = _FIRST_INTERVAL_S
        self._left: float | None = None  # when a place was last given on, while others wait
        self._promised = 0.0  # until when those who were refused take up what can be done

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place for the block.

        Raises:
            Busy: it would take too long to get one.
        """
        entry = self._enter()
        try:
            entry.result(PATIENCE_S)
        except TimeoutError:
            self._give_up(entry)
            raise self._busy() from None
        since = self._clock()
        try:
            yield
        finally:
            self._leave(since)

    @asynccontextmanager
    async def place_async(self) -> AsyncIterator[None]:
        """As `place`, without holding up the loop; who is cancelled while they wait gives their turn back."""
        entry = self._enter()
        try:
            await asyncio.wait_for(asyncio.wrap_future(entry), PATIENCE_S)
        except TimeoutError:
            self._give_up(entry)
            raise self._busy() from None
        except BaseException:
            self._give_up(entry)
            raise
        since = self._clock()
        try:
            yield
        finally:
            self._leave(since)

    def require_room(self) -> None:
        """Asks whether one more might wait now, without waiting; raises `Busy` where not."""
        with self._lock:
            full = self._is_full()
        if full:
            raise self._busy()

    def _enter(self) -> Future[None]:
        """A place, or one in the queue: done once it is this one's turn."""
        entry: Future[None] = Future()
        with self._lock:
            if self._is_full():
                full = True
            elif self._free:
                full = False
                self._free -= 1
                entry.set_result(None)
            else:
                full = False
                self._waiting.append(entry)
        if full:
            raise self._busy()
        return entry

    def _is_full(self) -> bool:
        return not self._free and (len(self._waiting) + 1) * self._interval > LONGEST_WAIT_S

    def _leave(self, since: float | None = None) -> None:
        """Gives the place, held `since` then, to who has waited longest, and notes how long that took."""
        with self._lock:
            now = self._clock()
            if self._waiting and self._left is not None:
                self._interval += _WEIGHT * (now - self._left - self._interval)
            elif since is not None and self._interval > LONGEST_WAIT_S:
                # Nobody may wait now: how long places are held tells when somebody may again.
                self._interval += _WEIGHT * ((now - since) / self._parallel - self._interval)
            while self._waiting:
                entry = self._waiting.popleft()
                if entry.set_running_or_notify_cancel():  # one that was given up is passed over
                    self._left = now
                    entry.set_result(None)
                    return
            self._left = None
            self._free += 1

    def _give_up(self, entry: Future[None]) -> None:
        if not entry.cancel():  # it got its place in this very moment
            self._leave()

    def _busy(self) -> Busy:
        """The refusal. Those before were sent away too: each is told a later moment, or all would come back at once."""
        BUSY.add()
        with self._lock:
            now = self._clock()
            latest = now + LATEST_RETRY_S
            self._promised = min(max(now, self._promised) + self._interval, latest)
            return Busy(max(1, math.ceil(self._promised - now)))
