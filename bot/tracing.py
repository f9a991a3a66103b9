"""Spans by OpenTelemetry, where `[telemetry] otlp_endpoint` names a collector; without it nothing of it is imported.

A request's span holds those of its turn's stages (`storage`, `intent`, `understanding`, `search`, `ranking`, `reply`) and of a
language model's part (`llm`). Attributes are routes, numbers and names out of this code: never a text, an id or an address.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from storage.errors import Unavailable
from storage.settings import TelemetrySettings

Attributes = dict[str, str | int | float]


class Tracer(Protocol):
    """What makes spans."""

    def begin(self, name: str) -> Any:
        """A span that is the parent of those that begin before it ends."""

    def record(self, name: str, start_ns: int, end_ns: int, attributes: Mapping[str, str | int | float]) -> None:
        """A span that is over, below the one that is open now."""


_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Takes a tracer for this process, or none."""
    global _tracer  # noqa: PLW0603 - like the logging that it stands beside, it is one for the process
    _tracer = tracer


@contextmanager
def span(name: str) -> Iterator[Attributes]:
    """A span around a block; what is put into the attributes until its end goes with it."""
    attributes: Attributes = {}
    if _tracer is None:
        yield attributes
        return
    with _tracer.begin(name) as opened:
        try:
            yield attributes
        finally:
            opened.set_attributes(attributes)


def record(name: str, seconds: float, **attributes: str | int | float) -> None:
    """A span that ends now and began so many seconds ago."""
    if _tracer is not None:
        now = time.time_ns()
        _tracer.record(name, now - int(1e9 * seconds), now, attributes)


@contextmanager
def sending(settings: TelemetrySettings) -> Iterator[None]:
    """Sends this process's spans to the collector that the settings name while the block runs; nothing where they name none.

    Raises:
        Unavailable: OpenTelemetry is not installed.
    """
    if not settings.otlp_endpoint:
        yield
        return
    try:
        from bot.otlp import OtlpTracer
    except ImportError as error:
        hint = "Install it: pip install 'aisle[telemetry]'."
        raise Unavailable(f"[telemetry] needs a package: {error}.", hint) from None
    tracer = OtlpTracer(settings)
    use(tracer)
    try:
        yield
    finally:
        use(None)
        tracer.close()
