from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from demo.generate import write_demo_shop
from demo.shapes import SHAPES
from demo.vocabulary import BRANDS, COLORS, PRODUCT_TYPES
from storage.settings import parse_settings
from tests.demo.written import NOW, Written

SVG = "{http://www.w3.org/2000/svg}"


def test_every_product_has_its_picture(shop: Written) -> None:
    assert len(SHAPES) >= 40
    pictures = {path.name for path in shop.files.media.iterdir()}
    assert pictures == {Path(row["image_url"]).name for row in shop.catalog}
    for row in shop.catalog[:: len(shop.catalog) // 300]:
        picture = shop.files.media / f"{row['id']}.svg"
        root = ET.fromstring(picture.read_text("utf-8"))
        assert root.tag == f"{SVG}svg"
        assert picture.stat().st_size <= 4096
        # Only drawing: nothing that runs or loads.
        assert {node.tag.removeprefix(SVG) for node in root.iter()} <= {
            "svg", "title", "style", "defs", "linearGradient", "stop", "rect", "circle", "ellipse", "path", "g",
        }  # fmt: skip


def test_a_picture_shows_the_products_own_color(shop: Written) -> None:
    for row in shop.catalog[:200]:
        if row["language"] == "en":
            picture = (shop.files.media / f"{row['id']}.svg").read_text("utf-8")
            assert COLORS[row["attributes"]["color"][0]].hex in picture


def test_documents_come_in_pairs_with_facts(shop: Written) -> None:
    topics: dict[str, set[str]] = {}
    for path in shop.files.documents.glob("*.md"):
        topic, language = path.stem.split(".")
        text = path.read_text("utf-8")
        assert text.startswith(f"---\nlanguage: {language}\n---\n\n# ")
        assert bool(re.search(r"[一-鿿]", text)) == (language == "zh")
        assert re.search(r"\d", text)
        topics.setdefault(topic, set()).add(language)
    assert len(topics) >= 10
    assert all(languages == {"en", "zh"} for languages in topics.values())


def test_both_languages_state_the_same_amounts(shop: Written) -> None:
    for english in shop.files.documents.glob("*.en.md"):
        chinese = english.with_name(english.name.replace(".en.", ".zh."))
        in_english = set(re.findall(r"\$(\d+\.\d\d)", english.read_text("utf-8")))
        in_chinese = set(re.findall(r"(\d+\.\d\d)美元", chinese.read_text("utf-8")))
        assert in_chinese == in_english, english.name


def test_the_shipping_page_says_what_products_say(shop: Written) -> None:
    page = (shop.files.documents / "shipping.en.md").read_text("utf-8")
    for row in shop.catalog:
        cost = row["delivery"]["price"]["amount"]
        assert cost == 0 or f"${cost / 100:.2f}" in page
        if cost == 499:
            assert row["price"]["amount"] < 4900
        if cost == 0:
            assert row["price"]["amount"] >= 4900


def test_settings_are_read_without_complaint(shop: Written) -> None:
    settings = parse_settings(shop.files.settings.read_text("utf-8"))
    assert settings.currency == "USD"
    assert settings.languages == ("en", "zh")


def test_progress_tells_every_step_to_its_end(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    write_demo_shop(tmp_path, products=200, shoppers=12, progress=lambda *step: told.append(step), now=NOW)
    assert list(dict.fromkeys(name for name, _, _ in told)) == ["catalog", "pictures", "shoppers"]
    assert ("catalog", 200, 200) in told
    assert ("pictures", 200, 200) in told
    assert ("shoppers", 12, 12) in told


def test_vocabulary_speaks_both_languages() -> None:
    assert len(PRODUCT_TYPES) >= 110
    for kind in PRODUCT_TYPES.values():
        assert len(kind.says.en) >= 2
        assert len(kind.says.zh) >= 2
        assert kind.colors
        assert len(kind.features) >= 3
        assert 0 < kind.price[0] < kind.price[1]
        assert kind.shape in SHAPES
    names = [brand.name.en for brand in BRANDS.values()]
    assert len(set(names)) == len(names)
