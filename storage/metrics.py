"""Figures of this process, as Prometheus reads them (text exposition format 0.0.4).

Names and units are those of Prometheus's conventions: seconds and bytes, `_total` on what only grows. A label takes its values
from a list that is known beforehand, such as the routes; never from what somebody sent.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final, Literal

Labels = tuple[tuple[str, str], ...]
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of a duration's buckets; those around 0.25 tell whether a turn's p95 keeps to 0.3."""


class Metric(ABC):
    """What is counted under a name, by sets of labels. Safe to share between threads; a name is made once."""

    _all: ClassVar[dict[str, Metric]] = {}
    kind: ClassVar[str]

    def __init__(self, name: str, about: str) -> None:
        self._name = name
        self._about = about
        self._lock = threading.Lock()
        self._all[name] = self

    @classmethod
    def exposed(cls) -> str:
        """All metrics of the process; one that has counted nothing shows its name and meaning."""
        return "".join(line + "\n" for metric in cls._all.values() for line in metric._lines())

    def _lines(self) -> list[str]:
        return [*_header(self._name, self._about, self.kind), *self._samples()]

    @abstractmethod
    def _samples(self) -> Iterator[str]:
        """A line for each set of labels."""


class Counter(Metric):
    """A number that only grows, one for each set of labels.

    `Counter("aisle_refused_total", "What was refused.")` after `add(kind="index")` is exposed as

        # HELP aisle_refused_total What was refused.
        # TYPE aisle_refused_total counter
        aisle_refused_total{kind="index"} 1
    """

    kind = "counter"

    def __init__(self, name: str, about: str) -> None:
        super().__init__(name, about)
        self._values: dict[Labels, int] = {}

    def add(self, amount: int = 1, **labels: str) -> None:
        """Counts `amount` more under these labels."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            self._values[key] = self._values.get(key, 0) + amount

    def value(self, **labels: str) -> int:
        """What was counted under these labels."""
        return self._values.get(tuple(sorted(labels.items())), 0)

    def _samples(self) -> Iterator[str]:
        with self._lock:
            values = sorted(self._values.items())
        return (_sample(self._name, labels, value) for labels, value in values)


class Gauge(Metric):
    """A number that rises and falls, such as the requests that are being answered."""

    kind = "gauge"

    def __init__(self, name: str, about: str) -> None:
        super().__init__(name, about)
        self._value = 0

    def add(self, amount: int) -> None:
        """Moves it by so much."""
        with self._lock:
            self._value += amount

    def _samples(self) -> Iterator[str]:
        yield _sample(self._name, (), self._value)


class Histogram(Metric):
    """How durations are spread, in seconds: buckets that each count all that took no longer, their sum and their number.

    # TYPE aisle_turn_seconds histogram
    aisle_turn_seconds_bucket{le="0.005"} 3
    …
    aisle_turn_seconds_bucket{le="+Inf"} 4
    aisle_turn_seconds_sum 0.21
    aisle_turn_seconds_count 4
    """

    kind = "histogram"

    def __init__(self, name: str, about: str, bounds: tuple[float, ...] = SECONDS) -> None:
        super().__init__(name, about)
        self._bounds = bounds
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, seconds: float, **labels: str) -> None:
        """Counts one that took so long."""
        key = tuple(sorted(labels.items()))
        place = bisect_left(self._bounds, seconds)
        with self._lock:
            self._counts.setdefault(key, [0] * (len(self._bounds) + 1))[place] += 1
            self._sums[key] = self._sums.get(key, 0.0) + seconds

    def count(self, **labels: str) -> int:
        """How many were observed under these labels."""
        return sum(self._counts.get(tuple(sorted(labels.items())), ()))

    def _samples(self) -> Iterator[str]:
        with self._lock:
            every = sorted((labels, list(counts), self._sums[labels]) for labels, counts in self._counts.items())
        bounds = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        for labels, counts, total in every:
            below = 0
            for bound, count in zip(bounds, counts, strict=True):
                below += count
                yield _sample(f"{self._name}_bucket", tuple(sorted((*labels, ("le", bound)))), below)
            yield _sample(f"{self._name}_sum", labels, total)
            yield _sample(f"{self._name}_count", labels, below)


def sampled(
    name: str,
    about: str,
    values: Iterable[tuple[Mapping[str, str], float]],
    kind: Literal["gauge", "counter"] = "gauge",
) -> str:
    """Figures that are read at this moment, by labels, in the same format: `sampled("up", "Whether.", [({}, 1)])`."""
    samples = (_sample(name, tuple(sorted(labels.items())), value) for labels, value in values)
    return "".join(f"{line}\n" for line in (*_header(name, about, kind), *samples))


def _header(name: str, about: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {about}", f"# TYPE {name} {kind}"


def _sample(name: str, labels: Labels, value: float) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    # Whole numbers as they are: %g would round a count above a million.
    number = str(int(value)) if float(value).is_integer() else repr(float(value))
    return f"{name}{{{told}}} {number}" if told else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
