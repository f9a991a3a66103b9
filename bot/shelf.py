"""What the shop sells as the conversation sees it: products with today's offers over the snapshot, and search."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from index.encoders import Encoder
from index.facets import FacetMask
from index.filters import Filters
from index.graph.terms import language_of, term_of
from index.product import Availability, Money, Product, Variant, sold_out
from index.snapshot import Snapshot
from retrieval.companions import companions
from retrieval.goods import Good
from retrieval.learnt_ranking import PersonalOrder
from retrieval.newcomers import new_reason
from retrieval.profile import Profile
from retrieval.ranking import MAX_REASONS, RankedHit, constraint_reasons, rerank
from retrieval.reasons import Grounds
from retrieval.search import Hit, SearchEngine, Sort
from retrieval.sensitive import untold
from retrieval.sequence import Foresight
from retrieval.sequence.foresight import TURNS_TO
from storage.offers import Offer
from storage.settings import CardOrder

Offers = Callable[[Sequence[str]], Iterable[Offer]]
Sold = TypeVar("Sold", Product, Variant)

CANDIDATES = 30
"""How many hits the personal order may choose from."""
IN_CONTEXT = 200
"""So many of the best rated goods of a category may be popular ones: it bounds what a turn costs in a large shop."""
NOW_LOOKED_AT, OF_EACH = 3, 3
"""Of so many categories that a shopper looked at last, so many products each come first in advice without words."""


@dataclass(frozen=True, slots=True)
class Found:
    """A search.

    The hits in their final order, how many matched in all, how many a price limit left out for want of a price; `grounds` are
    the records that reasons are checked by.
    """

    hits: tuple[RankedHit[Hit], ...]
    total: int
    unknown_price: int
    products: Mapping[str, Product] = field(default_factory=dict)
    grounds: Grounds = field(default_factory=Grounds)

    def orderable(self, ranked: RankedHit[Hit]) -> bool:
        """Whether a hit can be bought now."""
        product = self.products[ranked.hit.product_id]
        variant = product.variant(ranked.hit.variant_id) if ranked.hit.variant_id else None
        return availability_of(product, variant).orderable

    def with_newcomer(self, row: int, product: Product, arrived: int, place: int, today: int) -> Found:
        """The same with a new product at a place, and the reason for it; `arrived` and `today` in milliseconds since 1970."""
        met = constraint_reasons(self.grounds.filters, product, None)
        reasons = (new_reason(product, arrived), *met)[:MAX_REASONS]
        new = RankedHit(Hit(row, product.id, None, 0.0), 0.0, reasons)
        others = tuple(hit for hit in self.hits if hit.hit.product_id != product.id)
        return replace(
            self,
            hits=(*others[:place], new, *others[place:]),
            products={**self.products, product.id: product},
            grounds=replace(self.grounds, arrived={product.id: arrived}, today=today),
        )


@dataclass(frozen=True)
class Shelf:
    """One snapshot with its search engine.

    `offers` looks newer prices and stock up, oldest first; `departments` are root categories, largest first;
    `foresight` says what a shopper turns to next and `ranker` orders in the blend's place, where the shop has trained that.
    """

    snapshot: Snapshot
    engine: SearchEngine
    offers: Offers
    popularity: Mapping[str, float] = field(default_factory=dict)
    departments: tuple[str, ...] = ()
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    foresight: Foresight | None = None
    sensitive: tuple[str, ...] = ()
    ranker: PersonalOrder | None = None

    def product(self, product_id: str) -> Product | None:
        """The product as it is offered now, also by the id of a variant; None where the catalog has none of that id."""
        return self.products([product_id]).get(product_id)

    def products(self, ids: Iterable[str]) -> dict[str, Product]:
        """The products of these ids, their own or of a variant, that exist, as they are offered now."""
        return products_now(self.snapshot, self.offers, ids)

    def spelled(self, offers: Iterable[Offer]) -> list[Offer]:
        """Offers as they are kept: one that names a variant by its own id alone is one on that variant of its product.

        So is one whose id is both a product's and that of one of its variants, which is what feeds with a variant a row have.
        """
        return [self._spelled(offer) for offer in offers]

    def _spelled(self, offer: Offer) -> Offer:
        record = None if offer.variant_id is not None else self.record(offer.product_id)
        if record is None or record.variant(offer.product_id) is None:
            return offer
        return offer.model_copy(update={"product_id": record.id, "variant_id": offer.product_id})

    def goods(self, ids: Iterable[str]) -> dict[str, Good]:
        """Products and variants as what is bought regularly is told from them, as they are offered now."""
        return goods_among(self.products(ids), self.sensitive)

    def names(self, words: str) -> bool:
        """Whether the words stand in the title of a product, or are other words for what does."""
        term = term_of(words)
        return self.snapshot.facets.in_a_title(words) or bool(self.snapshot.graph.meant_by(term, language_of(term)))

    def record(self, product_id: str) -> Product | None:
        """The product as the catalog has it; enough for tastes, which need no price of the moment."""
        row = self.snapshot.row_of(product_id)
        return None if row is None else self.snapshot.products.get(row)

    def category_of(self, item_id: str) -> str | None:
        """The name of the own category of a product, or of the product of a variant; None where there is none."""
        record = self.record(item_id)
        return record.categories[-1] if record is not None and record.categories else None

    def find(
        self,
        text: str,
        filters: Filters,
        sort: Sort = "relevance",
        limit: int = CANDIDATES,
        profile: Profile | None = None,
        clock: Callable[[str], None] = lambda _: None,
        named: Filters | None = None,
        advice: bool = False,
        order: CardOrder = "ranked",
        about: Sequence[str] = (),
        multilingual: bool = False,
    ) -> Found:
        """Searches and orders for one shopper.

        `clock` is told when a stage ends; `named` are the conditions that may be given as reasons, by default all;
        `advice` and `multilingual` as in `SearchEngine.search`; `order` says whether taste may change the order by
        relevance. `about` are the categories of the goods that the talk is about: of a stranger who says nothing it is all
        that is known.
        """
        result = self.engine.search(text, filters, sort, limit, advice, multilingual)
        clock("search")
        hits = result.hits if result.matched else []
        if not text and sort == "relevance" and order == "ranked":
            first = self._foreseen(profile, filters, limit // 2) if profile is not None and profile.recent else []
            # Of a stranger nothing is known but the goods that conditions or the talk name.
            first = first or self._in_context(filters, filters.categories or about)[: limit // 2]
            hits = _before(first, hits, limit) if first else hits
        products = self.products(hit.product_id for hit in hits)
        grounds = Grounds(profile or Profile(now=0), filters if named is None else named, self.popularity)
        ranked = rerank(
            [hit for hit in hits if hit.product_id in products],
            grounds.profile,
            products.get,
            filters=grounds.filters,
            popularity=self.popularity,
            reorder=sort == "relevance" and order == "ranked",
            ranker=self.ranker,
        )
        clock("ranking")
        total = result.total if result.matched else 0
        return Found(tuple(ranked), total, result.unknown_price, products, grounds)

    def _foreseen(self, profile: Profile, filters: Filters, limit: int) -> list[Hit]:
        """What comes next for the shopper; without foresight, what is popular in the categories that they look at now."""
        if self.foresight is not None:
            allowed = self.snapshot.facets.mask(filters, list(self.engine.offers())).allowed
            coming = self.foresight.next(profile.recent, allowed, limit)
            if coming:
                return coming
        turned_to = [item.item_id for event in profile.recent if event.event in TURNS_TO for item in event.items]
        leaves = dict.fromkeys(name for item in reversed(turned_to) if (name := self.category_of(item)) is not None)
        # A profile holds no category that is special, or that the shopper has removed.
        liked = [name for name in leaves if profile.weights.get(("category", name), 0.0) > 0][:NOW_LOOKED_AT]
        own = {self.snapshot.product_id(item) for item in turned_to}
        found = [[hit for hit in self._in_context(filters, (name,)) if hit.product_id not in own] for name in liked]
        return [hit for each in found for hit in each[:OF_EACH]]

    def _in_context(self, filters: Filters, categories: Sequence[str]) -> list[Hit]:
        """The `IN_CONTEXT` best rated of some categories, the most popular first; those that the conditions let through."""
        if not categories:
            return []
        # A condition on categories holds beside them.
        allowed = self.snapshot.facets.mask(filters).allowed if filters.categories else None
        context = filters.model_copy(update={"categories": tuple(categories)})
        listed = self.engine.search("", context, limit=IN_CONTEXT).hits
        kept = [hit for hit in listed if allowed is None or allowed[hit.row]]
        return sorted(kept, key=lambda hit: -self.popularity.get(hit.product_id, 0.0))

    def open_to(self, filters: Filters) -> FacetMask:
        """The products that keep every condition and can be bought now."""
        orderable = filters.availability or tuple(each for each in Availability if each.orderable)
        return self.snapshot.facets.mask(
            filters.model_copy(update={"availability": orderable}), list(self.engine.offers())
        )

    def companions(self, product_id: str, limit: int, profile: Profile | None = None) -> Found:
        """What goes with a product and can be bought now, in the order of `retrieval.companions`, with reasons."""
        row = self.snapshot.row_of(product_id)
        if row is None:
            return Found((), 0, 0)
        hits = companions(self.snapshot, row, self.open_to(Filters()).allowed, limit)
        products = self.products(hit.product_id for hit in hits)
        grounds = Grounds(profile or Profile(now=0), popularity=self.popularity)
        ranked = rerank(hits, grounds.profile, products.get, popularity=self.popularity, reorder=False)
        return Found(tuple(ranked), len(ranked), 0, products, grounds)


def _before(first: Sequence[Hit], then: Sequence[Hit], limit: int) -> list[Hit]:
    """The first `limit` of both, each product once; their relevance falls evenly from 1 to 0."""
    rows = {hit.row for hit in first}
    merged = [*first, *(hit for hit in then if hit.row not in rows)][:limit]
    return [replace(hit, score=1 - place / len(merged)) for place, hit in enumerate(merged)]


def goods_among(products: Mapping[str, Product], sensitive: Collection[str] = ()) -> dict[str, Good]:
    """Products by their own ids and those of variants, as what is bought regularly is told from them.

    Those of which nothing may be concluded are none: nobody is reminded of them, or written to for them.
    """
    found = {}
    for item_id, product in products.items():
        if untold(product, sensitive):
            continue
        variant = product.variant(item_id)
        orderable = availability_of(product, variant).orderable
        found[item_id] = Good(product.id, title_of(product, variant), product.categories, orderable)
    return found


def products_now(snapshot: Snapshot, offers: Offers, ids: Iterable[str]) -> dict[str, Product]:
    """The products of these ids, their own or of a variant, that the snapshot has, under the newer of the offers."""
    rows = {each: row for each in dict.fromkeys(ids) if (row := snapshot.row_of(each)) is not None}
    records = {row: snapshot.products.get(row) for row in dict.fromkeys(rows.values())}
    row_of = {record.id: row for row, record in records.items()}
    news: dict[int, list[Offer]] = {}
    for offer in offers(list(row_of)) if row_of else ():
        row = row_of.get(offer.product_id)
        if row is not None and snapshot.facets.is_news(row, offer):
            news.setdefault(row, []).append(offer)
    now = {row: offered(record, news.get(row, ())) for row, record in records.items()}
    return {each: now[row] for each, row in rows.items()}


def offered(product: Product, offers: Sequence[Offer]) -> Product:
    """The product under newer offers, by the rules of `Facets.mask`, so that a card says what the filter went by."""
    if not offers:
        return product
    # A variant is never more available than its product, until an offer says so.
    variants = {
        variant.id: variant.model_copy(update={"availability": availability_of(product, variant)})
        for variant in product.variants
    }
    for offer in offers:
        if offer.variant_id is None:
            product = _changed(product, offer)
        for name in variants if offer.variant_id is None else {offer.variant_id} & variants.keys():
            variants[name] = _changed(variants[name], offer)
    changes: dict[str, object] = {"variants": tuple(variants.values())}
    states = [sold_out(variant.availability, variant.stock) for variant in variants.values()]
    if alive := [state for state in states if state.orderable]:
        # What one variant has the product has, whatever was said of it before.
        changes["availability"] = product.availability if product.availability.orderable else alive[0]
        changes["stock"] = product.stock or None
    return product.model_copy(update=changes)


def _changed(one: Sold, offer: Offer) -> Sold:
    changes: dict[str, object] = {}
    if offer.price is not None:
        changes["price"] = Money(amount=offer.price.amount, currency=offer.price.currency)
    if offer.availability is not None:
        changes["availability"] = Availability(offer.availability)
        if one.stock == 0:  # counted before somebody said this
            changes["stock"] = None
    if offer.stock is not None:
        changes["stock"] = offer.stock
    return one.model_copy(update=changes)


def price_of(product: Product, variant: Variant | None = None) -> Money | None:
    """The variant's own price; without a variant what the product starts at: the least of what can be ordered, else of all."""
    if variant is not None or not product.variants:
        return variant.price if variant is not None and variant.price is not None else product.price
    able = [each for each in product.variants if availability_of(product, each).orderable] or product.variants
    prices = [each.price for each in able if each.price is not None]
    currency = product.price.currency if product.price is not None else prices[0].currency if prices else ""
    return min(
        (price for price in prices if price.currency == currency), key=lambda price: price.amount, default=product.price
    )


def availability_of(product: Product, variant: Variant | None = None) -> Availability:
    """A variant is never more available than its product; a product is sold out when all its variants are."""
    if variant is not None:
        own = sold_out(variant.availability, variant.stock)
        return own if product.availability.orderable or not own.orderable else product.availability
    if not product.availability.orderable:
        return product.availability
    if product.variants:
        alive = any(sold_out(each.availability, each.stock).orderable for each in product.variants)
        return product.availability if alive else Availability.OUT_OF_STOCK
    return sold_out(product.availability, product.stock)


def stock_of(product: Product, variant: Variant | None = None) -> int | None:
    """Pieces left, None where nobody counts them."""
    return variant.stock if variant is not None and variant.stock is not None else product.stock


def title_of(product: Product, variant: Variant | None = None) -> str:
    """The product's title with the options behind it that tell the variant from others: "Trail shoe (blue, 42)"."""
    if variant is None:
        return product.title
    names = telling_options(product)
    options = ", ".join(variant.options[name] for name in names if name in variant.options) or variant.title
    said = not options or re.search(rf"(?<!\w){re.escape(options)}(?!\w)", product.title, re.IGNORECASE)
    return product.title if said else f"{product.title} ({options})"


def telling_options(product: Product) -> list[str]:
    """Names of the options that it takes to tell the variants apart, in the catalog's order; of a single variant all.

    Shirts in colors and sizes may weigh differently too, but nobody chooses them by that.
    """
    names = list(dict.fromkeys(name for variant in product.variants for name in variant.options))
    if len(product.variants) == 1:
        return names
    chosen: list[str] = []
    apart = 1
    for name in names:
        found = len({tuple(variant.options.get(each) for each in (*chosen, name)) for variant in product.variants})
        if found > apart:
            chosen.append(name)
            apart = found
    return chosen
