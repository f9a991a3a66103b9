"""What is proposed to an agent for a customer's latest message, ranked over kinds, each with its source.

    replies at hand, filled ─┐
    approved answers         │
    pages, quoted            ├──► grounded by the customer's records ──► one order (`bot/desk/ranking.py`)
    products, with reasons   │
    Aisle's own answer       │
    past replies, filled     │
    what to ask, or to do ───┘

Everything but past replies and macros is what Aisle itself would say, rehearsed without a trace (`Talk.rehearse`). What a customer
writes is looked up and never followed: it fills no slot, and a figure in a proposal is a record's or its sentence is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, Protocol

from bot.cards import Card, Citation
from bot.desk.context import Context
from bot.desk.macros import MacroBook
from bot.desk.missing import needed
from bot.desk.next_action import Signs, next_step
from bot.desk.ranking import Candidate, Suggested, ranked, useful
from bot.desk.slots import facts_of, fill
from bot.desk.words import desk_voice
from bot.grounding import Ledger
from bot.passages import excerpt, scored_passages
from bot.policy import Task
from bot.present import slate_of
from bot.reply.voice import Voice
from bot.service import Assistant
from bot.shelf import Found
from bot.talk import Rehearsal
from bot.tasks.search import found_for
from bot.turn import Turn
from index.filters import Filters
from storage import conversations
from storage.suggestions import Kind, Proposal

PICKS: Final = 3
PAGES: Final = 2
KEPT: Final = 2
PAST: Final = 3
HISTORY: Final = 6
"""Messages that past replies are looked up by."""
LIKELY: Final = 0.35
"""Products are looked for only where they are this useful."""
AISLE: Final = "aisle"
"""The source of what Aisle would have said."""
_SPOKEN: Final[frozenset[Task]] = frozenset(
    {
        "greet",
        "goodbye",
        "thank",
        "compare",
        "companions",
        "show_again",
        "ask_product",
        "ask_policy",
        "order_status",
        "cart_view",
        "checkout",
        "reject",
    }
)
"""Tasks whose words say something also where no cards stand beside them."""
_LABELS: Final[Mapping[Task, str]] = {
    "correct": "refine",
    "more": "refine",
    "return_to": "refine",
    "resolved": "refine",
    "show_again": "ask_product",
    "companions": "recommend",
    "bundle": "recommend",
    "bundle_change": "recommend",
    "reorder": "cart_add",
    "order_change": "order_status",
    "accepted": "accept",
    "swearing": "complaint",
    "care": "handoff",
}
"""What a task that is no intent is answered like."""
_SMALL: Final = frozenset({"greet", "goodbye", "thank", "accept", "reject", "handoff", "chitchat"})
"""Intents of few words, which are somewhat like everything."""
_CLOSE: Final = 0.7
"""How close a text must be that such words, or words that ask for something else, call for."""
_BY_WORDS: Final = 0.8
"""How sure it is that a message is what its words say, where they outweighed the model."""
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


class PastReply(Protocol):
    """A reply of a resolved dialogue as a template: where it was said, how often, and how well it follows, a cosine."""

    @property
    def text_template(self) -> str:
        """The reply, with slots in braces."""

    @property
    def score(self) -> float:
        """How well it follows what was said."""

    @property
    def source_dialogue(self) -> str:
        """The id of a dialogue in which it was said."""

    @property
    def times_used(self) -> int:
        """How often it was."""


class ReplySource(Protocol):
    """Finds replies of the past, as templates whose `{slots}` stand for one customer's records."""

    def suggest(self, history: Sequence[Mapping[str, object]], k: int) -> Sequence[PastReply]:
        """The best `k` for what was said last; `history` has {"role", "content"}, oldest first."""
        ...


class Suggester:
    """Proposes for one shop. Safe to share between threads; `replies` finds past replies where the shop has such."""

    def __init__(self, assistant: Assistant, replies: ReplySource | None = None) -> None:
        self.assistant = assistant
        self.replies = replies
        self._macros = MacroBook(assistant.database)

    def suggest(self, context: Context, language: str = "") -> list[Suggested]:
        """What the agent could answer to the customer's latest message, best first; nothing before there is one.

        Where that only asks for a person, it is what nobody has answered before it.

        Args:
            context: the conversation.
            language: of the titles, the agent's own; by default the customer's. Texts are always in the customer's.
        """
        asked = Signs(context).asked
        if asked is None:
            return []
        desk = Proposals(self, context, asked, language)
        return ranked(desk, partial(useful, *desk.intent))

    def macros(self, text: str, language: str, k: int) -> list[tuple[float, str, str, str]]:
        """Replies at hand as (fit, id, title, text)."""
        found = self._macros.find(text, language, self.assistant.parts.shelf.encoders, k)
        return [(fit, macro.macro_id, macro.title, macro.text) for fit, macro in found]


@dataclass
class Proposals:
    """All candidates for one message, each kind in its own order."""

    suggester: Suggester
    context: Context
    asked: conversations.Turn
    language: str

    @property
    def assistant(self) -> Assistant:
        """Whose parts are used."""
        return self.suggester.assistant

    @cached_property
    def voice(self) -> Voice:
        """Speaks to the customer."""
        state = self.context.state
        return desk_voice(self.context.language, self.asked.message_id, state.said)

    @cached_property
    def titles(self) -> Voice:
        """Speaks to the agent."""
        return desk_voice(self.language or self.context.language)

    @cached_property
    def before(self) -> list[conversations.Turn]:
        """The turns before the message."""
        turns = self.context.turns
        place = next(at for at, turn in enumerate(turns) if turn.message_id == self.asked.message_id)
        return list(turns[:place])

    @cached_property
    def rehearsal(self) -> Rehearsal | None:
        """What Aisle would have said; None for a message without words."""
        head = self.context.head
        return self.assistant.rehearse(self.context.customer, head.conversation_id, self.before, self.asked)

    @cached_property
    def facts(self) -> dict[str, str]:
        """This customer's records by slot."""
        return facts_of(self.context, self.voice)

    @cached_property
    def intent(self) -> tuple[str, float]:
        """What the message is answered as, and how sure that is."""
        if self.rehearsal is None:
            return "out_of_scope", 0.0
        task, told = self.rehearsal.turn.decision.task, self.rehearsal.intent
        label = _LABELS.get(task, task)
        return label, told.confidence if label == told.label else max(told.confidence, _BY_WORDS)

    def __iter__(self) -> Iterator[Candidate]:
        rehearsal = self.rehearsal
        text = rehearsal.turn.message if rehearsal is not None else ""
        if rehearsal is not None:
            yield from self._pages(rehearsal, text)
            yield from self._approved(text)
            yield from self._aisle(rehearsal)
            yield from self._products(rehearsal)
            yield from self._asks(rehearsal)
        yield from self._kept(text)
        yield from self._past()
        yield from self._action()

    def _kept(self, text: str) -> Iterator[Candidate]:
        """Replies at hand, filled; their own words are the shop's."""
        least = _CLOSE if self.intent[0] in _SMALL else 0.0
        for fit, source, title, template in self.suggester.macros(text, self.context.language, KEPT):
            if fit < least:
                continue
            said, missing = fill(template, self.facts)
            yield self._candidate("macro", source, said, title, min(1.0, fit), missing=missing)

    def _approved(self, text: str) -> Iterator[Candidate]:
        """What a person answered before to the same question, and a supervisor approved."""
        found = self.assistant.answer_given(text, self.context.language)
        if found is not None:
            pair = found.pair
            citation = Citation(kind="dialogue", id=pair.answer_id, title=pair.question, quote=pair.answer)
            title = self.titles.word("from", "approved")
            yield self._candidate("reply", pair.answer_id, pair.answer, title, found.score, citation=citation)

    def _pages(self, rehearsal: Rehearsal, text: str) -> Iterator[Candidate]:
        """The passages of the shop's pages that answer, word for word."""
        shelf = self.assistant.parts.shelf
        least = 0.0 if self.intent[0] == "ask_policy" else _CLOSE
        for fit, passage in scored_passages(shelf, text, rehearsal.turn.language)[:PAGES]:
            if fit < least:
                continue
            quote = excerpt(shelf, passage, text)
            citation = Citation(kind="document", id=passage.document_id, title=passage.title, quote=quote)
            fit = min(1.0, fit)
            yield self._candidate("passage", passage.document_id, quote, passage.title, fit, citation=citation)

    def _aisle(self, rehearsal: Rehearsal) -> Iterator[Candidate]:
        """Aisle's own words where they say something by themselves; the offer to fetch a person is not made by one."""
        turn, answer = rehearsal.turn, rehearsal.answer
        parts, pending = list(answer.parts), answer.pending
        alone = turn.decision.task in _SPOKEN or not answer.cards
        question = ""
        if pending is not None and parts:
            # The question comes last; "want me to fetch a colleague?" is answered by the agent being there.
            question = parts.pop() if pending.kind == "handoff" or not alone else ""
        title = self.titles.word("from", "aisle")
        said = turn.voice.sentences(answer.ledger.checked(parts)).strip() if alone else ""
        cited = answer.citations[0] if len(answer.citations) == 1 else None
        # What a page or an approved answer says is proposed as that.
        if said and turn.decision.task != "ask_policy":
            card = answer.cards[0] if len(answer.cards) == 1 else None
            kind: Kind = "ask" if pending is not None and pending.kind in _ASKING else "reply"
            yield self._candidate(kind, AISLE, said, title, 0.9, card=card, citation=cited)
        if question and pending is not None and pending.kind != "handoff" and answer.ledger.backs(question):
            yield self._candidate("ask", AISLE, question, title, 0.8)

    def _products(self, rehearsal: Rehearsal) -> Iterator[Candidate]:
        """Products that can be had now, in this customer's order, each with why."""
        if useful(*self.intent, "product") < LIKELY:
            return
        turn, answer = rehearsal.turn, rehearsal.answer
        gone = next((card for card in answer.cards if not card.availability.orderable), None)
        if len(answer.cards) == 1 and gone is not None:
            yield from self._instead(turn, gone)
            return
        cards = [card for card in answer.cards if card.availability.orderable]
        ledger = answer.ledger
        if cards:
            cards = ledger.reasons(ledger.cards(cards, answer.products), answer.found) if answer.found else cards
        elif answer.found is None and turn.decision.task not in ("ask_policy", "order_status"):
            cards = self._of_topic(turn, ledger)
        for card in cards[:PICKS]:
            yield self._pick(card, ledger)

    def _of_topic(self, turn: Turn, ledger: Ledger) -> list[Card]:
        """What the talk looks for, under its conditions."""
        topic = turn.topic
        if topic.empty:
            return []
        return self._slate(turn, found_for(turn, topic), topic.filters, ledger)

    def _slate(self, turn: Turn, found: Found, filters: Filters, ledger: Ledger) -> list[Card]:
        cards = ledger.cards(slate_of(found, filters, turn.voice, PICKS), dict(found.products))
        for product in found.products.values():
            ledger.product(product)
        return [card for card in ledger.reasons(cards, found) if card.availability.orderable]

    def _instead(self, turn: Turn, gone: Card) -> Iterator[Candidate]:
        """What is like a product that cannot be had now."""
        record = turn.shelf.product(gone.product_id)
        if record is None or not record.categories:
            return
        filters = Filters(categories=(record.categories[-1],))
        found = turn.find(record.title, filters)
        ledger = Ledger(turn.currency)
        ledger.product(record)
        facts = {"wanted": gone.title, "availability": self.voice.availability(gone.availability)}
        for card in self._slate(turn, found, filters, ledger):
            if card.product_id != gone.product_id and card.price is not None:
                price = self.voice.money(card.price)
                text = self.voice.say("pick.instead", title=card.title, price=price, **facts)
                if ledger.backs(text):
                    yield self._candidate("product", card.product_id, text, card.title, card=card)

    def _pick(self, card: Card, ledger: Ledger) -> Candidate:
        """A product as a sentence: title and price from the record, and the first reason that has evidence."""
        price = self.voice.money(card.price) if card.price is not None else ""
        reason = next((each.text.rstrip(".。") for each in card.reasons if ledger.backs(each.text)), "")
        key = "unpriced" if not price else "plain"
        if reason:
            key = "priced" if not price or price in reason else "reason"
        facts = {"title": card.title, "price": price, "reason": reason}
        return self._candidate(
            "product", card.product_id, self.voice.say(f"pick.{key}", **facts), card.title, card=card
        )

    def _asks(self, rehearsal: Rehearsal) -> Iterator[Candidate]:
        """What has to be asked before this can be done."""
        for slot, text in needed(self.context, rehearsal.turn, self.voice):
            title = self.titles.word("from", "missing", what=self.titles.word("slot", slot))
            yield self._candidate("ask", slot, text, title)

    def _past(self) -> Iterator[Candidate]:
        """Replies of the past, filled; a sentence with a figure that no record of this customer has is left out."""
        if self.suggester.replies is None:
            return
        said = [turn for turn in (*self.before, self.asked) if turn.role != "system"][-HISTORY:]
        history: list[Mapping[str, object]] = [{"role": turn.role, "content": turn.content} for turn in said]
        ledger = Ledger(self.assistant.settings.currency)
        ledger.text(*self.facts.values())
        for past in self.suggester.replies.suggest(history, PAST):
            filled = [fill(part.strip(), self.facts) for part in _SENTENCE.split(past.text_template)]
            kept = [(part, lacks) for part, lacks in filled if ledger.backs(part)]
            text = self.voice.sentences(part for part, _ in kept)
            missing = tuple(dict.fromkeys(slot for _, lacks in kept for slot in lacks))
            name = "before_times" if past.times_used > 1 else "before"
            title = self.titles.word("from", name, count=past.times_used)
            fit = max(0.0, min(1.0, past.score))
            yield self._candidate("reply", past.source_dialogue, text, title, fit, missing=missing)

    def _action(self) -> Iterator[Candidate]:
        """What is best done next, where that begins with something to say."""
        step = next_step(self.context)
        text = step.said(self.voice)
        if text:
            yield self._candidate("action", step.action, text, step.told(self.titles))

    def _candidate(
        self,
        kind: Kind,
        source: str,
        text: str,
        title: str,
        fit: float = 1.0,
        missing: tuple[str, ...] = (),
        card: Card | None = None,
        citation: Citation | None = None,
    ) -> Candidate:
        product_id = card.product_id if card is not None else None
        return Candidate(Suggested(Proposal(kind, source, text, product_id), title, missing, card, citation), fit)


_ASKING: Final = frozenset({"variant", "which_product", "what", "gift", "budget", "facet", "order_slot"})
"""Questions that ask for what is missing; the others offer something."""
