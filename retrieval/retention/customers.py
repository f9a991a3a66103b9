"""A shop's customers: fitted once from its own database, kept in a folder, asked for one customer or for all.

The folder holds a dozen figures about everybody and a few about each category that is bought regularly, and nobody's name.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from retrieval.goods import Good, Goods
from retrieval.retention.bands import Standing, standings
from retrieval.retention.bgnbd import BetaGeometric
from retrieval.retention.forecast import RetentionModel, fit_retention
from retrieval.retention.history import DAYS_A_WEEK, PurchaseDays
from retrieval.retention.rhythm import Gaps, Rhythm, is_consumable
from storage.consent import Consent
from storage.database import Database
from storage.errors import Damaged, InvalidInput
from storage.principal import Principal
from storage.publish import Manifest, Versions
from storage.purchases import Buyer, buyer_of, buyers
from storage.record import now_ms

KIND: Final = "customers"
FORMAT: Final = 1
FILE: Final = "customers.json"
FEWEST_CUSTOMERS: Final = 50
FEWEST_RETURNED: Final = 10
"""Customers, and those of them who came back, below which nothing is said of anybody."""
DAY_MS: Final = 86_400_000
SURE_TO_BUY: Final = 0.25
"""The chance of a purchase within the window below which nothing is called due."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that a customer uses up, and when it is due; days since 1970, UTC.

    Attributes:
        good: what was bought last of the category.
        same: whether the gaps are those of this very product, for else they are of the category.
        purchases: days on which it was bought.
        usual_days: the usual gap.
        last: the day of the last purchase.
        due, early, late: the median day and those that 80 % of all gaps end between.
        chance: of a purchase within the window that was asked about.
    """

    good: Good
    same: bool
    purchases: int
    usual_days: int
    last: int
    due: int
    early: int
    late: int
    chance: float


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
    """

    forecast: RetentionModel
    rhythm: Rhythm
    categories: Mapping[str, Rhythm]
    products: Mapping[str, Rhythm]
    customers: int
    fitted_at: int

    @classmethod
    def fit(cls, people: Sequence[Buyer], goods: Goods, now: int | None = None) -> Self:
        """Learns from everybody's purchases until now.

        Raises:
            InvalidInput: they are too few, or of too few weeks.
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
        bought = Consumption.of(people, goods)
        return cls(
            fit_retention(purchases, start, until),
            Rhythm.fit(Gaps.of(purchases, until)),
            _rhythms(bought.by_category, until),
            _rhythms(bought.by_product, until),
            len(people),
            moment,
        )

    def standings(self, people: Sequence[Buyer], now: int) -> list[Standing]:
        """How each of them stands, in their order."""
        if not people:
            return []
        return standings(self.forecast, self.rhythm, purchase_days(people), now // DAY_MS + 1)

    def dues(self, people: Sequence[Buyer], goods: Goods, now: int, within_days: int) -> dict[str, list[Due]]:
        """What is due within so many days or overdue, by user; the likeliest first.

        Due is a category from `within_days` before its median day to the day by which 90 % of all gaps are over, where the chance of
        a purchase within `within_days` is at least `SURE_TO_BUY`. Where the product that was bought last was bought before,
        and its own rhythm is known, its gaps are taken for those of the category.
        """
        today = now // DAY_MS
        bought = Consumption.of(people, goods)
        found: defaultdict[str, list[Due]] = defaultdict(list)
        for category, rhythm in self.categories.items():
            for person, sequence in bought.by_category.get(category, {}).items():
                user, last_item = bought.users[person[0]], bought.last[person[0], category]
                own = bought.by_product.get(category, {}).get((person[0], last_item.product_id), [])
                same = category in self.products and len(own) > 1
                due = _due(self.products[category] if same else rhythm, own if same else sequence, today, within_days)
                if due is None:
                    continue
                found[user].append(Due(last_item, same, *due))
        for dues in found.values():
            dues.sort(key=lambda due: (-due.chance, due.good.product_id))
        return dict(found)

    def save(self, shop: Path) -> Path:
        """Publishes it as the shop's current one; returns the version's folder."""
        versions = customer_versions(shop)
        body = {
            "forecast": {**asdict(self.forecast.base), "stack": self.forecast.stack.tolist()},
            "rhythm": asdict(self.rhythm),
            "categories": {name: asdict(each) for name, each in self.categories.items()},
            "products": {name: asdict(each) for name, each in self.products.items()},
        }
        meta = {"format": FORMAT, "customers": self.customers, "fitted_at": self.fitted_at}
        with versions.stage() as staged:
            (staged / FILE).write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
            folder = versions.publish(staged, meta)
        versions.sweep()
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


def everybody(db: Database, principal: Principal, default: Consent, now: int) -> list[Buyer]:
    """All who bought until now; raises `Forbidden` for who may not see them."""
    return list(buyers(db, principal, default, now))


def purchase_days(people: Sequence[Buyer]) -> PurchaseDays:
    """Customers numbered in their order, days since 1970, UTC."""
    days = [_days(buyer) for buyer in people]
    customer = np.repeat(np.arange(len(people)), [len(each) for each in days])
    return PurchaseDays(customer, np.array([day for each in days for day in each], dtype=np.int64), len(people))


Member = tuple[int, str]
"""A person's number, and a product's id or nothing: whose gaps they are."""


@dataclass(frozen=True)
class Consumption:
    """Who bought what when, of what was kept; days since 1970, ascending, each once.

    Attributes:
        users: by number.
        by_category: category → (person, "") → days.
        by_product: category → (person, product) → days.
        last: what a person bought last of a category.
    """

    users: Sequence[str]
    by_category: Mapping[str, Mapping[Member, list[int]]]
    by_product: Mapping[str, Mapping[Member, list[int]]]
    last: Mapping[tuple[int, str], Good]

    @classmethod
    def of(cls, people: Sequence[Buyer], goods: Goods) -> Self:
        """Purchases of what the catalog has and puts in a category."""
        known = goods({item for buyer in people for purchase in buyer.purchases for item in purchase.items})
        by_category: defaultdict[str, defaultdict[Member, list[int]]] = defaultdict(lambda: defaultdict(list))
        by_product: defaultdict[str, defaultdict[Member, list[int]]] = defaultdict(lambda: defaultdict(list))
        last: dict[tuple[int, str], Good] = {}
        for number, buyer in enumerate(people):
            for purchase in buyer.purchases:
                if not purchase.kept:
                    continue
                day = purchase.at // DAY_MS
                for good in (known[item] for item in purchase.items if item in known):
                    if not good.category:
                        continue
                    category = PATH.join(good.category)
                    last[number, category] = good
                    for days in (by_category[category][number, ""], by_product[category][number, good.product_id]):
                        if not days or days[-1] != day:
                            days.append(day)
        return cls([buyer.user_id for buyer in people], by_category, by_product, last)


PATH: Final = " > "


def _days(buyer: Buyer) -> list[int]:
    return sorted({purchase.at // DAY_MS for purchase in buyer.purchases})


def sequences(days: Iterable[Sequence[int]]) -> PurchaseDays:
    """Lists of ascending days as customers 0, 1, …"""
    lists = list(days)
    customer = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    return PurchaseDays(customer, np.array([day for each in lists for day in each], dtype=np.int64), len(lists))


def _rhythms(bought: Mapping[str, Mapping[Member, list[int]]], until: int) -> dict[str, Rhythm]:
    """The rhythm of each category that has one."""
    return dict(_regular(bought, until))


def _regular(bought: Mapping[str, Mapping[Member, list[int]]], until: int) -> Iterator[tuple[str, Rhythm]]:
    for category, members in sorted(bought.items()):
        purchases = sequences(members.values())
        if is_consumable(purchases):
            yield category, Rhythm.fit(Gaps.of(purchases, until))


def _due(
    rhythm: Rhythm, days: Sequence[int], today: int, within: int
) -> tuple[int, int, int, int, int, int, float] | None:
    """The fields of `Due` after its second, where it is due."""
    gaps = Gaps.of(sequences([days]), today + 1)
    when, chance = rhythm.due(gaps), float(rhythm.p_purchase(gaps, within)[0])
    last, usual = days[-1], max(1, round(float(when.median[0])))
    due, early, late = (last + round(float(each[0])) for each in (when.median, when.early, when.late))
    if not due - within <= today <= late or chance < SURE_TO_BUY:
        return None
    return len(days), usual, last, due, early, late, chance
