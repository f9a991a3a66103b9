"""The past replies of a shop as they are now: read, embedded and renewed beside what is served, never while an agent waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from threading import Lock, Thread
from typing import Final

from bot.desk.replies import ReplyIndex, Suggested, VectorStore, past_replies, stored_dialogues
from bot.desk.reply_encoder import ReplyEncoder, Said
from bot.desk.templates import records_of
from bot.parts import Parts
from bot.service import Assistant
from index.encoders import Encoder
from storage.principal import Principal, Role
from storage.resolved import still_learnable

RENEWED_S: Final = 3_600
"""So often what was said since is read, too; a model that is promoted, an erasure and a consent taken back count at once."""
_READER: Final = Principal("desk", Role.SUPERVISOR, machine=True)
_LOGGER = logging.getLogger(__name__)


class ReplyBook:
    """Finds past replies for the desk. Safe to share between threads."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._lock = Lock()
        self._index: ReplyIndex | None = None
        self._of: object = None
        self._read_at = 0.0
        self._renewing = False
        self._forgotten = 0
        assistant.on_erasure.append(self.forget)

    def suggest(self, history: Said, k: int) -> Sequence[Suggested]:
        """The best `k` for what was said last; none while the first reading goes on.

        Whose consent was taken back since they were read, by whichever process, is out at once.
        """
        with self._lock:
            stale = self._of is not _basis(self._assistant.parts) or time.monotonic() - self._read_at > RENEWED_S
            renew = stale and not self._renewing
            self._renewing = self._renewing or renew
            index = self._index
        if renew:
            Thread(target=self._renew, name="past replies", daemon=True).start()
        found = index.suggest(history, 2 * k) if index is not None else []
        if not found:
            return ()
        sources = {each.source_dialogue for each in found}
        allowed = still_learnable(self._assistant.database, self._assistant.settings.consent, sources)
        if allowed != sources:
            with self._lock:
                self._read_at = -RENEWED_S  # the next one reads anew what is left
        return [each for each in found if each.source_dialogue in allowed][:k]

    def forget(self) -> None:
        """Nothing that anybody said is kept; what is left is read anew."""
        with self._lock:
            self._index, self._of = None, None
            self._forgotten += 1

    def renew(self) -> None:
        """Reads and embeds the replies of all conversations that may be learnt from."""
        parts, assistant, forgotten = self._assistant.parts, self._assistant, self._forgotten

        def title(product_id: str) -> str:
            product = parts.shelf.product(product_id)
            return product.title if product is not None else ""

        records = records_of(assistant.database, _READER, title)
        dialogues = stored_dialogues(assistant.database, _READER, assistant.settings.consent, records)
        store = VectorStore(assistant.shop) if assistant.shop is not None else None
        index = ReplyIndex.build(past_replies(dialogues), encoder_of(parts), store)
        with self._lock:
            if forgotten == self._forgotten:  # else somebody was erased who may be in it: the next one reads anew
                self._index, self._of, self._read_at = index, _basis(parts), time.monotonic()

    def _renew(self) -> None:
        try:
            self.renew()
        except Exception:  # the desk goes on with what it had
            _LOGGER.exception("Past replies cannot be read now.")
            with self._lock:
                self._of, self._read_at = _basis(self._assistant.parts), time.monotonic()
        finally:
            with self._lock:
                self._renewing = False


def encoder_of(parts: Parts) -> ReplyEncoder:
    """The shop's tuned encoder of replies, else the encoders that search has."""
    if parts.replies is not None:
        return parts.replies
    encoders = parts.shelf.encoders

    def pretrained(space: str) -> Encoder:
        return encoders.get(space) or next(iter(encoders.values()))

    return ReplyEncoder(pretrained)


def _basis(parts: Parts) -> object:
    """What the vectors were made by."""
    return parts.replies or parts.shelf.encoders
