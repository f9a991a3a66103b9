"""Names and values of attributes, in the one spelling in which they are compared."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from index.clean import fold

# One attribute under several names, in the languages that Aisle speaks.
_SAME_NAME: Final = {
    "colour": "color", "colors": "color", "颜色": "color", "色": "color", "尺寸": "size", "尺码": "size", "大小": "size",
    "sizes": "size", "材质": "material", "材料": "material", "面料": "material", "品牌": "brand",
}  # fmt: skip
_PARTS: Final = re.compile(r",\s+|\s*[;|/、，；]\s*|\s+&\s+")
_LONGEST_PART: Final = 40

# A catalog says the same names and values over and over.
folded = lru_cache(maxsize=50_000)(fold)


def canonical(name: str) -> str:
    """The one name of an attribute that shops spell differently: "Colour" and "颜色" are "color"."""
    known = folded(name)
    return _SAME_NAME.get(known, known)


def parts_of(value: str) -> set[str]:
    """The folded value, and its parts where it is a list: "Leather, Mesh" → {"leather, mesh", "leather", "mesh"}."""
    whole = folded(value)
    parts = [part for part in _PARTS.split(whole) if part]
    listed = len(parts) > 1 and all(len(part) <= _LONGEST_PART and any(map(str.isalpha, part)) for part in parts)
    return {whole, *parts} if listed else {whole}
