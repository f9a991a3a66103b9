"""The one filter object of the whole system: what a customer made a condition, as the API and the command line spell it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from index.product import Availability, Record


class PriceRange(Record):
    """Inclusive bounds in minor units of `currency`; None leaves that end open."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)
    currency: str

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"price.min {self.min} is above price.max {self.max}")
        return self


class Exclusions(Record):
    """What must not be shown."""

    brand: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Filters(Record):
    """Hard constraints: they filter before the cut and are never traded.

    Values of one field are alternatives (brand A or B); fields are joined by "and". Names and values compare without case.
    """

    price: PriceRange | None = None
    brand: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    exclude: Exclusions = Field(default_factory=Exclusions)
    availability: tuple[Availability, ...] = ()
    rating_min: float | None = Field(default=None, ge=0, le=5)

    @property
    def empty(self) -> bool:
        """True where nothing is constrained."""
        return self == Filters()
