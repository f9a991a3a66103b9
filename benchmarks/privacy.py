"""What the log of looks costs an agent, and what deleting old data costs those who write meanwhile.

    python -m benchmarks.privacy [--talks 2000] [--events 200000]

`looks`: an agent opens conversations (`on_behalf`, then `read_on`, as each call of the desk does): the first time, when a row is
written, and again within the quarter of an hour, when it is only looked for; beside both the same reads by Aisle itself, which
leave no row. `retention`: events and conversations of which half are too old are deleted while another thread writes an event
every 10 ms: rows a second, and how long those writes took, beside the same writes with nothing being deleted. SQLite, in a
temporary folder.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from storage.conversations import read_on
from storage.database import Database
from storage.desk import on_behalf
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.retention import clear
from storage.settings import DAY_MS, RetentionSettings
from storage.tables import conversations, events, turns

ADMIN = Principal("bench", Role.ADMIN)
SHOP = Principal("shop", Role.SERVICE)
AGENT = Principal("mia", Role.SUPERVISOR)
MACHINE = Principal("desk", Role.SUPERVISOR, machine=True)
TURNS = 20
KEEP = dict.fromkeys(RetentionSettings.model_fields, 0)


def fill(database: Database, talks: int, many: int) -> list[str]:
    """Conversations of twenty turns and events, every other one three years old; the ids of the conversations."""
    now = now_ms()
    ages = (now - 1_100 * DAY_MS, now)
    ids = [f"c{number}" for number in range(talks)]
    with database.write() as connection:
        connection.execute(
            insert(conversations),
            [
                {"conversation_id": each, "user_id": f"u{number}", "created_at": ages[number % 2]}
                | {"updated_at": ages[number % 2], "channel": "window", "team": "support"}
                for number, each in enumerate(ids)
            ],
        )
        connection.execute(
            insert(turns),
            [
                {"conversation_id": each, "number": number, "message_id": f"{each}-{number}", "data": {}}
                | {"role": "user", "content": "Where is my parcel? " * 5, "language": "en", "created_at": now}
                for each in ids
                for number in range(1, TURNS + 1)
            ],
        )
        for start in range(0, many, 10_000):
            connection.execute(
                insert(events),
                [
                    {"user_id": f"u{number % 5_000}", "event_id": f"e{number}", "event": "view_item"}
                    | {"timestamp": ages[number % 2], "answer": True, "personalize": True, "train": False}
                    for number in range(start, min(start + 10_000, many))
                ],
            )
    return ids


def timed(database: Database, who: Principal, ids: list[str]) -> str:
    """How long opening each conversation takes, elapsed and in CPU of this thread."""
    elapsed, cpu = [], []
    for each in ids:
        started, worked = time.perf_counter(), time.thread_time()
        on_behalf(database, who, each)
        read_on(database, who, each)
        elapsed.append(1000 * (time.perf_counter() - started))
        cpu.append(1000 * (time.thread_time() - worked))
    return f"{spread(elapsed)}  CPU p50 {np.median(cpu):.2f} ms, p95 {np.percentile(cpu, 95):.2f} ms"


def written(database: Database, over: Callable[[], object]) -> tuple[list[float], float]:
    """Milliseconds that an event every 10 ms takes to be written while `over` runs, and how many seconds that did."""
    taken: list[float] = []
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.wait(0.01):
            row = {
                "event_id": f"w{now_ms()}-{number}",
                "event": "view_item",
                "user_id": "writer",
                "timestamp": now_ms(),
            }
            started = time.perf_counter()
            record_events(database, SHOP, [parse_event(row)])
            taken.append(1000 * (time.perf_counter() - started))
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    started = time.perf_counter()
    over()
    seconds = time.perf_counter() - started
    ended.set()
    thread.join()
    return taken, seconds


def spread(values: list[float]) -> str:
    """Percentiles in milliseconds."""
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return f"p50 {p50:6.2f} ms  p95 {p95:6.2f} ms  p99 {p99:6.2f} ms  max {max(values):6.1f} ms  n {len(values):,}"


def main() -> None:
    """Runs it and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--talks", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aisle-privacy-") as folder:
        database = Database.open(f"sqlite:///{folder}/aisle.db")
        ids = fill(database, options.talks, options.events)
        timed(database, MACHINE, ids[:50])
        print("looks: without a log      ", timed(database, MACHINE, ids))
        print("looks: the first, written ", timed(database, AGENT, ids))
        print("looks: again, looked for  ", timed(database, AGENT, ids))
        idle, _ = written(database, lambda: time.sleep(5))
        settings = RetentionSettings.model_validate(KEEP | {"conversations": 730, "events": 730})
        rows = []
        busy, seconds = written(database, lambda: rows.append(clear(database, ADMIN, Path(folder), settings)))
        print("writes: nothing deleted   ", spread(idle))
        print("writes: while deleting    ", spread(busy))
        gone = rows[0].total + TURNS * rows[0].rows["conversations"]["conversations"]
        print(f"deleted: {gone:,} rows in {seconds:.1f} s, {gone / seconds:,.0f} a second")
        database.close()


if __name__ == "__main__":
    main()
