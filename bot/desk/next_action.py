"""One thing for the agent to do now: the first rule that holds, with the facts behind it.

The rules stand in the order of what must not wait: danger, what is late, anger, what was asked before, what is missing, what may
sell, how to end. They read stored records and turns alone, so the same conversation gives the same advice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Final, Literal

from bot.concern import concern_of
from bot.desk.context import Context
from bot.desk.sentiment import asks_again, sentiment_of
from bot.desk.slots import late, order_meant, orders_known, product_meant
from bot.desk.views import NextAction, Sentiment
from bot.desk.words import desk_voice
from bot.labels import OUT_OF_SCOPE
from bot.order_wishes import wanted
from bot.reply.voice import Voice
from bot.tasks.orders import date_of
from retrieval.path.stage import Position
from retrieval.retention import Band, Standing
from storage.conversations import Turn
from storage.orders import Order
from storage.record import now_ms
from storage.tickets import Reason, Ticket, tickets_of

Action = Literal["answer", "ask", "recommend", "reassure", "check_order", "offer_return", "follow_up", "close"]
Facts = dict[str, object]
TITLES: Final = 2
"""So many titles of a cart are named."""
_BUYING: Final = frozenset({"search", "refine", "recommend", "compare", "ask_product", "reject", "accept"})
_SENDS_BACK: Final = frozenset({"return", "exchange"})
_LEAVING: Final = frozenset({Band.COOLING, Band.AT_RISK, Band.GONE})
_ENDS: Final = frozenset({"thank", "goodbye"})
_LEADS_NOWHERE: Final = frozenset({*_ENDS, "greet", "handoff", "accept", "reject", "chitchat"})
_SURE: Final = 0.5
"""Below this confidence an intent is no reason."""


def label_of(turn: Turn) -> str:
    """The intent that a customer's turn was taken for, "" where the model doubted it or was not asked."""
    intent = turn.data.get("intent")
    return str(intent["label"]) if intent and intent["confidence"] >= _SURE else ""


@dataclass(frozen=True)
class Signs:
    """What the rules look at; each is read when a rule first asks for it."""

    context: Context

    @cached_property
    def unanswered(self) -> list[Turn]:
        """What the customer has said since somebody answered; once a person is asked for, only an agent's answer counts."""
        by = ("agent",) if self.context.head.holder is not None or self.ticket is not None else ("agent", "assistant")
        said = self.context.said
        last = max((place for place, turn in enumerate(said) if turn.role in by), default=-1)
        return [turn for turn in said[last + 1 :] if turn.role == "user"]

    @cached_property
    def asked(self) -> Turn | None:
        """The message to answer: the last one that is about something, else the last."""
        telling = [turn for turn in self.unanswered if label_of(turn) not in _LEADS_NOWHERE]
        ends = self.context.asked is not None and label_of(self.context.asked) in _ENDS
        return telling[-1] if telling and not ends else self.context.asked

    @cached_property
    def label(self) -> str:
        """Its intent, "" where the model doubted it or was not asked."""
        return label_of(self.asked) if self.asked is not None else ""

    @cached_property
    def text(self) -> str:
        """Its words."""
        return self.asked.content if self.asked is not None else ""

    @property
    def waits(self) -> bool:
        """Whether the customer waits for an answer; thanks and a farewell want none."""
        return bool(self.unanswered) and self.label not in _ENDS

    @cached_property
    def sentiment(self) -> Sentiment:
        """How they feel."""
        return sentiment_of(self.context.turns)

    @cached_property
    def again(self) -> bool:
        """Whether they ask the same again."""
        return asks_again(self.context.turns)

    @cached_property
    def ticket(self) -> Ticket | None:
        """Why a person was asked for, where one is."""
        found = tickets_of(self.context.assistant.database, self.context.customer, self.context.head.conversation_id)
        return next((ticket for ticket in found if ticket.closed_at is None), None)

    @property
    def reason(self) -> Reason | None:
        """The open ticket's."""
        return self.ticket.reason if self.ticket is not None else None

    @cached_property
    def order(self) -> Order | None:
        """The order that it is about, where it is about one."""
        return order_meant(self.context)

    @cached_property
    def sends_back(self) -> bool:
        """Whether something is to be returned or exchanged."""
        return wanted(self.text, about_orders=True) in _SENDS_BACK

    @cached_property
    def about_orders(self) -> bool:
        """Whether they ask about something that they ordered."""
        return (
            self.label == "order_status" or self.reason == "order" or wanted(self.text, about_orders=False) is not None
        )

    @cached_property
    def position(self) -> Position:
        """Where they are on the way to a purchase."""
        return self.context.assistant.position(self.context.customer)

    @cached_property
    def standing(self) -> Standing | None:
        """How likely they come back."""
        return self.context.assistant.standing(self.context.customer)

    @cached_property
    def in_cart(self) -> str:
        """Titles of the cart as one phrase, "" where it is empty."""
        return ", ".join(line.title for line in self.context.cart.lines[:TITLES])


@dataclass(frozen=True)
class Step:
    """What a rule advises: texts by key, and their facts.

    `say` is what the customer could be told at once, "" where that depends on what the agent finds.
    """

    action: Action
    tell: str
    say: str = ""
    facts: Facts = field(default_factory=dict)

    def told(self, voice: Voice) -> str:
        """The advice to the agent."""
        return voice.word("next", self.tell, **self._in(voice))

    def said(self, voice: Voice) -> str:
        """What the customer could be told first."""
        return voice.say(self.say, **self._in(voice)) if self.say else ""

    def _in(self, voice: Voice) -> Facts:
        return {
            name: date_of(value, voice.language.code) if name == "date" and isinstance(value, int) else value
            for name, value in self.facts.items()
        }


@dataclass(frozen=True)
class Rule:
    """`step` gives the advice where the rule holds, else None; `because` names the facts that are told first."""

    name: str
    step: Callable[[Signs], Step | None]
    because: tuple[str, ...]


def _danger(signs: Signs) -> Step | None:
    if signs.reason != "danger" and (not signs.text or concern_of(signs.text) is None):
        return None
    contact = signs.context.assistant.settings.care.crisis_contact
    return Step("reassure", "danger", "ahead.danger_contact" if contact else "ahead.danger", {"contact": contact})


def _late(signs: Signs) -> Step | None:
    order = signs.order
    if (
        order is None
        or not late(order, now_ms())
        or not (signs.about_orders or _complains(signs) or signs.label == "handoff")
    ):
        return None
    expected = order.tracking.expected_at if order.tracking is not None else None
    return Step("check_order", "late", "ahead.late", {"order": order.order_id, "date": expected})


def _sends_back(signs: Signs) -> Step | None:
    order = signs.order
    if not signs.sends_back or order is None or order.status != "delivered":
        return None
    return Step("offer_return", "return", "ahead.offer_return", {"order": order.order_id})


def _upset(signs: Signs) -> Step | None:
    if signs.sentiment != "upset" or not signs.waits:
        return None
    return Step("reassure", "upset", "ahead.reassure")


def _asked_twice(signs: Signs) -> Step | None:
    return Step("answer", "asked_twice", "ahead.asked_twice") if signs.again and signs.waits else None


def _order(signs: Signs) -> Step | None:
    if not signs.about_orders or not signs.waits:
        return None
    if signs.order is None:
        return Step("ask", "which_order")
    return Step("check_order", "order", facts={"order": signs.order.order_id})


def _complaint(signs: Signs) -> Step | None:
    if not signs.waits or not _complains(signs):
        return None
    product = product_meant(signs.context)
    if product is None:
        return Step("ask", "complaint_plain", "ahead.reassure")
    return Step("ask", "complaint", "ahead.reassure", {"what": product[0].title})


def _recommend(signs: Signs) -> Step | None:
    return Step("recommend", "recommend") if signs.waits and signs.label in _BUYING else None


def _question(signs: Signs) -> Step | None:
    return Step("answer", "question") if signs.waits and signs.label not in ("greet", "") else None


def _wavers(signs: Signs) -> Step | None:
    if not signs.in_cart or signs.label in _ENDS or not (signs.position.wavers or not signs.waits):
        return None
    return Step("follow_up", "wavers", "ahead.follow_up", {"titles": signs.in_cart})


def _keep(signs: Signs) -> Step | None:
    gone = signs.standing is not None and signs.standing.band in _LEAVING
    return Step("follow_up", "keep") if gone and signs.waits else None


def _person(signs: Signs) -> Step | None:
    return Step("ask", "greeting", "ahead.here") if signs.waits and signs.label == "handoff" else None


def _greeting(signs: Signs) -> Step | None:
    return Step("ask", "greeting") if signs.label == "greet" or signs.context.asked is None else None


RULES: Final[tuple[Rule, ...]] = (
    Rule("danger", _danger, ("danger",)),
    Rule("late", _late, ("late", "upset", "churn")),
    Rule("sends_back", _sends_back, ("order", "upset")),
    Rule("upset", _upset, ("upset", "asked_twice", "complaints", "churn")),
    Rule("asked_twice", _asked_twice, ("asked_twice",)),
    Rule("order", _order, ("order", "orders", "signed_out")),
    Rule("complaint", _complaint, ("complaints",)),
    Rule("person", _person, ("reason", "upset", "churn")),
    Rule("recommend", _recommend, ("stage", "cart", "churn")),
    Rule("keep", _keep, ("churn",)),
    Rule("question", _question, ("intent",)),
    Rule("wavers", _wavers, ("wavers", "cart", "churn")),
    Rule("greeting", _greeting, ("stage", "cart")),
)
"""The first that holds is taken; without any all is said."""
REASONS: Final = 3


def next_step(context: Context) -> Step:
    """What to do now, by key."""
    return _first(Signs(context))[0]


def next_action_of(context: Context, language: str = "") -> NextAction:
    """What to do now and why, in the agent's `language`, by default the customer's."""
    signs = Signs(context)
    voice = desk_voice(language or context.language)
    step, because = _first(signs)
    # The facts of the rule first, then what else a person would want to know.
    names = dict.fromkeys((*because, "reason", "intent"))
    told = (text for name in names for text in _WHY[name](signs, voice))
    return NextAction(action=step.action, text=step.told(voice), reasons=tuple(islice(told, REASONS)))


def _first(signs: Signs) -> tuple[Step, tuple[str, ...]]:
    for rule in RULES:
        step = rule.step(signs)
        if step is not None:
            return step, rule.because
    return Step("close", "closing", "ahead.close"), ("pleased", "answered")


def _complains(signs: Signs) -> bool:
    return signs.label == "complaint" or (signs.reason == "complaint" and signs.label in ("", "handoff", OUT_OF_SCOPE))


def _why_order(signs: Signs, voice: Voice) -> list[str]:
    order = signs.order
    if order is None:
        return []
    return [voice.word("why", "order", order=order.order_id, status=voice.word("order", order.status))]


def _why_late(signs: Signs, voice: Voice) -> list[str]:
    order = signs.order
    if order is None or order.tracking is None or order.tracking.expected_at is None:
        return []
    date, status = date_of(order.tracking.expected_at, voice.language.code), voice.word("order", order.status)
    return [voice.word("why", "late", order=order.order_id, date=date, status=status)]


def _why_orders(signs: Signs, voice: Voice) -> list[str]:
    count = len(orders_known(signs.context))
    return [voice.word("why", "orders", count=count)] if signs.order is None and count > 1 else []


def _why_cart(signs: Signs, voice: Voice) -> list[str]:
    cart = signs.context.cart
    if not cart.lines:
        return []
    if cart.subtotal is None:
        return [voice.word("why", "cart_unpriced", count=cart.pieces)]
    return [voice.word("why", "cart", total=voice.money(cart.subtotal))]


def _why_churn(signs: Signs, voice: Voice) -> list[str]:
    standing = signs.standing
    if standing is None or standing.band not in _LEAVING:
        return []
    key = "churn" if standing.own_rhythm else "churn_once"
    facts = {"usual": standing.usual_days, "current": standing.current_days}
    return [voice.word("why", key, band=voice.word("churn", standing.band.value), **facts)]


def _why_complaints(signs: Signs, voice: Voice) -> list[str]:
    count = signs.context.state.complaints
    return [voice.word("why", "complaints", count=count)] if count else []


def _why_intent(signs: Signs, voice: Voice) -> list[str]:
    return [voice.word("why", "intent", intent=voice.word("intent", signs.label))] if signs.label else []


def _plainly(name: str, holds: Callable[[Signs], bool]) -> Callable[[Signs, Voice], list[str]]:
    return lambda signs, voice: [voice.word("why", name)] if holds(signs) else []


def _why_stage(signs: Signs, voice: Voice) -> list[str]:
    stage = signs.position.stage
    return [] if stage == "browsing" else [voice.word("why", f"stage_{stage}")]


def _why_reason(signs: Signs, voice: Voice) -> list[str]:
    told = signs.reason in ("asked", "complaint", "order", "unanswered")
    return [voice.word("why", f"reason_{signs.reason}")] if told else []


_WHY: Final[Mapping[str, Callable[[Signs, Voice], list[str]]]] = {
    "danger": _plainly("danger", lambda _: True),
    "upset": _plainly("upset", lambda signs: signs.sentiment == "upset"),
    "pleased": _plainly("pleased", lambda signs: signs.sentiment == "pleased"),
    "asked_twice": _plainly("asked_twice", lambda signs: signs.again),
    "signed_out": _plainly("signed_out", lambda signs: signs.context.customer.anonymous),
    "wavers": _plainly("wavers", lambda signs: signs.position.wavers),
    "answered": _plainly("answered", lambda signs: not signs.waits),
    "complaints": _why_complaints,
    "late": _why_late,
    "order": _why_order,
    "orders": _why_orders,
    "cart": _why_cart,
    "churn": _why_churn,
    "stage": _why_stage,
    "intent": _why_intent,
    "reason": _why_reason,
}
