"""The assistant as one object: what the windows, the API and the terminal call.

Every method that touches personal data takes the `Principal` who asks; `user_id` names another shopper and is accepted from the
shop's own backend only. All methods may be called from several threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from bot.cards import Card, CartView, ProfileView, Reply
from index.filters import Filters
from storage.database import Database
from storage.principal import Principal
from storage.settings import ShopSettings


class Assistant:
    """Answers shoppers from one index snapshot, one intent model and one database.

    `timings` holds one dict a turn: milliseconds by stage (intent, understanding, embedding, search, ranking, reply, storage, total), newest last.
    """

    timings: deque[dict[str, float]]

    @classmethod
    def open(cls, shop: Path, settings: ShopSettings, database: Database) -> Self:
        """Loads the current index and intent model of the shop's folder; raises `Unavailable` or `Damaged` with the way out."""
        raise NotImplementedError

    def close(self) -> None:
        """Writes what is still waiting; the database stays open, for it was given."""
        raise NotImplementedError

    def reply(
        self,
        principal: Principal,
        message: str,
        conversation_id: str | None = None,
        user_id: str | None = None,
        language: str | None = None,
    ) -> Reply:
        """One turn: understands, acts, answers and stores both turns. Without `conversation_id` a conversation starts.

        Raises `NotFound` for a conversation that is not the shopper's, `Forbidden` for a `user_id` that is not from the service role.
        """
        raise NotImplementedError

    def stream(
        self,
        principal: Principal,
        message: str,
        conversation_id: str | None = None,
        user_id: str | None = None,
        language: str | None = None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The same turn as events in the contract's order.

        `("meta", {conversation_id, message_id, language, intent})`, `("products", {products})`, `("text", {delta})` repeated,
        `("citations", {citations})`, `("cart", {cart})`, then `("done", the whole reply)` or `("error", {title, status, detail, hint})`.
        """
        raise NotImplementedError

    def search(
        self,
        text: str,
        filters: Filters | None = None,
        sort: str = "relevance",
        limit: int = 10,
        principal: Principal | None = None,
    ) -> dict[str, Any]:
        """`POST /api/search`: `{products: [card], constraints: Filters, total: int}` as JSON values.

        Constraints in the text join `filters`; a signed-in `principal` gets the order of their own profile.
        """
        raise NotImplementedError

    def product(self, product_id: str, principal: Principal | None = None) -> Card:
        """The card of one product; raises `NotFound`."""
        raise NotImplementedError

    def cart(self, principal: Principal, user_id: str | None = None) -> CartView:
        """The shopper's cart at today's prices."""
        raise NotImplementedError

    def add_to_cart(
        self,
        principal: Principal,
        product_id: str,
        variant_id: str | None = None,
        quantity: int = 1,
        request_id: str | None = None,
        user_id: str | None = None,
    ) -> CartView:
        """Adds a product; the same `request_id` twice adds once. Raises `NotFound` for an unknown product or variant, `Conflict` out of stock."""
        raise NotImplementedError

    def change_cart_line(
        self, principal: Principal, line_id: str, quantity: int, request_id: str | None = None, user_id: str | None = None
    ) -> CartView:
        """Sets a line's quantity (0 removes it); raises `NotFound` for an unknown line, `Conflict` beyond the stock."""
        raise NotImplementedError

    def remove_cart_line(
        self, principal: Principal, line_id: str, request_id: str | None = None, user_id: str | None = None
    ) -> CartView:
        """Removes a line; raises `NotFound` for an unknown one."""
        raise NotImplementedError

    def profile(self, principal: Principal, user_id: str | None = None, language: str = "en") -> ProfileView:
        """What the shop believes about the shopper, in words of `language`."""
        raise NotImplementedError

    def remove_belief(self, principal: Principal, kind: str, value: str, user_id: str | None = None) -> ProfileView:
        """Hides one belief for good and returns what is left."""
        raise NotImplementedError

    def forget_cached_profile(self, user_id: str) -> None:
        """To be called when events of that shopper were recorded elsewhere, so that the next turn sees them."""
        raise NotImplementedError

    def starters(self, language: str = "en") -> list[str]:
        """Starter questions for the window, made from what this catalog sells."""
        raise NotImplementedError
