"""Who the simulated shoppers are: latent tastes over types, brands, colors and prices, and habits of visiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from demo.catalog import CHINESE_SHARE, DemoProduct
from demo.personas import PERSONAS, Persona
from demo.vocabulary import BRANDS, COLORS, DEPARTMENTS, PRODUCT_TYPES
from demo.vocabulary.records import Language

Floats = npt.NDArray[np.float64]
_BRANDS, _COLORS, _TYPES = list(BRANDS), list(COLORS), list(PRODUCT_TYPES)
# Per department, the places of its types.
_PLACES = [
    [place for place, kind in enumerate(PRODUCT_TYPES.values()) if kind.department is department]
    for department in DEPARTMENTS.values()
]
# Share of each habit, visits in 180 days (lowest, highest), share of the period that they stay for, trust in a product.
_HABITS = {
    "loyal": (0.18, (12, 24), 1.0, 0.85),
    "regular": (0.42, (5, 11), 1.0, 0.6),
    "occasional": (0.22, (2, 5), 1.0, 0.35),
    "churned": (0.18, (3, 9), 0.45, 0.3),
}


@dataclass(frozen=True)
class Shopper:
    """One simulated person. Arrays follow the order of the vocabulary's types (T,), brands (B,) and colors (C,)."""

    id: str
    language: Language
    habit: str
    visits: int
    stays: float
    loyalty: float
    type_shares: Floats
    brand_liking: Floats
    color_liking: Floats
    price: float
    price_sensitivity: float
    consent: dict[str, bool]


@dataclass(frozen=True)
class Shelf:
    """The products of one type, as arrays over its n products."""

    rows: npt.NDArray[np.int64]  # (n,)
    quality: Floats  # (n,)
    price_place: Floats  # (n,), 0 at the type's lowest price and 1 at its highest, on a log scale
    brands: npt.NDArray[np.int64]  # (n,)
    colors: Floats  # (n, C), 1 where it comes in that color
    chinese: npt.NDArray[np.bool_]  # (n,)
    orderable: npt.NDArray[np.bool_]  # (n,)

    def liking(self, shopper: Shopper) -> Floats:
        """Return how much a shopper wants each product, (n,), without chance."""
        same_language = self.chinese == (shopper.language == "zh")
        colors = (self.colors * shopper.color_liking).max(axis=1)  # (n, C) -> (n,)
        fitting = -shopper.price_sensitivity * np.abs(self.price_place - shopper.price)
        liking = 1.5 * self.quality + shopper.brand_liking[self.brands] + colors + fitting
        return np.asarray(liking + 4.0 * same_language - 2.0 * ~self.orderable, dtype=np.float64)


def make_shelves(products: Sequence[DemoProduct]) -> dict[str, Shelf]:
    """Sort the catalog by type."""
    sorted_rows: dict[str, list[int]] = {key: [] for key in PRODUCT_TYPES}
    for row, product in enumerate(products):
        sorted_rows[product.type.key].append(row)
    shelves = {}
    for key, kind in PRODUCT_TYPES.items():
        rows = sorted_rows[key]
        low, high = kind.price
        shelf = [products[row] for row in rows]
        shelves[key] = Shelf(
            rows=np.array(rows, dtype=np.int64),
            quality=np.array([product.quality for product in shelf]),
            price_place=np.array([log(product.price / low) / log(high / low) for product in shelf]),
            brands=np.array([_BRANDS.index(product.brand.key) for product in shelf], dtype=np.int64),
            colors=_colors_of(shelf),
            chinese=np.array([product.product.language == "zh" for product in shelf], dtype=np.bool_),
            orderable=np.array([product.product.availability.orderable for product in shelf], dtype=np.bool_),
        )
    return shelves


def _colors_of(shelf: Sequence[DemoProduct]) -> Floats:
    """Return (n, C) with 1 where a product comes in a color."""
    table = np.zeros((len(shelf), len(_COLORS)))
    for place, product in enumerate(shelf):
        table[place, [_COLORS.index(color.key) for color in product.colors]] = 1.0
    return table


def make_shoppers(rng: Generator, count: int) -> list[Shopper]:
    """Return the named demo shoppers first, then anonymous ones, `count` in all."""
    named = [_named(rng, persona) for persona in PERSONAS[:count]]
    return named + [_anonymous(rng, number) for number in range(count - len(named))]


def _named(rng: Generator, persona: Persona) -> Shopper:
    shares = np.array([persona.types.get(key, 0.0) for key in _TYPES])
    colors = np.array([1.2 if key in persona.colors else 0.0 for key in _COLORS])
    return Shopper(
        persona.id, persona.language, "loyal", 22, 1.0, 0.9, shares / shares.sum(), rng.normal(0, 0.8, len(_BRANDS)),
        colors, persona.price, persona.price_sensitivity, {"answer": True, "personalize": True, "train": False},
    )  # fmt: skip


def _anonymous(rng: Generator, number: int) -> Shopper:
    habits = list(_HABITS)
    habit = habits[int(rng.choice(len(habits), p=[share for share, *_ in _HABITS.values()]))]
    _, (fewest, most), stays, loyalty = _HABITS[habit]
    return Shopper(
        id=f"shopper-{number + 1:04d}",
        language="zh" if rng.random() < CHINESE_SHARE else "en",
        habit=habit,
        visits=int(rng.integers(fewest, most + 1)),
        stays=stays,
        loyalty=loyalty,
        type_shares=_type_shares(rng),
        brand_liking=rng.normal(0, 0.9, len(_BRANDS)),
        color_liking=np.where(rng.random(len(_COLORS)) < 0.15, 1.0, 0.0),
        price=float(rng.beta(1.6, 1.9)),
        price_sensitivity=float(rng.gamma(3.0, 0.9)),
        consent={
            "answer": bool(rng.random() < 0.98),
            "personalize": bool(rng.random() < 0.9),
            "train": bool(rng.random() < 0.2),
        },
    )


def _type_shares(rng: Generator) -> Floats:
    """Draw a taste: two or three departments matter, in each a few types; a trace of everything else."""
    weights = rng.dirichlet(np.full(len(DEPARTMENTS), 0.15))
    within = rng.gamma(0.35, 1.0, len(_TYPES))
    shares = np.zeros(len(_TYPES))
    for places, weight in zip(_PLACES, weights, strict=True):
        shares[places] = weight * within[places] / within[places].sum()
    return np.asarray(0.97 * shares + 0.03 / len(_TYPES), dtype=np.float64)
