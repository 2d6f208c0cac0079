"""Fields of the dry cluster's kinds, to the depth: pruned, warned about, or refused, as an API server does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.image_api import Api

CONTAINER = {"name": "c", "image": "docker.io/library/busybox:1", "imagePulPolicy": "Always"}
PODS = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER], "hostNetwrk": True}}
CASES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("", "pods", {"spec": PODS["spec"]}, ["spec.containers[0].imagePulPolicy", "spec.hostNetwrk"]),
    (
        "apps",
        "deployments",
        {"spec": {"replcas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": PODS}},
        ["spec.replcas", "spec.template.spec.containers[0].imagePulPolicy", "spec.template.spec.hostNetwrk"],
    ),
    (
        "apps.openshift.io",
        "deploymentconfigs",
        {"spec": {"template": PODS, "triggers": [{"type": "ConfigChange", "imageChange": {}}]}},
        [
            "spec.template.spec.containers[0].imagePulPolicy",
            "spec.template.spec.hostNetwrk",
            "spec.triggers[0].imageChange",
        ],
    ),
    (
        "build.openshift.io",
        "buildconfigs",
        {"spec": {"source": {"git": {"url": "x"}}, "strategy": {"dockerStrategy": {"form": {}}}}},
        ["spec.source.git.url", "spec.strategy.dockerStrategy.form"],
    ),
]


def path_of(group: str, resource: str) -> str:
    return f"/apis/{group}/v1/namespaces/test/{resource}" if group else f"/api/v1/namespaces/test/{resource}"


@pytest.mark.parametrize("group, resource, fields, unknown", CASES)
def test_unknown_fields(api: Api, group: str, resource: str, fields: dict[str, Any], unknown: list[str]) -> None:
    path, body = path_of(group, resource), {"metadata": {"name": "x"}, **fields}
    refused = api.post(f"{path}?fieldValidation=Strict", body, 400)["message"]
    assert refused.endswith(", ".join(f'unknown field "{each}"' for each in unknown))
    assert "strict decoding error" in refused
    stored = api.post(f"{path}?fieldValidation=Ignore", body)
    for each in unknown:
        assert f"'{each.rpartition('.')[2]}'" not in str(stored)
    refused = api.patch(f"{path}/x?fieldValidation=Strict", {"spec": {"bogus": 1}}, 422)["message"]
    assert 'unknown field "spec.bogus"' in refused
    assert api.patch(f"{path}/x", {"spec": {"bogus": 1}})["spec"] == stored["spec"]


def test_zero_values_are_written_as_an_api_server_does(api: Api) -> None:
    body = {"metadata": {"name": "x"}, "spec": {"template": PODS, "replicas": 0, "paused": False}}
    spec = api.post(path_of("apps", "deployments"), body)["spec"]
    assert (spec["replicas"], spec["selector"]) == (0, None)
    assert "paused" not in spec
    assert spec["template"]["spec"]["containers"][0]["resources"] == {}
