from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from demo.catalog import make_catalog
from demo.generate import write_demo_shop
from demo.personas import PERSONAS
from demo.shoppers import make_behavior
from demo.vocabulary import PRODUCT_TYPES
from storage.event import parse_event
from tests.demo.written import NOW, Written

SPAN_MS = 180 * 86_400_000


def _departments(shop: Written) -> dict[str, str]:
    """Product id → its department's English name."""
    english = {kind.department.name.zh: kind.department.name.en for kind in PRODUCT_TYPES.values()}
    return {row["id"]: english.get(row["categories"][0], row["categories"][0]) for row in shop.catalog}


def _views(shop: Written) -> dict[str, list[str]]:
    """User id → products looked at, oldest first."""
    views: dict[str, list[str]] = defaultdict(list)
    for event in shop.events:
        if event["event"] == "view_item":
            views[event["user_id"]].append(event["items"][0]["item_id"])
    return views


def test_events_are_valid_ordered_and_in_the_period(shop: Written) -> None:
    events = [parse_event(row) for row in shop.events]
    # 500 of 2,000 shoppers write a quarter of the 100,000 events.
    assert len(events) > 25_000
    assert len({event.event_id for event in events}) == len(events)
    times = [row["timestamp"] for row in shop.events]
    end = NOW.timestamp() * 1000
    assert times == sorted(times)
    assert times[0] > end - SPAN_MS
    assert times[-1] < end
    assert times[-1] > end - 86_400_000
    known = {row["id"] for row in shop.catalog}
    assert {item["item_id"] for row in shop.events for item in row["items"]} <= known
    assert {"view_item_list", "view_item", "search", "add_to_cart", "purchase", "refund"} <= {
        row["event"] for row in shop.events
    }


def test_a_shoppers_past_predicts_what_follows_far_better_than_popularity(shop: Written) -> None:
    department = _departments(shop)
    views = _views(shop)
    overall = Counter(department[item] for items in views.values() for item in items)
    popular = overall.most_common(1)[0][0]
    own = everyone = total = 0
    for items in views.values():
        half = len(items) // 2
        if half < 5:
            continue
        favorite = Counter(department[item] for item in items[:half]).most_common(1)[0][0]
        later = [department[item] for item in items[half:]]
        own += later.count(favorite)
        everyone += later.count(popular)
        total += len(later)
    assert total > 5000
    assert own / total > 2.5 * everyone / total
    assert own / total > 0.45


def test_price_is_a_taste(shop: Written) -> None:
    """Who looked at the dear end of each type before looks there again."""
    kinds = {kind.plural.in_(language): kind for kind in PRODUCT_TYPES.values() for language in ("en", "zh")}
    place = {}
    for row in shop.catalog:
        low, high = kinds[row["categories"][-1]].price
        place[row["id"]] = (row["price"]["amount"] - low) / (high - low)
    before, after = [], []
    for items in _views(shop).values():
        if len(items) >= 20:
            half = len(items) // 2
            before.append(np.mean([place[item] for item in items[:half]]))
            after.append(np.mean([place[item] for item in items[half:]]))
    assert len(before) > 150
    assert np.corrcoef(before, after)[0, 1] > 0.5


def test_dwell_grows_from_looking_to_deciding(shop: Written) -> None:
    bought = {
        (row["session_id"], item["item_id"])
        for row in shop.events
        if row["event"] == "add_to_cart"
        for item in row["items"]
    }
    dwell: dict[bool, list[int]] = {True: [], False: []}
    for row in shop.events:
        if row["event"] == "view_item":
            dwell[(row["session_id"], row["items"][0]["item_id"]) in bought].append(row["dwell_ms"])
    assert np.median(dwell[True]) > 1.5 * np.median(dwell[False])


def test_consumables_are_bought_again_when_they_are_used_up(shop: Written) -> None:
    lasts = {kind.plural.in_(language): kind.lasts_days for kind in PRODUCT_TYPES.values() for language in ("en", "zh")}
    days = {row["id"]: lasts[row["categories"][-1]] for row in shop.catalog}
    last_bought: dict[tuple[str, str], int] = {}
    ratios = []
    for row in shop.events:
        if row["event"] != "purchase":
            continue
        for item in row["items"]:
            key, expected = (row["user_id"], item["item_id"]), days[item["item_id"]]
            if expected and key in last_bought:
                ratios.append((row["timestamp"] - last_bought[key]) / 86_400_000 / expected)
            last_bought[key] = row["timestamp"]
    assert len(ratios) > 50
    assert 0.85 < np.median(ratios) < 1.15


def test_some_left_and_some_stayed(shop: Written) -> None:
    last = {row["user_id"]: row["timestamp"] for row in shop.events}
    silent = [(NOW.timestamp() * 1000 - time) / 86_400_000 for time in last.values()]
    assert 0.1 < np.mean([days > 90 for days in silent]) < 0.4
    assert np.mean([days < 30 for days in silent]) > 0.35


def test_consent_is_the_persons_own(shop: Written) -> None:
    consents: dict[str, set[tuple[tuple[str, bool], ...]]] = defaultdict(set)
    for row in shop.events:
        consents[row["user_id"]].add(tuple(sorted(row["consent"].items())))
    assert all(len(choices) == 1 for choices in consents.values())
    choices = [dict(next(iter(choice))) for choice in consents.values()]
    assert 0.8 < np.mean([choice["personalize"] for choice in choices]) < 0.97
    assert 0.1 < np.mean([choice["train"] for choice in choices]) < 0.35


def test_orders_are_what_was_purchased(shop: Written) -> None:
    purchases = {row["transaction_id"]: row for row in shop.events if row["event"] == "purchase"}
    variants = {row["id"]: {variant["id"] for variant in row["variants"]} for row in shop.catalog}
    assert len(shop.orders) == len(purchases) > 500
    for order in shop.orders:
        event = purchases[order["order_id"]]
        assert order["user_id"] == event["user_id"]
        assert [(item["product_id"], item["quantity"], item["price"]) for item in order["items"]] == [
            (item["item_id"], item["quantity"], item["price"]) for item in event["items"]
        ]
        assert sum(item["quantity"] * item["price"] for item in order["items"]) == event["value"]
        for item in order["items"]:
            choices = variants[item["product_id"]]
            assert item["variant_id"] in choices if choices else item["variant_id"] is None


def test_statuses_fit_the_age(shop: Written) -> None:
    for order in shop.orders:
        age = NOW - datetime.fromisoformat(order["placed_at"])
        assert age > timedelta(0)
        assert ("tracking" in order) == (order["status"] in ("shipped", "delivered", "returned"))
        if order["status"] in ("placed", "paid"):
            assert age < timedelta(days=1)
        if order["status"] == "shipped":
            assert datetime.fromisoformat(order["tracking"]["expected_at"]) > NOW
    counts = Counter(order["status"] for order in shop.orders)
    assert counts.keys() >= {"paid", "shipped", "delivered", "cancelled", "returned"}
    refunds = {row["transaction_id"] for row in shop.events if row["event"] == "refund"}
    assert refunds == {order["order_id"] for order in shop.orders if order["status"] == "returned"}


def test_named_shoppers_do_what_their_description_says(shop: Written) -> None:
    kinds = {kind.plural.in_(language): key for key, kind in PRODUCT_TYPES.items() for language in ("en", "zh")}
    kind_of = {row["id"]: kinds[row["categories"][-1]] for row in shop.catalog}
    language_of = {row["id"]: row["language"] for row in shop.catalog}
    views = _views(shop)
    week = NOW.timestamp() * 1000 - 7 * 86_400_000
    for persona in PERSONAS:
        seen = views[persona.id]
        assert {kind_of[item] for item in seen} <= persona.types.keys()
        assert np.mean([language_of[item] == persona.language for item in seen]) > 0.6
        assert any(row["user_id"] == persona.id and row["timestamp"] > week for row in shop.events)
        assert any(order["user_id"] == persona.id for order in shop.orders)
    tastes = [frozenset(persona.types) for persona in PERSONAS]
    assert all(not one & other for place, one in enumerate(tastes) for other in tastes[:place])


def test_same_seed_same_bytes(tmp_path: Any) -> None:
    def written(name: str, seed: int) -> dict[str, bytes]:
        folder = tmp_path / name
        write_demo_shop(folder, seed=seed, products=340, shoppers=40, now=NOW)
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }

    first, second, other = written("a", 3), written("b", 3), written("c", 4)
    assert first == second
    assert first["catalog.jsonl"] != other["catalog.jsonl"]
    assert first["events.jsonl"] != other["events.jsonl"]


def test_the_truth_behind_the_events_is_known_and_in_no_file(shop: Written) -> None:
    draw = np.random.Generator(np.random.PCG64([7, 1]))
    catalog = make_catalog(np.random.Generator(np.random.PCG64([7, 0])), NOW, 300)
    behavior = make_behavior(draw, NOW, catalog, 60)
    by_stage = Counter(
        (behavior.stages[row["event_id"]], row["event"]) for row in behavior.events if row["event"] != "refund"
    )
    assert {row["event_id"] for row in behavior.events if row["event"] == "refund"}.isdisjoint(behavior.stages)
    assert {stage for stage, event in by_stage if event == "purchase"} == {"ready"}
    assert {stage for stage, event in by_stage if event == "select_item"} == {"browsing"}
    assert {stage for stage, _ in by_stage} == {"browsing", "comparing", "ready"}
    assert not any("stage" in row for row in [*shop.events, *behavior.events])
