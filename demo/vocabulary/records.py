"""The records of the vocabulary. Every text stands in both languages, `en` and `zh`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True)
class Pair:
    """One text in both languages: `Pair("kettle", "水壶")`."""

    en: str
    zh: str

    def in_(self, language: Language) -> str:
        """Return the text in that language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class Words:
    """Several texts in each language, not translations of each other one by one."""

    en: tuple[str, ...] = ()
    zh: tuple[str, ...] = ()

    def in_(self, language: Language) -> tuple[str, ...]:
        """Return the texts in that language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class Department:
    """A root category; `background` are the two ends of its pictures' gradient."""

    key: str
    name: Pair
    says: Words
    background: tuple[str, str]


@dataclass(frozen=True)
class Brand:
    """An invented brand; `tier` is 0 budget, 1 middle, 2 premium."""

    key: str
    name: Pair
    tier: int
    departments: tuple[str, ...]


@dataclass(frozen=True)
class Color:
    """A color with its drawing value and the other words shoppers use for it."""

    key: str
    name: Pair
    hex: str
    says: Words


@dataclass(frozen=True)
class SizeSet:
    """Sizes in order, the attribute's name first."""

    key: str
    name: Pair
    values: tuple[Pair, ...]


@dataclass(frozen=True)
class AttributeKind:
    """An attribute's name, and the unit of its numbers where it is a measure."""

    key: str
    name: Pair
    unit: Pair | None


@dataclass(frozen=True)
class Attribute:
    """What one product type may have of a kind, weakest value first: a measure's later values cost more."""

    kind: AttributeKind
    values: tuple[Pair, ...]


@dataclass(frozen=True)
class ProductType:
    """A kind of product.

    `price` is (lowest, highest) in minor units; `lasts_days` is how long one unit of a consumable lasts, else None;
    `sentences` are description templates with `{attribute}` placeholders; `shape` names its drawing.
    """

    key: str
    department: Department
    name: Pair
    plural: Pair
    says: Words
    price: tuple[int, int]
    shape: str
    colors: tuple[Color, ...]
    sizes: SizeSet | None
    attributes: tuple[Attribute, ...]
    features: tuple[Pair, ...]
    lasts_days: int | None
    sentences: Words

    def attribute(self, key: str) -> Attribute | None:
        """Return the attribute of that kind, or None."""
        return next((attribute for attribute in self.attributes if attribute.kind.key == key), None)
