"""Known-item search on a judged catalog: the shop's search beside BM25, the encoder alone and character n-grams, in one run.

    python -m benchmarks.retrieval --shop DIR --data ../shared/data/abt_buy

DIR is a shop that `launch.py index` built from the same catalog.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from bot.service import Assistant
from finetune.evaluate_search import Query, evaluate, read_qrels, read_queries
from index.encoders import encoder_for
from index.ngrams import NgramIndex
from launch import settings_of
from storage.database import Database


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the folder with queries.jsonl.gz and qrels.tsv")
    options = parser.parse_args()
    queries, qrels = read_queries(options.data / "queries.jsonl.gz"), read_qrels(options.data / "qrels.tsv")
    with tempfile.TemporaryDirectory() as place:
        database = Database.open(f"sqlite:///{place}/bench.db")
        assistant = Assistant.open(options.shop, settings_of(options.shop), database)
        snapshot = assistant.parts.shelf.snapshot
        encoder = encoder_for("latin", options.shop / "models" / "encoder")

        whole = snapshot.ngrams
        if not isinstance(whole, NgramIndex):
            raise SystemExit("Only a small catalog keeps the n-grams of whole documents.")

        def ids(rows: object) -> list[str]:
            return [snapshot.products.get(int(row)).id for row in rows]  # type: ignore[attr-defined]

        ways: dict[str, Callable[[Query], list[str]]] = {
            "BM25": lambda query: ids(snapshot.keywords.search(query.text, 10, None)[0]),
            "MiniLM as it comes": lambda query: ids(
                snapshot.vectors["latin"].search(encoder.encode_queries([query.text])[0], 10, None)[0]
            ),
            "character n-grams": lambda query: ids(whole.search(query.text, 10)[0]),
            "Aisle": lambda query: [
                card["product_id"] for card in assistant.search(query.text, query.filters)["products"]
            ],
        }
        print(
            "| | recall@1 | recall@10 | MRR@10 | NDCG@10 | p50 ms | p95 ms |\n| --- | --- | --- | --- | --- | --- | --- |"
        )
        for name, way in ways.items():
            found = evaluate(way, queries, qrels)
            figures = [f"{found[key]:.4f}" for key in ("recall@1", "recall@10", "mrr@10", "ndcg@10")]
            times = [f"{found[key]:.1f}" for key in ("p50_ms", "p95_ms")]
            print(f"| {name} | {' | '.join([*figures, *times])} |")
        assistant.close()
        database.close()


if __name__ == "__main__":
    main()
