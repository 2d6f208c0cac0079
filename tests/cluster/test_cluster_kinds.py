"""New objects of the dry cluster beside those of a real API server: what is stored, and what is refused."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.manifests import ACCEPTED, REFUSED, JsonObject, Manifest
from tests.support.image_api import Api, make_api, served
from tests.support.kubectl import Kubectl

NAMESPACE = "compared"


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> Api:
    api = make_api(tmp_path_factory.mktemp("compared") / "images.db")
    api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    return api


@pytest.fixture(scope="module")
def real(plane: ControlPlane) -> Iterator[ControlPlane]:
    plane.kubectl("create", "namespace", NAMESPACE)
    plane.kubectl("create", "serviceaccount", "default", "-n", NAMESPACE, check=False)
    yield plane
    plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("manifest", ACCEPTED, ids=lambda each: each.name)
def test_accepted(real: ControlPlane, dry: Api, manifest: Manifest) -> None:
    expected_code, expected = created(real, manifest)
    assert expected_code == 201, expected
    answer = dry.ask("POST", manifest.path, manifest.body)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    assert answer.json is not None
    assert list(differences(comparable(answer.json), comparable(expected))) == []


@pytest.mark.parametrize("manifest", REFUSED, ids=lambda each: each.name)
def test_refused(real: ControlPlane, dry: Api, manifest: Manifest) -> None:
    expected_code, expected = created(real, manifest)
    answer = dry.ask("POST", manifest.path, manifest.body)
    assert answer.json is not None
    assert (answer.status_code, sorted_status(answer.json)) == (expected_code, sorted_status(expected))


def sorted_status(status: JsonObject) -> JsonObject:
    """A Status with its causes sorted: the original reads maps in any order."""
    assert status["kind"] == "Status", status
    details = status.get("details", {})
    causes = sorted(details.get("causes", ()), key=str)
    if len(causes) > 1:
        status = {**status, "message": sorted(status["message"].strip("]").split(", "))}
    return {**status, "details": {**details, "causes": causes}}


def test_scale(real: ControlPlane, dry: Api) -> None:
    manifest = next(each for each in ACCEPTED if each.name == "Deployment")
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
    created(real, manifest, dry_run=False)
    dry.post(path, manifest.body)
    found = json.loads(real.kubectl("scale", "-n", NAMESPACE, "deployment/a", "--replicas=0", "-o", "json").stdout)
    assert found["kind"] == "Deployment"
    expected = json.loads(real.kubectl("get", "--raw", f"{path}/a/scale").stdout)
    scale = dry.patch(f"{path}/a/scale", {"spec": {"replicas": 0}})
    for each in (scale, expected):
        del each["status"]["replicas"]  # controllers count there
        each["metadata"] = {"name": each["metadata"]["name"], "namespace": each["metadata"]["namespace"]}
    assert scale == expected


def test_what_is_applied_again(real: ControlPlane, dry: Api, tmp_path: Path) -> None:
    """``kubectl apply``, which compares what it has with OpenAPI: the same is ``unchanged``, and nothing differs."""
    objects = [
        {**each.body, "metadata": {**each.body["metadata"], "name": f"applied-{number}", "namespace": NAMESPACE}}
        for number, each in enumerate(ACCEPTED)
        if each.kind not in ("LimitRange", "ResourceQuota")  # they would limit the others there
    ]
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), encoding="utf-8")
    with served(dry.app) as url:
        kubectl = Kubectl(tmp_path)
        kubectl.use(url, namespace=NAMESPACE)
        outcomes = [_applied(each, path) for each in (real.kubectl, kubectl)]
        assert outcomes[0] == outcomes[1]
        unchanged = [each for each in objects if f"applied-{_number(each)} unchanged" in "\n".join(outcomes[1])]
        assert len(unchanged) > 60
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": unchanged}), encoding="utf-8")
        assert kubectl("diff", "-f", path).stdout == ""


def _number(found: JsonObject) -> str:
    return str(found["metadata"]["name"]).rpartition("-")[2]


def _applied(kubectl: Kubectl, path: Path) -> list[str]:
    """What is printed about each object that is applied a second time."""
    first = kubectl("apply", "-f", path).stdout.splitlines()
    assert all(line.endswith(" created") for line in first)
    return kubectl("apply", "-f", path).stdout.splitlines()


def created(plane: ControlPlane, manifest: Manifest, *, dry_run: bool = True) -> tuple[int, JsonObject]:
    """Code and body of the real server's answer."""
    path = manifest.path if dry_run else manifest.path.partition("?")[0]
    body = json.dumps(manifest.body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{plane.url}{path}", body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, context=plane.context(), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Every place where two values differ: ``PATH: FOUND, expected EXPECTED``."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in {**found, **expected}:
            yield from differences(found.get(key), expected.get(key), f"{path}.{key}")
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
            yield from differences(mine, theirs, f"{path}[{index}]")
    elif found != expected:
        yield f"{path}: {found!r}, expected {expected!r}"


def comparable(found: JsonObject) -> JsonObject:
    """An object without what differs from one creation to the next, and what only a running cluster has.

    These are the status, the volume with a pod's token, and addresses of services.
    """
    uid = found["metadata"].get("uid", "")
    found = json.loads(json.dumps(found).replace(uid, "UID"))
    found.pop("status", None)
    for name in ("creationTimestamp", "managedFields", "resourceVersion", "uid"):
        found["metadata"].pop(name, None)
    spec = found.get("spec", {})
    if found["kind"] == "Service" and spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    if found["kind"] == "Pod":
        _drop_token(spec, "volumes")
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            _drop_token(container, "volumeMounts")
    return dict(found)


def _drop_token(holder: JsonObject, field: str) -> None:
    kept = [each for each in holder.get(field, ()) if not each["name"].startswith("kube-api-access-")]
    holder.pop(field, None)
    if kept:
        holder[field] = kept
