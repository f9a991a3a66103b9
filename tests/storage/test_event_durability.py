"""A writer is killed in the middle of batches: what it was told to be accepted is there, and no batch is there in part."""

from __future__ import annotations

import random
import subprocess
import sys
import time

from sqlalchemy import select

from storage.database import Database
from storage.tables import event_items, events
from tests.fixtures import REPOSITORY, SOAK
from tests.kills import assert_sound, kill

KILLS = 200 if SOAK else 6
BATCH = 200

# It says the number of a batch once that is accepted.
WRITER = """
import sys
from storage.database import Database
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role

database, start = Database.connect(sys.argv[1]), int(sys.argv[2])
for number in range(start, start + 100_000):
    batch = [
        parse_event({
            "event_id": f"{number}-{place}", "event": "view_item", "user_id": f"u{place % 40}",
            "timestamp": 1_767_323_045_000 + number, "items": [{"item_id": f"p{place}"}],
        })
        for place in range(BATCH)
    ]
    record_events(database, Principal("shop", Role.SERVICE), batch)
    print(number, flush=True)
""".replace("BATCH", str(BATCH))


def test_what_was_accepted_survives_a_kill(sqlite_url: str) -> None:
    rng, told, start = random.Random(5), set[int](), 0
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, sqlite_url, str(start)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        told.add(int(writer.stdout.readline()))  # it writes now
        time.sleep(rng.uniform(0, 0.3))
        kill(writer)
        told |= {int(line) for line in writer.stdout.read().split("\n") if line}
        start += 1_000
    database = Database.open(sqlite_url)
    with database.read() as connection:
        ids = set(connection.execute(select(events.c.event_id)).scalars())
        rows, with_items = (
            set(connection.execute(select(column)).scalars()) for column in (events.c.row, event_items.c.event_row)
        )
    assert_sound(database)
    database.close()
    written: dict[int, int] = {}
    for event_id in ids:
        number = int(event_id.split("-")[0])
        written[number] = written.get(number, 0) + 1
    assert len(told) >= KILLS
    assert told <= written.keys(), "accepted means durable"
    assert set(written.values()) == {BATCH}, "all of a batch or nothing"
    assert rows == with_items
    assert len(written) <= len(told) + KILLS, "at most one batch a kill was written and not told"
