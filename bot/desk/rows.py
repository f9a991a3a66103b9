"""The queue's rows: what an agent sees of a conversation before opening it.

A row is made from the conversation's last turns and from its customer's records. The records are kept for half a minute, for a row
is made anew with every message, and a cart or a band of churn does not change so fast that an agent would choose otherwise.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from bot.cards import IntentView
from bot.desk.sentiment import sentiment_of
from bot.desk.views import ChurnBand, Row, State
from bot.service import Assistant
from index.product import Money
from storage.conversations import Turn
from storage.errors import NotFound, Unavailable
from storage.identity import VISITOR_MARK
from storage.principal import Principal, Role
from storage.tickets import Queued

KEPT_SECONDS: Final = 30.0
EXCERPT: Final = 120
"""Characters of the last message in a row."""
UNDERWAY: Final = ("placed", "paid", "shipped")
"""Orders that something can still go wrong with."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a customer's records say. `churn_reason` holds the facts behind the band, in English."""

    name: str = ""
    value: Money | None = None
    churn: ChurnBand = ""
    churn_reason: str = ""


class Rows:
    """Makes rows; safe to share between threads."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[float, Known]] = OrderedDict()

    def of(self, queued: Iterable[Queued]) -> tuple[Row, ...]:
        """A row for each, in their order."""
        return tuple(self._row(each) for each in queued)

    def known(self, user_id: str) -> Known:
        """What the shop knows of a customer, as of the last half minute."""
        with self._lock:
            at, known = self._kept.get(user_id, (0.0, Known()))
        if time.monotonic() - at < KEPT_SECONDS and at:
            return known
        known = self._read(user_id)
        with self._lock:
            self._kept[user_id] = time.monotonic(), known
            self._kept.move_to_end(user_id)
            while next(iter(self._kept.values()))[0] < time.monotonic() - KEPT_SECONDS:
                self._kept.popitem(last=False)
        return known

    def forget(self) -> None:
        """Nothing of anybody is kept any more."""
        with self._lock:
            self._kept.clear()

    def _read(self, user_id: str) -> Known:
        assistant = self._assistant
        customer = Principal(user_id, Role.CUSTOMER, anonymous=user_id.startswith(VISITOR_MARK))
        currency = assistant.settings.currency
        cart = assistant.cart(customer).subtotal
        amount = cart.amount if cart is not None else 0
        name = ""
        if not customer.anonymous:
            name = user_id
            with suppress(NotFound, Unavailable):  # the shop's own system may be silent: the desk goes on
                name = assistant.backend.user(customer, user_id).first_name or user_id
                orders = assistant.backend.orders(customer, user_id)
                amount += sum(
                    order.total or 0 for order in orders if order.status in UNDERWAY and order.currency == currency
                )
        value = Money(amount=amount, currency=currency) if amount else None
        standing = assistant.standing(customer)
        if standing is None:
            return Known(name, value)
        return Known(name, value, standing.band.value, standing.reason)

    def _row(self, queued: Queued) -> Row:
        known = self.known(queued.user_id)
        said = [turn for turn in queued.recent if turn.role != "system"]
        asked = next((turn for turn in reversed(said) if turn.role == "user"), None)
        # That Aisle has marked it for a person stands in every row; what the customer wants does not.
        people = [turn for turn in said if turn.role != "assistant"]
        last = (people or said)[-1] if said else None
        return Row(
            conversation_id=queued.conversation_id,
            state=_state(queued),
            holder=queued.holder,
            team=queued.team,
            name=known.name,
            channel=queued.channel,
            language=asked.language if asked is not None else "en",
            reason=queued.ticket.reason if queued.ticket is not None else None,
            intent=intent_of(asked) if asked is not None else None,
            sentiment=sentiment_of(said),
            value=known.value,
            churn=known.churn,
            waiting_since=queued.waiting_since,
            updated_at=queued.updated_at,
            last_text=excerpt(last.content) if last is not None else "",
            last_role=_role(people or said),
        )


def intent_of(turn: Turn) -> IntentView | None:
    """What a customer's message was taken for; None where no model read it."""
    intent = turn.data.get("intent")
    return IntentView.model_validate(intent) if isinstance(intent, dict) else None


def excerpt(text: str) -> str:
    """The start of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else f"{line[: EXCERPT - 1]}…"


def _state(queued: Queued) -> State:
    if queued.holder is not None:
        return "held"
    return "waiting" if queued.ticket is not None else "live"


def _role(said: Sequence[Turn]) -> Literal["user", "assistant", "agent", ""]:
    return said[-1].role if said and said[-1].role != "system" else ""
