"""Writes down what was shown (`recommendation_shown`), in batches behind the reply: a shopper never waits for a log."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from bot.cards import Card
from bot.exploration import POLICY, Ordering
from storage.event import Event, EventItem
from storage.principal import Principal, Role
from storage.record import now_ms

BATCH = 200
WAIT_SECONDS = 0.5
_LOGGER = logging.getLogger(__name__)
_WRITER = Principal(id="aisle", role=Role.SERVICE)


class Exposures:
    """A queue and one thread that empties it with `record`, as `record_events` writes; `close` writes what is left.

    What a crash loses is at most half a second.
    """

    def __init__(self, record: Callable[[Principal, Sequence[Event]], object]) -> None:
        self._record = record
        self._queue: queue.SimpleQueue[Event | threading.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="exposures", daemon=True)
        self._thread.start()

    def show(
        self,
        user_id: str,
        conversation_id: str,
        slate_id: str,
        cards: Sequence[Card],
        currency: str,
        ordering: Ordering | None = None,
    ) -> None:
        """Notes a slate; its id is the message's. Without an `ordering` nothing but the order shown was possible."""
        items = _items(cards, slate_id, currency)
        if ordering is not None:
            items = _explained(items, ordering)
        self._queue.put(
            Event(
                event_id=f"{slate_id}:shown",
                event="recommendation_shown",
                timestamp=now_ms(),
                user_id=user_id,
                session_id=conversation_id,
                items=items,
                currency=currency,
            )
        )

    @property
    def waiting(self) -> int:
        """How many were noted and are not taken up yet."""
        return self._queue.qsize()

    def flush(self) -> None:
        """Returns when all that was noted before is written."""
        done = threading.Event()
        self._queue.put(done)
        done.wait()

    def close(self) -> None:
        """Writes what is left and ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending:
            batch: list[Event] = []
            waiting: list[threading.Event] = []
            entry = self._queue.get()
            while True:
                if entry is None:
                    ending = True
                elif isinstance(entry, threading.Event):
                    waiting.append(entry)
                else:
                    batch.append(entry)
                if ending or waiting or len(batch) >= BATCH:
                    break
                try:
                    entry = self._queue.get(timeout=WAIT_SECONDS)
                except queue.Empty:
                    break
            self._write(batch)
            for done in waiting:
                done.set()

    def _write(self, batch: Sequence[Event]) -> None:
        if not batch:
            return
        try:
            self._record(_WRITER, batch)
        except Exception:  # the thread must live on: a slate that is not logged is no reason to log none any more
            _LOGGER.exception("%d shown slates were not written.", len(batch))


def _items(cards: Sequence[Card], slate_id: str, currency: str) -> tuple[EventItem, ...]:
    """The cards of a slate that always comes as it does."""
    return tuple(
        EventItem(
            item_id=card.product_id,
            price=card.price.amount if card.price is not None and card.price.currency == currency else None,
            slate_id=slate_id,
            position=position,
            propensity=1.0,
            policy_version=POLICY,
        )
        for position, card in enumerate(cards)
    )


def _explained(items: Sequence[EventItem], ordering: Ordering) -> tuple[EventItem, ...]:
    """The same in the ranking's own order, each with its place in the search and the chance of the one that it got.

    A new product in the reserved place comes last, with how well it fits and by which policy it was chosen.
    """
    by_id = {item.item_id: item for item in items}
    slot = ordering.slot
    reserved = by_id.pop(slot.product_id, None) if slot is not None else None
    ends: tuple[EventItem, ...] = ()
    if slot is not None and reserved is not None:
        facts = {"index": slot.hundredths, "propensity": slot.propensity, "policy_version": slot.policy}
        ends = (reserved.model_copy(update=facts),)
    if ordering.shown != tuple(by_id):  # the grounding check took a card out: nobody knows the chance of what is left
        unknown = {"propensity": None, "policy_version": ordering.policy}
        return (*(item.model_copy(update=unknown) for item in by_id.values()), *ends)
    known = (
        by_id[product_id].model_copy(
            update={
                "index": ordering.relevance[product_id],
                "propensity": ordering.propensity[product_id],
                "policy_version": ordering.policy,
            }
        )
        for product_id in ordering.ranked
    )
    return (*known, *ends)
