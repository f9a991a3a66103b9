"""Takes new versions of index and intent model into service without a restart."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.parts import intent_versions
from bot.service import Assistant
from index.snapshot import index_versions

SECONDS = 3.0
"""Between two looks. A version before the current one is kept on disk, so turns that run on it end well."""
_LOGGER = logging.getLogger(__name__)


class Watcher:
    """Looks at the pointer files of a shop's folder while the `with` block runs, and reloads the assistant when one moved."""

    def __init__(self, assistant: Assistant, shop: Path, seconds: float = SECONDS) -> None:
        self._assistant = assistant
        self._versions = (index_versions(shop), intent_versions(shop))
        self._seconds = seconds
        self._seen = self._pointers()
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
        """Reloads if a version was published or activated since the last look; True where the new one serves now.

        What cannot be loaded is logged, and what served before goes on serving.
        """
        now = self._pointers()
        if now == self._seen:
            return False
        self._seen = now
        try:
            self._assistant.reload()
        except Exception:
            _LOGGER.exception("The new version cannot be served; the one before goes on.")
            return False
        _LOGGER.warning("Serving index %s and intent model %s.", *now)
        return True

    def _pointers(self) -> tuple[str | None, ...]:
        return tuple(versions.pointer() for versions in self._versions)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self.look()
