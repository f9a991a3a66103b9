"""Writes the columns that products are filtered by, product by product; `facets.Facets` reads them."""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from index.attributes import canonical, folded, parts_of
from index.base import Base, renumbered, resized
from index.postings import Kept, Postings, PostingsWriter, key_of
from index.product import Availability, Money, Product, sold_out
from index.strings import Strings, StringsWriter, mapped
from index.titles import TitleWriter

Ints = NDArray[np.int64]

UNKNOWN: Final = -1
AVAILABILITIES: Final = tuple(Availability)
HELD: Final = ("products", "offers")
"""The two files of postings, by what they hold: "c⇥category", "an⇥name" and "a⇥name⇥value" products; "on⇥name" and
"o⇥name⇥value" offers, as does "unnamed", the offers of products without variants."""
_COUNTED: Final = "counted.json"


def held_by(key: str) -> str:
    """Which of `HELD` a key leads to."""
    return "offers" if key[0] in "ou" else "products"


@dataclass(slots=True)
class Columns:
    """The arrays on disk. Products (p), offers (o)."""

    starts: Ints  # (p + 1) the offers of product i are starts[i] … starts[i + 1]
    offer_price: Ints  # (o) minor units, -1 where unknown
    offer_currency: NDArray[np.int16]  # (o) place in `currencies`
    offer_availability: NDArray[np.int8]  # (o) place in `Availability`
    rating: NDArray[np.float32]  # (p) nan where unknown
    rating_count: NDArray[np.int32]  # (p)
    published: NDArray[np.float64]  # (p) seconds since 1970, nan where unknown
    brand: NDArray[np.int32]  # (p) place in `brands`, -1 where unknown

    def save(self, folder: Path) -> None:
        """Writes one `.npy` a column."""
        for name in self.__slots__:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote, memory-mapped; raises `Damaged` where a file is missing."""
        return cls(**{name: mapped(folder / f"{name}.npy") for name in cls.__slots__})


class FacetWriter:
    """Writes facets by ascending row; with `base` those of the other rows are taken over.

    What grows with the catalog lies in plain arrays of numbers.
    """

    def __init__(self, folder: Path, base: Base | None = None) -> None:
        self._folder = folder
        self._base = base
        self._before = Columns.load(base.folder) if base else None
        self._ids_before = Strings.load(base.folder, "variant_ids") if base else None
        self._rows, self._counts = array("q"), array("q")  # the rows that are written, and how many offers each has
        self._prices, self._currencies, self._availabilities = array("q"), array("h"), array("b")
        self._ratings, self._published = array("f"), array("d")
        self._rating_counts, self._brands = array("i"), array("i")
        self._postings = {held: PostingsWriter(folder, held) for held in HELD}
        self._ids = StringsWriter()
        self._ids_taken = 0  # offers of the base that the writer has passed
        self._titles = TitleWriter(folder, base)
        counted: dict[str, Any] = {"currencies": [], "brands": [], "spellings": {}, "values": {}}
        if base is not None:
            counted = json.loads((base.folder / _COUNTED).read_text(encoding="utf-8"))
        self._currency_codes = {currency: place for place, currency in enumerate(counted["currencies"])}
        self._brand_codes = {brand: place for place, brand in enumerate(counted["brands"])}
        self._spellings: dict[str, Counter[str]] = defaultdict(Counter)
        self._spellings |= {key: Counter(found) for key, found in counted["spellings"].items()}
        self._values: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        for name, values in counted["values"].items():
            self._values[name] |= {value: Counter(found) for value, found in values.items()}

    def add(self, row: int, product: Product) -> None:
        """Adds the product of a row."""
        self._measure(row, product)
        self._count(product, 1)
        self._titles.add(row, product.title)
        attributes = product.attributes.items()
        keys = {f"c\t{folded(name)}" for name in product.categories}
        keys |= {f"an\t{canonical(name)}" for name, _ in attributes}
        keys |= {
            f"a\t{canonical(name)}\t{part}" for name, each in attributes for value in each for part in parts_of(value)
        }
        self._hold(row, keys)
        self._take_ids(row)
        for variant in product.variants:
            options = variant.options.items()
            keys = {f"on\t{canonical(name)}" for name, _ in options}
            keys |= {f"o\t{canonical(name)}\t{part}" for name, option in options for part in parts_of(option)}
            self._hold(len(self._ids), keys)
            self._ids.add(variant.id)
        if not product.variants:
            self._hold(len(self._ids), {"unnamed"})
            self._ids.add("")
        self._ids_taken = self._first_offer(row + 1)

    def price(self, row: int, product: Product) -> None:
        """Adds price, availability, rating and date of a row of the base that is not stale: its words are what they were."""
        self._measure(row, product)

    def remove(self, product: Product) -> None:
        """Takes back what a stale row of the base said."""
        self._count(product, -1)

    def close(self, size: int) -> None:
        """Completes the folder of a catalog of `size` products."""
        self._take_ids(size)
        self._ids.save(self._folder, "variant_ids")
        self._titles.close(size)
        moved = self._write_columns(size)
        for held, writer in self._postings.items():
            kept = Kept(Postings.load(self._base.folder, held), moved[held]) if self._base else None
            writer.close(size if held == "products" else len(self._ids), kept)
        self._write_words()

    def _measure(self, row: int, product: Product) -> None:
        """The numbers of a product and of its offers."""
        stars = product.rating
        brands = self._brand_codes
        self._rows.append(row)
        self._ratings.append(stars.value if stars else float("nan"))
        self._rating_counts.append(stars.count if stars else 0)
        self._published.append(product.published_at.timestamp() if product.published_at else float("nan"))
        self._brands.append(brands.setdefault(folded(product.brand), len(brands)) if product.brand else UNKNOWN)
        self._counts.append(max(1, len(product.variants)))
        for variant in product.variants:
            # A variant is never more available than its product.
            availability = sold_out(variant.availability, variant.stock)
            if availability.orderable and not product.availability.orderable:
                availability = product.availability
            self._offer(variant.price or product.price, availability)
        if not product.variants:
            self._offer(product.price, sold_out(product.availability, product.stock))

    def _offer(self, price: Money | None, availability: Availability) -> None:
        codes = self._currency_codes
        self._prices.append(price.amount if price else UNKNOWN)
        self._currencies.append(codes.setdefault(price.currency, len(codes)) if price else 0)
        self._availabilities.append(AVAILABILITIES.index(availability))

    def _hold(self, place: int, keys: Iterable[str]) -> None:
        by_file: dict[str, list[int]] = defaultdict(list)
        for key in keys:
            by_file[held_by(key)].append(key_of(key))
        for held, numbers in by_file.items():
            self._postings[held].add(place, numbers, 1)

    def _count(self, product: Product, times: int) -> None:
        """Counts how brand, categories, names and values are spelled; each value once a product."""
        if product.brand:
            self._spellings[f"b\t{folded(product.brand)}"][product.brand] += times
        for name in {folded(name): name for name in product.categories}.values():
            self._spellings[f"c\t{folded(name)}"][name] += times
        said = [*product.attributes.items()]
        said += [(name, (option,)) for variant in product.variants for name, option in variant.options.items()]
        seen: set[tuple[str, str]] = set()
        for name, values in said:
            key = canonical(name)
            self._spellings[f"n\t{key}"][name] += times
            for value in values:
                if (key, folded(value)) not in seen:
                    seen.add((key, folded(value)))
                    self._values[key][folded(value)][value] += times

    def _first_offer(self, row: int) -> int:
        """Where the offers of a row begin in the base; of one that it has not, its end."""
        return 0 if self._before is None else int(self._before.starts[min(row, len(self._before.starts) - 1)])

    def _take_ids(self, row: int) -> None:
        """Takes over the variants of the rows before a row."""
        first = self._first_offer(row)
        if self._ids_before is not None and self._ids_taken < first:
            self._ids.take(self._ids_before, self._ids_taken, first)
            self._ids_taken = first

    def _write_columns(self, size: int) -> dict[str, NDArray[np.int32]]:
        """Writes the numbers; returns where the products and offers of the base are now, -1 for those of stale rows."""
        empty = Columns(np.zeros(1, np.int64), *(np.empty(0, kind) for kind in "qhbfidi"))
        before = self._before or empty
        stale = self._base.stale if self._base else np.empty(0, np.bool_)
        rows = np.array(self._rows, np.int64)
        counts = resized(np.diff(before.starts), size)
        counts[rows] = self._counts
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        # (offers before,) the product of each, and the place that the offer has now.
        owner = np.repeat(np.arange(len(stale)), np.diff(before.starts))
        gone = owner >= size
        place = np.arange(len(owner)) + (starts[np.minimum(owner, size)] - before.starts[owner])
        written = np.zeros(max(size, len(stale)), np.bool_)
        written[rows] = True
        kept = ~(gone | written[owner])
        targets = np.repeat(starts[rows], counts[rows]) + _counted_up(counts[rows])

        def of_offers(old: NDArray[Any], new: array[Any]) -> NDArray[Any]:
            column = np.zeros(int(starts[-1]), old.dtype)
            column[place[kept]], column[targets] = old[kept], new
            return column

        def of_products(old: NDArray[Any], new: array[Any]) -> NDArray[Any]:
            column = resized(old, size)
            column[rows] = new
            return column

        brand, codes = renumbered(of_products(before.brand, self._brands))
        names = list(self._brand_codes)
        self._brand_codes = {names[code]: number for number, code in enumerate(codes.tolist())}
        Columns(
            starts=starts,
            offer_price=of_offers(before.offer_price, self._prices),
            offer_currency=of_offers(before.offer_currency, self._currencies),
            offer_availability=of_offers(before.offer_availability, self._availabilities),
            rating=of_products(before.rating, self._ratings),
            rating_count=of_products(before.rating_count, self._rating_counts),
            published=of_products(before.published, self._published),
            brand=brand,
        ).save(self._folder)
        products = self._base.moved if self._base else np.empty(0, np.int32)
        return {"products": products, "offers": np.where(gone | stale[owner], -1, place).astype(np.int32)}

    def _write_words(self) -> None:
        spellings = {key: found for key, counts in self._spellings.items() if (found := +counts)}
        values = {
            name: held
            for name, counts in self._values.items()
            if (held := {value: found for value, count in counts.items() if (found := +count)})
        }

        def spelled(kind: str, key: str) -> str:
            return _commonest(spellings[f"{kind}\t{key}"])

        words = {
            "currencies": list(self._currency_codes),
            # The order of `brands` is that of the codes in the column.
            "brands": {spelled("b", code): spellings[f"b\t{code}"].total() for code in self._brand_codes},
            "categories": {
                _commonest(found): found.total() for key, found in spellings.items() if key.startswith("c\t")
            },
            "attributes": {
                spelled("n", name): {_commonest(count): count.total() for count in held.values()}
                for name, held in values.items()
            },
        }
        counted = {
            "currencies": words["currencies"],
            "brands": list(self._brand_codes),
            "spellings": spellings,
            "values": values,
        }
        for name, content in (("words.json", words), (_COUNTED, counted)):
            (self._folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _commonest(spellings: Counter[str]) -> str:
    """The spelling that most products have; of equal ones the first of the alphabet, in whatever order they were read."""
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))


def _counted_up(counts: Ints) -> Ints:
    """`[2, 3]` becomes `[0, 1, 0, 1, 2]`."""
    ends = np.cumsum(counts)
    return np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
