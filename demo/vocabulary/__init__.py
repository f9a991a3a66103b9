"""What the demo shop can sell, in English and Chinese: hand-written TOML, read into frozen records.

Nothing here is generated. `PRODUCT_TYPES["electric_kettle"].name.zh` is 电热水壶, `.says.en` are the words shoppers use
for it, and `.attributes` are the facts a product of that type has, each value in both languages.
"""

from __future__ import annotations

from demo.vocabulary.read import read_vocabulary
from demo.vocabulary.records import (
    Attribute,
    AttributeKind,
    Brand,
    Color,
    Department,
    Pair,
    ProductType,
    SizeSet,
    Words,
)

_vocabulary = read_vocabulary()
DEPARTMENTS = _vocabulary.departments
PRODUCT_TYPES = _vocabulary.types
BRANDS = _vocabulary.brands
COLORS = _vocabulary.colors
MATERIALS = _vocabulary.materials
FEATURES = _vocabulary.features
SIZES = _vocabulary.sizes
ATTRIBUTES = _vocabulary.kinds

__all__ = [
    "ATTRIBUTES",
    "BRANDS",
    "COLORS",
    "DEPARTMENTS",
    "FEATURES",
    "MATERIALS",
    "PRODUCT_TYPES",
    "SIZES",
    "Attribute",
    "AttributeKind",
    "Brand",
    "Color",
    "Department",
    "Pair",
    "ProductType",
    "SizeSet",
    "Words",
]
