"""From an event to the updated profile: how many a second, how soon, and what heavy shoppers cost.

    python -m benchmarks.events --shop var

The database is a fresh SQLite file in a temporary folder, below `--folder` where the disk matters; products are the shop's. Events
take the way of `POST /api/events`: parsed, cleaned, written durably; then the profile of every shopper of the batch is read. Where
the machine is busy with other things, the time of the processor says what it would be alone.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.profiles import Profiles
from index.product import Product
from retrieval.profile import Meanings, PriceLevels
from storage.consent import Consent
from storage.database import Database
from storage.event import parse_event
from storage.event_audit import clean_batch, date_problem
from storage.events import popularity, record_events
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.rows import RowProblem, read_jsonl

BACKEND = Principal("shop", Role.SERVICE)
KINDS = ("view_item",) * 8 + ("select_item", "add_to_cart", "purchase")
PACE_MS = 40_000
EVENTS_A_SHOPPER = 10  # of one batch
ACTIVE = 500
SINCE_MS = 30 * 86_400_000
HEAVY = 100_000


Moment = NDArray[np.float64]
"""Seconds by the clock and of the processor, or the difference of two such."""


def moment() -> Moment:
    """Now."""
    return np.array([time.perf_counter(), time.process_time()])


class Shoppers:
    """Draws rows as a shop sends them; each shopper acts every 40 seconds, so that none is taken for a bot."""

    def __init__(self, items: Sequence[str], seed: int = 7) -> None:
        self._items, self._rng, self._count = items, random.Random(seed), 0
        self._clocks: dict[str, int] = {}

    def row(self, user: str, at: int) -> dict[str, Any]:
        """The next event of that user."""
        self._count += 1
        return {
            "event_id": f"e{self._count}",
            "event": self._rng.choice(KINDS),
            "user_id": user,
            "session_id": f"{user}-{at // 3_600_000}",
            "timestamp": at,
            "items": [{"item_id": self._rng.choice(self._items), "quantity": 1, "price": 1_999}],
            "dwell_ms": self._rng.choice((900, 8_000, 35_000)),
        }

    def batch(self, size: int, first: int, crowd: str) -> list[dict[str, Any]]:
        """The next events of each of some shoppers of a crowd, who began a month ago."""
        rows = []
        for number in range(size):
            user = f"{crowd}{(first + number // EVENTS_A_SHOPPER) % ACTIVE}"
            self._clocks[user] = self._clocks.get(user, now_ms() - SINCE_MS) + PACE_MS
            rows.append(self.row(user, self._clocks[user]))
        return rows


def post(database: Database, rows: Sequence[dict[str, Any]]) -> int:
    """What the route does with a body; how many were accepted."""
    now = now_ms()
    events = [event for row in rows if date_problem((event := parse_event(row)).timestamp, now) is None]
    return record_events(database, BACKEND, clean_batch(events)[0], Consent()).accepted


def spread(values: Sequence[Moment]) -> str:
    """p50 and p95 in milliseconds, by the clock and by the time of the processor."""
    return " | ".join(f"{1_000 * each:.2f}" for each in np.percentile(np.array(values), (50, 95), axis=0).T.ravel())


def sustained(database: Database, meanings: Meanings, shoppers: Shoppers, size: int, seconds: float) -> None:
    """Batch after batch, alone and with the profiles of all that are in it."""
    for read in (False, True):
        profiles = Profiles(database, Consent())
        events = number = 0
        started, busy = time.perf_counter(), time.process_time()
        while time.perf_counter() - started < seconds:
            batch = shoppers.batch(size, number * size // EVENTS_A_SHOPPER, f"{size}-{read}-")
            events += post(database, batch)
            for user in {row["user_id"] for row in batch} if read else ():
                profiles.of(BACKEND, user, meanings)
            number += 1
        took, busy = time.perf_counter() - started, time.process_time() - busy
        which = "all of the batch" if read else "none"
        print(f"| {size} | {which} | {events:,} in {took:.0f} s | {events / took:,.0f} | {events / busy:,.0f} |")


def latency(database: Database, meanings: Meanings, shoppers: Shoppers, rounds: int) -> None:
    """One event, and the profile that knows of it."""
    profiles = Profiles(database, Consent())
    users = [f"l{number}" for number in range(50)]
    for back in range(60, 0, -1):  # an ordinary history
        post(database, [shoppers.row(user, now_ms() - back * 3_600_000) for user in users])
    for user in users:
        profiles.of(BACKEND, user, meanings)
    written, updated, whole = [], [], []
    for number in range(rounds):
        user = users[number % len(users)]
        started = moment()
        post(database, [shoppers.row(user, now_ms())])
        durable = moment()
        profile = profiles.of(BACKEND, user, meanings)
        ended = moment()
        assert profile.recent[-1].timestamp > now_ms() - 60_000
        written.append(durable - started)
        updated.append(ended - durable)
        whole.append(ended - started)
    print(f"| event parsed, cleaned and durably written | {spread(written)} |")
    print(f"| from there to the updated profile | {spread(updated)} |")
    print(f"| both | {spread(whole)} |")


def heavy(database: Database, meanings: Meanings, shoppers: Shoppers, events: int) -> None:
    """Shoppers with very many events: one at a person's pace, one a bot."""
    for user, pace in (("heavy", PACE_MS), ("bot", 100)):
        start = now_ms()
        for first in range(0, events, 1_000):
            post(
                database,
                [shoppers.row(user, start - pace * number) for number in range(first, min(events, first + 1_000))],
            )
        cold: list[Moment] = []
        warm: list[Moment] = []
        for _ in range(20):
            profiles = Profiles(database, Consent())
            for times in (cold, warm):
                started = moment()
                profile = profiles.of(BACKEND, user, meanings)
                times.append(moment() - started)
        assert profile.empty == (user == "bot")
        print(f"| {user}, {events:,} events: after a restart | {spread(cold)} |")
        print(f"| {user}, {events:,} events: next turns | {spread(warm)} |")
    started = moment()
    popular = popularity(database)
    print(f"| popularity of {len(popular):,} products, once a load | {spread([moment() - started])} |")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument(
        "--folder", type=Path, help="where the database is made; the system's temporary folder otherwise"
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--heavy", type=int, default=HEAVY)
    options = parser.parse_args()
    rows = (row for _, row in read_jsonl(options.shop / "catalog.jsonl") if not isinstance(row, RowProblem))
    products = {product.id: product for product in map(Product.model_validate, rows)}
    meanings = Meanings(products.get, PriceLevels.of_products(products.values()))
    shoppers = Shoppers(list(products))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        database = Database.open(f"sqlite:///{folder}/aisle.db")
        print(
            "| events a batch | profiles read | | events/s | events/s of a processor |\n| --- | --- | --- | --- | --- |"
        )
        for size in (100, 500, 1_000):
            sustained(database, meanings, shoppers, size, options.seconds)
        print("\n| ms | p50 | p95 | processor p50 | p95 |\n| --- | --- | --- | --- | --- |")
        latency(database, meanings, shoppers, options.rounds)
        heavy(database, meanings, shoppers, options.heavy)
        database.close()


if __name__ == "__main__":
    main()
