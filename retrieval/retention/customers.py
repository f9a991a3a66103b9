"""A shop's customers: fitted once from its own database, kept in a folder, asked for one customer or for all.

The folder holds a dozen figures about everybody and a few about each category that is bought regularly, and nobody's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from retrieval.goods import Goods
from retrieval.retention.bands import Standing, standings
from retrieval.retention.bgnbd import BetaGeometric
from retrieval.retention.consumption import DAY_MS, Consumption, Due, Rhythms, sequences
from retrieval.retention.forecast import RetentionModel, fit_retention
from retrieval.retention.history import PurchaseDays
from retrieval.retention.rhythm import Gaps, Rhythm
from storage.consent import Consent
from storage.database import Database
from storage.errors import Conflict, Damaged, InvalidInput
from storage.principal import Principal
from storage.publish import Manifest, Versions, read_manifest
from storage.purchases import Buyer, buyer_of
from storage.record import now_ms

KIND: Final = "customers"
FORMAT: Final = 1
FILE: Final = "customers.json"
FEWEST_CUSTOMERS: Final = 50
FEWEST_RETURNED: Final = 10
"""Customers, and those of them who came back, below which nothing is said of anybody."""


@dataclass(frozen=True)
class CustomerModel:
    """What was learnt of a shop's customers.

    Attributes:
        forecast: BG/NBD, corrected where that has proved itself.
        rhythm: of all purchases.
        categories: the rhythm of each category that is bought regularly, by its path.
        products: of the same product in each category where that is bought regularly.
        customers: how many it was learnt from.
        fitted_at: milliseconds since 1970, UTC.
        version: its folder's name; empty for one that was fitted now.
    """

    forecast: RetentionModel
    rhythm: Rhythm
    categories: Rhythms
    products: Rhythms
    customers: int
    fitted_at: int
    version: str = ""

    @classmethod
    def fit(cls, people: Sequence[Buyer], goods: Goods, now: int | None = None) -> Self:
        """Learns from everybody's purchases until now.

        Raises:
            InvalidInput: they are too few.
        """
        moment = now_ms() if now is None else now
        until = moment // DAY_MS + 1
        returned = sum(len(_days(buyer)) > 1 for buyer in people)
        if len(people) < FEWEST_CUSTOMERS or returned < FEWEST_RETURNED:
            raise InvalidInput(
                f"{len(people)} customers, of whom {returned} came back, are too few to learn from who comes back.",
                f"It takes {FEWEST_CUSTOMERS} and {FEWEST_RETURNED}: load orders with `launch.py ingest orders FILE`.",
            )
        purchases = purchase_days(people)
        start = int(purchases.day.min())
        of_category, of_product = Consumption.of(people, goods).rhythms(until)
        return cls(
            fit_retention(purchases, start, until),
            Rhythm.fit(Gaps.of(purchases, until)),
            of_category,
            of_product,
            len(people),
            moment,
        )

    def standings(self, people: Sequence[Buyer], now: int) -> list[Standing]:
        """How each of them stands, in their order."""
        if not people:
            return []
        return standings(self.forecast, self.rhythm, purchase_days(people), now // DAY_MS + 1)

    def dues(self, people: Iterable[Buyer], goods: Goods, now: int, within: int) -> dict[str, list[Due]]:
        """What is due within so many days or overdue, by user; see `Consumption.dues`."""
        return Consumption.of(people, goods).dues(self.categories, self.products, now // DAY_MS, within)

    def save(self, shop: Path) -> Path | None:
        """Publishes it as the shop's current one; returns the version's folder.

        None where another process publishes its own just now, which is as fresh.
        """
        body = {
            "forecast": {**asdict(self.forecast.base), "stack": self.forecast.stack.tolist()},
            "rhythm": asdict(self.rhythm),
            "categories": {name: asdict(each) for name, each in self.categories.items()},
            "products": {name: asdict(each) for name, each in self.products.items()},
        }
        meta = {"format": FORMAT, "customers": self.customers, "fitted_at": self.fitted_at}
        versions = customer_versions(shop)
        try:
            with versions.lock(), versions.stage() as staged:
                (staged / FILE).write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
                folder = versions.publish(staged, meta)
                versions.sweep()
        except Conflict:
            return None
        return folder

    @classmethod
    def load(cls, shop: Path) -> Self | None:
        """The shop's current one, its hash verified; None where none was fitted.

        Raises:
            Damaged: no version is whole, or it is another Aisle's.
        """
        found = customer_versions(shop).verified()
        return None if found is None else cls._read(*found)

    @classmethod
    def of_version(cls, folder: Path) -> Self:
        """The one in a version's folder; raises `NotFound` or `Damaged`."""
        return cls._read(folder, read_manifest(folder, KIND))

    @classmethod
    def _read(cls, folder: Path, manifest: Manifest) -> Self:
        try:
            if manifest.meta["format"] != FORMAT:
                raise KeyError(f"format {FORMAT}")
            body: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
            forecast = body["forecast"]
            stack = np.array(forecast.pop("stack"), dtype=np.float64)
            return cls(
                RetentionModel(BetaGeometric(**forecast), stack),
                Rhythm(**body["rhythm"]),
                {name: Rhythm(**each) for name, each in body["categories"].items()},
                {name: Rhythm(**each) for name, each in body["products"].items()},
                manifest.meta["customers"],
                manifest.meta["fitted_at"],
                folder.name,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(
                f"{folder} was written by another version of Aisle: {error}.", "Run `launch.py audience` again."
            ) from error


def customer_versions(shop: Path) -> Versions:
    """What was learnt of a shop's customers, by version."""
    return Versions(shop / "models" / KIND, KIND)


def band_of(
    db: Database, principal: Principal, user_id: str, model: CustomerModel, default: Consent, now: int | None = None
) -> Standing | None:
    """How one customer stands now: one query and no fit. None where they never bought, or do not want it.

    Args:
        db: where from.
        principal: who asks; the customer, or the shop.
        user_id: whose.
        model: what `CustomerModel.load` gave, once for many turns.
        default: the consent of people who never chose; the shop's `[consent]`.
        now: milliseconds since 1970; by default this instant.

    Raises:
        NotFound: it is another's.
    """
    moment = now_ms() if now is None else now
    buyer = buyer_of(db, principal, user_id, default, moment)
    return None if buyer is None else model.standings([buyer], moment)[0]


def purchase_days(people: Sequence[Buyer]) -> PurchaseDays:
    """Customers numbered in their order, days since 1970, UTC."""
    return sequences(map(_days, people))


def _days(buyer: Buyer) -> list[int]:
    return sorted({purchase.at // DAY_MS for purchase in buyer.purchases})
