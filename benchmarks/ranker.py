"""The learnt order of cards beside the blend, and what each part earns: `benchmarks.personalization --parts ranker`.

    searches  the log of --shop: what shoppers chose after they searched
    slates    the same shop, simulated: each search shows six cards in an order drawn by lot, and a shopper whose taste differs from
              the blend (cheap for its slate, and of the category looked at last) clicks from the top. Its truth is known.

Learnt is from the earlier 60 % of the choices, chosen with the next 20 %, compared on the latest 20 %. NDCG at 6 cards; intervals
are by a bootstrap of shoppers, of the difference to the learnt ranker with everything. Times are of the CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np

from bot.parts import Parts, signals_of
from bot.service import Assistant
from bot.shelf import CANDIDATES
from bot.turn import SLATE
from finetune.rank_groups import Group, RankData, rank_data, search_groups
from finetune.ranker import blended, learn, ndcg, paired, split
from index.filters import Filters
from launch import ADMIN, assistant_of
from retrieval.learnt_ranking import LearntRanker, PersonalOrder
from retrieval.profile import ProfileState
from retrieval.rank_features import FEATURES, KINDS, TERMS, Floats
from retrieval.ranking import rerank
from retrieval.search import Hit
from storage.bots import read_bots
from storage.event import Event
from storage.paths import training_paths
from storage.searches import Choice, training_choices
from storage.visits import VISITED

_MANY = 200
_ROUNDS = 50
_EVER: Final = 2**50
"""A half-life in which nothing fades."""
Events = Mapping[str, Sequence[Event]]
Lines = list[tuple[str, Floats]]


def run(shop: Path, seed: int) -> None:
    """Prints the tables of a shop whose events are loaded and whose index is built."""
    with assistant_of(shop, talks=False) as assistant:
        log = log_of(assistant)
        ranker = _compare("searches", log, log.groups, seed)
        _compare("slates, simulated", log, simulated(log, seed), seed)
        _time(log, ranker)


def log_of(assistant: Assistant) -> Log:
    """What shoppers who let models learn did and chose, bots left out."""
    bots = read_bots(assistant.database)
    events = {user: own for user, own in training_paths(assistant.database, ADMIN) if user not in bots}
    choices = [each for each in training_choices(assistant.database, ADMIN) if each.user_id not in bots]
    return Log(assistant.parts, events, choices)


class Log:
    """A shop's log and how its groups become features."""

    def __init__(self, parts: Parts, events: Events, choices: Sequence[Choice]) -> None:
        self.parts, self.events = parts, events
        self.record = cache(parts.shelf.record)
        self.signals = signals_of(parts)
        self.groups = search_groups(choices, self.found, self.product_of)

    def product_of(self, item_id: str) -> str:
        """The product of an item that may be a variant."""
        product = self.record(item_id)
        return product.id if product is not None else item_id

    def found(self, text: str) -> list[tuple[str, float]]:
        """What today's search finds for words: (product, score), best first."""
        found = self.parts.shelf.engine.search(text, Filters(), "relevance", CANDIDATES)
        return [(hit.product_id, hit.score) for hit in found.hits] if found.matched else []

    def data(self, groups: Sequence[Group], events: Events | None = None) -> RankData:
        """The groups with their features, from these events where they are given."""
        return rank_data(groups, events or self.events, self.record, self.parts.meanings, self.signals)


def simulated(log: Log, seed: int) -> list[Group]:
    """A slate for each search: six of its candidates in an order drawn by lot, and clicks by a taste that the blend does not have.

    A card at place k is looked at with the chance 1 / (k + 1) ** .5 and, if so, clicked with the chance that its worth says.
    """
    draw = np.random.default_rng([seed, 1])
    groups = []
    for group in log.groups:
        cards = np.sort(draw.permutation(len(group.items))[:SLATE])
        products = [log.record(group.items[card]) for card in cards]
        last = _last_category(log, group)
        prices = np.array([math.log(each.price.amount) if each and each.price else np.nan for each in products])
        cheap = np.nan_to_num(np.nanmean(prices) - prices) if np.isfinite(prices).any() else np.zeros(len(cards))
        same = np.array([bool(each and each.categories and each.categories[-1] == last) for each in products])
        worth = 1 / (1 + np.exp(-(-1.5 + 2 * cheap + 1.5 * same)))
        shown = draw.permutation(len(cards))  # shown[k] is the card at place k
        looked = draw.random(len(cards)) < (np.arange(len(cards)) + 1) ** -0.5
        clicked = np.zeros(len(cards), dtype=int)
        clicked[shown] = looked & (draw.random(len(cards)) < worth[shown])
        if 0 < clicked.sum() < len(cards):
            groups.append(
                Group(
                    group.user_id,
                    group.at,
                    tuple(group.items[card] for card in cards),
                    tuple(1 - place / CANDIDATES for place in range(len(cards))),
                    tuple(clicked.tolist()),
                    (1.0,) * len(cards),  # all places were as likely
                )
            )
    return groups


def _last_category(log: Log, group: Group) -> str | None:
    own = [each for each in log.events.get(group.user_id, ()) if each.event in VISITED and each.timestamp < group.at]
    product = log.record(max(own, key=lambda each: each.timestamp).items[0].item_id) if own else None
    return product.categories[-1] if product is not None and product.categories else None


def _compare(name: str, log: Log, groups: Sequence[Group], seed: int) -> LearntRanker:
    started = time.process_time()
    data = log.data(groups)
    seconds = time.process_time() - started
    learns, chooses, judges = split(data)
    started = time.process_time()
    ranker, recipe = learn(learns, chooses, seed)
    print(
        f"\n{name}: {len(data):,} choices of {len(set(data.users)):,} shoppers, {np.mean(data.sizes):.1f} candidates each; "
        f"judged on {len(judges):,}; features in {seconds:.1f} s, learnt in {time.process_time() - started:.1f} s: "
        f"{recipe.trees} trees, blend counts {recipe.share:g}\n"
    )
    whole = ndcg(judges, ranker.scores(judges.features))
    lines: Lines = [
        ("relevance alone", ndcg(judges, judges.features[:, 0])),
        ("the blend", ndcg(judges, blended(judges))),
        ("**learnt ranker**", whole),
    ]
    for part, columns in _PARTS.items():
        lines.append((f"without {part}", _relearnt(data, columns, seed)))
    for part, changed in _without(log, groups).items():
        lines.append((f"blend without {part}", ndcg(split(changed)[2], blended(split(changed)[2]))))
        lines.append((f"without {part}", _relearnt(changed, (), seed)))
    print(f"| {name} | NDCG@6 | less the learnt ranker's, 95 % |\n| --- | --- | --- |")
    for line, found in lines:
        low, high = paired(found - whole, judges.users, seed)
        said = "" if found is whole else f"{np.mean(found - whole):+.4f}, {low:+.4f} to {high:+.4f}"
        print(f"| {line} | {found.mean():.4f} | {said} |", flush=True)
    return ranker


_PARTS: Mapping[str, tuple[str, ...]] = {
    "taste": KINDS,
    "rating": ("rating",),
    "popularity": ("popularity",),
    "prices": ("price_gap", "price_place"),
    "what was turned to": ("looks", "item"),
}


def _relearnt(data: RankData, columns: Sequence[str], seed: int) -> Floats:
    """NDCG on the latest choices of a ranker for which some features are always the same."""
    features = data.features.copy()
    features[:, [FEATURES.index(name) for name in columns]] = 0.0
    learns, chooses, judges = split(replace(data, features=features))
    return ndcg(judges, learn(learns, chooses, seed)[0].scores(judges.features))


def _without(log: Log, groups: Sequence[Group]) -> dict[str, RankData]:
    """The same with profiles for which a look is a look however long, and for which nothing fades."""
    plain = {user: [each.model_copy(update={"dwell_ms": None}) for each in own] for user, own in log.events.items()}
    with patch.multiple("retrieval.profile.sums", LONG_HALF_LIFE_MS=_EVER, SESSION_HALF_LIFE_MS=_EVER):
        unfading = log.data(groups)
    return {"time looked": log.data(groups, plain), "fading": unfading}


def _time(log: Log, ranker: LearntRanker) -> None:
    """Prints what ordering costs, for the shopper with most events."""
    own = max(log.events.values(), key=len)
    state = ProfileState(log.parts.meanings)
    for event in own:
        state.add(event, event.timestamp)
    profile = state.profile(max(each.timestamp for each in own))
    order = PersonalOrder(ranker, log.signals)
    products = log.parts.shelf.snapshot.products
    print("\n| candidates | blend | learnt | of it features | of it trees |\n| --- | --- | --- | --- | --- |")
    for count in (CANDIDATES, _MANY):
        rows = range(0, len(products), max(1, len(products) // count))[:count]
        known = {(product := products.get(row)).id: product for row in rows}
        hits = [Hit(row, id_, None, 1 - row / len(products), {}, ()) for row, id_ in zip(rows, known, strict=True)]
        some = list(known.values())
        terms = np.random.default_rng(0).random((count, len(TERMS)))
        features = log.signals.rows(profile, some, terms)
        timed = [
            _median(partial(rerank, hits, profile, known.get)),
            _median(partial(rerank, hits, profile, known.get, ranker=order)),
            _median(partial(log.signals.rows, profile, some, terms)),
            _median(partial(ranker.scores, features)),
        ]
        print(f"| {count} | " + " | ".join(f"{each:.2f} ms" for each in timed) + " |")


def _median(work: Callable[[], object]) -> float:
    found = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        work()
        found.append(1000 * (time.process_time() - started))
    return float(np.median(found))
