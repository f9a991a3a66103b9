"""What the shop's search is measured against: plain BM25, character n-grams, and reciprocal rank fusion.

They share nothing with the index, so that they stay what they are while it gets better.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from index.clean import fold
from index.product import Product

Rows = NDArray[np.intp]

WORD = re.compile("[0-9a-z]+|[\u3400-\u4dbf\u4e00-\u9fff]+")


def text_of(product: Product) -> str:
    """All that a product's record says in words, in one text."""
    attributes = [value for values in product.attributes.values() for value in values]
    parts = [product.title, product.brand, product.mpn, *product.categories, *attributes, product.description]
    return " ".join(part for part in parts if part)


def terms_of(text: str) -> list[str]:
    """Words of Latin letters and digits, and pairs of neighbours in a run of Chinese: "USB线 红色的" → usb 线 红色 色的."""
    runs = WORD.findall(fold(text))
    return [
        term
        for run in runs
        for term in ([run] if run[0].isascii() or len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)])
    ]


class Bm25:
    """Okapi BM25 over one field, k1 1.2 and b .75 (Robertson and Zaragoza, *The Probabilistic Relevance Framework*, 2009)."""

    def __init__(self, texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> None:
        self._counter = CountVectorizer(analyzer=terms_of)
        counts = self._counter.fit_transform(texts).tocoo().astype(np.float32)  # (texts, terms)
        lengths = np.asarray(counts.sum(axis=1)).ravel()  # (texts,)
        found = np.bincount(counts.col, minlength=counts.shape[1])  # (terms,), texts that have the term
        idf = np.log(1 + (len(texts) - found + 0.5) / (found + 0.5))
        room = k1 * (1 - b + b * lengths / lengths.mean())
        weights = idf[counts.col] * counts.data * (k1 + 1) / (counts.data + room[counts.row])
        self._weights = sparse.csc_matrix((weights, (counts.row, counts.col)), shape=counts.shape)

    def scores(self, text: str) -> NDArray[np.floating]:
        """The score of each row, (texts,)."""
        found: NDArray[np.floating] = self._weights @ np.asarray(self._counter.transform([text]).sum(axis=0)).ravel()
        return found

    def search(self, text: str, k: int) -> Rows:
        """The `k` best rows with a score above 0, best first."""
        return best(self.scores(text), k)


class CharacterNgrams:
    """Cosine of tf-idf over 2- to 4-grams of characters inside words, sublinear tf."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32)
        self._vectors = self._vectorizer.fit_transform(texts).tocsc()  # (texts, n-grams)

    def search(self, text: str, k: int) -> Rows:
        """The `k` best rows with a score above 0, best first."""
        query = self._vectorizer.transform([text])  # (1, n-grams)
        return best((self._vectors @ query.T).toarray().ravel(), k)


def best(scores: NDArray[np.floating], k: int) -> Rows:
    """The rows of the `k` highest scores above 0, best first; of equal ones the earlier row."""
    order = np.argsort(-scores, kind="stable")[:k]
    return order[scores[order] > 0]


def fused(rankings: Iterable[Iterable[int]], k: int = 60) -> list[int]:
    """Reciprocal rank fusion with equal weights (Cormack, Clarke and Büttcher 2009)."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + 1 / (k + rank)
    return sorted(scores, key=lambda row: -scores[row])
