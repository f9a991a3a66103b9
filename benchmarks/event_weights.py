"""Whether learnt weights of event kinds foretell the next purchase better than the stated ones, and what dwell and decay earn.

    python -m benchmarks.event_weights --shop var

Purchases of the last 30 % of the time are foretold from what the shopper did up to six hours before, by weights that were learnt on
earlier ones: of all the categories (items, brands) that they had met, at which place stands what was bought? Intervals by users.
"""

from __future__ import annotations

import argparse
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.event_weights import KINDS, Choices, choices_of, learn_weights
from index.product import Product
from retrieval.profile import EVENT_WEIGHTS, LONG_HALF_LIFE_MS, SESSION_HALF_LIFE_MS, weight_of
from storage.event import Event, read_event
from storage.rows import RowProblem, read_jsonl

LEARNT_SHARE = 0.7
ROUNDS = 1_000
ONE_EACH = dict.fromkeys(KINDS, 1.0)


def read_shop(shop: Path) -> tuple[dict[str, Product], list[list[Event]]]:
    """The products by id and each shopper's events."""
    rows = (row for _, row in read_jsonl(shop / "catalog.jsonl") if not isinstance(row, RowProblem))
    products = {product.id: product for product in map(Product.model_validate, rows)}
    by_user: dict[str, list[Event]] = defaultdict(list)
    for _, row in read_jsonl(shop / "events.jsonl"):
        if not isinstance(row, RowProblem):
            event = read_event(row)[0]
            by_user[event.user_id or ""].append(event)
    return products, list(by_user.values())


def by_percentile(
    histories: list[list[Event]], leaf: Callable[[str], str | None], until: int
) -> Callable[[Event], float]:
    """A look counts by how many looks of its category were shorter: 0 for the shortest, 2 for the longest."""
    looks: dict[str, list[int]] = defaultdict(list)
    for history in histories:
        for event in history:
            if event.event == "view_item" and event.dwell_ms is not None and event.timestamp <= until:
                for item in event.items:
                    looks[leaf(item.item_id) or ""].append(event.dwell_ms)
    for each in looks.values():
        each.sort()

    def look(event: Event) -> float:
        known = looks.get(leaf(event.items[0].item_id) or "") if event.items else None
        if event.event != "view_item" or event.dwell_ms is None or not known:
            return 1.0
        return 2 * bisect_left(known, event.dwell_ms) / len(known)

    return look


def interval(difference: NDArray[np.float64], who: NDArray[np.int64], rng: np.random.Generator) -> tuple[float, float]:
    """95 % of the mean, users drawn with replacement."""
    _, user = np.unique(who, return_inverse=True)
    sums, counts = np.bincount(user, difference), np.bincount(user)
    drawn = rng.integers(0, len(sums), (ROUNDS, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), (2.5, 97.5))
    return float(low), float(high)


def main() -> None:
    """Prints a table for each kind of thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    products, histories = read_shop(parser.parse_args().shop)

    def leaf(item_id: str) -> str | None:
        product = products.get(item_id)
        return product.categories[-1] if product is not None and product.categories else None

    def brand(item_id: str) -> str | None:
        product = products.get(item_id)
        return product.brand if product is not None else None

    for thing, meaning in (("category", leaf), ("brand", brand), ("item", lambda item_id: item_id)):
        plain = choices_of(histories, meaning)
        cut = int(np.quantile(plain.at, LEARNT_SHARE))

        def later(choices: Choices, cut: int = cut) -> Choices:
            return choices.part(choices.at > cut)

        learnt = learn_weights(plain.part(plain.at <= cut))
        test = later(plain)
        no_dwell = later(choices_of(histories, meaning, look=lambda event: weight_of(event, ONE_EACH) and 1.0))
        looked = by_percentile(histories, leaf, cut)
        session = later(choices_of(histories, meaning, fade=lambda age: float(2.0 ** (-age / SESSION_HALF_LIFE_MS))))
        lasting = later(choices_of(histories, meaning, fade=lambda age: float(2.0 ** (-age / LONG_HALF_LIFE_MS))))
        trials: tuple[tuple[str, Choices, Mapping[str, float]], ...] = (
            ("all kinds alike", test, ONE_EACH),
            ("stated weights", test, EVENT_WEIGHTS),
            ("stated, dwell left out", no_dwell, EVENT_WEIGHTS),
            ("stated, dwell by percentile", later(choices_of(histories, meaning, look=looked)), EVENT_WEIGHTS),
            ("stated, session half-life alone", session, EVENT_WEIGHTS),
            ("stated, long half-life alone", lasting, EVENT_WEIGHTS),
            ("stated, without decay", later(choices_of(histories, meaning, fade=lambda age: 1.0)), EVENT_WEIGHTS),
            ("learnt weights", test, learnt),
        )
        stated, rng = 1 / test.ranks(EVENT_WEIGHTS), np.random.default_rng(0)
        print(f"\n{thing}: learnt on {len(plain) - len(test):,} purchases, asked about {len(test):,}")
        print("learnt: " + ", ".join(f"{kind} {weight:.2f}" for kind, weight in learnt.items()))
        print("| | MRR | first | difference to stated |\n| --- | --- | --- | --- |")
        for name, choices, weights in trials:
            ranks = choices.ranks(weights)
            low, high = interval(1 / ranks - stated, test.who, rng)
            print(f"| {name} | {(1 / ranks).mean():.3f} | {(ranks < 1.5).mean():.3f} | {low:+.3f} … {high:+.3f} |")


if __name__ == "__main__":
    main()
