"""Alerts and the dashboard of the chart: metrics and labels that the code has, rules that Prometheus' own tool runs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.render import CHART
from tests.support.programs import program, run
from tests.support.service import ROOT

ALERTS: list[dict[str, Any]] = yaml.safe_load((CHART / "alerts.yaml").read_text(encoding="utf-8"))
DASHBOARD: dict[str, Any] = json.loads((CHART / "dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum")}
FROM_SCRAPING = {"namespace", "pod", "job"}
"""Labels that Prometheus adds."""
_NAME = re.compile(r"\b(?:imagegate|portieris)_[a-z_]+")
_LABELS = re.compile(r"by \(([^)]*)\)")
_MATCHED = re.compile(r"([a-z_]+)=")

WRONG_AND_RIGHT: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "ImagegateDown": ({'up{job="imagegate"}': "0"}, {'up{job="imagegate"}': "1"}),
    "ImagegatePoliciesNotLoaded": ({"imagegate_policy_reload_failed": "1"}, {"imagegate_policy_reload_failed": "0"}),
    "ImagegatePoliciesHeld": ({"imagegate_policy_reload_held": "1"}, {"imagegate_policy_reload_held": "0"}),
    "ImagegatePoliciesRestored": ({"imagegate_policy_restored": "1"}, {"imagegate_policy_restored": "0"}),
    "ImagegatePolicyFilesNotFollowed": (
        {"imagegate_policy_watch_failed": "1"},
        {"imagegate_policy_watch_failed": "0"},
    ),
    "ImagegateWorkersDiffer": (
        {
            'imagegate_policy_generation{pod="a",pid="1"}': "3",
            'imagegate_policy_generation{pod="a",pid="2"}': "2",
        },
        {
            'imagegate_policy_generation{pod="a",pid="1"}': "3",
            'imagegate_policy_generation{pod="b",pid="1"}': "2",
        },
    ),
    "ImagegateStoreUnreadable": ({"imagegate_store_unreadable": "1"}, {"imagegate_store_unreadable": "0"}),
    "ImagegateCertificateExpires": (
        {"imagegate_serving_certificate_expiry_seconds": "600000"},
        {  # without TLS the metric is 0
            'imagegate_serving_certificate_expiry_seconds{pod="a"}': "700000",
            'imagegate_serving_certificate_expiry_seconds{pod="b"}': "0",
        },
    ),
    "ImagegateCertificateNotReloaded": (
        {"imagegate_serving_certificate_reload_failed": "1"},
        {"imagegate_serving_certificate_reload_failed": "0"},
    ),
    "ImagegateSlow": (
        {
            'imagegate_review_duration_seconds_bucket{le="2.5"}': "0+90",
            'imagegate_review_duration_seconds_bucket{le="5.0"}': "0+100",
            'imagegate_review_duration_seconds_bucket{le="+Inf"}': "0+100",
        },
        {
            'imagegate_review_duration_seconds_bucket{le="2.5"}': "0+100",
            'imagegate_review_duration_seconds_bucket{le="5.0"}': "0+100",
            'imagegate_review_duration_seconds_bucket{le="+Inf"}': "0+100",
        },
    ),
    "ImagegateLookUpsUnknown": (
        {
            'imagegate_look_ups_total{outcome="unknown"}': "0+30",
            'imagegate_look_ups_total{outcome="found"}': "0+70",
        },
        {
            'imagegate_look_ups_total{outcome="unknown"}': "0+10",
            'imagegate_look_ups_total{outcome="found"}': "0+90",
        },
    ),
    "ImagegateReviewsNotRecorded": (
        {"imagegate_reviews_not_recorded_total": "0+1"},
        {"imagegate_reviews_not_recorded_total": "7"},
    ),
    "ImagegateClusterWatchOld": (
        {'imagegate_cluster_watch_age_seconds{kind="namespaces"}': "200"},
        {'imagegate_cluster_watch_age_seconds{kind="namespaces"}': "60"},
    ),
    "ImagegateClusterWatchUnsynced": (
        {'imagegate_cluster_watch_unsynced{kind="namespaces"}': "1"},
        {'imagegate_cluster_watch_unsynced{kind="namespaces"}': "0"},
    ),
    "ImagegateNoLeader": (
        {
            'imagegate_lease_held{pod="a",lease="imagegate-imports"}': "0",
            'imagegate_lease_held{pod="b",lease="imagegate-imports"}': "0",
        },
        {
            'imagegate_lease_held{pod="a",lease="imagegate-imports"}': "0",
            'imagegate_lease_held{pod="b",lease="imagegate-imports"}': "1",
        },
    ),
    "ImagegateTwoLeaders": (
        {
            'imagegate_lease_held{pod="a",lease="imagegate-imports"}': "1",
            'imagegate_lease_held{pod="b",lease="imagegate-imports"}': "1",
        },
        {
            'imagegate_lease_held{pod="a",lease="imagegate-imports"}': "0",
            'imagegate_lease_held{pod="b",lease="imagegate-imports"}': "1",
        },
    ),
    "ImagegatePolicyObjectsBroken": (
        {"imagegate_policy_objects_broken": "2"},
        {"imagegate_policy_objects_broken": "0"},
    ),
}
"""Alert -> series (Prometheus' notation, one value a minute) with which it fires, and with which it does not."""


def metrics() -> dict[str, set[str]]:
    """Name, as Prometheus shows it, of every metric in the code -> its labels."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "imagegate").rglob("*_metrics.py"):
        found |= dict(_metrics_of(file))
    return found | dict(_metrics_of(ROOT / "imagegate/web/metrics.py"))


def _metrics_of(file: Path) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            kind = {"BatchHistogram": "Histogram", "_sum": "Gauge"}.get(node.func.id, node.func.id)
            match node.args:
                case [ast.Constant(value=str(name)), ast.Constant(), *others] if kind in SUFFIXES:
                    labels = {str(each) for other in others if isinstance(other, ast.List) for each in _texts(other)}
                    for suffix in SUFFIXES[kind]:
                        yield name + suffix, labels | ({"le"} if suffix == "_bucket" else set())


def _texts(labels: ast.List) -> list[Any]:
    return [each.value for each in labels.elts if isinstance(each, ast.Constant)]


def expressions() -> dict[str, str]:
    """Every expression, by where it is."""
    found = {alert["alert"]: alert["expr"] for alert in ALERTS}
    for panel in PANELS:
        found |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


def test_metrics_of_the_code_are_found_with_their_labels() -> None:
    found = metrics()
    assert found["imagegate_decisions_total"] == {"plugin", "verdict", "rule"}
    assert found["imagegate_review_duration_seconds_bucket"] == {"phase", "le"}
    assert found["imagegate_policy_objects_broken"] == set()


@pytest.mark.parametrize("where", expressions())
def test_an_expression_uses_metrics_and_labels_that_exist(where: str) -> None:
    expression, known = expressions()[where], metrics()
    named = _NAME.findall(expression)
    if "up{" not in expression:
        assert named
    assert [name for name in named if name not in known] == []
    labels = {label.strip() for group in _LABELS.findall(expression) for label in group.split(",")}
    labels |= {label for selector in re.findall(r"{([^}]*)}", expression) for label in _MATCHED.findall(selector)}
    allowed = FROM_SCRAPING.union({"pid"}, *(known[name] for name in named))
    assert labels <= allowed


def test_every_metric_is_in_the_dashboard_or_an_alert() -> None:
    used = {name for expression in expressions().values() for name in _NAME.findall(expression)}
    histograms = {"imagegate_review_duration_seconds_sum"}
    for_others = {name for name in metrics() if name.startswith("portieris_")}
    assert metrics().keys() - used == histograms | for_others


def test_namespaces_to_choose_from_are_those_of_a_metric_that_exists() -> None:
    (query,) = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["name"] == "namespace"]
    metric = re.fullmatch(r"label_values\((\w+), namespace\)", query)
    assert metric is not None
    assert metric[1] in metrics()


def test_a_panel_says_what_it_shows_and_lies_on_no_other() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert [panel["title"] for panel in PANELS if not panel["description"]] == []
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in PANELS) == 24


@pytest.mark.programs
def test_prometheus_reads_every_expression(tmp_path: Path) -> None:
    rules = [{"record": "shown:in_dashboard", "expr": text} for text in expressions().values()]
    text = yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}).replace("$namespace", "imagegate")
    (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
    done = run([program("promtool"), "check", "rules", "--lint=none", tmp_path / "rules.yaml"])
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.programs
@pytest.mark.parametrize("alert", [alert["alert"] for alert in ALERTS])
def test_an_alert_fires_when_it_should_and_not_otherwise(alert: str, tmp_path: Path) -> None:
    wrong, right = WRONG_AND_RIGHT[alert]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "imagegate", "rules": ALERTS}]}))
    tests = [_rule_test(alert, wrong, fires=True), _rule_test(alert, right, fires=False)]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    run([program("promtool"), "test", "rules", "tests.yaml"], cwd=tmp_path)


def _rule_test(alert: str, series: Mapping[str, str], *, fires: bool) -> dict[str, Any]:
    """One value a minute for an hour. How many alerts fire is asked, as their texts are in the rules."""
    count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {
        "interval": "1m",
        "input_series": [
            {"series": _in_namespace(name), "values": f"{value}{'' if '+' in value else '+0'}x60"}
            for name, value in series.items()
        ],
        "promql_expr_test": [
            {"expr": count, "eval_time": "40m", "exp_samples": [{"labels": "{}", "value": int(fires)}]}
        ],
    }


def _in_namespace(series: str) -> str:
    name, _, labels = series.partition("{")
    return f'{name}{{namespace="imagegate",{labels}' if labels else f'{name}{{namespace="imagegate"}}'
