"""A circuit breaker: what fails again and again is left alone for a while, so that nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Breaker:
    """Closed it lets every call through; after `failures` in a row it opens for `seconds`, then lets one call try.

    The pattern is Nygard's (Release It!, 2007). `clock` gives seconds that never go back. All methods may be called from several
    threads.
    """

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = failures, seconds, clock
        self._failed = 0
        self._until = 0.0
        self._lock = Lock()

    def allows(self) -> bool:
        """Whether a call may be made now; the one that may try after the pause keeps the others out until it is judged."""
        with self._lock:
            if self._failed < self._most:
                return True
            if self._clock() < self._until:
                return False
            self._until = self._clock() + self._seconds
            return True

    def succeeded(self) -> None:
        """The call was answered: it closes."""
        with self._lock:
            self._failed = 0

    def failed(self) -> None:
        """The call was not answered."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._most:
                self._until = self._clock() + self._seconds
