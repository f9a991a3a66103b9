"""Says of a folder that the demo shop is in it, and how far it is built, so that no shop's own files are written over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Final

from storage.errors import Conflict

FILE: Final = "demo-shop"
_DATABASE: Final = "aisle.db"
_RUNS: Final = frozenset(("model_runs", "model_users", "alembic_version"))
_OWN: Final = frozenset(
    ("shop.toml", _DATABASE, "index", "documents", "media", "events.jsonl", "orders.jsonl", "dialogues.jsonl")
)


class Stage(StrEnum):
    """How far the demo shop of a folder is built."""

    WRITING = "writing"
    WRITTEN = "written"  # its files are whole
    COMPLETE = "complete"  # and indexed and ingested


def stage_of(folder: Path) -> Stage | None:
    """How far the demo shop in `folder` is; None where there is none."""
    try:
        return Stage((folder / FILE).read_text("utf-8").strip())
    except FileNotFoundError:
        return None
    except ValueError:  # cut off while it was written
        return Stage.WRITING


def mark(folder: Path, stage: Stage) -> None:
    """Says how far the demo shop in `folder` is."""
    (folder / FILE).write_text(f"{stage}\n", "utf-8")


def claim(folder: Path) -> None:
    """Takes a folder for the demo shop, before anything is written into it.

    Raises:
        Conflict: somebody's own shop is there.
    """
    if folder.is_dir() and stage_of(folder) is None:
        own = sorted(each.name for each in folder.iterdir() if each.name in _OWN or each.name.startswith("catalog."))
        if own == [_DATABASE] and _has_only_runs(folder / _DATABASE):
            own = []
        if own:
            raise Conflict(
                f"{folder} holds a shop that is not the demo's: {', '.join(own)}.",
                "Give the demo a folder of its own: --shop DIR.",
            )
    folder.mkdir(parents=True, exist_ok=True)
    mark(folder, Stage.WRITING)


def _has_only_runs(path: Path) -> bool:
    """Whether a database is no shop's yet: fine-tuning registers its runs in it. It is read as it is and left so."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            filled = (
                connection.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}")').fetchone()[0] for name in names - _RUNS
            )
            return "model_runs" in names and not any(filled)
    except sqlite3.Error:
        return False
