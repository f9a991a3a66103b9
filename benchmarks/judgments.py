"""Search judgments of the demo shop from the needs of its shoppers, and how far a person agrees with them.

    python -m benchmarks.judgments write --catalog var/catalog.jsonl --output var/judgments
    python -m benchmarks.judgments agreement --catalog var/catalog.jsonl
    python -m benchmarks.judgments sample --catalog var/catalog.jsonl

`write` gives `queries.jsonl` and `qrels.tsv` as `launch.py evaluate search` reads them; the queries for goods that the shop does
not sell are in the first only. `sample` prints the pairs to judge by hand, without the rule's gains: the same number for each gain,
products of gain 0 from the departments of the need. `agreement` compares `hand_gains.tsv` with the rule: exact agreement, and the
quadratic weighted kappa (Cohen 1968). Round 1 are the pairs after which needs were mended, round 2 fresh ones, judged after that.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.needs import FOLDER, Names, Need, read_needs, read_products
from index.product import Product

GAINS = range(4)
SAMPLED = 75
"""Pairs of each gain."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges on the same pairs. `counts` is (4, 4): a row for each of the rule's gains, a column for each of the hand's."""

    counts: np.ndarray

    @property
    def exact(self) -> float:
        """The share of pairs on which both say the same."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def kappa(self) -> float:
        """1 less observed over expected disagreement, weighted by the squared distance of the gains; 1 where none is expected."""
        grades = np.arange(len(self.counts))
        weights = (grades[:, None] - grades[None, :]) ** 2  # (gains, gains)
        expected = np.outer(self.counts.sum(axis=1), self.counts.sum(axis=0)) / self.counts.sum()
        apart = (weights * expected).sum()
        return float(1 - (weights * self.counts).sum() / apart) if apart else 1.0


def agreement(pairs: Iterable[tuple[int, int]]) -> Agreement:
    """Counts (rule's gain, hand's gain)."""
    counts = np.zeros((len(GAINS), len(GAINS)), dtype=np.int64)
    for rule, hand in pairs:
        counts[rule, hand] += 1
    return Agreement(counts)


def judge(needs: Sequence[Need], products: Sequence[Product], names: Names) -> dict[str, dict[str, int]]:
    """The gains above 0: {query_id: {product_id: gain}}; a query that nothing answers has none."""
    gains = {need.query_id: {product.id: need.gain(product, names) for product in products} for need in needs}
    return {query: {product: gain for product, gain in row.items() if gain} for query, row in gains.items()}


def write(needs: Sequence[Need], gains: Mapping[str, Mapping[str, int]], output: Path) -> None:
    """Writes `queries.jsonl` and `qrels.tsv` into the folder `output`."""
    output.mkdir(parents=True, exist_ok=True)
    queries = [json.dumps({"query_id": need.query_id, "text": need.text}, ensure_ascii=False) for need in needs]
    (output / "queries.jsonl").write_text("\n".join(queries) + "\n", encoding="utf-8")
    rows = [f"{query}\t{product}\t{gain}" for query, row in gains.items() for product, gain in row.items()]
    (output / "qrels.tsv").write_text("\n".join(["query_id\tproduct_id\tgain", *rows]) + "\n", encoding="utf-8")


def sample(
    needs: Sequence[Need], products: Sequence[Product], names: Names, seed: int = 0
) -> list[tuple[Need, Product]]:
    """`SAMPLED` pairs for each gain in random order: a random need, then a random product that has that gain for it."""
    draw = random.Random(seed)
    departments = {names.kinds[product.categories[-1]]: set[str]() for product in products}
    for product in products:
        departments[names.kinds[product.categories[-1]]].add(product.categories[0])
    sold = [need for need in needs if need.kinds]
    pairs: dict[tuple[str, str], tuple[Need, Product]] = {}
    for gain in GAINS:
        last = len(pairs) + SAMPLED
        while len(pairs) < last:
            need = draw.choice(sold)
            near = set().union(*(departments[kind] for kind in need.kinds))
            fitting = [
                product for product in products if product.categories[0] in near and need.gain(product, names) == gain
            ]
            if fitting:
                product = draw.choice(fitting)
                pairs[need.query_id, product.id] = (need, product)
    found = list(pairs.values())
    draw.shuffle(found)
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("write", "agreement", "sample"))
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("var/judgments"), help="a folder, for `write`")
    options = parser.parse_args()
    names = Names.read()
    needs, products = read_needs(names), list(read_products(options.catalog))
    if options.task == "write":
        gains = judge(needs, products, names)
        write(needs, gains, options.output)
        print(f"{len(needs)} queries, {sum(map(len, gains.values()))} products of gain 1 to 3 in {options.output}")
    elif options.task == "sample":
        for need, product in sample(needs, products, names):
            print(json.dumps({"query_id": need.query_id, "text": need.text, **product.model_dump(mode="json")}))
    else:
        _print_agreement(needs, products, names)


def _print_agreement(needs: Sequence[Need], products: Sequence[Product], names: Names) -> None:
    by_query = {need.query_id: need for need in needs}
    by_id = {product.id: product for product in products}
    with (FOLDER / "hand_gains.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    # A catalog of another seed has other products under these ids.
    same = [row for row in rows if row["product_id"] in by_id and by_id[row["product_id"]].title == row["title"]]
    for number in sorted({row["round"] for row in same}):
        found = agreement(
            (by_query[row["query_id"]].gain(by_id[row["product_id"]], names), int(row["gain"]))
            for row in same
            if row["round"] == number
        )
        pairs = int(found.counts.sum())
        print(f"round {number}: {pairs} pairs, exact {found.exact:.3f}, quadratic weighted kappa {found.kappa:.3f}")
        print("  the rule's gain by row, the hand's by column:")
        print("\n".join("  " + " ".join(f"{count:4d}" for count in row) for row in found.counts))
    if len(same) < len(rows):
        print(f"{len(rows) - len(same)} pairs are left out: their product is not in this catalog.")


if __name__ == "__main__":
    main()
