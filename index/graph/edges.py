"""The statements that the graph is made of, and the rules that keep them consistent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Relation = Literal["synonym", "broader", "has_brand", "has_attribute", "compatible_with", "goes_with"]
RELATIONS: Final[tuple[Relation, ...]] = get_args(Relation)
DEFAULT_WEIGHTS: Final[Mapping[Relation, float]] = {
    "synonym": 0.9,
    "broader": 0.8,
    "has_brand": 0.8,
    "has_attribute": 0.8,
    "compatible_with": 0.9,
    "goes_with": 0.8,
}
"""Of an edge that names none."""
LANGUAGES: Final = ("", "en", "zh")
"""What an edge may be said to hold for; "" for every query."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` stands in `relation` to `target`; both are nodes as `terms.term_of` spells them.

    `Edge("couch", "synonym", "sofa")` goes both ways. `Edge("sofa", "broader", "furniture")`: a sofa is furniture.
    `Edge("bottle cage", "compatible_with", "bicycle")`: the first fits the second. `Edge("tent", "goes_with", "camp stove")`:
    who has the first may want the second. `weight` is in (0, 1]; `evidence` says where the edge comes from: `shop` (its CSV),
    `list` (shipped with Aisle), or `catalog: …` and `orders: …` with what was counted.
    """

    source: str
    relation: Relation
    target: str
    weight: float
    language: str = ""
    evidence: str = "shop"

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two edges the same one; a synonym is the same both ways."""
        return _key(self.source, self.relation, self.target)

    @property
    def id(self) -> str:
        """How reasons name it: `graph:couch|synonym|sofa`."""
        return f"graph:{self.source}|{self.relation}|{self.target}"


def _key(source: str, relation: str, target: str) -> tuple[str, str, str]:
    if relation == "synonym" and target < source:
        return target, relation, source
    return source, relation, target


class Circle(ValueError):
    """A `broader` edge would close a circle; the message spells it: "sofa → seating → sofa"."""


class EdgeSet:
    """Edges in the order of their authority: what was put first stands, `removed` stays out, `broader` has no circle."""

    def __init__(self, removed: Iterable[tuple[str, str]] = ()) -> None:
        """Take the pairs (source, target) whose edges stay out, whoever puts them; a target "" means every edge of the source."""
        self._edges: dict[tuple[str, str, str], Edge] = {}
        self._broader: dict[str, list[str]] = {}
        self._removed = frozenset(removed)

    def put(self, edge: Edge) -> bool:
        """Adds an edge; False where it stands already, is removed, or leads to itself.

        Raises:
            Circle: it would make something a kind of itself.
        """
        key = edge.key
        if edge.source == edge.target or key in self._edges or self._is_removed(edge):
            return False
        if edge.relation == "broader":
            if path := self._path(edge.target, edge.source):
                raise Circle(" → ".join([edge.source, *path]))
            self._broader.setdefault(edge.source, []).append(edge.target)
        self._edges[key] = edge
        return True

    def put_all(self, edges: Iterable[Edge]) -> None:
        """Adds what can be added; of what counts less than what stands, a contradiction is passed over."""
        for edge in edges:
            try:
                self.put(edge)
            except Circle:
                continue

    def __iter__(self) -> Iterator[Edge]:
        """The edges in the order in which they were put."""
        return iter(self._edges.values())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._edges)

    def _is_removed(self, edge: Edge) -> bool:
        pairs = {(edge.source, edge.target), (edge.source, ""), (edge.target, "")}
        if edge.relation == "synonym":
            pairs.add((edge.target, edge.source))
        return not self._removed.isdisjoint(pairs)

    def _path(self, start: str, goal: str) -> list[str]:
        """The way from `start` up to `goal`, both included; empty where there is none."""
        came: dict[str, str] = {start: ""}
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node == goal:
                path = [node]
                while came[path[-1]]:
                    path.append(came[path[-1]])
                return path[::-1]
            for above in self._broader.get(node, ()):
                if above not in came:
                    came[above] = node
                    waiting.append(above)
        return []
