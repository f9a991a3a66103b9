"""Which kind of product a turn names, and what products of that kind are described by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from retrieval.understanding.scales import Scale
from retrieval.understanding.text import has_han, lower, normalise
from retrieval.understanding.vocabulary import CatalogWords, Meant, key_of, tokens_of

_LONGEST = 8
_SAMPLE = 40


class Named(NamedTuple):
    """Categories that a turn names; `sure` is False where only a word inside their names was said."""

    categories: tuple[str, ...] = ()
    sure: bool = False


class Kinds:
    """Finds categories by their whole name, by its end ("kettle" is the end of "Electric Kettles"), else by a word in it.

    Built once; finding takes time linear in the turn.
    """

    def __init__(self, words: CatalogWords) -> None:
        self._words = words
        # Key → (how the key names them, categories): 2 whole names, 1 ends, 0 words inside.
        self._found: dict[str, tuple[int, list[str]]] = {}
        ranked: dict[int, dict[str, list[str]]] = {rank: defaultdict(list) for rank in (2, 1, 0)}
        for category in words.categories():
            tokens = key_of(category).split(" ")
            for start in range(len(tokens)):
                for end in range(start + 1, min(start + _LONGEST, len(tokens)) + 1):
                    part = tokens[start:end]
                    if has_han(part[0]) and len(part) < 2:
                        continue
                    rank = 2 if len(part) == len(tokens) else 1 if end == len(tokens) else 0
                    if rank == 0 and not has_han(part[0]) and len(part) > 1:
                        continue
                    ranked[rank][" ".join(part)].append(category)
        for rank in (0, 1, 2):
            self._found.update((key, (rank, found)) for key, found in ranked[rank].items())

    def named_by(self, text: str, topic: str) -> Named:
        """What kind of product a turn names, else the topic that it goes on with."""
        named = self.named_in(text)
        return named if named.categories or not topic else self.named_in(lower(normalise(topic)))

    def named_in(self, view: str) -> Named:
        """What kind of product a turn names: by the longest name or end of one, else by the longest word inside."""
        tokens = [token for token, _, _ in tokens_of(view)]
        best: tuple[bool, int, int] = (False, 0, 0)
        named: dict[str, None] = {}
        for start in range(len(tokens)):
            for length in range(1, min(_LONGEST, len(tokens) - start) + 1):
                rank, found = self._found.get(" ".join(tokens[start : start + length]), (-1, []))
                fullness = (rank > 0, length, rank)
                if rank >= 0 and fullness >= best:
                    if fullness > best:
                        named = {}
                    best = fullness
                    named.update(dict.fromkeys(found))
        return Named(tuple(named), best[0])

    def described(self, categories: Iterable[str], scale: Scale) -> bool:
        """Whether products of one of the categories have a quantity of that scale."""
        values = (None,) if scale.share > 1 - 1e-9 else scale.values[:_SAMPLE]
        return any(self.carry(categories, scale.name, value) for value in values)

    def carry(self, categories: Iterable[str], name: str, value: str | None) -> bool:
        """Whether a product of one of the categories has that value of the attribute, or any where `value` is None."""
        return any(self._words.carries(category, name, value) for category in categories)

    def meanings_for(self, named: Named, word: str, meant: tuple[Meant, ...]) -> tuple[Meant, ...]:
        """Of a word's meanings those by which the named kind is described: "citrus" of candles is a scent, of teas a flavor.

        What a product is called by that very word goes before what the word means elsewhere: "rose" is the scent, not pink.
        """
        if len(meant) < 2 or not named.sure:
            return meant
        free = ("brand", "category")
        described = [each for each in meant if each.kind in free or self.carry(named.categories, each.name, None)]
        exact = [each for each in described if any(key_of(value) == key_of(word) for value in each.values)]
        valued = [
            each
            for each in exact or described
            if each.kind in free or any(self.carry(named.categories, each.name, value) for value in each.values)
        ]
        return tuple(valued or exact or described or meant)

    def knows(self, text: str) -> bool:
        """Whether a text is in a category's name."""
        return key_of(text) in self._found

    def compounds(self, view: str) -> bool:
        """Whether a text begins with a category's name, or the end of one, of two words or more: "wall mirrors", "hair dryer"."""
        tokens = [token for token, _, _ in tokens_of(view[:40])][:_LONGEST]
        return any(self._found.get(" ".join(tokens[:end]), (0, []))[0] > 0 for end in range(2, len(tokens) + 1))

    def begins(self, view: str) -> bool:
        """Whether a text begins with a word that is in a category's name."""
        first = next((token for token, _, _ in tokens_of(view[:40])), "")
        return first in self._found
