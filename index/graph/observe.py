"""What a catalog and its orders say by themselves: which words head its titles, what fits what, what is bought together.

Counting is done in one pass over the products, in bounded memory; only counts that a person would believe become edges. The
thresholds were chosen by reading samples of what they let through (docs/catalog.md).
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Final, TypeVar

from index.clean import fold
from index.facets import canonical
from index.graph.edges import Edge
from index.graph.terms import Token, joined, term_of, tokens_of
from index.product import Product
from index.strings import StringsWriter

FEW: Final = 5  # titles, products or people below which a count is chance
MOSTLY: Final = 0.8  # of a word's titles stand under one category: the word belongs to it
MEANS: Final = 0.6  # of a category's titles are headed by the word: the two mean the same
LIFT: Final = 1.5  # how much oftener than by chance two kinds are bought by the same person
PARTNERS: Final = 8  # of one kind, the best

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

    def count(self, seen: Iterable[Counted]) -> None:
        """Counts each once more."""
        self.update(seen)
        if len(self) > _MOST_COUNTED:
            kept = self.most_common(_MOST_COUNTED // 2)
            self.clear()
            self.update(dict(kept))


class _Terms(dict[str, str]):
    """Remembers the node of each name: a catalog says the same names over and over."""

    def __missing__(self, name: str) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        node = self[name] = term_of(name)
        return node


@dataclass
class Observations:
    """Counts over a catalog, product by product.

    `leaves` and `heads` are (products,): each product's leaf category, and the end of its title; `labels` has the categories as
    the shop spells them.
    """

    leaves: list[str] = field(default_factory=list)
    heads: StringsWriter = field(default_factory=StringsWriter)
    paths: Counter[Pair] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)
    words: Tally[Pair] = field(default_factory=Tally)
    titles: Tally[str] = field(default_factory=Tally)
    brands: Tally[Pair] = field(default_factory=Tally)
    values: Tally[Pair] = field(default_factory=Tally)
    fits: Tally[Pair] = field(default_factory=Tally)
    pairs: Tally[Pair] = field(default_factory=Tally)
    labels: dict[str, str] = field(default_factory=dict)
    _names: _Terms = field(default_factory=_Terms)

    @classmethod
    def of(cls, products: Iterable[Product]) -> Observations:
        """Counts `products` in the order of their rows."""
        seen = cls()
        for product in products:
            seen.add(product)
        return seen

    def add(self, product: Product) -> None:
        """Counts the product of the next row."""
        names = self._names
        # Interned, for every product of a category holds its name.
        path = [sys.intern(name) for each in product.categories if (name := names[each])]
        for each in product.categories:
            self.labels.setdefault(names[each], " ".join(each.replace("_", " ").split()))
        leaf = path[-1] if path else ""
        head = head_of(product.title, product.brand)
        self.leaves.append(leaf)
        self.heads.add(joined(head))
        ends = list(_ends(head))
        self.titles.count(ends)
        if _two_scripts(product.title):
            self.pairs.count(_translations(product))
        if not leaf:
            return
        self.size[leaf] += 1
        # A path of equal names ("Shoes > Shoes") says nothing.
        self.paths.update((below, above) for above, below in pairwise(path) if above != below)
        self.words.count((leaf, end) for end in ends)
        if brand := names[product.brand]:
            self.brands.count([(leaf, brand)])
        self.values.count((leaf, value) for value in _values(product, names))
        self.fits.count((leaf, said) for said in {fold(said) for said in fit_statements(product)})

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
