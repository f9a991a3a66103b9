"""What a retriever learns from: judged queries, what people chose after their searches, and the catalog itself."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from finetune.contrastive import Pair
from finetune.evaluate_search import Judgments, Query
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage.errors import InvalidInput
from storage.redaction import redact
from storage.searches import Choice

HELD_OUT: Final = 0.3
FEWEST_TRAINED: Final = 60
"""With fewer judged queries all are held out: they say more of the weights of seven sources than of an encoder's millions."""
WEIGHT_OF: Final = {"select_item": 0.3, "view_item": 0.3, "add_to_cart": 0.6, "purchase": 1.0}
_DISTRACTORS: Final = 30
SAME: Final = 0.95
"""Products whose texts are nearer than that are one article twice, and no wrong answer for each other's queries."""


@dataclass(frozen=True)
class JudgedQuery:
    """A query and the gains (above 0) of the rows that the catalog has of its judged products."""

    query: Query
    gains: Mapping[int, float]


@dataclass(frozen=True)
class SearchData:
    """`training` and `held_out` judged queries; `chosen` are pairs of the shop's own log; `users` are in them.

    `missing` judged products are not in the catalog.
    """

    training: list[JudgedQuery] = field(default_factory=list)
    held_out: list[JudgedQuery] = field(default_factory=list)
    chosen: list[Pair] = field(default_factory=list)
    users: set[str] = field(default_factory=set)
    missing: int = 0

    @property
    def judged(self) -> int:
        """How many judged queries there are."""
        return len(self.training) + len(self.held_out)

    def pairs(self) -> list[Pair]:
        """What is known of training queries and of the log; a lower gain counts less."""
        pairs = [
            Pair(each.query.text, row, gain / max(each.gains.values()))
            for each in self.training
            for row, gain in each.gains.items()
        ]
        return pairs + self.chosen

    @property
    def sha256(self) -> str:
        """Names the data: the same for the same queries, gains and choices."""
        digest = hashlib.sha256()
        for each in (*self.training, *self.held_out):
            digest.update(repr((each.query.text, sorted(each.gains.items()))).encode("utf-8", "replace"))
        for pair in self.chosen:
            digest.update(repr((pair.query, pair.row, pair.weight)).encode("utf-8", "replace"))
        return digest.hexdigest()


def search_data(
    snapshot: Snapshot, queries: Sequence[Query], qrels: Judgments, choices: Iterable[Choice], seed: int
) -> SearchData:
    """Splits judged queries by their text, so that one asked twice is on one side, and gathers what people chose.

    Raises:
        InvalidInput: there are queries, but no judged product of theirs is in the catalog.
    """
    judged, missing = [], 0
    for query in queries:
        gains: dict[int, float] = {}
        for product, gain in qrels.get(query.query_id, {}).items():
            row = snapshot.row_of(product)
            missing += row is None
            if row is not None and gain > 0:
                gains[row] = max(gain, gains.get(row, gain))  # two variants of one product may be judged
        if gains:
            judged.append(JudgedQuery(query, gains))
    if queries and not judged:
        raise InvalidInput(
            "No judged product is in the catalog.", "Check that --qrels names product ids of this shop's index."
        )
    chosen, users = _chosen(snapshot, choices)
    data = SearchData(chosen=chosen, users=users, missing=missing)
    texts = sorted({each.query.text for each in judged})
    random.Random(seed).shuffle(texts)
    held = set(texts if len(texts) < FEWEST_TRAINED else texts[: round(HELD_OUT * len(texts))])
    for each in judged:
        (data.held_out if each.query.text in held else data.training).append(each)
    return data


def _chosen(snapshot: Snapshot, choices: Iterable[Choice]) -> tuple[list[Pair], set[str]]:
    """Pairs of the log, each by its best event, and the people in them; texts are redacted."""
    best: dict[tuple[str, int], float] = defaultdict(float)
    users = set()
    for choice in choices:
        row = snapshot.row_of(choice.item_id)
        if row is not None:
            key = redact(choice.text), row
            best[key] = max(best[key], WEIGHT_OF[choice.event])
            users.add(choice.user_id)
    return [Pair(text, row, weight) for (text, row), weight in best.items()], users


def mined(snapshot: Snapshot, encoder: Encoder, pairs: Sequence[Pair]) -> dict[str, list[int]]:
    """For each query rows that look right by meaning or words and are not known to be; all rows are in the encoder's space.

    What is almost the same text as a right product is left out: it is as right, only nobody said so.
    """
    known: dict[str, set[int]] = defaultdict(set)
    for pair in pairs:
        known[pair.query].add(pair.row)
    store = snapshot.vectors[encoder.space]
    found = {}
    texts = list(known)
    for text, vector in zip(texts, encoder.encode_queries(texts), strict=True):
        near = store.search(vector, _DISTRACTORS)[0].tolist() + snapshot.keywords.search(text, _DISTRACTORS)[0].tolist()
        others = np.array([row for row in dict.fromkeys(near) if row not in known[text]], np.int64)
        others = others[store.holds(others)]
        if len(others):
            right = store.vectors_of(np.array(sorted(known[text]), np.int64))  # (right, dim)
            alike = np.max([store.similarity(vector, others) for vector in right], axis=0)  # (others,)
            found[text] = others[alike < SAME].tolist()
    return found
