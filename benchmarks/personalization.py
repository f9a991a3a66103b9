"""What is known of shoppers, beside simple baselines in the same run; a part for each aim.

    python -m benchmarks.personalization --parts stage --seeds 7 8

Parts:

    stage    the chance of a purchase within the session, and the stage, on demo shops (`benchmarks.stage`)
    sequence what a shopper turns to next, on the public log in --data (`benchmarks.sequence`)
    cold     the same for items that nobody has turned to yet
    ranker   the learnt order of cards beside the blend, on the log of --shop (`benchmarks.ranker`)
    graph    what the graph of words and the sequence network earn for it (`benchmarks.graph`)
    slates   what a first page that shows a range gives and costs, on the index of --shop (`benchmarks.slates`)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import graph, ranker, sequence, slates, stage


def _stage(options: argparse.Namespace) -> None:
    for seed in options.seeds:
        stage.run(seed, options.products, options.shoppers)


def _sequence(options: argparse.Namespace) -> None:
    for seed in options.seeds:
        sequence.run(options.data, seed)


def _cold(options: argparse.Namespace) -> None:
    for seed in options.seeds:
        sequence.cold(options.data, seed)


def _ranker(options: argparse.Namespace) -> None:
    for seed in options.seeds:
        ranker.run(options.shop, seed)


def _graph(options: argparse.Namespace) -> None:
    for seed in options.seeds:
        graph.run(options.shop, seed)


PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "stage": _stage,
    "sequence": _sequence,
    "cold": _cold,
    "ranker": _ranker,
    "graph": _graph,
    "slates": lambda options: slates.run(options.shop),
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[7], help="of demo shops and training")
    parser.add_argument("--products", type=int, default=2000, help="of a demo shop")
    parser.add_argument("--shoppers", type=int, default=2000, help="of a demo shop")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/s3rec_beauty"), help="a public log")
    parser.add_argument("--shop", type=Path, default=Path("var"), help="a shop with an index")
    options = parser.parse_args()
    for part in options.parts:
        PARTS[part](options)


if __name__ == "__main__":
    main()
