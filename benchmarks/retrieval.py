"""The shop's search beside its peers on judged queries, in one run.

    launch.py index ../shared/data/abt_buy/catalog.jsonl.gz --shop var/bench-abt
    python -m benchmarks.retrieval --shop var --data ../shared/data/abt_buy --data-shop var/bench-abt [--write]

`--shop` is the demo shop, whose judgments follow from `benchmarks/demo_queries/` (see `benchmarks/needs.py`); `--data` is a folder
with `queries.jsonl.gz` and `qrels.tsv`, and `--data-shop` is what `launch.py index` built from its catalog; each of the two may be
left out. Both shops must be indexed with the encoders as they come. `--write` puts the table into `docs/benchmarks.md`, between its
markers.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.judgments import judge
from benchmarks.needs import Names, read_needs, read_products
from benchmarks.search_peers import Bm25, CharacterNgrams, fused, text_of
from bot.service import Assistant
from finetune.evaluate_search import CUT, Judgments, Query, evaluate, read_qrels, read_queries
from index.encoders import encoder_for, script_of
from launch import settings_of
from storage.database import Database
from storage.errors import InvalidInput

Ways = Mapping[str, Callable[[Query], Sequence[str]]]
"""How each system finds product ids, best first."""

FUSED = 100  # of each ranking as many are fused
OURS = "**Aisle**"
COLUMNS = {
    "recall@1": "recall@1",
    "recall@10": "recall@10",
    "mrr@10": "MRR@10",
    "ndcg@10": "nDCG@10",
}
TIMES = {"p50_ms": "p50 ms", "p95_ms": "p95 ms"}
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
MARKERS = ("<!-- retrieval -->", "<!-- /retrieval -->")


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """A name for the table, queries, and their judgments; queries without any are for what the shop does not sell."""

    name: str
    queries: Sequence[Query]
    qrels: Judgments

    def of_language(self, language: str, name: str) -> JudgedSet:
        """The queries whose ids begin with that language."""
        return JudgedSet(name, [query for query in self.queries if query.query_id.startswith(language)], self.qrels)


def known_items(folder: Path) -> list[JudgedSet]:
    """Another shop's titles as queries, judged by one product each. No judgment is used to fit anything."""
    queries, qrels = read_queries(folder / "queries.jsonl.gz"), read_qrels(folder / "qrels.tsv")
    return [JudgedSet(f"{folder.name}, no judgments used", queries, qrels)]


def shoppers(shop: Path) -> list[JudgedSet]:
    """The demo shop's queries, all of them and by language."""
    names = Names.read()
    needs = read_needs(names)
    qrels = judge(needs, list(read_products(shop / "catalog.jsonl")), names)
    whole = JudgedSet("demo shop", [Query(need.query_id, need.text) for need in needs], qrels)
    return [whole, whole.of_language("en", "demo shop, English"), whole.of_language("zh", "demo shop, Chinese")]


@contextmanager
def ways_of(shop: Path) -> Iterator[Ways]:
    """The peers over the catalog that `shop` serves, and the shop's own search."""
    with tempfile.TemporaryDirectory() as place:
        database = Database.open(f"sqlite:///{place}/bench.db")
        assistant = Assistant.open(shop, settings_of(shop), database)
        snapshot = assistant.parts.shelf.snapshot
        products = [snapshot.products.get(row) for row in range(len(snapshot.products))]
        texts = [text_of(product) for product in products]
        bm25, ngrams = Bm25(texts), CharacterNgrams(texts)
        encoders = {space: encoder_for(space, shop / "models" / "encoder") for space in snapshot.vectors}

        def ids(rows: Iterable[Any]) -> list[str]:
            return [products[int(row)].id for row in rows]

        def words(query: Query, k: int) -> list[int]:
            return [int(row) for row in snapshot.keywords.search(query.text, k)[0]]

        def meaning(query: Query, k: int) -> list[int]:
            script = script_of(query.text)
            space = script if script in encoders else next(iter(encoders))
            vector = encoders[space].encode_queries([query.text])[0]  # (dim,)
            return [int(row) for row in snapshot.vectors[space].search(vector, k)[0]]

        yield {
            "BM25, one field": lambda query: ids(bm25.search(query.text, CUT)),
            "BM25, weighted fields": lambda query: ids(words(query, CUT)),
            "MiniLM or e5, by script, as they come": lambda query: ids(meaning(query, CUT)),
            "naive RRF of the two before": lambda query: ids(fused([words(query, FUSED), meaning(query, FUSED)])[:CUT]),
            "character 2-4-gram TF-IDF": lambda query: ids(ngrams.search(query.text, CUT)),
            OURS: lambda query: [
                card["product_id"] for card in assistant.search(query.text, query.filters)["products"]
            ],
        }
        assistant.close()
        database.close()


def table(sets: Sequence[JudgedSet], ways: Ways) -> list[str]:
    """The rows of the Markdown table: every set with every system."""
    lines = []
    for judged in sets:
        for number, (name, way) in enumerate(ways.items()):
            found = evaluate(way, judged.queries, judged.qrels)
            first = "" if number else f"{judged.name}, {found['n']} queries"
            figures = [f"{found[key]:.3f}" for key in COLUMNS] + [f"{found[key]:.1f}" for key in TIMES]
            lines.append(f"| {first} | {name} | {' | '.join(figures)} |")
    return lines


def nothing(judged: JudgedSet, ways: Ways) -> list[str]:
    """A Markdown table: for how many queries each system shows nothing, right where the shop does not sell it, wrong elsewhere."""
    sold = [query for query in judged.queries if judged.qrels.get(query.query_id)]
    foreign = [query for query in judged.queries if query not in sold]
    lines = [
        f"| shows nothing | of {len(foreign)} queries for what is not sold | of {len(sold)} for what is |",
        "| --- | --- | --- |",
    ]
    for name, way in ways.items():
        counts = [sum(not way(query) for query in queries) for queries in (foreign, sold)]
        lines.append(f"| {name} | {counts[0]} | {counts[1]} |")
    return lines


def write(lines: Sequence[str], page: Path = PAGE) -> None:
    """Puts `lines` between the markers of a page; raises `InvalidInput` where it lacks them."""
    text = page.read_text(encoding="utf-8")
    head, begin, rest = text.partition(MARKERS[0])
    _, end, tail = rest.partition(MARKERS[1])
    if not begin or not end:
        raise InvalidInput(f"{page} has no place for the table.", f"Write {' and '.join(MARKERS)} there, a line each.")
    page.write_text("\n".join([head + begin, "", *lines, "", end + tail]), encoding="utf-8")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, help="the demo shop, indexed")
    parser.add_argument("--data", type=Path, help="a folder with queries.jsonl.gz and qrels.tsv")
    parser.add_argument("--data-shop", type=Path, default=Path("var/bench-abt"), help="the shop with that catalog")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    heads = ["set", "system", *COLUMNS.values(), *TIMES.values()]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    notes = []
    if options.data is not None:
        with ways_of(options.data_shop) as ways:
            lines += table(known_items(options.data), ways)
    if options.shop is not None:
        with ways_of(options.shop) as ways:
            sets = shoppers(options.shop)
            lines += table(sets, ways)
            notes = ["", *nothing(sets[0], ways)]
    print("\n".join([*lines, *notes]))
    if options.write:
        write([*lines, *notes])


if __name__ == "__main__":
    main()
