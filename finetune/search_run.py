"""What the runs that tune search have in common: all or nothing, and one process of several writes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune.export import complete_folder
from storage.errors import InvalidInput
from storage.publish import write_manifest

Metrics = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a run gives: the folder, how long it took, and the metrics."""

    model_dir: Path
    seconds: float
    metrics: Metrics


class SearchRun(Protocol):
    """One run: `train` learns, and can go on after a kill from what lies in `checkpoints`; `write` trains, compares and writes."""

    checkpoints: Path

    def train(self) -> object:
        """Learns without writing, for a process beside the one that writes."""

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes the model into the folder; returns the manifest's facts, "metrics" among them."""


def complete_run(start: Callable[[], SearchRun], output: Path, kind: str, epochs: int | None) -> Tuned:
    """Runs and writes the model folder `output` of a kind.

    Raises:
        InvalidInput: fewer epochs than one are asked for.
        Conflict: `output` is not empty.
    """
    from finetune.loop import is_main

    if epochs is not None and epochs < 1:
        raise InvalidInput(f"{epochs} epochs train nothing.", "Give --epochs 1 or more.")
    started = time.monotonic()
    run = start()
    if not is_main():  # of `accelerate launch`: it trains along, another process writes and says so
        run.train()
        return Tuned(output, time.monotonic() - started, {})
    with complete_folder(output) as folder:
        meta = run.write(folder)
        write_manifest(folder, kind, meta)
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    return Tuned(output, time.monotonic() - started, meta["metrics"])
