"""What Aisle knows of shopping words before it has seen a catalog: the hand-written lists of `lists/`.

goods.txt, values.txt   couch, sofa | 沙发                   a group a line: words for the same
umbrellas.txt           furniture | 家具: sofa, table        an umbrella term, and what it takes in
together.txt            tent: sleeping bag, lantern          who has the first may want the others
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import combinations
from typing import Final

from index.graph.edges import Edge
from index.graph.terms import language_of, term_of

SAME: Final = 0.85
TRANSLATED: Final = 0.8
TAKES_IN: Final = 0.75
TOGETHER: Final = 0.6
# As `index.tokens.singular` leaves the plural: "knives" is "knive", "cookies" is "cooky".
_PLURALS: Final = dict(
    pair.split(":")
    for pair in (
        "knife:knive scarf:scarve shelf:shelve mouse:mice child:children man:men woman:women foot:feet loaf:loave"
        " bookshelf:bookshelve tooth:teeth person:people"
    ).split()
)
_COMMA: Final = re.compile(r"[,，、]")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The shipped edges; `goods` are terms that name things to buy, `values` those that name a property of them."""

    edges: tuple[Edge, ...]
    goods: frozenset[str]
    values: frozenset[str]


@cache
def lexicon() -> Lexicon:
    """The lists, read once."""
    edges: list[Edge] = []
    goods: set[str] = set()
    values: set[str] = set()
    translated: dict[str, list[str]] = defaultdict(list)
    for name, terms in (("goods", goods), ("values", values)):
        for _, line in _lines(name):
            group = _terms(line)
            terms.update(group)
            edges += _synonyms(group)
            for term in group:
                translated[term] += (other for other in group if language_of(other) != language_of(term))
    for section, line in _lines("umbrellas"):
        above, below = line.split(":")
        umbrella = _terms(above)
        (values if section == "values" else goods).update(umbrella)
        edges += _synonyms(umbrella)
        chinese = next((term for term in umbrella if language_of(term) == "zh"), "")
        for term in _terms(below):
            (values if section == "values" else goods).add(term)
            edges.append(Edge(term, "broader", umbrella[0], TAKES_IN, evidence="list"))
            # Said in Chinese, an umbrella term means Chinese names first.
            own = [other for other in translated[term] if chinese and language_of(other) == "zh" and other != chinese]
            edges += (Edge(other, "broader", chinese, TAKES_IN, evidence="list") for other in own)
    for _, line in _lines("together"):
        first, others = line.split(":")
        edges += (Edge(term_of(first), "goes_with", term, TOGETHER, evidence="list") for term in _terms(others))
    return Lexicon(tuple(edges), frozenset(goods), frozenset(values))


def translations(name: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The rows of a list as they are written, English words and Chinese ones: (("bamboo",), ("竹", "竹制", "竹子"))."""
    rows = []
    for _, line in _lines(name):
        english, _, chinese = line.partition("|")
        rows.append((_listed(english), _listed(chinese)))
    return rows


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word for part in _COMMA.split(text) if (word := part.strip()))


def _lines(name: str) -> Iterator[tuple[str, str]]:
    """(section, line) of a list, without comments."""
    section = ""
    text = resources.files("index.graph").joinpath("lists", f"{name}.txt").read_text(encoding="utf-8")
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            yield section, line


def _terms(text: str) -> list[str]:
    """The terms of both sides of the bar, each also as its plural is spelled where no rule finds the singular."""
    terms: dict[str, None] = {}
    for part in _COMMA.split(text.replace("|", ",")):
        term = term_of(part)
        terms[term] = None
        before, _, last = term.rpartition(" ")
        plural = _PLURALS.get(last) or (f"{last[:-2]}y" if len(last) > 4 and last.endswith("ie") else "")
        if plural:
            terms[f"{before} {plural}".strip()] = None
    return [term for term in terms if term]


def _synonyms(group: list[str]) -> Iterator[Edge]:
    for one, other in combinations(group, 2):
        weight = SAME if language_of(one) == language_of(other) else TRANSLATED
        yield Edge(one, "synonym", other, weight, evidence="list")
