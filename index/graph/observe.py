"""What a catalog and its orders say by themselves: which words head its titles, what fits what, what is bought together.

Counting is done in one pass over the products, in bounded memory; only counts that a person would believe become edges. The
thresholds were chosen by reading samples of what they let through (docs/catalog.md).
"""

from __future__ import annotations

import json
import re
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.attributes import canonical
from index.base import Base
from index.clean import fold
from index.graph.edges import Edge
from index.graph.terms import Token, joined, term_of, tokens_of
from index.product import Product
from index.strings import Strings, StringsWriter

FEW: Final = 5  # titles, products or people below which a count is chance
MOSTLY: Final = 0.8  # of a word's titles stand under one category: the word belongs to it
MEANS: Final = 0.6  # of a category's titles are headed by the word: the two mean the same
LIFT: Final = 1.5  # how much oftener than by chance two kinds are bought by the same person
PARTNERS: Final = 8  # of one kind, the best

_COUNTED: Final = "counted.json"
_MOST_COUNTED: Final = 300_000  # different things that are counted at once
_MOST_REMEMBERED: Final = 100_000  # names whose node is kept while counting
_HEAD_WORDS: Final = 3
_HAN_HEAD: Final = 6
_SEGMENT: Final = re.compile(r"[,;:(\[|/，；：（【、]|\s[-–—]\s|\b(?:with|for|by|from|in|and)\b", re.IGNORECASE)
_LONGEST_STATEMENT: Final = 60
_SAYS_FITS: Final = re.compile(
    r"\b(?:compatible with|fits|works with|designed for|made for|for use with)\s+([^.,;:!?()\n]{2,60})"
    r"|(?:适用于|兼容|适配|专为)([^，。、；,.;!！?？\n]{1,24})",
    re.IGNORECASE,
)
_TITLE_FITS: Final = re.compile(r"\bfor\s+([^.,;:!?()\n]{2,60})|适用于?([^，。、；,.; \n]{1,24})", re.IGNORECASE)
_FIT_NAMES: Final = frozenset(
    "compatible with|compatibility|compatible devices|compatible models|compatible model|fits|fit for|works with|suitable for|"
    "适用|适用于|适用机型|适用型号|适用设备|适用车型|兼容|兼容性|兼容设备|兼容机型|适配|适配机型".split("|")
)
_COUNTED_ATTRIBUTES: Final = frozenset({"material", "color", "features", "特点", "style", "款式", "pattern"})


Counted = TypeVar("Counted", bound=Hashable)
Pair = tuple[str, str]


class Tally(Counter[Counted]):
    """Counts that forget the rarest half when they are too many: what a large catalog says five times stays."""

    def count(self, seen: Iterable[Counted], times: int = 1) -> None:
        """Counts each once more, or with `times` -1 once less."""
        if times < 0:
            self.subtract(seen)
            return
        self.update(seen)
        if len(self) > _MOST_COUNTED:
            kept = self.most_common(_MOST_COUNTED // 2)
            self.clear()
            self.update(dict(kept))

    def clean(self) -> None:
        """Drops what is not counted any more."""
        for each in [each for each, count in self.items() if count <= 0]:
            del self[each]


class _Terms(dict[str, str]):
    """Remembers the node of each name: a catalog says the same names over and over."""

    def __missing__(self, name: str) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        node = self[name] = term_of(name)
        return node


class Observations:
    """Counts over a catalog, product by product, by ascending row; with `base` the other rows are taken over.

    `leaves` and `heads` are (products,): each product's leaf category, and the end of its title.
    """

    def __init__(self, base: Base | None = None) -> None:
        self.heads = StringsWriter()
        self.paths: Tally[Pair] = Tally()
        self.size: Tally[str] = Tally()
        self.words: Tally[Pair] = Tally()
        self.titles: Tally[str] = Tally()
        self.brands: Tally[Pair] = Tally()
        self.values: Tally[Pair] = Tally()
        self.fits: Tally[Pair] = Tally()
        self.pairs: Tally[Pair] = Tally()
        self.spellings: Tally[Pair] = Tally()  # a category, and how the shop spells it
        self._leaves = array("i")  # place in `_names_of_leaves`, -1 where there is none
        self._names_of_leaves: dict[str, int] = {}
        self._names = _Terms()
        self._leaves_before: NDArray[np.int32] = np.empty(0, np.int32)
        self._heads_before: Strings | None = None
        if base is not None:
            self._load(base.folder)

    @classmethod
    def of(cls, products: Iterable[Product]) -> Observations:
        """Counts `products` in the order of their rows."""
        seen, size = cls(), 0
        for row, product in enumerate(products):
            seen.add(row, product)
            size = row + 1
        seen.close(size)
        return seen

    def add(self, row: int, product: Product) -> None:
        """Counts the product of a row."""
        self._take(row)
        leaf, head = self._count(product, 1)
        self._leaves.append(self._names_of_leaves.setdefault(leaf, len(self._names_of_leaves)) if leaf else -1)
        self.heads.add(joined(head))

    def remove(self, product: Product) -> None:
        """Takes back what a stale row of the base said."""
        self._count(product, -1)

    def close(self, size: int) -> None:
        """Ends the counting of a catalog of `size` products."""
        self._take(size)
        for counts in self._tallies().values():
            counts.clean()

    @property
    def leaves(self) -> list[str]:
        """(products,) each product's leaf category, "" where it has none."""
        names = [*self._names_of_leaves, ""]
        return [names[place] for place in self._leaves]

    @property
    def labels(self) -> dict[str, str]:
        """The categories as the shop spells them: each as most products have it, and of equal ones the first of the alphabet."""
        best: dict[str, tuple[int, str]] = {}
        for (name, spelled), count in self.spellings.items():
            best[name] = min(best.get(name, (0, "")), (-count, spelled))
        return {name: spelled for name, (_, spelled) in best.items()}

    def save(self, folder: Path) -> None:
        """Writes what a later version takes over into an existing folder."""
        counted = {name: _columns(counts) for name, counts in self._tallies().items()}
        content = {"leaves": list(self._names_of_leaves), "counts": counted}
        (folder / _COUNTED).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        np.save(folder / "leaves.npy", np.array(self._leaves, np.int32), allow_pickle=False)
        self.heads.save(folder, "heads")

    def _load(self, folder: Path) -> None:
        content = json.loads((folder / _COUNTED).read_text(encoding="utf-8"))
        self._names_of_leaves = {name: place for place, name in enumerate(content["leaves"])}
        for name, counts in self._tallies().items():
            if columns := content["counts"][name]:
                *parts, numbers = columns
                keys = zip(*parts, strict=True) if len(parts) > 1 else parts[0]
                counts.update(dict(zip(keys, numbers, strict=True)))
        self._leaves_before = np.load(folder / "leaves.npy", allow_pickle=False)
        self._heads_before = Strings.load(folder, "heads")

    def _tallies(self) -> dict[str, Tally[Any]]:
        return {name: counts for name, counts in vars(self).items() if isinstance(counts, Tally)}

    def _take(self, row: int) -> None:
        """Takes over what stands before a row and was not added."""
        if self._heads_before is not None and len(self.heads) < row:
            self._leaves.frombytes(self._leaves_before[len(self.heads) : row].tobytes())
            self.heads.take(self._heads_before, len(self.heads), row)

    def _count(self, product: Product, times: int) -> tuple[str, list[Token]]:
        """Counts what a product says so often, 1 or -1; returns its leaf category and the end of its title."""
        names = self._names
        # Interned, for every product of a category holds its name.
        path = [sys.intern(name) for each in product.categories if (name := names[each])]
        spelled = ((names[each], " ".join(each.replace("_", " ").split())) for each in product.categories)
        self.spellings.count(spelled, times)
        leaf = path[-1] if path else ""
        head = head_of(product.title, product.brand)
        ends = list(_ends(head))
        self.titles.count(ends, times)
        if _two_scripts(product.title):
            self.pairs.count(_translations(product), times)
        if leaf:
            self.size.count([leaf], times)
            # A path of equal names ("Shoes > Shoes") says nothing.
            self.paths.count(((below, above) for above, below in pairwise(path) if above != below), times)
            self.words.count(((leaf, end) for end in ends), times)
            if brand := names[product.brand]:
                self.brands.count([(leaf, brand)], times)
            self.values.count(((leaf, value) for value in _values(product, names)), times)
            self.fits.count(((leaf, said) for said in {fold(said) for said in fit_statements(product)}), times)
        return leaf, head

    @property
    def categories(self) -> frozenset[str]:
        """The names of all categories, leaves or not."""
        return frozenset(self.size) | {above for _, above in self.paths}

    def edges(self, find: Callable[[str], str]) -> Iterator[Edge]:
        """What the counts say; `find` gives the thing to buy that a statement such as "13 inch laptops" names, or ""."""
        for (below, above), count in sorted(self.paths.items()):
            yield Edge(below, "broader", above, 0.9, evidence=f"catalog: path of {count}")
        yield from self._named()
        yield from self._translated()
        for relation, counts, most in (("has_brand", self.brands, 20), ("has_attribute", self.values, PARTNERS)):
            for leaf, found in _best(counts, self.size, FEW, 0.1, most):
                for value, count in found:
                    share = count / self.size[leaf]
                    said = f"catalog: {count} of {self.size[leaf]}"
                    yield Edge(leaf, relation, value, round(share, 3), evidence=said)  # type: ignore[arg-type]
        yield from self._fitting(find)

    def _named(self) -> Iterator[Edge]:
        """Words that head the titles of one category, and are not its name."""
        by_leaf: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for (leaf, word), count in sorted(self.words.items()):
            if count >= FEW and count >= MOSTLY * self.titles[word]:
                by_leaf[leaf].append((word, count))
        for leaf, words in by_leaf.items():
            for word, count in words:
                # The longest words that are as frequent say it best: "bottle cage", not "cage".
                longer = any(len(other) > len(word) and _inside(word, other) and 0.9 * count <= n for other, n in words)
                if longer or _inside(word, leaf):
                    continue
                said = f"catalog: {count} of {self.size[leaf]} titles"
                if count >= MEANS * self.size[leaf]:
                    yield Edge(word, "synonym", leaf, 0.85, evidence=said)
                else:
                    yield Edge(word, "broader", leaf, 0.75, evidence=said)

    def _translated(self) -> Iterator[Edge]:
        """Words of two scripts that stand in the same titles and hardly in others."""
        latin: Counter[str] = Counter()
        han: Counter[str] = Counter()
        for (one, other), count in self.pairs.items():
            latin[one] += count
            han[other] += count
        for (one, other), count in sorted(self.pairs.items()):
            if count >= FEW and count >= MOSTLY * min(latin[one], self.titles[one] or latin[one]):
                yield Edge(one, "synonym", other, 0.8, evidence=f"catalog: {count} titles in two languages")

    def _fitting(self, find: Callable[[str], str]) -> Iterator[Edge]:
        fitting: Counter[Pair] = Counter()
        for (leaf, said), count in self.fits.items():
            if (thing := find(said)) and not _inside(thing, leaf):
                fitting[leaf, thing] += count
        for (leaf, thing), count in sorted(fitting.items()):
            if count >= 2:
                weight = round(min(0.95, 0.6 + 0.4 * count / self.size[leaf]), 3)
                yield Edge(leaf, "compatible_with", thing, weight, evidence=f"catalog: said of {count}")


def bought_together(baskets: Iterable[Sequence[str]]) -> Iterator[Edge]:
    """Kinds that the same people buy, from the kinds in each person's orders: at least `FEW` people, and `LIFT` above chance."""
    people, bought = 0, Counter[str]()
    both = Tally[Pair]()
    for basket in baskets:
        kinds = sorted(set(basket))[:50]  # who buys of everything says nothing of two
        people += 1
        bought.update(kinds)
        both.count(combinations(kinds, 2))
    lifts: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for (one, other), count in both.items():
        lift = count * people / (bought[one] * bought[other])
        if count >= FEW and lift >= LIFT:
            lifts[one].append((lift, count, other))
            lifts[other].append((lift, count, one))
    for one, found in sorted(lifts.items()):
        for lift, count, other in sorted(found, key=lambda each: (-each[0], each[2]))[:PARTNERS]:
            weight = round(
                0.5 + 0.4 * count / (count + 15), 3
            )  # few people are no reason to pass over what goes together
            yield Edge(one, "goes_with", other, weight, evidence=f"orders: {count} people, {lift:.1f} times chance")


def head_of(title: str, brand: str = "") -> list[Token]:
    """The words before the first comma or preposition that may name the thing, at most `_HEAD_WORDS`, the last the head.

    `head_of("Tovaray Harbor 2 Wireless Earbuds, Pink", "Tovaray")` is `harbor`, `wireless`, `earbud` without its brand and
    numbers; of a Chinese title it is the first run of characters behind the brand.
    """
    brands = {token.text for token in tokens_of(brand)}
    parts = [part for part in _SEGMENT.split(title) if part.strip()]
    for part in parts:
        tokens = [token for token in tokens_of(part) if token.text not in brands and not _numbered(token.text)]
        han = [token for token in tokens if token.han]
        if han and not any(token.han is False and len(token.text) > 2 for token in tokens):
            longest = max(han, key=lambda token: len(token.text))
            return [longest]
        latin = [token for token in tokens if not token.han]
        if latin:
            return latin[-_HEAD_WORDS:]
    return []


def fit_statements(product: Product) -> Iterator[str]:
    """What a product's record says it fits: "13 inch laptops", "PC and consoles"."""
    for name, values in product.attributes.items():
        if canonical(name) in _FIT_NAMES:
            yield from (value[:_LONGEST_STATEMENT] for value in values)
    for pattern, text in ((_SAYS_FITS, product.description), (_TITLE_FITS, product.title)):
        for match in pattern.finditer(text):
            yield (match[1] or match[2])[:_LONGEST_STATEMENT]


def _columns(counts: Tally[Any]) -> list[Sequence[str] | list[int]]:
    """`{("lamp", "desk"): 3}` becomes `[["lamp"], ["desk"], [3]]`, which is written and read faster than line by line."""
    if not counts:
        return []
    keys = list(counts)
    return [*(zip(*keys, strict=True) if isinstance(keys[0], tuple) else [keys]), list(counts.values())]


def _ends(head: Sequence[Token]) -> Iterator[str]:
    """What may be the name of the thing: the last words, or the last characters of a Chinese run."""
    if not head:
        return
    if head[-1].han:
        run = head[-1].text
        yield from (run[-length:] for length in range(2, min(len(run), _HAN_HEAD) + 1))
    else:
        yield from (joined(head[start:]) for start in range(len(head)))


def _translations(product: Product) -> Iterator[tuple[str, str]]:
    """(Latin, Chinese) ends of the runs of a title in both scripts."""
    tokens = [token for token in tokens_of(product.title) if not _numbered(token.text)]
    brands = {token.text for token in tokens_of(product.brand)}
    tokens = [token for token in tokens if token.text not in brands]
    runs = [token.text for token in tokens if token.han and len(token.text) > 1]
    latin = [token for token in tokens if not token.han]
    if runs and len(latin) > 1:
        yield joined(latin[-2:]), max(runs, key=len)[-4:]


def _values(product: Product, names: _Terms) -> set[str]:
    return {
        node
        for name, values in product.attributes.items()
        if canonical(name) in _COUNTED_ATTRIBUTES
        for value in values
        if (node := names[value]) and not _numbered(node)
    }


def _best(
    counts: Counter[Pair], size: Counter[str], least: int, share: float, most: int
) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """The commonest values of each leaf category."""
    by_leaf: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (leaf, value), count in counts.items():
        if count >= least and count >= share * size[leaf]:
            by_leaf[leaf].append((value, count))
    for leaf, found in sorted(by_leaf.items()):
        yield leaf, sorted(found, key=lambda each: (-each[1], each[0]))[:most]


def _inside(short: str, long: str) -> bool:
    """Whether one of two names is the end of the other: "lamp" of "desk lamp"."""
    return f" {long}".endswith((short, f" {short}")) or f" {short}".endswith((long, f" {long}"))


def _two_scripts(title: str) -> bool:
    return (
        not title.isascii() and any(token.han for token in tokens_of(title)) and bool(re.search("[A-Za-z]{3}", title))
    )


def _numbered(text: str) -> bool:
    return any(char.isdigit() for char in text)
