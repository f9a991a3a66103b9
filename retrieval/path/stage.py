"""How far a shopper is: browsing, comparing or ready to buy, followed token by token.

Stages are read by a rule of one state, the same in every shop:

    ready       goes to the cart: adds, looks into it, checks out, buys, or looks again while something lies in it; or
                comes back and goes straight to a product known from before
    comparing   looks again, looks long, searches, or takes something out of the cart
    browsing    everything else: first looks and short ones

A list leaves the stage as it is. After a purchase, and after more than a week away, the way begins anew. Where the shop has a
trained chain, whoever buys more likely than not is ready, too.

A hidden Markov model over the same tokens, with a forward filter, was tried and agrees less with what demo shoppers are up to;
docs/benchmarks.md has the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from retrieval.path.chain import PurchaseChain
from retrieval.path.tokens import END, FILLED, FIRST, LATER, PURCHASE, STARTS, CategoryOf, Walk, in_order, without
from storage.event import Event

Stage = Literal["browsing", "comparing", "ready"]
STAGES: tuple[Stage, ...] = ("browsing", "comparing", "ready")

LIKELY = 0.5
"""Whose chance of a purchase is at least this is ready."""
_TO_CART = frozenset({"add", "cart", "checkout", PURCHASE})
_COMPARES = frozenset({"search", "remove", "view_new_long", "view_alike_long"})
_KNOWN = frozenset({"view_again", "view_again_long"})
_EVIDENCE = 20
REMEMBERED = frozenset({"view_item", "add_to_cart", "remove_from_cart"})
"""Events whose items a path remembers."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a shopper is at a moment; the default is a stranger's.

    Attributes:
        stage: by the path alone, without what is said in a conversation.
        p_purchase: the chance of a purchase in the session that is on, or would begin now, 0 to 1; None where the shop has no
            trained chain, or nothing is known of the shopper.
        categories: names of the categories looked at on this way, latest last.
        chosen: ids of what lies in the cart, latest last, else of what was looked at again, the latest alone.
        wavers: what lay in the cart was taken out, or left there until the session ended.
        evidence: ids of the events of the way, newest first, at most 20.
    """

    stage: Stage = "browsing"
    p_purchase: float | None = None
    categories: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    wavers: bool = False
    evidence: tuple[str, ...] = ()


def next_stage(stage: Stage, token: str, opens: bool) -> Stage:
    """The stage after one more token; `opens` where the token is the first of a session."""
    step, filled = token.removesuffix(FILLED), token.endswith(FILLED)
    if step in STARTS:
        return "browsing" if step in (FIRST, LATER) else stage
    if step in (END, "list"):
        return stage
    if step in _TO_CART or (step in _KNOWN and (filled or opens)):
        return "ready"
    return "comparing" if step in _KNOWN | _COMPARES else "browsing"


@dataclass(slots=True)
class Journey:
    """The fold of one shopper's events. A step costs the same however long the path is."""

    walk: Walk
    stage: Stage = "browsing"
    tokens: tuple[str, ...] = ()  # the last two
    categories: dict[str, None] = field(default_factory=dict)
    again: str | None = None
    wavers: bool = False
    evidence: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        events: Iterable[Event],
        category_of: CategoryOf,
        personalize: bool = True,
        hidden: Callable[[str], bool] = lambda _: False,
    ) -> Journey:
        """The path of a set of events, in whatever order they come.

        Args:
            events: one shopper's.
            category_of: item id to the name of its own category, None where there is none.
            personalize: the shop's default where an event carries no consent; an event without consent is passed over.
            hidden: whether nothing may be known of an item: it then leaves no trace.
        """
        path = cls(Walk(category_of))
        for event in in_order(events):
            if personalize if event.consent is None else event.consent.personalize:
                path.step(without(event, hidden) if event.event in REMEMBERED else event)
        return path

    def step(self, event: Event) -> tuple[str, ...]:
        """One more event, not older than those before; returns its tokens."""
        known = [item.item_id for item in event.items if item.item_id in self.walk.seen]
        tokens = self.walk.step(event)
        for token in tokens:
            self._take(token)
        if tokens:
            for category in self.walk.categories:
                self.categories.pop(category, None)
                self.categories[category] = None
            self.evidence = (event.event_id, *self.evidence)[:_EVIDENCE]
            if event.event == "view_item" and known:
                self.again = known[-1]
        return tokens

    def at(self, now: int, chain: PurchaseChain | None = None) -> Position:
        """The position at `now`, milliseconds since 1970: a session that has ended by then is ended."""
        if self.walk.last is None:
            return Position()
        here = replace(self, categories=dict(self.categories))
        for token in self.walk.until(now):
            here._take(token)
        if self._bought:
            here._begin()
        chance = chain.p_purchase(*here.tokens) if chain is not None else None
        cart = () if LATER in here.tokens else tuple(self.walk.cart)
        return Position(
            stage="ready" if chance is not None and chance >= LIKELY else here.stage,
            p_purchase=chance,
            categories=tuple(here.categories),
            chosen=cart or ((here.again,) if here.again is not None else ()),
            wavers=here.wavers,
            evidence=here.evidence,
        )

    @property
    def _bought(self) -> bool:
        return self.tokens[-1].startswith(PURCHASE) if self.tokens else False

    def _take(self, token: str) -> None:
        if self._bought or token in (FIRST, LATER):
            self._begin()
        opens = bool(self.tokens) and self.tokens[-1] in STARTS
        self.stage = next_stage(self.stage, token, opens)
        step = token.removesuffix(FILLED)
        # The walk has taken the event already, so that a cart that is filled now was filled when the session ended.
        if step == "remove" or (step == END and self.walk.cart):
            self.wavers = True
        elif step in ("add", PURCHASE):
            self.wavers = False
        self.tokens = (*self.tokens, token)[-2:]

    def _begin(self) -> None:
        """A new way."""
        self.stage, self.again, self.wavers, self.evidence = "browsing", None, False, ()
        self.categories.clear()
