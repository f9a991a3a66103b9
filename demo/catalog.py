"""The demo shop's products: types from the vocabulary, with values, prices and stock chosen by a seeded generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.random import Generator

from demo.vocabulary import ATTRIBUTES, BRANDS, PRODUCT_TYPES
from demo.vocabulary.records import Attribute, Brand, Color, Language, Pair, ProductType
from demo.wording import Design, description_of, model_name, pick, pick_some, title_of, words_of
from index.product import Availability, Delivery, Money, Product, Rating, Variant

CURRENCY = "USD"
# Orders of this much and more ship free; documents/ say the same.
FREE_SHIPPING = 4900
STANDARD_SHIPPING, FREIGHT_SHIPPING = 499, 1900
BULKY = frozenset({
    "office_chair", "desk", "mower", "grill", "stroller", "rug", "washer", "cat_tree", "aquarium", "whiteboard",
})  # fmt: skip
CHINESE_SHARE = 0.2
# Packs and memories are sold as choices of one product, each with its price.
_PACKS = ("storage_gb", "net_g", "net_kg", "volume_ml", "sheets")
_RANKED = ("material", "waterproof", "resolution", "sharpness", "binding", "frame")
_LIGHTER_IS_BETTER = ("weight_g", "weight_kg")
_DEAD_STOCK = (Availability.OUT_OF_STOCK, Availability.DISCONTINUED)


@dataclass(frozen=True)
class DemoProduct:
    """A product with what the shopper simulation and the pictures need to know about it; `quality` is 0 to 1."""

    product: Product
    type: ProductType
    brand: Brand
    colors: tuple[Color, ...]
    quality: float

    @property
    def price(self) -> int:
        """The price to pay, in minor units."""
        assert self.product.price is not None  # every demo product has one
        return self.product.price.amount


def check_digit(digits: str) -> int:
    """Return the last digit of a GTIN-13, after GS1's general specifications, 7.9.

    >>> check_digit("629104150021")
    3
    """
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return -total % 10


def make_catalog(
    rng: Generator, now: datetime, count: int, progress: Callable[[int, int], None] | None = None
) -> list[DemoProduct]:
    """Return `count` products, about evenly over the types, four fifths of them in English."""
    kinds = list(PRODUCT_TYPES.values())
    makers = {
        kind.department.key: [brand for brand in BRANDS.values() if kind.department.key in brand.departments]
        for kind in kinds
    }
    taken: set[str] = set()
    products = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        language: Language = "zh" if rng.random() < CHINESE_SHARE else "en"
        brand = BRANDS["owlspine"] if kind.key in words_of("books") else pick(rng, makers[kind.department.key])
        made = _make(rng, now, number, kind, brand, language, taken)
        products.append(made)
        if progress is not None:
            progress(number + 1, count)
    return products


def _make(
    rng: Generator, now: datetime, number: int, kind: ProductType, brand: Brand, language: Language, taken: set[str]
) -> DemoProduct:
    product_id = f"p{10001 + number}"
    values = {attribute.kind.key: pick(rng, attribute.values) for attribute in kind.attributes}
    if kind.key in words_of("books"):
        values["author"] = Pair(*pick(rng, words_of("books")["authors"]))
    colors = tuple(pick_some(rng, kind.colors, 1 + int(rng.integers(4 if kind.sizes else 3))))
    features = tuple(pick_some(rng, kind.features, 1 + int(rng.integers(3))))
    design, title = _distinct(rng, kind, brand, colors, values, features, language, taken)
    quality = float(np.clip(rng.beta(5, 2.2) + 0.06 * (brand.tier - 1), 0.05, 0.99))
    level = _level(kind, values)
    price = _price(rng, kind, brand, level + 0.04 * len(features))
    availability = _availability(rng)
    variants = _variants(rng, design, product_id, price, availability)
    price, availability, stock = _summary(rng, variants, price, availability)
    code = "".join(word[0] for word in kind.key.split("_")).upper()
    gtin = f"2{number // 1000:02d}{int(rng.integers(10**5)):05d}{number % 10000:04d}"
    return DemoProduct(
        Product(
            id=product_id,
            title=title,
            description=description_of(rng, design),
            brand=brand.name.in_(language),
            categories=(kind.department.name.in_(language), kind.plural.in_(language)),
            price=Money(amount=price, currency=CURRENCY),
            list_price=_list_price(rng, price),
            availability=availability,
            stock=stock,
            attributes=_attributes(design, variants),
            variants=tuple(variants),
            gtin=f"{gtin}{check_digit(gtin)}",
            mpn=f"{brand.name.en[:3].upper()}-{code}{1000 + number * 7 % 9000}",
            rating=_rating(rng, quality),
            delivery=_delivery(rng, kind, price),
            published_at=(now - timedelta(days=float(rng.gamma(1.6, 190)), hours=1)).replace(microsecond=0),
            image_url=f"/media/{product_id}.svg",
            url=f"/products/{product_id}",
            language=language,
        ),
        kind,
        brand,
        colors,
        quality,
    )


def _distinct(
    rng: Generator,
    kind: ProductType,
    brand: Brand,
    colors: tuple[Color, ...],
    values: dict[str, Pair],
    features: tuple[Pair, ...],
    language: Language,
    taken: set[str],
) -> tuple[Design, str]:
    """Name the product so that no other has its title."""
    while True:
        design = Design(kind, brand, colors, values, features, model_name(rng, language), language)
        title = title_of(rng, design)
        if title not in taken:
            taken.add(title)
            return design, title


def _drivers(kind: ProductType) -> Iterator[Attribute]:
    """Yield the attributes whose later values make a product dearer."""
    ranked = [
        attribute
        for attribute in kind.attributes
        if (attribute.kind.unit is not None or attribute.kind.key in _RANKED)
        and attribute.kind.key not in _LIGHTER_IS_BETTER
        and len(attribute.values) > 1
    ]
    # Only weights sell by weight alone.
    yield from ranked if kind.key != "dumbbells" else kind.attributes


def _level(kind: ProductType, values: dict[str, Pair]) -> float:
    """Return how well equipped a product is, 0 to 1."""
    places = [
        attribute.values.index(values[attribute.kind.key]) / (len(attribute.values) - 1) for attribute in _drivers(kind)
    ]
    return sum(places) / len(places) if places else 0.5


def _price(rng: Generator, kind: ProductType, brand: Brand, level: float) -> int:
    """Place a product in its type's price range: brand, equipment and a little chance."""
    low, high = kind.price
    place = 0.42 * brand.tier / 2 + 0.40 * min(level, 1.0) + 0.18 * float(rng.random())
    return rounded(low * (high / low) ** place)


def rounded(amount: float) -> int:
    """Return a price as shops write it, in minor units: 12.49, 89.99, 349.00."""
    if amount < 2000:
        return round(amount / 50) * 50 - 1
    if amount < 20000:
        return round(amount / 100) * 100 - 1
    return round(amount / 1000) * 1000 - 100


def _availability(rng: Generator) -> Availability:
    shares = {
        Availability.IN_STOCK: 0.88,
        Availability.OUT_OF_STOCK: 0.06,
        Availability.BACKORDER: 0.03,
        Availability.PREORDER: 0.02,
        Availability.DISCONTINUED: 0.01,
    }
    return list(shares)[int(rng.choice(len(shares), p=list(shares.values())))]


def _variants(rng: Generator, design: Design, product_id: str, price: int, availability: Availability) -> list[Variant]:
    """Return colors × sizes, or colors × packs; a product with one choice has none."""
    kind, language = design.type, design.language
    color_name = ATTRIBUTES["color"].name.in_(language)
    second = ""
    options: list[tuple[str | None, float]] = [(None, 1.0)]
    if kind.sizes is not None:
        second = kind.sizes.name.in_(language)
        sizes = kind.sizes.values
        span = min(len(sizes), 3 + int(rng.integers(6)))
        start = int(rng.integers(len(sizes) - span + 1))
        # Bigger beds, rugs and suitcases cost more; a shirt costs the same in every size.
        step = 0.0 if kind.sizes.key in ("clothing", "waist", "shoes", "kids_shoes", "gloves", "baby") else 0.22
        options = [(size.in_(language), 1.0 + step * place) for place, size in enumerate(sizes[start : start + span])]
    elif pack := next((attribute for attribute in kind.attributes if attribute.kind.key in _PACKS), None):
        second = pack.kind.name.in_(language)
        base = pack.values.index(design.values[pack.kind.key])
        larger = pack.values[base : base + 1 + int(rng.integers(3))]
        amounts = [_number(value.en) for value in larger]
        # Twice the pack costs about 1.7 times as much.
        options = [(v.in_(language), (n / amounts[0]) ** 0.77) for v, n in zip(larger, amounts, strict=True)]
    if len(design.colors) * len(options) == 1:
        return []
    variants: list[Variant] = []
    for color in design.colors:
        for value, factor in options:
            choice = {color_name: color.name.in_(language)} | ({second: value} if value is not None else {})
            state = availability
            if availability.orderable and rng.random() < 0.12:
                state = Availability.OUT_OF_STOCK
            variants.append(
                Variant(
                    id=f"{product_id}-{len(variants) + 1}",
                    title=" / ".join(choice.values()),
                    price=Money(amount=price if factor == 1.0 else rounded(price * factor), currency=CURRENCY),
                    availability=state,
                    stock=_stock(rng, state),
                    options=choice,
                )
            )
    return variants


def _number(text: str) -> float:
    return float(text.split()[0])


def _stock(rng: Generator, availability: Availability) -> int:
    if availability is not Availability.IN_STOCK:
        return 0
    return 1 + int(rng.geometric(0.06)) if rng.random() < 0.85 else 1 + int(rng.integers(3))


def _summary(
    rng: Generator, variants: list[Variant], price: int, availability: Availability
) -> tuple[int, Availability, int]:
    """Return the product's own price, availability and stock: what its variants add up to."""
    if not variants:
        return price, availability, _stock(rng, availability)
    orderable = [variant for variant in variants if variant.availability.orderable]
    prices = [variant.price.amount for variant in orderable or variants if variant.price is not None]
    if not orderable and availability not in _DEAD_STOCK:
        availability = Availability.OUT_OF_STOCK
    return min(prices), availability, sum(variant.stock or 0 for variant in variants)


def _attributes(design: Design, variants: list[Variant]) -> dict[str, tuple[str, ...]]:
    """Return the facts by the name a shopper of that language would use; those of variants list every choice."""
    language = design.language
    found = {ATTRIBUTES["color"].name.in_(language): tuple(color.name.in_(language) for color in design.colors)}
    for kind, value in design.values.items():
        found[ATTRIBUTES[kind].name.in_(language)] = (value.in_(language),)
    if design.features:
        found[ATTRIBUTES["features"].name.in_(language)] = tuple(feature.in_(language) for feature in design.features)
    for name in dict.fromkeys(name for variant in variants for name in variant.options):
        found[name] = tuple(dict.fromkeys(variant.options[name] for variant in variants if name in variant.options))
    return found


def _list_price(rng: Generator, price: int) -> Money | None:
    if rng.random() > 0.22:
        return None
    return Money(amount=rounded(price * float(rng.uniform(1.12, 1.55))) + 100, currency=CURRENCY)


def _rating(rng: Generator, quality: float) -> Rating | None:
    if rng.random() < 0.06:
        return None
    count = max(1, int(rng.lognormal(3.6, 1.2)))
    mean = 2.4 + 2.5 * quality + float(rng.normal(0, 0.8)) / (1 + count) ** 0.5
    return Rating(value=round(min(max(mean, 1.0), 5.0), 1), count=count)


def _delivery(rng: Generator, kind: ProductType, price: int) -> Delivery:
    bulky = kind.shape in BULKY
    first = int(rng.integers(3, 6)) if bulky else int(rng.integers(1, 4))
    cost = FREIGHT_SHIPPING if bulky else (0 if price >= FREE_SHIPPING else STANDARD_SHIPPING)
    return Delivery(
        days_min=first, days_max=first + int(rng.integers(1, 4)), price=Money(amount=cost, currency=CURRENCY)
    )
