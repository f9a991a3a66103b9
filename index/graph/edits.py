"""The graph as a spreadsheet: reads the shop's own `graph.csv`, and writes the edges in force for a person to look at.

    source,relation,target,weight,language
    couch,synonym,sofa,,
    bottle cage,compatible_with,bicycle,0.9,en
    tank,remove,vest,,
    puppy,remove,,,

A row with `remove` takes every edge between source and target away, whether Aisle ships it or the catalog suggests it; with
an empty target every edge that begins or ends at the source.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from index.graph.edges import DEFAULT_WEIGHTS, LANGUAGES, RELATIONS, Circle, Edge, EdgeSet, Relation
from index.graph.terms import term_of
from index.readers.files import read_file
from storage.errors import InvalidInput
from storage.rows import Rejects, RowProblem, open_text

FILE: Final = "graph.csv"
COLUMNS: Final = ("source", "relation", "target", "weight", "language", "evidence")
"""Of what is written; of what is read only the first three are required and `evidence` is passed over."""
REMOVE: Final = "remove"
MOST_ROWS: Final = 200_000
LARGEST: Final = 64 * 2**20  # bytes
LONGEST_HEADER: Final = 1_000  # characters
_REQUIRED: Final = COLUMNS[:3]


@dataclass(slots=True)
class Edits:
    """What a shop says: its edges, the pairs whose edges it takes away, and the rows that cannot be used."""

    edges: list[Edge] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)
    rejects: Rejects = field(default_factory=Rejects)
    rows: int = 0
    rejected_file: str | None = None


def read_edits(path: Path) -> Edits:
    """The edits in a shop's file; a row that cannot be used is rejected with its line and the reason.

    Raises:
        InvalidInput: the file cannot be read, is too large, or lacks a column.
    """
    edits = Edits()
    if path.exists() and path.stat().st_size > LARGEST:
        raise InvalidInput(f"{path} has more than {LARGEST // 2**20} MB.", "Keep what the shop's own words need.")
    _check_header(path)
    # Circles among the shop's own rows show here, so that the error has a line; what Aisle puts later yields to them.
    checked = EdgeSet()
    for line, row in read_file(path):
        edits.rows += 1
        if edits.rows > MOST_ROWS:
            raise InvalidInput(f"{path} has more than {MOST_ROWS:,} rows.", "Keep what the shop's own words need.")
        if isinstance(row, RowProblem):
            edits.rejects.add_problem(row)
            continue
        try:
            found = _read({name.casefold(): str(cell) for name, cell in row.items()})
            if isinstance(found, Edge):
                checked.put(found)
                edits.edges.append(found)
            else:
                edits.removed.append(found)
        except Circle as error:
            edits.rejects.add(line, f"broader goes in a circle: {error}", row)
        except ValueError as error:
            edits.rejects.add(line, str(error), row)
    return edits


def write_edges(path: Path, edges: Iterable[Edge]) -> None:
    """Writes edges in the columns that `read_edits` reads, with their evidence.

    No cell begins as a formula would: nodes are spelled in letters and digits.
    """
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for edge in edges:
            weight = f"{edge.weight:.3g}"
            writer.writerow([edge.source, edge.relation, edge.target, weight, edge.language, edge.evidence])


def _check_header(path: Path) -> None:
    with open_text(path) as stream:
        head = stream.readline(LONGEST_HEADER)
    names = {name.strip().casefold() for name in re.split(r"[,;|\t]", head.replace('"', ""))}
    if missing := [name for name in _REQUIRED if name not in names]:
        wanted = ",".join(COLUMNS[:5])
        raise InvalidInput(f"{path} has no column {', '.join(missing)} in its first line.", f"It must be: {wanted}")


def _read(row: Mapping[str, str]) -> Edge | tuple[str, str]:
    """An edge, or the pair that a `remove` names; raises `ValueError` with what is wrong."""
    cells = {name: row.get(name, "").strip() for name in COLUMNS}
    source, target = _node(cells, "source"), _node(cells, "target")
    relation = cells["relation"].casefold().replace(" ", "_").replace("-", "_")
    if not source:
        raise ValueError("source: empty")
    if relation == REMOVE:
        return source, target
    if relation not in RELATIONS:
        raise ValueError(f"relation: {cells['relation'][:40]!r} is none of {', '.join(RELATIONS)}, {REMOVE}")
    if not target:
        raise ValueError("target: empty")
    if source == target:
        raise ValueError(f"source and target are the same: {source!r}")
    known: Relation = next(each for each in RELATIONS if each == relation)
    language = cells["language"].casefold()
    if language not in LANGUAGES:
        raise ValueError(f"language: {cells['language'][:40]!r} is none of en, zh, or empty")
    return Edge(source, known, target, _weight(cells["weight"], known), language)


def _node(cells: Mapping[str, str], name: str) -> str:
    text = cells[name]
    if "\x00" in text:
        raise ValueError(f"{name}: holds a NUL byte")
    node = term_of(text)
    if text and not node:
        raise ValueError(f"{name}: {text[:40]!r} holds no words, or more than a name has")
    return node


def _weight(text: str, relation: Relation) -> float:
    if not text:
        return DEFAULT_WEIGHTS[relation]
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= 1:
        raise ValueError(f"weight: {text[:40]!r} is not a number above 0 and up to 1")
    return weight
