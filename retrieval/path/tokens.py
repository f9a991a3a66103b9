"""A shopper's events as a path of tokens: one an event, and two where a session ends and the next begins.

A token is what was done and what matters about it, out of a vocabulary of 39:

    view_item of a trail shoe, 52 s, after another trail shoe, cart empty      view_alike_long
    view_item of the same shoe the next day, 20 s                              end  same_day  view_again
    add_to_cart, then view_cart                                                add  cart+cart

What was not seen before is `new` where nothing of its category was looked at in the session, else `alike`; what was looked at
before, in this session or an earlier one, comes `again`. `+cart` says that something lay in the cart when it was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from retrieval.profile.beliefs import DAY_MS
from retrieval.profile.weights import GLANCE_MS, LONG_DWELL_MS
from storage.event import Event

SESSION_GAP_MS = 30 * 60_000
"""So long without an event, and what comes is another session; within a day the names that events give their sessions decide."""
FIRST, SAME_DAY, SAME_WEEK, LATER = "first", "same_day", "same_week", "later"
STARTS = (FIRST, SAME_DAY, SAME_WEEK, LATER)
END, PURCHASE = "end", "purchase"
VIEWS = tuple(f"view_{how}{dwell}" for how in ("new", "alike", "again") for dwell in ("_glance", "", "_long"))
"""A look that has no dwell is taken for one of ordinary length."""
STEPS = {
    "view_item_list": "list",
    "search": "search",
    "select_item": "select",
    "add_to_cart": "add",
    "remove_from_cart": "remove",
    "view_cart": "cart",
    "begin_checkout": "checkout",
    "purchase": PURCHASE,
}
"""What was done by the event's name; `view_item` has `VIEWS`. Being shown something, thumbs and refunds are no steps."""
FILLED = "+cart"
VOCABULARY: tuple[str, ...] = (
    *STARTS,
    END,
    *(f"{step}{filled}" for filled in ("", FILLED) for step in (*VIEWS, *STEPS.values())),
)
NUMBER = {token: number for number, token in enumerate(VOCABULARY)}

_WEEK_MS = 7 * DAY_MS

CategoryOf = Callable[[str], str | None]
"""Item id to the name of its own category, None where the catalog has no such item, or no category for it."""


@dataclass(slots=True)
class Walk:
    """The fold that spells events: what it has to remember of those before.

    `categories` are those looked at in the session, `cart` the ids of items put there and neither taken out nor bought, each
    latest last.
    """

    category_of: CategoryOf
    seen: set[str] = field(default_factory=set)
    categories: dict[str, None] = field(default_factory=dict)
    cart: dict[str, None] = field(default_factory=dict)
    session: str | None = None
    last: int | None = None

    def step(self, event: Event) -> tuple[str, ...]:
        """The tokens of the next event: none where it is no step, one, or with `end` and the start of a session before it."""
        if event.event not in STEPS and event.event != "view_item":
            return ()
        before = self._between(event.timestamp, event.session_id)
        if before:
            self.categories.clear()
        if LATER in before:
            self.cart.clear()  # what has lain there for so long is no sign any more
        self.session, self.last = event.session_id, event.timestamp
        filled = FILLED if self.cart else ""
        return (*before, self._done(event) + filled)

    def until(self, now: int) -> tuple[str, ...]:
        """`end` and the start of a session where one that begins at `now` would be another than the last, else nothing."""
        return self._between(now, None) if self.last is not None else ()

    def _between(self, at: int, session: str | None) -> tuple[str, ...]:
        """What stands between the last event and one at `at`."""
        if self.last is None:
            return (FIRST,)
        away = at - self.last
        named = session is not None and self.session is not None
        if session == self.session if named and away <= DAY_MS else away <= SESSION_GAP_MS:
            return ()
        return END, SAME_DAY if away <= DAY_MS else SAME_WEEK if away <= _WEEK_MS else LATER

    def _done(self, event: Event) -> str:
        ids = [item.item_id for item in event.items]
        if event.event == "view_item":
            token = self._view(ids[0] if ids else None) + _dwell(event.dwell_ms)
            self.seen.update(ids)
            return token
        if event.event == "add_to_cart":
            self.cart |= dict.fromkeys(ids)
        elif event.event == "remove_from_cart":
            for item_id in ids:
                self.cart.pop(item_id, None)
        elif event.event == "purchase":
            self.cart.clear()
        return STEPS[event.event]

    def _view(self, item_id: str | None) -> str:
        category = None if item_id is None else self.category_of(item_id)
        known = category in self.categories
        if category is not None:
            self.categories.pop(category, None)
            self.categories[category] = None
        return "view_again" if item_id in self.seen else "view_alike" if known else "view_new"


def _dwell(dwell_ms: int | None) -> str:
    if dwell_ms is None:
        return ""
    return "_glance" if dwell_ms < GLANCE_MS else "_long" if dwell_ms >= LONG_DWELL_MS else ""


def without(event: Event, hidden: Callable[[str], bool]) -> Event:
    """The event without items of which nothing may be known: it stays a step, but on no product."""
    items = tuple(item for item in event.items if not hidden(item.item_id))
    return event if len(items) == len(event.items) else event.model_copy(update={"items": items})


def in_order(events: Iterable[Event]) -> Iterator[Event]:
    """Each event once, oldest first, whatever the order in which they came."""
    unique = {event.event_id: event for event in events}
    return iter(sorted(unique.values(), key=lambda event: (event.timestamp, event.event_id)))


def spell(events: Iterable[Event], category_of: CategoryOf) -> list[str]:
    """The tokens of one shopper's events: a pure function of the set of them."""
    walk = Walk(category_of)
    return [token for event in in_order(events) for token in walk.step(event)]
