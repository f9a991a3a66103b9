from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from demo.catalog import check_digit
from demo.vocabulary import BRANDS, DEPARTMENTS, PRODUCT_TYPES
from index.product import Availability, Product
from tests.demo.written import NOW, Written

HAN = re.compile(r"[一-鿿]")


@pytest.fixture(scope="module")
def products(shop: Written) -> list[Product]:
    return [Product.model_validate(row) for row in shop.catalog]


def test_every_product_is_valid_and_unique(products: list[Product]) -> None:
    assert len(products) == 3200
    for field in ("id", "title", "gtin", "mpn", "url", "image_url"):
        values = [getattr(product, field) for product in products]
        assert len(set(values)) == len(values), field
    variants = [variant.id for product in products for variant in product.variants]
    assert len(variants) > 8000
    assert len(set(variants)) == len(variants)


def test_departments_and_types_are_all_there(products: list[Product]) -> None:
    roots = Counter(product.categories[0] for product in products)
    assert {department.name.en for department in DEPARTMENTS.values()} <= roots.keys()
    assert {department.name.zh for department in DEPARTMENTS.values()} <= roots.keys()
    assert len(DEPARTMENTS) == 12
    for department in DEPARTMENTS.values():
        assert sum(kind.department is department for kind in PRODUCT_TYPES.values()) >= 8
    leaves = {product.categories[-1] for product in products if product.language == "en"}
    assert leaves == {kind.plural.en for kind in PRODUCT_TYPES.values()}


def test_a_fifth_is_chinese_through_and_through(products: list[Product]) -> None:
    chinese = [product for product in products if product.language == "zh"]
    assert 0.17 < len(chinese) / len(products) < 0.23
    for product in chinese:
        assert HAN.search(product.title)
        assert HAN.search(product.description)
        assert all(HAN.search(name) for name in (product.brand, *product.categories, *product.attributes))
        assert "颜色" in product.attributes
        assert "{" not in product.title + product.description
    for product in products:
        if product.language == "en":
            words = " ".join((product.title, product.description, product.brand, *product.attributes))
            assert not HAN.search(words), product.title
            assert "{" not in words
            assert "color" in product.attributes


@pytest.mark.parametrize(("digits", "check"), [("629104150021", 3), ("400638133393", 1), ("978030640615", 7)])
def test_check_digit_of_known_codes(digits: str, check: int) -> None:
    assert check_digit(digits) == check


def test_gtins_check_and_are_for_use_inside_a_shop(products: list[Product]) -> None:
    for product in products:
        weights = [1, 3] * 6 + [1]
        assert sum(int(digit) * weight for digit, weight in zip(product.gtin, weights, strict=True)) % 10 == 0
        assert product.gtin.startswith("2")


def test_money_and_stock_agree(products: list[Product]) -> None:
    for product in products:
        assert product.price is not None
        assert product.list_price is None or product.list_price.amount > product.price.amount
        if product.availability.orderable:
            prices = [
                variant.price.amount for variant in product.variants if variant.availability.orderable and variant.price
            ]
            assert not product.variants or min(prices) == product.price.amount
        else:
            assert product.stock == 0
            assert not any(variant.availability.orderable for variant in product.variants)
        assert product.published_at is not None
        assert product.published_at < NOW
    states = Counter(product.availability for product in products)
    assert states[Availability.OUT_OF_STOCK] > 100
    assert states[Availability.IN_STOCK] > 2500
    assert 0.15 < sum(product.list_price is not None for product in products) / len(products) < 0.3


def test_variants_repeat_the_attributes(products: list[Product]) -> None:
    for product in products:
        for variant in product.variants:
            for name, value in variant.options.items():
                assert value in product.attributes[name], (product.id, name)


def test_dearer_brands_cost_more(products: list[Product]) -> None:
    tiers = {name: brand.tier for brand in BRANDS.values() for name in (brand.name.en, brand.name.zh)}
    kinds = {kind.plural.in_(language): kind for kind in PRODUCT_TYPES.values() for language in ("en", "zh")}
    places: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for product in products:
        low, high = kinds[product.categories[-1]].price
        assert product.price is not None
        places[tiers[product.brand]].append((product.price.amount - low) / (high - low))
    means = [sum(values) / len(values) for values in places.values()]
    assert means[0] + 0.1 < means[1] < means[2] - 0.1


def test_more_of_the_same_product_costs_more(products: list[Product]) -> None:
    compared = 0
    for product in products:
        prices = {}
        for variant in product.variants:
            if "storage" in variant.options and variant.price is not None:
                prices[float(variant.options["storage"].split()[0])] = variant.price.amount
        sizes = sorted(prices)
        compared += len(sizes) > 1
        assert all(prices[one] < prices[more] for one, more in pairwise(sizes))
    assert compared > 10


def test_descriptions_vary_and_name_the_products_own_facts(products: list[Product]) -> None:
    texts = [product.description for product in products]
    assert len(set(texts)) > 0.97 * len(texts)
    assert all(2 <= len(re.findall(r"[。？！]|[.?!](?=\s|$)", text)) <= 7 for text in texts)
    grounded = sum(
        any(value in product.description for values in product.attributes.values() for value in values)
        for product in products
    )
    assert grounded > 0.9 * len(products)


def test_no_word_of_the_other_kind_of_number(shop: Written) -> None:
    """A price is whole minor units in one currency everywhere."""

    def moneys(value: Any) -> list[dict[str, Any]]:
        if isinstance(value, dict):
            return [value] if "currency" in value else [money for part in value.values() for money in moneys(part)]
        return [money for part in value for money in moneys(part)] if isinstance(value, list) else []

    found = [money for row in shop.catalog for money in moneys(row)]
    assert len(found) > 10_000
    assert all(isinstance(money["amount"], int) and money["currency"] == "USD" for money in found)
