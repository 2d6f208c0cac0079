"""Metrics of what is watched in the cluster: how old each worker's copy may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

if TYPE_CHECKING:
    from imagegate.wiring.cluster_watch import Watch


class ClusterMetrics:
    """Gauges by kind. Of several workers the oldest copy, and the smallest one, is shown."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._age = Gauge(
            "imagegate_cluster_watch_age_seconds",
            "Time since the API server was last heard from about a kind of objects; bookmarks come once a minute",
            ["kind"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._unsynced = Gauge(
            "imagegate_cluster_watch_unsynced",
            "1 until all objects of a kind were listed: before, what depends on them is denied",
            ["kind"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._objects = Gauge(
            "imagegate_cluster_watch_objects",
            "Known objects of a kind",
            ["kind"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._broken = Gauge(
            "imagegate_policy_objects_broken",
            "Policy objects of the cluster that cannot be read: images that they would decide are denied",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._watches: Callable[[], Sequence[Watch]] = tuple
        self._broken_count: Callable[[], int] = int

    def follow(self, watches: Callable[[], Sequence[Watch]], broken: Callable[[], int]) -> None:
        """Show these from now on."""
        self._watches, self._broken_count = watches, broken

    def refresh(self) -> None:
        """Show the ages of now."""
        for watch in self._watches():
            self._age.labels(watch.kind).set(watch.age_s)
            self._unsynced.labels(watch.kind).set(0 if watch.synced else 1)
            self._objects.labels(watch.kind).set(watch.objects)
        self._broken.set(self._broken_count())
