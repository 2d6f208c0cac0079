"""Metrics of the Leases by which replicas agree who works in the background."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from imagegate.ports.turns import Turn


class LeaseMetrics:
    """Of the process of this replica that asks for the Lease; the others show 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._held = Gauge(
            "imagegate_lease_held",
            "1 in the replica that holds the Lease and so does its work; at most one replica does",
            ["lease"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._failing = Gauge(
            "imagegate_lease_failing",
            "1 while the Lease cannot be read or written: a replica that held it stops its work",
            ["lease"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._changes = Counter(
            "imagegate_lease_changes",
            "How often this replica took the Lease, and lost it without having given it up",
            ["lease", "change"],
            registry=registry,
        )
        self._turn: Turn | None = None
        self._counted = {"taken": 0, "lost": 0}

    def follow(self, turn: Turn) -> None:
        """Show this one from now on."""
        self._turn = turn

    def refresh(self) -> None:
        """Show the state of now."""
        state = None if self._turn is None else self._turn.state()
        if state is None:
            return
        self._held.labels(state.name).set(1 if state.is_held else 0)
        self._failing.labels(state.name).set(1 if state.problem else 0)
        for change, times in (("taken", state.taken), ("lost", state.lost)):
            self._changes.labels(state.name, change).inc(times - self._counted[change])
            self._counted[change] = times
