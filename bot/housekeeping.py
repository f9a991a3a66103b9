"""Deletes once a day what has been kept long enough, while a server runs."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from storage.database import Database
from storage.errors import AisleError
from storage.principal import Principal, Role
from storage.retention import clear
from storage.settings import RetentionSettings

FIRST_S: Final = 60.0
"""After the start: the first customers come before."""
EVERY_S: Final = 86_400.0
_KEEPER: Final = Principal("retention", Role.ADMIN, machine=True)
_LOGGER = logging.getLogger(__name__)


class Housekeeper:
    """Runs while the `with` block does; without `[retention]` it does nothing. Several servers of one shop may each have one."""

    def __init__(
        self,
        database: Database,
        shop: Path,
        settings: RetentionSettings | None,
        first_s: float = FIRST_S,
        every_s: float = EVERY_S,
    ) -> None:
        self._database = database
        self._shop = shop
        self._settings = settings
        self._first_s, self._every_s = first_s, every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def __enter__(self) -> Self:
        """Starts."""
        if self._settings is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends, a run that goes on included: what it left the next one does."""
        self._ended.set()
        if self._settings is not None:
            self._thread.join()

    def clear(self) -> int:
        """One run; how many rows and files went. What stands in its way is logged, and tried again the next day."""
        try:
            cleared = clear(self._database, _KEEPER, self._shop, self._settings, stop=self._ended.is_set)
        except AisleError as error:
            _LOGGER.warning("What has been kept long enough cannot be deleted now: %s", error)
        except Exception:  # a defect must not end it for good
            _LOGGER.exception("What has been kept long enough cannot be deleted.")
        else:
            return cleared.total
        return 0

    def _run(self) -> None:
        pause = self._first_s
        while not self._ended.wait(pause):
            self.clear()
            pause = self._every_s
