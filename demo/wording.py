"""Titles and descriptions of the demo shop: hand-written sentences, chosen and filled in by a seeded generator."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from numpy.random import Generator

from demo.vocabulary.records import Brand, Color, Language, Pair, ProductType

T = TypeVar("T")

# Attributes that a title may name, the most telling first.
_TITLE_KINDS = (
    "storage_gb", "screen_in", "battery", "capacity_l", "capacity_ml", "volume_ml", "net_kg", "net_g", "pieces",
    "diameter_cm", "persons", "brightness_lm", "voltage_v", "length_m", "resolution", "spf", "roast", "flavor",
    "scent", "material", "style", "genre", "age", "level", "temperature", "ruling", "nib", "pet_age", "fit",
)  # fmt: skip


@dataclass(frozen=True)
class Design:
    """What a product is before it gets words: the values chosen for it, by attribute key."""

    type: ProductType
    brand: Brand
    colors: tuple[Color, ...]
    values: dict[str, Pair]
    features: tuple[Pair, ...]
    model: str
    language: Language


def pick(rng: Generator, choices: Sequence[T]) -> T:
    """Return one of the choices."""
    return choices[int(rng.integers(len(choices)))]


def pick_some(rng: Generator, choices: Sequence[T], count: int) -> list[T]:
    """Return `count` different choices (fewer where there are not so many), in their given order."""
    chosen = rng.permutation(len(choices))[:count]
    return [choices[index] for index in sorted(int(number) for number in chosen)]


@cache
def words_of(name: str) -> dict[str, Any]:
    """Return one of the vocabulary's files of phrases."""
    return tomllib.loads((Path(__file__).parent / "vocabulary" / f"{name}.toml").read_text("utf-8"))


def model_name(rng: Generator, language: Language) -> str:
    """Return an invented model name: "Heron Pro", "远山二代"."""
    phrases = words_of("phrases")
    base, series = pick(rng, phrases["models"][language]), pick(rng, phrases["series"][language])
    if not series or language == "zh":
        return f"{base}{series}"
    return f"{base} {series}"


def title_of(rng: Generator, design: Design) -> str:
    """Compose a title from brand, model, kind of product and two telling facts."""
    language = design.language
    details = [design.values[kind] for kind in _TITLE_KINDS if kind in design.values][:2]
    details = details if rng.random() < 0.55 else details[:1]
    if design.features and rng.random() < 0.45:
        details.append(pick(rng, design.features))
    if len(design.colors) == 1 and design.type.sizes is None and rng.random() < 0.6:
        details.append(design.colors[0].name)
    texts = [detail.in_(language) for detail in details]
    if design.type.key in words_of("books"):
        return _book_title(rng, design)
    if language == "zh":
        return " ".join([f"{design.brand.name.zh} {design.model}{design.type.name.zh}", *texts])
    head = f"{design.brand.name.en} {design.model} {design.type.name.en}"
    return ", ".join([head, *(_capital(text) for text in texts)])


def _book_title(rng: Generator, design: Design) -> str:
    first, second = words_of("books")[design.type.key][design.language]
    kind = design.type.name.in_(design.language)
    author = design.values["author"].in_(design.language)
    if design.language == "zh":
        return f"《{pick(rng, first)}{pick(rng, second)}》{author} {kind} {design.values['binding'].zh}"
    return f"{pick(rng, first)} {pick(rng, second)}, {kind} by {author}, {_capital(design.values['binding'].en)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _noun(name: str) -> str:
    """Wireless Earbuds → wireless earbuds, USB-C Hub → USB-C hub."""
    words = name.split()
    return " ".join(word if sum(letter.isupper() for letter in word) > 1 else word.lower() for word in words)


_PLURAL_VERBS = {"is": "are", "has": "have", "carries": "carry", "does": "do", "was": "were"}


def in_plural(text: str) -> str:
    """Make "it" agree with earbuds and jeans.

    >>> in_plural("It is made of cotton and it weighs 30 g.")
    'They are made of cotton and they weigh 30 g.'
    """

    def agree(match: re.Match[str]) -> str:
        pronoun = "They" if match[1] == "It" else "they"
        return f"{pronoun} {_PLURAL_VERBS.get(match[2], match[2].removesuffix('s'))}"

    return re.sub(r"\b([Ii]t) (is|has|carries|does|was|\w+[a-rt-z]s)\b", agree, text)


def description_of(rng: Generator, design: Design) -> str:
    """Compose two to five sentences, each grounded in what the product has."""
    language = design.language
    phrases, facts = words_of("phrases"), words_of("facts")
    own = [text for text in design.type.sentences.in_(language) if _holds(text, design)]
    sentences = pick_some(rng, own, 1 + int(rng.random() < 0.6))
    if not sentences or (rng.random() < 0.3 and design.type.key not in words_of("books")):
        sentences.insert(0, pick(rng, phrases["openings"][language]))
    said = {kind for text in sentences for kind in re.findall(r"\{(\w+)\}", text)}
    kinds = [kind for kind in design.values if kind in facts and kind not in said]
    for kind in pick_some(rng, kinds, 1 + int(rng.integers(2))):
        sentences.append(pick(rng, facts[kind][language]).replace("{v}", design.values[kind].in_(language)))
    if design.features and rng.random() < 0.8:
        sentences.append(pick(rng, phrases["features"][language]))
    if len(sentences) < 2 or (len(sentences) < 5 and rng.random() < 0.45):
        sentences.append(pick(rng, phrases["endings"][str(design.brand.tier)][language]))
    fillers = _fillers(design)
    filled = [_capital(re.sub(r"\{(\w+)\}", lambda match: fillers[match[1]], text)) for text in sentences[:5]]
    text = ("" if language == "zh" else " ").join(filled)
    plural = design.type.name.en == design.type.plural.en and design.type.name.en.endswith("s")
    return in_plural(text) if plural and language == "en" else text


def _holds(text: str, design: Design) -> bool:
    """Whether every attribute that a sentence names is one the product has."""
    return set(re.findall(r"\{(\w+)\}", text)) <= _fillers(design).keys()


def _fillers(design: Design) -> dict[str, str]:
    language = design.language
    comma = "、" if language == "zh" else ", "
    return {
        **{kind: value.in_(language) for kind, value in design.values.items()},
        "brand": design.brand.name.in_(language),
        "model": design.model,
        "type": design.type.name.zh if language == "zh" else _noun(design.type.name.en),
        "types": design.type.plural.zh if language == "zh" else _noun(design.type.plural.en),
        "color": comma.join(color.name.in_(language) for color in design.colors),
        "features": comma.join(feature.in_(language) for feature in design.features),
    }
