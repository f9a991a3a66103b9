"""Reads the vocabulary's TOML files. A value without its Chinese is an error that names it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from storage.errors import InvalidInput

FOLDER = Path(__file__).parent
# Codes and numbers read the same in both languages: USB-C, IPX7, 2-4, 1080p.
_SAME = re.compile(r"[A-Z0-9][A-Za-z0-9 .,+/()-]*")


@dataclass(frozen=True)
class Vocabulary:
    """All of it, each part by key."""

    departments: dict[str, Department]
    types: dict[str, ProductType]
    brands: dict[str, Brand]
    colors: dict[str, Color]
    materials: tuple[Pair, ...]
    features: tuple[Pair, ...]
    sizes: dict[str, SizeSet]
    kinds: dict[str, AttributeKind]


def _toml(*parts: str) -> dict[str, Any]:
    return tomllib.loads(FOLDER.joinpath(*parts).read_text("utf-8"))


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _plural(noun: str) -> str:
    """Dress → Dresses, Battery → Batteries, Jeans → Jeans.

    >>> _plural("Brush")
    'Brushes'
    """
    if noun.endswith(("ss", "ch", "sh", "x")):
        return noun + "es"
    if noun.endswith("s"):
        return noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


class _Translator:
    """Values to pairs, by the dictionary in values.toml."""

    def __init__(self) -> None:
        self.known: dict[str, str] = _toml("values.toml")

    def pair(self, value: str, where: str) -> Pair:
        if value in self.known:
            return Pair(value, self.known[value])
        if _SAME.fullmatch(value):
            return Pair(value, value)
        raise InvalidInput(f"{where}: no Chinese for {value!r}.", "Add it to demo/vocabulary/values.toml.")

    def attribute(self, kind: AttributeKind, text: str, where: str) -> Attribute:
        values = _list(text)
        if kind.unit is None:
            return Attribute(kind, tuple(self.pair(value, where) for value in values))
        unit = kind.unit
        space = "" if re.match(r"[一-鿿°]", unit.zh) else " "
        pairs = (Pair(f"{value} {unit.en}", f"{value.replace(' x ', '×')}{space}{unit.zh}") for value in values)
        return Attribute(kind, tuple(pairs))


def read_vocabulary() -> Vocabulary:
    """Everything in this folder.

    Raises:
        InvalidInput: a value has no Chinese, or a type names a color, size set or attribute that does not exist.

    """
    departments = {
        key: Department(key, Pair(*row["name"]), Words(_list(row["en"]), _list(row["zh"])), tuple(row["background"]))
        for key, row in _toml("departments.toml").items()
    }
    brands = {
        key: Brand(key, Pair(en, zh), tier, _list(where)) for key, (en, zh, tier, where) in _toml("brands.toml").items()
    }
    colors = {
        key: Color(key, Pair(key, zh), drawn, Words(_list(en), _list(says)))
        for key, (zh, drawn, en, says) in _toml("colors.toml").items()
    }
    sizes = {
        key: SizeSet(key, Pair(name_en, name_zh), tuple(Pair(*value) for value in zip(en, zh, strict=True)))
        for key, (name_en, name_zh, en, zh) in _toml("sizes.toml").items()
    }
    kinds = {
        key: AttributeKind(key, Pair(*row[:2]), Pair(*row[2:]) if len(row) > 2 else None)
        for key, row in _toml("attributes.toml")["kind"].items()
    }
    translator = _Translator()
    types: dict[str, ProductType] = {}
    for department in departments.values():
        sentences = _toml("sentences", f"{department.key}.toml")
        for key, row in _toml("types", f"{department.key}.toml").items():
            where = f"types/{department.key}.toml [{key}]"
            try:
                types[key] = _type(key, row, sentences.get(key, {}), department, colors, sizes, kinds, translator)
            except KeyError as missing:
                raise InvalidInput(
                    f"{where}: unknown name {missing}.", "See the other files of the vocabulary."
                ) from None
    materials = {
        pair.en: pair
        for kind in types.values()
        if (attribute := kind.attribute("material")) is not None
        for pair in attribute.values
    }
    features = {pair.en: pair for kind in types.values() for pair in kind.features}
    return Vocabulary(
        departments, types, brands, colors, tuple(materials.values()), tuple(features.values()), sizes, kinds
    )


def _type(
    key: str,
    row: dict[str, Any],
    sentences: dict[str, list[str]],
    department: Department,
    colors: dict[str, Color],
    sizes: dict[str, SizeSet],
    kinds: dict[str, AttributeKind],
    translator: _Translator,
) -> ProductType:
    name = Pair(*row["name"])
    low, high = row["price"]
    return ProductType(
        key=key,
        department=department,
        name=name,
        plural=Pair(row.get("plural", _plural(name.en)), name.zh),
        says=Words(_list(row["en"]), _list(row["zh"])),
        price=(round(low * 100), round(high * 100)),
        shape=row["shape"],
        colors=tuple(colors[color] for color in _list(row.get("colors", ""))),
        sizes=sizes[row["sizes"]] if "sizes" in row else None,
        attributes=tuple(translator.attribute(kinds[kind], text, key) for kind, text in row["has"].items()),
        features=tuple(translator.pair(feature, key) for feature in _list(row.get("features", ""))),
        lasts_days=row.get("lasts_days"),
        sentences=Words(tuple(sentences.get("en", ())), tuple(sentences.get("zh", ()))),
    )
