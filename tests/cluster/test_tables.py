"""Tables of the dry cluster beside those of a real API server, for the same new objects."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.support.image_api import Api, make_api

NAMESPACE = "tables"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
SELECTOR = {
    "matchLabels": {"app": "a"},
    "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["z", "b"]},
        {"key": "b", "operator": "Exists"},
        {"key": "c", "operator": "DoesNotExist"},
        {"key": "d", "operator": "NotIn", "values": ["x"]},
    ],
}
LABELS = {"app": "a", "tier": "b", "b": ""}
CONTAINERS = [{"name": "one", "image": "docker.io/org/a:v1"}, {"name": "two", "image": "docker.io/org/b:v1"}]
REFERENCE = {"kind": "Pod", "name": "p", "namespace": NAMESPACE, "fieldPath": "spec.containers{one}"}


def template(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": CONTAINERS, **spec}}


ONCE = template(restartPolicy="Never")
JOB = {"template": ONCE, "manualSelector": True, "selector": {"matchLabels": {"app": "a"}}}
EVENT = {"involvedObject": REFERENCE, "reason": "Pulled", "type": "Normal", "message": " pulled "}
PORTS = [{"port": 80, "name": "web"}, {"port": 53, "protocol": "UDP", "name": "dns", "targetPort": 5353}]
NEW: list[tuple[str, str, dict[str, Any]]] = [
    ("api/v1", "Pod", {"spec": {"containers": CONTAINERS}}),
    (
        "api/v1",
        "Pod",
        {
            "spec": {
                "containers": CONTAINERS,
                "initContainers": [
                    {"name": "i", "image": "docker.io/org/i"},
                    {"name": "s", "image": "docker.io/org/s", "restartPolicy": "Always"},
                ],
                "readinessGates": [{"conditionType": "example.com/ready"}],
                "nodeName": "node-1",
            }
        },
    ),
    ("api/v1", "Pod", {"spec": {"containers": CONTAINERS, "schedulingGates": [{"name": "example.com/wait"}]}}),
    ("api/v1", "PodTemplate", {"template": template()}),
    ("api/v1", "ReplicationController", {"spec": {"template": template(), "selector": {"app": "a", "b": ""}}}),
    ("api/v1", "ConfigMap", {"data": {"a": "1", "b": "2"}, "binaryData": {"c": "Mw=="}}),
    ("api/v1", "Secret", {"stringData": {"a": "1"}, "data": {"b": "Mg=="}}),
    ("api/v1", "Secret", {"type": "example.com/own"}),
    ("api/v1", "ServiceAccount", {}),
    ("api/v1", "Service", {"spec": {"ports": PORTS, "clusterIP": "None", "selector": {"b": "2", "a": "1"}}}),
    ("api/v1", "Service", {"spec": {"type": "ExternalName", "externalName": "a.example.com"}}),
    ("api/v1", "Event", {**EVENT, "count": 3, "source": {"component": "kubelet", "host": "node-1"}}),
    ("api/v1", "Event", {**EVENT, "reportingComponent": "example.com/own", "reportingInstance": "one"}),
    ("api/v1", "ResourceQuota", {"spec": {"hard": {"pods": "2", "limits.cpu": "1"}}}),
    ("apis/apps/v1", "DaemonSet", {"spec": {"selector": SELECTOR, "template": template(nodeSelector={"a": "1"})}}),
    ("apis/apps/v1", "Deployment", {"spec": {"selector": SELECTOR, "template": template()}}),
    ("apis/apps/v1", "Deployment", {"spec": {"replicas": 3, "selector": SELECTOR, "template": template()}}),
    ("apis/apps/v1", "ReplicaSet", {"spec": {"replicas": 0, "selector": SELECTOR, "template": template()}}),
    ("apis/apps/v1", "StatefulSet", {"spec": {"serviceName": "a", "selector": SELECTOR, "template": template()}}),
    ("apis/batch/v1", "Job", {"spec": JOB}),
    ("apis/batch/v1", "Job", {"spec": {**JOB, "completions": 4, "parallelism": 2}}),
    ("apis/batch/v1", "Job", {"spec": {**JOB, "parallelism": 2}}),
    ("apis/batch/v1", "CronJob", {"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": ONCE}}}}),
    (
        "apis/batch/v1",
        "CronJob",
        {
            "spec": {
                "schedule": "@daily",
                "timeZone": "Etc/UTC",
                "suspend": True,
                "jobTemplate": {"spec": {"template": ONCE}},
            }
        },
    ),
]


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> Api:
    api = make_api(tmp_path_factory.mktemp("tables") / "images.db")
    api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    return api


@pytest.fixture(scope="module")
def real(plane: ControlPlane) -> Iterator[ControlPlane]:
    plane.kubectl("create", "namespace", NAMESPACE)
    yield plane
    plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("base, kind, fields", NEW)
def test_new_objects(real: ControlPlane, dry: Api, base: str, kind: str, fields: dict[str, Any]) -> None:
    path = f"/{base}/namespaces/{NAMESPACE}/{kind.lower()}s?dryRun=All"
    api_version = base.partition("/")[2]
    body = {"kind": kind, "apiVersion": api_version, "metadata": {"name": "a", "labels": LABELS}, **fields}
    answer = dry.ask("POST", path, body, Accept=TABLE)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    assert answer.json is not None
    assert comparable(answer.json) == comparable(created(real, path, body))


def test_namespaces(real: ControlPlane, dry: Api) -> None:
    path, body = "/api/v1/namespaces?dryRun=All", {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "new"}}
    assert comparable(dry.post(path, body, Accept=TABLE)) == comparable(created(real, path, body))


def created(plane: ControlPlane, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The real server's Table of a new object."""
    headers = {"Content-Type": "application/json", "Accept": TABLE}
    request = urllib.request.Request(f"{plane.url}{path}", json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, context=plane.context(), timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def comparable(table: dict[str, Any]) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Columns without descriptions, and the row's cells; a new object's age is 0 s."""
    columns = [
        tuple(each[key] for key in ("name", "type", "format", "priority")) for each in table["columnDefinitions"]
    ]
    cells = [re.sub(r"^[0-9]s$", "0s", cell) if isinstance(cell, str) else cell for cell in table["rows"][0]["cells"]]
    return columns, cells
