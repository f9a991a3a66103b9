"""One conversation under observation: what is said, what comes back, and what really happened to the cart meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bot.cards import Card, CartView, Reply
from bot.service import Assistant
from bot.state import Pending, fold
from index.filters import Filters
from index.money import format_money
from index.product import Money, Product
from storage.conversations import turns_of
from storage.principal import Principal

Speak = Callable[[Principal, str, str | None], Reply]
"""Answers a message of a shopper in a conversation (None starts one): the assistant, or a baseline in its place."""


@dataclass(frozen=True, slots=True)
class Known:
    """A card that was shown, the record behind it as it was then, and its place from 1; 0 where it was not shown but bought."""

    card: Card
    record: Product
    place: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One turn as it was observed. `before` and `after` are the stored cart, `records` the products on the cards, by id.

    `pending` is the question that the assistant noted as asked, `written` the changes to the cart that its words report
    ("added", "removed"), both from what it stored of the turn; a baseline stores nothing.
    """

    message: str
    reply: Reply
    before: CartView
    after: CartView
    records: dict[str, Product]
    ms: float
    pending: Pending | None = None
    conditions: frozenset[str] = frozenset()
    """Fields of conditions in force after the turn, as `Filters` spells them."""
    written: frozenset[str] = frozenset()

    @property
    def products(self) -> list[Product]:
        """The cards' records in their order, without those that do not exist."""
        return [self.records[card.product_id] for card in self.reply.products if card.product_id in self.records]


@dataclass
class Scene:
    """A shopper's conversation with `speak`; `assistant` gives the records that it is judged by."""

    assistant: Assistant
    speak: Speak
    principal: Principal
    seen: list[Seen] = field(default_factory=list)
    conversation_id: str | None = None

    def say(self, message: str) -> Seen:
        """One turn; its time is the answer's alone."""
        before = self.assistant.cart(self.principal)
        started = time.perf_counter()
        reply = self.speak(self.principal, message, self.conversation_id)
        ms = 1000 * (time.perf_counter() - started)
        self.conversation_id = reply.conversation_id
        pending, conditions, written = self._noted(reply)
        ids = [card.product_id for card in reply.products]
        seen = Seen(
            message=message,
            reply=reply,
            before=before,
            after=self.assistant.cart(self.principal),
            records=self.assistant.parts.shelf.products(ids),
            ms=ms,
            pending=pending,
            conditions=conditions,
            written=written,
        )
        self.seen.append(seen)
        return seen

    @property
    def shown(self) -> dict[str, Product]:
        """The records of all products that were shown, by id."""
        return {key: product for seen in self.seen for key, product in seen.records.items()}

    @property
    def transcript(self) -> list[str]:
        """The conversation as lines to read."""
        lines = []
        for seen in self.seen:
            lines.append(f"shopper: {seen.message}")
            lines.append(f"assistant ({seen.reply.action}): {seen.reply.text}")
            lines += [
                f"    {place}. {_spelled(card.title, card.price)}" for place, card in enumerate(seen.reply.products, 1)
            ]
        return lines

    def _noted(self, reply: Reply) -> tuple[Pending | None, frozenset[str], frozenset[str]]:
        if not reply.message_id:
            return None, frozenset(), frozenset()
        turns = turns_of(self.assistant.database, self.principal, reply.conversation_id)
        state, said = fold(turns), turns[-1].data.get("said", ())
        filters = state.topic.filters if state.topic is not None else Filters()
        fields = ("price", "brand", "categories", "availability", "rating_min")
        conditions = {name for name in fields if getattr(filters, name)} | set(filters.attributes)
        written = {str(key).removeprefix("cart.") for key in said if str(key).startswith("cart.")}
        return state.pending, frozenset(conditions), frozenset(written)


def pieces_of(cart: CartView) -> dict[str, int]:
    """How many of each product a cart holds, whatever the variant."""
    pieces: dict[str, int] = {}
    for line in cart.lines:
        pieces[line.product_id] = pieces.get(line.product_id, 0) + line.quantity
    return pieces


def repeats(seen: Sequence[Seen]) -> int:
    """Turns whose text or slate (of two cards or more) is that of the turn before, though something else was said."""
    count = 0
    for earlier, later in pairwise(seen):
        if earlier.message.casefold() == later.message.casefold():
            continue
        slates = [[card.product_id for card in each.reply.products] for each in (earlier, later)]
        count += earlier.reply.text == later.reply.text or (len(slates[0]) > 1 and slates[0] == slates[1])
    return count


def _spelled(title: str, price: Money | None) -> str:
    return title if price is None else f"{title}, {format_money(price)}"
