"""What nothing is concluded from: in both languages, with the words that only look alike, and the shop's own additions."""

from __future__ import annotations

import pytest

from index.product import Money, Product
from retrieval.profile import PriceLevels, build_profile, traits
from retrieval.ranking import rerank
from retrieval.sensitive import ordinary, sensitive, sensitive_product
from tests.retrieval.behavior import NOW, SHOP, event
from tests.retrieval.test_ranking import Hit

SPECIAL = [
    "Diabetic socks", "Blood_pressure monitors", "HIV tests", "Adult diapers", "Hearing aids", "ADHD planners",
    "Weight loss", "Medicine", "Pregnancy tests", "Maternity wear", "Breast pumps", "Nursing bras", "Condoms",
    "Tampons", "Fertility", "Prayer mats", "Bibles", "Hijabs", "diet: halal", "Jewish holidays", "Ethnic wear",
    "Campaign signs", "Trade union", "LGBT pride", "Pride flags", "Sexual wellness", "Adult toys",
    "Nicotine patches", "Vape pens", "Tobacco", "DNA test kits", "Debt relief", "Cremation urns",
    "skin concern: eczema", "ＣＡＮＣＥＲ", "糖尿病食品", "血压计", "成人纸尿裤", "减肥茶", "处方药", "孕妇装",
    "备孕", "吸奶器", "卫生巾", "安全套", "清真食品", "念珠", "少数民族服饰", "党徽", "情趣内衣", "成人用品",
    "戒烟贴", "电子烟", "基因检测", "殡葬用品",
]  # fmt: skip
ORDINARY = [
    "Baby monitors", "Prams", "Diapers", "Toys", "Medicine balls", "Christmas lights", "Christian Dior perfume",
    "Kosher salt", "Prayer plant", "Buddha bowls", "Pride and Prejudice", "Depression glass",
    "Cigarette lighter adapter", "Hypoallergenic pillows", "First aid kits", "Vapor steam mops", "Unisex",
    "Essex tables", "Cross trainers", "Muslin cloths", "Wine", "Plus size", "gender: women", "chain lubricant",
    "Nursing scrubs", "Conditioner", "婴儿监护器", "纸尿裤", "拉拉裤", "母婴用品", "岁月经典", "手工会员",
    "国产后视镜", "卫生棉签", "物流产品", "消毒品", "一次性用品", "基督山伯爵", "葡萄酒", "大麻花", "季节性用品",
    "构造口",
]  # fmt: skip


@pytest.mark.parametrize("value", SPECIAL)
def test_what_the_law_holds_special(value: str) -> None:
    assert sensitive("category", value)
    assert sensitive("attribute", f"kind: {value}")


@pytest.mark.parametrize("value", ORDINARY)
def test_what_was_decided_to_be_ordinary_or_only_looks_alike(value: str) -> None:
    assert not sensitive("category", value)


def test_a_price_band_never_is() -> None:
    assert not sensitive("price_band", "cancer")


def product(**fields: object) -> Product:
    base = {
        "id": "x",
        "title": "Test strips",
        "brand": "Clear",
        "categories": ("Drugstore", "Tests"),
        "price": Money(amount=900, currency="USD"),
    }
    return Product.model_validate(base | fields)


PRODUCTS = {
    "category": product(categories=("Drugstore", "Pregnancy tests")),
    "title": product(title="Ovulation test strips"),
    "attribute": product(attributes={"for": ("孕妇",)}),
    "brand": product(brand="Gay Pride Co"),
}


@pytest.mark.parametrize("where", list(PRODUCTS))
def test_it_leaves_no_trace_in_a_profile_not_even_its_brand(where: str) -> None:
    special = PRODUCTS[where]
    assert sensitive_product(special)
    assert traits(special, PriceLevels()) == []
    shop = SHOP | {"x": special}
    events = [event(1, "purchase", "x"), event(2, "view_item", "x"), event(3, "view_item", "p1")]
    profile = build_profile(events, shop.get, NOW)
    told = {event_id for each in profile.interests.values() for _, event_id, _, _ in each.events}
    assert told == {"e3"}
    assert all(belief.value not in ("Clear", "Drugstore") for belief in profile.beliefs())
    hits = [Hit("x", 1.0), Hit("p1", 0.99)]
    reasons = {each.hit.product_id: each.reasons for each in rerank(hits, profile, shop.get)}
    assert reasons["x"] == ()


def test_the_same_product_without_the_word_is_believed() -> None:
    plain = product()
    assert not sensitive_product(plain)
    profile = build_profile([event(1, "purchase", "x")], {"x": plain}.get, NOW)
    assert ("brand", "Clear") in profile.interests


def test_a_shop_adds_its_own() -> None:
    """Of its products with that category, brand or property nothing is concluded either, whatever their case."""
    events = [event(number, "view_item", f"p{number}") for number in range(1, 9)]
    for value, left in {
        "trail shoes": {"p7", "p8"},
        "Color: Blue": {"p1", "p4", "p5", "p6", "p7", "p8"},
        "ACME": {"p2", "p4", "p5", "p7"},
        "blue": set(SHOP),
    }.items():
        interests = build_profile(events, ordinary(SHOP.get, [value]), NOW).interests
        assert {name for kind, name in interests if kind == "item"} == left
    assert ordinary(SHOP.get, ())("p1") is SHOP["p1"]
    assert ordinary(SHOP.get, ["Acme"])("gone") is None
