"""The graph as a part of a build: the shop's file is read before anything else, the graph written when all words are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from index.graph.build import tables_of
from index.graph.edits import FILE, Edits, read_edits, write_edges
from index.graph.graph import EDGES_FILE, Graph
from index.graph.observe import Observations
from index.tokens import words_of
from index.words import WordIndex
from storage.publish import sha256_file
from storage.rows import rejected_file

_REMEMBERED: Final = 100_000  # products whose row is known without asking


def shop_edits(shop: Path, max_rejected: float) -> tuple[Edits, str]:
    """The shop's edits with the sha256 of their file, "" where there is none; rejected rows are written first.

    Raises:
        InvalidInput: the file cannot be read, is too large, or lacks a column.
        TooManyRejected: more rows than allowed were rejected.
    """
    path = shop / FILE
    if not path.exists():
        return Edits(), ""
    edits = read_edits(path)
    if edits.rejects.count:
        file = rejected_file(shop, "graph")
        edits.rejects.write(file)
        edits.rejected_file = str(file)
    edits.rejects.check(edits.rows, max_rejected)
    return edits, sha256_file(path)


def write_graph(
    folder: Path,
    seen: Observations,
    row_of: Callable[[str], int | None],
    words: WordIndex,
    edits: Edits,
    baskets: Iterable[Sequence[str]],
) -> int:
    """Writes the graph, its edges and what was counted into an existing folder; returns how many edges are in force.

    Args:
        folder: where to write.
        seen: what was counted of the products.
        row_of: the row of the product that has an id, or a variant with it.
        words: of these very products: only what they have is another word for anything.
        edits: the shop's own.
        baskets: the ids of the products or variants that each person bought.
    """
    known = lru_cache(_REMEMBERED)(row_of)
    rows = ([row for each in basket if (row := known(each)) is not None] for basket in baskets)
    tables = tables_of(seen, lambda term: words.count_of(words_of(term)), edits, rows)
    seen.save(folder)
    Graph.build(tables).save(folder)
    write_edges(folder / EDGES_FILE, tables.edges)
    return len(tables.edges)
