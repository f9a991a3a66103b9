"""One product of the shop, validated. Field names follow UCP and ACP; money is integer minor units with a currency."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Record(BaseModel):
    """Base of all records that come from outside: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Money(Record):
    """`Money(amount=1299, currency="USD")` is $12.99; a currency without minor units (JPY) counts whole units."""

    amount: int = Field(ge=0)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Availability(StrEnum):
    """Whether it can be bought, in the words of the contract."""

    IN_STOCK = "in_stock"
    BACKORDER = "backorder"
    PREORDER = "preorder"
    OUT_OF_STOCK = "out_of_stock"
    DISCONTINUED = "discontinued"

    @property
    def orderable(self) -> bool:
        """True where a cart may hold it."""
        return self in (Availability.IN_STOCK, Availability.BACKORDER, Availability.PREORDER)


def sold_out(availability: Availability, stock: int | None) -> Availability:
    """What is in stock, but of which none is left, is out of stock."""
    return Availability.OUT_OF_STOCK if stock == 0 and availability is Availability.IN_STOCK else availability


class Rating(Record):
    """Mean of the reviews on a scale of 0 to 5, and how many there are."""

    value: float = Field(ge=0, le=5)
    count: int = Field(ge=0)


class Delivery(Record):
    """Days until it arrives, both ends included, and what that costs."""

    days_min: int | None = Field(default=None, ge=0)
    days_max: int | None = Field(default=None, ge=0)
    price: Money | None = None


class Variant(Record):
    """One choice of a product (a size, a color). `options` is {"size": "42", "color": "blue"}."""

    id: Id
    title: Text = ""
    price: Money | None = None
    availability: Availability = Availability.IN_STOCK
    stock: int | None = Field(default=None, ge=0)
    options: dict[str, str] = Field(default_factory=dict)


class Product(Record):
    """A validated product. Only `id` and `title` are required; everything else may be missing and is then empty or None.

    `attributes` maps a name to one value or to a list of values, always stored as a list of strings:
    `{"color": ["blue", "white"], "capacity": ["1.7 L"]}`.
    """

    id: Id
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    description: str = ""
    brand: Text = ""
    categories: tuple[str, ...] = ()
    price: Money | None = None
    list_price: Money | None = None
    availability: Availability = Availability.IN_STOCK
    stock: int | None = Field(default=None, ge=0)
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    gtin: str = ""
    mpn: str = ""
    rating: Rating | None = None
    delivery: Delivery | None = None
    published_at: datetime | None = None
    image_url: str = ""
    url: str = ""
    language: str = ""

    def variant(self, variant_id: str) -> Variant | None:
        """The variant of that id, or None."""
        return next((variant for variant in self.variants if variant.id == variant_id), None)
