"""Metrics of look-ups that were not made: shares that are used up, servers that do not answer.

No label names a host: whoever may create pods chooses hosts, as many as they like.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class LookUpMetrics:
    """Counters of refused look-ups and of circuit breakers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "imagegate_look_ups_refused",
            "Look-ups refused at once: the server does not answer (circuit), too many are under way (share), no thread",
            ["question", "reason"],
            registry=registry,
        )
        self._changes = Counter(
            "imagegate_circuit_changes",
            "Circuit breakers that opened, half-opened or closed",
            ["state"],
            registry=registry,
        )
        self._not_closed = Gauge(
            "imagegate_circuits_not_closed",
            "Servers that are not contacted or are being tried, summed over the workers",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._not_closed.set(0)
        self._by_reason: dict[tuple[str, str], Callable[[], None]] = {}
        """Counters by their labels: see ``Metrics``."""

    def refused(self, question: str, reason: str) -> None:
        """Count a look-up that was refused."""
        key = (question, reason)
        count = self._by_reason.get(key)
        if count is None:
            count = self._by_reason[key] = self._refused.labels(*key).inc
        count()

    def circuit_changed(self, state: str, not_closed: int) -> None:
        """Count a change of a circuit, and show how many are not closed in this process."""
        self._changes.labels(state).inc()
        self._not_closed.set(not_closed)
