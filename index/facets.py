"""What products are filtered by, column by column in numpy: price, availability, brand, categories, attributes, rating.

The unit is the offer: one for each variant, or the product itself where it has none. A product passes where one offer keeps
all conditions on price, options and availability together: a shirt that is blue only in L and cheap only in S is not a
cheap blue shirt. With conditions in force a sold-out variant never makes its product pass.

It is long because the columns, what builds them and what newer offers do to them have to agree place by place.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from index.clean import fold, is_cjk
from index.filters import Filters, PriceRange
from index.money import minor_digits
from index.product import Availability, Product, sold_out
from storage.errors import Damaged

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

UNKNOWN: Final = -1
TITLE_FIELDS: Final = frozenset({"brand", "color", "size", "material"})
# One attribute under several names, in the languages that Aisle speaks.
_SAME_NAME: Final = {
    "colour": "color", "colors": "color", "颜色": "color", "色": "color", "尺寸": "size", "尺码": "size", "大小": "size",
    "sizes": "size", "材质": "material", "材料": "material", "面料": "material", "品牌": "brand",
}  # fmt: skip
_AVAILABILITIES: Final = tuple(Availability)
_ORDERABLE: Final = np.array([availability.orderable for availability in _AVAILABILITIES])
_PARTS: Final = re.compile(r",\s+|\s*[;|/、，；]\s*|\s+&\s+")
_LONGEST_PART: Final = 40


class PriceLike(Protocol):
    """An amount in minor units of a currency."""

    @property
    def amount(self) -> int: ...  # noqa: D102
    @property
    def currency(self) -> str: ...  # noqa: D102


class OfferLike(Protocol):
    """Newer price, availability or stock of a product, or of one of its variants."""

    @property
    def product_id(self) -> str: ...  # noqa: D102
    @property
    def variant_id(self) -> str | None: ...  # noqa: D102
    @property
    def price(self) -> PriceLike | None: ...  # noqa: D102
    @property
    def availability(self) -> Any: ...  # noqa: D102
    @property
    def stock(self) -> int | None: ...  # noqa: D102
    @property
    def updated_at(self) -> int | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class FacetMask:
    """Which products pass. `allowed` is (products,); `unknown_price` counts those that only lack a price to compare."""

    allowed: Mask
    unknown_price: int
    _facets: Facets
    _offers: Mask  # (offers,) the offers that pass

    @property
    def price(self) -> NDArray[np.float64]:
        """(products,) the lowest price of what can be ordered, newer offers included, in major units; nan where unknown."""
        return self._facets.price

    def variant_of(self, row: int) -> str | None:
        """The id of the cheapest variant of a product that keeps all conditions; None where it has no variants."""
        facets = self._facets
        places = np.arange(facets.starts[row], facets.starts[row + 1])
        passing = places[self._offers[places]]
        if not len(passing) or not facets.variant_ids[passing[0]]:
            return None
        price = facets.offer_price[passing]
        # What can be ordered first, then a known price, then the lowest.
        order = np.lexsort((price, price == UNKNOWN, ~_ORDERABLE[facets.offer_availability[passing]]))
        return facets.variant_ids[int(passing[order[0]])]


@dataclass(slots=True)
class _Columns:
    """The arrays on disk. Products (p), offers (o), postings (k keys)."""

    starts: Ints  # (p + 1) the offers of product i are starts[i] … starts[i + 1]
    offer_price: Ints  # (o) minor units, -1 where unknown
    offer_currency: NDArray[np.int16]  # (o) place in `currencies`
    offer_availability: NDArray[np.int8]  # (o) place in `Availability`
    rating: NDArray[np.float32]  # (p) nan where unknown
    rating_count: NDArray[np.int32]  # (p)
    published: NDArray[np.float64]  # (p) seconds since 1970, nan where unknown
    brand: NDArray[np.int32]  # (p) place in `brands`, -1 where unknown
    posting_starts: Ints  # (k + 1)
    postings: NDArray[np.int32]  # product or offer places, by key

    def save(self, folder: Path) -> None:
        for name in self.__slots__:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(**{name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in cls.__slots__})


class Facets:
    """The columns of one snapshot. Safe to share between threads.

    `row_of` finds the row of a product id, for the offers that `mask` lays over the snapshot; `read_at` (products,) is when
    each product was read from a catalog, in milliseconds: an older offer says nothing that the catalog does not know.
    """

    def __init__(
        self,
        columns: _Columns,
        words: dict[str, Any],
        row_of: Callable[[str], int | None],
        read_at: Ints | None = None,
    ) -> None:
        self._columns = columns
        self.read_at = read_at
        self._words = words
        self._row_of = row_of
        self.starts = columns.starts
        self.offer_price = columns.offer_price
        self.offer_availability = columns.offer_availability
        self.rating = columns.rating
        self.rating_count = columns.rating_count
        self.published = columns.published
        self.variant_ids: list[str] = words["variant_ids"]
        self._currencies: list[str] = words["currencies"]
        self._owner = np.repeat(np.arange(len(self)), np.diff(columns.starts))  # (offers,) product of each offer
        self._titles: str = words["titles"]
        # Where each title starts in the text of all titles: [0, 6, 11] for "shirt\nshoe\n…".
        self._title_starts = np.cumsum([0, *(len(title) + 1 for title in self._titles.split("\n"))])[:-1]
        self._keys: dict[str, int] = {key: place for place, key in enumerate(words["keys"])}
        self._brand_codes = {fold(name): place for place, name in enumerate(words["brands"])}
        # The one offer of a product without variants, which is shown even when it is sold out.
        self._single = self._flags("unnamed", len(self._owner))
        self.price = self._lowest_prices()
        self._laid: tuple[list[OfferLike], Facets] | None = None
        self._titled = lru_cache(maxsize=1_024)(self._in_title)
        self._carried = lru_cache(maxsize=16_384)(self._carries)

    def __len__(self) -> int:
        """How many products there are."""
        return len(self._columns.starts) - 1

    def brands(self) -> Mapping[str, int]:
        """Brand, as the shop spells it, to the number of products."""
        return dict(self._words["brands"])

    def categories(self) -> Mapping[str, int]:
        """Category of any level to the number of products."""
        return dict(self._words["categories"])

    def attributes(self) -> Mapping[str, Mapping[str, int]]:
        """Attribute name to its values with the number of products; options of variants are counted in."""
        return {name: dict(values) for name, values in self._words["attributes"].items()}

    def mask(self, filters: Filters, offers: Sequence[OfferLike] = ()) -> FacetMask:
        """The products that keep every condition, with `offers` (newer price and stock) laid over the snapshot.

        Offers are given oldest first, and the last word holds: one on a product for all its variants too, one on a variant
        for that variant. Stock 0 makes what is in stock out of stock. `bot.shelf.offered` reads them by the same rules.
        An unknown price, or one in another currency than the limit's, never passes a limit.
        """
        facets = self._with(list(offers)) if offers else self
        return facets._mask(filters)

    def is_news(self, row: int, offer: OfferLike) -> bool:
        """Whether an offer on the product of `row` is not older than what the catalog says of it."""
        return self.read_at is None or offer.updated_at is None or offer.updated_at >= int(self.read_at[row])

    def _mask(self, filters: Filters) -> FacetMask:
        products = self._product_mask(filters)  # (products,)
        excluded = self._excluded_offers(filters)
        if filters.price is None and not filters.attributes and not filters.availability and excluded is None:
            return FacetMask(products, 0, self, np.ones(len(self._owner), np.bool_))
        kept = products[self._owner]  # (offers,)
        for name, values in filters.attributes.items():
            kept &= self._having(name, values, anywhere=False)
        if excluded is not None:
            kept &= ~excluded
        if filters.availability:
            wanted = [_AVAILABILITIES.index(availability) for availability in filters.availability]
            kept &= np.isin(self.offer_availability, wanted)
        else:
            kept &= self._single | _ORDERABLE[self.offer_availability]
        unknown = 0
        if filters.price is not None:
            known, inside = self._priced(filters.price)
            lacking = self._any(kept & ~known)
            kept &= inside
            unknown = int(np.count_nonzero(lacking & ~self._any(kept)))
        return FacetMask(self._any(kept), unknown, self, kept)

    def _product_mask(self, filters: Filters) -> Mask:
        """The conditions that hold for a product as a whole."""
        allowed = np.ones(len(self), np.bool_)
        if filters.brand:
            allowed &= self._of_brand(filters.brand)
        if filters.categories:
            allowed &= self._in_categories(filters.categories)
        if filters.rating_min is not None:
            with np.errstate(invalid="ignore"):
                allowed &= self.rating >= np.float32(filters.rating_min) - np.float32(1e-6)
        if filters.exclude.brand:
            allowed &= ~self._of_brand(filters.exclude.brand)
        if filters.exclude.categories:
            allowed &= ~self._in_categories(filters.exclude.categories)
        return allowed

    def _excluded_offers(self, filters: Filters) -> Mask | None:
        excluded = None
        for name, values in filters.exclude.attributes.items():
            having = self._having(name, values, anywhere=True)
            excluded = having if excluded is None else excluded | having
        return excluded

    def _of_brand(self, names: Iterable[str]) -> Mask:
        """Products of one of the brands; where a product names none, its title may."""
        names = list(names)
        codes = [self._brand_codes[fold(name)] for name in names if fold(name) in self._brand_codes]
        found: Mask = np.isin(self._columns.brand, codes)
        missing = self._columns.brand == UNKNOWN
        if missing.any():
            for name in names:
                found |= missing & self._titled(fold(name))
        return found

    def _in_categories(self, names: Iterable[str]) -> Mask:
        """Products with one of the categories at any level; "Shoes > Trail" needs all of its levels."""
        found = np.zeros(len(self), np.bool_)
        for name in names:
            levels = [self._flags(f"c\t{fold(level)}", len(self)) for level in name.split(">") if level.strip()]
            if levels:
                found |= np.logical_and.reduce(levels)
        return found

    def _having(self, name: str, values: Iterable[str], *, anywhere: bool) -> Mask:
        """Offers (offers,) with one of the values: in their own option, else in the product's attribute, else in the title.

        The title counts where the field is missing, and for wishes only in `TITLE_FIELDS`; an exclusion (`anywhere`)
        looks there for any field: "without wheels" must not show a "suitcase with wheels".
        """
        name = canonical(name)
        offers = len(self._owner)
        optioned = self._flags(f"on\t{name}", offers)
        own = np.zeros(offers, np.bool_)
        common = np.zeros(len(self), np.bool_)
        titled = np.zeros(len(self), np.bool_)
        use_title = anywhere or name in TITLE_FIELDS
        brand = self._of_brand(values) if name == "brand" else None
        for value in values:
            own[self._posting(f"o\t{name}\t{fold(value)}")] = True
            common[self._posting(f"a\t{name}\t{fold(value)}")] = True
            if use_title:
                titled |= self._titled(fold(value))
        if brand is not None:
            common |= brand
        attributed = self._flags(f"an\t{name}", len(self))
        product = common | (titled & ~attributed)
        return own | (~optioned & product[self._owner])

    def _priced(self, limit: PriceRange) -> tuple[Mask, Mask]:
        """(offers with a comparable price, offers whose price is inside the limit)."""
        code = self._currencies.index(limit.currency) if limit.currency in self._currencies else -2
        known = (self.offer_price != UNKNOWN) & (self._columns.offer_currency == code)
        inside = known.copy()
        if limit.min is not None:
            inside &= self.offer_price >= limit.min
        if limit.max is not None:
            inside &= self.offer_price <= limit.max
        return known, inside

    def _any(self, offers: Mask) -> Mask:
        """(products,) whether any offer of the product is set."""
        found = np.zeros(len(self), np.bool_)
        found[self._owner[offers]] = True
        return found

    def _flags(self, key: str, size: int) -> Mask:
        flags = np.zeros(size, np.bool_)
        flags[self._posting(key)] = True
        return flags

    def _posting(self, key: str) -> NDArray[np.int32]:
        """The places of one key: products or offers, as the key says."""
        place = self._keys.get(key)
        starts = self._columns.posting_starts
        return (
            self._columns.postings[:0] if place is None else self._columns.postings[starts[place] : starts[place + 1]]
        )

    def carries(self, category: str, name: str, value: str | None = None) -> bool:
        """Whether a product of the category has the attribute, as its own or an option; with `value`, that value of it."""
        return self._carried(fold(category), canonical(name), None if value is None else fold(value))

    def _carries(self, category: str, name: str, value: str | None) -> bool:
        inside = self._flags(f"c\t{category}", len(self))  # (products,)
        kinds = ("an", "on") if value is None else ("a", "o")
        own, options = (f"{kind}\t{name}" if value is None else f"{kind}\t{name}\t{value}" for kind in kinds)
        return bool(inside[self._posting(own)].any() or inside[self._owner[self._posting(options)]].any())

    def in_a_title(self, words: str) -> bool:
        """Whether a product's title has these words in this order."""
        return bool(self._titled(fold(words)).any())

    def _in_title(self, words: str) -> Mask:
        """(products,) whose title has the words as whole words; Chinese, which has no spaces, anywhere."""
        found = np.zeros(len(self), np.bool_)
        if not words or "\n" in words:
            return found
        text, place = self._titles, self._titles.find(words)
        hits = []
        while place >= 0:
            before = text[place - 1] if place else "\n"
            after = text[place + len(words)] if place + len(words) < len(text) else "\n"
            if not (_joins(before, words[0]) or _joins(words[-1], after)):
                hits.append(place)
            place = text.find(words, place + 1)
        if hits:
            found[np.searchsorted(self._title_starts, hits, side="right") - 1] = True
        found.flags.writeable = False
        return found

    def _lowest_prices(self) -> NDArray[np.float64]:
        """(products,) the lowest price of what can be ordered, in major units; nan where unknown."""
        digits = np.array([10.0 ** minor_digits(currency) for currency in self._currencies] or [1.0])
        price = self.offer_price / digits[self._columns.offer_currency]
        price[self.offer_price == UNKNOWN] = np.nan
        lowest = np.full(len(self), np.nan)
        able = _ORDERABLE[self.offer_availability]
        for chosen in (
            np.ones_like(able),
            able,
        ):  # the orderable ones overwrite, so that sold-out ones count only alone
            best = np.full(len(self), np.inf)
            np.minimum.at(best, self._owner[chosen], np.where(np.isnan(price), np.inf, price)[chosen])
            lowest = np.where(np.isinf(best), lowest, best)
        return lowest

    def _with(self, offers: list[OfferLike]) -> Facets:
        """These facets under newer offers; the last such view is kept, because the same offers come with every query."""
        laid = self._laid
        if laid is not None and laid[0] == offers:
            return laid[1]
        price, currency = self.offer_price.copy(), self._columns.offer_currency.copy()
        availability, currencies = self.offer_availability.copy(), list(self._currencies)
        none_left = np.zeros(len(price), np.bool_)  # by the last offer that spoke of stock
        for offer in offers:
            row = self._row_of(offer.product_id)
            if row is None or not self.is_news(row, offer):
                continue
            places = np.arange(self.starts[row], self.starts[row + 1])
            if offer.variant_id is not None:
                places = np.array([place for place in places if self.variant_ids[place] == offer.variant_id], np.int64)
            if offer.price is not None:
                if offer.price.currency not in currencies:
                    currencies.append(offer.price.currency)
                price[places] = offer.price.amount
                currency[places] = currencies.index(offer.price.currency)
            if offer.availability is not None:
                availability[places] = _AVAILABILITIES.index(Availability(offer.availability))
                none_left[places] = False
            if offer.stock is not None:
                none_left[places] = offer.stock == 0
        gone = none_left & (availability == _AVAILABILITIES.index(Availability.IN_STOCK))
        availability[gone] = _AVAILABILITIES.index(Availability.OUT_OF_STOCK)
        view = copy.copy(self)  # shares everything but what the offers change
        view._columns = replace(self._columns, offer_currency=currency)
        view._currencies = currencies
        view.offer_price, view.offer_availability = price, availability
        view.price = view._lowest_prices()
        self._laid = (offers, view)
        return view

    @classmethod
    def build(cls, products: Iterable[Product], row_of: Callable[[str], int | None]) -> Facets:
        """The facets of `products`, in the order of their rows."""
        builder = _Builder()
        for product in products:
            builder.add(product)
        return cls(*builder.finish(), row_of)

    def save(self, folder: Path) -> None:
        """Writes `.npy` files and `words.json` into an existing folder."""
        self._columns.save(folder)
        (folder / "words.json").write_text(json.dumps(self._words, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, row_of: Callable[[str], int | None], read_at: Ints | None = None) -> Facets:
        """What `save` wrote; the caller has checked the hashes."""
        try:
            words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
            return cls(_Columns.load(folder), words, row_of, read_at)
        except (OSError, ValueError, KeyError) as error:
            raise Damaged(f"{folder} holds no facets: {error}.", "Build the index again.") from error


class _Builder:
    """Collects columns and postings product by product.

    Keys of the postings: "c⇥category", "an⇥name" and "a⇥name⇥value" hold products; "on⇥name" and "o⇥name⇥value" hold
    offers, as does "unnamed", the offers of products without variants.
    """

    def __init__(self) -> None:
        self.starts: list[int] = [0]
        self.prices: list[tuple[int, int, int]] = []
        self.currencies: dict[str, int] = {}
        self.rating: list[tuple[float, int, float, int]] = []
        self.postings: defaultdict[str, list[int]] = defaultdict(list)
        self.variant_ids: list[str] = []
        self.titles: list[str] = []
        self.brands: Counter[str] = Counter()
        self.brand_codes: dict[str, int] = {}
        self.spellings: dict[str, Counter[str]] = defaultdict(Counter)
        self.values: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))

    def add(self, product: Product) -> None:
        row = len(self.starts) - 1
        stars = product.rating
        published = product.published_at.timestamp() if product.published_at else float("nan")
        brand = self.brand_codes.setdefault(fold(product.brand), len(self.brand_codes)) if product.brand else UNKNOWN
        if product.brand:
            self.spellings[f"b\t{fold(product.brand)}"][product.brand] += 1
        value, count = (stars.value, stars.count) if stars else (float("nan"), 0)
        self.rating.append((value, count, published, brand))
        self.titles.append(fold(product.title))
        for name in {fold(name): name for name in product.categories}.values():
            self.postings[f"c\t{fold(name)}"].append(row)
            self.spellings[f"c\t{fold(name)}"][name] += 1
        seen: set[tuple[str, str]] = set()
        for name, values in product.attributes.items():
            self.postings[f"an\t{canonical(name)}"].append(row)
            for value_ in {part for value in values for part in parts_of(value)}:
                self.postings[f"a\t{canonical(name)}\t{value_}"].append(row)
            self._counted(name, values, seen)
        if product.variants:
            for variant in product.variants:
                place = len(self.variant_ids)
                # A variant is never more available than its product.
                availability = sold_out(variant.availability, variant.stock)
                if availability.orderable and not product.availability.orderable:
                    availability = product.availability
                self._offer(variant.id, variant.price or product.price, availability)
                for name, option in variant.options.items():
                    self.postings[f"on\t{canonical(name)}"].append(place)
                    for part in parts_of(option):
                        self.postings[f"o\t{canonical(name)}\t{part}"].append(place)
                    self._counted(name, (option,), seen)
        else:
            self.postings["unnamed"].append(len(self.variant_ids))
            self._offer("", product.price, sold_out(product.availability, product.stock))
        self.starts.append(len(self.variant_ids))

    def _offer(self, variant_id: str, price: PriceLike | None, availability: Availability) -> None:
        self.variant_ids.append(variant_id)
        currency = self.currencies.setdefault(price.currency, len(self.currencies)) if price else 0
        self.prices.append((price.amount if price else UNKNOWN, currency, _AVAILABILITIES.index(availability)))

    def _counted(self, name: str, values: Iterable[str], seen: set[tuple[str, str]]) -> None:
        """Counts each value once a product, and remembers how names and values are spelled."""
        key = canonical(name)
        self.spellings[f"n\t{key}"][name] += 1
        for value in values:
            if (key, fold(value)) not in seen:
                seen.add((key, fold(value)))
                self.values[key][fold(value)][value] += 1

    def finish(self) -> tuple[_Columns, dict[str, Any]]:
        keys = list(self.postings)
        sizes = [len(self.postings[key]) for key in keys]
        flat = [place for key in keys for place in self.postings[key]]
        price = np.array(self.prices, np.int64).reshape(-1, 3)
        rating = np.array(self.rating, np.float64).reshape(-1, 4)
        columns = _Columns(
            starts=np.array(self.starts, np.int64),
            offer_price=np.ascontiguousarray(price[:, 0]),
            offer_currency=price[:, 1].astype(np.int16),
            offer_availability=price[:, 2].astype(np.int8),
            rating=rating[:, 0].astype(np.float32),
            rating_count=rating[:, 1].astype(np.int32),
            published=np.ascontiguousarray(rating[:, 2]),
            brand=rating[:, 3].astype(np.int32),
            posting_starts=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
            postings=np.array(flat, np.int32),
        )
        return columns, {
            "keys": keys,
            "currencies": list(self.currencies),
            "variant_ids": self.variant_ids,
            "titles": "\n".join(self.titles),
            # The order of `brands` is that of the codes in the column.
            "brands": {self._spelled("b", code): self.spellings[f"b\t{code}"].total() for code in self.brand_codes},
            "categories": {
                self._spelled("c", key[2:]): len(places) for key, places in self.postings.items() if key[:2] == "c\t"
            },
            "attributes": {
                self._spelled("n", name): {count.most_common(1)[0][0]: count.total() for count in values.values()}
                for name, values in self.values.items()
            },
        }

    def _spelled(self, kind: str, key: str) -> str:
        return self.spellings[f"{kind}\t{key}"].most_common(1)[0][0]


def canonical(name: str) -> str:
    """The one name of an attribute that shops spell differently: "Colour" and "颜色" are "color"."""
    folded = fold(name)
    return _SAME_NAME.get(folded, folded)


def parts_of(value: str) -> set[str]:
    """The folded value, and its parts where it is a list: "Leather, Mesh" → {"leather, mesh", "leather", "mesh"}."""
    whole = fold(value)
    parts = [part for part in _PARTS.split(whole) if part]
    listed = len(parts) > 1 and all(len(part) <= _LONGEST_PART and any(map(str.isalpha, part)) for part in parts)
    return {whole, *parts} if listed else {whole}


def _joins(one: str, other: str) -> bool:
    """Whether two neighbouring characters belong to one word."""
    return one.isalnum() and other.isalnum() and not (is_cjk(one) or is_cjk(other))
