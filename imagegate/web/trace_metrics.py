"""Metrics of traces."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class TraceMetrics:
    """Counts spans by result."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._spans = Counter(
            "imagegate_spans",
            "Spans of traces that a collector took (exported), or did not take in time (failed)",
            ["result"],
            registry=registry,
        )

    def count(self, result: str, spans: int) -> None:
        """Count spans that were sent at once."""
        self._spans.labels(result).inc(spans)
