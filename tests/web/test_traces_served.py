"""Traces of a running service: from the API server's header to the requests at a registry."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.collector import Collector
from tests.support.processes import free_port, wait_until
from tests.support.service import CONFIG, Service, sample_review, serving
from tests.support.simulator import Request, Response, Simulator

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "Content-Type": "application/json"}
SECRET = "hunter2"


class EmptyRegistry(Simulator):
    """Has no image."""

    def answer(self, request: Request) -> Response:
        errors = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "not here"}]}
        return Response(404, json.dumps(errors).encode(), {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class World:
    collector: Collector
    registry: EmptyRegistry
    service: Service


def write_settings(directory: Path, registry: EmptyRegistry, **tracing: Any) -> Path:
    accept = {"requirements": [{"type": "insecureAcceptAnything"}]}
    policy = {
        "apiVersion": "portieris.cloud.ibm.com/v1",
        "kind": "ImagePolicy",
        "metadata": {"name": "any", "namespace": "team"},
        "spec": {"repositories": [{"name": f"{registry.host}/*", "policy": {"simple": accept}}]},
    }
    (directory / "policy.yaml").write_text(yaml.safe_dump(policy))
    settings = {
        "policies": ["policy.yaml"],
        "cise": {"profile": "portieris"},
        "registry": {"insecure": [registry.host], "allowPrivateAddresses": ["127.0.0.1"]},
        "tracing": {"enabled": True, **tracing},
    }
    (directory / "settings.yaml").write_text(yaml.safe_dump(settings))
    return directory / "settings.yaml"


@pytest.fixture(params=["event-loop", "gthread"])
def world(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with Collector() as collector, EmptyRegistry() as registry:
        settings = write_settings(tmp_path, registry, endpoint=collector.url)
        with serving(tmp_path, "--settings", settings, "--worker", request.param) as service:
            yield World(collector, registry, service)


def review(image: str, namespace: str = "team") -> bytes:
    found = sample_review("step-3-other-registry")
    container = {"name": "a", "image": image, "env": [{"name": "PASSWORD", "value": SECRET}]}
    found["request"] |= {"namespace": namespace, "uid": "u-1"}
    found["request"]["object"]["spec"]["containers"] = [container]
    return json.dumps(found).encode()


def test_a_review_that_looks_something_up(world: World) -> None:
    image = f"{world.registry.host}/team/app:1"
    answer = world.service.ask("POST", "/admit", review(image), HEADERS)
    assert answer.response["allowed"] is False
    collector = world.collector
    wait_until(lambda: any(each.name == "review mutate" for each in collector.spans), "the spans")
    whole, plugin = collector.one("review mutate"), collector.one("plug-in cise")
    look_up = collector.one("look up ManifestDigest")
    requests = [each for each in collector.spans if each.parent == look_up.id]
    assert {each.trace for each in collector.spans} == {TRACE}
    assert (whole.parent, plugin.parent, look_up.parent) == (PARENT, whole.id, plugin.id)
    assert whole.attributes["imagegate.uid"] == "u-1"
    assert whole.attributes["imagegate.allowed"] is False
    assert whole.attributes["k8s.namespace.name"] == "team"
    assert plugin.attributes["imagegate.denied"] is True
    assert look_up.attributes["server.address"] == world.registry.host
    assert look_up.attributes["imagegate.shared"] is False
    answered = [each for each in requests if not each.failed]
    assert [each.attributes["http.response.status_code"] for each in answered] == [404] * len(world.registry.requests)
    assert {each.failed for each in requests} == {"", "NotTls"}  # HTTPS is tried first
    assert {each.attributes["server.address"] for each in requests} == {"127.0.0.1"}
    assert SECRET not in repr(collector.spans)
    assert [each for each in world.registry.requests if "traceparent" in each.headers] == []
    assert b'imagegate_spans_total{result="exported"}' in world.service.get("/metrics").content


def test_a_review_that_its_sender_does_not_trace(world: World) -> None:
    headers = {**HEADERS, "traceparent": f"00-{TRACE}-{PARENT}-00"}
    assert world.service.ask("POST", "/admit", review("other.example/a:1"), headers).response["allowed"] is False
    assert world.service.ask("POST", "/admit", review("other.example/b:1"), HEADERS).response["allowed"] is False
    wait_until(lambda: bool(world.collector.spans), "the span")
    assert len([each for each in world.collector.spans if each.name == "review mutate"]) == 1


def test_a_server_may_be_told_the_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with Collector() as collector, EmptyRegistry() as registry:
        settings = write_settings(tmp_path, registry, endpoint=collector.url, propagateTo=[registry.host])
        with serving(tmp_path, "--settings", settings) as service:
            service.ask("POST", "/admit", review(f"{registry.host}/team/app:1"), HEADERS)
            wait_until(lambda: any(each.name == "review mutate" for each in collector.spans), "the spans")
            told = [each.headers["traceparent"].split("-") for each in registry.requests]
            assert told
            assert {each[1] for each in told} == {TRACE}
            assert {each[2] for each in told} <= {each.id for each in collector.spans if each.kind == 3}


def test_a_dead_collector_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32")
    settings = tmp_path / "settings.yaml"
    dead = {"enabled": True, "endpoint": f"http://127.0.0.1:{free_port()}", "samplingRatePerMillion": 1_000_000}
    settings.write_text(yaml.safe_dump({"config": str(CONFIG / "master-config.yaml"), "tracing": dead}))
    with serving(tmp_path, "--settings", settings) as service:
        began = time.monotonic()
        for _ in range(200):
            answer = service.ask("POST", "/mutate", review("docker.io/library/nginx:1"), HEADERS)
            assert answer.response["allowed"] is True
        assert time.monotonic() - began < 10
        assert service.get("/readyz").status == 200
        began = time.monotonic()
    assert time.monotonic() - began < 15
