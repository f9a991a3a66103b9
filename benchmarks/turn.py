"""One turn without an LLM: its stages, the parts it cannot do without, and what HTTP adds. Start-up and memory beside it.

    python -m benchmarks.turn --shop var

The turns are asked round by round; the first round is not counted. The floor is measured in the same run: one forward pass of
the intent model, one of the query encoder, one vector search.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from http.cookiejar import CookieJar
from pathlib import Path

import numpy as np

from benchmarks.server import served
from bot.service import Assistant
from index.encoders import encoder_for
from launch import settings_of
from storage.database import Database
from storage.principal import Principal, Role

TALKS: tuple[tuple[str, ...], ...] = (
    ("hello", "show me running shoes under $120", "in black", "compare the first two", "what is your return policy?"),
    ("I need a coffee grinder", "anything cheaper?", "how heavy is the first one?", "add it to my cart", "thanks, bye"),
    ("a birthday present for someone who loves camping", "not a tent", "the second one looks good", "show my cart"),
    ("你好", "有没有保温杯", "便宜一点的", "第一个是什么材质的", "退货政策是什么"),
)
ROOT = Path(__file__).resolve().parent.parent


def timed(run: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of each of `rounds` calls after a few that are not counted."""
    for _ in range(5):
        run()
    values = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        values.append(1000 * (time.perf_counter() - started))
    return values


def row(name: str, values: Sequence[float]) -> str:
    """A line of the table."""
    return f"| {name} | {np.percentile(values, 50):.1f} | {np.percentile(values, 95):.1f} |"


def talk(assistant: Assistant, rounds: int) -> None:
    """All conversations, `rounds` times, each by a shopper of its own."""
    for number in range(rounds):
        for place, turns in enumerate(TALKS):
            principal, conversation = Principal(f"bench-{number}-{place}", Role.CUSTOMER), None
            for text in turns:
                conversation = assistant.reply(principal, text, conversation).conversation_id


def over_http(shop: Path, rounds: int) -> tuple[float, float, list[float]]:
    """Seconds until the server is ready, its resident megabytes after the talks, milliseconds of each turn."""
    started = time.perf_counter()
    with served(shop) as (address, process):
        ready = time.perf_counter() - started
        values = []
        for number in range(rounds):
            for turns in TALKS:
                opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
                conversation: str | None = None
                for text in turns:
                    body = json.dumps({"message": text, "conversation_id": conversation}).encode()
                    call = urllib.request.Request(f"{address}/api/chat", body, {"Content-Type": "application/json"})
                    began = time.perf_counter()
                    with opener.open(call) as answer:
                        conversation = json.load(answer)["conversation_id"]
                    if number:
                        values.append(1000 * (time.perf_counter() - began))
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return ready, int(found[1]) / 1024 if found else float("nan"), values


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("var"))
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    # Behavior of its own, so that the shop's database is left as it is.
    with tempfile.TemporaryDirectory() as place:
        database = Database.open(f"sqlite:///{place}/bench.db")
        assistant = Assistant.open(options.shop, settings_of(options.shop), database)
        talk(assistant, 1)
        assistant.timings.clear()
        talk(assistant, options.rounds)
        turns = list(assistant.timings)
        encoder = encoder_for("latin", options.shop / "models" / "encoder")
        vectors = assistant.parts.shelf.snapshot.vectors["latin"]
        query = encoder.encode_queries(["running shoes"])[0]
        messages = [{"role": "user", "content": "show me running shoes under $120"}]
        intent = timed(lambda: assistant.parts.intents.predict(messages), 200)
        encode = timed(lambda: encoder.encode_queries(["running shoes"]), 200)
        search = timed(lambda: vectors.search(query, 100, None), 200)
        assistant.close()
        database.close()
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ready, resident, http = over_http(options.shop, options.rounds)
    floor = [sum(values) for values in zip(intent, encode, search, strict=True)]
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {len(turns)} turns\n")
    print("| | p50 ms | p95 ms |\n| --- | --- | --- |")
    for stage in sorted({stage for turn in turns for stage in turn} - {"total"}):
        print(row(stage, [turn.get(stage, 0.0) for turn in turns]))
    print(row("**turn, at the service call**", [turn["total"] for turn in turns]))
    print(row("turn, by HTTP", http))
    print(row("one intent forward", intent))
    print(row("one query forward", encode))
    print(row("one vector search", search))
    print(row("the three together", floor))
    ratio = np.percentile([turn["total"] for turn in turns], 50) / np.percentile(floor, 50)
    print(
        f"\nturn / the three: {ratio:.2f}; ready after {ready:.1f} s; resident {resident:.0f} MB (bench itself {own:.0f} MB)"
    )


if __name__ == "__main__":
    main()
