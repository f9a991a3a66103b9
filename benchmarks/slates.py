"""What a first page that shows a range gives and costs on a shop's own index: `benchmarks.personalization --parts slates`.

Asked are the names of the catalog's leaf categories. Beside relevance alone stand several trades: how many of the six cards are
of the category that was asked for, how many brands and thirds of the prices they show, how much two of them have in common, and how
far their mean score lies below that of relevance alone. Times are of the CPU.
"""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path

import numpy as np

from bot.parts import Parts
from bot.turn import SLATE
from index.filters import Filters
from launch import assistant_of
from retrieval.diversity import TRADE, likeness, spread
from retrieval.profile import traits

TRADES = (1.0, 0.7, 0.5, 0.3)
_HITS = 30
_MANY = 200
_FEWEST = 6  # products of a category that is asked for


def run(shop: Path) -> None:
    """Prints the table of a shop whose index is built."""
    with assistant_of(shop, talks=False) as assistant:
        _compare(assistant.parts)


def _compare(parts: Parts) -> None:
    leaves = [name for name, (count, _) in parts.categories.items() if count >= _FEWEST]
    rows: dict[float, list[tuple[float, ...]]] = {trade: [] for trade in TRADES}
    taken = []
    for leaf in leaves:
        found = parts.shelf.find(leaf, Filters(), limit=_HITS)
        products = [found.products[hit.hit.product_id] for hit in found.hits]
        of = [traits(product, parts.levels) for product in products]
        scores = [hit.score for hit in found.hits]
        started = time.process_time()
        spread(scores, of, SLATE)
        taken.append(1000 * (time.process_time() - started))
        for trade in TRADES:
            first = spread(scores, of, SLATE, trade)[:SLATE]
            like = likeness([of[place] for place in first])
            shown = [products[place] for place in first]
            rows[trade].append(
                (
                    float(np.mean([leaf in product.categories for product in shown])),
                    len({product.brand for product in shown}),
                    len({parts.levels.band(product) for product in shown}),
                    float(np.mean([like[pair] for pair in combinations(range(len(first)), 2)] or [0.0])),
                    float(np.mean(scores[: len(first)]) - np.mean([scores[place] for place in first])),
                )
            )
    print(f"\n{len(leaves)} categories asked for, {SLATE} cards of {_HITS} hits\n")
    print("| trade | of the category | brands | thirds of prices | in common | score given up |")
    print("| --- | --- | --- | --- | --- | --- |")
    for trade, each in rows.items():
        asked, brands, bands, common, lost = np.mean(each, axis=0)
        name = f"**{trade}**" if trade == TRADE else "1, relevance alone" if trade == 1 else f"{trade}"
        print(f"| {name} | {asked:.3f} | {brands:.2f} | {bands:.2f} | {common:.3f} | {lost:.3f} |")
    snapshot = parts.shelf.snapshot
    step = max(1, len(snapshot.products) // _MANY)
    many = [snapshot.products.get(row) for row in range(0, step * _MANY, step)][:_MANY]
    timed = []
    for _ in range(50):
        started = time.process_time()
        spread(np.linspace(1, 0, len(many)).tolist(), [traits(each, parts.levels) for each in many], SLATE)
        timed.append(1000 * (time.process_time() - started))
    print(f"\n{np.mean(taken):.2f} ms for {_HITS} hits; {np.mean(timed):.2f} ms for {len(many)}, traits included")
