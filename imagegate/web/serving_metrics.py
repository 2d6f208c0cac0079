"""Metrics of what the service refused or lost because there was too much of it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class ServingMetrics:
    """Counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lines_dropped = Counter(
            "imagegate_log_lines_dropped", "Log lines that could not be written in time", registry=registry
        )
        self._closed = Counter(
            "imagegate_connections_closed_early",
            "Connections closed by the service before an answer, by reason",
            ["reason"],
            registry=registry,
        )

    def lines_dropped(self, count: int) -> None:
        """Note log lines that nobody will see."""
        self._lines_dropped.inc(count)

    def closed_early(self, reason: str) -> None:
        """Note a connection that was closed although its client may have wanted an answer."""
        self._closed.labels(reason).inc()
