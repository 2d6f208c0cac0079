"""What needs something that runs: a dry cluster says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.image_api import Api

NOTHING_RUNS = "imagegate is a dry cluster: objects are checked and stored, nothing is scheduled or run"
BUSYBOX = {"containers": [{"name": "c", "image": "docker.io/library/busybox"}]}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": BUSYBOX}
OBJECTS: dict[str, Any] = {
    "/api/v1/namespaces/test/pods": {"spec": BUSYBOX},
    "/apis/apps/v1/namespaces/test/deployments": {
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE},
    },
    "/apis/build.openshift.io/v1/namespaces/test/buildconfigs": {"spec": {}},
}


@pytest.fixture
def filled(api: Api) -> Api:
    for path, body in OBJECTS.items():
        api.post(path, {**body, "metadata": {"name": "x"}})
    return api


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/api/v1/namespaces/test/pods/x/log"),
        ("POST", "/api/v1/namespaces/test/pods/x/exec?command=ls&stdout=true"),
        ("GET", "/api/v1/namespaces/test/pods/x/exec?command=ls&stdout=true"),
        ("POST", "/api/v1/namespaces/test/pods/x/attach"),
        ("POST", "/api/v1/namespaces/test/pods/x/portforward"),
        ("POST", "/api/v1/namespaces/test/pods/x/eviction"),
        ("POST", "/apis/build.openshift.io/v1/namespaces/test/buildconfigs/x/instantiatebinary"),
        ("POST", "/api/v1/namespaces/test/serviceaccounts/default/token"),
    ],
)
def test_a_status_says_why(filled: Api, method: str, path: str) -> None:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body: dict[str, Any] | None = None if method == "GET" else {}
    headers = {} if body is None else {"Content-Type": kind}
    status = filled._checked(filled.ask(method, path, body, **headers), 405)
    resource, name, sub_resource = path.partition("?")[0].split("/")[-3:]
    assert status["message"] == f'{resource} "{name}" has no {sub_resource} here: {NOTHING_RUNS}'
    missing = path.replace(f"/{name}/", "/none/")
    assert filled._checked(filled.ask(method, missing, body, **headers), 404)["reason"] == "NotFound"


def test_it_needs_the_right_as_anywhere(filled: Api) -> None:
    path = "/api/v1/namespaces/test/pods/x/log"
    assert (
        'cannot get resource "pods/log"' in filled._checked(filled.ask("GET", path, user="developer"), 403)["message"]
    )


def test_clients_find_them(filled: Api) -> None:
    listed = filled.get("/apis/apps/v1")["resources"]
    (scale,) = [each for each in listed if each["name"] == "deployments/scale"]
    assert scale["verbs"] == ["get", "patch", "update"]
    found = filled.get("/apis", Accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    (apps,) = [each for each in found["items"] if each["metadata"]["name"] == "apps"]
    (deployments,) = [each for each in apps["versions"][0]["resources"] if each["resource"] == "deployments"]
    assert deployments["subresources"] == [
        {
            "subresource": "scale",
            "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
            "verbs": ["get", "patch", "update"],
        }
    ]


def test_other_methods_and_parts_stay_unknown(filled: Api) -> None:
    filled.get("/api/v1/namespaces/test/pods/x/nothing", 404)
    filled.post("/api/v1/namespaces/test/pods/x/log", {}, 405)
    filled.post("namespaces/test/imagestreams/x/status", {}, 405)
    filled.post("/api/v1/namespaces/test/pods/x", {}, 405)


@pytest.mark.parametrize(
    "path, why",
    [
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/test/rolebindings",
            (
                "rolebindings.rbac.authorization.k8s.io are not served: rights in a dry cluster come from accessRules "
                "in imagegate's settings"
            ),
        ),
        (
            "/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers",
            (
                "horizontalpodautoscalers.autoscaling are not served: nothing runs in a dry cluster, so nothing is "
                "scaled by its load"
            ),
        ),
        ("/apis/example.com/v1/things", "the server could not find the requested resource"),
    ],
)
def test_kinds_that_are_not_served(api: Api, path: str, why: str) -> None:
    status = api.post(path, {}, 404)
    assert (status["reason"], status["message"]) == ("NotFound", why)
