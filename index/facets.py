"""What products are filtered by, column by column in numpy: price, availability, brand, categories, attributes, rating.

The unit is the offer: one for each variant, or the product itself where it has none. A product passes where one offer keeps
all conditions on price, options and availability together: a shirt that is blue only in L and cheap only in S is not a
cheap blue shirt. With conditions in force a sold-out variant never makes its product pass.

It is long because the columns, what builds them and what newer offers do to them have to agree place by place.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from index.attributes import canonical
from index.clean import fold
from index.facet_writer import AVAILABILITIES, HELD, UNKNOWN, Columns, FacetWriter, held_by
from index.filters import Filters, PriceRange
from index.money import minor_digits
from index.postings import Postings, key_of
from index.product import Availability, Product
from index.strings import Strings
from index.titles import Titles
from storage.errors import Damaged

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

TITLE_FIELDS: Final = frozenset({"brand", "color", "size", "material"})
_CARRIED: Final = 16_384  # answers of `Facets.carries` that are remembered
_MOST_HAVING: Final = (
    32  # of the values that shoppers ask for, mostly colors and sizes, is kept who has them: a byte a product
)
_MOST_FLAGS: Final = 8  # keys whose flags are kept, a byte a product or an offer each
_DENSE: Final = 20  # fewer set offers than one of so many are looked up one by one


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
    _passing: Callable[[Ints], Mask]  # (places,) whether the offers at some places pass

    @property
    def price(self) -> NDArray[np.float64]:
        """(products,) the lowest price of what can be ordered, newer offers included, in major units; nan where unknown."""
        return self._facets.price

    def variant_of(self, row: int, fit: NDArray[np.float32] | None = None) -> str | None:
        """The id of the cheapest variant of a product that keeps all conditions; None where it has no variants.

        `fit` (variants, 2) says how many of each one's options the customer's words name, and how exactly: the best named goes
        first, and of equally named ones what can be ordered.
        """
        facets = self._facets
        start = int(facets.starts[row])
        places = np.arange(start, facets.starts[row + 1])
        passing = places[self._passing(places)]
        if not len(passing) or not facets.variant_ids[int(passing[0])]:
            return None
        price = facets.offer_price[passing]
        named, exactly = np.zeros((2, len(passing)), np.float32) if fit is None else fit[passing - start].T
        # The last is the first to decide. A known price goes before an unknown one.
        keys = (price, price == UNKNOWN, -exactly, ~_orderable(facets.offer_availability[passing]), -named)
        return facets.variant_ids[int(passing[np.lexsort(keys)[0]])]

    def orderable(self, row: int, variant: int) -> bool:
        """Whether the variant at a place among the product's own can be bought, by newer offers too."""
        place = self._facets.starts[row] + variant
        return bool(_orderable(self._facets.offer_availability[place : place + 1])[0])


@dataclass(frozen=True, slots=True)
class _Ends:
    """Prices of what is shown of each product, in minor units of one currency; all arrays are (products,)."""

    lowest: NDArray[np.float64]  # inf where none is known
    highest: NDArray[np.float64]  # -inf where none is known
    lacking: Mask  # whether an offer has no price to compare
    lacks: bool  # whether any product is lacking


@dataclass(frozen=True, slots=True)
class _Parted:
    """The shown offers of each product by whether they have an option of some name; all arrays are (products,)."""

    optioned: NDArray[np.int32]  # how many have
    plain: Mask  # whether any has not


class Facets:
    """The columns of one snapshot. Safe to share between threads.

    `row_of` finds the row of a product id, for the offers that `mask` lays over the snapshot; `read_at` (products,) is when
    each product was read from a catalog, in milliseconds: an older offer says nothing that the catalog does not know.
    """

    def __init__(
        self,
        columns: Columns,
        postings: Mapping[str, Postings],
        words: dict[str, Any],
        variant_ids: Strings,
        titles: Titles,
        row_of: Callable[[str], int | None],
        read_at: Ints | None = None,
    ) -> None:
        self._columns = columns
        self._postings = postings
        self.read_at = read_at
        self.titles = titles
        self.variant_ids = variant_ids  # (offers,) "" for the one offer of a product without variants
        self._words = words
        self._row_of = row_of
        self.starts = columns.starts
        self.offer_price = columns.offer_price
        self.offer_availability = columns.offer_availability
        self.rating = columns.rating
        self.rating_count = columns.rating_count
        self.published = columns.published
        self._currencies: list[str] = words["currencies"]
        # (offers,) the product of each offer; None where each has one, as in most large catalogs, and places are rows.
        self._owner: NDArray[np.int64] | None = None
        if len(self.offer_price) != len(self):
            self._owner = np.repeat(np.arange(len(self)), np.diff(columns.starts))
        self._brand_codes = {fold(name): place for place, name in enumerate(words["brands"])}
        # The one offer of a product without variants, which is shown even when it is sold out.
        self._single = self._flags("unnamed", len(self.offer_price))
        self._shown = self._single | _orderable(self.offer_availability)
        self.price = self._lowest_prices()
        self._laid: tuple[list[OfferLike], Facets] | None = None
        self._priced: tuple[str, Mask] | None = None
        self._ends: tuple[str, _Ends] | None = None
        self._parted_kept: dict[str, _Parted] = {}
        self._having_kept: dict[tuple[str, tuple[str, ...], bool], Mask] = {}
        self._flags_kept: dict[str, Mask] = {}
        self._rows_on_offer: dict[str, int | None] = {}  # a change of one offer is laid with all the others again
        self._carried: dict[tuple[str, str, str | None], bool] = {}  # a cache around a method would keep this alive

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
        alone = self._alone(products, filters)
        if alone is not None:
            return alone
        excluded = self._excluded_offers(filters)
        if filters.price is None and not filters.attributes and not filters.availability and excluded is None:
            return FacetMask(products, 0, self, _all)
        if filters.availability:
            wanted = [self.offer_availability == AVAILABILITIES.index(each) for each in filters.availability]
            kept = np.logical_or.reduce(wanted)  # (offers,)
        else:
            kept = self._shown.copy()
        for name, values in filters.attributes.items():
            kept &= self._having(name, values, anywhere=False)
        if excluded is not None:
            kept &= ~excluded
        if filters.price is None:
            return FacetMask(products & self._any(kept), 0, self, kept.__getitem__)
        known = self._known(filters.price.currency)
        lacking = kept & ~known
        kept &= known
        if filters.price.min is not None:
            kept &= self.offer_price >= filters.price.min
        if filters.price.max is not None:
            kept &= self.offer_price <= filters.price.max
        any_kept = self._any(kept)
        unknown = int(np.count_nonzero(products & self._any(lacking) & ~any_kept)) if lacking.any() else 0
        return FacetMask(products & any_kept, unknown, self, kept.__getitem__)

    def _alone(self, products: Mask, filters: Filters) -> FacetMask | None:
        """The mask where one condition alone is asked of an offer, without a look at all of them; None where several are."""
        wanted, unwanted = filters.attributes, filters.exclude.attributes
        if filters.availability or bool(filters.price) + len(wanted) + len(unwanted) != 1:
            return None
        if filters.price is not None:
            return self._priced_alone(products, filters.price)
        ((name, values),) = (wanted or unwanted).items()
        return self._attribute_alone(products, name, values, wanted=bool(wanted))

    def _priced_alone(self, products: Mask, limit: PriceRange) -> FacetMask:
        """Where nothing but the price is asked of an offer, a product's lowest and highest price say nearly all."""
        ends = self._ends_of(limit.currency)
        low = 0 if limit.min is None else limit.min
        high = np.finfo(np.float64).max if limit.max is None else limit.max  # less than the inf of an unknown price
        passing = (ends.lowest >= low) & (ends.lowest <= high)
        if limit.min is not None:  # else the highest is inside only where the lowest is
            passing |= (ends.highest >= low) & (ends.highest <= high)
        between = np.flatnonzero(products & (ends.lowest < low) & (ends.highest > high))
        if len(between):  # the limit lies between the two: their other offers are asked one by one
            starts, counts = self.starts[between], self.starts[between + 1] - self.starts[between]
            first = np.cumsum(counts) - counts
            places = np.repeat(starts - first, counts) + np.arange(int(counts.sum()))
            passing[between] = np.logical_or.reduceat(self._inside(limit, places), first)
        unknown = int(np.count_nonzero(products & ends.lacking & ~passing)) if ends.lacks else 0
        return FacetMask(products & passing, unknown, self, partial(self._inside, limit))

    def _inside(self, limit: PriceRange, places: Ints) -> Mask:
        """(places,) whether offers are shown and their price is inside the limit."""
        price = self.offer_price[places]
        passing: Mask = self._shown[places] & self._known(limit.currency)[places]
        passing &= (price >= (limit.min or 0)) & (price <= (np.inf if limit.max is None else limit.max))
        return passing

    def _attribute_alone(self, products: Mask, name: str, values: Iterable[str], *, wanted: bool) -> FacetMask:
        """Where nothing but one attribute is asked of an offer, wanted or not: the offers that have a value are counted."""
        asked = canonical(name), tuple(map(fold, values)), wanted
        found = self._having_kept.get(asked)
        if found is None:
            if len(self._having_kept) >= _MOST_HAVING:
                self._having_kept.clear()
            found = self._having_kept[asked] = self._products_passing(*asked)
        return FacetMask(products & found, 0, self, _Having(self, *asked))

    def _products_passing(self, name: str, values: Sequence[str], wanted: bool) -> Mask:
        """(products,) whether an offer has one of the values, or where that is not wanted has none of them."""
        parted = self._parted(name)
        own = _united([self._places(f"o\t{name}\t{value}") for value in values])
        own = own[self._shown[own]]
        owners = own if self._owner is None else self._owner.take(own)
        common = self._products_having(name, values, anywhere=not wanted)
        if not wanted:
            passing: Mask = (parted.optioned > np.bincount(owners, minlength=len(self))) | (parted.plain & ~common)
            return passing
        passing = parted.plain & common
        passing[owners] = True
        return passing

    def _parted(self, name: str) -> _Parted:
        """How many shown offers of each product have an option of that name, and whether any has none."""
        parted = self._parted_kept.get(name)
        if parted is None:
            if len(self._parted_kept) >= _MOST_FLAGS:
                self._parted_kept.clear()
            optioned = self._kept_flags(f"on\t{name}", len(self.offer_price)) & self._shown
            places = np.flatnonzero(optioned)
            owners = places if self._owner is None else self._owner[places]
            counts = np.bincount(owners, minlength=len(self)).astype(np.int32)
            parted = self._parted_kept[name] = _Parted(counts, self._any(self._shown & ~optioned))
        return parted

    def _ends_of(self, currency: str) -> _Ends:
        """What the offers of each product cost; the last answer is kept, for a shop asks in its own currency."""
        kept = self._ends
        if kept is None or kept[0] != currency:
            known = self._known(currency) & self._shown
            lacking = self._any(self._shown & ~self._known(currency))
            lowest = np.where(known, self.offer_price, np.inf)
            highest = np.where(known, self.offer_price, -np.inf)
            if self._owner is not None:
                lowest = np.minimum.reduceat(lowest, self.starts[:-1])
                highest = np.maximum.reduceat(highest, self.starts[:-1])
            self._ends = kept = (currency, _Ends(lowest, highest, lacking, bool(lacking.any())))
        return kept[1]

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
        brand = self._columns.brand
        found: Mask = np.zeros(len(self), np.bool_)
        for code in codes:
            found |= brand == code
        for name in names:
            titled = self.titles.having(fold(name))
            found[titled[brand[titled] == UNKNOWN]] = True
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
        name, values = canonical(name), list(values)
        offers = len(self.offer_price)
        own = np.zeros(offers, np.bool_)
        for value in values:
            own[self._places(f"o\t{name}\t{fold(value)}")] = True
        optioned = self._kept_flags(f"on\t{name}", offers)
        return own | (~optioned & self._of_offers(self._products_having(name, values, anywhere=anywhere)))

    def _products_having(self, name: str, values: Sequence[str], *, anywhere: bool) -> Mask:
        """Products (products,) with one of the values in their attribute, else in their title."""
        common = np.zeros(len(self), np.bool_)
        titled = np.zeros(len(self), np.bool_)
        use_title = anywhere or name in TITLE_FIELDS
        brand = self._of_brand(values) if name == "brand" else None
        for value in values:
            common[self._places(f"a\t{name}\t{fold(value)}")] = True
            if use_title:
                titled[self.titles.having(fold(value))] = True
        if brand is not None:
            common |= brand
        attributed = self._kept_flags(f"an\t{name}", len(self))
        return common | (titled & ~attributed)

    def _known(self, currency: str) -> Mask:
        """(offers,) whether there is a price in this currency; the last answer is kept, for a shop asks in its own."""
        priced = self._priced
        if priced is None or priced[0] != currency:
            code = self._currencies.index(currency) if currency in self._currencies else -2
            known = (self.offer_price != UNKNOWN) & (self._columns.offer_currency == code)
            self._priced = priced = (currency, known)
        return priced[1]

    def _of_offers(self, products: Mask) -> Mask:
        """(offers,) what is so of each offer's product."""
        return products if self._owner is None else products.take(self._owner)

    def _any(self, offers: Mask) -> Mask:
        """(products,) whether any offer of the product is set."""
        if self._owner is None:
            return offers
        if np.count_nonzero(offers) * _DENSE < len(offers):
            found = np.zeros(len(self), np.bool_)
            found[self._owner.take(np.flatnonzero(offers))] = True
            return found
        # How many are set before each product: five times as fast as `logical_or.reduceat`.
        before = np.zeros(len(offers) + 1, np.int32)
        np.cumsum(offers, out=before[1:])
        at = before[self.starts]  # (products + 1,)
        return np.greater(at[1:], at[:-1])

    def _flags(self, key: str, size: int) -> Mask:
        flags = np.zeros(size, np.bool_)
        flags[self._places(key)] = True
        return flags

    def _places(self, key: str) -> NDArray[np.int32]:
        """The products or offers of a key, ascending."""
        return self._postings[held_by(key)].rows_of(key_of(key))

    def carries(self, category: str, name: str, value: str | None = None) -> bool:
        """Whether a product of the category has the attribute, as its own or an option; with `value`, that value of it."""
        asked = fold(category), canonical(name), None if value is None else fold(value)
        if (known := self._carried.get(asked)) is None:
            if len(self._carried) >= _CARRIED:
                self._carried.clear()
            known = self._carried[asked] = self._carries(*asked)
        return known

    def _carries(self, category: str, name: str, value: str | None) -> bool:
        inside = self._flags(f"c\t{category}", len(self))  # (products,)
        kinds = ("an", "on") if value is None else ("a", "o")
        own, options = (f"{kind}\t{name}" if value is None else f"{kind}\t{name}\t{value}" for kind in kinds)
        offered = self._places(options)
        owners = offered if self._owner is None else self._owner[offered]
        return bool(inside[self._places(own)].any() or inside[owners].any())

    def _kept_flags(self, key: str, size: int) -> Mask:
        """`_flags` of a key that nearly every product has and many a query asks for: a color, a size."""
        flags = self._flags_kept.get(key)
        if flags is None:
            if len(self._flags_kept) >= _MOST_FLAGS:
                self._flags_kept.clear()
            flags = self._flags_kept[key] = self._flags(key, size)
        return flags

    def in_a_title(self, words: str) -> bool:
        """Whether a product's title has these words in this order."""
        return bool(len(self.titles.having(fold(words))))

    def _lowest_prices(self) -> NDArray[np.float64]:
        """(products,) the lowest price of what can be ordered, in major units; nan where unknown."""
        digits = np.array([10.0 ** minor_digits(currency) for currency in self._currencies] or [1.0])
        price = self.offer_price / digits[self._columns.offer_currency]
        price[self.offer_price == UNKNOWN] = np.inf
        if self._owner is not None:
            able = np.where(_orderable(self.offer_availability), price, np.inf)
            best = np.minimum.reduceat(able, self.starts[:-1])
            # What is sold out counts only where nothing else is left.
            price = np.where(np.isinf(best), np.minimum.reduceat(price, self.starts[:-1]), best)
        price[np.isinf(price)] = np.nan
        return np.asarray(price, np.float64)

    def _with(self, offers: list[OfferLike]) -> Facets:
        """These facets under newer offers; the last such view is kept, because the same offers come with every query."""
        laid = self._laid
        if laid is not None and laid[0] == offers:
            return laid[1]
        price, currency = self.offer_price.copy(), self._columns.offer_currency.copy()
        availability, currencies = self.offer_availability.copy(), list(self._currencies)
        none_left = np.zeros(len(price), np.bool_)  # by the last offer that spoke of stock
        for offer in offers:
            if offer.product_id not in self._rows_on_offer:
                self._rows_on_offer[offer.product_id] = self._row_of(offer.product_id)
            row = self._rows_on_offer[offer.product_id]
            if row is None or not self.is_news(row, offer):
                continue
            places = slice(*self.starts[row : row + 2].tolist())
            if offer.variant_id is not None:
                ids = self.variant_ids.many(np.arange(places.start, places.stop))
                if offer.variant_id not in ids:
                    continue
                place = places.start + ids.index(offer.variant_id)
                places = slice(place, place + 1)
            if offer.price is not None:
                if offer.price.currency not in currencies:
                    currencies.append(offer.price.currency)
                price[places] = offer.price.amount
                currency[places] = currencies.index(offer.price.currency)
            if offer.availability is not None:
                availability[places] = AVAILABILITIES.index(Availability(offer.availability))
                none_left[places] = False
            if offer.stock is not None:
                none_left[places] = offer.stock == 0
        gone = none_left & (availability == AVAILABILITIES.index(Availability.IN_STOCK))
        availability[gone] = AVAILABILITIES.index(Availability.OUT_OF_STOCK)
        view = copy.copy(self)  # shares everything but what the offers change
        view._columns = replace(self._columns, offer_currency=currency)
        view._currencies = currencies
        view.offer_price, view.offer_availability = price, availability
        view._shown = view._single | _orderable(availability)
        view.price = view._lowest_prices()
        view._priced = view._ends = None
        view._parted_kept, view._having_kept = {}, {}
        view._laid = None  # else each view would keep the one before it
        self._laid = (offers, view)
        return view

    @classmethod
    def build(cls, products: Iterable[Product], folder: Path, row_of: Callable[[str], int | None]) -> Facets:
        """Writes the facets of `products`, in the order of their rows, into an existing empty folder, which is then complete."""
        writer, size = FacetWriter(folder), 0
        for row, product in enumerate(products):
            writer.add(row, product)
            size = row + 1
        writer.close(size)
        return cls.load(folder, row_of)

    @classmethod
    def load(cls, folder: Path, row_of: Callable[[str], int | None], read_at: Ints | None = None) -> Facets:
        """What `build` wrote, memory-mapped; the caller has checked the hashes."""
        try:
            words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
            ids, titles = Strings.load(folder, "variant_ids"), Titles.load(folder)
            postings = {held: Postings.load(folder, held) for held in HELD}
            return cls(Columns.load(folder), postings, words, ids, titles, row_of, read_at)
        except (OSError, ValueError, KeyError) as error:
            raise Damaged(f"{folder} holds no facets: {error}.", "Build the index again.") from error


def _orderable(availability: NDArray[np.int8]) -> Mask:
    """Which can be bought; one comparison for each state is faster than looking each offer up."""
    states = [availability == place for place, each in enumerate(AVAILABILITIES) if each.orderable]
    found: Mask = np.logical_or.reduce(states)
    return found


class _Having:
    """Whether offers pass where one attribute alone is asked for; called with places (places,), it gives a mask of them."""

    def __init__(self, facets: Facets, name: str, values: Sequence[str], wanted: bool) -> None:
        self._facets, self._name, self._values, self._wanted = facets, name, values, wanted

    def __call__(self, places: Ints) -> Mask:
        facets, name = self._facets, self._name
        rows = places if facets._owner is None else facets._owner[places]
        optioned = facets._kept_flags(f"on\t{name}", len(facets.offer_price))[places]
        own = np.logical_or.reduce([_among(places, facets._places(f"o\t{name}\t{value}")) for value in self._values])
        passing: Mask = facets._shown[places] & ((own | (~optioned & self._common[rows])) == self._wanted)
        return passing

    @cached_property
    def _common(self) -> Mask:
        """(products,) those that have a value as their own, or in the title."""
        return self._facets._products_having(self._name, self._values, anywhere=not self._wanted)


def _united(postings: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """All of some ascending places, ascending, each once."""
    if len(postings) == 1:
        return postings[0]
    places = np.sort(np.concatenate([np.empty(0, np.int32), *postings]))
    return places[np.diff(places, prepend=-1) > 0]


def _all(places: Ints) -> Mask:
    """(places,) True for each."""
    return np.ones(len(places), np.bool_)


def _among(places: Ints, postings: NDArray[np.int32]) -> Mask:
    """(places,) whether each is one of some ascending places."""
    if not len(postings):
        return np.zeros(len(places), np.bool_)
    wanted = places.astype(postings.dtype)  # else all of the postings would be widened
    found: Mask = postings[np.minimum(np.searchsorted(postings, wanted), len(postings) - 1)] == wanted
    return found
