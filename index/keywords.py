"""Keyword search with tantivy: BM25 over weighted fields, English stemmed, Chinese as character pairs.

A query is never parsed: it is taken apart into words here, so that AND, quotes, SQL and brackets are words like others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from index.clean import has_cjk
from index.codes import codes_of
from index.product import Product
from storage.errors import Damaged

if TYPE_CHECKING:
    import tantivy

# A word counts where it stands: what it is called before what is told about it.
WEIGHTS: Final = {"title": 4.0, "brand": 2.0, "codes": 4.0, "categories": 1.5, "attributes": 1.5, "description": 1.0}
_TIES: Final = 0.2  # share of the other fields' scores that is added to the best field's
_QUERY_CHARACTERS: Final = 2_000
_QUERY_WORDS: Final = 48
_QUERY_PHRASES: Final = 12
# Allowed rows are named to the engine where that is cheaper than to filter behind it: naming costs as much as so many hits, and
# one for each row.
_NAMED: Final = 4_000
_FIRST: Final = 2_000  # hits beyond those asked for that are filtered at first
_ANALYZER: Final = "aisle"
_RUN: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f]+")
_GLUE: Final = re.compile(r"(?<=\w)[-./_](?=\w)")
_HEAP: Final = 64 * 2**20

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


class KeywordIndex:
    """The keyword index of one snapshot. Safe to share between threads."""

    def __init__(self, index: tantivy.Index, size: int) -> None:
        self._index = index
        self._size = size
        self._analyzer = _analyzer()
        index.register_tokenizer(_ANALYZER, self._analyzer)
        index.reload()
        self._searcher = index.searcher()
        self._schema = index.schema

    @classmethod
    def build(cls, products: Iterable[Product], folder: Path) -> Self:
        """Indexes products in the order of their rows, into an existing empty folder, which is then complete."""
        writer = KeywordWriter(folder)
        for product in products:
            writer.add(product)
        writer.close()
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Opens what `build` wrote; the caller has checked the hashes."""
        import tantivy

        try:
            index = tantivy.Index.open(str(folder))
            return cls(index, index.searcher().num_docs)
        except (ValueError, OSError) as error:
            raise Damaged(f"{folder} holds no keyword index: {error}.", "Build the index again.") from error

    def __len__(self) -> int:
        """How many products it holds."""
        return self._size

    def search(
        self,
        text: str,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        phrases: Sequence[tuple[str, float]] = (),
    ) -> tuple[Rows, Scores]:
        """The `k` best allowed rows with their BM25 scores, best first; fewer where fewer have any of the words.

        `allowed` is a mask over all rows, True where a row may be found. `phrases` are other words for what is looked for, each
        with a weight: a row that has all words of one scores by them too.
        """
        import tantivy

        query = self._query(text, phrases)
        room = self._size if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, room)
        if query is None or k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        even = k * self._size // room  # as many hits hold k allowed ones, were those spread evenly
        # Few at first, for a filter mostly goes with the words.
        wanted = k if room == self._size else min(self._size, k + min(even, _FIRST))
        while True:
            if allowed is not None and even > _NAMED + room:
                named = tantivy.Query.term_set_query(self._schema, "row", np.flatnonzero(allowed).tolist())
                must = (tantivy.Occur.Must, tantivy.Query.const_score_query(named, 0.0))
                query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), must])
                wanted, even = k, 0
            rows, scores = self._run(query, wanted)
            exhausted = len(rows) < wanted
            if allowed is not None:
                kept = allowed[rows]
                rows, scores = rows[kept], scores[kept]
            if exhausted or len(rows) >= k:
                order = np.lexsort((rows, -scores))[:k]
                return rows[order], scores[order]
            # By what was kept of the hits so far; a quarter more, so that hardly any filter is asked three times.
            even = k * wanted // max(1, len(rows)) * 5 // 4
            wanted = min(max(2 * wanted, even), self._size)

    def _run(self, query: tantivy.Query, limit: int) -> tuple[Rows, Scores]:
        hits = self._searcher.search(query, limit, count=False).hits
        addresses = [address for _, address in hits]
        rows = self._searcher.fast_field_values("row", addresses) if addresses else []
        return np.array(rows, np.int64), np.array([score for score, _ in hits], np.float32)

    def _query(self, text: str, phrases: Sequence[tuple[str, float]]) -> tantivy.Query | None:
        """Any of the words, or all of one of the phrases: of these the best counts, for they mean the same."""
        import tantivy

        should, must = tantivy.Occur.Should, tantivy.Occur.Must
        parts = [(should, self._word(word)) for word in self._words(text)[:_QUERY_WORDS]]
        others = []
        for phrase, weight in phrases[:_QUERY_PHRASES]:
            if words := self._words(phrase):
                whole = tantivy.Query.boolean_query([(must, self._word(word)) for word in words])
                # By the word: a long name is no better one, and Chinese names are all pairs.
                others.append(tantivy.Query.boost_query(whole, weight / len(words)))
        if others:
            parts.append((should, tantivy.Query.disjunction_max_query(others)))
        return tantivy.Query.boolean_query(parts) if parts else None

    def _words(self, text: str) -> list[str]:
        return list(dict.fromkeys(self._analyzer.analyze(_spread(text[:_QUERY_CHARACTERS], pairs_only=True))))

    def _word(self, word: str) -> tantivy.Query:
        """A word scores by its best field, so that a title is not outdone by a long description."""
        import tantivy

        fields = [
            tantivy.Query.boost_query(tantivy.Query.term_query(self._schema, field, word, "freq"), weight)
            for field, weight in WEIGHTS.items()
        ]
        return tantivy.Query.disjunction_max_query(fields, _TIES)


class KeywordWriter:
    """Writes a `KeywordIndex` product by product."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._folder = folder
        self._index = tantivy.Index(_schema(), path=str(folder))
        self._index.register_tokenizer(_ANALYZER, _analyzer())
        # One thread, so that documents keep the order of the rows and equal catalogs give equal results.
        self._writer = self._index.writer(_HEAP, 1)
        self._size = 0

    def add(self, product: Product) -> None:
        """Adds the product of the next row."""
        import tantivy

        document = tantivy.Document()
        document.add_unsigned("row", self._size)
        for field, text in _texts(product).items():
            document.add_text(field, text)
        self._writer.add_document(document)
        self._size += 1

    def close(self) -> None:
        """Completes the folder."""
        self._writer.commit()
        self._writer.wait_merging_threads()
        for lock in self._folder.glob(".tantivy-*.lock"):
            lock.unlink()


def _schema() -> tantivy.Schema:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", indexed=True, fast=True)
    for field in WEIGHTS:
        builder.add_text_field(field, tokenizer_name=_ANALYZER, index_option="freq")
    return builder.build()


def _analyzer() -> tantivy.TextAnalyzer:
    import tantivy

    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in (
        tantivy.Filter.remove_long(60),
        tantivy.Filter.lowercase(),
        tantivy.Filter.ascii_fold(),
        tantivy.Filter.stopword("english"),
        tantivy.Filter.stemmer("english"),
    ):
        builder = builder.filter(step)
    return builder.build()


def _texts(product: Product) -> dict[str, str]:
    """The text of each field, spread for the analyzer."""
    attributes = [value for values in product.attributes.values() for value in values]
    attributes += [option for variant in product.variants for option in variant.options.values()]
    # What feeds with a variant a row number their variants by stands in the titles of these.
    codes = dict.fromkeys(code for variant in product.variants for code in codes_of(variant.title))
    texts = {
        "title": product.title,
        "brand": product.brand,
        "codes": " ".join(code for code in (product.mpn, product.gtin, *codes) if code),
        "categories": " ".join(product.categories),
        "attributes": " ".join(dict.fromkeys(attributes)),
        "description": product.description,
    }
    return {field: _spread(text) for field, text in texts.items() if text}


def _spread(text: str, *, pairs_only: bool = False) -> str:
    """Text for a tokenizer that knows only spaces: Chinese in characters and pairs, glued model numbers also whole.

    `"蓝牙耳机 WH-1000"` → `"蓝 牙 耳 机 蓝牙 牙耳 耳机 WH 1000 WH1000"`. In a query (`pairs_only`) single characters count
    only where they stand alone: 机 is in every machine.
    """
    # Half characters, which broken JSON can carry, have no UTF-8 form.
    text = unicodedata.normalize("NFKC", text.encode("utf-8", "ignore").decode())
    if has_cjk(text):
        text = _RUN.sub(lambda match: f" {_pairs(match.group(), pairs_only)} ", text)
    glued = [_GLUE.sub("", word) for word in text.split() if _GLUE.search(word) and any(map(str.isdigit, word))]
    return " ".join([text, *glued])


def _pairs(run: str, pairs_only: bool) -> str:
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    return " ".join(pairs if pairs_only and pairs else [*run, *pairs])
