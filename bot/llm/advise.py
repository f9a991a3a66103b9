"""A model's part in one turn. The templates' answer is there before it is asked, so whatever it does costs time only.

Of turns that show products it may add advice, sentence by sentence (`phrase`); of turns for which the templates know nothing it
may name what to search for (`plan`), and the search, its conditions and the words around the cards are the shop's own again. Of
turns about the customer's orders that the templates could not settle (`orders`) it may name what is to be looked up or changed: the
shop's own words tell the order, or state the change and ask for the customer's yes. All else, and all that writes, it never sees.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event, Thread
from typing import Literal, Self

from bot.cards import Citation
from bot.llm import prompts
from bot.llm.breaker import Breaker
from bot.llm.check import Check, sentences
from bot.llm.handout import Filled, Handout, enclosed
from bot.llm.masking import Mask
from bot.llm.model import Model, ModelFailed, Request, Speaker, Used
from bot.llm.order_tools import OrderTools
from bot.llm.tools import ORDER_USES, Toolbox
from bot.llm.words import lexicons
from bot.order_wishes import ABOUT_ORDERS, kinds_named, named_order, speaks_of_orders
from bot.state import Item, Pending, Topic
from bot.tasks import order_changes, orders, search
from bot.turn import Answer, Turn
from index.filters import Filters
from retrieval.understanding import merge
from storage import conversations
from storage.errors import AisleError
from storage.settings import LlmSettings

_LOGGER = logging.getLogger(__name__)
Use = Literal["phrase", "plan", "orders"]
"""What a model is asked for: advice about the cards, what to search for, or what is meant of the customer's orders."""
Piece = str | Used | ModelFailed | None
"""What a model's thread hands over: text, tokens used, what went wrong, or None at the end."""
HISTORY = 6
"""Messages of the conversation that a model is given, and how much of each."""
REMEMBERED = 400
SENTENCES = 3
"""So many sentences of a model are shown; what it says after them is not waited for."""
LONGEST = 4_000
"""Characters after which a model is taken to go on for ever."""
_PHRASED = frozenset({"search", "refine", "more", "recommend", "companions", "compare", "show_again"})
_PLANNED = frozenset({"out_of_scope", "chitchat"})
TOLD = 2
"""So many orders that a model looked at are told in one turn."""
_FOUND_BY_ANSWER = frozenset({"relax", "facet", "budget"})
"""Questions whose answer shows products; the answer to any other kind writes."""


class Adviser:
    """Asks one model, for many turns at once; after failures in a row it is left alone for a while."""

    def __init__(self, model: Model, settings: LlmSettings) -> None:
        self.model = model
        self.settings = settings
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_s)
        self.slots = BoundedSemaphore(settings.parallel)

    def consult(self, turn: Turn, answer: Answer, turns: Sequence[conversations.Turn]) -> Consultation | None:
        """The model's part in a turn that the templates have answered; None where it has none."""
        may, task, resolves = self.settings.may, turn.decision.task, turn.decision.pending
        if answer.handed_off or turn.state.handed_off or answer.cart is not None:
            return None
        answered = task == "resolved" and resolves is not None and resolves.kind in _FOUND_BY_ANSWER
        if not ORDER_USES.isdisjoint(may) and _leaves_orders_open(turn, answer):
            return self._about_orders(turn, answer, turns)
        if "phrase" in may and answer.cards and (task in _PHRASED or answered):
            return Consultation(self, turn, answer, turns, "phrase").begun()
        idle = task in _PLANNED or (task in _PHRASED and answer.pending is not None and answer.pending.kind == "what")
        open_question = turn.state.pending is not None and turn.state.pending.kind != "what"
        if "plan" in may and idle and not open_question and turn.understanding.foreign_budget is None:
            return Consultation(self, turn, answer, turns, "plan").begun()
        return None

    def _about_orders(self, turn: Turn, answer: Answer, turns: Sequence[conversations.Turn]) -> Consultation | None:
        try:
            if not turn.backend.orders(turn.principal, turn.user_id):
                return None
            return Consultation(self, turn, answer, turns, "orders").begun()
        except AisleError as error:
            # The shop's own system does not answer: what the templates say of that stands. The error's words may name the customer.
            _LOGGER.warning("The language model is not asked about orders: %s.", type(error).__name__)
            return None


def _leaves_orders_open(turn: Turn, answer: Answer) -> bool:
    """Whether a turn is about the customer's orders and the templates could neither propose nor tell what was asked."""
    task, pending = turn.decision.task, turn.decision.pending
    proposed = answer.pending is not None and answer.pending.kind == "order_change"
    if turn.principal.anonymous or answer.cards or proposed:
        return False
    if task == "order_change" or (task == "resolved" and pending is not None and pending.draft is not None):
        return True
    if task == "order_status":
        # The latest was told, or none of that number; which one was meant the words say, or a change that was not read.
        told = named_order(turn.message, [answer.order_id]) if answer.order_id is not None else None
        return told is None or bool(kinds_named(turn.message))
    if task == "ask_policy":
        return answer.pending is not None and answer.pending.kind == "handoff" and bool(kinds_named(turn.message))
    begun = turn.state.last_task in ABOUT_ORDERS or bool(turn.state.order_id and kinds_named(turn.message))
    about = begun or speaks_of_orders(turn.message)
    return about and (task in _PLANNED or task in _PHRASED)


class Consultation:
    """One turn with a model. Iterate `sentences`; `record` then says how it went, for the stored turn."""

    def __init__(
        self, adviser: Adviser, turn: Turn, answer: Answer, turns: Sequence[conversations.Turn], use: Use
    ) -> None:
        self.use = use
        self._adviser, self._turn, self._answer = adviser, turn, answer
        self._started = time.monotonic()
        self._first_ms: int | None = None
        self._reason = "stopped"  # unless it comes to an end of its own
        self._pieces: SimpleQueue[Piece] | None = None
        self._accepted = 0
        self._shown = False
        self._tokens = [0, 0]
        self._stop = Event()
        self._mask = Mask()
        running = Filters() if use == "plan" and turn.topic.query else (answer.topic or turn.topic).filters
        self._filters = merge(running, turn.understanding) if use == "plan" else running
        handout = Handout(turn.voice)
        for card in answer.cards:
            handout.product(answer.products[card.product_id], card)
        said = [*(each.content for each in turns[-HISTORY:] if each.role == "user"), turn.message]
        # With a proposal the model's part is over: what is proposed the shop's own words say.
        tools = OrderTools(turn, handout, said, self._stop.set, self._mask.restore)
        self._toolbox = Toolbox(turn, handout, self._filters, tools)
        rules = prompts.ORDER_RULES if use == "orders" else prompts.RULES
        rules = rules.format(language=lexicons()[turn.language].name)
        told = (rules, prompts.PHRASE, prompts.PLAN)
        self._check = Check(handout, turn.language, "\n".join(said), self._filters, told, self._mask)
        self._request = self._asked(rules, turns)

    def begun(self) -> Self:
        """The same, once the model is asked: it thinks while the cards go out."""
        adviser = self._adviser
        if not adviser.slots.acquire(blocking=False):
            self._reason = "busy"
        elif not adviser.breaker.allows():
            adviser.slots.release()
            self._reason = "circuit_open"
        else:
            self._pieces = SimpleQueue()
            Thread(target=self._ask, args=(self._pieces,), name="llm", daemon=True).start()
        return self

    @property
    def waits(self) -> bool:
        """Whether nothing can be shown before the model is done, for it decides what is."""
        return self.use != "phrase"

    @property
    def record(self) -> dict[str, object]:
        """What is stored: which path answered, why, how long it took, what was taken out, which tools ran."""
        return {
            "path": "llm" if self._accepted or self._shown else "templates",
            "use": self.use,
            "reason": self._reason,
            "model": self._adviser.model.name,
            "ms": round(1000 * (time.monotonic() - self._started)),
            "first_ms": self._first_ms,
            "sentences": self._accepted,
            "removed": dict(self._check.removed),
            "tools": self._toolbox.called,
            "tokens": self._tokens,
        }

    @property
    def removed(self) -> int:
        """How many of the model's sentences no record backed."""
        return sum(self._check.removed.values())

    def sentences(self) -> Iterator[str]:
        """The model's checked sentences as they come, at most `SENTENCES`; none after a failure or the time allowed.

        Closing the iterator ends the model's part.
        """
        if self.use == "phrase":
            for filled in self._heard():
                yield self._taken(filled)
            self._propose()
            return
        if self.use == "orders":
            heard = list(self._heard())
            if self._reason == "complete" and not self._settle_order(bool(heard)):
                for filled in heard:
                    yield self._taken(filled)
            return
        # What is shown is not known before the plan is made: the words about it wait for it.
        heard = list(self._heard())
        if self._toolbox.searched and self._show():
            shown = {card.product_id for card in self._answer.cards}
            products = self._toolbox.handout.products
            for filled in heard:
                if all(products[name].id in shown for name in filled.products):
                    yield self._taken(filled)
            self._propose()
        elif any(filled.passages for filled in heard):
            self._clear()
            for filled in heard:
                yield self._taken(filled)
        elif self._reason == "complete":
            self._reason = "no_plan"

    def _taken(self, filled: Filled) -> str:
        """A sentence that goes into the reply, with the sources that it quotes."""
        self._accepted += 1
        for name in filled.passages:
            passage = self._toolbox.handout.passages[name]
            self._answer.ledger.text(passage.text, passage.title)
            citation = Citation(kind="document", id=passage.document_id, title=passage.title, quote=passage.text)
            self._answer.citations.append(citation)
        self._answer.ledger.text(*filled.orders)
        return self._mask.restore(filled.text)

    def _asked(self, rules: str, turns: Sequence[conversations.Turn]) -> Request:
        for each in turns:
            self._mask.learn(_address_agreed(each))
        history: list[tuple[Speaker, str]] = [
            ("user" if each.role == "user" else "assistant", self._mask.hide(each.content)[:REMEMBERED])
            for each in turns[-HISTORY:]
            if each.role != "system"
        ]
        handout = self._toolbox.handout
        task = prompts.PLAN
        tools = self._toolbox.tools(self._adviser.settings.may, self.use == "plan")
        if self.use == "orders":
            task = prompts.ORDERS.format(records=self._toolbox.orders.records())
            tools = self._toolbox.order_tools(self._adviser.settings.may)
        if self.use == "phrase":
            said = self._mask.hide(self._turn.voice.sentences(self._answer.parts))[:REMEMBERED]
            task = prompts.PHRASE.format(
                said=said, records=enclosed([handout.facts(name) for name in handout.products])
            )
        asked = f"{task}\n\nThe customer says: {self._mask.hide(self._turn.message)}"
        return Request(rules, (*history, ("user", asked)), tools)

    def _heard(self) -> Iterator[Filled]:
        """The sentences that hold, while there is time; says in `_reason` how it ended."""
        if self._pieces is None:
            return
        adviser, held = self._adviser, 0
        try:
            for sentence in sentences(self._deltas(self._pieces), self._turn.language):
                filled = self._check.accepted(sentence)
                if filled is None:
                    continue
                held += 1
                if self._first_ms is None:
                    self._first_ms = round(1000 * (time.monotonic() - self._started))
                yield filled
                if held == SENTENCES:
                    break
            self._reason = "complete" if held or self._toolbox.useful else "nothing_held"
            adviser.breaker.succeeded()
        except ModelFailed as failure:
            self._reason = failure.reason
            adviser.breaker.failed()
            _LOGGER.warning("The language model %s failed: %s.", adviser.model.name, failure.reason)
        except Exception:
            # A defect of ours in judging it must not cost the customer the answer that is there.
            self._reason = "defect"
            _LOGGER.exception("A language model's answer could not be judged.")
        finally:
            self.close()

    def close(self) -> None:
        """The model's part is over, whatever it still does."""
        self._stop.set()
        self._toolbox.closed = True

    def _deltas(self, pieces: SimpleQueue[Piece]) -> Iterator[str]:
        """The text as the model's thread hands it over.

        Raises:
            ModelFailed: it failed, said nothing at all, went on for ever, or the time allowed is over.

        """
        until = self._started + self._adviser.settings.timeout_s
        length = 0
        while True:
            try:
                piece = pieces.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                raise ModelFailed("timeout") from None
            if isinstance(piece, ModelFailed):
                raise piece
            if piece is None:
                if not length and not self._toolbox.called:
                    raise ModelFailed("empty")
                return
            if isinstance(piece, Used):
                self._tokens[0] += piece.sent
                self._tokens[1] += piece.received
                continue
            length += len(piece)
            if length > LONGEST:
                raise ModelFailed("endless")
            yield piece

    def _ask(self, pieces: SimpleQueue[Piece]) -> None:
        """Runs in a thread of its own: a model that hangs must not hold the turn."""
        try:
            for piece in self._adviser.model.stream(self._request, self._stop.is_set):
                pieces.put(piece)
                if self._stop.is_set():
                    break
            pieces.put(None)
        except ModelFailed as failure:
            pieces.put(failure)
        except Exception as error:
            _LOGGER.exception("The language model's thread failed.")
            pieces.put(ModelFailed(type(error).__name__))
        finally:
            self._adviser.slots.release()

    def _clear(self) -> None:
        """What the templates said for want of anything better goes."""
        answer = self._answer
        answer.parts, answer.pending, answer.action = [], None, "answer"
        self._turn.voice.said.clear()

    def _show(self) -> bool:
        """Shows the last search of the plan as if the customer had asked for it."""
        query, found = self._toolbox.searched[-1]
        if not found.hits:
            return False
        self._clear()
        search.present(self._turn, self._answer, Topic(query=query, filters=self._filters))
        return bool(self._answer.cards)

    def _settle_order(self, speaks: bool) -> bool:
        """Does what the model's calls come to: states a change, or tells the orders that it looked at; whether that is all.

        Where the templates knew nothing, a model that `speaks` or looked something up takes their place.

        What was found is the backend's, the words are the templates'. A person is offered, never fetched.
        """
        turn, answer, tools = self._turn, self._answer, self._toolbox.orders
        before = list(answer.parts), answer.pending, answer.action, answer.order_id
        try:
            if tools.proposal is not None:
                self._clear()
                order_changes.offered(turn, answer, tools.proposal)
                self._shown = True
                return True
            if turn.decision.task in _PLANNED and (speaks or tools.read):
                self._clear()
            question = answer.parts.pop() if answer.pending is not None else ""
            for order in [each for each in tools.read if each.order_id != answer.order_id][:TOLD]:
                orders.tell(turn, answer, order)
                self._shown = True
            answer.say(question)
        except AisleError as error:
            answer.parts, answer.pending, answer.action, answer.order_id = before
            self._reason, self._shown = "backend", False
            _LOGGER.warning("What the language model proposed of an order is dropped: %s.", type(error).__name__)
            return False
        if tools.transfer and answer.pending is None:
            answer.ask(turn.voice.say("change.person"), Pending(kind="handoff"))
            self._shown = True
        return False

    def _propose(self) -> None:
        """Asks the customer about what the model would put in the cart; their yes goes the way of every other."""
        proposal, answer = self._toolbox.proposal, self._answer
        if proposal is None or answer.pending is not None or self._reason != "complete":
            return
        name, quantity = proposal
        card = self._toolbox.handout.cards[name]
        if card.product_id not in {each.product_id for each in answer.cards} or not card.availability.orderable:
            return
        item = Item(product_id=card.product_id, variant_id=card.variant_id)
        answer.ask(
            self._turn.voice.say("accept.offer_add", title=card.title),
            Pending(kind="add", items=(item,), quantity=quantity),
        )


def _address_agreed(turn: conversations.Turn) -> str:
    """The postal address in the change to an order that a turn proposed; empty where there is none."""
    pending = (turn.data.get("effects") or {}).get("pending") or {}
    return str((pending.get("draft") or {}).get("address") or "")
