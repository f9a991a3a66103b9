"""What it costs to bring an index up to date: some products, a whole feed of which little changed, and every price.

    python -m benchmarks.updates [--sizes 10000 100000] [--work DIR]

The products and the encoder are those of `benchmarks.growth`, so that what is measured is the index and not the embedding. Each
line is one shop: built as a whole, then given 100 products with other titles by `--update`, the whole feed with other words in
1 % of its products, the whole feed with another price in all, and the same feed again. "its own" are the seconds that the
process computed, on all cores together, whatever else the machine was busy with. The whole feed is read and validated line by
line, which its size asks for: "read" is that part.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as launch.py does, and as early

from benchmarks.growth import Told, prepare, tellings
from index.build import BuildReport, build_index
from index.encoders import encoder_for
from storage.settings import ShopSettings

SIZES = (10_000, 100_000)
CHANGED = 100  # products of a delta
COLUMNS = ("products", "run", "mode", "changed", "repriced", "embedded", "seconds (its own)", "of which read")


def line(size: int, name: str, report: BuildReport, own: float, read: float) -> str:
    """A line of the table, below `COLUMNS`."""
    counts = (report.changed, report.repriced, report.embedded)
    cells = (
        f"{size:,}",
        name,
        report.mode,
        *(f"{count:,}" for count in counts),
        f"{report.seconds:.1f} ({own:.1f})",
        f"{read:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def run(work: Path, size: int) -> None:
    """Prints the lines of one shop."""
    bases = [json.loads(each) for each in (work / "bases.jsonl").read_text().splitlines()]
    encoder = Told(encoder_for("latin", work / "encoder"), work)
    shop, file = work / f"updates-{size}", work / f"updates-{size}.jsonl"
    rows = list(tellings(bases, size))

    def step(name: str, feed: Sequence[dict[str, Any]], *, update: bool = False) -> None:
        file.write_text("".join(json.dumps(row) + "\n" for row in feed))
        read = 0.0

        def note(stage: str, done: int, total: int) -> None:
            nonlocal read
            if stage == "read":
                read = time.perf_counter() - started

        started, busy = time.perf_counter(), time.process_time()
        report = build_index(file, shop, ShopSettings(), {"latin": encoder}, update=update, progress=note)
        print(line(size, name, report, time.process_time() - busy, read), flush=True)

    step("whole build", rows)
    for start, name in enumerate((f"{CHANGED} products, `--update`", f"{CHANGED} others, `--update`")):
        renamed = _renamed(rows, range(start, size, size // CHANGED))
        step(name, [rows[place] for place in renamed], update=True)
    _renamed(rows, range(2, size, 100))
    step("whole feed, 1 % changed", rows)
    rows = [row | {"price": row["price"] | {"amount": row["price"]["amount"] + 1}} for row in rows]
    step("whole feed, all prices", rows)
    step("the same feed again", rows)
    file.unlink()


def _renamed(rows: list[dict[str, Any]], places: range) -> range:
    """Puts other titles into some rows."""
    for place in places:
        rows[place] = rows[place] | {"title": f"{rows[place]['title']} renewed"}
    return places


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--work", type=Path, help="a folder for catalogs and indexes, 1 GB at 100,000 products")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        work = options.work or Path(place)
        work.mkdir(parents=True, exist_ok=True)
        prepare(work)
        print(f"| {' | '.join(COLUMNS)} |\n{'| --- ' * len(COLUMNS)}|")
        for size in options.sizes:
            run(work, size)


if __name__ == "__main__":
    main()
