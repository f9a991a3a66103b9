"""Events that are accepted while the database is away: kept in files beside it, and written once it is back, each once.

    <shop>/events-waiting/0001767323045000-5f3a….json    one batch that was accepted, in the order in which they came

A batch is on the disk for good before it is accepted. It is replayed as `record_events` writes any batch, in which an event that
is there already changes nothing, and its file goes when that is committed: a kill in between, or two processes at once, double
nothing.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from storage.consent import Consent
from storage.database import Database
from storage.disk import writing
from storage.errors import Unavailable
from storage.event import Event
from storage.events import Recorded, owned, record_events
from storage.principal import Principal, Role
from storage.publish import write_atomically
from storage.record import new_id, now_ms

FOLDER: Final = "events-waiting"
LARGEST: Final = 2**30
"""Bytes that may wait; beyond them nothing is accepted until the database is back."""
RETRY_S: Final = 2.0
"""Between two tries at a database that is away; meanwhile nobody waits for it."""
_WRITER: Final = Principal("events-waiting", Role.SERVICE)
_LOGGER = logging.getLogger(__name__)


class EventSpool:
    """Takes events whether the database answers or not. Safe to share between threads.

    A thread of its own brings back what waits; `close` ends it.
    """

    def __init__(self, database: Database, shop: Path, consent: Consent) -> None:
        self._database = database
        self._folder = shop / FOLDER
        self._shop = shop
        self._consent = consent
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._size = sum(path.stat().st_size for path in waiting(shop))
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if self._size:
            self._bring_back()

    def record(self, principal: Principal, batch: Sequence[Event]) -> Recorded:
        """Writes events as `record_events` does; those that wait count as accepted, for whether they are repeats is told later.

        Raises:
            Forbidden: the role may not write events.
            Unavailable: the database is away, and they cannot be kept either.
        """
        if time.monotonic() >= self._away_until:
            try:
                return record_events(self._database, principal, batch, self._consent)
            except Unavailable as error:
                _LOGGER.warning("Events wait on disk: %s", error)
                self._away_until = time.monotonic() + RETRY_S
        return self._keep(principal, batch)

    @property
    def size(self) -> int:
        """Bytes that wait."""
        with self._lock:
            return self._size

    def close(self) -> None:
        """Ends the thread; what waits is brought back by the next server."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self, principal: Principal, batch: Sequence[Event]) -> Recorded:
        own, repeated, rejected = owned(principal, batch)
        if own:
            events = [
                {**event.model_dump(mode="json", exclude_none=True), "user_id": user_id}
                for (user_id, _), event in own.items()
            ]
            body = json.dumps({"consent": self._consent.model_dump(), "events": events}, ensure_ascii=False).encode()
            with self._lock, writing(self._folder):
                self._folder.mkdir(mode=0o700, exist_ok=True)
                if self._size + len(body) > LARGEST:
                    raise Unavailable("Too many events wait for the database.", "Bring it back, then send them again.")
                write_atomically(self._folder / f"{now_ms():016d}-{new_id()}.json", body)
                self._size += len(body)
            self._bring_back()
        return Recorded(len(own), repeated, rejected)

    def _bring_back(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="events-waiting", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(RETRY_S):
            try:
                count = replay(self._database, self._shop)
            except Unavailable:
                self._away_until = time.monotonic() + RETRY_S + 1
                continue
            except Exception:  # the thread must live on: others wait behind what cannot be replayed
                _LOGGER.exception("Events that wait cannot be written now.")
                continue
            with self._lock:
                if not waiting(self._shop):
                    self._size = 0
            self._away_until = 0.0
            if count:
                _LOGGER.warning("%d events that waited are written.", count)


def waiting(shop: Path) -> list[Path]:
    """The files that wait in a shop's folder, oldest first."""
    return sorted((shop / FOLDER).glob("[0-9]*.json"))


def replay(database: Database, shop: Path) -> int:
    """Writes all events that wait into the database, and returns how many those were.

    A file that cannot be read, which only a damaged disk can bring about, is logged and set aside as `.damaged`.

    Raises:
        Unavailable: the database is still away; what was not written waits on.
    """
    count = 0
    for path in waiting(shop):
        try:
            kept = json.loads(path.read_bytes())
            consent = Consent.model_validate(kept["consent"])
            batch = [Event.model_validate(row) for row in kept["events"]]
        except FileNotFoundError:
            continue  # another process was faster
        except (ValueError, KeyError, TypeError) as error:
            _LOGGER.error("%s cannot be read and is set aside: %s", path, error)
            path.rename(path.with_suffix(".damaged"))
            continue
        record_events(database, _WRITER, batch, consent)
        path.unlink(missing_ok=True)
        count += len(batch)
    return count
