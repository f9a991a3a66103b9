"""Where a conversation stands: a pure fold over its stored turns.

Nothing is kept between turns but the turns themselves, so a conversation survives a restart, moves between processes
and replays the same. A user turn stores what was understood of it, an assistant turn stores what it did (an
`Effects`):

    user       {"intent": {"label": "search", "confidence": 0.97}, "understanding": {…}, "task": "search"}
    assistant  {"action": "answer", "said": ["search.found"], "effects": {"topic": {…}, "shown": [{…}], "pending":
    null, …}}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from index.filters import Filters, PriceRange
from index.product import Availability, Money
from retrieval.understanding import Sort
from storage.conversations import Turn
from storage.settings import ChangeKind

TOPICS = 10
"""So many earlier topics can be returned to."""

PendingKind = Literal[
    "relax",
    "budget",
    "variant",
    "which_product",
    "which_line",
    "empty_cart",
    "add",
    "handoff",
    "facet",
    "what",
    "gift",
    "order_change",
    "order_slot",
    "contact",
]


class Stored(BaseModel):
    """Base of what turns carry as JSON; a field of a newer version is ignored, so that old processes can read on."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Item(Stored):
    """A product as it was shown; `chosen` where the customer, not the search, picked the variant."""

    product_id: str
    variant_id: str | None = None
    chosen: bool = False


class Topic(Stored):
    """What is being looked for: the words, the conditions in force, what ranks without filtering, the order."""

    query: str = ""
    filters: Filters = Field(default_factory=Filters)
    sort: Sort = "relevance"
    detail: str = ""
    """Words that the latest turn added to the query, replaced by the next one that adds some."""
    bound: PriceRange | None = None
    """What "cheaper" came to: it filters like a price limit, but is not repeated as one that the customer named."""
    advice: bool = False
    """Whether the words name a need and not goods: they are looked for more widely."""
    narrowed: bool = False
    """True once a narrowing question was asked: at most one a topic."""

    @property
    def empty(self) -> bool:
        """True where nothing is looked for: what was asked is not sold, or nothing was said yet."""
        return not self.query and self.filters.empty and self.bound is None


class Draft(Stored):
    """A change to an order as far as it has been said.

    `lines` are 0-based; in the same order `counts` are how many pieces of each, 0 for all, and `variants` what takes their place,
    "" for one not chosen yet. `stamp` and `request_id` are those of the proposal that a yes agrees to.
    """

    kind: ChangeKind
    order_id: str = ""
    lines: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()
    method: str = ""
    address: str = ""
    reason: str = ""
    stamp: str = ""
    request_id: str = ""


class Pending(Stored):
    """What the assistant asked or offered last, to be resolved by the next turn.

    `options` are answers it named, in the order in which it named them, and `items` the products they stand for
    where they do.
    """

    kind: PendingKind
    field: str = ""
    fields: tuple[str, ...] = ()
    """Of conditions: the field of each option."""
    options: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    quantity: int = 1
    task: str = ""
    text: str = ""
    rest: tuple[Item, ...] = ()
    """What is to go into the cart, too, once the question about the first of them is answered."""
    draft: Draft | None = None
    """Of `order_change` and `order_slot`: what is agreed to, or what it lacks, which `field` names."""


class Outfit(Stored):
    """A set that was put together: for what, under which conditions, and what it is made of.

    `names` are those by which each of its things is called, in the order of the slate; `budget` is for all of them, in minor units.
    `struck` are needs that the customer has no use for, `refused` products that were exchanged for others.
    """

    occasion: str
    currency: str
    filters: Filters = Field(default_factory=Filters)
    budget: int | None = None
    names: tuple[tuple[str, ...], ...] = ()
    struck: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class Effects(Stored):
    """What an assistant turn changed. None leaves as it was.

    `pending` always replaces, for a question lives one turn.
    """

    topic: Topic | None = None
    """An empty one ends the running topic."""
    shown: tuple[Item, ...] | None = None
    focus: tuple[Item, ...] | None = None
    pending: Pending | None = None
    handed_off: bool = False
    order_id: str | None = None
    """The order spoken of."""
    outfit: Outfit | None = None
    """Lives until something else is shown."""


class Told(Stored):
    """What a card said: its price, and whether the thing could be ordered."""

    price: Money | None = None
    availability: Availability = Availability.IN_STOCK


@dataclass(frozen=True, slots=True)
class DialogueState:
    """`focus` is what "it" means; `shown` the last slate in its order; `slates` all of them, oldest first.

    `subjects` holds what each slate was about, the query of its topic; `compared` what was spoken of together since the last slate.
    `said` counts what was said by template key, so that a repeated fact is phrased in other words. `topics` are those that were
    looked for, each in its last state, the latest last; `told` is what was last shown of a product or variant.
    """

    turns: int = 0
    language: str = ""
    topic: Topic | None = None
    shown: tuple[Item, ...] = ()
    slates: tuple[tuple[Item, ...], ...] = ()
    subjects: tuple[str, ...] = ()
    focus: tuple[Item, ...] = ()
    compared: tuple[Item, ...] = ()
    pending: Pending | None = None
    last_task: str = ""
    handed_off: bool = False
    complaints: int = 0
    order_id: str = ""
    outfit: Outfit | None = None
    said: Mapping[str, int] = field(default_factory=dict)
    topics: tuple[Topic, ...] = ()
    told: Mapping[tuple[str, str | None], Told] = field(default_factory=dict)

    @property
    def seen(self) -> frozenset[str]:
        """The ids of all products that this conversation showed."""
        return frozenset(item.product_id for slate in (*self.slates, self.focus) for item in slate)


def fold(turns: Iterable[Turn]) -> DialogueState:
    """The state after `turns`, oldest first. Of agents counts what they showed, and that one came or went."""
    state = DialogueState()
    for turn in turns:
        state = step(state, turn)
    return state


def step(state: DialogueState, turn: Turn) -> DialogueState:
    """The state after one more turn; turns without data (imported logs) only count."""
    if turn.role == "user":
        task = str(turn.data.get("task", ""))
        return replace(
            state,
            turns=state.turns + 1,
            language=turn.language or state.language,
            last_task=task,
            complaints=state.complaints + (task == "complaint"),
        )
    if turn.role == "agent":
        return _shown_by_agent(state, turn.data)
    if turn.role == "system":
        return _after_event(state, turn.data.get("event"))
    if turn.role != "assistant" or "effects" not in turn.data:
        return state
    return _applied(state, Effects.model_validate(turn.data["effects"]), turn.data)


def _applied(state: DialogueState, effects: Effects, data: Mapping[str, Any]) -> DialogueState:
    shown = state.shown if effects.shown is None else effects.shown
    topic = state.topic if effects.topic is None else None if effects.topic.empty else effects.topic
    cards = {(card["product_id"], card["variant_id"]): Told.model_validate(card) for card in data.get("products", ())}
    return replace(
        state,
        topic=topic,
        shown=shown,
        slates=(*state.slates, shown) if effects.shown else state.slates,
        subjects=(*state.subjects, topic.query if topic is not None else "") if effects.shown else state.subjects,
        focus=state.focus if effects.focus is None else effects.focus,
        compared=_compared(state, effects),
        pending=effects.pending,
        handed_off=state.handed_off or effects.handed_off,
        order_id=state.order_id if effects.order_id is None else effects.order_id,
        outfit=effects.outfit or (None if effects.shown else state.outfit),
        said=Counter(state.said) + Counter(data.get("said", ())),
        topics=state.topics if effects.topic is None else _with_topic(state.topics, effects.topic),
        told={**state.told, **cards} if cards else state.told,
    )


def _shown_by_agent(state: DialogueState, data: Mapping[str, Any]) -> DialogueState:
    """Cards of an agent can be pointed at like those of Aisle."""
    items = tuple(Item.model_validate(card) for card in data.get("products", ()))
    if not items:
        return state
    return _applied(state, Effects(shown=items, focus=items if len(items) == 1 else (), pending=state.pending), data)


def _after_event(state: DialogueState, event: object) -> DialogueState:
    """An agent who comes ends what Aisle had asked; one who ends it leaves a talk that is nobody's to hand over any more."""
    if event == "joined":
        return replace(state, pending=None)
    if event in ("returned", "closed"):
        return replace(state, pending=None, handed_off=False, complaints=0)
    return state


def _compared(state: DialogueState, effects: Effects) -> tuple[Item, ...]:
    if effects.focus is not None and len(effects.focus) > 1:
        return effects.focus
    return state.compared if effects.shown is None else ()


def _with_topic(topics: tuple[Topic, ...], topic: Topic) -> tuple[Topic, ...]:
    """The topics with one more, or with the newer state of one that was there; one without words is no topic to return to."""
    if not topic.query:
        return topics
    return (*(each for each in topics if each.query != topic.query), topic)[-TOPICS:]
