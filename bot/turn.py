"""What a task works with: the turn it answers, and the answer it builds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from bot.answer_book import AnswerBook
from bot.backend import Backend
from bot.cards import Action, Card, CartView, Citation
from bot.experiments import Assigned
from bot.exploration import Ordering
from bot.grounding import Ledger
from bot.novelty import Newcomer
from bot.policy import Decision
from bot.reply.voice import WHOLE, Voice
from bot.shelf import Found, Shelf
from bot.state import DialogueState, Effects, Item, Outfit, Pending, Topic
from index.filters import Filters
from index.product import Product
from retrieval.path.stage import Position, Stage
from retrieval.profile import Profile
from retrieval.retention.consumption import DAY_MS, Due
from retrieval.understanding import Sort, Understander, Understanding
from storage.answers import UnansweredKind
from storage.database import Database
from storage.principal import Principal
from storage.record import now_ms
from storage.settings import CardOrder
from storage.tickets import Reason

SLATE = 6
"""Cards a turn shows."""


@dataclass
class Turn:
    """One turn to answer. `profile_of`, `position_of` and `due_of` are called only where an answer depends on them.

    `message` is without swear words and the words that only make it a correction. `clock(stage)` ends a stage's time; `exploration`
    is the chance that a first slate is ordered by lot, `assigned` the shopper's arm of the experiment that runs.
    `newcomer_of(filters, shown)` draws the new product of a slate's reserved place. `at_desk` says whether an agent is there now,
    and `desk_hours` when somebody is, in the turn's language. `lets_know` says whether a reply may use what is kept of the shopper
    where they do not ask for it themselves (the consent `answer`).
    """

    principal: Principal
    user_id: str
    message_id: str
    message: str
    language: str
    state: DialogueState
    decision: Decision
    understanding: Understanding
    voice: Voice
    shelf: Shelf
    understander: Understander
    database: Database
    backend: Backend
    currency: str
    checkout_url: str
    crisis_contact: str
    answers: AnswerBook
    exploration: float
    assigned: Assigned | None
    profile_of: Callable[[], Profile]
    position_of: Callable[[], Position]
    newcomer_of: Callable[[Filters, Collection[str]], Newcomer | None]
    due_of: Callable[[], Due | None]
    clock: Callable[[str], None]
    at_desk: Callable[[], bool]
    desk_hours: str
    lets_know: Callable[[], bool]

    @cached_property
    def profile(self) -> Profile:
        """The shopper's tastes; an empty profile for a stranger."""
        return self.profile_of()

    @cached_property
    def position(self) -> Position:
        """Where the shopper is on the way to a purchase; a stranger's where nothing is known."""
        return self.position_of()

    @cached_property
    def due(self) -> Due | None:
        """What the shopper has probably used up by now, None where nothing is or the shop has not learnt that."""
        return self.due_of()

    @property
    def today(self) -> int:
        """Days since 1970, UTC."""
        return now_ms() // DAY_MS

    @property
    def by_relevance(self) -> bool:
        """Whether the arm of an experiment shows the search's own order, in which neither taste nor range moves a card."""
        return self.assigned is not None and self.assigned.order == "relevance"

    @property
    def topic(self) -> Topic:
        """What is being looked for, an empty topic where nothing is."""
        return self.state.topic or Topic()

    @property
    def about(self) -> tuple[str, ...]:
        """The categories of the last slate: what the talk is about where nothing is named."""
        names = (self.shelf.category_of(item.product_id) for item in self.state.shown)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def find(
        self,
        text: str,
        filters: Filters,
        sort: Sort = "relevance",
        limit: int = 30,
        named: Filters | None = None,
        advice: bool = False,
    ) -> Found:
        """A search in this shopper's order; what cannot be bought now comes last. `named` and `advice` as in `Shelf.find`.

        By relevance the goods that the text names stand before all others: no taste makes a baby monitor of a monitor.
        """
        order: CardOrder = "relevance" if self.by_relevance else "ranked"
        about = () if text else self.about
        further = self.language not in WHOLE
        found = self.shelf.find(
            text, filters, sort, limit, self.profile, self.clock, named, advice, order, about, further
        )
        by_kind = sort == "relevance" and not advice
        hits = sorted(
            found.hits, key=lambda each: (not found.orderable(each), by_kind and not each.hit.sources.get("kind"))
        )
        return replace(found, hits=tuple(hits))


@dataclass(frozen=True, slots=True)
class Open:
    """That nothing answered a question: what it was about, and the product where it was about one."""

    kind: UnansweredKind
    product_id: str | None = None


@dataclass
class Answer:
    """What a task says, shows and changes. Parts are sentences.

    A part that starts with a line break is a block (a table). `stage` is the one that a slate was laid out by. `reason` says why
    the conversation is handed over, where it is, and `contact` where the customer agreed to be answered. `changed` says that an
    order was changed.
    """

    ledger: Ledger
    parts: list[str] = field(default_factory=list)
    action: Action = "answer"
    cards: list[Card] = field(default_factory=list)
    products: dict[str, Product] = field(default_factory=dict)
    citations: list[Citation] = field(default_factory=list)
    cart: CartView | None = None
    topic: Topic | None = None
    shown: tuple[Item, ...] | None = None
    focus: tuple[Item, ...] | None = None
    pending: Pending | None = None
    handed_off: bool = False
    reason: Reason = "asked"
    contact: str = ""
    changed: bool = False
    ordering: Ordering | None = None
    stage: Stage | None = None
    found: Found | None = None
    unanswered: Open | None = None
    order_id: str | None = None
    outfit: Outfit | None = None

    def say(self, *parts: str) -> None:
        """Adds sentences."""
        self.parts.extend(part for part in parts if part)

    def ask(self, question: str, pending: Pending) -> None:
        """Ends with a question whose answer the next turn resolves."""
        self.parts.append(question)
        self.pending = pending
        self.action = "ask"

    def hand_over(self, reason: Reason) -> None:
        """Gives the conversation to the agents."""
        self.action, self.handed_off, self.reason = "handoff", True, reason

    def show(
        self, cards: Sequence[Card], products: Iterable[Product], slate: bool = True, found: Found | None = None
    ) -> None:
        """Shows cards; a slate is what "the second one" counts in, and a single card becomes what "it" means.

        Cards that come with reasons need the search that `found` them.
        """
        self.cards = list(cards)
        self.found = found
        self.ordering = None
        self.know(*products)
        self.ledger.text(*(card.title for card in cards))
        items = tuple(Item(product_id=card.product_id, variant_id=card.variant_id) for card in cards)
        if slate:
            self.shown = items
        self.focus = items if len(items) == 1 or not slate else ()

    def know(self, *products: Product) -> None:
        """Enters products in the ledger, so that the reply may speak of them."""
        for product in products:
            if product.id not in self.products:
                self.products[product.id] = product
                self.ledger.product(product)

    @property
    def effects(self) -> Effects:
        """What the assistant turn stores."""
        return Effects(
            topic=self.topic,
            shown=self.shown,
            focus=self.focus,
            pending=self.pending,
            handed_off=self.handed_off,
            order_id=self.order_id,
            outfit=self.outfit,
        )
