"""Serving one intent by length: milliseconds a turn, history included, through `IntentModel.predict` as the service calls it.

    python -m benchmarks.serving --model var/models/intent/VERSION [--turns 200]

The words are made up; what is said takes no part in the time.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as launch.py does, and as early

import numpy as np

from bot.intent import IntentModel

LENGTHS = (8, 16, 32, 64, 96, 128)
WORDS = (
    "i would like to send back the kettle that came last week because it does not close and the "
    "courier left it at my neighbour without telling me so please say how much of it you refund and when"
).split()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="an exported intent model")
    parser.add_argument("--turns", type=int, default=200, help="of each length")
    options = parser.parse_args()
    model = IntentModel.load(options.model)
    draw = random.Random(0)
    print("| tokens | p50 ms | p95 ms |\n| --- | --- | --- |")
    for length in LENGTHS:
        turns = [conversation(model, length, draw) for _ in range(options.turns)]
        for messages in turns[:10]:
            model.predict(messages)
        taken = []
        for messages in turns:
            started = time.perf_counter()
            model.predict(messages)
            taken.append(1000 * (time.perf_counter() - started))
        print(f"| {length} | {np.median(taken):.1f} | {np.quantile(taken, 0.95):.1f} |", flush=True)


def conversation(model: IntentModel, length: int, draw: random.Random) -> list[dict[str, object]]:
    """Messages that the model reads as so many tokens: a short turn and a history, or what of it is needed behind a long turn."""
    longest = max(4, length - 72)
    messages: list[dict[str, object]] = [{"role": "user", "content": ""}]
    while True:
        turn = str(messages[-1]["content"])
        if len(turn.split()) < longest:
            messages[-1]["content"] = f"{turn} {draw.choice(WORDS)}".strip()
        elif len(messages) > 1 and len(str(messages[-2]["content"]).split()) < 22:
            messages[-2]["content"] = f"{messages[-2]['content']} {draw.choice(WORDS)}"
        else:
            role = "assistant" if len(messages) % 2 else "user"
            messages.insert(-1, {"role": role, "content": draw.choice(WORDS)})
        if len(model.read(messages)[2].ids) >= length or len(messages) > 12:
            return messages


if __name__ == "__main__":
    main()
