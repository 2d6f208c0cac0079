"""A real API server that traces: its webhook calls belong to its traces, and so do the reviews."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.cluster.control_plane import control_plane
from tests.cluster.test_image_policy import ALLOWED, FORBIDDEN, pod
from tests.cluster.webhooks import hooked
from tests.support.collector import Collector, ReceivedSpan
from tests.support.processes import free_port, wait_until
from tests.support.service import CONFIG


def test_reviews_belong_to_the_traces_of_the_api_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    configuration = tmp_path / "tracing.yaml"
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "TracingConfiguration",
        "endpoint": f"127.0.0.1:{free_port()}",  # nobody takes its own spans
        "samplingRatePerMillion": 1_000_000,
    }
    configuration.write_text(yaml.safe_dump(document))
    for name in ("plane", "service"):
        (tmp_path / name).mkdir()
    options = (f"--tracing-config-file={configuration}",)
    with Collector() as collector, control_plane(tmp_path / "plane", options=options) as plane:
        tracing = {"enabled": True, "endpoint": collector.url, "samplingRatePerMillion": 0}
        settings = tmp_path / "service/settings.yaml"
        settings.write_text(yaml.safe_dump({"config": str(CONFIG / "master-config.yaml"), "tracing": tracing}))
        paths = ("/mutate", "/validate")
        with hooked(plane, "traced", tmp_path / "service", "--settings", settings, paths=paths) as found:
            collector.spans.clear()
            assert "created" in found.apply(pod("fine", ALLOWED))
            assert "Forbidden" in found.apply(pod("denied", FORBIDDEN), check=False)
            wait_until(lambda: len(_reviews(collector)) >= 3, "the reviews of both pods")
            reviews = [each for each in _reviews(collector) if each.attributes["k8s.namespace.name"] == "traced"]
            verdicts = {(each.name, each.attributes["imagegate.allowed"]) for each in reviews}
            assert verdicts == {("review mutate", True), ("review validate", True), ("review mutate", False)}
            # both passes of one request belong to one trace
            by_trace = {each.trace: {other.name for other in reviews if other.trace == each.trace} for each in reviews}
            assert {"review mutate", "review validate"} in by_trace.values()
            assert all(re.fullmatch("[0-9a-f]{16}", each.parent) for each in reviews)


def _reviews(collector: Collector) -> list[ReceivedSpan]:
    return [each for each in collector.spans if each.name.startswith("review ")]
