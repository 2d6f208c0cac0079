"""``scale`` of workloads. Its form is compared with a real API server's in ``tests/cluster``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.image_api import Api

TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "docker.io/library/busybox"}]},
}
DEPLOYMENTS = "/apis/apps/v1/namespaces/test/deployments"
SCALE = f"{DEPLOYMENTS}/x/scale"


@pytest.fixture
def filled(api: Api) -> Api:
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
    api.post(DEPLOYMENTS, {"metadata": {"name": "x"}, "spec": spec})
    return api


def test_reading_and_patching(filled: Api) -> None:
    scale = filled.get(SCALE)
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 2})
    assert scale["status"] == {"replicas": 0, "selector": "a=b"}
    patched = filled.patch(SCALE, {"spec": {"replicas": 5}})
    assert patched["spec"] == {"replicas": 5}
    deployment = filled.get(f"{DEPLOYMENTS}/x")
    assert (deployment["spec"]["replicas"], deployment["metadata"]["generation"]) == (5, 2)
    assert deployment["metadata"]["resourceVersion"] == patched["metadata"]["resourceVersion"]
    owners = {each.get("subresource", "") for each in deployment["metadata"]["managedFields"]}
    assert owners == {"", "scale"}


def test_replacing_none_and_a_dry_run(filled: Api) -> None:
    scale = filled.get(SCALE)
    filled.put(f"{SCALE}?dryRun=All", {**scale, "spec": {"replicas": 9}})
    assert filled.get(SCALE) == scale
    replaced = filled._checked(filled.ask("PUT", SCALE, {**scale, "spec": {}}), 200)
    assert replaced["spec"] == {}
    assert filled.get(f"{DEPLOYMENTS}/x")["spec"]["replicas"] == 0


def changed(scale: dict[str, Any], **metadata: str) -> dict[str, Any]:
    return {**scale, "metadata": {**scale["metadata"], **metadata}, "spec": {"replicas": 1}}


def test_what_is_refused(filled: Api) -> None:
    scale = filled.get(SCALE)

    def put(body: Any, code: int) -> str:
        return str(filled._checked(filled.ask("PUT", SCALE, body), code)["message"])

    assert put({**scale, "spec": {"replicas": -1}}, 422) == (
        'Scale.autoscaling "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )
    assert "Precondition failed: UID in precondition: other" in put(changed(scale, uid="other"), 409)
    filled.patch(SCALE, {"spec": {"replicas": 3}})
    assert "the object has been modified" in put(changed(scale), 409)
    assert "does not match the name on the URL" in put(changed(scale, name="y"), 400)
    put({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "x"}}, 400)
    put({**scale, "spec": {"replicas": "many"}}, 400)
    filled.get(f"{DEPLOYMENTS}/none/scale", 404)
    filled.patch(SCALE, {"spec": {"replicas": 1}}, 415, kind="apply-patch")
    assert filled.get(SCALE)["spec"] == {"replicas": 3}


@pytest.mark.parametrize(
    "base, kind, selector, text",
    [
        ("/api/v1/namespaces/test/replicationcontrollers", "ReplicationController", {"b": "1", "a": "b"}, "a=b,b=1"),
        ("/apis/apps.openshift.io/v1/namespaces/test/deploymentconfigs", "DeploymentConfig", {"a": "b"}, "a=b"),
        (
            "/apis/apps/v1/namespaces/test/statefulsets",
            "StatefulSet",
            {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
            "a",
        ),
    ],
)
def test_other_workloads(api: Api, base: str, kind: str, selector: dict[str, Any], text: str) -> None:
    api.post(base, {"metadata": {"name": "x"}, "spec": {"selector": selector, "template": TEMPLATE}})
    api.patch(f"{base}/x/scale", {"spec": {"replicas": 4}})
    assert api.get(f"{base}/x/scale")["status"]["selector"] == text
    assert api.get(f"{base}/x")["spec"]["replicas"] == 4


def test_it_needs_a_right_of_its_own(filled: Api) -> None:
    refused = filled._checked(filled.ask("PATCH", SCALE, {}, user="developer"), 403)
    assert 'cannot patch resource "deployments/scale"' in refused["message"]
