"""What a model may do in a turn: read records. A tool that concerns a write only proposes it, and the customer decides.

Whatever a tool is called with, hard conditions come from the customer's words, ids from this turn's handout, and personal data
from the principal who talks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Annotated, Any

from pydantic import BaseModel, Field

from bot.backend import Operation
from bot.basket import view_of
from bot.llm.handout import Handout, enclosed, quiet
from bot.llm.model import Tool
from bot.llm.order_tools import OrderTools
from bot.llm.words import lexicons
from bot.passages import best_passages
from bot.present import card_of, telling
from bot.shelf import Found
from bot.turn import SLATE, Turn
from index.filters import Filters
from storage.carts import cart_of
from storage.settings import LlmUse

ORDER_USES: frozenset[LlmUse] = frozenset({"orders", "order_changes"})
"""Who may propose a change reads what there is to change."""
ORDERS = 3
PASSAGES = 2
MOST_PIECES = 9
NOTHING = "Nothing found."
NAMELESS = "There is no product of that name here. Use the names that the records give, such as p1."

Words = Annotated[str, Field(min_length=1, max_length=120)]
Name = Annotated[str, Field(description="The name of a product in the records, such as p1.", max_length=8)]


class Searching(BaseModel):
    """Arguments of a search."""

    query: Words = Field(description="One to four words that name goods, without prices or conditions.")


class Naming(BaseModel):
    """Arguments that name a product."""

    name: Name


class Comparing(BaseModel):
    """Arguments that name products."""

    names: Annotated[list[Name], Field(min_length=2, max_length=4)]


class Asking(BaseModel):
    """Arguments of a question to the shop's pages."""

    question: Words


class Proposing(BaseModel):
    """Arguments of a proposal."""

    name: Name
    quantity: Annotated[int, Field(ge=1, le=MOST_PIECES)] = 1


class Nothing(BaseModel):
    """No arguments."""


@dataclass
class Toolbox:
    """The tools of one turn. Tools run in other threads than the turn's own, which reads what they found when they are done.

    `filters` are the hard conditions in force; `orders` has the tools of a turn about orders; `searched` are the searches that
    found something, in their order; `proposal` is what the model would put in the cart; `called` the names of the tools that ran.
    `closed` toolboxes do nothing: the turn that they belonged to is over.
    """

    turn: Turn
    handout: Handout
    filters: Filters
    orders: OrderTools
    searched: list[tuple[str, Found]] = field(default_factory=list)
    proposal: tuple[str, int] | None = None
    called: list[str] = field(default_factory=list)
    closed: bool = False
    _read_free_text: bool = False
    _lock: Lock = field(default_factory=Lock)

    @property
    def useful(self) -> bool:
        """Whether a tool found or would do something that can be shown, whatever the model says of it."""
        orders = self.orders
        return bool(self.searched or self.proposal or orders.proposal or orders.transfer or orders.read)

    def tools(self, may: Collection[LlmUse], plans: bool) -> tuple[Tool, ...]:
        """Those that the shop allows.

        A search only where the turn `plans`, a proposal only to who speaks of buying, orders only to who is signed in; neither
        orders nor the cart of who does not let answers use them. Who asks for their orders gets `order_tools`.
        """
        reads = not {"cart", *ORDER_USES}.isdisjoint(may) and self.turn.lets_know()
        reads_orders = reads and not (self.turn.principal.anonymous or ORDER_USES.isdisjoint(may))
        # Small models propose whatever they see; whether anything is to be bought the customer's words say.
        buys = lexicons()[self.turn.language].buying.search(self.turn.message) is not None
        # What is always there comes first: servers keep what they have read of a beginning that they know.
        offered = (
            (True, self._tool("product_details", "All that the shop knows about one product.", Naming)),
            (True, self._tool("compare_products", "In what products differ.", Comparing)),
            (True, self._tool("shop_pages", "What the shop's pages say of delivery, returns and the like.", Asking)),
            (buys, self._tool("propose_add_to_cart", "Asks the customer whether to add a product.", Proposing)),
            (reads and "cart" in may, self._tool("view_cart", "What is in the customer's cart.", Nothing)),
            (reads_orders, self._tool("look_up_orders", "How the customer's orders stand.", Nothing)),
            (plans, self._tool("search_products", "Finds products that the shop sells.", Searching)),
        )
        return tuple(tool for allowed, tool in offered if allowed)

    def _tool(self, name: str, description: str, arguments: type[BaseModel]) -> Tool:
        return Tool(name, description, arguments, self._guarded(name, getattr(self, f"_{name}")))

    def order_tools(self, may: Collection[LlmUse]) -> tuple[Tool, ...]:
        """Those of a turn about the customer's orders: what the backend can be asked, and nothing of the catalog or the pages."""
        return tuple(
            Tool(each.name, doc, each.arguments, self._guarded(each.name, partial(self._ask_backend, each)))
            for each, doc in self.orders.offered("order_changes" in may)
        )

    def _ask_backend(self, operation: Operation[Any], **given: object) -> str:
        return self.orders.call(operation, given)

    def _guarded(self, name: str, act: Callable[..., str]) -> Callable[..., str]:
        """Runs one tool at a time, and none after the turn is over."""

        def run(**given: object) -> str:
            with self._lock:
                if self.closed:
                    return NOTHING
                self.called.append(name)
                return act(**given)

        return run

    def _search_products(self, query: str) -> str:
        found = self.turn.find(query, self.filters, named=self.filters)
        if not found.hits:
            return NOTHING
        self.searched.append((query, found))
        names = []
        for ranked in found.hits[:SLATE]:
            product = found.products[ranked.hit.product_id]
            names.append(self.handout.product(product, card_of(product, ranked.hit.variant_id, product.attributes)))
        return enclosed([self.handout.facts(name) for name in names])

    def _product_details(self, name: str) -> str:
        name = name.strip("{} ").lower()
        if name not in self.handout.products:
            return NAMELESS
        self._read_free_text = True
        return enclosed(self.handout.facts(name, whole=True))

    def _compare_products(self, names: list[str]) -> str:
        known = [name for each in names if (name := each.strip("{} ").lower()) in self.handout.products]
        if len(known) < 2:
            return NAMELESS
        apart = telling([self.handout.products[name] for name in known])
        rows = []
        for name in known:
            values = self.handout.products[name].attributes
            rows.append(self.handout.facts(name) | {key: ", ".join(values.get(key, ())) for key in apart})
        return enclosed(rows)

    def _shop_pages(self, question: str) -> str:
        self._read_free_text = True
        found = best_passages(self.turn.shelf, question, self.turn.language)[:PASSAGES]
        pages = [{"name": self.handout.passage(each), "title": each.title, "text": quiet(each.text)} for each in found]
        return enclosed(pages) if pages else NOTHING

    def _propose_add_to_cart(self, name: str, quantity: int = 1) -> str:
        name = name.strip("{} ").lower()
        if name not in self.handout.products:
            return NAMELESS
        # What a stranger wrote into a description or a page must not get as far as a question to the customer.
        if self._read_free_text:
            return "Not possible in this turn."
        self.proposal = (name, quantity)
        return "The customer will be asked after your answer. Do not ask yourself, and do not say that it is done."

    def _view_cart(self) -> str:
        turn = self.turn
        cart = view_of(
            cart_of(turn.database, turn.principal, turn.user_id), turn.shelf, turn.currency, turn.checkout_url
        )
        if not cart.lines:
            return "The cart is empty."
        self.handout.mentioned += [line.title for line in cart.lines]
        return enclosed([{"title": line.title, "quantity": line.quantity} for line in cart.lines])

    def _look_up_orders(self) -> str:
        turn = self.turn
        orders = turn.backend.orders(turn.principal, turn.user_id)[-ORDERS:]
        rows = []
        for order in reversed(orders):
            products = turn.shelf.products(item.product_id for item in order.items)
            titles = list(dict.fromkeys(product.title for product in products.values()))
            self.handout.mentioned += titles
            rows.append({"status": order.status, "items": titles})
        return enclosed(rows) if rows else "No orders."
