"""Fifty agents and five hundred live conversations: how soon each agent's window knows what happened.

    python -m benchmarks.desk --shop var [--agents 50] [--conversations 500] [--seconds 120] [--rate 15]

The shop is copied, served by a process of its own, and talked to over HTTP from this one, so both share the machine's cores. Every
conversation was handed over; half are held, the others wait. Customers write at Poisson arrivals, `--rate` a second in all, in
conversations drawn at random; where an agent holds it, the agent's window asks for suggestions and answers after two seconds. Every
agent listens to the stream that feeds the panel. What is timed is from the answer to the request that changed something until a
window has read the row that says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.server import served
from storage.conversations import SUPPORT, Turn, append, start
from storage.database import Database
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.settings import ShopSettings
from storage.tickets import claim, hand_to_team

ROOT = Path(__file__).parent.parent
SAYS = (
    "where is my order?", "the kettle I bought leaks", "can I still return it?", "do you have it in blue?", "when does it come?",
    "我的订单到哪里了？", "杯子收到是碎的", "可以换一个颜色吗？", "什么时候能发货？", "any other tent under $200?",
)  # fmt: skip
ANSWER_SECONDS = 2.0
PARTS = ("panel update", "customer's message", "suggestions", "agent's message")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shop", type=Path, required=True, help="a shop with an index and an intent model; it is copied"
    )
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--conversations", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--rate", type=float, default=15.0, help="customers' messages a second, in all conversations")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aisle-desk-") as folder:
        shop = Path(folder) / "shop"
        shutil.copytree(options.shop, shop)
        database = Database.open(f"sqlite:///{shop / 'aisle.db'}")
        identity = Identity.open(shop, ShopSettings().identity, database)
        talks = fill(database, options.agents, options.conversations)
        with served(shop) as (url, _):
            measured = asyncio.run(Load(url, identity, talks, options.agents).run(options.rate, options.seconds))
        database.close()
    print(f"{options.agents} agents, {options.conversations} conversations, {options.rate:g} messages a second")
    print("| | n | p50 ms | p95 ms | p99 ms | most |\n| --- | --- | --- | --- | --- | --- |")
    for name in PARTS:
        times = np.array(measured.get(name, [np.nan]))
        p50, p95, p99 = np.percentile(times, (50, 95, 99))
        print(f"| {name} | {len(times):,} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {times.max():.0f} |")
    print(
        f"updates that a window did not get: {len(measured.get('lost', ()))}; failed requests: {len(measured.get('failed', ()))}"
    )


def fill(database: Database, agents: int, count: int) -> dict[str, tuple[str, str | None]]:
    """Conversations that were handed over: whose each is, and which agent holds it."""
    talks: dict[str, tuple[str, str | None]] = {}
    for number in range(count):
        customer = Principal(f"load-{number}", Role.CUSTOMER)
        talk = start(database, customer, channel="window")
        append(database, customer, talk, [Turn(role="user", content=SAYS[number % len(SAYS)]) for _ in range(6)])
        hand_to_team(database, customer, talk)
        holder = f"agent-{number % agents}" if number % 2 else None
        if holder is not None:
            claim(database, Principal(holder, Role.AGENT, SUPPORT), talk)
        talks[talk] = customer.id, holder
    return talks


class Load:
    """Agents and customers of one run. `times` are milliseconds by what was timed."""

    def __init__(
        self, url: str, identity: Identity, talks: dict[str, tuple[str, str | None]], agents: int, seed: int = 7
    ) -> None:
        self._talks, self._random = talks, random.Random(seed)
        self._agents = [f"agent-{number}" for number in range(agents)]
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
        self._client = httpx.AsyncClient(base_url=url, timeout=30, limits=limits)
        self._headers = {name: self._bearer(identity, Principal(name, Role.AGENT, SUPPORT)) for name in self._agents}
        self._headers |= {user: self._bearer(identity, Principal(user, Role.CUSTOMER)) for user, _ in talks.values()}
        self._known: dict[str, dict[str, int]] = {name: {} for name in self._agents}
        self._changed: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self.times: dict[str, list[float]] = defaultdict(list)

    async def run(self, rate: float, seconds: float) -> dict[str, list[float]]:
        """Listens with every agent, lets customers write, and tells what was timed."""
        windows = [asyncio.create_task(self._listen(name)) for name in self._agents]
        await asyncio.sleep(3)
        writers: set[asyncio.Task[None]] = set()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(self._random.expovariate(rate))
            task = asyncio.create_task(self._write(self._random.choice(list(self._talks))))
            writers.add(task)
            task.add_done_callback(writers.discard)
        await asyncio.gather(*writers, return_exceptions=True)
        await asyncio.sleep(3)
        for window in windows:
            window.cancel()
        self.times["lost"] = [0.0 for waiting in self._changed.values() for _ in waiting]
        return self.times

    async def _listen(self, agent: str) -> None:
        headers, path = self._headers[agent], "/api/agent/stream"
        async with self._client.stream("GET", path, headers=headers, timeout=None) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    now = time.perf_counter()
                    for row in json.loads(line[6:]).get("rows", ()):
                        self._told(agent, row["conversation_id"], row["updated_at"], now)

    def _told(self, agent: str, talk: str, updated_at: int, now: float) -> None:
        self._known[agent][talk] = updated_at
        waiting = self._changed[agent + talk]
        done = [each for each in waiting if each[0] <= updated_at]
        self._changed[agent + talk] = [each for each in waiting if each[0] > updated_at]
        self.times["panel update"] += [1000 * (now - since) for _, since in done]

    def _expect(self, talk: str, before: int) -> None:
        """Every window is to hear of the change that was answered just now."""
        now = time.perf_counter()
        for agent in self._agents:
            if self._known[agent].get(talk, 0) > before:
                self.times["panel update"].append(0.0)
            else:
                self._changed[agent + talk].append((before + 1, now))

    async def _write(self, talk: str) -> None:
        user, holder = self._talks[talk]
        body = {"message": self._random.choice(SAYS), "conversation_id": talk}
        await self._timed("customer's message", "POST", "/api/chat", user, talk, body)
        if holder is None:
            return
        own = f"/api/agent/conversations/{talk}"
        await self._timed("suggestions", "GET", f"{own}/suggestions", holder)
        await asyncio.sleep(ANSWER_SECONDS)
        await self._timed("agent's message", "POST", f"{own}/messages", holder, talk, {"text": "Let me look."})

    async def _timed(
        self, name: str, method: str, path: str, who: str, talk: str = "", body: dict[str, Any] | None = None
    ) -> None:
        before = max((known.get(talk, 0) for known in self._known.values()), default=0)
        started = time.perf_counter()
        try:
            answer = await self._client.request(method, path, json=body, headers=self._headers[who])
        except httpx.HTTPError:
            self.times["failed"].append(0.0)
            return
        if answer.is_error:
            self.times["failed"].append(0.0)
            return
        self.times[name].append(1000 * (time.perf_counter() - started))
        if talk:
            self._expect(talk, before)

    @staticmethod
    def _bearer(identity: Identity, who: Principal) -> dict[str, str]:
        return {"Authorization": f"Bearer {identity.token(who)}"}


if __name__ == "__main__":
    main()
