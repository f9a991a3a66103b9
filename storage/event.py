"""The behavior event in GA4's ecommerce names, as shops send it: with fields that nobody reads, and broken ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from storage.consent import Consent
from storage.errors import InvalidInput
from storage.record import Content, Count, Currency, Id, Instant, MinorUnits, Record, reasons_of

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
_REQUIRED = frozenset({"event_id", "event", "timestamp", "item_id"})


class EventItem(Record):
    """One product in an event. `price` is in minor units of the event's currency.

    What Aisle itself showed also says in which slate, at which position (0 is the first), with which probability and
    by which policy, so that another policy can be judged on it later.
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
    try:
        return Event.model_validate(row), ()
    except ValidationError as error:
        mended, dropped = _without(row, error)
    try:
        return Event.model_validate(mended), tuple(dropped)
    except ValidationError as error:
        raise InvalidInput(f"{reasons_of(error)}.", "Send event_id, event and timestamp.") from None


def _without(row: dict[str, Any], error: ValidationError) -> tuple[dict[str, Any], list[str]]:
    """A copy of the row without the optional fields that the error names."""
    mended, dropped, lost_items = dict(row), [], set()
    items = [dict(item) if isinstance(item, dict) else item for item in row["items"]] if _has_items(row) else []
    for problem in error.errors():
        place = problem["loc"]
        match place:
            case ("items", int(number), str(field), *_) if field not in _REQUIRED and isinstance(items[number], dict):
                items[number].pop(field, None)
            case ("items", int(number), *_):
                lost_items.add(number)
            case (str(field), *_) if field not in _REQUIRED:
                mended.pop(field, None)
            case _:
                continue
        dropped.append(".".join(str(part) for part in place))
    if "items" in mended:
        mended["items"] = [item for number, item in enumerate(items) if number not in lost_items]
    return mended, sorted(set(dropped))


def _has_items(row: dict[str, Any]) -> bool:
    return isinstance(row.get("items"), list | tuple)
