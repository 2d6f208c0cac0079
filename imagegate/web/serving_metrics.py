"""Metrics of overload: log lines and records that were dropped, connections that were closed."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class ServingMetrics:
    """Counters of overload."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lines_dropped = Counter(
            "imagegate_log_lines_dropped", "Log lines that could not be written in time", registry=registry
        )
        self._not_recorded = Counter(
            "imagegate_reviews_not_recorded",
            "Answered reviews that are in no other metric and not in the log, since recording was late",
            registry=registry,
        )
        self._closed = Counter(
            "imagegate_connections_closed_early",
            "Connections closed by the service before an answer, by reason",
            ["reason"],
            registry=registry,
        )

    def lines_dropped(self, count: int) -> None:
        """Count log lines that were dropped."""
        self._lines_dropped.inc(count)

    def reviews_not_recorded(self, count: int) -> None:
        """Count reviews that were answered but not recorded."""
        self._not_recorded.inc(count)

    def closed_early(self, reason: str) -> None:
        """Count a connection that was closed before its client got an answer."""
        self._closed.labels(reason).inc()
