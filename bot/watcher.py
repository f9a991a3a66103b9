"""Takes new versions of index and models into service without a restart."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.parts import PartVersions
from bot.service import Assistant
from storage.errors import Damaged, NotFound

SECONDS = 3.0
"""Between two looks. A version before the current one is kept on disk, so turns that run on it end well."""
_LOGGER = logging.getLogger(__name__)


class Watcher:
    """Looks at the pointer files of a shop's folder while the `with` block runs, and reloads the assistant when one moved."""

    def __init__(self, assistant: Assistant, shop: Path, seconds: float = SECONDS) -> None:
        self._assistant = assistant
        self._shop = shop
        self._seconds = seconds
        # Not the pointers: one may have moved since the assistant was loaded.
        self._seen: PartVersions | None = assistant.parts.versions
        self._failed: PartVersions | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        """Starts to look."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops."""
        self._ended.set()
        self._thread.join()

    def look(self) -> bool:
        """Reloads if other versions were published or activated than are served; True where another serves now.

        What cannot be loaded is logged, and what served before goes on serving. A version that is damaged is not tried again; where
        something else stood in the way (a database that is away) the next look tries again.
        """
        before, now = self._assistant.parts.versions, None
        try:
            now = PartVersions.pointed_at(self._shop)
            if now == self._seen:
                return False
            self._assistant.reload()
        except (Damaged, NotFound) as error:
            _LOGGER.error("The new version is refused, the one before goes on serving: %s", error)
            self._seen = now or self._seen
            return False
        except Exception:
            if now != self._failed:
                _LOGGER.exception("The new version cannot be loaded now; the one before goes on serving.")
                self._failed = now
            return False
        self._seen, self._failed = now, None
        serving = self._assistant.parts.versions
        if serving == before:
            return False
        _LOGGER.warning("Serving %s.", ", ".join(f"{part} {version}" for part, version in serving._asdict().items()))
        return True

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self.look()
