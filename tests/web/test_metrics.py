"""Counters of reviews and look-ups, and gauges of the policies."""

from __future__ import annotations

import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.request import Phase
from imagegate.service.policies.policy_set import Mode, Modes
from imagegate.service.review.recording import Recording
from imagegate.web.enforcement_metrics import PLUGIN
from imagegate.web.metrics import MULTIPROCESS, Metrics
from imagegate.web.serving_metrics import ServingMetrics
from tests.service.plugins import allowing, denying, review, reviewer


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS, raising=False)


def value(metrics: Metrics, line: str) -> float:
    """The number behind ``NAME{LABELS}``; 0 if there is no such line."""
    for each in metrics.text().decode().splitlines():
        if each.startswith(f"{line} "):
            return float(each.rpartition(" ")[2])
    return 0.0


def test_reviews_are_counted_by_plugin_and_verdict_and_timed() -> None:
    metrics = Metrics()
    for plugin in (allowing("image-policy"), denying("image-policy", "no")):
        reviewer(plugin, recorders=(Recording(time.time, metrics),)).review(review(), Phase.MUTATE)
    decided = 'imagegate_decisions_total{plugin="image-policy",rule="",verdict='
    assert [value(metrics, f'{decided}"{word}"}}') for word in ("allowed", "denied", "warned")] == [1, 1, 0]
    assert value(metrics, 'imagegate_review_duration_seconds_count{phase="mutate"}') == 2


def test_a_denial_that_does_not_count_is_another_verdict() -> None:
    metrics = Metrics()
    softened = reviewer(
        denying("image-policy", "no"), recorders=(Recording(time.time, metrics),), modes=Modes(default=Mode.WARN)
    )
    softened.review(review(), Phase.MUTATE)
    assert value(metrics, 'imagegate_decisions_total{plugin="image-policy",rule="",verdict="warned"}') == 1


def test_decisions_of_image_enforcement_are_counted_for_portieris_dashboards_too() -> None:
    metrics = Metrics()
    reviewer(allowing(PLUGIN, bypass="system-namespace"), recorders=(Recording(time.time, metrics),)).review(
        review(), Phase.MUTATE
    )
    reviewer(denying(PLUGIN, "no"), recorders=(Recording(time.time, metrics),)).review(review(), Phase.MUTATE)
    assert value(metrics, "portieris_pod_admission_decision_allow_count") == 1
    assert value(metrics, "portieris_pod_admission_decision_deny_count") == 1
    code = DenialCode.REJECTED_BY_RULE.value
    denied = f'imagegate_cise_decisions_total{{hook="mutate",reason="{code}",result="denied"}}'
    assert value(metrics, denied) == 1
    assert value(metrics, 'imagegate_cise_bypass_total{reason="system-namespace"}') == 1


def test_no_look_up_of_any_thread_is_lost() -> None:
    metrics = Metrics()

    def look_up() -> None:
        for _ in range(500):
            metrics.looked_up("ImageTag", "found")

    threads = [threading.Thread(target=look_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        metrics.text()
    for thread in threads:
        thread.join()
    assert value(metrics, 'imagegate_look_ups_total{outcome="found",question="ImageTag"}') == 2000


def test_gauges_follow_the_store_and_the_files() -> None:
    metrics = Metrics()
    metrics.store_read("disk I/O error")
    metrics.policies.watch(7, "cannot read")
    names = ("imagegate_store_unreadable", "imagegate_policy_generation", "imagegate_policy_watch_failed")
    assert [value(metrics, name) for name in names] == [1, 7, 1]
    metrics.store_read("")
    metrics.policies.watch(8, "")
    assert [value(metrics, name) for name in names] == [0, 8, 0]


def test_overload_is_counted() -> None:
    registry = CollectorRegistry()
    serving = ServingMetrics(registry)
    serving.lines_dropped(3)
    serving.closed_early("too slow")
    assert registry.get_sample_value("imagegate_log_lines_dropped_total") == 3
    assert registry.get_sample_value("imagegate_connections_closed_early_total", {"reason": "too slow"}) == 1
