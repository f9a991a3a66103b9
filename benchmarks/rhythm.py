"""Whether "due within the next 14 days" comes true, and whether bands are in order: both on days that were not learnt from.

    python -m benchmarks.rhythm --shoppers 6000
    python -m benchmarks.rhythm --shop myshop
    python -m benchmarks.rhythm --data ../shared/data/cdnow_sample

--shoppers makes a demo shop of so many and reads it back from its database; --shop takes one that is loaded and indexed. On each
of several days, two weeks apart and the last two weeks before the end, everything is learnt from what was bought before, and each
shopper who has bought of a category that is used up is asked about: will they buy of it within 14 days? A baseline's distance
from its due date becomes a chance by a logistic regression on the two weeks before. Bands are made on one day and compared
with who came back in the weeks after it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from demo.generate import write_demo_shop
from finetune.calibration import auroc
from finetune.transactions import read_transactions
from retrieval.goods import Good, Goods
from retrieval.retention import DAYS_A_WEEK, BetaGeometric, PurchaseDays, fit_retention
from retrieval.retention.bands import WEEKS, Band, standings
from retrieval.retention.consumption import DAY_MS, PATH, Consumption, sequences
from retrieval.retention.customers import purchase_days
from retrieval.retention.history import Floats
from retrieval.retention.rhythm import Gaps, Rhythm
from storage.consent import Consent
from storage.database import Database
from storage.event import Event, read_event
from storage.events import record_events
from storage.orders import Order, put_orders, read_order
from storage.principal import local_operator
from storage.purchases import Buyer, buyers
from storage.rows import RowProblem, read_jsonl

WITHIN = 14
ORIGINS = 5
METHODS = (
    "share of the two weeks before",
    "median gap of the category",
    "own last gap, else the median",
    "BG/NBD of the category (no rhythm)",
    "**Aisle**: rhythm of category and shopper",
)
_BINS = (0.0, 0.1, 0.25, 0.5, 1.0)
_NOW = datetime(2025, 7, 1, tzinfo=UTC)
"""When the made-up shop's 180 days end: the same figures on every day of the calendar."""


def until_day(people: Iterable[Buyer], day: int) -> list[Buyer]:
    """The buyers as they were known when that day, since 1970, began."""
    found = []
    for buyer in people:
        known = tuple(each for each in buyer.purchases if each.at < day * DAY_MS)
        if known:
            found.append(replace(buyer, purchases=known))
    return found


Pairs = Sequence[tuple[str, Sequence[int]]]
"""(user, days on which they bought of the category before the day that is asked about)."""


def pairs_of(bought: Consumption, category: str, day: int) -> Pairs:
    """Everybody who bought of a category before a day, with these days."""
    known = ((user, [each for each in habit.days if each < day]) for user, habit in bought.habits[category].items())
    return [(user, days) for user, days in known if days]


def came(bought: Consumption, category: str, pairs: Pairs, day: int) -> Floats:
    """Whether each bought of it within the 14 days from that day."""
    habits = bought.habits[category]
    return np.array([any(day <= each < day + WITHIN for each in habits[user].days) for user, _ in pairs], float)


def closeness(pairs: Pairs, day: int, own: bool) -> Floats:
    """Minus how far the middle of the 14 days lies from the due date, in logarithms of days since the last purchase."""
    gaps = [later - earlier for _, days in pairs for earlier, later in pairwise(days)]
    median = float(np.median(gaps)) if gaps else 30.0
    usual = np.array([days[-1] - days[-2] if own and len(days) > 1 else median for _, days in pairs], float)
    waited = np.array([day - days[-1] + WITHIN / 2 for _, days in pairs], float)
    return np.asarray(-np.abs(np.log(waited / usual)))


def calibrated(score: Floats, before: Floats, bought: Floats) -> Floats:
    """A score as a chance: the logistic regression of what was bought on the score of the two weeks before."""

    def loss(weights: Floats) -> float:
        odds = weights[0] + weights[1] * before
        return float((np.logaddexp(0, odds) - bought * odds).sum() + 0.5 * weights @ weights)

    level, slope = minimize(loss, np.zeros(2), method="BFGS").x
    return np.asarray(expit(level + slope * score))


def asked(people: Sequence[Buyer], goods: Goods, day: int) -> tuple[Mapping[str, Floats], Floats, Mapping[str, Floats]]:
    """On one day: chances by method, whether it was bought, and by method whether it was called due; (pairs,) each."""
    bought = Consumption.of(people, goods)
    known = Consumption.of(until_day(people, day), goods)
    rhythms, _ = known.rhythms(day)
    parts: dict[str, list[Floats]] = {name: [] for name in METHODS}
    flags: dict[str, list[Floats]] = {name: [] for name in METHODS[1:]}
    actual: list[Floats] = []
    due = {
        (user, each.good.category) for user, dues in known.dues(rhythms, {}, day - 1, WITHIN).items() for each in dues
    }
    for category, rhythm in rhythms.items():
        pairs, earlier = pairs_of(bought, category, day), pairs_of(bought, category, day - WITHIN)
        actual.append(came(bought, category, pairs, day))
        before = came(bought, category, earlier, day - WITHIN)
        parts[METHODS[0]].append(np.full(len(pairs), before.mean()))
        for name, own in ((METHODS[1], False), (METHODS[2], True)):
            score = closeness(pairs, day, own)
            parts[name].append(calibrated(score, closeness(earlier, day - WITHIN, own), before))
            flags[name].append(_falls_due(pairs, day, own))
        purchases = sequences(days for _, days in pairs)
        summary = purchases.summary(day)
        chance = BetaGeometric.fit(summary).p_purchase(summary, WITHIN / DAYS_A_WEEK)
        parts[METHODS[3]].append(chance)
        flags[METHODS[3]].append((chance >= 0.5).astype(float))
        parts[METHODS[4]].append(rhythm.p_purchase(Gaps.of(purchases, day), WITHIN))
        path = tuple(category.split(PATH))
        flags[METHODS[4]].append(np.array([(user, path) in due for user, _ in pairs], float))
    joined = {name: np.concatenate(each) for name, each in parts.items()} if actual else {}
    flagged = {name: np.concatenate(each) for name, each in flags.items()} if actual else {}
    return joined, np.concatenate(actual) if actual else np.empty(0), flagged


def _falls_due(pairs: Pairs, day: int, own: bool) -> Floats:
    """Whether the due date by the gap lies within the 14 days from that day."""
    gaps = [later - earlier for _, days in pairs for earlier, later in pairwise(days)]
    median = float(np.median(gaps)) if gaps else 30.0
    usual = [days[-1] - days[-2] if own and len(days) > 1 else median for _, days in pairs]
    return np.array(
        [day <= days[-1] + each < day + WITHIN for (_, days), each in zip(pairs, usual, strict=True)], float
    )


def same_product(people: Sequence[Buyer], goods: Goods, day: int) -> tuple[Floats, Floats, Floats]:
    """Of the product that each bought last: its chance by the category's rhythm and by its own, and whether it was bought."""
    bought, known = Consumption.of(people, goods), Consumption.of(until_day(people, day), goods)
    of_category, of_product = known.rhythms(day)
    one: list[Floats] = [np.empty(0)]
    other: list[Floats] = [np.empty(0)]
    actual: list[Floats] = [np.empty(0)]
    for category in of_category.keys() & of_product.keys():
        habits = known.habits[category]
        everything, alone = (
            Gaps.of(sequences(lists), day)
            for lists in ([each.days for each in habits.values()], [each.of_last for each in habits.values()])
        )
        one.append(of_category[category].p_purchase(everything, WITHIN))
        other.append(of_product[category].p_purchase(alone, WITHIN))
        later = (bought.habits[category][user].by_product[each.last.product_id] for user, each in habits.items())
        actual.append(np.array([any(day <= each < day + WITHIN for each in days) for days in later], float))
    return np.concatenate(one), np.concatenate(other), np.concatenate(actual)


def dues(people: Sequence[Buyer], goods: Goods) -> None:
    """Prints how well "due within the next 14 days" foretells a purchase."""
    last = max(each.purchases[-1].at for each in people) // DAY_MS + 1
    chances: dict[str, list[Floats]] = {name: [] for name in METHODS}
    flags: dict[str, list[Floats]] = {name: [] for name in METHODS[1:]}
    bought: list[Floats] = []
    for number in range(ORIGINS, 0, -1):
        found, actual, flagged = asked(people, goods, last - number * WITHIN)
        if not len(actual):
            print(f"Nothing is used up regularly {number * WITHIN} days before the end.")
            continue
        bought.append(actual)
        for name in METHODS:
            chances[name].append(found[name])
        for name in METHODS[1:]:
            flags[name].append(flagged[name])
    if not bought:
        return
    used_up, _ = Consumption.of(people, goods).rhythms(last)
    names = (f"{name.split(PATH)[-1]} {np.exp(each.mu):.0f}" for name, each in used_up.items())
    print(f"\nUsed up, with the median days: {', '.join(names)}")
    actual = np.concatenate(bought)
    print(f"\n{len(people):,} shoppers; {len(actual):,} questions on {len(bought)} days, {actual.mean():.1%} came true")
    print(
        "\n| method | AUC | Brier | called due | of them bought | of all purchases |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name in METHODS:
        chance = np.concatenate(chances[name])
        area = auroc(chance[actual == 0], chance[actual == 1])
        cells = [f"{area:.3f}", f"{((chance - actual) ** 2).mean():.4f}"]
        if name in flags:
            due = np.concatenate(flags[name]) > 0
            hits = actual[due].sum()
            cells += [f"{due.sum():,}", f"{hits / max(1, due.sum()):.1%}", f"{hits / actual.sum():.1%}"]
        else:
            cells += ["", "", ""]
        print(f"| {name} | {' | '.join(cells)} |")
    chance = np.concatenate(chances[METHODS[-1]])
    print("\n| chance by rhythm | questions | foreseen | came true |\n| --- | --- | --- | --- |")
    for low, high in pairwise(_BINS):
        rows = (chance > low) & (chance <= high)
        if rows.any():
            print(
                f"| {low:.0%} to {high:.0%} | {rows.sum():,} | {chance[rows].mean():.1%} | {actual[rows].mean():.1%} |"
            )


def products(people: Sequence[Buyer], goods: Goods) -> None:
    """Prints how well a purchase of the very product is foretold."""
    last = max(each.purchases[-1].at for each in people) // DAY_MS + 1
    found = [same_product(people, goods, last - number * WITHIN) for number in range(ORIGINS, 0, -1)]
    one, other, actual = (np.concatenate(each) for each in zip(*found, strict=True))
    if not 0 < actual.sum() < len(actual):
        return
    print(f"\n{len(actual):,} questions about the product bought last, {actual.mean():.1%} came true")
    print("\n| chance of the same product by | AUC | Brier |\n| --- | --- | --- |")
    for name, chance in (("rhythm of the category", one), ("rhythm of the same product", other)):
        area = auroc(chance[actual == 0], chance[actual == 1])
        print(f"| {name} | {area:.3f} | {((chance - actual) ** 2).mean():.4f} |")


def bands(purchases: PurchaseDays, until: int, weeks: int) -> None:
    """Prints for each band as of day `until` how many came back within so many weeks, and how good the chances are."""
    known = purchases.before(until)
    start = int(known.day.min())
    forecast, gaps = fit_retention(known, start, until), Gaps.of(known, until)
    rhythm = Rhythm.fit(gaps)
    found = standings(forecast, rhythm, purchases, until)
    summary = known.summary(until)
    bought = purchases.count(summary.customer, until, until + weeks * DAYS_A_WEEK) > 0
    next_day = np.full(purchases.customers, np.iinfo(np.int64).max)
    later = purchases.day >= until
    np.minimum.at(next_day, purchases.customer[later], purchases.day[later])
    ahead = np.minimum([each.horizon_days for each in found], weeks * DAYS_A_WEEK)
    within = next_day[summary.customer] < until + ahead
    print(f"\nfrom day {until - start}, {weeks} weeks after it")
    print(
        f"\n| band | shoppers | came back in {weeks} weeks | within two usual gaps | chance of that |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for band in Band:
        rows = np.array([each.band is band for each in found])
        if rows.any():
            chance = np.array([each.chance for each in found])[rows].mean()
            cells = [f"{rows.sum():,}", f"{bought[rows].mean():.1%}", f"{within[rows].mean():.1%}", f"{chance:.1%}"]
            print(f"| {band} | {' | '.join(cells)} |")
    weeks = min(WEEKS, weeks)
    actual = purchases.count(summary.customer, until, until + weeks * DAYS_A_WEEK) > 0
    one, other = forecast.predict(summary, weeks).p_purchase, rhythm.p_purchase(gaps, weeks * DAYS_A_WEEK)
    print(
        f"\n| chance of a purchase within {weeks} weeks | AUC | Brier | foreseen over actual |\n| --- | --- | --- | --- |"
    )
    for name, chance in (("BG/NBD", one), ("rhythm", other), ("**Aisle**: the mean of both", (one + other) / 2)):
        area = auroc(chance[~actual], chance[actual])
        print(f"| {name} | {area:.3f} | {((chance - actual) ** 2).mean():.4f} | {chance.mean() / actual.mean():.2f} |")


def demo_people(folder: Path, shoppers: int, products: int) -> tuple[list[Buyer], Goods]:
    """A made-up shop, read back from its database."""
    files = write_demo_shop(folder, shoppers=shoppers, products=products, now=_NOW)
    database, shop = Database.open(f"sqlite:///{folder / 'aisle.db'}"), local_operator()
    orders: list[Order] = [read_order(row)[0] for _, row in read_jsonl(files.orders) if not isinstance(row, RowProblem)]
    told: list[Event] = [
        read_event(row)[0]
        for _, row in read_jsonl(files.events)
        if not isinstance(row, RowProblem) and row["event"] in ("purchase", "refund")
    ]
    for start in range(0, len(orders), 5_000):
        put_orders(database, shop, orders[start : start + 5_000])
    for start in range(0, len(told), 5_000):
        record_events(database, shop, told[start : start + 5_000])
    goods: dict[str, Good] = {}
    for line in files.catalog.read_text("utf-8").splitlines():
        row = json.loads(line)
        good = Good(row["id"], row["title"], tuple(row["categories"]), True)
        goods |= {row["id"]: good} | {each["id"]: good for each in row.get("variants", ())}
    people = list(buyers(database, shop, Consent()))
    database.close()
    return people, lambda ids: {each: goods[each] for each in ids if each in goods}


def shop_people(shop: Path) -> tuple[list[Buyer], Goods, Database]:
    """A shop's own, from its database and index; the database stays open for the index's offers."""
    from bot.goods import goods_of
    from storage.settings import ShopSettings, parse_settings

    path = shop / "shop.toml"
    settings = parse_settings(path.read_bytes()) if path.is_file() else ShopSettings()
    database = Database.open(settings.database.url_for(shop))
    return list(buyers(database, local_operator(), settings.consent)), goods_of(shop, database), database


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--shoppers", type=int, metavar="N", help="a made-up shop of so many")
    source.add_argument("--shop", type=Path, help="a shop's folder")
    source.add_argument("--data", type=Path, help="the folder of the CDNOW sample: bands alone, for it has no products")
    parser.add_argument("--products", type=int, default=1_500, help="of the made-up shop")
    options = parser.parse_args()
    if options.data:
        purchases = read_transactions(options.data / "transactions.csv.gz").purchases
        for week in (26, 39, 52):
            bands(purchases, week * DAYS_A_WEEK, min(39, 78 - week))
        return
    if options.shop:
        people, goods, database = shop_people(options.shop)
        dues(people, goods)
        products(people, goods)
        database.close()
    else:
        with tempfile.TemporaryDirectory() as folder:
            people, goods = demo_people(Path(folder), options.shoppers, options.products)
        dues(people, goods)
        products(people, goods)
    purchases = purchase_days(people)
    first, last = int(purchases.day.min()), int(purchases.day.max())
    for share in (0.6, 0.75):
        until = first + round(share * (last - first))
        bands(purchases, until, (last - until) // DAYS_A_WEEK)


if __name__ == "__main__":
    main()
