"""A learnt ranker in the talk: it orders the cards, is named in the log, and goes when it is rolled back."""

from __future__ import annotations

import numpy as np
import pytest
from lightgbm import Dataset, train

from bot.parts import ordered_by
from bot.service import Assistant
from index.filters import Filters
from retrieval.learnt_ranking import LearntRanker
from retrieval.rank_features import FEATURES
from storage.principal import Principal, Role
from tests.bot.conftest import Conversation, ToldIntents


@pytest.fixture(scope="module")
def last_first() -> LearntRanker:
    """A ranker that puts what search found last first."""
    rows = np.random.default_rng(0).random((400, len(FEATURES)))
    trees = train({"verbosity": -1, "num_threads": 1}, Dataset(rows, -rows[:, FEATURES.index("place")]), 30)
    return LearntRanker(trees, 0.0, "told")


def test_it_orders_what_was_found_and_nothing_else(assistant: Assistant, last_first: LearntRanker) -> None:
    blend = assistant.parts.shelf.find("kettle", Filters())
    learnt = ordered_by(assistant.parts, last_first).shelf.find("kettle", Filters())
    ids = [[each.hit.product_id for each in found.hits] for found in (blend, learnt)]
    assert sorted(ids[0]) == sorted(ids[1])
    assert ids[0] != ids[1]
    cheapest = [
        [each.hit.product_id for each in shelf.find("kettle", Filters(), "price_asc").hits]
        for shelf in (assistant.parts.shelf, ordered_by(assistant.parts, last_first).shelf)
    ]
    assert cheapest[0] == cheapest[1]


def test_the_log_names_it(assistant: Assistant, intents: ToldIntents, last_first: LearntRanker) -> None:
    assistant.parts = ordered_by(assistant.parts, last_first)
    assert assistant.parts.versions.ranker == "told"
    Conversation(assistant, intents, Principal("ann", Role.CUSTOMER)).say("search", "kettle")
    assistant.exposures.flush()
    with assistant.database.read() as connection:
        named = connection.exec_driver_sql("SELECT DISTINCT policy_version FROM event_items").scalars().all()
    assert named
    assert all("+ranker-told" in each for each in named)
