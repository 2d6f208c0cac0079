"""Metrics of overload, such as log lines that were dropped and connections that were closed; of the certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

if TYPE_CHECKING:
    from imagegate.service.certificates.served import Serving


class ServingMetrics:
    """Counters of overload, and gauges of the serving certificate."""

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

        self._certificate_expiry = Gauge(
            "imagegate_serving_certificate_expiry_seconds",
            "When the serving certificate expires, in seconds since 1970",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._certificate_failed = Gauge(
            "imagegate_serving_certificate_reload_failed",
            "1 while a newer serving certificate cannot be used and the last good one serves on",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )

    def certificate(self, serving: Serving) -> None:
        """Show the serving certificate as it is now."""
        self._certificate_expiry.set(serving.served().not_after.timestamp())
        self._certificate_failed.set(1 if serving.failure() else 0)

    def lines_dropped(self, count: int) -> None:
        """Count log lines that were dropped."""
        self._lines_dropped.inc(count)

    def reviews_not_recorded(self, count: int) -> None:
        """Count reviews that were answered but not recorded."""
        self._not_recorded.inc(count)

    def closed_early(self, reason: str) -> None:
        """Count a connection that was closed before its client got an answer."""
        self._closed.labels(reason).inc()
