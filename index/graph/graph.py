"""The graph as serving reads it: which other words find what a word means, and which kinds of product go with which.

Arrays over sorted keys, so that a lookup among 100,000 terms is a binary search and the whole costs some megabytes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from index.graph.edges import RELATIONS, Edge, Relation
from index.graph.terms import language_of
from index.postings import key_of
from storage.errors import Damaged

Ints = NDArray[np.int32]
Sense = Literal["same", "narrower", "has"]
"""How a term stands for another: a word for the same, one of the things that an umbrella term takes in, a brand or property."""
SENSES: Final[tuple[Sense, ...]] = get_args(Sense)
Reach = tuple[str, float, Sense, str, str, Relation]
"""Another word, its weight, sense and language, the word before it on the way, and the relation of the last edge."""
CODES: Final = ("", "en", "zh")
EDGES_FILE: Final = "edges.csv"
_ARRAYS: Final = (
    "keys", "name_starts", "names", "label_starts", "labels", "flags",
    "term_starts", "term_targets", "term_weights", "term_senses", "term_languages", "term_through", "term_relations",
    "kind_starts", "kind_targets", "kind_weights", "kind_relations", "kind_sources", "kind_ends", "kind_backwards", "kinds",
)  # fmt: skip
GOODS: Final = 1
VALUE: Final = 2


@dataclass(frozen=True, slots=True)
class Meant:
    """`term` finds what another word means, at the discount `weight`; `evidence` is the edge that says so."""

    term: str
    weight: float
    sense: Sense
    evidence: str


@dataclass(frozen=True, slots=True)
class Partner:
    """Products of the kind `node` go with another product; `relation` and `evidence` say by which edge.

    `backwards` where the edge leads from the partner's kind, for `goes_with`, or to it, for `compatible_with`.
    """

    node: int
    term: str
    weight: float
    relation: Relation
    evidence: str
    backwards: bool


@dataclass(frozen=True)
class Tables:
    """What `build.py` makes the arrays of.

    `terms` maps a word to what else finds it, `partners` a kind of product to (kind, weight, edge, backwards), `kinds_of` each
    product to the nodes of its category and its title's head; `flags` are of `GOODS` and `VALUE`, `edges` all that are in
    force, `labels` how the shop spells a node that is a category.
    """

    flags: Mapping[str, int]
    terms: Mapping[str, Sequence[Reach]]
    partners: Mapping[str, Sequence[tuple[str, float, Edge, bool]]]
    kinds_of: Sequence[tuple[str, str]]
    edges: Sequence[Edge] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class Graph:
    """The graph of one snapshot. Safe to share between threads."""

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        self._arrays = arrays
        self._keys = array("Q", arrays["keys"].tobytes())
        self.kinds: Ints = arrays["kinds"].astype(np.int32, copy=False)
        """(products, 2) the nodes of each product's category and of its title's head, −1 where there is none."""
        kinds = self.kinds.ravel()  # (products · 2,)
        order = np.argsort(kinds, kind="stable")
        # The products by node: those without one come first, at a start that no node has.
        self._rows = (order // 2).astype(np.int32)
        self._starts = np.searchsorted(kinds[order], np.arange(len(self._keys) + 1))

    @classmethod
    def build(cls, tables: Tables) -> Self:
        """The arrays of a graph."""
        names = sorted(_nodes(tables), key=key_of)
        place = {name: node for node, name in enumerate(names)}
        spelled = [name.encode() for name in names]
        shown = [tables.labels.get(name, name).encode("utf-8", "replace") for name in names]
        terms = [(node, each) for node, name in enumerate(names) for each in tables.terms.get(name, ())]
        kinds = [(node, each) for node, name in enumerate(names) for each in tables.partners.get(name, ())]
        arrays: dict[str, NDArray[np.generic]] = {
            "keys": np.array([key_of(name) for name in names], np.uint64),
            "name_starts": np.append(0, np.cumsum([len(name) for name in spelled])).astype(np.int64),
            "names": np.frombuffer(b"".join(spelled), np.uint8),
            "label_starts": np.append(0, np.cumsum([len(name) for name in shown])).astype(np.int64),
            "labels": np.frombuffer(b"".join(shown), np.uint8),
            "flags": np.array([tables.flags.get(name, 0) for name in names], np.uint8),
            "term_starts": np.searchsorted([node for node, _ in terms], np.arange(len(names) + 1)).astype(np.int32),
            "term_targets": np.array([place[each[0]] for _, each in terms], np.int32),
            "term_weights": np.array([each[1] for _, each in terms], np.float32),
            "term_senses": np.array([SENSES.index(each[2]) for _, each in terms], np.uint8),
            "term_languages": np.array([CODES.index(each[3]) for _, each in terms], np.uint8),
            "term_through": np.array([place[each[4]] for _, each in terms], np.int32),
            "term_relations": np.array([RELATIONS.index(each[5]) for _, each in terms], np.uint8),
            "kind_starts": np.searchsorted([node for node, _ in kinds], np.arange(len(names) + 1)).astype(np.int32),
            "kind_targets": np.array([place[each[0]] for _, each in kinds], np.int32),
            "kind_weights": np.array([each[1] for _, each in kinds], np.float32),
            "kind_relations": np.array([RELATIONS.index(each[2].relation) for _, each in kinds], np.uint8),
            "kind_sources": np.array([place[each[2].source] for _, each in kinds], np.int32),
            "kind_ends": np.array([place[each[2].target] for _, each in kinds], np.int32),
            "kind_backwards": np.array([each[3] for _, each in kinds], np.bool_),
            "kinds": np.fromiter((place.get(one, -1) for pair in tables.kinds_of for one in pair), np.int32).reshape(-1, 2),
        }  # fmt: skip
        return cls(arrays)

    @classmethod
    def empty(cls, products: int = 0) -> Self:
        """A graph that knows nothing, of `products` products."""
        return cls.build(Tables({}, {}, {}, [("", "")] * products))

    def __len__(self) -> int:
        """How many terms it knows."""
        return len(self._keys)

    def knows(self, term: str) -> bool:
        """Whether the term is a node."""
        return self.node_of(term) >= 0

    def is_value(self, term: str) -> bool:
        """Whether a term names a property (a material, a color, a use) and not goods."""
        node = self.node_of(term)
        return node >= 0 and bool(int(self._arrays["flags"][node]) & VALUE)

    def node_of(self, term: str) -> int:
        """The node of a term, −1 where there is none."""
        key = key_of(term)
        node = bisect_left(self._keys, key)
        return node if node < len(self._keys) and self._keys[node] == key else -1

    def name_of(self, node: int) -> str:
        """How a node is spelled."""
        return self._text("name", node)

    def label_of(self, term: str) -> str:
        """A term as a customer should read it: a category as the shop spells it, anything else as it is."""
        node = self.node_of(term)
        return self._text("label", node) if node >= 0 else term

    def _text(self, kind: str, node: int) -> str:
        start, end = self._arrays[f"{kind}_starts"][node : node + 2].tolist()
        return self._arrays[f"{kind}s"][start:end].tobytes().decode()

    def meant_by(self, term: str, language: str) -> list[Meant]:
        """What else finds what `term` means, the surest first; terms that no product has are left out.

        Args:
            term: as `term_of` spells it.
            language: of the query, "en" or "zh": edges that are for the other one do not hold.
        """
        node, arrays = self.node_of(term), self._arrays
        if node < 0:
            return []
        found = []
        start, end = arrays["term_starts"][node : node + 2].tolist()
        for at in range(start, end):
            if int(arrays["term_languages"][at]) not in (0, CODES.index(language)):
                continue
            other, through = (self.name_of(int(arrays[name][at])) for name in ("term_targets", "term_through"))
            relation = RELATIONS[int(arrays["term_relations"][at])]
            ends = (other, through) if relation == "broader" else (through, other)
            found.append(
                Meant(
                    term=other,
                    weight=float(arrays["term_weights"][at]),
                    sense=SENSES[int(arrays["term_senses"][at])],
                    evidence=Edge(ends[0], relation, ends[1], 1.0).id,
                )
            )
        return found

    def partners_of(self, row: int) -> list[Partner]:
        """The kinds of product that go with the product of a row, best first, each once."""
        arrays, best = self._arrays, dict[int, Partner]()
        for node in dict.fromkeys(self.kinds[row].tolist()):
            if node < 0:
                continue
            start, end = arrays["kind_starts"][node : node + 2].tolist()
            for at in range(start, end):
                other, weight = int(arrays["kind_targets"][at]), float(arrays["kind_weights"][at])
                if other in best and best[other].weight >= weight:
                    continue
                relation = RELATIONS[int(arrays["kind_relations"][at])]
                source, target = (self.name_of(int(arrays[name][at])) for name in ("kind_sources", "kind_ends"))
                best[other] = Partner(
                    node=other,
                    term=self.name_of(other),
                    weight=weight,
                    relation=relation,
                    evidence=Edge(source, relation, target, 1.0).id,
                    backwards=bool(arrays["kind_backwards"][at]),
                )
        return sorted(best.values(), key=lambda each: (-each.weight, each.node))

    def rows_of(self, node: int) -> NDArray[np.int64]:
        """The rows of the products of a kind, ascending."""
        return np.unique(self._rows[self._starts[node] : self._starts[node + 1]]).astype(np.int64)

    def language_of(self, row: int) -> str:
        """The language of a product's kind, "" where it has none."""
        known = [node for node in self.kinds[row].tolist() if node >= 0]
        return language_of(self.name_of(known[0])) if known else ""

    def save(self, folder: Path) -> None:
        """Writes one `.npy` an array into an existing folder."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", self._arrays[name], allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, products: int = 0) -> Self:
        """What `save` wrote; an index from before there was a graph has an empty one, of `products` products.

        Raises:
            Damaged: a file is missing or is something else.
        """
        if not folder.exists():
            return cls.empty(products)
        try:
            return cls({name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS})
        except (OSError, ValueError) as error:
            raise Damaged(f"{folder} holds no graph: {error}.", "Build the index again.") from error


def _nodes(tables: Tables) -> Iterable[str]:
    nodes = {*tables.flags, *tables.terms, *tables.partners}
    nodes.update(name for found in tables.terms.values() for each in found for name in (each[0], each[4]))
    for others in tables.partners.values():
        nodes.update(name for other, _, edge, _ in others for name in (other, edge.source, edge.target))
    nodes.update(name for pair in set(tables.kinds_of) for name in pair)
    return nodes - {""}
