"""Products and carts in the words of the Universal Commerce Protocol (UCP, https://ucp.dev, version 2026-08-25).

Requests are read by its field names; what it lets come and nothing here uses (`context` but for its currency, `signals`) is let
pass, but for a filter that is not known: a condition is never dropped in silence. Money is integer minor units, as it is here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bot.cards import CartView
from bot.shelf import availability_of, price_of, telling_options, title_of
from index.filters import Exclusions, Filters, PriceRange
from index.product import Availability, Money, Product, Variant
from storage.errors import InvalidInput
from storage.record import Id

VERSION: Final = "2026-08-25"
LONGEST_QUERY: Final = 4_000
MOST_RESULTS: Final = 100
MOST_VARIANTS: Final = 100
SHORT_DESCRIPTION: Final = 300

Query = Annotated[str, StringConstraints(max_length=LONGEST_QUERY)]
Name = Annotated[str, StringConstraints(max_length=200)]
Names = Annotated[tuple[Name, ...], Field(max_length=100)]


class Request(BaseModel):
    """Base of what agents send."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class Meta(Request):
    """`meta`: of the protocol's data about a request, the key that makes a repeated change take effect once."""

    idempotency_key: Annotated[Id | None, Field(alias="idempotency-key")] = None


class Context(Request):
    """Where and for whom: only the currency that prices are meant in is read."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None


class PriceFilter(Request):
    """Inclusive bounds in minor units of the shop's currency."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class SearchFilters(Request):
    """Conditions: values of one field are alternatives, fields are joined by "and". UCP's, and from `attributes` on our own."""

    model_config = ConfigDict(extra="forbid")

    price: PriceFilter | None = None
    categories: Names = ()
    brand: Names = ()
    availability: tuple[Availability, ...] = ()
    attributes: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    exclude: Exclusions = Field(default_factory=Exclusions)
    rating_min: float | None = Field(default=None, ge=0, le=5)

    def read(self, currency: str, context: Context) -> Filters:
        """The same as search takes it.

        Raises:
            InvalidInput: the price is meant in another currency than the shop's.
        """
        if self.price is not None and context.currency not in (None, currency):
            raise InvalidInput(
                f"Prices are in {currency}, not in {context.currency}.", f"Give the bounds in {currency}."
            )
        price = None
        if self.price is not None:
            price = PriceRange(min=self.price.min, max=self.price.max, currency=currency)
        return Filters(
            price=price,
            brand=self.brand,
            categories=self.categories,
            attributes=self.attributes,
            exclude=self.exclude,
            availability=self.availability,
            rating_min=self.rating_min,
        )


class Pagination(Request):
    """A page; `cursor` is what the page before gave."""

    limit: int = Field(default=10, ge=1, le=MOST_RESULTS)
    cursor: Annotated[str, StringConstraints(pattern=r"^\d{1,3}$")] | None = None


class CatalogSearch(Request):
    """`catalog` of search_catalog."""

    query: Query = Field(default="", description="What is looked for, in the shopper's words; conditions in it count.")
    filters: SearchFilters = Field(default_factory=SearchFilters)
    context: Context = Field(default_factory=Context)
    pagination: Pagination = Field(default_factory=Pagination)


class CatalogLookup(Request):
    """`catalog` of lookup_catalog."""

    ids: list[Id] = Field(min_length=1, description=f"Ids of products or variants, at most {MOST_RESULTS}.")
    filters: SearchFilters = Field(default_factory=SearchFilters)
    context: Context = Field(default_factory=Context)


class SelectedOption(Request):
    """One option that was chosen: name "Size", label "42"."""

    name: Name
    label: Name


class CatalogProduct(Request):
    """`catalog` of get_product."""

    id: Id = Field(description="The id of a product or of a variant.")
    selected: Annotated[list[SelectedOption], Field(max_length=20)] = Field(default_factory=list)
    preferences: Names = Field(default=(), description="Options, the dearest first: the last is let go first.")
    filters: SearchFilters = Field(default_factory=SearchFilters)
    context: Context = Field(default_factory=Context)


class ItemRef(Request):
    """What a line is of."""

    id: Id = Field(description="The id of a variant, or of a product that has none.")


class LineItem(Request):
    """One line that the cart is to have."""

    item: ItemRef
    quantity: int = Field(ge=1, le=999)


class CartBody(Request):
    """`cart` of create_cart and update_cart: all that it is to hold."""

    line_items: Annotated[list[LineItem], Field(max_length=200)]

    @property
    def items(self) -> list[tuple[str, int]]:
        """Items and quantities."""
        return [(line.item.id, line.quantity) for line in self.line_items]


def envelope(capability: str, status: str = "success") -> dict[str, Any]:
    """What every answer says of the protocol: its version and the capability that answered."""
    return {
        "version": VERSION,
        "status": status,
        "capabilities": {f"dev.ucp.shopping.{capability}": [{"version": VERSION}]},
    }


def message(kind: str, code: str, content: str, severity: str = "") -> dict[str, str]:
    """One message beside the result; errors have a severity."""
    return {"type": kind, "code": code, "content": content} | ({"severity": severity} if severity else {})


def product_of(
    product: Product,
    variants: Sequence[Variant | None],
    whole: bool = False,
    reasons: Sequence[str] = (),
    inputs: Mapping[str | None, Sequence[Mapping[str, str]]] | None = None,
) -> dict[str, Any]:
    """A product as UCP spells it, `variants` in their order, None for a product that has none.

    What the catalog does not say is left out, a price too. A product that is not given `whole` has the start of its description.
    `inputs` are the ids that were asked for, by the variant that they came to.
    """
    prices = [price for each in variants_of(product) if (price := price_of(product, each)) is not None]
    amounts = [price.amount for price in prices if price.currency == prices[0].currency]
    description = product.description
    if not whole and len(description) > SHORT_DESCRIPTION:
        description = description[:SHORT_DESCRIPTION].rstrip() + "…"
    found: dict[str, Any] = {"id": product.id, "title": product.title, "description": {"plain": description}}
    if product.brand:
        found["brand"] = product.brand
    if product.url:
        found["url"] = product.url
    if product.categories:
        found["categories"] = [{"value": name, "taxonomy": "merchant"} for name in product.categories]
    if amounts:
        currency = prices[0].currency
        found["price_range"] = {
            "min": {"amount": min(amounts), "currency": currency},
            "max": {"amount": max(amounts), "currency": currency},
        }
    if product.image_url:
        found["media"] = [{"type": "image", "url": product.image_url, "alt_text": product.title}]
    if names := telling_options(product):
        found["options"] = [
            {"name": name, "values": [{"label": label} for label in _labels(product, name)]} for name in names
        ]
    found["variants"] = [
        _variant(product, each) | ({"inputs": list(inputs[each.id if each else None])} if inputs else {})
        for each in variants
    ]
    if product.rating is not None:
        found["rating"] = {"value": product.rating.value, "scale_max": 5, "count": product.rating.count}
    metadata: dict[str, Any] = {}
    if product.attributes:
        metadata["attributes"] = {name: list(values) for name, values in product.attributes.items()}
    if product.delivery is not None:
        metadata["delivery"] = product.delivery.model_dump(mode="json", exclude_none=True)
    if reasons:
        metadata["reasons"] = list(reasons)
    return found | ({"metadata": metadata} if metadata else {})


def variants_of(product: Product) -> Sequence[Variant | None]:
    """The variants with the first that can be ordered at the head; None stands for the product itself where it has none."""
    if not product.variants:
        return (None,)
    return sorted(product.variants, key=lambda each: not availability_of(product, each).orderable)


def narrowed(
    product: Product, asked: Variant | None, selected: Mapping[str, str], preferences: Sequence[str]
) -> tuple[list[Variant | None], dict[str, str]]:
    """The variants that a choice of options leaves, the featured first, and the choice that holds.

    Options that no variant has together are let go one by one, those that `preferences` does not name first, then its last. The
    variant that was `asked` for decides by itself.
    """
    variants = [each for each in variants_of(product) if each is not None]
    if not variants:
        return [None], {}
    if asked is not None:
        chosen = dict(asked.options)
        return [asked, *(each for each in variants if each.id != asked.id and _has(each, chosen))], chosen
    if not selected:
        return list(variants[:MOST_VARIANTS]), dict(variants[0].options)
    chosen = dict(selected)
    rank = {name: place for place, name in enumerate(preferences)}
    for name in sorted(chosen, key=lambda each: -rank.get(each, len(rank))):
        if any(_has(each, chosen) for each in variants):
            break
        del chosen[name]
    left: list[Variant | None] = [each for each in variants if _has(each, chosen)]
    return left[:MOST_VARIANTS], chosen


def options_of(product: Product, chosen: Mapping[str, str]) -> list[dict[str, Any]]:
    """The options with what can be had of each value beside the rest of the choice."""
    found = []
    for name in telling_options(product):
        values = []
        for label in _labels(product, name):
            there = [each for each in product.variants if _has(each, {**chosen, name: label})]
            available = any(availability_of(product, each).orderable for each in there)
            values.append({"label": label, "available": available, "exists": bool(there)})
        found.append({"name": name, "values": values})
    return found


def cart_of(cart: CartView, currency: str) -> dict[str, Any]:
    """A cart as UCP spells it. Its totals are of the goods alone: what delivery and taxes come to, the checkout says."""
    lines, messages = [], []
    for place, line in enumerate(cart.lines):
        item: dict[str, Any] = {"id": line.variant_id or line.product_id, "title": line.title}
        amount = 0
        if line.price is not None and line.price.currency == currency and line.availability.orderable:
            amount = line.price.amount * line.quantity
            item["price"] = line.price.amount
        else:
            state = "has no price" if line.availability.orderable else f"is {line.availability.value.replace('_', ' ')}"
            messages.append(
                message("warning", line.availability.value, f"{line.title} {state} and is not in the total.")
                | {"path": f"$.line_items[{place}]"}
            )
        lines.append({"id": line.line_id, "item": item, "quantity": line.quantity, "totals": _totals(amount)})
    subtotal = cart.subtotal or Money(amount=0, currency=currency)
    found: dict[str, Any] = {"ucp": envelope("cart"), "id": cart.cart_id, "line_items": lines, "currency": currency}
    found["totals"] = _totals(subtotal.amount)
    if messages:
        found["messages"] = messages
    return found | ({"continue_url": cart.checkout_url} if cart.checkout_url else {})


def _totals(amount: int) -> list[dict[str, Any]]:
    return [
        {"type": "subtotal", "display_text": "Subtotal", "amount": amount},
        {"type": "total", "display_text": "Estimated total", "amount": amount},
    ]


def _variant(product: Product, variant: Variant | None) -> dict[str, Any]:
    price, availability = price_of(product, variant), availability_of(product, variant)
    found: dict[str, Any] = {
        "id": variant.id if variant else product.id,
        "title": title_of(product, variant),
        "description": {"plain": (variant.title if variant else "") or product.title},
        "availability": {"available": availability.orderable, "status": availability.value},
    }
    if price is not None:
        found["price"] = {"amount": price.amount, "currency": price.currency}
    if variant is not None and variant.options:
        found["options"] = [{"name": name, "label": label} for name, label in variant.options.items()]
    return found


def _labels(product: Product, name: str) -> list[str]:
    return list(dict.fromkeys(each.options[name] for each in product.variants if name in each.options))


def _has(variant: Variant, chosen: Mapping[str, str]) -> bool:
    options = {name.casefold(): label.casefold() for name, label in variant.options.items()}
    return all(options.get(name.casefold()) == label.casefold() for name, label in chosen.items())
