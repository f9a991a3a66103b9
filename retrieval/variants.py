"""Which variant of a product the words of a query name: "red running shoes 42" means the red one in 42.

What customers make a condition is decided by the filters. Here the words choose among the variants that are left: they rank, so
a variant that is named but sold out is chosen only where no other one is named as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.attributes import canonical, parts_of
from index.clean import fold, has_cjk, is_cjk
from index.codes import codes_of, identifiers
from index.facets import FacetMask
from index.filters import Filters
from index.product import Product
from index.tokens import folded, singular

_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)?")
_HAN_ENDS: Final = frozenset("色码号款")  # 黑色 is 黑, L码 is L
_SAYS_NOTHING: Final = frozenset("size color colour pack set style the and with".split())
_BY_CODE: Final = 10  # options that a code is worth: who types an article's number means that article
_LIKE: Final = 0.5  # how exactly "blue" names navy blue, or "42" the EU 42
_IN_OTHER_WORDS: Final = 0.9

Place = tuple[frozenset[int], float]
"""The places of a text's tokens that name a value, and how exactly they do, 0 to 1."""


class Said:
    """The words of one query, to be compared with the options of many products. `others` are other words for some of them."""

    def __init__(self, text: str, others: Iterable[str] = ()) -> None:
        self.tokens = tokens_of(text)
        self.codes = frozenset((*codes_of(text), *identifiers((text, *text.split()))))
        self._others = [tokens_of(other) for other in others]
        self._known: dict[str, tuple[Place, ...]] = {}

    def fit(self, product: Product, asked: Mapping[str, Sequence[str]] | None = None) -> NDArray[np.float32]:
        """(variants, 2) how many options of each variant are named, and how exactly. 0 where nothing tells them apart.

        Words of the product's title name the product, not an option: "Red Wing boots" asks for no red ones. `asked` are the
        values of conditions, the nearest first, by attribute.
        """
        named = self._named(product)
        nearest = {canonical(name): [*map(fold, values)] for name, values in (asked or {}).items()}
        codes = self._codes_of(product)
        if not (named or nearest or codes):
            return np.zeros((len(product.variants), 2), np.float32)
        fit: list[tuple[float, float]] = []
        for place, variant in enumerate(product.variants):
            own = [named.get(option, 0.0) for option in variant.options.items()]
            count, exactly = sum(map(bool, own)), sum(own)
            for name, value in variant.options.items() if nearest else ():
                if values := nearest.get(canonical(name)):
                    there = [values.index(part) for part in parts_of(value) if part in values]
                    exactly += 1 - min(there) / len(values) if there else 0.0
            fit.append((count + _BY_CODE * bool(codes and codes[place] & self.codes), exactly))
        return np.array(fit, np.float32)

    def names(self, value: str) -> bool:
        """Whether the text has a value as it is, or in other words."""
        return any(exactly > _LIKE for _, exactly in self._places(value))

    def _named(self, product: Product) -> dict[tuple[str, str], float]:
        """How exactly each option's value is named, of those that are."""
        values = dict.fromkeys(option for variant in product.variants for option in variant.options.items())
        found = {key: places for key in values if (places := self._places(key[1]))}
        if not found:
            return {}
        title = self._title_places(product.title)
        kept = {key: [each for each in places if not each[0] or each[0] - title] for key, places in found.items()}
        # "Navy blue" names no sky blue: what is inside of a longer name is taken.
        taken = [places for several in kept.values() for places, _ in several]
        return {
            key: max(exactly)
            for key, several in kept.items()
            if (
                exactly := [
                    exactly for places, exactly in several if not any(places < longer for longer in taken if places)
                ]
            )
        }

    def _title_places(self, title: str) -> frozenset[int]:
        left = Counter(tokens_of(title))
        places = set()
        for place, token in enumerate(self.tokens):
            if left[token] > 0:
                left[token] -= 1
                places.add(place)
        return frozenset(places)

    def _places(self, value: str) -> tuple[Place, ...]:
        known = self._known.get(value)
        if known is None:
            known = self._known[value] = tuple(self._looked_up(value))
        return known

    def _looked_up(self, value: str) -> Iterator[Place]:
        whole, likes = _forms(value)
        if not whole:
            return
        yield from ((places, 1.0) for places in _runs(whole, self.tokens))
        if any(next(_runs(whole, other), None) for other in self._others):
            yield frozenset(), _IN_OTHER_WORDS
        for part in likes:
            yield from ((places, _LIKE) for places in _runs(part, self.tokens))

    def _codes_of(self, product: Product) -> list[frozenset[str]]:
        """What only some of the variants are numbered by; empty where the query has no number."""
        if not self.codes:
            return []
        own = [frozenset((*codes_of(each.title), *identifiers((each.id,)))) for each in product.variants]
        shared = frozenset.intersection(*own) if own else frozenset()
        return [codes - shared for codes in own]


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """Chooses the variant that each hit shows."""

    mask: FacetMask
    filters: Filters
    said: Said

    def of(self, row: int, product: Product) -> tuple[str | None, bool]:
        """The variant that the conditions or the words choose, and whether it can be had as the words name it.

        None where the customer has yet to choose.
        """
        if not product.variants:
            return None, True
        fit = self.said.fit(product, self.filters.attributes)
        named = fit[:, 0]  # (variants,)
        if not _choosing(self.filters) and not named.any():
            return None, True
        chosen = self.mask.variant_of(row, fit)
        place = next((place for place, each in enumerate(product.variants) if each.id == chosen), 0)
        return chosen, bool(named[place] == named.max()) and self.mask.orderable(row, place)


def _choosing(filters: Filters) -> bool:
    """Whether the conditions tell the variants of a product apart."""
    return bool(filters.price or filters.attributes or filters.availability or filters.exclude.attributes)


@lru_cache(maxsize=50_000)
def tokens_of(text: str) -> tuple[str, ...]:
    """Words without plural, numbers, and each Chinese character: `"256GB, 黑色 shoes"` → `256 gb 黑 色 shoe`."""
    found: list[str] = []
    for match in _TOKEN.finditer(folded(text)):
        token = match[0]
        if token.isascii():
            found.append(singular(token))
            continue
        word = ""
        for char in token:
            if is_cjk(char):
                found += [word, char] if word else [char]
                word = ""
            else:
                word += char
        found += [singular(word)] if word else []
    return tuple(found)


def _runs(part: Sequence[str], tokens: Sequence[str]) -> Iterator[frozenset[int]]:
    """Where a part stands in a text; one character of a longer Chinese word, or the L of "1.7 L", is not it."""
    if part[0] not in tokens:
        return
    size = len(part)
    for start in range(len(tokens) - size + 1):
        if tuple(tokens[start : start + size]) != tuple(part):
            continue
        if size == 1 and len(part[0]) == 1:
            before = tokens[start - 1] if start else ""
            after = tokens[start + 1] if start + 1 < len(tokens) else ""
            if is_cjk(part[0]) and after not in _HAN_ENDS and (has_cjk(after) or has_cjk(before)):
                continue
            if part[0].isalpha() and before[:1].isdigit():
                continue
        yield frozenset(range(start, start + size))


@lru_cache(maxsize=50_000)
def _forms(value: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The tokens of a value, and those of what stands for it."""
    whole = tokens_of(value)
    return whole, tuple(part for part in _like(value, whole) if part)


def _like(value: str, whole: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """What of a value stands for it: the part before 色, each part of "blue/white", the last word, a number."""
    if len(whole) > 1 and whole[-1] in _HAN_ENDS:
        yield tuple(whole[:-1])
    for part in parts_of(value):
        if part != fold(value):
            yield tokens_of(part)
    if len(whole) > 1:
        if len(whole[-1]) > 2 and whole[-1] not in _SAYS_NOTHING and whole[-1].isalpha():
            yield (whole[-1],)
        yield from ((token,) for token in whole if token[0].isdigit())
