"""Keyword search with tantivy: BM25 over weighted fields, English stemmed, Chinese as character pairs.

A word scores by the best field that has it. In a large catalog that costs 8 ms a query, so there all fields are one, whose words
count by how often they are told: a title's four times (Robertson, Zaragoza, Taylor 2004), and tantivy skips what cannot be among
the best.

A query is never parsed: it is taken apart into words here, so that AND, quotes, SQL and brackets are words like others.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from index.base import Base
from index.clean import has_cjk
from index.codes import codes_of
from index.hanzi import simplified
from index.product import Product
from storage.errors import Damaged

if TYPE_CHECKING:
    import tantivy

# A word counts where it stands: what it is called before what is told about it.
WEIGHTS: Final = {"title": 4.0, "brand": 2.0, "codes": 4.0, "categories": 1.5, "attributes": 1.5, "description": 1.0}
_MERGED: Final = "all"
_TIES: Final = 0.2  # share of the other fields' scores that is added to the best field's
_QUERY_CHARACTERS: Final = 2_000
_QUERY_WORDS: Final = 48
_QUERY_PHRASES: Final = 12
_FEW: Final = 1_000  # so many allowed rows are named to the engine; more are filtered behind it
_FEW_OF_MANY: Final = 500  # the same in a large catalog, where each costs 8 µs
_FIRST: Final = 2_000  # hits beyond those asked for that are filtered at first
_DEEPEST: Final = 3_000  # hits that are filtered at most: 2 to 4 ms at a million products
_MOST_OTHERS: Final = 500  # the same for each of the other words
_ANALYZER: Final = "aisle"
_RUN: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f]+")
_GLUE: Final = re.compile(r"(?<=\w)[-./_](?=\w)")
_HEAP: Final = 64 * 2**20

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


class KeywordIndex:
    """The keyword index of one snapshot. Safe to share between threads."""

    def __init__(self, index: tantivy.Index, size: int, *, merged: bool) -> None:
        self._index = index
        self._size = size
        self._merged = merged
        self._analyzer = _analyzer()
        index.register_tokenizer(_ANALYZER, self._analyzer)
        index.reload()
        self._searcher = index.searcher()
        self._schema = index.schema

    @classmethod
    def build(cls, products: Iterable[Product], folder: Path, *, merged: bool = False) -> Self:
        """Indexes products in the order of their rows, into an existing empty folder, which is then complete."""
        writer = KeywordWriter(folder, merged=merged)
        size = 0
        for row, product in enumerate(products):
            writer.add(row, product)
            size = row + 1
        writer.close(size)
        return cls.load(folder, merged=merged)

    @classmethod
    def load(cls, folder: Path, *, merged: bool = False) -> Self:
        """Opens what `build` wrote, with the same `merged`; the caller has checked the hashes."""
        import tantivy

        try:
            index = tantivy.Index.open(str(folder))
            return cls(index, index.searcher().num_docs, merged=merged)
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

        Fewer also in a large catalog under a filter: it stops at a quarter of them, or after the best 3,000 of all.
        `allowed` is a mask over all rows, True where a row may be found. `phrases` are other words for what is looked for, each
        with a weight: a row that has all words of one scores by them too.
        """
        words = self._words(text)[:_QUERY_WORDS]
        others = [(self._words(phrase), weight) for phrase, weight in phrases[:_QUERY_PHRASES]]
        # By the word: a long name is no better one, and Chinese names are all pairs.
        others = [(phrase, weight / len(phrase)) for phrase, weight in others if phrase]
        room = self._size if allowed is None else int(np.count_nonzero(allowed))
        if not self._merged or room <= _FEW_OF_MANY:
            return self._best(self._either(words, others), k, allowed, room)
        found = self._best(self._any(words), k, allowed, room)
        few = min(k, _MOST_OTHERS)
        told = [self._best(self._all(phrase), few, allowed, room, _MOST_OTHERS) for phrase, _ in others]
        return _summed(
            found, [(rows, weight * scores) for (rows, scores), (_, weight) in zip(told, others, strict=True)], k
        )

    def _best(
        self,
        query: tantivy.Query | None,
        k: int,
        allowed: NDArray[np.bool_] | None,
        room: int,
        most: int = _DEEPEST,
    ) -> tuple[Rows, Scores]:
        """The `k` best rows of a query as `search` gives them, of `room` allowed ones; `most` hits are filtered if merged."""
        import tantivy

        k = min(k, room)
        if query is None or k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        few, enough, deepest = (_FEW_OF_MANY, k // 4, max(k, most)) if self._merged else (_FEW, k, self._size)
        # As many as should hold k allowed ones, were they spread evenly; few at first, for a filter mostly goes with the words.
        wanted = k if room == self._size else min(self._size, deepest, k + min(k * self._size // room, _FIRST))
        if allowed is not None and room <= few < self._size:
            named = tantivy.Query.term_set_query(self._schema, "row", np.flatnonzero(allowed).tolist())
            must = (tantivy.Occur.Must, tantivy.Query.const_score_query(named, 0.0))
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), must])
            wanted = k
        while True:
            rows, scores = self._run(query, wanted)
            exhausted = len(rows) < wanted
            if allowed is not None:
                kept = allowed[rows]
                rows, scores = rows[kept], scores[kept]
            if exhausted or len(rows) >= enough or wanted >= deepest:
                order = np.lexsort((rows, -scores))[:k]
                return rows[order], scores[order]
            # By what was kept of the hits so far; a quarter more, so that hardly any filter is asked three times.
            even = k * wanted // max(1, len(rows)) * 5 // 4
            wanted = min(max(2 * wanted, even), self._size, deepest)

    def _run(self, query: tantivy.Query, limit: int) -> tuple[Rows, Scores]:
        hits = self._searcher.search(query, limit, count=False).hits
        addresses = [address for _, address in hits]
        rows = self._searcher.fast_field_values("row", addresses) if addresses else []
        return np.array(rows, np.int64), np.array([score for score, _ in hits], np.float32)

    def _any(self, words: Sequence[str]) -> tantivy.Query | None:
        """Any of the words."""
        import tantivy

        parts = [(tantivy.Occur.Should, self._word(word)) for word in words]
        return tantivy.Query.boolean_query(parts) if parts else None

    def _all(self, phrase: Sequence[str]) -> tantivy.Query:
        """All of the words; the bare word where it is one, for tantivy skips only where nothing is wrapped around it."""
        import tantivy

        words = [self._word(word) for word in phrase]
        return (
            words[0] if len(words) == 1 else tantivy.Query.boolean_query([(tantivy.Occur.Must, word) for word in words])
        )

    def _either(self, words: Sequence[str], phrases: Sequence[tuple[Sequence[str], float]]) -> tantivy.Query | None:
        """Any of the words, or all of one of the weighted phrases: of these the best counts, for they mean the same."""
        import tantivy

        parts = [(tantivy.Occur.Should, self._word(word)) for word in words]
        others = [tantivy.Query.boost_query(self._all(phrase), weight) for phrase, weight in phrases]
        if others:
            parts.append((tantivy.Occur.Should, tantivy.Query.disjunction_max_query(others)))
        return tantivy.Query.boolean_query(parts) if parts else None

    def _words(self, text: str) -> list[str]:
        return list(dict.fromkeys(self._analyzer.analyze(_spread(text[:_QUERY_CHARACTERS], pairs_only=True))))

    def _word(self, word: str) -> tantivy.Query:
        """A word scores by its best field, so that a title is not outdone by a long description."""
        import tantivy

        if self._merged:
            return tantivy.Query.term_query(self._schema, _MERGED, word, "freq")
        fields = [
            tantivy.Query.boost_query(tantivy.Query.term_query(self._schema, field, word, "freq"), weight)
            for field, weight in WEIGHTS.items()
        ]
        return tantivy.Query.disjunction_max_query(fields, _TIES)


def _summed(found: tuple[Rows, Scores], others: Sequence[tuple[Rows, Scores]], k: int) -> tuple[Rows, Scores]:
    """The `k` best rows by their own score and the best of the others'."""
    if not others:
        return found
    rows, places = np.unique(np.concatenate([found[0], *(rows for rows, _ in others)]), return_inverse=True)
    own, other = np.zeros((2, len(rows)), np.float32)
    own[places[: len(found[0])]] = found[1]
    np.maximum.at(other, places[len(found[0]) :], np.concatenate([scores for _, scores in others]))
    scores = own + other
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


class KeywordWriter:
    """Writes a `KeywordIndex` product by product; `merged` for a large catalog. With `base` other rows are taken over.

    The base must be merged alike. What BM25 counts of a stale row, its length and how many rows have a word, stays counted until
    a version is built as a whole, as in any such engine: its segments are never changed, and a row in them is only struck out.
    """

    def __init__(self, folder: Path, base: Base | None = None, *, merged: bool = False) -> None:
        import tantivy

        self._folder = folder
        self._merged = merged
        if base is None:
            self._index = tantivy.Index(_schema(merged), path=str(folder))
        else:
            for path in base.folder.iterdir():
                shutil.copyfile(path, folder / path.name)
            self._index = tantivy.Index.open(str(folder))
        self._index.register_tokenizer(_ANALYZER, _analyzer())
        # One thread, so that documents keep the order of the rows and equal catalogs give equal results.
        self._writer = self._index.writer(_HEAP, 1)
        if base is not None and base.stale.any():
            stale = np.flatnonzero(base.stale).tolist()
            # By a query, for by a term the engine takes a number for a signed one and strikes out nothing.
            query = tantivy.Query.term_set_query(self._index.schema, "row", stale)
            self._writer.delete_documents_by_query(query)

    def add(self, row: int, product: Product) -> None:
        """Adds the product of a row."""
        import tantivy

        document = tantivy.Document()
        document.add_unsigned("row", row)
        texts = _texts(product)
        if self._merged:
            texts = {_MERGED: " ".join(" ".join([text] * round(WEIGHTS[field])) for field, text in texts.items())}
        for field, text in texts.items():
            document.add_text(field, text)
        self._writer.add_document(document)

    def remove(self, product: Product) -> None:
        """Nothing: a stale row is struck out by its number."""

    def close(self, size: int) -> None:
        """Completes the folder; the engine counts the rows itself."""
        self._writer.commit()
        self._writer.wait_merging_threads()
        for lock in self._folder.glob(".tantivy-*.lock"):
            lock.unlink()


def _schema(merged: bool) -> tantivy.Schema:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", indexed=True, fast=True)
    for field in (_MERGED,) if merged else WEIGHTS:
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
        text = _RUN.sub(lambda match: f" {_pairs(match.group(), pairs_only)} ", simplified(text))
    glued = [_GLUE.sub("", word) for word in text.split() if _GLUE.search(word) and any(map(str.isdigit, word))]
    return " ".join([text, *glued])


def _pairs(run: str, pairs_only: bool) -> str:
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    return " ".join(pairs if pairs_only and pairs else [*run, *pairs])
