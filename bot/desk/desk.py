"""The desk as one object: what the agents' window and `/api/agent` call.

Every method takes the `Principal` who asks, and what it reads and writes is checked in the data layer: an agent sees the
conversations of their own team, a supervisor all, and whoever may see a conversation may see the records of its customer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from types import MappingProxyType
from typing import Any, Final, Literal

from bot.cards import Card
from bot.desk.context import Context
from bot.desk.feed import Feed, Looked
from bot.desk.next_action import next_action_of
from bot.desk.ranking import Suggested
from bot.desk.reply_book import ReplyBook
from bot.desk.rows import Known, Rows, intent_of
from bot.desk.slots import orders_known, record_known
from bot.desk.suggest import Suggester
from bot.desk.summary import summary_of
from bot.desk.views import (
    Case,
    CustomerView,
    Happening,
    NextAction,
    NoteView,
    OrderView,
    Queue,
    Row,
    Said,
    Suggestions,
    SuggestionView,
    Summary,
)
from bot.labels import OUT_OF_SCOPE
from bot.llm.translate import translated
from bot.present import card_of
from bot.service import Assistant
from bot.transcript import messages_of
from index.product import Money
from storage import desk, tickets
from storage.conversations import SUPPORT, Turn
from storage.corrections import correct_intent, corrections_of
from storage.errors import InvalidInput, NotFound
from storage.labels import Label
from storage.orders import Order
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.suggestions import Suggestion, mark, mark_sent, show

LONGEST: Final = 4_000
"""Characters that an agent can say at once."""
MOST_CARDS: Final = 10
ORDERS_SHOWN: Final = 5
ROW_MS: Final = 60_000
"""A row is kept for so long after its change: who is told of that is told within a look or two."""
_EVERYBODY: Final = Principal("desk", Role.SUPERVISOR, machine=True)
"""Makes the rows that several agents are shown; which of them each may see is decided before."""
Filter = Literal["waiting", "held", "mine", "live"]


class Desk:
    """Works for all agents of a shop; all methods may be called from several threads."""

    def __init__(self, assistant: Assistant) -> None:
        self.assistant = assistant
        self.feed = Feed(assistant.database)
        self._rows = Rows(assistant)
        self._suggester = Suggester(assistant, ReplyBook(assistant))
        self._lock = Lock()
        self._spelled: OrderedDict[str, tuple[int, str]] = OrderedDict()
        assistant.on_erasure.append(self.forget)
        assistant.on_consent.append(self._rows.forget)

    def forget(self) -> None:
        """Nothing of anybody is kept any more."""
        self._rows.forget()
        with self._lock:
            self._spelled.clear()

    def queue(self, principal: Principal, state: Filter | None = None) -> Queue:
        """The conversations with an open ticket, who has waited longest first; `state` picks some of them.

        `live` are a supervisor's: those that Aisle holds and that spoke within the last ten minutes.
        """
        database = self.assistant.database
        tickets.free_absent(database, principal)
        ids = None
        if state == "live":
            principal.require_role(Role.SUPERVISOR)
            ids = [each.conversation_id for each in tickets.lately(database) if not each.open]
        rows = self._rows.of(tickets.queue(database, principal, ids))
        if state == "mine":
            rows = tuple(row for row in rows if row.holder == principal.id)
        elif state is not None:
            rows = tuple(row for row in rows if row.state == state)
        return Queue(conversations=rows, agents=tuple(self.agents(principal)))

    def agents(self, principal: Principal) -> list[str]:
        """Who of the principal's team sits at the desk now."""
        return desk.present(self.assistant.database, principal.team or SUPPORT)

    def spelled(self, looked: Looked) -> Iterator[str]:
        """Each changed conversation's row as JSON, made once for all who are told of it."""
        with self._lock:
            known = self._spelled
            while known and next(iter(known.values()))[0] < now_ms() - ROW_MS:
                known.popitem(last=False)
            stale = [each for each in looked if known.get(each.conversation_id, (0, ""))[0] < each.updated_at]
            if stale:
                ids = [each.conversation_id for each in stale]
                for row in self._rows.of(tickets.queue(self.assistant.database, _EVERYBODY, ids)):
                    self._spelled[row.conversation_id] = row.updated_at, row.model_dump_json()
                    self._spelled.move_to_end(row.conversation_id)
            found = [self._spelled.get(each.conversation_id) for each in looked]
        return (each[1] for each in found if each is not None)

    def case(self, principal: Principal, conversation_id: str) -> Case:
        """All that stands beside one conversation."""
        context = self._context(principal, conversation_id)
        database = self.assistant.database
        corrections = corrections_of(database, principal, conversation_id)
        messages, happenings = told(context.turns, corrections)
        contacts = (each.contact for each in tickets.tickets_of(database, principal, conversation_id))
        return Case(
            row=self._row(principal, conversation_id),
            messages=messages,
            happenings=happenings,
            notes=self.notes(principal, conversation_id),
            customer=self._customer(context),
            contact=next((each for each in contacts if each), ""),
            draft=desk.draft_of(database, principal, conversation_id),
            labels=self._labels,
        )

    def claim(self, principal: Principal, conversation_id: str) -> Row:
        """Takes a conversation; Aisle is silent in it from now on."""
        desk.be_present(self.assistant.database, principal)
        tickets.claim(self.assistant.database, principal, conversation_id)
        return self._row(principal, conversation_id)

    def assign(self, principal: Principal, conversation_id: str, agent: str) -> Row:
        """Gives a conversation to an agent."""
        tickets.assign(self.assistant.database, principal, conversation_id, agent)
        return self._row(principal, conversation_id)

    def release(self, principal: Principal, conversation_id: str, to: Literal["queue", "aisle"] = "queue") -> Row:
        """Lets a conversation go: back into the queue, or to Aisle."""
        tickets.release(self.assistant.database, principal, conversation_id, to)
        return self._row(principal, conversation_id)

    def close(self, principal: Principal, conversation_id: str, code: str) -> Row:
        """Closes the ticket with one of the shop's codes.

        Raises:
            InvalidInput: the shop has no such code.
        """
        codes = self.assistant.settings.desk.codes
        if code not in codes:
            raise InvalidInput(f"There is no code {code[:40]!r}.", f"Use one of: {', '.join(codes)}.")
        tickets.close(self.assistant.database, principal, conversation_id, code)
        return self._row(principal, conversation_id)

    def say(
        self,
        principal: Principal,
        conversation_id: str,
        text: str,
        products: Sequence[str] = (),
        suggestion_id: str | None = None,
        message_id: str | None = None,
    ) -> Said:
        """Says something to the customer, with cards of products at today's prices; the agent's draft is done with.

        The same `message_id` twice is said once. `suggestion_id` is what the text began as.

        Raises:
            InvalidInput: nothing is said, or too much.
            NotFound: there is no such product.
        """
        text = text.strip()
        if not (text or products) or len(text) > LONGEST or len(products) > MOST_CARDS:
            raise InvalidInput(
                "There is nothing to say." if not text and not products else "This is too much for one message.",
                f"Say up to {LONGEST:,} characters, with up to {MOST_CARDS} products.",
            )
        cards = [self._card(product_id) for product_id in products]
        context = self._context(principal, conversation_id)
        data = {"agent": principal.id, "products": [card.model_dump(mode="json") for card in cards]}
        turn = Turn(role="agent", content=text, language=context.language, data=data)
        if message_id is not None:
            turn = Turn.model_validate(turn.model_dump() | {"message_id": message_id})
        database = self.assistant.database
        desk.be_present(database, principal)
        tickets.answer(database, principal, conversation_id, turn)
        desk.keep_draft(database, principal, conversation_id, "")
        if suggestion_id is not None:
            with suppress(NotFound):  # the message is said, whatever it began as
                mark_sent(database, principal, conversation_id, suggestion_id, text)
        return told([turn])[0][0]

    def suggestions(self, principal: Principal, conversation_id: str, language: str = "") -> Suggestions:
        """What the agent could answer to the customer's latest message, best first; noted as shown to the agent.

        `language` is that of the titles, the agent's own; what would be said is in the customer's.
        """
        context = self._context(principal, conversation_id)
        asked = context.asked
        if asked is None:
            return Suggestions(message_id=None, suggestions=())
        found = self._suggester.suggest(context, language)
        proposals = [each.proposal for each in found]
        shown = show(self.assistant.database, principal, conversation_id, asked.message_id, proposals)
        views = tuple(
            _suggestion(each, noted) for each, noted in zip(found, shown, strict=True) if noted.dismissed_at is None
        )
        return Suggestions(message_id=asked.message_id, suggestions=views)

    def mark(
        self, principal: Principal, conversation_id: str, suggestion_id: str, done: Literal["inserted", "dismissed"]
    ) -> None:
        """Notes what the agent made of a suggestion."""
        mark(self.assistant.database, principal, conversation_id, suggestion_id, done)

    def summary(self, principal: Principal, conversation_id: str, language: str = "") -> Summary:
        """The conversation in a few sentences, in the agent's language."""
        return summary_of(self._context(principal, conversation_id), language)

    def next_action(self, principal: Principal, conversation_id: str, language: str = "") -> NextAction:
        """The one thing to do now, in the agent's language."""
        return next_action_of(self._context(principal, conversation_id), language)

    def messages(self, principal: Principal, conversation_id: str) -> tuple[Said, ...]:
        """What was said."""
        corrections = corrections_of(self.assistant.database, principal, conversation_id)
        return told(self._context(principal, conversation_id).turns, corrections)[0]

    def correct(self, principal: Principal, conversation_id: str, message_id: str, intents: Sequence[str]) -> None:
        """Says what a customer meant with a message, from which later models learn; the last word counts.

        Raises:
            InvalidInput: the model that serves knows no such intent.
        """
        unknown = next((name for name in intents if name not in self._labels), None)
        if unknown is not None:
            raise InvalidInput(f"There is no intent {unknown[:80]!r}.", f"Use one of: {', '.join(self._labels)}.")
        correct_intent(self.assistant.database, principal, conversation_id, message_id, intents)

    def notes(self, principal: Principal, conversation_id: str) -> tuple[NoteView, ...]:
        """What agents told each other about a conversation."""
        return tuple(map(_note, desk.notes_of(self.assistant.database, principal, conversation_id)))

    def note(self, principal: Principal, conversation_id: str, text: str) -> NoteView:
        """Tells the other agents something.

        Raises:
            InvalidInput: the note is empty.
        """
        if not text.strip():
            raise InvalidInput("The note is empty.", "Write something.")
        return _note(desk.add_note(self.assistant.database, principal, conversation_id, text.strip()))

    def draft(self, principal: Principal, conversation_id: str, text: str) -> None:
        """Keeps what the agent has written and not sent."""
        desk.keep_draft(self.assistant.database, principal, conversation_id, text)

    def macros(self, principal: Principal) -> list[desk.Macro]:
        """The replies at hand."""
        return desk.macros_of(self.assistant.database, principal)

    def translate(self, principal: Principal, conversation_id: str, text: str, language: str) -> str:
        """A text of this conversation in another language, by the shop's language model; `translated` says what it raises."""
        desk.on_behalf(self.assistant.database, principal, conversation_id)
        return translated(self.assistant.adviser, text, language)

    @property
    def _labels(self) -> tuple[str, ...]:
        """What a message can be corrected to."""
        return (*(label for label in self.assistant.parts.intents.labels if label != OUT_OF_SCOPE), OUT_OF_SCOPE)

    def _context(self, principal: Principal, conversation_id: str) -> Context:
        return Context.of(self.assistant, principal, conversation_id)

    def _row(self, principal: Principal, conversation_id: str) -> Row:
        found = self._rows.of(tickets.queue(self.assistant.database, principal, [conversation_id]))
        if not found:
            raise NotFound(f"There is no conversation {conversation_id[:200]!r} here.", "Read the queue anew.")
        return found[0]

    def _card(self, product_id: str) -> Card:
        """By a product's id or a variant's."""
        product = self.assistant.product_record(product_id)
        return card_of(product, product_id if product_id != product.id else None)

    def _customer(self, context: Context) -> CustomerView:
        assistant, customer, consent = self.assistant, context.customer, context.consent
        known = self._rows.known(customer.id) if consent.personalize else Known()
        record = record_known(context)
        return CustomerView(
            user_id=customer.id,
            name=" ".join(filter(None, (record.first_name, record.last_name))),
            email=record.email,
            anonymous=customer.anonymous,
            beliefs=assistant.profile(customer, language=context.language).beliefs,
            orders=tuple(self._order(order) for order in orders_known(context)[:ORDERS_SHOWN]),
            cart=context.cart,
            stage=assistant.position(customer).stage,
            churn=known.churn,
            churn_reason=known.churn_reason,
            consent=consent.model_dump(),
        )

    def _order(self, order: Order) -> OrderView:
        products = self.assistant.parts.shelf.products([item.product_id for item in order.items])
        titles = (
            products[item.product_id].title if item.product_id in products else item.product_id for item in order.items
        )
        return OrderView(
            order_id=order.order_id,
            status=order.status,
            placed_at=order.placed_at,
            total=Money(amount=order.total, currency=order.currency)
            if order.total is not None and order.currency
            else None,
            titles=tuple(titles),
            tracking=(order.tracking.number or "") if order.tracking is not None else "",
        )


def told(
    turns: Iterable[Turn], corrections: Mapping[str, Label] = MappingProxyType({})
) -> tuple[tuple[Said, ...], tuple[Happening, ...]]:
    """What was said, with what people said of its intents by message id, and what happened between."""
    messages: list[Said] = []
    happenings: list[Happening] = []
    for turn in turns:
        if turn.role == "system":
            if "event" in turn.data:
                happenings.append(_happening(len(messages), turn.data, turn.created_at))
            continue
        for message in messages_of([turn]):
            extra: dict[str, Any] = {"agent": str(turn.data.get("agent", ""))} if turn.role == "agent" else {}
            if turn.role == "user":
                extra["intent"] = intent_of(turn)
                label = corrections.get(turn.message_id)
                extra["corrected"] = label.intents if label is not None else ()
            messages.append(Said(**dict(message), **extra))
    return tuple(messages), tuple(happenings)


def _suggestion(found: Suggested, noted: Suggestion) -> SuggestionView:
    return SuggestionView(
        suggestion_id=noted.suggestion_id,
        kind=noted.kind,
        rank=noted.rank,
        title=found.title,
        text=noted.text,
        source=noted.source,
        missing=found.missing,
        card=found.card,
        citation=found.citation,
    )


def _happening(place: int, data: dict[str, Any], at: int) -> Happening:
    return Happening(place=place, event=data["event"], agent=str(data.get("agent", "")), created_at=at)


def _note(note: desk.Note) -> NoteView:
    return NoteView(note_id=note.note_id, author=note.author, text=note.text, created_at=note.created_at)
