"""The words shoppers use: a graph of terms, categories, brands and properties, and of what goes with what."""

from index.graph.build import tables_of
from index.graph.edges import RELATIONS, Edge, Relation
from index.graph.edits import FILE, Edits, read_edits, write_edges
from index.graph.graph import EDGES_FILE, Graph, Meant, Partner
from index.graph.observe import Observations

__all__ = [
    "EDGES_FILE",
    "FILE",
    "RELATIONS",
    "Edge",
    "Edits",
    "Graph",
    "Meant",
    "Observations",
    "Partner",
    "Relation",
    "read_edits",
    "tables_of",
    "write_edges",
]
