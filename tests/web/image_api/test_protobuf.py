"""Objects sent as protobuf: what kubectl sends, and bytes that are no object."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.errors import InvalidInput
from imagegate.web.image_api.messages import message_class
from imagegate.web.image_api.protobuf import MAGIC, MEDIA_TYPE, decode, encode
from tests.support.go_clients import go_client
from tests.support.image_api import Api, served
from tests.support.kubectl import Kubectl
from tests.support.programs import run


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value & 0xFFFFFFFFFFFFFFFF)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    made = b""
    while value > 0x7F:
        made += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return made + bytes((value,))


def sent(kind: str, raw: bytes, version: str = "v1") -> bytes:
    return MAGIC + field(1, field(1, version) + field(2, kind)) + field(2, raw) + field(3, "") + field(4, "")


def test_threads_that_begin_at_once_share_the_messages() -> None:
    """Messages of two pools do not go into each other: later answers of the process would end with an error."""
    code = """
import threading
from concurrent.futures import ThreadPoolExecutor
from imagegate.web.image_api.messages import message_class
together = threading.Barrier(8)
def first(number):
    together.wait()
    return message_class(("Raw", "Time", "WatchEvent", "Unknown")[number % 4]).DESCRIPTOR.file.pool
with ThreadPoolExecutor(8) as pool:
    print(len(set(map(id, pool.map(first, range(8))))))
"""
    assert run([sys.executable, "-c", code]).stdout == "1\n"


def test_a_pod() -> None:
    metadata = field(1, "p") + field(3, "") + field(7, 0) + field(8, b"") + field(11, field(1, "k") + field(2, "v"))
    port = field(3, 80)
    probe = field(1, field(2, field(1, "/") + field(2, field(1, 1) + field(3, "web")))) + field(3, 5)
    limits = field(1, field(1, "cpu") + field(2, field(1, "1")))
    container = field(1, "c") + field(2, "docker.io/x") + field(6, port) + field(8, limits) + field(10, probe)
    volume = field(1, "v") + field(2, field(2, b""))  # emptyDir: inline in the volume, empty and yet meant
    spec = field(2, container) + field(1, volume) + field(5, -1) + field(11, 1)
    assert decode(sent("Pod", field(1, metadata) + field(2, spec))) == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "labels": {"k": "v"}},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "docker.io/x",
                    "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"cpu": "1"}},
                    "livenessProbe": {"httpGet": {"path": "/", "port": "web"}, "timeoutSeconds": 5},
                }
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "activeDeadlineSeconds": -1,
            "hostNetwork": True,
        },
    }


def test_times_and_bytes() -> None:
    created = field(1, field(8, field(1, 1527847200)))
    secret = decode(sent("Secret", created + field(2, field(1, "k") + field(2, b"\xff"))))
    assert secret["metadata"] == {"creationTimestamp": "2018-06-01T10:00:00Z"}
    assert secret["data"] == {"k": "/w=="}


@pytest.mark.parametrize(
    "body, message",
    [
        (b"{}", "does not begin as"),
        (sent("Node", b""), "Node of v1 is not read as protobuf"),
        (sent("Pod", b"", "v2"), "Pod of v2 is not read as protobuf"),
        (MAGIC, "an object of no version"),
        (sent("Pod", field(99, "x")), "Pod: field 99 is not known here"),
        (sent("Pod", field(2, field(99, "x"))), "Pod.spec: field 99 is not known here"),
        (sent("Pod", field(1, field(17, field(7, field(1, "{"))))), "fieldsV1: is not read as protobuf, only as JSON"),
        (
            sent("Image", field(3, field(1, "[" * 300 + "]" * 300)), "image.openshift.io/v1"),
            "Image.dockerImageMetadata: nested deeper than 200 levels",
        ),
        (sent("Pod", field(1, 7)), "Pod: field 1 is not known here"),
        (sent("Pod", field(2, field(5, b"x"))), "Pod.spec: field 5 is not known here"),
        (sent("Pod", field(1, field(1, b"\xff"))), "bad UTF-8"),
        (sent("Pod", field(1, field(8, field(1, 1 << 60)))), "is no time"),
        (sent("Pod", b"\x0a\x7f"), "malformed protobuf"),
        (sent("Pod", b"\x80"), "malformed protobuf"),
        (sent("Pod", b"\x0b"), "malformed protobuf"),
        (MAGIC + field(3, "gzip"), "not supported"),
    ],
)
def test_what_cannot_be_read(body: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        decode(body)


@given(st.binary(max_size=200), st.sampled_from(["Pod", "Secret", "Deployment"]))
def test_any_bytes_end_in_an_object_or_in_a_reason(raw: bytes, kind: str) -> None:
    body = sent(kind, raw, "apps/v1" if kind == "Deployment" else "v1")
    with contextlib.suppress(InvalidInput):
        assert decode(body)["kind"] == kind


def test_fixed_size_numbers_are_of_no_field() -> None:
    for tag, size in ((5, 4), (1, 8)):
        with pytest.raises(InvalidInput, match="field 99 is not known here"):
            decode(sent("Pod", varint(99 << 3 | tag) + b"\0" * size))


@pytest.fixture
def kubectl(api: Api, tmp_path: Path) -> Iterator[Kubectl]:
    with served(api.app) as url:
        asked = Kubectl(tmp_path)
        asked.use(url, namespace="test")
        yield asked


@pytest.mark.parametrize(
    "arguments, resource, expected",
    [
        (["namespace", "new"], "namespace/new", {"phase": "Active"}),
        (["deployment", "d", "--image=docker.io/x", "--replicas=0"], "deployment/d", {"replicas": 0}),
        (["job", "j", "--image=docker.io/x", "--", "sleep", "1"], "job/j", {"command": ["sleep", "1"]}),
        (["configmap", "c", "--from-literal=a=b"], "configmap/c", {"a": "b"}),
        (["serviceaccount", "s"], "serviceaccount/s", {"name": "s"}),
        (["secret", "generic", "g", "--from-literal=a=b"], "secret/g", {"a": "Yg=="}),
    ],
)
def test_what_kubectl_creates(kubectl: Kubectl, arguments: list[str], resource: str, expected: dict[str, Any]) -> None:
    assert "created" in kubectl("create", *arguments).stdout
    assert holds(kubectl.json("get", resource), expected)


def holds(found: Any, expected: dict[str, Any]) -> bool:
    """Whether some object inside ``found`` has these fields."""
    if isinstance(found, dict):
        own = all(key in found and found[key] == value for key, value in expected.items())
        return own or any(holds(value, expected) for value in found.values())
    return isinstance(found, list) and any(holds(value, expected) for value in found)


def test_a_pull_secret_of_kubectl_is_used_by_imports(kubectl: Kubectl, api: Api) -> None:
    kubectl(
        "create", "secret", "docker-registry", "pull", "--docker-server=q", "--docker-username=a", "--docker-password=b"
    )
    listed = api.get("namespaces/test/imagestreams/any/secrets")
    assert [secret["metadata"]["name"] for secret in listed["items"]] == ["pull"]


@pytest.mark.programs
def test_the_typed_clients_of_openshift_and_kubernetes(importing: Api, pushed: str) -> None:
    """Create, get, list, watch, update, patch, import, delete: protobuf in both directions."""
    with served(importing.app) as url:
        source = "openshift/image-policy-check:latest"
        command: list[str | Path] = [go_client("typed"), "-server", url, "-namespace", "test", "-source", source]
        seen = json.loads(run(command).stdout)
    created, updated, patched = (seen[each] for each in ("created", "updated", "patched"))
    (tag,) = created["spec"]["tags"]
    assert (tag["name"], tag["reference"], tag["annotations"], tag["generation"]) == ("v1", True, {"a": "b"}, 1)
    assert tag["importPolicy"] == {"scheduled": True, "importMode": "Legacy"}
    assert created["spec"]["lookupPolicy"] == {"local": True}
    assert created["metadata"]["labels"] == {"app": "typed"}
    assert created["metadata"]["creationTimestamp"] == "2018-06-01T10:00:00Z"
    assert [each["name"] for each in updated["spec"]["tags"]] == ["v1", "v2"]
    assert [each["name"] for each in patched["spec"]["tags"]] == ["v2"]
    assert seen["conflict"] is seen["precondition"] is seen["gone"] is True
    assert seen["listed"] == 1
    assert seen["events"] == ["ADDED 1", "MODIFIED 2", "MODIFIED 1"]
    (imported,) = seen["import"]["status"]["images"]
    assert imported["status"] == {"metadata": {}, "status": "Success"}
    image = importing.get(f"images/{pushed}")
    assert imported["image"]["metadata"]["name"] == seen["tag"]["image"]["metadata"]["name"] == pushed
    assert seen["tag"]["image"]["dockerImageMetadata"] == image["dockerImageMetadata"]
    assert seen["images"] == 1
    importing.get("namespaces/test/imagestreamtags/imported:latest", 404)
    assert seen["secret"] == "AP8="
    (pod,) = seen["pods"]
    assert pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert pod["status"]["phase"] == "Pending"
    importing.get("/api/v1/namespaces/test/pods/typed", 404)
    check_others(seen["others"])
    assert all(kinds.endswith((MEDIA_TYPE, f"{MEDIA_TYPE};stream=watch")) for kinds in seen["types"])


def check_others(seen: dict[str, Any]) -> None:
    """Kinds of OpenShift's other groups, with the lists and maps that are messages of their own."""
    deployed, built = seen["deploymentConfig"], seen["buildConfig"]
    assert [each["type"] for each in deployed["triggers"]] == ["ConfigChange", "ImageChange"]
    assert deployed["triggers"][1]["imageChangeParams"]["from"] == {
        "kind": "ImageStreamTag",
        "name": "typed:v1",
        "namespace": "test",
    }
    assert deployed["template"]["spec"]["containers"][0]["image"] == "docker.io/library/busybox:1"
    assert built["nodeSelector"] == {"zone": "a"}
    assert built["source"]["git"] == {"uri": "https://git.example.com/a.git"}
    assert built["strategy"]["dockerStrategy"]["from"]["name"] == "docker.io/library/busybox:1"
    assert seen["started"] == {"name": "typed-1", "env": [{"name": "A", "value": "b"}]}
    assert (seen["build"]["phase"], seen["build"]["duration"]) == ("New", 10**9)
    (held,) = seen["template"]["objects"]
    assert held == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${NAME}"}}
    assert seen["template"]["message"] == "made"
    assert seen["template"]["parameters"] == [{"name": "NAME", "value": "a"}]


def test_objects_go_there_and_back(api: Api) -> None:
    body = {
        "metadata": {"name": "s", "labels": {"a": "b"}, "annotations": {"c": "\u00e4"}},
        "spec": {
            "lookupPolicy": {"local": False},
            "tags": [{"name": "t", "reference": True, "from": {"kind": "DockerImage", "name": "docker.io/x:1"}}],
        },
    }
    stored = api.post("namespaces/test/imagestreams", body)
    answer = api.ask("GET", "namespaces/test/imagestreams/s", Accept=MEDIA_TYPE)
    assert answer.content_type == MEDIA_TYPE
    stored["spec"]["tags"][0].pop("annotations")  # null
    stored["status"]["tags"][0]["items"][0].pop("image")  # empty
    assert decode(answer.get_data()) == stored
    listed = api.ask("GET", "namespaces/test/imagestreams", Accept=f"{MEDIA_TYPE},application/json")
    found = decode(listed.get_data())
    assert (found["kind"], len(found["items"])) == ("ImageStreamList", 1)
    missing = api.ask("GET", "namespaces/test/imagestreams/none", Accept=MEDIA_TYPE)
    assert (missing.status_code, missing.content_type) == (404, MEDIA_TYPE)
    assert decode(missing.get_data())["reason"] == "NotFound"
    watched = api.ask(
        "GET", "namespaces/test/imagestreams?watch=1&timeoutSeconds=1", Accept=f"{MEDIA_TYPE};stream=watch"
    )
    assert watched.content_type == f"{MEDIA_TYPE};stream=watch"
    frame = watched.get_data()
    size = int.from_bytes(frame[:4], "big")
    assert len(frame) == 4 + size
    event = message_class("WatchEvent").FromString(frame[4:])
    assert (event.f1, decode(event.f2.f1)["metadata"]["name"]) == ("ADDED", "s")


def test_tables_and_openapi_stay_json(api: Api) -> None:
    path = "/apis/build.openshift.io/v1/namespaces/test/buildconfigs"
    assert api.ask("GET", "/openapi/v3/api/v1", Accept=f"{MEDIA_TYPE},*/*").content_type == "application/json"
    as_table = f"{MEDIA_TYPE};as=Table;g=meta.k8s.io;v=v1,application/json"
    assert api.ask("GET", path, Accept=as_table).content_type == "application/json"


@pytest.mark.parametrize(
    "found, message",
    [
        ({"metadata": {"name": 1}}, "Secret.metadata.name cannot be written"),
        ({"metadata": {"labels": []}}, "Secret.metadata.labels cannot be written"),
        ({"metadata": []}, "Secret.metadata cannot be written"),
        ({"data": {"a": 1}}, "Secret.data cannot be written"),
        ({"data": {"a": "%"}}, "Secret.data cannot be written"),
        ({"immutable": "yes"}, "Secret.immutable cannot be written"),
        ({"metadata": {"generation": 1 << 70}}, "Secret.metadata.generation cannot be written"),
    ],
)
def test_objects_of_another_form_are_refused(found: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        encode({"kind": "Secret", "apiVersion": "v1", **found})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "key", "a"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "data", "immutable"]), JSON))
def test_any_object_ends_in_bytes_or_in_a_reason(found: dict[str, Any]) -> None:
    for version, kind in (("v1", "Secret"), ("v1", "Pod"), ("image.openshift.io/v1", "ImageStream")):
        with contextlib.suppress(InvalidInput):
            encoded = encode({"kind": kind, "apiVersion": version, **found})
            assert encoded is not None
            assert decode(encoded)["kind"] == kind


@pytest.mark.parametrize("kind", ["DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "GetOptions"])
@pytest.mark.parametrize("version", ["v1", "meta.k8s.io/v1", "image.openshift.io/v1"])
def test_options_of_every_kind(kind: str, version: str) -> None:
    assert decode(sent(kind, b"", version)) == {"kind": kind, "apiVersion": version}


def test_a_delete_with_options(api: Api) -> None:
    uid = api.post("namespaces/test/imagestreams", {"metadata": {"name": "s"}})["metadata"]["uid"]
    path = "namespaces/test/imagestreams/s"
    for wanted, code in (("other", 409), (uid, 200)):
        options = field(2, field(1, wanted)) + field(4, "Background")
        answer = api.ask("DELETE", path, sent("DeleteOptions", options), **{"Content-Type": MEDIA_TYPE})
        assert answer.status_code == code
