"""Prometheus metrics of the service.

Where several processes serve, ``PROMETHEUS_MULTIPROC_DIR`` must be set before this module is imported: the client
library reads it once, on import.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections import Counter as Counts
from collections import deque
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from imagegate.core.admission.request import Phase
from imagegate.service.review.decided import Decided, ReviewKind
from imagegate.web.allocated_values import use_allocated_values
from imagegate.web.cluster_metrics import ClusterMetrics
from imagegate.web.denial_event_metrics import DenialEventMetrics
from imagegate.web.enforcement_metrics import PLUGIN, EnforcementMetrics
from imagegate.web.lease_metrics import LeaseMetrics
from imagegate.web.look_up_metrics import LookUpMetrics
from imagegate.web.policy_metrics import PolicyMetrics
from imagegate.web.serving_metrics import ServingMetrics
from imagegate.web.trace_metrics import TraceMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""``web.server`` has the same constant, since it must not import this module (see above)."""
FLUSH_EVERY_S = 0.25
REFRESH_EVERY_S = 1.0
"""Between two updates of the ages of watches."""
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class BatchHistogram(Histogram):
    """A histogram that is told many values at once."""

    def observe_all(self, values: Sequence[float]) -> None:
        """Observe ``values``: one write for each bucket, where ``observe`` writes two for each value."""
        bounds = self._upper_bounds
        for bucket, count in Counts([bisect_left(bounds, value) for value in values]).items():
            self._buckets[bucket].inc(count)
        self._sum.inc(sum(values))


class Metrics:
    """A ``Sink`` of ``service.review.recording`` that counts, and what other parts of the service count."""

    def __init__(self) -> None:
        use_allocated_values()
        self._registry = CollectorRegistry()
        self._decisions = Counter(
            "imagegate_decisions",
            "Decisions of plug-ins, by verdict and the rule that decided (one count a rule)",
            ["plugin", "verdict", "rule"],
            registry=self._registry,
        )
        self._seconds = BatchHistogram(
            "imagegate_review_duration_seconds",
            "Time to answer an admission review, look-ups included",
            ["phase"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._trust_first_uses = Counter(
            "imagegate_trust_first_uses",
            "Repositories whose trust data was trusted because it was the first that was seen",
            registry=self._registry,
        )
        self._look_ups = Counter(
            "imagegate_look_ups", "Look-ups by kind and outcome", ["question", "outcome"], registry=self._registry
        )
        self._store_unreadable = Gauge(
            "imagegate_store_unreadable",
            "1 while the store cannot be read: images that need a look-up are denied",
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self._store_unreadable.set(0)
        self._pod_warnings = Counter(
            "imagegate_pod_warnings",
            "Warnings that the Pods of an admitted object would be denied or could not be judged, by the denial's code",
            ["plugin", "kind", "code"],
            registry=self._registry,
        )
        self._cise = EnforcementMetrics(self._registry)
        self.policies = PolicyMetrics(self._registry)
        self.cluster = ClusterMetrics(self._registry)
        self.denial_events = DenialEventMetrics(self._registry)
        self.leases = LeaseMetrics(self._registry)
        self.traces = TraceMetrics(self._registry)
        self.serving = ServingMetrics(self._registry)
        self.look_ups = LookUpMetrics(self._registry)
        self._looked_up: deque[tuple[str, str]] = deque()
        """Look-ups not yet counted. ``append`` and ``popleft`` of a deque are atomic, so reviews take no lock."""
        self._flushing = threading.Lock()

    def take(self, batch: Sequence[Decided]) -> None:
        """Count reviews: first in a plain dictionary, since the client library takes a lock and a file for each.

        Raises:
            OSError: there is no room for one of the numbers.
        """
        seconds_by_kind: dict[ReviewKind, list[float]] = {}
        for decided in batch:
            seconds_by_kind.setdefault(decided.kind, []).append(decided.seconds)
        failed: OSError | None = None
        for kind, seconds in seconds_by_kind.items():
            try:
                self._count(kind, seconds)
            except OSError as error:  # no room for a new series; those that are there go on
                failed = error
        if failed is not None:
            raise failed

    def _count(self, kind: ReviewKind, seconds: Sequence[float]) -> None:
        self._seconds.labels(kind.phase.value).observe_all(seconds)
        for result in kind.results:
            for word, rule in result.counted:
                self._decisions.labels(result.plugin, word, rule).inc(len(seconds))
            if result.plugin == PLUGIN:
                self._cise.count(kind.phase, result, len(seconds))
        for labels in kind.pod_warnings:
            self._pod_warnings.labels(*labels).inc(len(seconds))

    def looked_up(self, question: str, outcome: str) -> None:
        """Queue one look-up to be counted within ``FLUSH_EVERY_S``: counting takes a lock and writes to a file."""
        self._looked_up.append((question, outcome))

    def trust_first_use(self) -> None:
        """Count a root that was trusted without a pin. Rare: once for each repository."""
        self._trust_first_uses.inc()

    def start(self) -> None:
        """Count queued look-ups from a thread of this process. To be called after the fork."""
        for phase in Phase:  # the file of histograms is made now, not when the disk may be full
            self._seconds.labels(phase.value)
        threading.Thread(target=self._keep_flushing, name="metrics", daemon=True).start()

    def flush(self) -> None:
        """Count the look-ups queued so far. The caller holds ``_flushing``, so nobody else takes from the queue."""
        queued = self._looked_up
        for key, times in Counts(queued.popleft() for _ in range(len(queued))).items():
            self._look_ups.labels(*key).inc(times)

    def _keep_flushing(self) -> None:
        refreshed = 0.0
        while True:
            time.sleep(FLUSH_EVERY_S)
            with self._flushing:
                self.flush()
            if time.monotonic() - refreshed >= REFRESH_EVERY_S:
                refreshed = time.monotonic()
                self.cluster.refresh()
                self.leases.refresh()

    def store_read(self, trouble: str) -> None:
        """Show that the store cannot be read; ``trouble`` is empty if it can."""
        self._store_unreadable.set(1 if trouble else 0)

    def decisions(self) -> dict[tuple[str, str], dict[str, int]]:
        """Decisions of all workers since the start: plug-in and rule, then verdict -> count."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        for metric in self._collected().collect():
            for sample in metric.samples if metric.name == "imagegate_decisions" else ():
                if sample.name.endswith("_total"):
                    labels = sample.labels
                    by_verdict = found.setdefault((labels["plugin"], labels["rule"]), {})
                    by_verdict[labels["verdict"]] = by_verdict.get(labels["verdict"], 0) + int(sample.value)
        return found

    def text(self) -> bytes:
        """All metrics in Prometheus' text format; the sum over all workers if there are several."""
        with self._flushing:
            self.flush()
        return generate_latest(self._collected())

    def _collected(self) -> CollectorRegistry:
        """All metrics, those of other workers too."""
        registry = self._registry
        if MULTIPROCESS in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry
