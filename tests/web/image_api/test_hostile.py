"""What one caller sends may fail for that caller; never for everybody, never with a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.ports.image_store import ObjectKey
from imagegate.web.image_api.answers import WARNINGS_MAX, WARNINGS_MAX_CHARACTERS, bounded_warnings
from tests.support.image_api import Api

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
DIGEST = "sha256:" + "9" * 64
NAMESPACES = "/api/v1/namespaces"
PODS = f"{NAMESPACES}/test/pods"


def test_a_mapping_with_a_field_of_the_wrong_type(api: Api) -> None:
    bodies: list[dict[str, Any]] = [
        {"tag": []},
        {"tag": {}, "image": {}},
    ]
    for body in bodies:
        answer = api.post("namespaces/test/imagestreammappings", body, 400)
        assert answer["reason"] == "BadRequest"
        assert "field ImageStreamMapping.tag of type string" in answer["message"]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    (
        NAMESPACES,
        {"metadata": {"name": "new"}, "status": "x"},
        "string into Namespace.status of type v1.NamespaceStatus",
    ),
    (
        NAMESPACES,
        {"metadata": {"name": "new"}, "spec": []},
        "array into Namespace.spec of type v1.NamespaceSpec",
    ),
    (
        PODS,
        {"metadata": {"name": "p"}, "spec": {"containers": {}}},
        "object into PodSpec.spec.containers of type []v1.Container",
    ),
    (
        PODS,
        {"metadata": {"name": "p"}, "spec": {"containers": ["x"]}},
        "string into PodSpec.spec.containers of type v1.Container",
    ),
    (
        PODS,
        {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": 7}]}},
        "number into Container.spec.containers.image of type string",
    ),
    (
        PODS,
        {"metadata": {"name": "p"}, "spec": {"volumes": [{"name": "v", "secret": {"items": "x"}}]}},
        "string into SecretVolumeSource.spec.volumes.secret.items of type []v1.KeyToPath",
    ),
    (
        f"{NAMESPACES}/test/secrets",
        {"metadata": {"name": "s"}, "data": {"k": 7}},
        "number into Secret.data of type []uint8",
    ),
    (
        f"{NAMESPACES}/test/services",
        {"metadata": {"name": "s"}, "spec": {"ports": 1}},
        "number into ServiceSpec.spec.ports of type []v1.ServicePort",
    ),
    (
        "/apis/apps/v1/namespaces/test/deployments",
        {"metadata": {"name": "d"}, "spec": {"replicas": True}},
        "bool into DeploymentSpec.spec.replicas of type int32",
    ),
    (
        "/apis/apps.openshift.io/v1/namespaces/test/deploymentconfigs",
        {"metadata": {"name": "d"}, "spec": "x"},
        "string into DeploymentConfig.spec of type v1.DeploymentConfigSpec",
    ),
    (
        "/apis/build.openshift.io/v1/namespaces/test/buildconfigs",
        {"metadata": {"name": "d"}, "status": []},
        "array into BuildConfig.status of type v1.BuildConfigStatus",
    ),
]


@pytest.mark.parametrize("path, body, message", WRONG)
def test_objects_of_the_wrong_type_are_refused_at_the_door(
    api: Api, path: str, body: dict[str, Any], message: str
) -> None:
    answer = api.post(path, body, 400)
    assert "cannot be handled as a" in answer["message"]
    assert message.replace(" into ", " into Go struct field ") in answer["message"]


def test_an_update_and_a_patch_are_checked_too(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}, "status": "x"}
    api.put(f"{NAMESPACES}/default", body, 400)
    api.patch(f"{NAMESPACES}/default", {"status": "x"}, 422)
    api.patch(f"{NAMESPACES}/default", {"status": "x"}, 422, kind="strategic-merge-patch")
    api.patch(f"{NAMESPACES}/default", [{"op": "add", "path": "/status", "value": "x"}], 422, kind="json-patch")
    assert api.get(f"{NAMESPACES}/default")["status"] == {"phase": "Active"}


STORED: list[tuple[str, str, dict[str, Any]]] = [
    ("", "namespaces", {"status": "x"}),
    ("", "namespaces", {"status": [], "spec": 1}),
    ("", "pods", {"spec": "x", "status": ["y"]}),
    ("", "pods", {"spec": {"containers": 7}, "status": 7}),
    ("image.openshift.io", "imagestreams", {"spec": "x"}),
    ("image.openshift.io", "imagestreams", {"spec": {"tags": {"a": 1}}, "status": {"tags": [7, {"items": 7}]}}),
    ("image.openshift.io", "imagestreams", {"status": {"tags": [{"tag": "a", "items": [{"created": 7}]}]}}),
    ("image.openshift.io", "images", {"dockerImageReference": 7, "signatures": "x", "dockerImageMetadata": []}),
]


@pytest.mark.parametrize("group, resource, fields", STORED)
def test_what_is_stored_in_another_form_stops_nobody(
    api: Api, group: str, resource: str, fields: dict[str, Any]
) -> None:
    """As 0.1.0 may have stored it: lists, tables, views and watches go on, and it can be repaired and deleted."""
    is_namespaced = resource in ("pods", "imagestreams")
    name = DIGEST if resource == "images" else "odd"
    namespace = "test" if is_namespaced else ""
    body = {"metadata": {"name": name, "namespace": namespace} if namespace else {"name": name}, **fields}
    SqliteStore(api.store.database).create(ObjectKey(group, resource, namespace, name), body)
    base = f"/apis/{group}/v1" if group else "/api/v1"
    path = f"{base}/namespaces/test/{resource}" if is_namespaced else f"{base}/{resource}"
    lists = [path, f"{base}/{resource}"]
    if resource == "imagestreams":
        lists += ["namespaces/test/imagestreamtags", "namespaces/test/imagetags", "imagestreamtags", "imagetags"]
    for each in lists:
        for accept in ("application/json", TABLE, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"):
            api.get(each, Accept=accept)
        api.get(f"{each}?labelSelector=a%3Db&fieldSelector=metadata.name%3Dx")
    assert name in str(api.get(path, Accept=TABLE)["rows"])
    api.get(f"{path}/{name}")
    api.get(f"{path}/{name}", Accept=TABLE)
    watched = api.ask("GET", f"{path}?watch=1&timeoutSeconds=1", Accept=TABLE)
    assert watched.status_code == 200
    assert name in watched.get_data(as_text=True)
    if resource == "imagestreams":
        api.get(f"{path}/{name}/layers")
    api.delete(f"{path}/{name}")
    api.get(f"{path}/{name}", 404)


def test_an_odd_stream_can_be_repaired(api: Api) -> None:
    key = ObjectKey("image.openshift.io", "imagestreams", "test", "odd")
    SqliteStore(api.store.database).create(
        key, {"metadata": {"name": "odd", "namespace": "test"}, "spec": {"tags": "x"}, "status": "y"}
    )
    path = "namespaces/test/imagestreams/odd"
    api.patch(path, {"spec": {"lookupPolicy": {"local": True}}})
    api.put(path, {**api.get(path), "spec": {"tags": [{"name": "t", "reference": True}]}})
    assert [tag["name"] for tag in api.get(path)["spec"]["tags"]] == ["t"]


class TestWarnings:
    @staticmethod
    def warned(api: Api, fields: dict[str, Any]) -> list[str]:
        image = {"metadata": {"name": DIGEST}, "dockerImageReference": "a/b", **fields}
        answer = api.ask("POST", "images?dryRun=All", json.dumps(image).encode())
        assert answer.status_code == 201
        return answer.headers.getlist("Warning")

    def test_an_endless_name(self, api: Api) -> None:
        assert [len(value) < 1_200 for value in self.warned(api, {"a" * 3_000_000: 1})] == [True]

    def test_endless_many(self, api: Api) -> None:
        values = self.warned(api, {f"f{index}": 1 for index in range(20_000)})
        assert len(values) == WARNINGS_MAX + 1
        assert values[0] == '299 - "unknown field \\"f0\\""'
        assert values[-1] == '299 - "50 more warnings are not shown"'

    def test_many_long_names(self, api: Api) -> None:
        values = self.warned(api, {f"{index}{'€' * 2_000}": 1 for index in range(200)})
        assert sum(map(len, values)) < 4 * (WARNINGS_MAX_CHARACTERS + 1_000)

    def test_few_are_shown_as_they_are(self, api: Api) -> None:
        assert self.warned(api, {"x": 1, "y" * 500: 1}) == [
            '299 - "unknown field \\"x\\""',
            f'299 - "unknown field \\"{"y" * 500}\\""',
        ]
        assert self.warned(api, {}) == []

    def test_strict_names_a_bounded_number(self, api: Api) -> None:
        body = {"metadata": {"name": DIGEST}, "dockerImageReference": "a/b", **{f"f{n}": 1 for n in range(20_000)}}
        answer = api.post("images?dryRun=All&fieldValidation=Strict", body, 400)
        assert len(answer["message"]) < 5_000

    def test_bounds(self) -> None:
        assert bounded_warnings(["a", "a", ""]) == ["a"]
        assert bounded_warnings(["x" * 4096]) == ["x" * 4096]
        assert bounded_warnings(["x" * 4097]) == ["x" * 256]
        cut = bounded_warnings([f"{index:03}{'x' * 997}" for index in range(100)])
        assert len(cut) == 17
        assert cut[-1] == "84 more warnings are not shown"
