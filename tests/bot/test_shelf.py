from __future__ import annotations

import random
from pathlib import Path

import pytest

from bot.shelf import availability_of, offered, price_of, stock_of
from index.facets import Facets
from index.filters import Filters, PriceRange
from index.product import Availability, Product, Variant
from storage.offers import Offer, Price
from tests.index.catalogs import products_of

SIZES = ("s", "m", "l")


def shirt(**fields: object) -> Product:
    variants = [{"id": size, "options": {"size": size}, "stock": 4} for size in SIZES]
    return products_of({"title": "Shirt", "price": "$30", "variants": variants, **fields})[0]


def sizes_left(product: Product) -> list[str]:
    return [variant.id for variant in product.variants if availability_of(product, variant).orderable]


def test_an_offer_on_the_product_holds_for_its_variants_until_one_of_them_says_otherwise() -> None:
    price, later = Price(amount=900, currency="USD"), Price(amount=700, currency="USD")
    found = offered(
        shirt(),
        [
            Offer(product_id="0", variant_id="s", price=later),
            Offer(product_id="0", price=price, stock=0),
            Offer(product_id="0", variant_id="m", price=later, stock=2),
        ],
    )
    prices = {variant.id: getattr(price_of(found, variant), "amount", None) for variant in found.variants}
    assert prices == {"s": 900, "m": 700, "l": 900}
    assert sizes_left(found) == ["m"]
    assert availability_of(found) is Availability.IN_STOCK
    assert stock_of(found, found.variant("m")) == 2


def test_a_variant_that_is_back_brings_back_its_product_but_not_the_others() -> None:
    found = offered(
        shirt(availability="out_of_stock"), [Offer(product_id="0", variant_id="l", availability="in_stock")]
    )
    assert sizes_left(found) == ["l"]
    assert availability_of(found) is Availability.IN_STOCK


def test_who_says_in_stock_does_not_mean_the_old_count_of_none() -> None:
    lamp = products_of({"title": "Lamp", "stock": 0})[0]
    assert not availability_of(lamp).orderable
    found = offered(lamp, [Offer(product_id="0", availability="in_stock")])
    assert availability_of(found) is Availability.IN_STOCK
    assert stock_of(found) is None


def test_a_card_says_what_the_filter_went_by(tmp_path: Path) -> None:
    draw = random.Random(11)
    for number in range(150):
        state = draw.choice(list(Availability)).value
        product = draw.choice([shirt, lambda **more: products_of({"title": "Lamp", "price": "$30", **more})[0]])(
            availability=state
        )
        offers = [
            Offer(
                product_id="0",
                variant_id=draw.choice([None, None, *SIZES]),
                price=draw.choice([None, Price(amount=draw.randrange(3), currency="USD")]),
                availability=draw.choice([None, None, *(each.value for each in Availability)]),
                stock=draw.choice([None, 0, 3]),
            )
            for _ in range(draw.randrange(5))
        ]
        (tmp_path / str(number)).mkdir()
        facets = Facets.build([product], tmp_path / str(number), {"0": 0}.get)
        shown = offered(product, offers)
        chosen: list[Variant | None] = list(shown.variants) or [None]
        for variant in chosen:
            size: dict[str, tuple[str, ...]] = {"size": (variant.id,)} if variant else {}
            passing = [
                each
                for each in Availability
                if facets.mask(Filters(attributes=size, availability=(each,)), offers).allowed[0]
            ]
            assert passing == [availability_of(shown, variant)], (product, offers)
            price = price_of(shown, variant)
            assert price is not None
            exactly = PriceRange(min=price.amount, max=price.amount, currency="USD")
            anyhow = tuple(Availability)
            assert facets.mask(Filters(attributes=size, price=exactly, availability=anyhow), offers).allowed[0]
        alive = any(availability_of(shown, variant).orderable for variant in chosen)
        assert availability_of(shown).orderable is alive


@pytest.mark.parametrize("stock", [0, 3])
def test_without_offers_nothing_changes(stock: int) -> None:
    product = shirt(stock=stock)
    assert offered(product, []) is product
