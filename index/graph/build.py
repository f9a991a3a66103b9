"""Builds a graph: the shop's own words first, then the shipped lists, then what catalog and orders say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple

import numpy as np

from index.graph.edges import Edge, EdgeSet, Relation
from index.graph.edits import Edits
from index.graph.graph import GOODS, VALUE, Reach, Sense, Tables
from index.graph.lexicon import Lexicon, lexicon
from index.graph.observe import Observations, bought_together
from index.graph.terms import language_of, tokens_of

DEEPEST: Final = 4  # edges from a word to another that finds what it means
FAINTEST: Final = 0.5  # a word farther away finds something else
MOST: Final = 24  # other words of one
_REMEMBERED: Final = 100_000  # statements and ends of titles whose thing is known without looking
_BACKWARDS: Final = 0.6  # who looks at ink may want a printer, but less than the other way round
_FIT_WORDS: Final = 5
_AFTER: Final = frozenset("and or up with from of in to by on without".split())

Count = Callable[[str], int]


def tables_of(
    seen: Observations,
    count: Count,
    edits: Edits | None = None,
    baskets: Iterable[Sequence[int]] = (),
) -> Tables:
    """All that a graph holds of a catalog.

    Args:
        seen: what was counted of the products.
        count: how many products have all words of a term.
        edits: the shop's own edges and removals.
        baskets: the rows that each person bought.
    """
    edits, shipped = edits or Edits(), lexicon()
    edges = EdgeSet(edits.removed)
    edges.put_all(edits.edges)
    edges.put_all(shipped.edges)
    things = shipped.goods | seen.categories
    edges.put_all(seen.edges(lru_cache(_REMEMBERED)(lambda said: _thing(said, things))))
    leaves = seen.leaves
    edges.put_all(bought_together([leaf for row in basket if (leaf := leaves[row])] for basket in baskets))
    present = cache(lambda term: count(term) > 0)
    flags = _flags(shipped, seen, edges)
    kinds_of = _kinds(seen, flags)
    kinds = {name for pair in set(kinds_of) for name in pair if name}
    near = _Nearness(edges)
    terms = {node: found for node in near.nodes if (found := near.present(node, present))}
    return Tables(flags, terms, _partners(edges, kinds, near), kinds_of, list(edges), seen.labels)


class _Reached(NamedTuple):
    """How a word is reached from another: `before` is the node before it on the way, `relation` the last edge's."""

    weight: float
    sense: Sense
    language: str
    before: str
    relation: Relation | None


class _Nearness:
    """Which words find what another means: along synonyms, down from umbrella terms, and to what the shop says they have."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self._steps: dict[str, list[tuple[str, Edge, Sense]]] = defaultdict(list)
        for edge in edges:
            if edge.relation == "synonym":
                self._steps[edge.source].append((edge.target, edge, "same"))
                self._steps[edge.target].append((edge.source, edge, "same"))
            elif edge.relation == "broader":
                self._steps[edge.target].append((edge.source, edge, "narrower"))
            elif edge.relation in ("has_brand", "has_attribute") and edge.evidence == "shop":
                # What the catalog counts of a category is no other word for it: not every shoe is leather.
                self._steps[edge.source].append((edge.target, edge, "has"))

    @property
    def nodes(self) -> list[str]:
        """The words that may be meant otherwise."""
        return sorted(self._steps)

    def reach(self, start: str) -> dict[str, _Reached]:
        """Each word that finds what `start` means, by the way whose weights have the largest product.

        Synonyms of synonyms are not followed: "cap" is a hat and a bottle's top. Of an umbrella term the words for it are, then
        what stands under these, then the words for that.
        """
        best: dict[str, _Reached] = {}
        layer = {start: _Reached(1.0, "same", "", "", None)}
        for _ in range(DEEPEST):
            found: dict[str, _Reached] = {}
            for node, way in layer.items():
                for other, edge, sense in self._steps.get(node, ()):
                    weight = way.weight * edge.weight
                    barred = way.relation == edge.relation == "synonym" or way.sense == "has"
                    # A translation is less sure of its meaning than to be an umbrella: 水壶 is a kettle and a water bottle.
                    barred = barred or (sense == "narrower" and language_of(node) != language_of(start))
                    torn = way.language and edge.language and way.language != edge.language
                    known = max((each[other].weight for each in (best, found) if other in each), default=0.0)
                    if other == start or barred or torn or weight < FAINTEST or weight <= known:
                        continue
                    found[other] = _Reached(
                        weight,
                        way.sense if sense == "same" else sense,
                        way.language or edge.language,
                        node,
                        edge.relation,
                    )
            best |= found
            layer = found
        return best

    def present(self, start: str, present: Callable[[str], bool]) -> list[Reach]:
        """The best of `reach` that some product has, best first."""
        found = [
            (other, way.weight, way.sense, way.language, way.before, way.relation)
            for other, way in self.reach(start).items()
            if way.relation is not None and present(other)
        ]
        return sorted(found, key=lambda each: (-each[1], each[0]))[:MOST]


def _flags(shipped: Lexicon, seen: Observations, edges: Iterable[Edge]) -> dict[str, int]:
    """What each term names. A term may name both: a light, and a light color."""
    flags = dict.fromkeys(shipped.goods | seen.categories, GOODS)
    for value in {*shipped.values, *(value for _, value in seen.values)}:
        flags[value] = flags.get(value, 0) | VALUE
    for edge in edges:
        for node in (edge.source, edge.target):
            flags.setdefault(node, 0)
    return flags


def _thing(said: str, things: frozenset[str]) -> str:
    """The longest thing to buy that a statement names: of "13 inch laptops" the laptop; "" where it names none.

    What another word follows is no thing by itself: "cup holders" are no cups.
    """
    tokens = [token for token in tokens_of(said) if not any(map(str.isdigit, token.text))]
    texts = [token.text for token in tokens[:_FIT_WORDS]]
    if any(token.han for token in tokens):
        run = "".join(texts)
        parts = [run[start:end] for start in range(len(run)) for end in range(start + 2, len(run) + 1)]
    else:
        ends = [end for end in range(1, len(texts) + 1) if end == len(texts) or texts[end] in _AFTER]
        parts = [" ".join(texts[start:end]) for end in ends for start in range(end)]
    return max((part for part in parts if part in things), key=len, default="")


def _kinds(seen: Observations, flags: Mapping[str, int]) -> list[tuple[str, str]]:
    """(products,) the category and the head of the title, as far as each names goods that the graph knows."""

    @lru_cache(_REMEMBERED)
    def known(head: str) -> str:
        words = head.split(" ")
        ends = [" ".join(words[start:]) for start in range(len(words))]
        if language_of(head) == "zh":
            ends = [head[start:] for start in range(len(head) - 1)]
        return next((end for end in ends if flags.get(end, 0) & GOODS), "")

    pairs: dict[tuple[str, str], tuple[str, str]] = {}  # few, which many products share
    leaves, heads = seen.leaves, seen.heads.column()
    found = ((leaf, known(head)) for leaf, head in zip(leaves, heads.many(np.arange(len(heads))), strict=True))
    return [pairs.setdefault(pair, pair) for pair in found]


def _partners(
    edges: Iterable[Edge], kinds: set[str], near: _Nearness
) -> dict[str, list[tuple[str, float, Edge, bool]]]:
    """For each kind of product that the shop sells, the kinds that go with it, with the edge that says so."""

    @cache
    def sold(term: str) -> tuple[tuple[str, float], ...]:
        """The kinds in the shop that a term means, itself first."""
        found = {term: 1.0} if term in kinds else {}
        found |= {other: way.weight for other, way in near.reach(term).items() if other in kinds}
        return tuple(found.items())

    best: dict[str, dict[str, tuple[float, Edge, bool]]] = defaultdict(dict)

    def put(one: str, other: str, edge: Edge, factor: float, backwards: bool) -> None:
        for kind, sure in sold(one):
            for partner, surely in sold(other):
                weight = edge.weight * factor * sure * surely
                if kind != partner and (partner not in best[kind] or weight > best[kind][partner][0]):
                    best[kind][partner] = (weight, edge, backwards)

    for edge in edges:
        if edge.relation == "goes_with":
            put(edge.source, edge.target, edge, 1.0, False)
            put(edge.target, edge.source, edge, _BACKWARDS, True)
        elif edge.relation == "compatible_with":
            put(edge.target, edge.source, edge, 1.0, False)
            put(edge.source, edge.target, edge, _BACKWARDS, True)
    same = {kind: {other for other, way in near.reach(kind).items() if way.sense == "same"} for kind in best}
    return {
        kind: sorted(
            ((other, *found) for other, found in others.items() if other not in same[kind]),
            key=lambda each: (-each[1], each[0]),
        )[:MOST]
        for kind, others in best.items()
    }
