"""Deletes by kubectl on a running service with two workers: what waits for dependents comes to its end."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubectl import Kubectl
from tests.support.service import Service, sample_config, serving

MAPS = "/api/v1/namespaces/default/configmaps"
JSON = {"Content-Type": "application/json"}
WITHIN = "--timeout=30s"


@pytest.fixture
def service(tmp_path: Path, face: str) -> Iterator[Service]:
    config = sample_config(tmp_path)
    with serving(tmp_path, "--settings", config / "imagegate.yaml", "--worker", face, workers=2) as found:
        yield found


@pytest.fixture
def kubectl(service: Service, tmp_path: Path) -> Kubectl:
    made = Kubectl(tmp_path)
    made.use(f"http://127.0.0.1:{service.running.port}")
    return made


def owned(service: Service) -> None:
    """A config map ``owner``, and a secret that names it and blocks it."""
    answer = service.ask("POST", MAPS, json.dumps({"metadata": {"name": "owner"}}), JSON)
    assert answer.status == 201
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": answer.json["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    secret = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    assert service.ask("POST", MAPS.replace("configmaps", "secrets"), json.dumps(secret), JSON).status == 201


def test_foreground(service: Service, kubectl: Kubectl) -> None:
    owned(service)
    kubectl("delete", "configmap", "owner", "--cascade=foreground", WITHIN)
    assert service.get(f"{MAPS}/owner").status == 404
    assert service.get(f"{MAPS.replace('configmaps', 'secrets')}/owned").status == 404


def test_orphan_also_after_the_collecting_worker_was_killed(service: Service, kubectl: Kubectl) -> None:
    owned(service)
    for worker in service.workers():
        os.kill(worker, signal.SIGKILL)
    ends = time.monotonic() + 30
    while not service.workers():
        assert time.monotonic() < ends
        time.sleep(0.1)
    kubectl("delete", "configmap", "owner", "--cascade=orphan", WITHIN)
    assert service.get(f"{MAPS}/owner").status == 404
    left = service.get(f"{MAPS.replace('configmaps', 'secrets')}/owned").json
    assert "ownerReferences" not in left["metadata"]


def test_a_namespace_that_waits_for_a_finalizer(service: Service, kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "held")
    held = {"metadata": {"name": "m", "finalizers": ["example.com/x"]}}
    path = MAPS.replace("default", "held")
    assert service.ask("POST", path, json.dumps(held), JSON).status == 201
    kubectl("delete", "namespace", "held", "--wait=false")
    assert "Terminating" in kubectl("get", "namespace", "held").stdout
    kubectl("patch", "configmap", "m", "-n", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("wait", "--for=delete", "namespace/held", WITHIN)
    assert service.get("/api/v1/namespaces/held").status == 404
