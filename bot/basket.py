"""The cart rendered at today's prices, and the checks that every write to it passes, whoever asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.cards import CartLineView, CartView
from bot.shelf import Shelf, availability_of, price_of, stock_of, title_of
from index.product import Availability, Money, Product, Variant
from storage.carts import Cart, CartLine
from storage.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Orderable:
    """A product, and the variant chosen, that may go into a cart."""

    product: Product
    variant: Variant | None

    @property
    def key(self) -> tuple[str, str | None]:
        """Product and variant, as a cart's line names them."""
        return self.product.id, self.variant.id if self.variant else None

    @property
    def title(self) -> str:
        """With the variant's options."""
        return title_of(self.product, self.variant)

    @property
    def availability(self) -> Availability:
        """As of now."""
        return availability_of(self.product, self.variant)

    @property
    def stock(self) -> int | None:
        """Pieces left where they are what limits it: not on backorder, and counted."""
        return stock_of(self.product, self.variant) if self.availability is Availability.IN_STOCK else None


def view_of(cart: Cart, shelf: Shelf, currency: str, checkout_url: str) -> CartView:
    """The cart as it is shown. A product that left the catalog stays visible, without price, as discontinued."""
    products = shelf.products(line.product_id for line in cart.lines)
    lines = tuple(_line(line, products.get(line.product_id)) for line in cart.lines)
    counted = [
        line.price.amount * line.quantity
        for line in lines
        if line.price is not None and line.price.currency == currency and line.availability.orderable
    ]
    return CartView(
        cart_id=cart.cart_id,
        version=cart.version,
        lines=lines,
        subtotal=Money(amount=sum(counted), currency=currency) if counted or not lines else None,
        checkout_url=checkout_url.replace("{cart_id}", cart.cart_id) if counted and cart.cart_id else "",
    )


def _line(line: CartLine, product: Product | None) -> CartLineView:
    gone = CartLineView(
        line_id=line.line_id,
        product_id=line.product_id,
        variant_id=line.variant_id,
        title=line.product_id,
        quantity=line.quantity,
        availability=Availability.DISCONTINUED,
    )
    if product is None:
        return gone
    # A line from before the shop's rows became variants of one product names the row.
    variant_id = line.variant_id or (line.product_id if line.product_id != product.id else None)
    variant = product.variant(variant_id) if variant_id else None
    if variant_id and variant is None:
        return gone.model_copy(update={"title": product.title})
    return gone.model_copy(
        update={
            "title": title_of(product, variant),
            "price": price_of(product, variant),
            "availability": availability_of(product, variant),
        }
    )


def orderable(shelf: Shelf, product_id: str, variant_id: str | None) -> Orderable:
    """The product of that id, and its variant, that a cart may hold.

    A product with one variant means that one; with several, one must be named, or its id given in the product's place.

    Raises:
        NotFound: there is no such product or variant.
        Conflict: it cannot be ordered now, or a variant must be chosen.

    """
    product = shelf.product(product_id)
    if product is None:
        raise NotFound(f"There is no product {product_id[:200]!r}.", "Take the id from a search result.")
    if variant_id is None and product_id != product.id:
        variant_id = product_id
    if variant_id is None and len(product.variants) == 1:
        variant_id = product.variants[0].id
    if variant_id is None and product.variants:
        known = ", ".join(variant.id for variant in product.variants[:20])
        raise Conflict(f"{product.title} comes in variants.", f"Name one of: {known}.")
    variant = product.variant(variant_id) if variant_id is not None else None
    if variant_id is not None and variant is None:
        raise NotFound(f"{product.title} has no variant {variant_id[:200]!r}.", "Take the id from the product.")
    found = Orderable(product, variant)
    if not found.availability.orderable:
        raise Conflict(f"{found.title} is {found.availability.value.replace('_', ' ')}.", "Choose another one.")
    return found


def held(cart: Cart, product_id: str, variant_id: str | None) -> int:
    """How many of it the cart holds."""
    return sum(line.quantity for line in cart.lines if (line.product_id, line.variant_id) == (product_id, variant_id))


def lines_wanted(shelf: Shelf, cart: Cart, items: Sequence[tuple[str, int]]) -> list[tuple[str, str | None, int]]:
    """The lines, (product_id, variant_id, quantity) each, that a cart of these items has; an item is a product or a variant.

    What the cart holds already it may go on holding, or less of it; only what comes to it must be there to be ordered.

    Raises:
        NotFound, Conflict: an item cannot be ordered so, see `orderable`, or fewer are in stock.

    """
    lines = {line.variant_id or line.product_id: (line.product_id, line.variant_id) for line in cart.lines}
    totals: dict[tuple[str, str | None], int] = {}
    for item_id, quantity in items:
        key = lines.get(item_id) or orderable(shelf, item_id, None).key
        totals[key] = totals.get(key, 0) + quantity
    for key, total in totals.items():
        if total > held(cart, *key):
            found = orderable(shelf, *key)
            if found.stock is not None and total > found.stock:
                raise Conflict(
                    f"Only {found.stock} of {found.title} are in stock, not {total}.", f"Ask for at most {found.stock}."
                )
    return [(*key, total) for key, total in totals.items()]
