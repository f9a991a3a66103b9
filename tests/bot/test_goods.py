"""What the shop sells and what ran out, from a real index and newer offers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.goods import goods_of, note_stock, out_of_stock
from bot.shelf import goods_among
from index.build import build_index
from index.encoders import Encoder
from index.product import Product
from index.snapshot import Snapshot, current_index
from retrieval.goods import no_goods
from storage.consent import Consent
from storage.database import Database
from storage.event import parse_event
from storage.events import record_events
from storage.offers import Offer, put_offers
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import ShopSettings
from storage.shortages import wanted_while_out

SHOP = Principal("shop", Role.SERVICE)
LAMP = {"id": "lamp", "title": "Desk lamp", "categories": ["Home", "Lamps"], "availability": "out_of_stock"}
MUG = {"id": "mug", "title": "Stoneware mug", "categories": ["Kitchen", "Mugs"]}
SHIRT = {
    "id": "shirt",
    "title": "Linen shirt",
    "categories": ["Clothing", "Shirts"],
    "variants": [
        {"id": "shirt-m", "options": {"size": "M"}, "availability": "out_of_stock"},
        {"id": "shirt-l", "options": {"size": "L"}},
    ],
}
GONE = {
    "id": "vest",
    "title": "Wool vest",
    "variants": [{"id": "vest-m", "options": {"size": "M"}, "stock": 0}],
}


def publish(shop: Path, encoders: Mapping[str, Encoder], *rows: dict[str, Any]) -> Snapshot:
    catalog = shop / "catalog.jsonl"
    catalog.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    build_index(catalog, shop, ShopSettings(languages=("en",)), encoders.__getitem__, allow_shrink=True)
    folder = current_index(shop)
    assert folder is not None
    return Snapshot.load(folder)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, encoders_by_space: Mapping[str, Encoder]) -> Path:
    shop = tmp_path_factory.mktemp("goods")
    publish(shop, encoders_by_space, LAMP, MUG, SHIRT, GONE)
    return shop


@pytest.fixture
def shop(first: Path, tmp_path: Path) -> Path:
    """A copy, for tests that publish more."""
    return Path(shutil.copytree(first, tmp_path / "shop"))


def carted(db: Database, item: str, user: str) -> None:
    event = {"event_id": user, "event": "add_to_cart", "user_id": user, "timestamp": now_ms()}
    record_events(db, SHOP, [parse_event({**event, "items": [{"item_id": item}]})])


def test_products_and_variants_as_they_are_offered_now(database: Database, shop: Path) -> None:
    goods = goods_of(shop, database)
    found = goods(["lamp", "mug", "shirt", "shirt-m", "shirt-l", "nothing"])
    assert {name: each.orderable for name, each in found.items()} == {
        "lamp": False,
        "mug": True,
        "shirt": True,
        "shirt-m": False,
        "shirt-l": True,
    }
    assert found["shirt-m"].product_id == "shirt"
    assert found["shirt-m"].title == "Linen shirt (M)"
    assert found["lamp"].category == ("Home", "Lamps")
    put_offers(database, SHOP, [Offer(product_id="lamp", availability="in_stock"), Offer(product_id="mug", stock=0)])
    assert {name: each.orderable for name, each in goods(["lamp", "mug"]).items()} == {"lamp": True, "mug": False}


def test_of_what_is_special_nobody_is_told(database: Database, shop: Path) -> None:
    everything = goods_of(shop, database)(["lamp", "mug", "shirt-m"])
    assert set(goods_of(shop, database, ["lamps"])(everything)) == set(everything) - {"lamp"}
    test_strips = Product(id="strips", title="Insulin pen needles", categories=("Health",))
    assert goods_among({"strips": test_strips}) == {}


def test_a_shop_without_an_index_sells_nothing_that_is_known(database: Database, tmp_path: Path) -> None:
    assert goods_of(tmp_path, database) is no_goods
    assert no_goods(["lamp"]) == {}
    note_stock(tmp_path, database, SHOP)


def test_what_a_catalog_calls_out_of_stock(shop: Path) -> None:
    folder = current_index(shop)
    assert folder is not None
    assert {key for key, _ in out_of_stock(Snapshot.load(folder))} == {
        ("lamp", ""),
        ("shirt", "shirt-m"),
        ("vest", "vest-m"),
        ("vest", ""),
    }


def test_from_one_catalog_to_the_next(database: Database, shop: Path, encoders_by_space: Mapping[str, Encoder]) -> None:
    note_stock(shop, database, SHOP)
    for item, user in (("lamp", "alice"), ("shirt-m", "bob"), ("shirt-l", "carol"), ("vest", "dora")):
        carted(database, item, user)
    publish(shop, encoders_by_space, {**LAMP, "availability": "in_stock"}, MUG, SHIRT)
    note_stock(shop, database, SHOP)
    wanted = {each.user_id: each.until is not None for each in wanted_while_out(database, SHOP, Consent(), 0)}
    assert wanted == {"alice": True, "bob": False, "dora": False}, "what is not sold any more is not back"
