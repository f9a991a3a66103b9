"""Search: hard filters first, then keywords, meaning, model numbers and typo tolerance fused into one order.

The sources are complementary on real catalogs: model numbers find the exact article, character n-grams survive typos, words
decide whether anything matches, vectors find what is meant by other words. It is long because the sources are weighed against each
other in one place.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.codes import codes_of, stems_of
from index.encoders import Encoder, script_of
from index.facets import FacetMask
from index.filters import Filters
from index.graph.terms import language_of, term_of
from index.snapshot import Snapshot
from index.tokens import words_of
from retrieval.candidates import CANDIDATES, CatalogWords, MeantKind, Scored
from retrieval.expansion import Expansion, expand, goods_named, measures_of
from retrieval.fusion import CENTRAL, CLOSE_BEHIND, KEEP, KEEP_SORTED, WEIGHTS, Evidence, Floor
from retrieval.links import Link, LinkKind
from retrieval.needs import tells_need
from retrieval.reranker import Reranker, remembered_tokens
from retrieval.spelling import Spelling
from retrieval.variants import Said, VariantChoice
from storage.offers import Offer

Result = TypeVar("Result")
Sort = Literal["relevance", "price_asc", "price_desc", "rating", "newest"]
SORTS: tuple[Sort, ...] = ("relevance", "price_asc", "price_desc", "rating", "newest")

ALONE = 50_000  # products; in more, vectors are searched on another core, beside words and keywords
_BESIDE = ThreadPoolExecutor(max_workers=4, thread_name_prefix="search")
ARTICLES = 8  # words of a text that are looked up as a variant's id
NOT_AS_NAMED = 0.8  # of the score of a product whose variant that the words name is sold out: another may have it
REMEMBERED = 512  # vectors of queries, 1.5 kB each
TEXT_CHARACTERS = 1_000  # of a longer text only this much is searched for
PRIOR_RATING, PRIOR_COUNT = 3.8, 8  # a rating of few counts little: the mean is drawn to the prior

# MiniLM's cosines mean the same on every catalog; e5's do not, so its floor is measured with `PROBES`.
LATIN_FLOOR = Floor(zero=0.1, near=0.41, same=0.45)
# e5's cosines tell little apart: in a shop without sofas its rugs are as near as synonyms are. Where the lists name the goods that
# a query looks for, and no product is called so or by another word for it, meaning alone has to be this much nearer: of 392 such
# goods 20 then find something, where 307 did (docs/benchmarks.md).
LACKED, LACKED_LATIN = 0.023, 0.1
# A need is farther from the products that serve it than their names are: "camping trip" has .40 to a tent, "helicopter" .31 to
# what is nearest in the same shop.
ADVICE_FLOOR = Floor(zero=0.1, near=0.3, same=0.36)
# "phone" has .70 to "smartphones" and "couch" .76 to "furniture"; "helicopter" has .52 to "motorcycle", the nearest of a shop
# without them. More words name more than a category.
SAME_KIND, OTHER_KIND, KIND_WORDS = 0.68, 0.08, 2
# Things and phrases of all kinds, most of which any one shop does not sell: their best cosine is what "nothing" looks like.
PROBES = tuple(
    "直升机 钢琴 轮椅 机票 浴缸 摩托车 汽车轮胎 人寿保险 今天天气 游泳池 小提琴 挖掘机 婚纱 彩票 水泥 电梯".split()
    + "讲个笑话 股票 望远镜 棺材 拖拉机 签证 拔牙 房租".split()
)
# The same for other languages, whose cosines are lower. Of 46 goods that the demo shop sells, said in German, French, Spanish,
# Italian and Portuguese, 26 are above the floor, and none of 11 others that it does not sell (docs/benchmarks.md).
FURTHER_PROBES = (
    "Hubschrauber", "Klavier", "Flugticket", "Badewanne", "Motorrad", "Lebensversicherung", "Brautkleid", "piano à queue",
    "billet d'avion", "pneu de voiture", "tracteur", "assurance vie", "motocicleta", "violín", "bañera", "trattore", "helicóptero",
)  # fmt: skip
ABOVE_NOTHING_FURTHER = 0.016
LINK_OF: Mapping[str, LinkKind] = {"same": "synonym", "narrower": "umbrella", "has": "has"}
ABOVE_NOTHING = 0.004  # over all but the most alike of the probes; measured on three catalogs in two languages
_TRACE = np.float32(1e-6)


@dataclass(frozen=True, slots=True)
class Hit:
    """One product that was found.

    `sources` has the normalised score of each source that spoke for it, `links` the edges of the graph by which other words
    than the customer's found it.
    """

    row: int
    product_id: str
    variant_id: str | None
    score: float
    sources: Mapping[str, float] = field(default_factory=dict)
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    `total` counts all that match, of which `hits` are the first. By relevance, where more products have the words than are
    scored in full, those beyond count where their words and spelling alone are relevant enough. `unknown_price` is how many
    a price limit left out because they have no price. `matched` is False where nothing in the catalog fits the words: then
    there are no hits.
    """

    hits: list[Hit]
    total: int
    unknown_price: int
    matched: bool


class SearchEngine:
    """Searches one snapshot. Safe to share between threads.

    `encoders` maps a vector space to its encoder; a space without an encoder, or the other way round, is searched by words
    alone. `offers` returns newer prices and stock, which the filters obey. `reranker` orders the first hits anew; most shops have
    none.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        encoders: Mapping[str, Encoder],
        offers: Callable[[], Iterable[Offer]] = tuple,
        reranker: Reranker | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._encoders = {space: encoder for space, encoder in encoders.items() if space in snapshot.vectors}
        self.offers = offers
        self.spelling = Spelling(snapshot, self._encoders)
        self._rerank(reranker)
        self._vector = _embedding(self._encoders)
        self._called: dict[str, list[int]] = defaultdict(list)  # places of the leaf categories by their names as terms
        for place, name in enumerate(snapshot.categories.names):
            self._called[term_of(name)].append(place)
        self._floors = {space: self._measured_floor(space) for space in self._encoders}
        self._weights = {
            **WEIGHTS,
            **{name: snapshot.retriever.fusion[name] for name in WEIGHTS & snapshot.retriever.fusion.keys()},
        }

    def search(
        self,
        text: str,
        filters: Filters | None = None,
        sort: Sort = "relevance",
        limit: int = 10,
        advice: bool = False,
        multilingual: bool = False,
    ) -> SearchResult:
        """The best `limit` products for `text` among those that `filters` allow.

        A text without words (empty, or only "show me something") lists what is allowed, best rated first. Another sort than
        relevance orders only what is relevant enough, so that the cheapest phone is a phone. `advice` says that the text names
        a need ("gardening") and no product: what is near it in meaning then matches, as it would not for a product's name. So does
        what is near a clause that tells of a need, where nothing else matches it. `multilingual` says that the text is neither
        English nor Chinese: it is compared in the multilingual space, and no word of it is a misspelled one of the catalog.
        """
        filters = filters or Filters()
        mask = self._snapshot.facets.mask(filters, list(self.offers()))
        allowed = mask.allowed
        article = self._article(text[:TEXT_CHARACTERS])
        text = text[:TEXT_CHARACTERS] if multilingual else self.spelling.corrected(text[:TEXT_CHARACTERS])
        words, codes = words_of(text), codes_of(text)
        if not words and not codes:
            if not _says_nothing(text):
                return SearchResult([], 0, mask.unknown_price, matched=False)
            listed = np.flatnonzero(allowed)
            found = Scored(listed, self._rated(listed), {})
            variants = VariantChoice(mask, filters, Said(""))
            hits = self._hits(found, "rating" if sort == "relevance" else sort, limit, mask, variants)
            return SearchResult(hits, len(listed), mask.unknown_price, matched=True)
        expansion = expand(self._snapshot.graph, text)
        # The cheapest of all phones is not among some that were chosen by another order.
        catalog, rows, evidence = self._evidence(
            text, allowed, expansion, article, advice, every=sort != "relevance", multilingual=multilingual
        )
        floor = evidence.floor
        if floor is not None and not advice and self._lacks(text):
            lacked = LACKED_LATIN if floor is LATIN_FLOOR else LACKED
            evidence = replace(evidence, floor=replace(floor, near=math.inf, same=floor.same + lacked))
        matching = evidence.matching()
        if not matching.any() and floor is LATIN_FLOOR and tells_need(text):
            evidence = replace(evidence, floor=ADVICE_FLOOR)
            matching = evidence.matching()
        if not matching.any():
            return SearchResult([], 0, mask.unknown_price, matched=False)
        score, parts = evidence.fused()
        own = evidence.own()
        best, best_own = float(score[matching].max()), float(own[matching].max())
        if sort != "relevance" and evidence.kind.any():
            # The cheapest phone is one of the phones, not the case whose title has the word.
            said = evidence.words[matching & (evidence.kind > 0)].max(initial=0)
            # Of Panasonic's phones, where some of the kind have all the words.
            keep = matching & (evidence.kind > 0) & (evidence.words >= KEEP_SORTED * said)
        elif sort != "relevance":
            keep = matching & (own >= KEEP_SORTED * best_own)
        elif codes or article:  # one article is looked for: those that look like it help, wherever they stop
            keep = score >= KEEP * best
        else:
            close_behind = (score >= CLOSE_BEHIND * best) & (own >= CLOSE_BEHIND * best_own)
            keep = (matching & ((score >= KEEP * best) | (evidence.kind > 0))) | close_behind
        found = Scored(rows[keep], score[keep], {name: values[keep] for name, values in parts.items()})
        total = len(found.rows)
        if sort == "relevance":
            total += catalog.matching_beyond(Scored(rows, score, parts), evidence, KEEP * best)
            found = found if multilingual else self._reranked(found, text)
        others = [each.term for said in expansion.said for each in said.meant if each.sense == "same"]
        hits = self._hits(found, sort, limit, mask, VariantChoice(mask, filters, Said(text, others)))
        linked = [replace(hit, links=self._links(hit.row, expansion)) for hit in hits]
        return SearchResult(linked, total, mask.unknown_price, matched=True)

    def evidence(self, text: str, filters: Filters | None = None) -> tuple[NDArray[np.int64], Evidence]:
        """The candidates of a search by relevance, (candidates,), and what each source says of them: what weights are fitted on."""
        allowed = self._snapshot.facets.mask(filters or Filters(), list(self.offers())).allowed
        text = self.spelling.corrected(text[:TEXT_CHARACTERS])
        expansion = expand(self._snapshot.graph, text)
        return self._evidence(text, allowed, expansion, (), advice=False, every=False)[1:]

    def _links(self, row: int, expansion: Expansion) -> tuple[Link, ...]:
        """The edges by which a row says what it does not say in the customer's words."""
        words, graph = self._snapshot.words, self._snapshot.graph
        links = []
        for said in expansion.said:
            if words.has(row, words_of(said.term)):
                continue
            other = next((each for each in said.meant if words.has(row, words_of(each.term))), None)
            if other is not None:
                links.append(Link(said.term, graph.label_of(other.term), LINK_OF[other.sense], other.evidence))
        return tuple(links)

    def _lacks(self, text: str) -> bool:
        """Whether the text looks for goods by whose name, or another word for it, no product here is called."""
        words, graph = self._snapshot.words, self._snapshot.graph
        goods = goods_named(text)
        for term in goods:
            others = (each.term for each in graph.meant_by(term, language_of(term)))
            if any(words.name(words_of(each)) for each in (term, *others)):
                return False
        return bool(goods)

    def _article(self, text: str) -> list[int]:
        """The rows of products that have a variant whose id is the text, or a word of it with a digit."""
        words = [word for word in text.split() if any(map(str.isdigit, word))]
        rows = map(self._snapshot.variants.row_of, dict.fromkeys((text.strip(), *words[:ARTICLES])))
        return [row for row in rows if row is not None]

    def _catalog(
        self, text: str, expansion: Expansion, allowed: NDArray[np.bool_], article: Sequence[int]
    ) -> CatalogWords:
        snapshot = self._snapshot
        words = words_of(text)
        identified = snapshot.words.identified(codes_of(text))
        identified[list(article)] = 1
        return CatalogWords(
            allowed,
            snapshot.words.coverage(words, (*expansion.concepts, *measures_of(words))),
            identified,
            snapshot.words.stemmed(stems_of(text)),
            snapshot.ngrams.scores(text),
        )

    def _evidence(
        self,
        text: str,
        allowed: NDArray[np.bool_],
        expansion: Expansion,
        article: Sequence[int],
        advice: bool,
        every: bool,
        multilingual: bool = False,
    ) -> tuple[CatalogWords, NDArray[np.int64], Evidence]:
        """What the words say of all products, the candidates of all sources, and what each source says about each of them.

        The best of each source, and where `every` is set all that have the words.
        """
        snapshot = self._snapshot
        further = multilingual and "han" in self._encoders and not self.spelling.is_english(text)
        space = "han" if further else self.space_of(text)
        called = self._categories_called(text)
        vector = close = None
        near: Callable[[], list[NDArray[np.int64]]] = list
        if space is not None:
            vector = self._vector(space, text)  # (dim,)
            close = snapshot.categories.closeness(space, vector)  # (names,)
            # Vectors of another language may take its neighbours for it: what is called so is nearest.
            close[called] = 1
            near = _beside(partial(self._near, space, vector, close, allowed), len(allowed))
        catalog = self._catalog(text, expansion, allowed, article)
        sources = (catalog.words, catalog.codes, catalog.stems, catalog.ngrams)
        found = [_best(scores, allowed) for scores in sources if scores is not None]
        if every:
            found.append(catalog.covered)
        keyword_rows, keyword_scores = snapshot.keywords.search(
            text, max(CANDIDATES, len(found[-1])), allowed, expansion.phrases
        )
        found.append(keyword_rows)
        found.extend(near())
        kind = self._kind(space, vector, text, allowed, called)
        found.append(kind.rows if every else kind.rows[_highest(kind.cosine)])
        rows = np.unique(np.concatenate(found)).astype(np.int64)
        keywords = np.zeros(len(rows), np.float32)
        keywords[np.searchsorted(rows, keyword_rows)] = keyword_scores
        dense = category = np.zeros(len(rows), np.float32)
        if space is not None and vector is not None and close is not None:
            dense = self._encoders[space].on_pretrained_scale(snapshot.vectors[space].similarity(vector, rows))
            category = snapshot.categories.of_rows(close, rows)
        floor = self._further_floor if further else self._floors[space] if space is not None else None
        if floor is LATIN_FLOOR and advice:
            floor = ADVICE_FLOOR
        ngrams = snapshot.ngrams.scores_of(text, rows) if catalog.ngrams is None else catalog.ngrams[rows]
        known = (catalog.words[rows], catalog.codes[rows], catalog.stems[rows], ngrams)
        return catalog, rows, Evidence(*known, dense, keywords, kind.of(rows), category, floor, self._weights)

    def _near(
        self, space: str, vector: NDArray[np.float32], close: NDArray[np.float32], allowed: NDArray[np.bool_]
    ) -> list[NDArray[np.int64]]:
        """The allowed rows nearest to the query, and those nearest among the products of the nearest categories."""
        store, categories = self._snapshot.vectors[space], self._snapshot.categories
        inside = np.zeros(len(allowed), np.bool_)
        for name in np.flatnonzero(close >= CENTRAL):
            inside[categories.rows_of(int(name))] = True
        return [store.search(vector, CANDIDATES, mask)[0] for mask in (allowed, inside & allowed)]

    def _kind(
        self,
        space: str | None,
        vector: NDArray[np.float32] | None,
        text: str,
        allowed: NDArray[np.bool_],
        called: Sequence[int],
    ) -> MeantKind:
        """The products of the category that the text names: of one that is `called` so, else as far as a vector can tell.

        e5's cannot: by it "登山杖" is nearer to hiking boots than to trekking poles.
        """
        categories = self._snapshot.categories
        cosines = np.zeros(len(categories.names), np.float32)  # (names,)
        if called:
            cosines[list(called)] = 1
        elif space is not None and space != "han" and vector is not None and len(words_of(text)) <= KIND_WORDS:
            near = self._encoders[space].on_pretrained_scale(categories.cosines(space, vector))
            enough = near >= max(SAME_KIND, float(near.max(initial=0)) - OTHER_KIND)
            cosines[: len(near)][enough] = near[enough]
        meant = np.flatnonzero(cosines)
        found = [categories.rows_of(int(name)) for name in meant]
        rows = np.concatenate([np.empty(0, np.int64), *found])
        cosine = np.repeat(cosines[meant], [len(each) for each in found]).astype(np.float32)
        passing = allowed[rows]
        return MeantKind(rows[passing], cosine[passing])

    def _categories_called(self, text: str) -> list[int]:
        """The places of the categories that are called what the text looks for, in its words or in others for the same."""
        graph = self._snapshot.graph
        heads = {term for term in (term_of(text), *goods_named(text)) if term in self._called or graph.knows(term)}
        same = {
            other.term for term in heads for other in graph.meant_by(term, language_of(term)) if other.sense == "same"
        }
        return sorted({place for term in heads | same for place in self._called.get(term, ())})

    def reranked_by(self, reranker: Reranker | None) -> Self:
        """This engine with another reranker, or with none; all else is shared."""
        other = copy(self)
        other._rerank(reranker)
        return other

    def _rerank(self, reranker: Reranker | None) -> None:
        self.reranker = reranker
        self._tokens = remembered_tokens(reranker, self._snapshot.products.get) if reranker else None

    def _reranked(self, found: Scored, text: str) -> Scored:
        """The first rows in the order of the reranker, where there is one for such a text.

        They change places and keep among them the scores that stood there, so that these mean what they meant, but for a trace
        that keeps equal ones in order.
        """
        if self.reranker is None or self._tokens is None or not self.reranker.reads(text, self.space_of(text)):
            return found
        first = np.lexsort((found.rows, -found.score))[: self.reranker.candidates]
        if len(first) < 2:
            return found
        products = [self._tokens(int(row)) for row in found.rows[first]]
        better = first[self.reranker.order(text, products, found.score[first])]
        score = found.score.copy()
        score[better] = found.score[first] + _TRACE * np.arange(len(first), 0, -1, dtype=np.float32)
        return replace(found, score=score)

    def _hits(self, found: Scored, sort: Sort, limit: int, mask: FacetMask, variants: VariantChoice) -> list[Hit]:
        hits = []
        for place in self._order(found.rows, found.score, sort, mask, limit):
            row = int(found.rows[place])
            sources = {name: float(values[place]) for name, values in found.parts.items() if values[place] > 0}
            product = self._snapshot.products.get(row)
            variant_id, there = variants.of(row, product)
            score = float(found.score[place]) * (1 if there else NOT_AS_NAMED)
            hits.append(Hit(row, product.id, variant_id, score, sources))
        return sorted(hits, key=lambda hit: -hit.score) if sort == "relevance" else hits

    def _order(
        self, rows: NDArray[np.int64], score: NDArray[np.float32], sort: Sort, mask: FacetMask, limit: int
    ) -> NDArray[np.intp]:
        """The places of the first `limit` of `rows` in the order of `sort`; ties by score, then by row, to be reproducible."""
        by: dict[Sort, Callable[[], NDArray[np.floating]]] = {
            "relevance": lambda: -score,
            "price_asc": lambda: mask.price[rows],
            "price_desc": lambda: -mask.price[rows],
            "rating": lambda: -self._rated(rows),
            "newest": lambda: -self._snapshot.facets.published[rows],
        }
        first = np.nan_to_num(by[sort](), nan=np.inf)  # what has no price or date comes last
        places = np.arange(len(rows))
        if 0 < limit < len(rows):  # of a million only those are sorted that can be among the first
            places = np.flatnonzero(first <= np.partition(first, limit - 1)[limit - 1])
        return places[np.lexsort((rows[places], -score[places], first[places]))][:limit]

    def _rated(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        value = np.nan_to_num(self._snapshot.facets.rating[rows])
        count = self._snapshot.facets.rating_count[rows]
        mean: NDArray[np.float32] = ((value * count + PRIOR_RATING * PRIOR_COUNT) / (count + PRIOR_COUNT)).astype(
            np.float32
        )
        return mean

    def space_of(self, text: str) -> str | None:
        """The space to search: that of the text's script, else the multilingual one, else none."""
        script = script_of(text)
        if script in self._encoders:
            return script
        return "han" if "han" in self._encoders else None

    @cached_property
    def _further_floor(self) -> Floor:
        """The floor for a query that is neither English nor Chinese; measured when the first one comes."""
        encoder, store = self._encoders["han"], self._snapshot.vectors["han"]
        found = [store.search(vector, 1)[1] for vector in encoder.encode_queries(FURTHER_PROBES)]
        nothing = float(np.median([encoder.on_pretrained_scale(scores)[0] for scores in found if len(scores)] or [1.0]))
        return Floor(zero=nothing - 0.04, near=nothing + ABOVE_NOTHING, same=nothing + ABOVE_NOTHING_FURTHER)

    def _measured_floor(self, space: str) -> Floor:
        if space == "latin":
            return LATIN_FLOOR
        store = self._snapshot.vectors[space]
        best = [
            float(self._encoders[space].on_pretrained_scale(scores[:1])[0])
            for scores in (store.search(v, 1)[1] for v in self._encoders[space].encode_queries(PROBES))
            if len(scores)
        ]
        nothing = float(np.median(best)) if best else 1.0
        return Floor(zero=nothing - 0.04, near=nothing, same=nothing + ABOVE_NOTHING)


def _beside(search: Callable[[], Result], products: int) -> Callable[[], Result]:
    """What gives the result of a search: one that began on another core where the catalog is large, else one that begins then."""
    return _BESIDE.submit(search).result if products > ALONE else search


def _embedding(encoders: Mapping[str, Encoder]) -> Callable[[str, str], NDArray[np.float32]]:
    """(dim,) of a query in a space, remembered: one turn asks the same words several times, many shoppers the same thing.

    It knows no engine, so that an engine and its snapshot go when the last who asks lets go of them.
    """

    @lru_cache(maxsize=REMEMBERED)
    def embedded(space: str, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = encoders[space].encode_queries([text])[0]
        vector.flags.writeable = False
        return vector

    return embedded


def _best(scores: NDArray[np.float32], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows of the highest scores above 0 among the allowed ones."""
    rows = np.flatnonzero((scores > 0) & allowed)
    return rows[_highest(scores[rows])]


def _highest(scores: NDArray[np.float32]) -> NDArray[np.int64] | slice:
    """The places of the highest scores, as many as each source may bring."""
    return np.argpartition(-scores, CANDIDATES)[:CANDIDATES] if len(scores) > CANDIDATES else slice(None)


def _says_nothing(text: str) -> bool:
    """Whether a text without words asks for nothing in particular.

    True for an empty text and for one of stopwords only; False for one of signs and emoji, which asks for something.
    """
    return not text.strip() or any(map(str.isalpha, text))
