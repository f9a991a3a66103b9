"""The reserved place: now and then the last card of a conversation's first slate is a product that nobody knows yet.

Without it a new product is shown to nobody because nobody turned to it. It is offered in advice without words only, with the
chance `[exploration] new_products`; to nobody who compares or is ready to buy, asked for an order, has not agreed to be known,
or is in an experiment; at most once a day and `MOST_A_WEEK` times in seven days to one shopper. It keeps the customer's
conditions, can be bought now, and is nothing of which nothing may be concluded. Which of the new products it is, is drawn
(`retrieval.thompson`) among the `SHORTLIST` that fit the shopper best, and logged with the chance of just this one.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.exploration import Slot
from bot.parts import Parts
from index.filters import Filters
from index.product import Availability, Product
from retrieval.newcomers import DAY_MS, Newcomers
from retrieval.profile import Profile
from retrieval.sensitive import ordinary, sensitive_product
from retrieval.thompson import Belief, Outcome, choose, described
from storage.consent import Consent
from storage.database import Database
from storage.errors import Conflict
from storage.novelty import people_of, slot_outcomes, standing
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.slates import SLOT

SHORTLIST: Final = 30
MOST_A_WEEK: Final = 3
LEARNT_DAYS: Final = 90
REFRESH_SECONDS: Final = 600.0
"""So often it is looked anew what is new and what came of it."""
_LOGGER = logging.getLogger(__name__)
_READER = Principal(id="aisle", role=Role.SERVICE)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The new product that is shown, as it is offered now, its row, when it came, and how it is logged."""

    product: Product
    row: int
    arrived: int
    slot: Slot


@dataclass(frozen=True)
class _Known:
    parts: Parts
    until: float
    newcomers: Newcomers
    belief: Belief
    record: Callable[[str], Product | None]


class Novelty:
    """Safe to share between threads. `flush` writes what was shown and waits to be written, so that the cap knows of it."""

    def __init__(self, database: Database, default: Consent, share: float, flush: Callable[[], None]) -> None:
        self._database = database
        self._default = default
        self._share = share
        self._flush = flush
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._reading = False

    def offer(
        self,
        principal: Principal,
        user_id: str,
        parts: Parts,
        profile: Profile,
        filters: Filters,
        language: str,
        shown: Collection[str],
        seed: str,
    ) -> Newcomer | None:
        """A new product for the last place of a slate, None where there shall be none.

        Args:
            principal: who asks; the shopper or the shop's backend.
            user_id: whose slate.
            parts: what is served with.
            profile: the shopper's.
            filters: the conditions in force.
            language: of the conversation; what is described in another is not offered.
            shown: ids of the other cards.
            seed: decides all lots; the message's id.
        """
        if random.Random(f"{seed}:new").random() >= self._share or not self._may(principal, user_id):
            return None
        known = self._current(parts)
        newcomers, shelf = known.newcomers, parts.shelf
        able = tuple(each for each in Availability if each.orderable)
        asked = filters if filters.availability else filters.model_copy(update={"availability": able})
        mask = shelf.snapshot.facets.mask(asked, list(shelf.engine.offers()))
        turned_to = {shelf.snapshot.product_id(item.item_id) for event in profile.recent for item in event.items}
        open_ = [
            place
            for place, product in enumerate(newcomers.products)
            if mask.allowed[newcomers.rows[place]]
            and product.language in ("", language)
            and product.id not in shown
            and product.id not in turned_to
        ]
        if not open_:
            return None
        fits = newcomers.fits(profile.recent, known.record)
        best = sorted(open_, key=lambda place: -fits[place])[:SHORTLIST]
        items = [newcomers.products[place].id for place in best]
        x = described(fits[best], newcomers.heat[best])
        chosen, chance = choose(known.belief, items, x, random.Random(f"{seed}:which").getrandbits(63))
        place = best[chosen]
        product = shelf.product(items[chosen])
        if product is None:
            return None
        slot = Slot(product.id, self._share * chance, round(100 * float(fits[place])), f"{SLOT}+{self._share:g}")
        return Newcomer(product, int(newcomers.rows[place]), int(newcomers.arrived[place]), slot)

    def _may(self, principal: Principal, user_id: str) -> bool:
        """Whether the shopper agreed to be known and was not shown enough new products lately."""
        self._flush()
        now = now_ms()
        found = standing(self._database, principal, user_id, self._default, now - 7 * DAY_MS)
        today = any(shown_at > now - DAY_MS for shown_at in found.shown_at)
        return found.personalize and not today and len(found.shown_at) < MOST_A_WEEK

    def _current(self, parts: Parts) -> _Known:
        """What is known of these parts: read once in the turn that asks first, and then anew behind the turns."""
        with self._lock:
            if self._known is None or self._known.parts is not parts:
                self._known = self._read(parts)
            elif self._known.until < time.monotonic() and not self._reading:
                self._reading = True
                threading.Thread(target=self._again, args=(parts,), name="novelty", daemon=True).start()
            return self._known

    def _again(self, parts: Parts) -> None:
        try:
            found = self._read(parts)
            with self._lock:
                if self._known is not None and self._known.parts is parts:
                    self._known = found
        except Exception:  # what is known serves on, and a later turn tries again
            _LOGGER.exception("What came of new products could not be read.")
        finally:
            self._reading = False

    def _read(self, parts: Parts) -> _Known:
        shelf, now = parts.shelf, now_ms()
        own = ordinary(shelf.record, parts.sensitive)

        def record(item_id: str) -> Product | None:
            product = own(item_id)
            return None if product is None or sensitive_product(product) else product

        def people(ids: Sequence[str]) -> dict[str, int]:
            return people_of(self._database, ids)

        model = shelf.foresight.model if shelf.foresight is not None else None
        try:
            newcomers = Newcomers.of(shelf.snapshot, record, shelf.popularity, people, now, model)
        except Conflict as error:
            _LOGGER.warning("%s New products are placed by their texts alone.", error.message)
            newcomers = Newcomers.of(shelf.snapshot, record, shelf.popularity, people, now)
        heat = {product.id: float(each) for product, each in zip(newcomers.products, newcomers.heat, strict=True)}
        outcomes = slot_outcomes(self._database, _READER, now - LEARNT_DAYS * DAY_MS, now)
        mean_heat = float(np.mean([*heat.values()])) if heat else 0.0
        belief = Belief.after(
            [
                Outcome(each.item_id, each.hundredths / 100, heat.get(each.item_id, mean_heat), each.turned_to)
                for each in outcomes
            ]
        )
        return _Known(parts, time.monotonic() + REFRESH_SECONDS, newcomers, belief, record)
