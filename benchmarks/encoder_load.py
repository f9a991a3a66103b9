"""One encoder asked by several turns at once: one request on all cores, requests side by side, or what waits as one batch.

    python -m benchmarks.encoder_load --shop var

The ways take turns, a second each, so that whatever else the machine does strikes all alike. Texts are customers' turns of the
shop's `dialogues.jsonl`. Milliseconds are of one text, from when its turn asks until it has its vector.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from index.encoders import encoder_for, script_of
from index.transformer import LAYOUT, Transformer, _compile, _requests_at_once

MOST = 8
"""Texts that one batch takes."""


def with_requests(folder: Path, settings: dict[str, str]) -> Transformer:
    """The model of a folder, compiled in another way."""
    made = Transformer.load(folder)
    compiled = _compile(folder / LAYOUT.body, settings)
    made._requests = queue.SimpleQueue()
    for _ in range(_requests_at_once(compiled)):
        made._requests.put(compiled.create_infer_request())
    return made


class Batches:
    """A thread that takes what waits, at most `MOST` texts, and runs it at once."""

    def __init__(self, transformer: Transformer) -> None:
        self._transformer = transformer
        self._waiting: queue.SimpleQueue[tuple[str, Future[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def run(self, text: str) -> Any:
        """The vector of a text, once its batch is done."""
        done: Future[Any] = Future()
        self._waiting.put((text, done))
        return done.result()

    def _run(self) -> None:
        while True:
            taken = [self._waiting.get()]
            while len(taken) < MOST and not self._waiting.empty():
                taken.append(self._waiting.get())
            vectors = self._transformer.run([text for text, _ in taken])["vector"]
            for (_, done), vector in zip(taken, vectors, strict=True):
                done.set_result(vector)


def asked(
    run: Callable[[str], object], texts: Sequence[str], at_once: int, seconds: float
) -> tuple[list[float], float]:
    """Milliseconds of each text while so many turns ask at once, and the seconds that it took."""
    found: list[list[float]] = [[] for _ in range(at_once)]
    ends = time.perf_counter() + seconds

    def turn(number: int) -> None:
        place = number
        while (started := time.perf_counter()) < ends:
            run(texts[place % len(texts)])
            found[number].append(1000 * (time.perf_counter() - started))
            place += at_once

    began = time.perf_counter()
    threads = [threading.Thread(target=turn, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [each for own in found for each in own], time.perf_counter() - began


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("var"))
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    said = [
        message["content"]
        for line in (options.shop / "dialogues.jsonl").read_text(encoding="utf-8").splitlines()[:2_000]
        for message in json.loads(line)["messages"]
        if message["role"] == "user"
    ]
    texts = [text for text in said if script_of(text) == "latin"][:2_000]
    folder = encoder_for("latin", options.shop / "models" / "encoder").folder
    one = Transformer.load(folder)
    beside = with_requests(folder, {"PERFORMANCE_HINT": "THROUGHPUT"})
    batches = Batches(Transformer.load(folder))
    ways: dict[str, Callable[[str], object]] = {
        "one request on all cores": lambda text: one.run([text]),
        f"{beside._requests.qsize()} requests side by side": lambda text: beside.run([text]),
        f"batches of up to {MOST}": batches.run,
    }
    print("| turns at once | way | p50 ms | p95 ms | texts/s |\n" + "| --- " * 5 + "|")
    for at_once in (1, 2, 4, 8):
        took: dict[str, list[float]] = {way: [] for way in ways}
        spent = dict.fromkeys(ways, 0.0)
        for number in range(options.rounds + 1):
            for way, run in ways.items():
                times, seconds = asked(run, texts, at_once, 1.0)
                if number:  # the first round warms up
                    took[way] += times
                    spent[way] += seconds
        for way, times in took.items():
            p50, p95 = np.percentile(times, [50, 95])
            print(f"| {at_once} | {way} | {p50:.1f} | {p95:.1f} | {len(times) / spent[way]:.0f} |", flush=True)
    print(f"\n{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
