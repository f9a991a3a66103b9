"""The behavior event in GA4's ecommerce names, as shops send it: with fields that nobody reads, and broken ones."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from storage.consent import Consent
from storage.record import Content, Count, Currency, Id, Instant, MinorUnits, Record, read_leniently

EventName = Literal[
    "view_item_list",
    "select_item",
    "view_item",
    "add_to_cart",
    "remove_from_cart",
    "view_cart",
    "begin_checkout",
    "purchase",
    "refund",
    "search",
    "recommendation_shown",
    "recommendation_feedback",
]
EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01: an instant before it stands for a date that was missing."""
CLOCK_SKEW_MS: Final = 86_400_000
"""Events so much later than now are believed: clocks differ."""
_REQUIRED = frozenset({"event_id", "event", "timestamp", "item_id"})


class EventItem(Record):
    """One product in an event. `price` is in minor units of the event's currency.

    What Aisle itself showed also says in which slate, at which position (0 is the first), with which probability and
    by which policy, so that another policy can be judged on it later. The items of such an event stand in the order that
    the ranking gave them, and `index` is the place that search alone gave each.
    """

    model_config = ConfigDict(extra="ignore")

    item_id: Id
    quantity: Count | None = None
    price: MinorUnits | None = None
    index: Count | None = None
    slate_id: Id | None = None
    position: Count | None = None
    propensity: Annotated[float, Field(ge=0, le=1)] | None = None
    policy_version: Id | None = None


class Event(Record):
    """One thing a person did. `timestamp` is in milliseconds since 1970, UTC; ISO 8601 is read too.

    `user_id` may be missing where the writer writes only their own; `consent` where the shop's default holds.
    """

    model_config = ConfigDict(extra="ignore")

    event_id: Id
    event: EventName
    timestamp: Instant
    user_id: Id | None = None
    session_id: Id | None = None
    items: tuple[EventItem, ...] = Field(default=(), max_length=500)
    value: MinorUnits | None = None
    currency: Currency | None = None
    search_term: Annotated[Content, Field(max_length=2000)] | None = None
    dwell_ms: MinorUnits | None = None
    consent: Consent | None = None


def parse_event(row: dict[str, Any]) -> Event:
    """The event in a row; an optional field that cannot be used becomes null, an item without an id is left out.

    Raises:
        InvalidInput: a required field (event_id, event, timestamp) is missing or cannot be used.
    """
    return read_event(row)[0]


def read_event(row: dict[str, Any]) -> tuple[Event, tuple[str, ...]]:
    """Like `parse_event`, with the names of the fields that had to be dropped: `("items.0.price", "value")`."""
    return read_leniently(Event, row, _REQUIRED, "Send event_id, event and timestamp.")
