"""Before anybody's first click: is what is popular in context turned to oftener than what is popular in the whole shop?

    python -m benchmarks.new_shoppers --shop var

Popularity is counted until `LEARNT_SHARE` of the time has passed, by people as the shop counts it. Asked are the shoppers who come
for the first time after that: is the product of their first click, and that of their first purchase, among the six most popular?
The context is the page that they were on: the language, department or category of most of the products of the last list before it
in that visit. Beside it stands what six products of the same context by lot would find. Intervals are Wilson's.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.event_weights import read_shop
from bot.turn import SLATE
from index.product import Product
from storage.event import Event
from storage.visits import VISITED

LEARNT_SHARE = 0.5
WEIGHTS: Mapping[str, float] = {"view_item": 1.0, "add_to_cart": 3.0, "purchase": 5.0}
"""Those of `storage.events.popularity`."""

Context = Callable[[Product], str]
CONTEXTS: Mapping[str, Context] = {
    "the whole shop": lambda product: "",
    "its language": lambda product: product.language,
    "its department": lambda product: product.categories[0],
    "its category": lambda product: product.categories[-1],
}


def popular(histories: Iterable[Sequence[Event]], until: int) -> list[str]:
    """Products by what people did with them until then, the most popular first."""
    people: set[tuple[str, str, str]] = set()
    for history in histories:
        for event in history:
            if event.event in WEIGHTS and event.timestamp <= until:
                people.update((event.user_id or "", event.event, item.item_id) for item in event.items)
    weights: Counter[str] = Counter()
    for _, kind, item_id in people:
        weights[item_id] += WEIGHTS[kind]  # type: ignore[assignment]
    return sorted(weights, key=lambda item: (-weights[item], item))


def first_of(
    history: Sequence[Event], kinds: Sequence[str], products: Mapping[str, Product]
) -> tuple[str, list[Product]] | None:
    """The first product that somebody turned to by an event of these kinds, and those of the last list in that visit before it."""
    page: tuple[str | None, list[Product]] | None = None
    for event in history:
        known = [products[item.item_id] for item in event.items if item.item_id in products]
        if event.event == "view_item_list" and known:
            page = event.session_id, known
        if event.event in kinds and known:
            return (known[0].id, page[1]) if page is not None and page[0] == event.session_id else None
    return None


def hits(
    asked: Sequence[tuple[str, list[Product]]], ranked: Sequence[str], products: Mapping[str, Product], context: Context
) -> tuple[int, float]:
    """How often the product is among the first `SLATE` of what is popular in the context of its page, and among as many by lot."""
    by_context: dict[str, list[str]] = defaultdict(list)
    for item in ranked:
        if item in products:
            by_context[context(products[item])].append(item)
    sizes = Counter(map(context, products.values()))
    found, by_lot = 0, 0.0
    for wanted, page in asked:
        (name, _), *_ = Counter(map(context, page)).most_common(1)
        found += wanted in by_context[name][:SLATE]
        by_lot += min(1.0, SLATE / sizes[name]) * (context(products[wanted]) == name)
    return found, by_lot


def wilson(found: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z = 1.96
    middle, width = found + z * z / 2, z * math.sqrt(found * (of - found) / of + z * z / 4)
    return (middle - width) / (of + z * z), (middle + width) / (of + z * z)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shop", type=Path, default=Path("var"), help="with catalog.jsonl and events.jsonl of the demo"
    )
    options = parser.parse_args()
    products, histories = read_shop(options.shop)
    histories = [sorted(each, key=lambda event: event.timestamp) for each in histories]
    begin = min(each[0].timestamp for each in histories)
    end = max(each[-1].timestamp for each in histories)
    until = begin + round(LEARNT_SHARE * (end - begin))
    ranked = popular(histories, until)
    late = [each for each in histories if each[0].timestamp > until]
    print("| popular in | first click, HR@6 | 95 % | by lot | first purchase, HR@6 | 95 % | by lot |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    asked = {
        name: [first for each in late if (first := first_of(each, kinds, products)) is not None]
        for name, kinds in (("click", VISITED), ("purchase", ("purchase",)))
    }
    for name, context in CONTEXTS.items():
        cells = []
        for each in asked.values():
            found, by_lot = hits(each, ranked, products, context)
            low, high = wilson(found, len(each))
            cells += [f"{found / len(each):.3f}", f"{low:.3f} to {high:.3f}", f"{by_lot / len(each):.3f}"]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\n{len(late)} new shoppers; {len(asked['click'])} first clicks, {len(asked['purchase'])} first purchases")


if __name__ == "__main__":
    main()
