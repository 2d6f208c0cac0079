"""Metrics of the image enforcement policies, Portieris' two under their own names (docs/spec/enforcement.md 17)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from imagegate.core.admission.request import Phase
from imagegate.service.review.decided import PluginResult

PLUGIN = "cise"


class EnforcementMetrics:
    """Counts the decisions of the plug-in ``cise``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "imagegate_cise_decisions",
            "Decisions by image enforcement policies; the reason is a denial's code",
            ["result", "hook", "reason"],
            registry=registry,
        )
        self._bypasses = Counter(
            "imagegate_cise_bypass", "Requests that were not looked at, by reason", ["reason"], registry=registry
        )
        # gauges: the client library adds _total to the names of counters, and Portieris' dashboards expect none
        self._allowed = _sum("portieris_pod_admission_decision_allow_count", "Admissions allowed", registry)
        self._denied = _sum("portieris_pod_admission_decision_deny_count", "Admissions denied", registry)

    def count(self, phase: Phase, result: PluginResult, count: int) -> None:
        """Count ``count`` decisions."""
        self._decisions.labels(result.word, phase.value, result.code).inc(count)
        if result.bypass:
            self._bypasses.labels(result.bypass).inc(count)
        (self._denied if result.is_denied else self._allowed).inc(count)


def _sum(name: str, description: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, description, registry=registry, multiprocess_mode="sum")
