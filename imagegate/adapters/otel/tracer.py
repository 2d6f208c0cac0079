"""Spans of OpenTelemetry, sent in the background by its own batch processor."""

from __future__ import annotations

import atexit
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span as OpenSpan
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace import Tracer as OpenTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from imagegate import __version__
from imagegate.ports.tracing import Attributes, Span, Tracer

EXPORTED, FAILED = "exported", "failed"
PATH = "/v1/traces"
TEXT_MAX = 256
"""Longest attribute, in characters."""
END_S = 2.0
"""How long the end of a process waits for the last spans."""
MILLION = 1_000_000
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.{0,256})?")
"""W3C Trace Context, ``traceparent``; later versions may go on after the flags."""
_TRACE_CONTEXT = TraceContextTextMapPropagator()


class OtelSpan:
    """``ports.tracing.Span``."""

    __slots__ = ("_context", "_span", "_tracer")

    def __init__(self, tracer: OpenTracer, span: OpenSpan) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span, Context())

    @property
    def traceparent(self) -> str:
        """See ``ports.tracing.Span``."""
        carrier: dict[str, str] = {}
        _TRACE_CONTEXT.inject(carrier, self._context)
        return carrier.get("traceparent", "")

    def child(self, name: str, attributes: Attributes, *, asks: bool = False) -> OtelSpan:
        """See ``ports.tracing.Span``."""
        kind = SpanKind.CLIENT if asks else SpanKind.INTERNAL
        started = self._tracer.start_span(name, self._context, kind, _printable(attributes), record_exception=False)
        return OtelSpan(self._tracer, started)

    def set(self, attributes: Attributes) -> None:
        """See ``ports.tracing.Span``."""
        self._span.set_attributes(_printable(attributes))

    def fail(self, why: str) -> None:
        """See ``ports.tracing.Span``."""
        self._span.set_status(Status(StatusCode.ERROR, why[:TEXT_MAX]))

    def end(self) -> None:
        """See ``ports.tracing.Span``."""
        self._span.end()


class OtelTracer:
    """``ports.tracing.Tracer``. Traces nothing before ``start``.

    What is not said here is read from the environment, as OpenTelemetry defines it (``OTEL_...``).

    Args:
        endpoint: base URL of a collector; empty: as the environment says.
        per_million: reviews that are traced whose request is part of no trace. A request that is part of one is traced
            if its sender traces it. ``OTEL_TRACES_SAMPLER`` in the environment comes first.
    """

    def __init__(self, endpoint: str = "", *, per_million: int) -> None:
        self._endpoint = endpoint
        self._per_million = per_million
        self._samples_by_environment = bool(os.environ.get(OTEL_TRACES_SAMPLER))
        self._tracer: OpenTracer | None = None
        self._provider: TracerProvider | None = None

    def start(self, count: Callable[[str, int], None]) -> None:
        """Trace from now on, and send from a thread of this process; once, after it was forked.

        Args:
            count: called with ``EXPORTED`` or ``FAILED``, and a number of spans.
        """
        provider = TracerProvider(
            resource=_resource(),
            sampler=None if self._samples_by_environment else ALWAYS_ON,
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_span_attribute_length=TEXT_MAX),
        )
        endpoint = self._endpoint.rstrip("/") + PATH if self._endpoint else None
        exporter: Any = _Counted(OTLPSpanExporter(endpoint), count)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        self._provider = provider
        self._tracer = provider.get_tracer("imagegate", __version__)
        atexit.register(self.close)

    def review(self, name: str, *, traceparent: str, arrived: float | None) -> OtelSpan | None:
        """See ``ports.tracing.Tracer``."""
        if self._tracer is None:
            return None
        sent = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
        if self._is_left_out(sent):
            return None
        parent = Context() if sent is None else _TRACE_CONTEXT.extract({"traceparent": traceparent}, Context())
        started = None if arrived is None else time.time_ns() - int((time.monotonic() - arrived) * 1e9)
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, start_time=started)
        return OtelSpan(self._tracer, span) if span.is_recording() else None

    def close(self) -> None:
        """Send what waits, for ``END_S`` at most: a collector that does not answer must not hold up the end."""
        provider, self._provider, self._tracer = self._provider, None, None
        if provider is not None:
            ending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
            ending.start()
            ending.join(END_S)

    def _is_left_out(self, sent: re.Match[str] | None) -> bool:
        """True if a review is not traced. Decided before OpenTelemetry makes anything, which costs much more."""
        if self._samples_by_environment:
            return False  # it decides by itself
        if sent is None:
            return random.random() * MILLION >= self._per_million  # noqa: S311 - no secret
        return not int(sent[1], 16) & 1  # the flag "sampled"


class _Counted:
    """A ``SpanExporter`` that says what became of the spans."""

    def __init__(self, exporter: SpanExporter, count: Callable[[str, int], None]) -> None:
        self._exporter = exporter
        self._count = count

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, and count them."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._count(EXPORTED if result is SpanExportResult.SUCCESS else FAILED, len(spans))
        return result

    def shutdown(self) -> None:
        """End it."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is kept here."""
        flushed: bool = self._exporter.force_flush(timeout_millis)
        return flushed


def _resource() -> Resource:
    """This process; names in the environment come first."""
    named = {} if os.environ.get(OTEL_SERVICE_NAME) else {"service.name": "imagegate"}
    instance = f"{socket.gethostname()}-{os.getpid()}"
    return Resource.create({"service.version": __version__, "service.instance.id": instance, **named})


def _printable(attributes: Attributes) -> Mapping[str, str | bool | int | float | Sequence[str]]:
    """Strings that every encoder takes: those of requests may hold lone surrogates."""
    return {name: _text(value) if isinstance(value, str) else value for name, value in attributes.items()}


def _text(value: str) -> str:
    return value[:TEXT_MAX].encode("utf-8", "replace").decode("utf-8")


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[Tracer], type[Span]] = (OtelTracer, OtelSpan)
