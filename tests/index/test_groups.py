"""Rows that list the variants of one product, with the dirt of real feeds, from file to published index."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from index.build import BuildReport, build_index
from index.product import Availability, Money, Product
from index.readers import Notes, read_rows
from index.readers.groups import MOST_VARIANTS
from index.snapshot import Snapshot, current_index
from storage.errors import TooManyRejected
from storage.rows import RowProblem
from storage.settings import ShopSettings
from tests.index.catalogs import hash_encoders, write_jsonl

COLORS = "black white red navy green grey sand olive plum teal coral mint".split()
SIZES = "S M L XL XXL".split()


def shirt(color: str, size: str, **more: Any) -> dict[str, Any]:
    row = {
        "id": f"sh-{color}-{size}", "item_group_id": "shirt", "title": f"Brookfell tee, {color} {size}", "brand": "Brookfell",
        "color": color, "size": size, "price": "19.90 USD", "quantity": 4, "google_product_category": "Clothing > Tees",
    }  # fmt: skip
    return row | more


def read(path: Path, columns: dict[str, str] | None = None) -> tuple[list[Product], list[RowProblem], Notes]:
    notes = Notes()
    items = [item for _, item in read_rows(path, columns, "USD", notes)]
    products = [item for item in items if isinstance(item, Product)]
    return products, [item for item in items if isinstance(item, RowProblem)], notes


def only(path: Path, columns: dict[str, str] | None = None) -> Product:
    products, problems, _ = read(path, columns)
    assert not problems
    (product,) = products
    return product


def build(shop: Path, rows: Sequence[Any], name: str = "feed.jsonl", **options: Any) -> tuple[Snapshot, BuildReport]:
    catalog = write_jsonl(shop / name, rows)
    report = build_index(catalog, shop, ShopSettings(), hash_encoders(), **options)
    folder = current_index(shop)
    assert folder is not None
    return Snapshot.load(folder), report


def product_of(snapshot: Snapshot, product_id: str) -> Product:
    row = snapshot.row_of(product_id)
    assert row is not None
    return snapshot.products.get(row)


def test_twelve_colors_in_five_sizes_are_one_product(tmp_path: Path) -> None:
    rows = [shirt(color, size) for size in SIZES for color in COLORS]
    rows[7]["price"], rows[7]["quantity"] = "17.50 USD", 0
    rows[9]["price"] = "18.50 USD"
    product = only(write_jsonl(tmp_path / "feed.jsonl", rows))
    assert (product.id, product.title, product.brand) == ("shirt", "Brookfell tee", "Brookfell")
    assert len(product.variants) == 60
    assert product.variants[7].options == {"color": COLORS[7], "size": "S"}
    assert product.variants[7].availability is Availability.OUT_OF_STOCK
    assert product.price == Money(amount=1850, currency="USD")  # of what can be bought
    assert product.attributes["color"] == tuple(COLORS)
    assert product.availability is Availability.IN_STOCK


def test_a_group_is_gathered_from_all_over_the_file(tmp_path: Path) -> None:
    lamps = [{"id": f"lamp-{n}", "title": f"Lamp {n}"} for n in range(40)]
    rows = [shirt("red", "S"), *lamps[:20], shirt("red", "M"), *lamps[20:], shirt("red", "L")]
    products, _, notes = read(write_jsonl(tmp_path / "feed.jsonl", rows))
    assert len(products) == 41
    assert [variant.options["size"] for variant in products[-1].variants] == ["S", "M", "L"]
    assert notes.rows == 43


def test_dirt_in_a_group(tmp_path: Path) -> None:
    rows = [
        shirt("red", "S"),
        shirt("red", "S", id="sh-again"),  # the same options twice
        shirt("blue", "M", id="sh-euro", price="21.00 EUR"),
        shirt("", "L", id="sh-plain", title="Brookfell tee L"),  # no color
        shirt("green", "L", title=""),  # unusable
        shirt("grey", "M", price="ask us", quantity="many"),
        shirt("navy", "M", price="24.00 USD"),
        shirt("navy", "M", price="25.00 USD"),  # the same id: the last wins
    ]
    products, problems, notes = read(write_jsonl(tmp_path / "feed.jsonl", rows))
    (product,) = products
    by_id = {variant.id: variant for variant in product.variants}
    assert [(problem.line, problem.reason) for problem in sorted(problems, key=lambda each: each.line)] == [
        (5, "title is missing"),
        (7, "duplicate id: a later row replaced it"),
    ]
    assert notes.bad == {"price": 1, "stock": 1}
    assert by_id.keys() == {"sh-red-S", "sh-again", "sh-euro", "sh-plain", "sh-grey-M", "sh-navy-M"}
    assert by_id["sh-plain"].options == {"size": "L"}
    assert "color" not in product.attributes  # else the one without would pass for any of them
    assert by_id["sh-euro"].price == Money(amount=2100, currency="EUR")
    assert by_id["sh-navy-M"].price == Money(amount=2500, currency="USD")
    assert by_id["sh-grey-M"].price is None
    assert product.price == Money(amount=1990, currency="USD")


@pytest.mark.parametrize(
    ("rows", "bad"),
    [
        ([shirt("red", "S"), shirt("red", "M", brand="Other")], 2),
        ([shirt("red", "S"), shirt("red", "M", google_product_category="Garden")], 2),
        ([shirt("red", "S"), {"id": "hose", "item_group_id": "shirt", "title": "Garden hose 20 m"}], 2),
        ([shirt("red", "S", item_group_id="N/A"), shirt("blue", "S", item_group_id="N/A")], 0),
        ([shirt("red", "S", item_group_id="g" * 201), shirt("blue", "S", item_group_id="g" * 201)], 2),
    ],
    ids=["brands", "departments", "titles", "no-group", "long-id"],
)
def test_rows_that_are_no_variants_of_one_thing_stay_products(
    tmp_path: Path, rows: list[dict[str, Any]], bad: int
) -> None:
    products, problems, notes = read(write_jsonl(tmp_path / "feed.jsonl", rows))
    assert not problems
    assert [product.id for product in products] == [row["id"] for row in rows]
    assert notes.bad["item_group_id"] == bad


def test_a_group_of_everything_is_none(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "item_group_id": "default", "title": f"Tee {n}"} for n in range(MOST_VARIANTS + 1)]
    products, _, notes = read(write_jsonl(tmp_path / "feed.jsonl", rows))
    assert len(products) == len(rows)
    assert notes.bad == {"item_group_id": len(rows)}


def test_a_row_alone_in_its_group_keeps_its_own_id(tmp_path: Path) -> None:
    product = only(write_jsonl(tmp_path / "feed.jsonl", [shirt("red", "S")]))
    assert (product.id, product.title, product.variants) == ("sh-red-S", "Brookfell tee, red S", ())


@pytest.mark.parametrize(
    ("titles", "shared"),
    [
        (("Rain coat, navy blue (S)", "Rain coat, red (M)"), "Rain coat"),
        (("Holt phone 128 GB black", "Holt phone 256 GB black"), "Holt phone black"),
        (("Red Wing boots red 42", "Red Wing boots black 42"), "Red Wing boots 42"),
        (("男士跑鞋黑色42码", "男士跑鞋白色43码"), "男士跑鞋"),
        (("男士跑鞋 黑色 42码", "男士跑鞋 白色 43码"), "男士跑鞋"),
    ],
)
def test_the_title_is_what_the_rows_share(tmp_path: Path, titles: tuple[str, str], shared: str) -> None:
    options = ({"color": "navy blue", "storage": "128 GB"}, {"color": "red", "storage": "256 GB"})
    rows = [
        {"id": str(place), "item_group_id": "g", "title": title, "attributes": own}
        for place, (title, own) in enumerate(zip(titles, options, strict=True))
    ]
    assert only(write_jsonl(tmp_path / "feed.jsonl", rows)).title == shared


def test_options_are_what_differs_and_codes_stay_findable(tmp_path: Path) -> None:
    rows = [
        {"id": f"b{n}", "item_group_id": "bottle", "title": "Tarn bottle", "mpn": f"TB-{n}00", "gtin": "4006381333931",
         "attributes": {"Capacity": f"{n} L", "lid": "steel", "weight": f"{n}50 g"}, "list_price": 30 + n, "price": 20 + n}
        for n in (1, 2)
    ]  # fmt: skip
    product = only(write_jsonl(tmp_path / "feed.jsonl", rows))
    assert [variant.options for variant in product.variants] == [
        {"Capacity": "1 L", "weight": "150 g"},
        {"Capacity": "2 L", "weight": "250 g"},
    ]
    assert product.attributes["lid"] == ("steel",)
    assert (product.mpn, product.gtin) == ("", "4006381333931")
    assert [variant.title for variant in product.variants] == ["Tarn bottle (TB-100)", "Tarn bottle (TB-200)"]
    assert product.list_price is None  # one variant's old price is not another's


def test_columns_of_other_names(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerows([
            ["Artikel", "Bezeichnung", "Vater", "Farbe", "Preis"],
            ["a", "Hemd rot", "H1", "rot", "20"],
            ["b", "Hemd blau", "H1", "blau", "22"],
        ])  # fmt: skip
    columns = {
        "id": "Artikel",
        "title": "Bezeichnung",
        "item_group_id": "Vater",
        "attributes.color": "Farbe",
        "price": "Preis",
    }
    product = only(path, columns)
    assert (product.id, product.title) == ("H1", "Hemd")
    assert [variant.options for variant in product.variants] == [{"color": "rot"}, {"color": "blau"}]


def test_google_columns_with_blanks_and_capitals(tmp_path: Path) -> None:
    path = tmp_path / "feed.tsv"
    path.write_text(
        "ID\tTitle\tItem Group ID\tColor\tPrice\na\tTee red\tg\tred\t9.00 USD\nb\tTee blue\tg\tblue\t8.00 USD\n",
        encoding="utf-8",
    )
    product = only(path)
    assert (product.id, product.title, product.price) == ("g", "Tee", Money(amount=800, currency="USD"))


def test_a_parent_row_says_what_its_variants_share(tmp_path: Path) -> None:
    parent = {"id": "shirt", "title": "The Brookfell tee", "description": "Heavy cotton.", "price": "18.00 USD"}
    snapshot, report = build(tmp_path, [parent, shirt("red", "S"), shirt("blue", "S")])
    product = product_of(snapshot, "shirt")
    assert (product.title, product.description) == ("The Brookfell tee", "Heavy cotton.")
    assert [variant.id for variant in product.variants] == ["sh-red-S", "sh-blue-S"]
    assert (report.products, report.rejected) == (1, 0)


def test_a_row_whose_id_the_others_name_is_one_of_them(tmp_path: Path) -> None:
    first = shirt("red", "S", id="shirt")
    del first["item_group_id"]
    snapshot, report = build(tmp_path, [first, shirt("blue", "S")])
    assert [variant.id for variant in product_of(snapshot, "shirt").variants] == ["shirt", "sh-blue-S"]
    assert (report.products, report.rejected) == (1, 0)


def test_an_update_with_some_rows_of_a_group_keeps_the_others(tmp_path: Path) -> None:
    build(tmp_path, [shirt(color, size, mpn=f"BT-{color}{size}9") for color in COLORS for size in SIZES])
    changed = [shirt("red", "M", price="9.90 USD"), shirt("pink", "M", price="15.00 USD")]
    snapshot, report = build(tmp_path, changed, "delta.jsonl", update=True)
    product = product_of(snapshot, "shirt")
    by_id = {variant.id: variant for variant in product.variants}
    assert (report.products, len(by_id), product.title) == (1, 61, "Brookfell tee")
    assert by_id["sh-red-M"].price == Money(amount=990, currency="USD")
    assert by_id["sh-red-L"].price == Money(amount=1990, currency="USD")
    assert by_id["sh-red-L"].options == {"color": "red", "size": "L"}
    assert by_id["sh-pink-M"].options == {"color": "pink", "size": "M"}
    assert product.price == Money(amount=990, currency="USD")
    assert set(product.attributes["color"]) == {*COLORS, "pink"}


def test_the_limit_of_rejected_rows_counts_rows_and_not_products(tmp_path: Path) -> None:
    good = [shirt(color, f"{size}-{n}") for n in range(20) for color in COLORS for size in SIZES]  # 1,200 rows
    broken = [shirt("red", "S", id="", title=f"x{n}") for n in range(11)]
    _, report = build(tmp_path, [*good, *broken])
    assert (report.products, report.rejected) == (1, 11)
    with pytest.raises(TooManyRejected):
        build(tmp_path, [*good[:900], *broken], "again.jsonl")


def test_schema_org_pages_of_variants(tmp_path: Path) -> None:
    def page(color: str, **more: Any) -> dict[str, Any]:
        offer = {"@type": "Offer", "price": 30 + len(color), "priceCurrency": "USD", "availability": "InStock"}
        return {"@type": "Product", "@id": f"#{color}", "sku": f"c-{color}", "name": f"Rain coat {color}", "color": color,
                "offers": offer} | more  # fmt: skip

    group = {"@type": "ProductGroup", "@id": "#coat", "productGroupID": "COAT", "name": "Rain coat of nylon",
             "variesBy": ["https://schema.org/color"], "hasVariant": [{"@id": "#red"}, {"@id": "#blue"}]}  # fmt: skip
    document = {"@graph": [group, page("red", isVariantOf={"@id": "#coat"}), page("blue", inProductGroupWithID="COAT")]}
    path = tmp_path / "pages.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    build_index(path, tmp_path, ShopSettings(), hash_encoders())
    folder = current_index(tmp_path)
    assert folder is not None
    snapshot = Snapshot.load(folder)
    product = product_of(snapshot, "COAT")
    assert (len(snapshot), product.title) == (1, "Rain coat of nylon")
    assert [(variant.id, variant.options) for variant in product.variants] == [
        ("c-red", {"color": "red"}),
        ("c-blue", {"color": "blue"}),
    ]


def test_a_shopify_export(tmp_path: Path) -> None:
    path = tmp_path / "products_export.csv"
    path.write_text(
        "Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,"
        "Variant Inventory Qty,Variant Inventory Policy,Variant Price,Image Src,Status,Gift Card\n"
        "tee,Heavy tee,<p>Cotton.</p>,Brookfell,Tees,Color,red,Size,M,T-R-M,3,deny,19.90,https://x.example/1.jpg,active,false\n"
        "tee,,,,,,blue,,M,T-B-M,-2,deny,21.90,,,\n"
        "tee,,,,,,blue,,L,,0,continue,22.90,,,\n"
        "tee,,,,,,,,,,,,,https://x.example/2.jpg,,\n"
        "mug,Mug,,Brookfell,Mugs,Title,Default Title,,,MUG-1,7,deny,9.00,,active,false\n"
        "old,Old mug,,Brookfell,Mugs,Title,Default Title,,,MUG-0,7,deny,9.00,,archived,false\n"
        "lost,,,,,Color,red,,,L-1,1,deny,5.00,,active,false\n",
        encoding="utf-8",
    )
    products, problems, notes = read(path)
    by_id = {product.id: product for product in products}
    assert by_id.keys() == {"tee", "MUG-1", "MUG-0"}
    tee = by_id["tee"]
    assert (tee.title, tee.brand, tee.description, tee.categories) == ("Heavy tee", "Brookfell", "Cotton.", ("Tees",))
    assert [(variant.id, variant.options, variant.availability) for variant in tee.variants] == [
        ("T-R-M", {"color": "red", "size": "M"}, Availability.IN_STOCK),
        ("T-B-M", {"color": "blue", "size": "M"}, Availability.OUT_OF_STOCK),
        ("tee-blue-L", {"color": "blue", "size": "L"}, Availability.BACKORDER),
    ]
    assert tee.price == Money(amount=1990, currency="USD")
    assert (by_id["MUG-1"].stock, by_id["MUG-1"].attributes) == (7, {})
    assert by_id["MUG-0"].availability is Availability.DISCONTINUED
    assert [problem.reason for problem in problems] == ["title is missing"]
    assert notes.unused == {"Gift Card": 4}
    assert not notes.bad
