"""The profiles of those who are shopping now: kept in memory, and brought up to date from the database each time one is read.

Nothing has to be told to it. Each read takes in what was written since the last, by whichever process, with what the shopper
hid and agreed to at that moment; a restart, or another version of the catalog, replays what the database holds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from retrieval.profile import MOST_EVENTS, PATH_EVENTS, Meanings, Profile, ProfileState
from storage.behavior import Cursor, Wanted, behavior_of
from storage.consent import Consent
from storage.database import Database
from storage.event import CLOCK_SKEW_MS, EARLIEST_MS
from storage.principal import Principal
from storage.record import now_ms

SHOPPERS: Final = 1_000
_WANTED: Final = Wanted(PATH_EVENTS, EARLIEST_MS, MOST_EVENTS)


@dataclass(slots=True)
class _Kept:
    """One shopper's state, up to a row of the database."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    state: ProfileState | None = None
    cursor: Cursor | None = None


class Profiles:
    """Safe to share between threads. `default` is the shop's `[consent]`; the last `SHOPPERS` that were read are kept."""

    def __init__(self, database: Database, default: Consent) -> None:
        self._database = database
        self._default = default
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, principal: Principal, user_id: str, meanings: Meanings) -> Profile:
        """The shopper's tastes at this moment; those of a stranger where they do not agree to be known.

        Args:
            principal: who reads; the shopper or the shop's backend.
            user_id: whose.
            meanings: what items mean in the catalog that serves now.

        Raises:
            NotFound: the shopper is another.
        """
        principal.require_owner(user_id)
        with self._lock:
            kept = self._kept.setdefault(user_id, _Kept())
            self._kept.move_to_end(user_id)
            while len(self._kept) > SHOPPERS:
                self._kept.popitem(last=False)
        with kept.lock:
            now = now_ms()
            state = kept.state if kept.state is not None and kept.state.meanings is meanings else None
            after = kept.cursor if state is not None else None
            found = behavior_of(self._database, principal, user_id, _WANTED, now + CLOCK_SKEW_MS, self._default, after)
            if state is None or found.whole:
                state = ProfileState(meanings, self._default.personalize)
            for event in found.events:
                state.add(event, now)
            kept.state, kept.cursor = state, found.cursor
            if not found.personalize:
                return Profile(now, levels=meanings.levels)
            return state.profile(now, found.hidden)
