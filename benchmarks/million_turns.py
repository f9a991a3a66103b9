"""A log of a million labelled turns, read, split, tokenized and trained on for some steps: seconds and peak memory.

    python -m benchmarks.million_turns [--turns 1000000] [--steps 40] [--plain]

The log is made up from a seed: dialogues of four labelled user turns and four replies, some twelve words each. A third of the
replies are stock phrases, a message in ten has a number, one in a hundred an e-mail address, and one dialogue in twenty repeats
the one before it but for its numbers.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from benchmarks.training import aisle
from finetune.data_report import describe
from finetune.examples import examples_of, turns_of
from finetune.logs import read_logs
from finetune.split import split_dialogues
from index.pretrained import load_pretrained

TURNS_A_DIALOGUE = 4
_LABELS = [f"intent_{number:02}" for number in range(60)]
_SYLLABLES = "ba de fi go ku la me ni po ru sa te vi wo zu cha lin mar nes tor".split()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1_000_000, help="labelled turns in the log")
    parser.add_argument("--steps", type=int, default=40, help="of training, in batches of 32")
    parser.add_argument("--plain", action="store_true", help="do not pack the log with gzip")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / ("log.jsonl" if options.plain else "log.jsonl.gz")
        started = time.perf_counter()
        write_log(path, options.turns // TURNS_A_DIALOGUE)
        _say(f"written, {path.stat().st_size / 2**20:.0f} MiB", started)
        started = time.perf_counter()
        reading = read_logs([path])
        messages = sum(len(dialogue.messages) for dialogue in reading.dialogues)
        _say(f"read, {1e6 * (time.perf_counter() - started) / messages:.1f} µs a message", started)
        started = time.perf_counter()
        training, validation = split_dialogues(reading.dialogues)
        _say(f"split into {len(training)} and {len(validation)} dialogues", started)
        started = time.perf_counter()
        report = describe(reading, training, validation)
        _say("described", started)
        started = time.perf_counter()
        examples = examples_of(turns_of(training), _LABELS, load_pretrained("minilm").tokenizer)
        _say(f"tokenized {len(examples):,} turns into {len(examples.ids):,} tokens", started)
        started = time.perf_counter()
        speed = aisle(examples, options.steps)
        _say(f"trained {options.steps} steps, {speed:.0f} turns a second", started)
        print("\n".join(report.lines()))


def write_log(path: Path, dialogues: int, seed: int = 0) -> None:
    """Writes the made-up log, packed if `path` ends in .gz."""
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else path.open("w") as out:
        out.writelines(json.dumps(row) + "\n" for row in _rows(dialogues, random.Random(seed)))


def _rows(count: int, draw: random.Random) -> Iterator[dict[str, object]]:
    vocabulary = sorted({"".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(20_000)})
    draw.shuffle(vocabulary)
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(vocabulary))))

    def sentence() -> str:
        words = draw.choices(vocabulary, cum_weights=weights, k=draw.randint(8, 16))
        if draw.random() < 0.1:
            words.insert(draw.randrange(len(words)), str(draw.randrange(1000)))
        if draw.random() < 0.01:
            words.append(f"{draw.choice(vocabulary)}@example.org")
        return " ".join(words)

    stock = [sentence() for _ in range(300)]
    said: list[str] = []
    for number in range(count):
        if not said or draw.random() >= 0.05:
            said = [sentence() for _ in range(TURNS_A_DIALOGUE)]
        else:
            said = [f"{said[0]} {draw.randrange(100)}", *said[1:]]
        messages: list[dict[str, object]] = []
        for text in said:
            label = _LABELS[min(int(draw.expovariate(0.1)), len(_LABELS) - 1)]
            reply = draw.choice(stock) if draw.random() < 0.33 else sentence()
            messages.append({"role": "user", "content": text, "intents": [label]})
            messages.append({"role": "assistant", "content": reply})
        yield {"dialogue_id": f"d{number}", "user_id": f"u{number // 3}", "language": "en", "messages": messages}


def _say(what: str, started: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{time.perf_counter() - started:7.1f} s  peak {peak:6.0f} MiB  {what}", flush=True)


if __name__ == "__main__":
    main()
