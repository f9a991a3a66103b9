"""What `finetune ranker` reads: the groups of a shop's log, with the features that the served parts would have made at the time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Final

from bot.parts import Parts, signals_of
from bot.shelf import CANDIDATES
from finetune.rank_groups import RankData, rank_data, search_groups, slate_groups
from index.filters import Filters
from storage.bots import read_bots
from storage.consent import Consent
from storage.database import Database
from storage.paths import training_paths
from storage.principal import Principal
from storage.searches import training_choices
from storage.slates import training_slates

WINDOW_MS: Final = 86_400_000
"""How long after it was shown a card earns."""

Show = Callable[[str, int, int], None]


def read_rank_data(
    parts: Parts, database: Database, principal: Principal, default: Consent, now: int, show: Show
) -> RankData:
    """The groups of people who let models learn from them, bots left out.

    Args:
        parts: what serves; its search finds the candidates.
        database: the shop's.
        principal: who reads.
        default: the consent of people who never chose.
        now: milliseconds since 1970.
        show: told a phase, and how much of how much is done.

    Raises:
        Forbidden: the role may not train.
    """
    record = cache(parts.shelf.record)

    def product_of(item_id: str) -> str:
        product = record(item_id)
        return product.id if product is not None else item_id

    def find(text: str) -> list[tuple[str, float]]:
        found = parts.shelf.engine.search(text, Filters(), "relevance", CANDIDATES)
        return [(hit.product_id, hit.score) for hit in found.hits] if found.matched else []

    bots = read_bots(database)
    events = {user: own for user, own in training_paths(database, principal) if user not in bots}
    choices = (each for each in training_choices(database, principal) if each.user_id not in bots)
    groups = search_groups(choices, find, product_of, partial(show, "searching"))
    audiences = (each for each in training_slates(database, principal, default) if each.user_id not in bots)
    groups += slate_groups(audiences, WINDOW_MS, now, product_of)
    progress = partial(show, "features")
    return rank_data(groups, events, record, parts.meanings, signals_of(parts), progress)
