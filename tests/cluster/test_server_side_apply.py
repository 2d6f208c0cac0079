"""Server-side apply of the dry cluster's kinds beside a real API server: status, messages, data, owners of fields."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.support.image_api import Api, make_api

NAMESPACE = "applied"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
CONTROLLERS = "kube-controller-manager"
CORE, APPS = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
MAPS, DEPLOYMENTS, SERVICES = f"{CORE}/configmaps/c", f"{APPS}/deployments/d", f"{CORE}/services/s"
ACCOUNTS, SPACES = f"{CORE}/serviceaccounts/a", "/api/v1/namespaces/applied-too"


class Step(NamedTuple):
    """One request."""

    path: str
    body: dict[str, Any]
    media_type: str = APPLY
    method: str = "PATCH"


def applied(path: str, body: dict[str, Any], query: str = "me") -> Step:
    return Step(f"{path}?fieldManager={query}", body)


def posted(path: str, body: dict[str, Any]) -> Step:
    return Step(f"{path}?fieldManager=maker", body, "application/json", "POST")


def config_map(data: Any, **fields: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": data, **fields}


def container(name: str, image: str = "docker.io/org/a:v1", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": image, **fields}


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": list(containers)}}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec},
    }


def service(*ports: dict[str, Any]) -> dict[str, Any]:
    spec = {"selector": {"a": "b"}, "ports": list(ports)}
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}, "spec": spec}


def account(secret: str) -> dict[str, Any]:
    named = [{"name": secret}]
    head = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "a"}}
    return {**head, "secrets": named, "imagePullSecrets": named}


def namespace(label: str) -> dict[str, Any]:
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "applied-too", "labels": {"l": label}}}


UDP = {"containerPort": 81, "protocol": "UDP"}
STEPS = (
    applied(MAPS, config_map({"a": "1"})),
    applied(MAPS, config_map({"a": "1"})),
    applied(MAPS, config_map({"b": "2"}), "you"),
    applied(MAPS, config_map({"a": "2"}), "you"),
    applied(MAPS, config_map({"a": "2"}), "you&force=true"),
    applied(MAPS, config_map({})),
    Step(f"{MAPS}?fieldManager=patcher", {"data": {"z": "1"}}, MERGE),
    applied(MAPS, config_map({"z": "2"})),
    applied(MAPS, config_map({"z": 1})),
    applied(MAPS, config_map({}, bogus=1)),
    applied(MAPS, config_map({}, binaryData={"x": "!!"})),
    applied(MAPS, config_map({}, apiVersion="v2")),
    applied(MAPS, config_map({"a": "2"}), "you&dryRun=All"),
    applied(DEPLOYMENTS, deployment(container("one"), container("two"))),
    applied(DEPLOYMENTS, deployment(container("one"), replicas=2)),
    applied(DEPLOYMENTS, deployment(container("one", "docker.io/org/a:v2"), container("three")), "you"),
    applied(DEPLOYMENTS, deployment(container("three", env=[{"name": "A", "value": "1"}], ports=[UDP])), "you"),
    applied(
        DEPLOYMENTS,
        deployment(container("three", env=[{"name": "B", "value": "1"}], ports=[{**UDP, "name": "x"}])),
        "you",
    ),
    applied(DEPLOYMENTS, deployment(container("one", resources={"limits": {"cpu": 1}}))),
    applied(DEPLOYMENTS, deployment(container("one", resources={"limits": {"cpu": "1"}}))),
    Step(f"{DEPLOYMENTS}?fieldManager=patcher", {"spec": {"replicas": 5}}, MERGE),
    applied(DEPLOYMENTS, deployment(container("one"), replicas=3)),
    applied(DEPLOYMENTS, deployment(container("one"), replicas=3), "me&force=true"),
    applied(DEPLOYMENTS, deployment(container("one"), container("one"))),
    applied(DEPLOYMENTS, deployment(container("one", command="x"))),
    applied(DEPLOYMENTS, deployment(container("one"), replicas="x")),
    applied(DEPLOYMENTS, deployment(container("one"), replicas=1.5)),
    applied(SERVICES, service({"port": 80, "name": "web"}, {"port": 53, "protocol": "UDP", "name": "dns"})),
    applied(SERVICES, service({"port": 80, "name": "other"}), "you"),
    applied(SERVICES, service({"port": 81, "name": "other"}), "you"),
    applied(ACCOUNTS, account("x")),
    applied(ACCOUNTS, account("y"), "you"),
    posted(f"{APPS}/deployments", {**deployment(container("one", ports=[UDP])), "metadata": {"name": "e"}}),
    applied(f"{APPS}/deployments/e", {**deployment(container("one", "docker.io/o/a")), "metadata": {"name": "e"}}),
    posted(f"{CORE}/configmaps", {**config_map({"a": "1"}), "metadata": {"name": "d", "labels": {"l": "1"}}}),
    posted(f"{CORE}/secrets", {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": {"a": "YQ=="}}),
    applied(SPACES, namespace("1")),
    applied(SPACES, namespace("2"), "you"),
)


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> Api:
    api = make_api(tmp_path_factory.mktemp("applied") / "images.db")
    api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    return api


@pytest.fixture(scope="module")
def real(plane: ControlPlane) -> Iterator[ControlPlane]:
    plane.kubectl("create", "namespace", NAMESPACE)
    yield plane
    plane.kubectl("delete", "namespace", NAMESPACE, "applied-too", "--wait=false", "--ignore-not-found")


def test_as_a_real_server(real: ControlPlane, dry: Api) -> None:
    differences = []
    for index, step in enumerate(STEPS):
        answer = dry.ask(step.method, step.path, json.dumps(step.body).encode(), Content_Type=step.media_type)
        own, theirs = (answer.status_code, comparable(answer.json)), asked(real, step)
        if own != theirs:
            differences.append(f"{index} {step.path} {json.dumps(step.body)}\n   real: {theirs}\n   own:  {own}")
    assert not differences, "\n".join(differences)


def asked(plane: ControlPlane, step: Step) -> tuple[int, Any]:
    headers = {"Content-Type": step.media_type}
    request = urllib.request.Request(
        f"{plane.url}{step.path}", json.dumps(step.body).encode(), headers, method=step.method
    )
    try:
        with urllib.request.urlopen(request, context=plane.context(), timeout=30) as answer:
            return answer.status, comparable(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, comparable(json.load(error))


def comparable(found: Any) -> Any:
    """Message and causes of a Status; the data of an object, and its owners without times."""
    if found["kind"] == "Status":
        return found["message"], (found.get("details") or {}).get("causes")
    given = found["metadata"].get("managedFields") or []
    entries = [{**entry, "time": ""} for entry in given if entry["manager"] != CONTROLLERS]
    owners = sorted(entries, key=lambda entry: (entry["manager"], entry["operation"]))
    kept = ("data", "secrets", "imagePullSecrets")
    return {key: found[key] for key in kept if key in found}, json.dumps(owners, sort_keys=True)
