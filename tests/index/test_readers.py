from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from index.product import Availability, Money, Product, Rating
from index.readers import Notes, read_catalog, read_rows
from storage.errors import InvalidInput
from storage.rows import RowProblem


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def read(
    path: Path, columns: dict[str, str] | None = None, currency: str = "USD"
) -> tuple[list[Product], list[RowProblem], Notes]:
    notes = Notes()
    items = [item for _, item in read_rows(path, columns, currency, notes)]
    return (
        [item for item in items if isinstance(item, Product)],
        [item for item in items if isinstance(item, RowProblem)],
        notes,
    )


def one(tmp_path: Path, row: dict[str, Any], currency: str = "USD") -> tuple[Product, Notes]:
    products, problems, notes = read(jsonl(tmp_path / "one.jsonl", row), currency=currency)
    assert not problems
    return products[0], notes


def test_a_whole_product(tmp_path: Path) -> None:
    row = {
        "id": "p1", "title": "Trail shoe", "description": "Light.", "brand": "Northpeak", "categories": ["Shoes", "Trail"],
        "price": {"amount": 8900, "currency": "EUR"}, "list_price": {"amount": 9900, "currency": "EUR"},
        "availability": "preorder", "stock": 3, "attributes": {"color": ["blue", "white"]},
        "variants": [{"id": "p1-42", "title": "42", "options": {"size": "42"}, "stock": 0},
                     {"id": "p1-43", "price": {"amount": 9100, "currency": "EUR"}, "options": {"size": 43}}],
        "gtin": "0012345600012", "mpn": "TR-1", "rating": {"value": 4.5, "count": 12},
        "delivery": {"days_min": 1, "days_max": 3, "price": {"amount": 0, "currency": "EUR"}},
        "published_at": "2026-01-02T03:04:05Z", "image_url": "/media/p1.svg", "url": "https://shop.example/p1",
        "language": "en",
    }  # fmt: skip
    product, notes = one(tmp_path, row)
    assert not notes.bad
    assert not notes.unused
    assert product.price == Money(amount=8900, currency="EUR")
    assert product.attributes == {"color": ("blue", "white")}
    assert [variant.options for variant in product.variants] == [{"size": "42"}, {"size": "43"}]
    assert product.variants[0].price == Money(amount=8900, currency="EUR")
    assert product.variants[1].availability is Availability.PREORDER
    assert product.published_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert product.delivery is not None
    assert product.delivery.days_max == 3
    # What was read can be written and read again without loss.
    again, _ = one(tmp_path, json.loads(product.model_dump_json()))
    assert again == product


def test_bad_optional_fields_become_null_and_are_counted(tmp_path: Path) -> None:
    row = {
        "id": 7.0, "title": " <b>Kettle</b> ", "description": {"a": 1}, "brand": ["x", "y"], "categories": [True],
        "price": "ask us", "list_price": -5, "availability": "maybe", "stock": "many", "attributes": 5,
        "variants": [{"title": "no id"}, "text", {"id": "v", "price": "?", "stock": -1}], "gtin": {"x": 1}, "mpn": {},
        "rating": 11, "delivery": {"days_min": 5, "days_max": 2}, "published_at": "soon", "image_url": "javascript:alert(1)",
        "url": "data:text/html,x", "language": "not a language!",
    }  # fmt: skip
    product, notes = one(tmp_path, row)
    assert product.id == "7"
    assert product.title == "Kettle"
    assert product.price is None
    assert product.availability is Availability.IN_STOCK
    assert product.image_url == product.url == product.language == product.description == ""
    expected = {
        "description", "brand", "categories", "price", "list_price", "availability", "stock", "attributes", "variants",
        "variants.price", "variants.stock", "gtin", "rating", "delivery", "published_at", "image_url", "url", "language",
    }  # fmt: skip
    assert set(notes.bad) == expected
    assert notes.bad["variants"] == 2


def test_empty_fields_on_every_row_are_not_bad(tmp_path: Path) -> None:
    nothing: list[Any] = [None, "", "  ", "N/A", "-", "null", [], {}, "暂无"]
    fields = [name for name in Product.model_fields if name not in ("id", "title")]
    rows = [{"id": str(place), "title": "x"} | dict.fromkeys(fields, value) for place, value in enumerate(nothing)]
    products, problems, notes = read(jsonl(tmp_path / "c.jsonl", *rows))
    assert len(products) == len(nothing)
    assert not problems
    assert not notes.bad


def test_attributes_of_every_type(tmp_path: Path) -> None:
    attributes = {"size": 42, "weight": 1.5, "cordless": True, "used": False, "colors": ["red", "blue", "red", None],
                  "empty": "", "html": "<i>soft</i>", "count": 4.0, "nested": {"a": {"b": 1}}}  # fmt: skip
    product, notes = one(tmp_path, {"id": "1", "title": "x", "attributes": attributes})
    assert product.attributes == {
        "size": ("42",), "weight": ("1.5",), "cordless": ("yes",), "used": ("no",), "colors": ("red", "blue"),
        "html": ("soft",), "count": ("4",),
    }  # fmt: skip
    assert notes.bad == {"attributes": 1}


@pytest.mark.parametrize(
    "written",
    [[{"name": "color", "value": "red"}, {"name": "size", "value": "M"}], '{"color": "red", "size": "M"}',
     "color: red; size: M", "color=red|size=M"],
)  # fmt: skip
def test_attributes_of_every_shape(tmp_path: Path, written: object) -> None:
    product, _ = one(tmp_path, {"id": "1", "title": "x", "attributes": written})
    assert product.attributes == {"color": ("red",), "size": ("M",)}


def test_long_and_mixed_texts(tmp_path: Path) -> None:
    title = "蓝牙耳机 Bluetooth earphones 🎧 " + "long " * 1_000
    product, _ = one(tmp_path, {"id": "1", "title": title, "description": "<p>说明 text</p>" * 5_000})
    assert product.title.startswith("蓝牙耳机 Bluetooth earphones 🎧")
    assert len(product.title) <= 2_000
    assert len(product.description) <= 20_000
    assert "<" not in product.description


def test_sold_out_by_stock(tmp_path: Path) -> None:
    product, _ = one(tmp_path, {"id": "1", "title": "x", "stock": 0})
    assert product.availability is Availability.OUT_OF_STOCK
    product, _ = one(tmp_path, {"id": "1", "title": "x", "stock": "0", "availability": "backorder"})
    assert product.availability is Availability.BACKORDER


def test_price_and_availability_come_from_variants_where_the_product_has_none(tmp_path: Path) -> None:
    variants = [
        {"id": "a", "price": "$5", "availability": "sold out"},
        {"id": "b", "price": "$9"},
        {"id": "c", "price": "$7", "availability": "backorder"},
    ]
    product, _ = one(tmp_path, {"id": "1", "title": "x", "variants": variants})
    assert product.price == Money(amount=700, currency="USD")
    assert product.availability is Availability.IN_STOCK


@pytest.mark.parametrize(
    ("word", "expected"),
    [("https://schema.org/InStock", "in_stock"), ("In Stock", "in_stock"), ("有货", "in_stock"), (True, "in_stock"),
     ("OUT_OF_STOCK", "out_of_stock"), ("缺货", "out_of_stock"), (False, "out_of_stock"), ("Sold out", "out_of_stock"),
     ("http://schema.org/PreOrder", "preorder"), ("预售", "preorder"), ("back-order", "backorder"),
     ("Discontinued", "discontinued")],
)  # fmt: skip
def test_words_for_availability(tmp_path: Path, word: object, expected: str) -> None:
    product, notes = one(tmp_path, {"id": "1", "title": "x", "availability": word})
    assert (product.availability, notes.bad) == (expected, {})


@pytest.mark.parametrize(
    ("row", "reason"),
    [({"title": "x"}, "id is missing"), ({"id": "", "title": "x"}, "id is missing"),
     ({"id": None, "title": "x"}, "id is missing"), ({"id": True, "title": "x"}, "id is missing"),
     ({"id": "1"}, "title is missing"), ({"id": "1", "title": "<br>"}, "title is missing"),
     ({"id": "1", "title": "N/A"}, "title is missing"), ({"id": "1", "title": ["x"]}, "title is missing"),
     ({"id": "i" * 300, "title": "x"}, "id is longer than 200 characters"), ("[1, 2]", "not an object but list"),
     ("{broken", "not JSON"), ('{"id": "1", "title": "x", "stock": NaN}', "not JSON")],
)  # fmt: skip
def test_rejected_rows(tmp_path: Path, row: Any, reason: str) -> None:
    products, problems, _ = read(jsonl(tmp_path / "c.jsonl", {"id": "good", "title": "good"}, "", row))
    assert [product.id for product in products] == ["good"]
    assert [problem.line for problem in problems] == [3]
    assert problems[0].reason.startswith(reason)


def test_packed_jsonl_with_bad_bytes(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    lines = [
        b'\xef\xbb\xbf{"id": "1", "title": "\xe5\xa5\xbd"}',
        b'{"id": "2", "title": "\xff\xfe"}',
        b'{"id": "3", "title": "c"}',
    ]
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    products, problems, _ = read(path)
    assert [product.id for product in products] == ["1", "3"]
    assert problems[0].line == 2


def test_csv_with_mapped_columns(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as out:
        writer = csv.writer(out, delimiter=";")
        writer.writerow(["SKU", "Product name", "Retail", "Colour", "category", "image", "Notes"])
        writer.writerow(
            ["1", "Line\nbreak", "1.299,00 €", "Blue", "Shoes > Trail", "https://x.example/1.png", "internal"]
        )
        writer.writerow(["2", "Cup; large", "12,5", "", "Kitchen", "", ""])
        writer.writerow([])
        writer.writerow(["3", "too", "many", "cells", "in", "this", "row", "!"])
        writer.writerow(["", "no id"])
    columns = {"id": "SKU", "title": "Product name", "price": "Retail", "attributes.color": "Colour"}
    products, problems, notes = read(path, columns, "EUR")
    assert [(p.id, p.title, p.price and p.price.amount) for p in products] == [
        ("1", "Line break", 129900),
        ("2", "Cup; large", 1250),
    ]
    assert products[0].attributes == {"color": ("Blue",)}
    assert products[0].categories == ("Shoes", "Trail")
    assert products[0].image_url == "https://x.example/1.png"
    assert [problem.reason for problem in problems] == ["8 cells under 7 column names", "id is missing"]
    assert problems[0].line == 6
    assert notes.unused == {"Notes": 1}


def test_packed_csv(tmp_path: Path) -> None:
    path = tmp_path / "c.csv.gz"
    path.write_bytes(gzip.compress("id,title,price\n1,杯子,￥20\n".encode()))
    products, _, _ = read(path, currency="CNY")
    assert products[0].price == Money(amount=2000, currency="CNY")


def test_a_mapping_to_a_field_that_no_product_has(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "c.jsonl", {"id": "1", "title": "x"})
    with pytest.raises(InvalidInput, match="colour"):
        list(read_catalog(path, {"colour": "Farbe"}, "USD"))


def test_mapping_reaches_into_objects(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "c.jsonl", {"sku": "1", "info": {"name": "x"}, "pricing": {"retail": 5}})
    products, _, _ = read(path, {"id": "sku", "title": "info.name", "price": "pricing.retail"})
    assert products[0].title == "x"
    assert products[0].price == Money(amount=500, currency="USD")


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    table = pa.table({
        "id": [1, 2, None], "title": ["Kettle", "杯子", "x"], "price": [Decimal("12.50"), None, Decimal("1.00")],
        "categories": [["Kitchen", "Kettles"], [], None], "rating": [{"value": 4.0, "count": 3}, None, None],
        "published_at": [datetime(2026, 1, 2, tzinfo=UTC), None, None],
        "attributes": pa.array([[("color", "red")], [], None], pa.map_(pa.string(), pa.string())),
    })  # fmt: skip
    pq.write_table(table, path)
    products, problems, notes = read(path)
    assert [product.id for product in products] == ["1", "2"]
    assert products[0].price == Money(amount=1250, currency="USD")
    assert products[0].categories == ("Kitchen", "Kettles")
    assert products[0].rating == Rating(value=4, count=3)
    assert products[0].attributes == {"color": ("red",)}
    assert products[0].published_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert [(problem.line, problem.reason) for problem in problems] == [(3, "id is missing")]
    assert not notes.bad


def test_acp_feed(tmp_path: Path) -> None:
    row = {
        "id": "tee", "title": "Plain tee", "description": {"html": "<p>Soft cotton.</p>"}, "url": "https://x.example/tee",
        "media": [{"type": "video", "url": "https://x.example/tee.mp4"},
                  {"type": "image", "url": "https://x.example/tee.jpg"}],
        "variants": [
            {"id": "tee-r-s", "title": "Red / S", "price": {"amount": 1999, "currency": "USD"},
             "list_price": {"amount": 2499, "currency": "USD"}, "availability": {"available": True, "status": "in_stock"},
             "variant_options": [{"name": "Color", "value": "Red"}, {"name": "Size", "value": "S"}],
             "barcodes": [{"type": "GTIN", "value": "00012345600012"}],
             "categories": [{"value": "166", "taxonomy": "google_product_category"},
                            {"value": "Clothing > Shirts", "taxonomy": "merchant"}]},
            {"id": "tee-b-s", "title": "Blue / S", "price": {"amount": 1799, "currency": "USD"},
             "availability": {"available": False},
             "variant_options": [{"name": "Color", "value": "Blue"}]},
        ],
    }  # fmt: skip
    products, problems, notes = read(jsonl(tmp_path / "products.jsonl", row))
    product = products[0]
    assert not problems
    assert not notes.bad
    assert product.description == "Soft cotton."
    assert product.image_url == "https://x.example/tee.jpg"
    assert product.categories == ("Clothing", "Shirts")
    assert product.gtin == "00012345600012"
    assert product.price == Money(amount=1999, currency="USD")
    assert product.list_price == Money(amount=2499, currency="USD")
    assert product.variants[0].options == {"Color": "Red", "Size": "S"}
    assert product.variants[1].availability is Availability.OUT_OF_STOCK


def test_flat_feed_with_groups(tmp_path: Path) -> None:
    shared = {"item_group_id": "g1", "item_group_title": "Rain coat", "brand": "Acme", "link": "https://x.example/g1",
              "product_category": "Clothing > Coats", "enable_search": "true", "material": "Nylon"}  # fmt: skip
    rows = [
        {"id": "a", "title": "Rain coat S", "price": "79.99 USD", "availability": "in_stock",
         "size": "S", "color": "Red", **shared},
        {"id": "b", "title": "Rain coat M", "price": "99.99 USD", "sale_price": "59.99 USD",
         "availability": "out of stock", "size": "M", "color": "Red", **shared},
        {"item_id": "single", "title": "Hat", "price": "10.00 USD",
         "product_review_rating": 4.5, "product_review_count": 9, "image_link": "https://x.example/h.jpg", "quantity": 4},
    ]  # fmt: skip
    products, _, notes = read(jsonl(tmp_path / "feed.jsonl", *rows))
    single, coat = products
    assert (single.id, single.stock, single.rating) == ("single", 4, Rating(value=4.5, count=9))
    assert (coat.id, coat.title, coat.brand, coat.url) == ("g1", "Rain coat", "Acme", "https://x.example/g1")
    assert coat.attributes == {"color": ("Red",), "material": ("Nylon",), "size": ("S", "M")}
    assert [(v.id, v.options["size"], v.price and v.price.amount) for v in coat.variants] == [
        ("a", "S", 7999),
        ("b", "M", 5999),
    ]
    assert coat.price == Money(amount=7999, currency="USD")
    assert notes.unused == {"enable_search": 2}


def test_json_ld(tmp_path: Path) -> None:
    document = {"@context": "https://schema.org", "@graph": [
        {"@type": "WebPage", "mainEntity": {
            "@type": ["Product"], "sku": "K-1", "name": "Kettle", "brand": {"@type": "Brand", "name": "Acme"},
            "category": "Kitchen > Kettles", "image": ["https://x.example/k.jpg"], "color": "red", "gtin13": "4006381333931",
            "additionalProperty": [{"@type": "PropertyValue", "name": "capacity", "value": 1.7, "unitText": "L"}],
            "aggregateRating": {"@type": "AggregateRating", "ratingValue": "9", "bestRating": 10, "reviewCount": "12"},
            "offers": {"@type": "Offer", "price": "39.90", "priceCurrency": "EUR", "availability": "https://schema.org/InStock"}}},
        {"@type": "ProductGroup", "productGroupID": "SH", "name": "Shirt", "variesBy": ["https://schema.org/size"],
         "hasVariant": [
            {"@type": "Product", "sku": "SH-S", "name": "Shirt S", "size": "S",
             "offers": {"@type": "AggregateOffer", "lowPrice": 20, "priceCurrency": "USD"}},
            {"@type": "Product", "sku": "SH-M", "name": "Shirt M", "size": "M",
             "offers": [{"@type": "Offer", "price": 25, "priceCurrency": "USD", "availability": "OutOfStock"}]}]},
        {"@type": "Product", "name": "No id"},
    ]}  # fmt: skip
    path = tmp_path / "catalog.jsonld"
    path.write_text(json.dumps(document), encoding="utf-8")
    products, problems, notes = read(path)
    kettle, shirt = products
    assert (kettle.id, kettle.brand, kettle.categories) == ("K-1", "Acme", ("Kitchen", "Kettles"))
    assert kettle.price == Money(amount=3990, currency="EUR")
    assert kettle.rating == Rating(value=4.5, count=12)
    assert kettle.attributes == {"color": ("red",), "capacity": ("1.7 L",)}
    assert kettle.gtin == "4006381333931"
    assert [(v.id, v.options, v.availability.value) for v in shirt.variants] == [
        ("SH-S", {"size": "S"}, "in_stock"),
        ("SH-M", {"size": "M"}, "out_of_stock"),
    ]
    assert shirt.price == Money(amount=2000, currency="USD")
    assert problems[0].reason == "id is missing"
    assert not notes.bad


def test_a_plain_list_in_json(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"products": [{"id": 1, "title": "x"}, 5]}), encoding="utf-8")
    products, problems, _ = read(path)
    assert len(products) == 1
    assert problems[0].reason == "not an object but int"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.xlsx", b"x"),
        ("c.json", b"{"),
        ("c.json", b"[]"),
        ("c.parquet", b"PAR1 broken"),
        ("c.csv", b""),
        ("c.jsonld", b"\xff"),
        ("c.csv", "编号,标题\n1,杯\n".encode("gbk")),
        ("c.csv", "id,title\n1,cup\n".encode("utf-16")),
        ("c.csv.gz", gzip.compress(b"id,title\n" + b"1,cup\n" * 10_000, mtime=0)[:-9]),
        ("c.csv.gz", gzip.compress(b"id,title\n1,cup\n", mtime=0)[:-8] + b"\x00" * 8),
        ("c.csv.gz", b"\x1f\x8b" + b"\x00" * 30),
        ("c.json.gz", gzip.compress(b'[{"id": 1, "title": "cup"}]', mtime=0)[:-6]),
        ("c.json.gz", gzip.compress(b'[{"id": 1, "title": "cup"}]', mtime=0)[:10] + b"\xff" * 30),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        list(read_catalog(path, None, "USD"))
    assert caught.value.hint


def test_a_missing_file(tmp_path: Path) -> None:
    for name in ("c.jsonl", "c.csv", "c.parquet", "c.json"):
        with pytest.raises(InvalidInput, match="no file"):
            list(read_catalog(tmp_path / name, None, "USD"))


MEDIA: dict[str, Any] = {"media": [{"type": "image", "url": "https://x.example/1.jpg"}]}  # only ACP has it


@pytest.mark.parametrize(
    "written",
    [{"color": "red"}, [{"name": "color", "value": "red"}], "color: red", '{"color": "red"}'],
)
def test_acp_attributes_of_every_shape(tmp_path: Path, written: object) -> None:
    variants = [{"id": "v", "condition": "new", "media": []}]
    product, notes = one(tmp_path, {"id": "1", "title": "x", "attributes": written, "variants": variants} | MEDIA)
    assert product.attributes == {"color": ("red",), "condition": ("new",)}
    assert not notes.bad


def test_acp_fields_of_another_shape_are_dropped_and_counted(tmp_path: Path) -> None:
    row = {"id": "1", "title": "x", "attributes": "just words", "variants": 7, "barcodes": 5, "categories": 1.5} | MEDIA
    product, notes = one(tmp_path, row)
    assert (product.attributes, product.variants, product.gtin, product.categories) == ({}, (), "", ())
    assert notes.bad == {"attributes": 1, "variants": 1, "barcodes": 1, "categories": 1}
    row = {"id": "1", "title": "x", "variants": ["text", {"id": "v", "barcodes": {"value": "4006381333931"}}]} | MEDIA
    product, notes = one(tmp_path, row)
    assert ([variant.id for variant in product.variants], product.gtin) == (["v"], "4006381333931")
    assert notes.bad == {"variants": 1}


@pytest.mark.parametrize("place", ["row", "variant"])
def test_a_category_as_text_beside_media(tmp_path: Path, place: str) -> None:
    path: dict[str, Any] = {"categories": "Apparel > Shirts"}
    row: dict[str, Any] = path if place == "row" else {"variants": [{"id": "v", "media": []} | path]}
    product, notes = one(tmp_path, {"id": "1", "title": "x"} | row | MEDIA)
    assert product.categories == ("Apparel", "Shirts")
    assert not notes.bad


def test_a_group_whose_attributes_are_text(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "id,title,item_group_id,attributes,size\n"
        "a,Shirt,g,Color: Red; fabric: wool,S\nb,Shirt,g,Color: Blue; fabric: wool,M\nc,Shirt,g,just words,L\n",
        encoding="utf-8",
    )
    products, problems, notes = read(path)
    assert not problems
    assert [variant.options for variant in products[0].variants] == [
        {"color": "Red", "size": "S"},
        {"color": "Blue", "size": "M"},
        {"size": "L"},
    ]
    assert notes.bad == {"attributes": 1}


def test_whole_numbers_of_hundreds_of_digits(tmp_path: Path) -> None:
    huge = int("9" * 400)
    row = {"id": "1", "title": "x", "brand": huge, "gtin": huge, "stock": huge, "rating": huge, "price": huge}
    product, notes = one(tmp_path, row | {"attributes": {"size": huge, "color": "red"}})
    assert product.attributes == {"color": ("red",)}
    assert notes.bad == dict.fromkeys(("brand", "gtin", "stock", "rating", "price", "attributes"), 1)
    _, problems, _ = read(jsonl(tmp_path / "c.jsonl", {"id": "1", "title": huge}, {"id": huge, "title": "x"}))
    assert [problem.reason for problem in problems] == ["title is missing", "id is longer than 200 characters"]


@pytest.mark.parametrize("address", ["https://x.example/\ud800", "/media/\ud800.png", "/a\x00b", "x.example/\udfff"])
def test_an_address_that_cannot_be_sent_is_dropped(tmp_path: Path, address: str) -> None:
    product, notes = one(tmp_path, {"id": "1", "title": "x", "url": address, "image_url": address})
    assert product.model_dump_json(exclude_defaults=True) == '{"id":"1","title":"x"}'
    assert notes.bad == {"url": 1, "image_url": 1}


def test_cells_that_would_take_hours_are_read_at_once(tmp_path: Path) -> None:
    # Each of these needed minutes or more.
    row = {"id": "1", "title": "x", "stock": "1e2000000", "attributes": " " * 20_000 + "soft",
           "categories": "Home" + " " * 200_000 + "> Kitchen"}  # fmt: skip
    product, notes = one(tmp_path, row)
    assert product.categories == ("Home", "Kitchen")
    assert notes.bad == {"stock": 1, "attributes": 1}


def test_a_currency_column_that_says_no_currency(tmp_path: Path) -> None:
    named = {"dollars": Money(amount=500, currency="USD"), "eur": Money(amount=500, currency="EUR"), "zorkmids": None,
             " ": Money(amount=500, currency="GBP")}  # fmt: skip
    for word, expected in named.items():
        product, notes = one(tmp_path, {"id": "1", "title": "x", "price": 5, "currency": word}, "GBP")
        assert product.price == expected
        assert notes.bad == ({} if expected else {"price": 1})
    offer = {"@type": "Offer", "price": 5, "priceCurrency": "zorkmids"}
    product, notes = one(tmp_path, {"@type": "Product", "sku": "1", "name": "x", "offers": offer}, "GBP")
    assert (product.price, notes.bad) == (None, {"price": 1})


def test_a_row_that_a_reader_fails_on_is_rejected_alone(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(600):
        deep = [deep]
    bad = {"@type": "Product", "sku": "2", "name": "x", "category": deep}
    products, problems, _ = read(jsonl(tmp_path / "c.jsonl", {"id": "1", "title": "x"}, bad, {"id": "3", "title": "x"}))
    assert [product.id for product in products] == ["1", "3"]
    assert [problem.line for problem in problems] == [2]
    assert problems[0].reason.startswith("cannot be read: RecursionError")
    assert problems[0].raw["sku"] == "2"


@pytest.mark.parametrize("encoding", ["gbk", "cp1252"])
def test_csv_rows_that_are_not_utf8_are_rejected(tmp_path: Path, encoding: str) -> None:
    title = "电饭煲" if encoding == "gbk" else "Café"
    path = tmp_path / "c.csv"
    path.write_bytes(f"id,title\n1,cup\n2,{title}\n".encode(encoding) + "3,好\ufffd\n".encode())
    products, problems, _ = read(path)
    assert [product.id for product in products] == ["1", "3"]
    assert [(problem.line, problem.reason) for problem in problems] == [(3, "not UTF-8")]
    assert "\\x" in problems[0].raw[1]


def test_parquet_text_that_is_not_utf8_costs_its_row(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    titles = pa.array([b"cup", "电".encode("gbk"), b"pan"]).view(pa.string())
    pq.write_table(pa.table({"id": ["1", "2", "3"], "title": titles}), path)
    products, problems, _ = read(path)
    assert [product.id for product in products] == ["1", "3"]
    assert [(problem.line, problem.reason.split(":")[1]) for problem in problems] == [(2, " UnicodeDecodeError")]
