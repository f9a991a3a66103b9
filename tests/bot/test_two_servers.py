"""Two server processes on one PostgreSQL and one shop's folder: whichever is asked, it is the same shop."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from index.snapshot import Snapshot
from storage import tables
from storage.conversations import SUPPORT
from storage.database import Database
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import ShopSettings
from storage.tickets import hand_to_team
from tests.bot.catalog import PRODUCTS
from tests.conftest import at_database, run_on_postgres
from tests.fixtures import REPOSITORY


@dataclass
class Two:
    """Their clients, and what signs for people who are known."""

    one: httpx.Client
    other: httpx.Client
    identity: Identity
    database: Database

    def of(self, user: str, role: Role = Role.CUSTOMER, team: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.identity.token(Principal(user, role, team))}"}


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory,
    bot_snapshot: Snapshot,
    encoder_cache: Path,
    encoders_by_space: object,
    postgres: str,
) -> Iterator[Two]:
    shop = tmp_path_factory.mktemp("two") / "shop"
    shutil.copytree(bot_snapshot.folder.parent.parent, shop)
    (shop / "models").mkdir()
    (shop / "models" / "encoder").symlink_to(encoder_cache)
    run_on_postgres(postgres, "CREATE DATABASE two_servers")
    url = at_database(postgres, "two_servers")
    with ExitStack() as left:
        servers = []
        for _ in range(2):
            command = [sys.executable, "-m", "tests.bot.one_server", str(shop), url]
            server = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
            left.callback(server.wait, 30)
            left.callback(server.kill)
            servers.append(server)
        addresses = [server.stdout.readline().strip() for server in servers if server.stdout is not None]
        assert all(addresses), "both started, on empty tables, at once"
        one, other = (left.enter_context(httpx.Client(base_url=address, timeout=60)) for address in addresses)
        database = Database.open(url)
        left.callback(database.close)
        yield Two(one, other, Identity.open(shop, ShopSettings().identity, database), database)
        last = one.post("/api/chat", json={"message": "show me kettles"}).json()["message_id"]
        for server in servers:
            server.terminate()
        assert [server.wait(30) for server in servers] == [0, 0], "SIGTERM is a way to end, not to fail"
        logged = tables.events.c.event_id
        with database.read() as connection:
            shown = connection.execute(select(logged).where(logged == f"{last}:shown")).all()
        assert shown, "what waited to be written is"


@pytest.fixture(autouse=True)
def nobody(two: Two) -> None:
    two.one.cookies.clear()
    two.other.cookies.clear()


def test_a_conversation_goes_on_at_the_other(two: Two) -> None:
    maya = two.of("maya")
    first = two.one.post("/api/chat", json={"message": "show me kettles"}, headers=maya).json()
    assert first["products"]
    body = {"message": "under $45", "conversation_id": first["conversation_id"]}
    second = two.other.post("/api/chat", json=body, headers=maya).json()
    assert second["conversation_id"] == first["conversation_id"]
    assert second["products"], "the kettles are known there"
    assert {card["product_id"] for card in second["products"]} <= {card["product_id"] for card in first["products"]}
    assert all(card["price"]["amount"] <= 4500 for card in second["products"])
    # And back, by one who held it first and has seen nothing of the second turn.
    body["message"] = "show me kettles again"
    assert two.one.post("/api/chat", json=body, headers=maya).status_code == 200
    told = [
        each.get(f"/api/conversations/{first['conversation_id']}", headers=maya).json() for each in (two.one, two.other)
    ]
    assert told[0] == told[1]
    assert len(told[0]["messages"]) == 6
    assert two.other.get(f"/api/conversations/{first['conversation_id']}", headers=two.of("leo")).status_code == 404


def test_a_visitor_and_their_cart_are_the_same_at_both(two: Two) -> None:
    product = PRODUCTS[0]["id"]
    added = two.one.post("/api/cart/lines", json={"product_id": product, "request_id": "r1"})
    two.other.cookies.update(two.one.cookies)
    assert added.status_code == 200
    again = two.other.post("/api/cart/lines", json={"product_id": product, "request_id": "r1"}).json()
    assert [(line["product_id"], line["quantity"]) for line in again["lines"]] == [(product, 1)], "once is once"


def test_events_that_come_to_both_at_once_are_kept_once(two: Two) -> None:
    events = [
        {
            "event_id": f"e{number}",
            "event": "view_item",
            "timestamp": now_ms() - 60_000 * number,
            "items": [{"item_id": "p1"}],
        }
        for number in range(60)
    ]

    def send(number: int) -> int:
        client = (two.one, two.other)[number % 2]
        answer = client.post("/api/events", json={"events": events[: 20 * (1 + number % 3)]}, headers=two.of("noa"))
        assert answer.status_code == 202, answer.text
        assert answer.json()["rejected"] == []
        accepted: int = answer.json()["accepted"]
        return accepted

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(24))) == 60
    kept = two.other.get("/api/users/noa/export", headers=two.of("noa")).json()["events"]
    assert sorted(each["event_id"] for each in kept) == sorted(str(each["event_id"]) for each in events)


def test_a_claim_at_one_is_seen_at_the_other(two: Two) -> None:
    maya, mia, ben = two.of("maya"), two.of("mia", Role.AGENT, SUPPORT), two.of("ben", Role.AGENT, SUPPORT)
    talk = two.one.post("/api/chat", json={"message": "show me kettles"}, headers=maya).json()["conversation_id"]
    hand_to_team(two.database, Principal("maya", Role.CUSTOMER), talk)
    own = f"/api/agent/conversations/{talk}"
    with ThreadPoolExecutor(2) as pool:  # both reach for it at the same moment, each at a server of their own
        asked = pool.map(lambda who: who[0].post(f"{own}/claim", headers=who[1]), ((two.one, mia), (two.other, ben)))
        answers = list(asked)
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner, loser = (
        ((two.one, mia), (two.other, ben)) if answers[0].status_code == 200 else ((two.other, ben), (two.one, mia))
    )
    holder = winner[0].get(own, headers=winner[1]).json()["row"]["holder"]
    rows = loser[0].get("/api/agent/conversations", headers=loser[1]).json()["conversations"]
    assert [row["holder"] for row in rows if row["conversation_id"] == talk] == [holder]
    silent = loser[0].post("/api/chat", json={"message": "hello?", "conversation_id": talk}, headers=maya).json()
    assert (silent["action"], silent["text"]) == ("handoff", ""), (
        "Aisle is silent at the server that did not see the claim"
    )
    assert winner[0].post(f"{own}/messages", json={"text": "I am here."}, headers=winner[1]).status_code == 200
    told = loser[0].get(f"/api/conversations/{talk}", headers=maya).json()["messages"]
    assert told[-1]["text"] == "I am here."


def test_either_counts_for_itself_and_the_desk_for_both(two: Two) -> None:
    told = [each.get("/metrics", headers=two.of("prometheus", Role.SERVICE)).text for each in (two.one, two.other)]
    desk = [[line for line in text.splitlines() if line.startswith("aisle_desk_conversations")] for text in told]
    assert desk[0] == desk[1] != []
    assert all('aisle_database_connections{state="in_use"}' in text for text in told)
