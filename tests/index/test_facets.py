from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from index.attributes import canonical, parts_of
from index.facets import FacetMask, Facets
from index.filters import Exclusions, Filters, PriceRange
from index.product import Availability
from storage.errors import Damaged
from storage.offers import Offer, Price
from tests.index.catalogs import products_of

SHIRT = {
    "title": "Shirt", "brand": "Acme", "categories": ["Clothing", "Shirts"], "price": "$30", "rating": {"value": 4.4, "count": 9},
    "attributes": {"material": "Cotton, Linen"},
    "variants": [
        {"id": "s-blue-l", "price": "$40", "options": {"Color": "Blue", "Size": "L"}},
        {"id": "s-red-s", "price": "$20", "options": {"Color": "Red", "Size": "S"}},
        {"id": "s-green-m", "price": "$10", "options": {"Color": "Green", "Size": "M"}, "availability": "sold out"},
    ],
}  # fmt: skip
CATALOG = products_of(
    SHIRT,
    {"title": "Red leather bag", "brand": "acme", "categories": ["Bags"], "price": "$50", "rating": 4.6},
    {"title": "Acme suitcase with wheels", "price": "45 EUR", "categories": ["Bags", "Suitcases"]},
    {"title": "Reddish scarf", "brand": "Woolly", "categories": ["Clothing"], "attributes": {"Colour": "dark red"}},
    {"title": "红色 皮革 手提包", "categories": ["Bags"], "price": "$25", "availability": "out_of_stock",
     "attributes": {"颜色": "红色"}},
)  # fmt: skip
SHIRTS, BAG, SUITCASE, SCARF, HANDBAG = range(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("facets")
    Facets.build(CATALOG, folder, nowhere)
    return folder


@pytest.fixture(params=["few offers pass", "many do"])
def facets(folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Facets:
    monkeypatch.setattr("index.facets._DENSE", 0 if request.param == "few offers pass" else 10**9)
    return Facets.load(folder, {product.id: row for row, product in enumerate(CATALOG)}.get)


def nowhere(product_id: str) -> int | None:
    return None


def rows(mask: FacetMask) -> list[int]:
    return np.flatnonzero(mask.allowed).tolist()


def usd(low: int | None = None, high: int | None = None) -> PriceRange:
    return PriceRange(min=low, max=high, currency="USD")


def test_no_condition_allows_all(facets: Facets) -> None:
    mask = facets.mask(Filters())
    assert rows(mask) == [0, 1, 2, 3, 4]
    assert mask.unknown_price == 0


def test_one_variant_must_keep_all_conditions_together(facets: Facets) -> None:
    blue: dict[str, tuple[str, ...]] = {"color": ("blue",)}
    red: dict[str, tuple[str, ...]] = {"color": ("RED",)}
    assert SHIRTS in rows(facets.mask(Filters(attributes=blue)))
    assert SHIRTS not in rows(facets.mask(Filters(attributes=blue, price=usd(high=3000))))
    mask = facets.mask(Filters(attributes=red, price=usd(high=3000)))
    assert SHIRTS in rows(mask)
    assert mask.variant_of(SHIRTS) == "s-red-s"
    assert mask.variant_of(BAG) is None
    assert SHIRTS not in rows(facets.mask(Filters(attributes={"color": ("blue",), "size": ("s",)})))


def test_a_sold_out_variant_does_not_make_its_product_pass(facets: Facets) -> None:
    assert SHIRTS not in rows(facets.mask(Filters(attributes={"color": ("green",)})))
    assert SHIRTS not in rows(facets.mask(Filters(price=usd(high=1500))))
    sold_out = facets.mask(Filters(attributes={"color": ("green",)}, availability=(Availability.OUT_OF_STOCK,)))
    assert sold_out.variant_of(SHIRTS) == "s-green-m"


def test_price_bounds_are_inclusive_and_unknown_prices_are_counted(facets: Facets) -> None:
    mask = facets.mask(Filters(price=usd(2500, 5000)))
    assert rows(mask) == [SHIRTS, BAG, HANDBAG]
    # The scarf has no price and the suitcase one in euro: neither is guessed.
    assert mask.unknown_price == 2
    assert facets.mask(Filters(price=usd(high=5000), categories=("clothing",))).unknown_price == 1
    assert (
        facets.mask(Filters(price=PriceRange(max=5000, currency="EUR"), categories=("Suitcases",))).unknown_price == 0
    )
    assert not facets.mask(Filters(price=PriceRange(max=5000, currency="GBP"))).allowed.any()


def test_brand_by_field_else_by_title(facets: Facets) -> None:
    assert rows(facets.mask(Filters(brand=("ACME",)))) == [SHIRTS, BAG, SUITCASE]
    assert rows(facets.mask(Filters(brand=("acme", "woolly")))) == [SHIRTS, BAG, SUITCASE, SCARF]
    assert rows(facets.mask(Filters(exclude=Exclusions(brand=("Acme",))))) == [SCARF, HANDBAG]
    assert rows(facets.mask(Filters(brand=("Acm",)))) == []


def test_categories_at_any_level(facets: Facets) -> None:
    assert rows(facets.mask(Filters(categories=("bags",)))) == [BAG, SUITCASE, HANDBAG]
    assert rows(facets.mask(Filters(categories=("Shirts", "Suitcases")))) == [SHIRTS, SUITCASE]
    assert rows(facets.mask(Filters(categories=("Bags > Suitcases",)))) == [SUITCASE]
    assert rows(facets.mask(Filters(categories=("bags",), exclude=Exclusions(categories=("suitcases",))))) == [
        BAG,
        HANDBAG,
    ]


def test_color_in_the_title_only_where_the_field_is_missing_and_as_a_whole_word(facets: Facets) -> None:
    assert rows(facets.mask(Filters(attributes={"color": ("red",)}))) == [SHIRTS, BAG]
    assert rows(facets.mask(Filters(attributes={"颜色": ("红色",)}))) == [HANDBAG]
    assert rows(facets.mask(Filters(attributes={"material": ("皮革",)}))) == [HANDBAG]
    assert rows(facets.mask(Filters(attributes={"feature": ("wheels",)}))) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [("Leather BAG", True), ("手提包", True), ("red", True), ("bag leather", False), ("scar", False), ("", False)],
)
def test_words_that_stand_in_a_title(facets: Facets, words: str, named: bool) -> None:
    assert facets.in_a_title(words) is named


def test_listed_values_count_one_by_one(facets: Facets) -> None:
    assert rows(facets.mask(Filters(attributes={"material": ("linen",)}))) == [SHIRTS]
    assert rows(facets.mask(Filters(attributes={"material": ("cotton, linen",)}))) == [SHIRTS]


def test_exclusions(facets: Facets) -> None:
    leather = Filters(exclude=Exclusions(attributes={"material": ("leather", "cotton")}))
    assert rows(facets.mask(leather)) == [SUITCASE, SCARF, HANDBAG]
    wheels = Filters(categories=("bags",), exclude=Exclusions(attributes={"feature": ("wheels",)}))
    assert rows(facets.mask(wheels)) == [BAG, HANDBAG]
    not_red = facets.mask(Filters(exclude=Exclusions(attributes={"color": ("red",)})))
    assert rows(not_red) == [SHIRTS, SUITCASE, SCARF, HANDBAG]
    assert not_red.variant_of(SHIRTS) == "s-blue-l"


def test_availability_and_rating(facets: Facets) -> None:
    assert rows(facets.mask(Filters(availability=(Availability.IN_STOCK,)))) == [SHIRTS, BAG, SUITCASE, SCARF]
    assert rows(facets.mask(Filters(availability=(Availability.OUT_OF_STOCK,)))) == [SHIRTS, HANDBAG]
    assert rows(facets.mask(Filters(rating_min=4.4))) == [SHIRTS, BAG]
    assert rows(facets.mask(Filters(rating_min=4.5))) == [BAG]


def test_vocabularies(facets: Facets) -> None:
    assert facets.brands() == {"Acme": 2, "Woolly": 1}
    assert facets.categories() == {"Clothing": 2, "Shirts": 1, "Bags": 3, "Suitcases": 1}
    color = facets.attributes()["Color"]
    assert color == {"Blue": 1, "Red": 1, "Green": 1, "dark red": 1, "红色": 1}


def test_columns_to_sort_by(facets: Facets) -> None:
    np.testing.assert_array_equal(facets.price, [20, 50, 45, np.nan, 25])
    np.testing.assert_allclose(facets.rating, [4.4, 4.6, np.nan, np.nan, np.nan], rtol=1e-6)
    assert facets.rating_count.tolist() == [9, 0, 0, 0, 0]
    assert np.isnan(facets.published).all()


def test_newer_offers_are_obeyed(facets: Facets) -> None:
    cheap = Filters(price=usd(high=1000))
    offers = [
        Offer(product_id="1", price=Price(amount=900, currency="USD")),
        Offer(product_id="0", variant_id="s-red-s", price=Price(amount=500, currency="USD"), stock=0),
        Offer(product_id="0", variant_id="s-green-m", availability="in_stock"),
        Offer(product_id="3", price=Price(amount=100, currency="CHF")),
        Offer(product_id="gone", stock=0),
        Offer(product_id="0", variant_id="gone", stock=0),
    ]
    mask = facets.mask(cheap, offers)
    assert rows(mask) == [SHIRTS, BAG]
    assert mask.variant_of(SHIRTS) == "s-green-m"
    assert rows(facets.mask(cheap, offers)) == [SHIRTS, BAG]
    assert rows(facets.mask(Filters(price=PriceRange(max=100, currency="CHF")), offers)) == [SCARF]
    # Without them the snapshot is what it was.
    assert rows(facets.mask(cheap)) == []
    assert rows(facets.mask(cheap, offers[:1])) == [BAG]


def test_an_offer_on_a_product_holds_for_its_variants_until_one_says_otherwise(facets: Facets) -> None:
    in_stock = Filters(availability=(Availability.IN_STOCK,), categories=("shirts",))
    nothing_left = [Offer(product_id="0", stock=0)]
    assert rows(facets.mask(in_stock, nothing_left)) == []
    back = [*nothing_left, Offer(product_id="0", variant_id="s-red-s", stock=2)]
    mask = facets.mask(in_stock, back)
    assert (rows(mask), mask.variant_of(SHIRTS)) == ([SHIRTS], "s-red-s")
    assert rows(facets.mask(in_stock, back[::-1])) == []


def test_a_variant_is_never_more_available_than_its_product(tmp_path: Path) -> None:
    sold_out = Facets.build(products_of(SHIRT | {"availability": "out_of_stock"}), tmp_path, nowhere)
    assert rows(sold_out.mask(Filters(availability=(Availability.IN_STOCK,)))) == []


def test_an_offer_from_before_the_product_was_read_is_none(tmp_path: Path) -> None:
    Facets.build(CATALOG, tmp_path, nowhere)
    by_id = {product.id: row for row, product in enumerate(CATALOG)}
    old, new = 1_700_000_000_000, 1_700_000_000_009
    facets = Facets.load(tmp_path, by_id.get, np.array([old, new, old, old, old], np.int64))
    price = Price(amount=1, currency="USD")
    offers = [Offer(product_id=number, price=price, updated_at=new - 1) for number in ("0", "1", "3")]
    assert rows(facets.mask(Filters(price=usd(high=1)), offers)) == [SHIRTS, SCARF]
    assert facets.is_news(BAG, Offer(product_id="1", updated_at=new))
    assert facets.is_news(BAG, Offer(product_id="1"))


def test_values_that_nothing_has_and_hostile_ones(facets: Facets) -> None:
    for value in ("", "x" * 10_000, "a\nb", "'; DROP TABLE products", "(red", "\t", "🎧"):
        assert rows(facets.mask(Filters(attributes={"color": (value,)}))) == []
        assert rows(facets.mask(Filters(brand=(value,)))) == []
        assert rows(facets.mask(Filters(categories=(value,)))) == []


def test_an_empty_catalog(tmp_path: Path) -> None:
    facets = Facets.build([], tmp_path, nowhere)
    assert facets.mask(Filters(price=usd(high=1))).allowed.shape == (0,)
    assert facets.brands() == {}


def test_names_and_parts() -> None:
    assert canonical(" Colour ") == canonical("颜色") == "color"
    assert parts_of("1,5 L") == {"1,5 l"}
    assert parts_of("1/2 inch") == {"1/2 inch"}
    assert parts_of("Black/White") == {"black/white", "black", "white"}


def test_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(Damaged):
        Facets.load(tmp_path, nowhere)
    Facets.build(CATALOG, tmp_path, nowhere)
    (tmp_path / "starts.npy").write_bytes(b"\x80\x04pickle")
    with pytest.raises(Damaged):
        Facets.load(tmp_path, nowhere)


def test_prices_at_random_pass_as_offer_by_offer(tmp_path: Path) -> None:
    draw = random.Random(5)
    rows = []
    for _ in range(300):
        prices = [
            draw.choice([None, f"${draw.randrange(1, 9)}", f"{draw.randrange(1, 9)} EUR"])
            for _ in range(draw.randrange(5))
        ]
        variants = [
            {"id": f"v{n}", "price": price, "availability": draw.choice(["in_stock", "out_of_stock"])}
            for n, price in enumerate(prices)
        ]
        rows.append({"title": "Lamp", "price": draw.choice([None, "$4"]), "variants": variants})
    facets = Facets.build(products_of(*rows), tmp_path, nowhere)
    whatever = tuple(Availability)  # takes the way of all conditions together
    for low, high in [(None, 300), (300, None), (300, 500), (400, 400), (900, None), (None, None)]:
        limit = PriceRange(min=low, max=high, currency="USD")
        alone = facets.mask(Filters(price=limit))
        shown = facets._shown & facets._known("USD")
        inside = shown & (facets.offer_price >= (low or 0)) & (facets.offer_price <= (high or 10**9))
        expected = [bool(inside[start:end].any()) for start, end in pairwise(facets.starts.tolist())]
        assert alone.allowed.tolist() == expected
        lacking = facets._shown & ~facets._known("USD")
        lacks = [bool(lacking[start:end].any()) for start, end in pairwise(facets.starts.tolist())]
        assert alone.unknown_price == sum(each and not passes for each, passes in zip(lacks, expected, strict=True))
        together = facets.mask(Filters(price=limit, availability=whatever))
        assert (alone.allowed <= together.allowed).all()
        for row in np.flatnonzero(alone.allowed)[:40].tolist():
            variant = alone.variant_of(row)
            places = range(facets.starts[row], facets.starts[row + 1])
            cheapest = min(
                (place for place in places if inside[place]), key=lambda place: int(facets.offer_price[place])
            )
            assert variant == (facets.variant_ids[cheapest] or None)


def test_what_a_category_is_described_by(facets: Facets) -> None:
    assert facets.carries("bags", "颜色")
    assert facets.carries("Bags", "color", "红色")
    assert not facets.carries("Bags", "color", "dark red")
    assert not facets.carries("Suitcases", "color")
    assert facets.carries("Clothing", "Size", "m")  # an option of a variant
    assert not facets.carries("Clothing", "size", "42")
    assert not facets.carries("Hats", "size")


def test_a_list_of_many_values_is_any_of_them(facets: Facets) -> None:
    many = tuple(f"{number} L" for number in range(5_000))
    assert rows(facets.mask(Filters(attributes={"color": (*many, "dark red")}))) == [SCARF]


@pytest.mark.parametrize("wanted", [True, False])
def test_one_attribute_at_random_is_had_as_offer_by_offer(tmp_path: Path, wanted: bool) -> None:
    draw = random.Random(7)
    colors = ["red", "blue", "green"]
    rows = []
    for _ in range(300):
        variants = [
            {
                "id": f"v{n}",
                "options": draw.choice([{}, {"color": draw.choice(colors)}]),
                "availability": draw.choice(["in_stock", "out_of_stock"]),
            }
            for n in range(draw.randrange(4))
        ]
        own = draw.choice([{}, {"color": draw.choice(colors)}])
        rows.append({"title": draw.choice(["Lamp", "Red lamp"]), "attributes": own, "variants": variants})
    facets = Facets.build(products_of(*rows), tmp_path, nowhere)
    for values in [("red",), ("red", "green"), ("mauve",)]:
        asked = {"color": values}
        mask = facets.mask(Filters(attributes=asked) if wanted else Filters(exclude=Exclusions(attributes=asked)))
        passing = facets._shown & (facets._having("color", values, anywhere=not wanted) == wanted)
        expected = [bool(passing[start:end].any()) for start, end in pairwise(facets.starts.tolist())]
        assert mask.allowed.tolist() == expected
        assert any(expected) or values == ("mauve",)
        for row in np.flatnonzero(mask.allowed).tolist():
            variant = mask.variant_of(row)
            assert variant is None or variant in [
                facets.variant_ids[place] for place in range(*facets.starts[row : row + 2]) if passing[place]
            ]


def test_a_newer_offer_counts_also_where_the_same_was_asked_before(facets: Facets) -> None:
    small = Filters(attributes={"size": ("S",)})
    assert SHIRTS in rows(facets.mask(small))
    gone = [Offer(product_id="0", variant_id="s-red-s", stock=0)]
    assert SHIRTS not in rows(facets.mask(small, gone)), "its only one in S is sold out"
    assert SHIRTS in rows(facets.mask(small))
