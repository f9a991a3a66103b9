"""A run that deletes old data is killed again and again: nothing goes in part, nothing that is young, and the last run ends it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

from sqlalchemy import func, insert, select

from storage.database import Database
from storage.record import now_ms
from storage.settings import DAY_MS
from storage.tables import conversations, turns
from tests.fixtures import REPOSITORY, SOAK

KILLS = 60 if SOAK else 3
OLD = 30 * KILLS
YOUNG, TURNS = 40, 5

# It says each conversation that it has deleted, a few a transaction.
KEEPER = """
import sys
from pathlib import Path
from storage import retention
from storage.database import Database
from storage.principal import Principal, Role
from storage.settings import RetentionSettings

retention.BATCH = 3
periods = dict.fromkeys(RetentionSettings.model_fields, 0) | {"conversations": 10}
retention.clear(
    Database.connect(sys.argv[1]), Principal("boss", Role.ADMIN), Path(sys.argv[2]), RetentionSettings(**periods),
    progress=lambda kind, count: print(count, flush=True),
)
"""


def test_a_run_that_is_killed_leaves_whole_conversations(sqlite_url: str) -> None:
    rng, now = random.Random(7), now_ms()
    database = Database.open(sqlite_url)
    ages = {f"old-{number}": now - 11 * DAY_MS for number in range(OLD)}
    ages |= {f"young-{number}": now for number in range(YOUNG)}
    with database.write() as connection:
        heads = [
            {"conversation_id": talk, "user_id": "maya", "channel": "api", "created_at": at, "updated_at": at}
            for talk, at in ages.items()
        ]
        said = {"role": "user", "content": "hello", "language": "en", "created_at": now, "data": {}}
        connection.execute(insert(conversations), heads)
        connection.execute(
            insert(turns),
            [
                said | {"conversation_id": talk, "number": number, "message_id": f"{talk}-{number}"}
                for talk in ages
                for number in range(TURNS)
            ],
        )
    command = [sys.executable, "-c", KEEPER, sqlite_url, "/none"]
    for _ in range(KILLS):
        keeper = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        assert keeper.stdout is not None
        assert keeper.stdout.readline(), "it deletes now"
        time.sleep(rng.uniform(0, 0.1))
        keeper.send_signal(signal.SIGKILL)
        keeper.stdout.read()
        keeper.wait()
        with database.read() as connection:
            left = set(connection.execute(select(conversations.c.conversation_id)).scalars())
            count = select(turns.c.conversation_id, func.count()).group_by(turns.c.conversation_id)
            assert {row[0]: row[1] for row in connection.execute(count)} == dict.fromkeys(left, TURNS)
        assert {talk for talk in ages if talk.startswith("young")} <= left
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    with database.read() as connection:
        left = set(connection.execute(select(conversations.c.conversation_id)).scalars())
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    database.close()
    assert left == {talk for talk in ages if talk.startswith("young")}
