"""The demo shop as the tests of this folder read it back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.generate import DemoFiles

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@dataclass(frozen=True)
class Written:
    files: DemoFiles
    catalog: list[dict[str, Any]]
    events: list[dict[str, Any]]
    orders: list[dict[str, Any]]
