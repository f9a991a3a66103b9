"""The words of a query in the catalog's own: what the graph knows them to mean, as weighted alternatives beside them.

A phrase is matched as long as the graph knows it, so that "coffee table" is no table. Nothing is expanded that is negated or that
holds a digit; an umbrella term takes in its things only where it names what is looked for ("shoes for work"), not where it
tells of it ("shoe rack"). Who spells a model number means one article in just these words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from index.codes import codes_of
from index.graph import Graph, Meant
from index.graph.lexicon import lexicon
from index.graph.terms import Token, joined, tokens_of
from index.tokens import singular, words_of
from index.words import Alternative, Concept

MOST_CONCEPTS: Final = 6
"""A longer query is a title or a sentence; its words say enough."""
LONGEST_PHRASE: Final = 5  # words
_LONGEST_HAN: Final = 8
_NEGATIONS: Final = frozenset("no not without except excluding non never".split())
_HAN_NEGATION: Final = re.compile(r"不要|不想要?|不是|不含|不带|不用|没有|除了|别要|非(?!常)")
# "256gb" is no model number.
_MEASURE: Final = re.compile(
    r"\d+(?:gb|tb|mb|mah|wh|k?w|v|k?hz|mhz|ghz|mm|cm|ml|kg|lbs?|oz|ft|inch(?:es)?|mp|btu|rpm|mbps|lm|lumens?|p|fps|pcs?|pack|ct)"
)
_FREE: Final = "free"  # "fragrance free" has none
_ENDS_PHRASE: Final = frozenset("for with in of and or under over to on from at by as that which below above".split())
Knows = Callable[[str], bool]
"""Whether a phrase is a term."""
_BREAKS: Final = re.compile(r"[,;:.!?()，。；：！？、（）/|]")


@dataclass(frozen=True, slots=True)
class Said:
    """A phrase of the query as a term of the graph, its words as coverage counts them, and what else finds what it means."""

    term: str
    words: tuple[str, ...]
    meant: tuple[Meant, ...]


@dataclass(frozen=True, slots=True)
class Expansion:
    """What the graph adds to one query."""

    said: tuple[Said, ...] = ()

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """As `WordIndex.coverage` takes them."""
        return tuple(
            Concept(
                each.words,
                tuple(
                    Alternative(words, other.weight) for other in each.meant if (words := tuple(words_of(other.term)))
                ),
            )
            for each in self.said
        )

    @property
    def phrases(self) -> tuple[tuple[str, float], ...]:
        """(term, weight) as `KeywordIndex.search` takes them."""
        return tuple((other.term, other.weight) for each in self.said for other in each.meant)


def expand(graph: Graph, text: str) -> Expansion:
    """What `graph` adds to a query; nothing where it knows none of its words, or the query names an article by its number."""
    if not len(graph) or any(not _MEASURE.fullmatch(code) for code in codes_of(text)):
        return Expansion()
    tokens = tokens_of(text)
    language = "zh" if any(token.han for token in tokens) else "en"
    spelled = set(words_of(text))
    found: list[Said] = []
    taken: set[str] = set()
    for term, words, head in _phrases(graph.knows, tokens):
        own = tuple(word for word in words if word in spelled and word not in taken)
        umbrella = head or graph.is_value(term)
        meant = tuple(each for each in graph.meant_by(term, language) if each.sense == "same" or umbrella)
        if own and meant:
            taken.update(own)
            found.append(Said(term, own, meant))
    return Expansion(tuple(found)) if len(found) <= MOST_CONCEPTS else Expansion()


def measures_of(words: Sequence[str]) -> list[Concept]:
    """Quantities as others spell them: who asks for "256gb" means what says "256 GB"."""
    found = []
    for word in dict.fromkeys(words):
        if _MEASURE.fullmatch(word):
            number = re.match(r"\d+", word)
            assert number is not None  # a measure begins with one
            apart = (number[0], singular(word[number.end() :]))
            found.append(Concept((word,), (Alternative(apart, 1.0),)))
    return found


def goods_named(text: str) -> tuple[str, ...]:
    """The goods of the shipped lists that a query looks for, as terms: "grey couch" names couches; who names an article none."""
    if any(not _MEASURE.fullmatch(code) for code in codes_of(text)):
        return ()
    goods = lexicon().goods
    found = _phrases(goods.__contains__, tokens_of(text))
    return tuple(term for term, _, head in found if head and term in goods)


def related(one: str, other: str) -> bool:
    """Whether two goods are one thing in the shipped lists, or one takes in the other, as terms."""
    return one == other or other in _relatives().get(one, ())


@cache
def _relatives() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for edge in lexicon().edges:
        if edge.relation in ("synonym", "broader"):
            found[edge.source].add(edge.target)
            found[edge.target].add(edge.source)
    return {term: frozenset(others) for term, others in found.items()}


def _phrases(knows: Knows, tokens: Sequence[Token]) -> Iterator[tuple[str, list[str], bool]]:
    """(term, its words in the query, whether it ends what names the thing) of each longest phrase that is known."""
    at, denied = 0, False
    while at < len(tokens):
        token = tokens[at]
        if _BREAKS.search(token.gap):
            denied = False
        if token.text in _NEGATIONS:
            denied = True
        if token.han:
            yield from _han_phrases(knows, token.text, denied, at + 1 == len(tokens))
            denied = denied or bool(_HAN_NEGATION.search(token.text))
            at += 1
            continue
        size = next((size for size in range(LONGEST_PHRASE, 0, -1) if _known(knows, tokens[at : at + size], size)), 1)
        phrase = tokens[at : at + size]
        after = tokens[at + size] if at + size < len(tokens) else None
        ends = after is None or after.text in _ENDS_PHRASE or bool(_BREAKS.search(after.gap))
        free = after is not None and after.text == _FREE
        if not (denied or free or any(map(_numbered, phrase))):
            yield joined(phrase), [token.text for token in phrase], ends
        at += size


def _known(knows: Knows, phrase: Sequence[Token], size: int) -> bool:
    if len(phrase) < size or any(token.han for token in phrase):
        return False
    if any(_BREAKS.search(token.gap) for token in phrase[1:]):
        return False
    return knows(joined(phrase))


def _han_phrases(knows: Knows, run: str, denied: bool, last: bool) -> Iterator[tuple[str, list[str], bool]]:
    """The longest terms in a run of Chinese characters, from the left; a single character only where it is the whole run."""
    negation = _HAN_NEGATION.search(run)
    stop = 0 if denied else negation.start() if negation else len(run)
    at = 0
    while at < stop:
        longest = min(_LONGEST_HAN, stop - at)
        size = next((size for size in range(longest, 1, -1) if knows(run[at : at + size])), 0)
        if not size and len(run) == 1 and knows(run):
            size = 1
        if not size:
            at += 1
            continue
        # A pair over the edge of the term is no word: whoever has the term in other words is not missing it.
        first = max(0, at - 1)
        pairs = [run[start : start + 2] for start in range(first, min(at + size, len(run) - 1))] or [run]
        yield run[at : at + size], pairs, last and at + size == len(run)
        at += size


def _numbered(token: Token) -> bool:
    return any(map(str.isdigit, token.text))
