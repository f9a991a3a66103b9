"""The one file that knows OpenTelemetry: spans in batches to a collector, by OTLP over HTTP, from a thread of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span

from storage.settings import TelemetrySettings

SECONDS = 5
"""A collector that does not take a batch within so long loses it; a request never waits for it."""


class OtlpTracer:
    """Makes spans and sends them. `exporter` stands in for the collector where it is given."""

    def __init__(self, settings: TelemetrySettings, exporter: SpanExporter | None = None) -> None:
        # Not Resource.create: that adds the command line and the host's name.
        resource = Resource({"service.name": "aisle", "service.version": version("aisle")})
        sampler = ParentBased(TraceIdRatioBased(settings.sample))
        self._provider = TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
        address = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
        sender = exporter or OTLPSpanExporter(endpoint=address, timeout=SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(sender))
        self._tracer = self._provider.get_tracer("aisle")

    def begin(self, name: str) -> AbstractContextManager[Span]:
        """A span that is the parent of those that begin before it ends; of an exception it keeps nothing."""
        return self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)

    def record(self, name: str, start_ns: int, end_ns: int, attributes: Mapping[str, str | int | float]) -> None:
        """A span that is over, below the one that is open now."""
        self._tracer.start_span(name, start_time=start_ns, attributes=dict(attributes)).end(end_ns)

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()
