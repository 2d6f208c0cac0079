"""Metrics of the Events for owners of denied objects."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class DenialEventMetrics:
    """Counts by result."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "imagegate_denial_events",
            "Denials of which the owner was told by an Event, or for what reason it was not",
            ["result"],
            registry=registry,
        )

    def count(self, result: str) -> None:
        """Count one denial, or its repetitions that were told at once."""
        self._events.labels(result).inc()
