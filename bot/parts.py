"""Loads what the assistant serves from: snapshot, encoders, search, understanding, and the models of the shop.

One object, swapped as a whole: a turn takes it once and is by one version of everything.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from bot.desk.reply_encoder import ReplyEncoder, load_replies, pretrained_of, reply_versions
from bot.intent import KIND as INTENT_KIND
from bot.intent import IntentModel, Prediction
from bot.shelf import Shelf
from index.encoders import Encoder
from index.product import Product
from index.snapshot import Snapshot, current_index, index_versions
from retrieval.learnt_ranking import LearntRanker, PersonalOrder, ranker_versions
from retrieval.path.chain import PurchaseChain, stage_versions
from retrieval.profile import Meanings, PriceLevels
from retrieval.rank_features import Signals
from retrieval.reranker import Reranker, load_reranker, reranker_versions
from retrieval.retention.customers import CustomerModel, customer_versions
from retrieval.search import SearchEngine
from retrieval.sensitive import ordinary, sensitive_product
from retrieval.sequence import Foresight, SequenceModel, load_sequence, sequence_versions
from retrieval.understanding import Understander
from storage.database import Database
from storage.errors import AisleError, Damaged, NotFound, Unavailable
from storage.events import popularity
from storage.offers import OfferReader
from storage.publish import Versions
from storage.settings import ShopSettings

SAMPLE = 5_000
"""At most so many products are read at the start for price levels, departments and starter questions."""
RECORDS = 20_000
"""So many products are kept at hand for a learnt ranker, which asks for those that a shopper turned to."""
DEPARTMENTS = 24
WARM_UP = ("hello", "你好")
"""Said once at the start: the first run of a compiled model allocates, and no shopper should wait for that."""
_LOGGER = logging.getLogger(__name__)


class Intents(Protocol):
    """As much of `IntentModel` as a turn needs, and the labels that it knows."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What it tells apart."""
        ...

    def predict(self, messages: Sequence[Mapping[str, object]]) -> Prediction:
        """The intent of the last user message; messages are {"role", "content"}, oldest first."""
        ...


@dataclass(frozen=True)
class NoIntents:
    """Stands where a shop has no intent model: searching needs none, a turn says what is missing."""

    shop: Path

    @property
    def labels(self) -> tuple[str, ...]:
        """None."""
        return ()

    def predict(self, messages: Sequence[Mapping[str, object]]) -> Prediction:
        """Raises `Unavailable`, always."""
        raise Unavailable(f"{self.shop} has no intent model.", "Train one: launch.py finetune intent --promote.")


class PartVersions(NamedTuple):
    """Versions by part, None where the shop has none; pointer files have them in the same order."""

    snapshot: str | None
    intent: str | None
    reranker: str | None
    stage: str | None
    sequence: str | None
    customers: str | None
    ranker: str | None
    replies: str | None

    @classmethod
    def pointed_at(cls, shop: Path) -> PartVersions:
        """Those that a shop's pointer files name."""
        places = (
            index_versions,
            intent_versions,
            reranker_versions,
            stage_versions,
            sequence_versions,
            customer_versions,
            ranker_versions,
            reply_versions,
        )
        return cls(*(versions(shop).pointer() for versions in places))


@dataclass(frozen=True)
class Parts:
    """What one version of index and models serves with. Immutable: a reload makes another."""

    shelf: Shelf
    understander: Understander
    intents: Intents
    levels: PriceLevels
    categories: Mapping[str, tuple[int, int]]
    """Leaf category → (products, median price in minor units of the shop's currency) in the sample."""
    model: str | None = None
    """The version of the intent model; None where the shop has none."""
    chain: PurchaseChain | None = None
    """How likely a shopper buys; None where the shop has not trained that. Stages are told without it, too."""
    customers: CustomerModel | None = None
    """When shoppers come back and what they use up; None where `launch.py audience` has not learnt that."""
    replies: ReplyEncoder | None = None
    """Finds replies of the past for agents; None where the shop has tuned none, and the pretrained encoders do."""
    sensitive: tuple[str, ...] = ()
    """Of what nothing is concluded about a shopper, by the shop's settings."""

    @cached_property
    def meanings(self) -> Meanings:
        """What an interest in an item says, by this catalog."""
        return Meanings(ordinary(self.shelf.record, self.sensitive), self.levels)

    @property
    def versions(self) -> PartVersions:
        """Of what is served now."""
        reranker, foresight, order = self.shelf.engine.reranker, self.shelf.foresight, self.shelf.ranker
        return PartVersions(
            self.shelf.snapshot.folder.name,
            self.model,
            reranker.version if reranker else None,
            self.chain.version if self.chain else None,
            foresight.model.version if foresight else None,
            self.customers.version if self.customers else None,
            order.model.version if order else None,
            self.replies.version if self.replies else None,
        )


def intent_versions(shop: Path) -> Versions:
    """The intent models of a shop's folder."""
    return Versions(shop / "models" / "intent", INTENT_KIND)


def load_parts(shop: Path, settings: ShopSettings, database: Database, serving: Parts | None = None) -> Parts:
    """The current index and models of the shop's folder.

    With `serving` only what changed is loaded anew, and a model that cannot be served leaves the one that is.

    Raises:
        Unavailable: there is no index yet.
        Damaged: no version is whole.

    """
    folder = current_index(shop)
    if folder is None:
        raise Unavailable(f"{shop} has no index.", "Build one: launch.py index CATALOG --shop DIR.")
    intents, model = _current_intents(shop, serving)
    reranker = current_reranker(shop, serving.shelf.engine.reranker if serving else None)
    chain = current_chain(shop, serving.chain if serving else None)
    foreseen = serving.shelf.foresight if serving else None
    sequence = current_model(sequence_versions(shop), load_sequence, foreseen.model if foreseen else None)
    customers = current_model(customer_versions(shop), CustomerModel.of_version, serving.customers if serving else None)
    ordering = serving.shelf.ranker if serving else None
    ranker = current_model(ranker_versions(shop), LearntRanker.load, ordering.model if ordering else None)
    replies = current_replies(shop, serving.replies if serving else None)
    if serving is not None and serving.shelf.snapshot.folder == folder:
        engine = serving.shelf.engine
        shelf = serving.shelf
        if engine.reranker is not reranker:
            shelf = replace(shelf, engine=engine.reranked_by(reranker))
        if sequence is not (foreseen.model if foreseen else None):
            shelf = foreseeing(shelf, sequence, serving.sensitive)
        parts = replace(
            serving, shelf=shelf, intents=intents, model=model, chain=chain, customers=customers, replies=replies
        )
        return parts if ranker is (ordering.model if ordering else None) else ordered_by(parts, ranker)
    snapshot = Snapshot.load(folder)
    encoders = snapshot.retriever.encoders_of(snapshot.vectors, shop / "models" / "encoder")
    snapshot.require(encoders)
    parts = replace(parts_of(snapshot, encoders, intents, settings, database, reranker), model=model, chain=chain)
    parts = replace(
        parts, shelf=foreseeing(parts.shelf, sequence, parts.sensitive), customers=customers, replies=replies
    )
    parts = ordered_by(parts, ranker)
    for words in WARM_UP:
        parts.shelf.engine.search(words)
    return parts


def load_intents(folder: Path) -> IntentModel:
    """The model in `folder`, which has answered once.

    Raises:
        NotFound, Damaged: it is not complete, cannot be loaded, or does not answer: files may be what their manifest promises
            and yet not belong together.
    """
    try:
        model = IntentModel.load(folder)
        answers = [model.predict([{"role": "user", "content": words}]) for words in WARM_UP]
    except AisleError:
        raise
    except Exception as error:
        message = f"The intent model in {folder} does not work: {type(error).__name__}: {error}."
        raise Damaged(message, "Train it again, or roll back.") from error
    if not all(math.isfinite(each.confidence) and math.isfinite(each.margin) for each in answers):
        raise Damaged(f"The intent model in {folder} answers with no number.", "Train it again, or roll back.")
    return model


def _current_intents(shop: Path, serving: Parts | None) -> tuple[Intents, str | None]:
    """The first model that works, of the current one and those before it, and its version."""
    candidates = intent_versions(shop).candidates()
    if not candidates:
        return NoIntents(shop), None
    for folder in candidates:
        if serving is not None and folder.name == serving.model:
            found = serving.intents
        else:
            try:
                found = load_intents(folder)
            except (Damaged, NotFound) as error:
                _LOGGER.warning("The intent model %s is refused: %s", folder.name, error.message)
                continue
        if folder != candidates[0]:
            _LOGGER.warning("Serving the intent model %s instead of %s.", folder.name, candidates[0].name)
        return found, folder.name
    raise Damaged(f"No intent model of {shop} can be served.", "Train one: launch.py finetune intent --promote.")


class Versioned(Protocol):
    """A model that knows which version it is."""

    @property
    def version(self) -> str: ...  # noqa: D102


Model = TypeVar("Model", bound=Versioned)


def current_model(versions: Versions, load: Callable[[Path], Model], serving: Model | None = None) -> Model | None:
    """The first model that works, of the current version and those before it; None where there is none: serving needs none.

    `serving` is taken as it is where it is the one.
    """
    for folder in versions.candidates():
        if serving is not None and folder.name == serving.version:
            return serving
        try:
            return load(folder)
        except (Damaged, NotFound) as error:
            _LOGGER.warning("The %s model %s is refused: %s", versions.kind, folder.name, error.message)
    return None


def current_reranker(shop: Path, serving: Reranker | None = None) -> Reranker | None:
    """The reranker that serves a shop."""
    return current_model(reranker_versions(shop), load_reranker, serving)


def current_replies(shop: Path, serving: ReplyEncoder | None = None) -> ReplyEncoder | None:
    """The tuned encoder of replies that serves a shop."""
    pretrained = pretrained_of(shop)
    return current_model(reply_versions(shop), lambda folder: load_replies(folder, pretrained), serving)


def current_chain(shop: Path, serving: PurchaseChain | None = None) -> PurchaseChain | None:
    """The purchase chain that serves a shop."""
    return current_model(stage_versions(shop), PurchaseChain.load, serving)


def parts_of(
    snapshot: Snapshot,
    encoders: Mapping[str, Encoder],
    intents: Intents,
    settings: ShopSettings,
    database: Database,
    reranker: Reranker | None = None,
) -> Parts:
    """The parts around a snapshot that is loaded already."""
    step = max(1, len(snapshot.products) // SAMPLE)
    sample = [snapshot.products.get(row) for row in range(0, len(snapshot.products), step)]
    offers = OfferReader(database, since=snapshot.read_at)
    offers()  # so that something is known of them should the database go away
    shelf = Shelf(
        snapshot,
        SearchEngine(snapshot, encoders, offers, reranker),
        offers.of,
        _shares(_of_products(popularity(database), snapshot)),
        tuple(
            name
            for name, _ in Counter(each.categories[0] for each in sample if each.categories).most_common(DEPARTMENTS)
        ),
        encoders,
        sensitive=settings.privacy.sensitive,
    )
    understander = Understander(snapshot.facets, settings.currency, len(snapshot.products), shelf.engine.spelling.heard)
    return Parts(
        shelf,
        understander,
        intents,
        PriceLevels.of_products(sample),
        _categories(sample, settings.currency),
        sensitive=settings.privacy.sensitive,
    )


def foreseeing(shelf: Shelf, model: SequenceModel | None, sensitive: Collection[str]) -> Shelf:
    """The shelf with what a sequence model says of its products, but of those of which nothing may be concluded."""
    if model is None:
        return replace(shelf, foresight=None)
    return replace(shelf, foresight=Foresight.over(model, shelf.snapshot, _speakable(shelf, sensitive)))


def ordered_by(parts: Parts, model: LearntRanker | None) -> Parts:
    """The parts with a learnt ranker; without one the blend orders."""
    order = PersonalOrder(model, signals_of(parts)) if model is not None else None
    return replace(parts, shelf=replace(parts.shelf, ranker=order))


def signals_of(parts: Parts) -> Signals:
    """What a learnt ranker knows beside the blend's terms."""
    return Signals(lru_cache(RECORDS)(_speakable(parts.shelf, parts.sensitive)))


def _speakable(shelf: Shelf, sensitive: Collection[str]) -> Callable[[str], Product | None]:
    """Looks up products of which something may be concluded about a shopper; None for others."""
    known = ordinary(shelf.record, sensitive)

    def record(item_id: str) -> Product | None:
        product = known(item_id)
        return None if product is None or sensitive_product(product) else product

    return record


def _of_products(weights: dict[str, float], snapshot: Snapshot) -> dict[str, float]:
    """The same by product: what was done with a variant was done with its product."""
    if not len(snapshot.variants):
        return weights
    summed: dict[str, float] = defaultdict(float)
    for item_id, weight in weights.items():
        row = snapshot.row_of(item_id)
        summed[item_id if row is None else snapshot.products.get(row).id] += weight
    return summed


def _shares(weights: dict[str, float]) -> dict[str, float]:
    """Scaled to 0 … 1: the most popular product has 1."""
    most = max(weights.values(), default=0.0)
    return {name: weight / most for name, weight in weights.items()} if most > 0 else {}


def _categories(sample: list[Product], currency: str) -> dict[str, tuple[int, int]]:
    prices: dict[str, list[int]] = {}
    for product in sample:
        if product.categories and product.price is not None and product.price.currency == currency:
            prices.setdefault(product.categories[-1], []).append(product.price.amount)
    return {name: (len(amounts), sorted(amounts)[len(amounts) // 2]) for name, amounts in prices.items()}
