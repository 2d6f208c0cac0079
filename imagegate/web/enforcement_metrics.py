"""Metrics of the image enforcement policies, Portieris' two under their own names (docs/spec/enforcement.md 17)."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.service.review.response import Verdict

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
        self._by_decision: dict[tuple[str, Phase, str], Callable[[], None]] = {}
        """Looked-up counters, as in ``Metrics``."""

    def decided(self, request: AdmissionRequest, verdict: Verdict) -> None:
        """Count one decision."""
        decision = verdict.decision
        reason = decision.denials[0].code.value if decision.denials else ""
        key = (verdict.word, request.phase, reason)
        count = self._by_decision.get(key)
        if count is None:
            count = self._decisions.labels(verdict.word, request.phase.value, reason).inc
            self._by_decision[key] = count
        count()
        if bypass := decision.annotations.get("bypass"):
            self._bypasses.labels(bypass).inc()
        (self._denied if decision.denials else self._allowed).inc()


def _sum(name: str, description: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, description, registry=registry, multiprocess_mode="sum")
