"""``docs/metrics.md``: every metric of the service, from its own registry, and the alerts that use it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import yaml
from prometheus_client.metrics import MetricWrapperBase

from imagegate.web.metrics import Metrics
from tests.support.service import ROOT

ALERTS = ROOT / "openshift" / "chart" / "alerts.yaml"
_SUFFIXES = {"counter": "_total"}
_HEAD = """# Metrics

`GET /metrics`, in Prometheus' text format, for all workers together. The chart has a dashboard
(`openshift/chart/dashboard.json`) and alerts (`openshift/chart/alerts.yaml`) that use them; what they mean for
operation: [operating](operating.md#metrics).

A histogram has the series `_bucket`, with the label `le`, `_sum` and `_count`. Prometheus adds `namespace`, `pod` and
`job`.

| metric | type | labels | meaning | alerts |
|---|---|---|---|---|
"""
_ALERTS = """
## Alerts

| alert | severity | fires when | then |
|---|---|---|---|
"""


def document() -> str:
    """The whole page."""
    alerts = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    using = defaultdict(list)
    for alert in alerts:
        for name in sorted(set(re.findall(r"\b(?:imagegate|portieris)_[a-z_]+", alert["expr"]))):
            using[re.sub(r"_(?:bucket|sum|count)$", "", name)].append(alert["alert"])
    rows = [
        f"| `{name}` | {kind} | {_code(labels)} | {meaning} | {', '.join(using[name])} |\n"
        for name, kind, labels, meaning in sorted(_metrics())
    ]
    return _HEAD + "".join(rows) + _ALERTS + "".join(_alert(alert) for alert in alerts)


def _metrics() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name as Prometheus shows it, type, labels, meaning."""
    collectors = set(Metrics()._registry._collector_to_names)
    for collector in collectors:
        assert isinstance(collector, MetricWrapperBase)
        (family,) = collector.describe()
        labels = tuple(collector._labelnames)
        yield family.name + _SUFFIXES.get(family.type, ""), family.type, labels, family.documentation


def _code(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _alert(alert: dict[str, object]) -> str:
    labels, annotations = alert["labels"], alert["annotations"]
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    return f"| {alert['alert']} | {labels['severity']} | {annotations['summary']} | {annotations['description']} |\n"
