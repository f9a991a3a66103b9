"""Counters of this process, as Prometheus reads them (text exposition format 0.0.4)."""

from __future__ import annotations

import threading
from typing import ClassVar


class Counter:
    """A number that only grows, one for each set of labels. Safe to share between threads.

    `Counter("aisle_refused_total", "What was refused.")` after `add(kind="index")` is exposed as

        # HELP aisle_refused_total What was refused.
        # TYPE aisle_refused_total counter
        aisle_refused_total{kind="index"} 1
    """

    _all: ClassVar[dict[str, Counter]] = {}

    def __init__(self, name: str, about: str) -> None:
        self._name = name
        self._about = about
        self._values: dict[tuple[tuple[str, str], ...], int] = {}
        self._lock = threading.Lock()
        self._all[name] = self

    def add(self, amount: int = 1, **labels: str) -> None:
        """Counts `amount` more under these labels."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            self._values[key] = self._values.get(key, 0) + amount

    def value(self, **labels: str) -> int:
        """What was counted under these labels."""
        return self._values.get(tuple(sorted(labels.items())), 0)

    @classmethod
    def exposed(cls) -> str:
        """All counters of the process; one that has counted nothing shows its name and meaning."""
        return "".join(line + "\n" for counter in cls._all.values() for line in counter._lines())

    def _lines(self) -> list[str]:
        with self._lock:
            values = sorted(self._values.items())
        lines = [f"# HELP {self._name} {self._about}", f"# TYPE {self._name} counter"]
        for labels, value in values:
            told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            lines.append(f"{self._name}{{{told}}} {value}" if told else f"{self._name} {value}")
        return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
