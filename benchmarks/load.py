"""Shoppers who arrive by chance and wait for nobody: percentiles, errors, memory, capacity, and what happens beyond it.

    python -m benchmarks.load --shop var --minutes 10
    python -m benchmarks.load --shop var --find-capacity
    python -m benchmarks.load --shop var --overload 5 --capacity 30

The loop is open: when a turn comes is drawn before (Poisson, `--rate` turns a second over all shoppers) and does not depend on
answers, and latency counts from the moment at which it should have been sent, so that a server that stalls cannot slow down
who measures it (Schroeder et al., "Open versus closed", NSDI 2006; Tene's "coordinated omission"). Each shopper is a user of Locust
with a Poisson process of its own; together they are one of the sum of the rates. Beside 10 turns come 2 searches, 3 batches of
events and 1 write to the cart. What is said are the customers' turns of the shop's own `dialogues.jsonl`, in both languages, in
conversations of a few turns; half of the turns are streamed and count until their last byte.

The server is `launch.py serve` on a copy of the shop, on the same machine, whose load average stands beside the figures.
"""

from __future__ import annotations

# First: it makes sockets and threads cooperative before anything else is imported.
from locust import FastHttpUser, constant, task  # isort: skip
from locust.env import Environment  # isort: skip

import argparse
import json
import os
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import gevent
import gevent.pool
import numpy as np

from benchmarks.server import served

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MS = 300.0
"""The p95 that a turn may take."""
PATIENCE_S = 90.0
"""How long the last answers are waited for."""
REFUSED_SHARE = 0.01
"""A rate at which more turns are refused is above capacity."""
BESIDE = {"search": 0.2, "events": 0.3, "cart": 0.1}
"""So many requests of other kinds come with each turn."""
TURNS_OF_A_TALK = (2, 6)
REFUSAL_MS = 100.0
"""Within which a refusal comes."""
RECOVERY_WINDOW_S = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: `due` is when it should have been sent, seconds of the clock that `time.perf_counter` has."""

    kind: str
    due: float
    ms: float
    status: int
    retry_after: str


@dataclass(frozen=True)
class Texts:
    """What is said and asked for: customers' turns by dialogue, and products that can be put into a cart."""

    dialogues: Sequence[Sequence[str]]
    products: Sequence[str]

    @classmethod
    def of(cls, shop: Path) -> Texts:
        """Of the shop's own files."""
        dialogues = []
        for row in _rows(shop / "dialogues.jsonl"):
            said = [each["content"] for each in row["messages"] if each["role"] == "user"]
            if len(said) >= TURNS_OF_A_TALK[0]:
                dialogues.append(said[: TURNS_OF_A_TALK[1]])
        products = [
            row["id"]
            for row in _rows(shop / "catalog.jsonl")
            if not row.get("variants") and row.get("availability") == "in_stock" and (row.get("stock") or 0) > 20
        ]
        return cls(dialogues, products)


def _rows(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@dataclass
class Run:
    """The requests of one phase: those answered, and the greenlets of those that are out."""

    rate: float
    seconds: float
    counted: float = 0.0
    ended: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    out: gevent.pool.Group = field(default_factory=gevent.pool.Group)


class Shopper(FastHttpUser):
    """One visitor with a cookie of their own, whose requests go off when they are due, whatever became of those before."""

    abstract = True
    wait_time = constant(0)
    concurrency = 200
    texts: ClassVar[Texts]
    run_: ClassVar[Run]
    rate: ClassVar[float]
    """Turns a second of one shopper."""
    seeds: ClassVar[Iterator[int]]

    def on_start(self) -> None:
        """Gets the cookie, before the first turn."""
        self.draw = random.Random(next(self.seeds))
        self.client.get("/api/cart")
        self.talk: list[str] = []
        self.conversation: str | None = None

    @task
    def arrive(self) -> None:
        """All that this shopper does."""
        due = time.perf_counter()
        kinds = {"turn": 1.0, **BESIDE}
        while True:
            due += self.draw.expovariate(self.rate * sum(kinds.values()))
            gevent.sleep(max(0.0, due - time.perf_counter()))
            kind = self.draw.choices(list(kinds), list(kinds.values()))[0]
            self.run_.out.add(gevent.spawn(getattr(self, kind), due))

    def turn(self, due: float) -> None:
        """What comes next in this shopper's talk; a new one begins where the last is over."""
        if not self.talk:
            self.talk, self.conversation = list(self.draw.choice(self.texts.dialogues)), None
        stream = self.draw.random() < 0.5
        body = {"message": self.talk.pop(0), "conversation_id": self.conversation, "stream": stream}
        talk = self.talk
        answer = self._sent("turn", due, "/api/chat", body, last="event: done" if stream else "")
        if answer.status_code == 200 and talk is self.talk:
            said = re.search(r'"conversation_id": ?"([^"]+)"', answer.text)
            self.conversation = said[1] if said else None

    def search(self, due: float) -> None:
        """A search for what somebody said."""
        self._sent("search", due, "/api/search", {"text": self.draw.choice(self.draw.choice(self.texts.dialogues))})

    def events(self, due: float) -> None:
        """One to three products looked at."""
        now = int(time.time() * 1000)
        seen = [
            {
                "event_id": f"load-{self.draw.getrandbits(64):x}",
                "event": "view_item",
                "timestamp": now + place,
                "items": [{"item_id": self.draw.choice(self.texts.products)}],
            }
            for place in range(self.draw.randint(1, 3))
        ]
        self._sent("events", due, "/api/events", {"events": seen})

    def cart(self, due: float) -> None:
        """A product into the cart."""
        body = {
            "product_id": self.draw.choice(self.texts.products),
            "request_id": f"load-{self.draw.getrandbits(64):x}",
        }
        self._sent("cart", due, "/api/cart/lines", body)

    def _sent(self, kind: str, due: float, path: str, body: dict[str, Any], last: str = "") -> Any:
        """Sends and notes; a stream that ends without the `last` word has failed."""
        with self.client.post(path, json=body, name=kind, catch_response=True) as answer:
            answer.success()  # what is an error is decided here
            ms = 1000 * (time.perf_counter() - due)
            retry_after = (answer.headers or {}).get("Retry-After", "") if answer.status_code == 429 else ""
            status = answer.status_code if answer.status_code != 200 or last in answer.text else 500
            self.run_.samples.append(Sample(kind, due, ms, status, retry_after))
            return answer


@dataclass
class Phase:
    """What was measured at one rate: milliseconds from when a request was due; `errors` are neither 2xx nor 429.

    `statuses` counts answers by HTTP status, 0 where none came in a minute.
    """

    rate: float
    seconds: float
    turns: int
    p50: float
    p95: float
    p99: float
    refused: int
    errors: int
    by_kind: dict[str, dict[str, float]]
    statuses: dict[int, int]
    load_average: float
    samples: list[Sample] = field(default_factory=list, repr=False)

    def row(self) -> str:
        """A line of the table."""
        return (
            f"| {self.rate:g} | {self.turns} | {self.p50:.0f} | {self.p95:.0f} | {self.p99:.0f} | {self.refused} "
            f"| {self.errors} | {self.load_average:.1f} |"
        )


HEAD = "| turns/s | turns | p50 ms | p95 ms | p99 ms | refused | errors | load average |\n" + "| --- " * 8 + "|"


def begin(address: str, texts: Texts, rate: float, seconds: float, shoppers: int, seed: int) -> Run:
    """Shoppers arrive for some seconds; what they asked for may still be out afterwards. The first second is not counted."""
    run = Run(rate, seconds)
    seeds = iter(range(seed * 1000, seed * 1000 + shoppers))
    own = {"host": address, "texts": texts, "run_": run, "rate": rate / shoppers, "seeds": seeds}
    users = type("Shoppers", (Shopper,), own)
    runner = Environment(user_classes=[users], catch_exceptions=False).create_local_runner()
    runner.start(shoppers, spawn_rate=100)
    run.counted = time.perf_counter() + 1
    gevent.sleep(1 + seconds)
    runner.stop()
    run.ended = time.perf_counter()
    return run


def phase(address: str, texts: Texts, rate: float, seconds: float, shoppers: int, seed: int) -> Phase:
    """Shoppers arrive for some seconds, and all get their answer."""
    return settled(begin(address, texts, rate, seconds, shoppers, seed))


def settled(run: Run) -> Phase:
    """Waits for the answers that are out; those that never come are errors."""
    load = os.getloadavg()[0]
    run.out.join(timeout=PATIENCE_S)
    lost = len(run.out)
    kept = [each for each in run.samples if each.due >= run.counted]
    found = summary(kept, run.rate, run.seconds, load)
    found.errors += lost
    return found


def summary(samples: list[Sample], rate: float, seconds: float, load: float) -> Phase:
    """The figures of samples; percentiles are of what was accepted."""
    by_kind = {}
    for kind in sorted({each.kind for each in samples}):
        own = [each for each in samples if each.kind == kind]
        done = [each.ms for each in own if each.status < 300] or [float("nan")]
        by_kind[kind] = {
            "n": len(own),
            **{f"p{q}": round(float(np.percentile(done, q)), 1) for q in (50, 95, 99)},
            "refused": sum(each.status == 429 for each in own),
            "errors": sum((each.status >= 300 and each.status != 429) or each.status == 0 for each in own),
        }
    turn = by_kind.get("turn", {"n": 0, "p50": float("nan"), "p95": float("nan"), "p99": float("nan")})
    return Phase(
        rate,
        seconds,
        int(turn["n"]),
        turn["p50"],
        turn["p95"],
        turn["p99"],
        sum(int(each["refused"]) for each in by_kind.values()),
        sum(int(each["errors"]) for each in by_kind.values()),
        by_kind,
        dict(sorted(Counter(each.status for each in samples).items())),
        load,
        samples,
    )


@contextmanager
def serving(shop: Path) -> Iterator[tuple[str, int]]:
    """A server of a copy of the shop: its address and process id."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "shop"
        shutil.copytree(shop, copy, symlinks=True)
        with served(copy) as found:
            yield found


def resident(pid: int, kind: str = "VmRSS") -> float:
    """Resident megabytes of a process: `RssAnon` is its own; the rest of `VmRSS` are pages of files, not lost to others."""
    found = re.search(rf"{kind}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else float("nan")


def find_capacity(address: str, texts: Texts, shoppers: int, seconds: float, start: float) -> tuple[float, list[Phase]]:
    """The highest rate of a ladder (each a quarter above the last) at which a turn's p95 holds and hardly any is refused."""
    capacity, rate, steps = 0.0, start, list[Phase]()
    while True:
        step = phase(address, texts, rate, seconds, shoppers, len(steps) + 1)
        steps.append(step)
        print(step.row(), flush=True)
        refused = step.by_kind["turn"]["refused"] / max(step.turns, 1)
        if not step.p95 <= LIMIT_MS or refused > REFUSED_SHARE or step.errors:
            return capacity, steps
        capacity, rate = rate, round(rate * 1.25, 1)


def overload(
    address: str, texts: Texts, shoppers: int, seconds: float, capacity: float, times: float
) -> dict[str, Any]:
    """At capacity, at a multiple of it, and at half of it: what is accepted, how it is refused, when all is well again."""
    at = phase(address, texts, capacity, seconds, shoppers, 91)
    print(at.row(), flush=True)
    much = begin(address, texts, capacity * times, seconds, shoppers, 92)
    less = begin(
        address, texts, capacity / 2, seconds, shoppers, 93
    )  # at once: what is still out is what it recovers from
    beyond, after = settled(much), settled(less)
    print(beyond.row(), after.row(), sep="\n", flush=True)
    refused = [each for each in beyond.samples if each.status == 429]
    ms = [each.ms for each in refused] or [float("nan")]
    waits = [int(each.retry_after) for each in refused if each.retry_after.isdecimal()]
    return {
        "phases": [_figures(each) for each in (at, beyond, after)],
        "accepted_p95": beyond.p95,
        "accepted_of_limit": round(beyond.p95 / LIMIT_MS, 2),
        "accepted_a_second": round(sum(e.kind == "turn" and e.status < 300 for e in beyond.samples) / seconds, 1),
        "refused": len(refused),
        "refused_p50": round(float(np.percentile(ms, 50)), 1),
        "refused_p95": round(float(np.percentile(ms, 95)), 1),
        "refused_within_100_ms": round(float(np.mean(np.array(ms) <= REFUSAL_MS)), 4),
        "with_retry_after": round(len(waits) / max(len(refused), 1), 4),
        "retry_after_s": [min(waits, default=0), max(waits, default=0)],
        "recovery_s": round(recovery(after.samples, much.ended), 1),
    }


def recovery(samples: Sequence[Sample], ended: float) -> float:
    """Seconds until two seconds begin from which on all are good: hardly a turn is refused or takes longer than the limit."""
    turns = [each for each in samples if each.kind == "turn"]
    last_bad = 0.0
    for start in np.arange(ended, max((each.due for each in turns), default=ended), RECOVERY_WINDOW_S):
        own = [each for each in turns if start <= each.due < start + RECOVERY_WINDOW_S]
        slow = sum(each.ms > LIMIT_MS or each.status >= 300 for each in own)
        if own and slow > max(1, 0.1 * len(own)):
            last_bad = start + RECOVERY_WINDOW_S - ended
    return last_bad


def _figures(each: Phase) -> dict[str, Any]:
    return {name: value for name, value in asdict(each).items() if name != "samples"}


def steady(address: str, pid: int, texts: Texts, options: argparse.Namespace) -> dict[str, Any]:
    """One rate for some minutes, and how memory grows meanwhile."""
    warm = phase(address, texts, options.rate, options.warm_up, options.shoppers, 1)
    before, own_before = resident(pid), resident(pid, "RssAnon")
    found = phase(address, texts, options.rate, 60 * options.minutes, options.shoppers, 2)
    after, own_after = resident(pid), resident(pid, "RssAnon")
    print(found.row(), flush=True)
    requests = sum(int(each["n"]) for each in found.by_kind.values())
    return {
        **_figures(found),
        "warm_up_s": options.warm_up,
        "warm_up_p95": warm.p95,
        "error_rate": round((found.errors + found.refused) / max(requests, 1), 5),
        "rss_mb": [round(before), round(after)],
        "growth": round(after / before - 1, 4),
        "own_mb": [round(own_before), round(own_after)],
        "own_growth": round(own_after / own_before - 1, 4),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("var"))
    parser.add_argument("--rate", type=float, default=15.0, help="turns a second, over all shoppers")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--shoppers", type=int, default=50)
    parser.add_argument("--warm-up", type=float, default=60.0, help="seconds before memory and percentiles count")
    parser.add_argument("--find-capacity", action="store_true", help="raise the rate until p95 passes 300 ms")
    parser.add_argument("--overload", type=float, default=0.0, help="so many times capacity")
    parser.add_argument("--capacity", type=float, default=0.0, help="turns a second, where it is known")
    parser.add_argument("--step", type=float, default=30.0, help="seconds at each rate of the ladder and the overload")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    if options.overload and not (options.capacity or options.find_capacity):
        parser.error("--overload needs --capacity, or --find-capacity before it")
    texts = Texts.of(options.shop)
    report: dict[str, Any] = {"cores": os.cpu_count(), "shoppers": options.shoppers}
    with serving(options.shop) as (address, pid):
        print(HEAD)
        capacity = options.capacity
        if options.find_capacity:
            phase(address, texts, options.rate / 2, min(options.warm_up, 20), options.shoppers, 0)
            capacity, steps = find_capacity(address, texts, options.shoppers, options.step, options.rate / 2)
            report |= {"capacity": capacity, "ladder": [_figures(each) for each in steps]}
        if options.overload:
            report["overload"] = overload(address, texts, options.shoppers, options.step, capacity, options.overload)
        if not options.find_capacity and not options.overload:
            report["steady"] = steady(address, pid, texts, options)
    said = json.dumps(report, indent=1, ensure_ascii=False)
    if options.json:
        options.json.write_text(said + "\n", encoding="utf-8")
    print(said)


if __name__ == "__main__":
    main()
