"""What a customer's turn means for search: conditions, wishes, references, the words to search by. No model needed."""

from __future__ import annotations

from retrieval.understanding.records import EVERYTHING, Language, Relative, Sort, Understanding
from retrieval.understanding.understander import Understander, merge
from retrieval.understanding.vocabulary import CatalogWords

__all__ = ["EVERYTHING", "CatalogWords", "Language", "Relative", "Sort", "Understander", "Understanding", "merge"]
