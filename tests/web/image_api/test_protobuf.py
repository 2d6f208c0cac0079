"""Objects sent as protobuf: what kubectl sends, and bytes that are no object."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.errors import InvalidInput
from imagegate.web.image_api.protobuf import MAGIC, decode
from tests.support import kubernetes_types
from tests.support.image_api import Api, served
from tests.support.kubectl import Kubectl


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
        (sent("Job", field(2, field(17, field(1, b"x"))), "batch/v1"), "schedulingPolicy: is not read as protobuf"),
        (sent("Pod", field(1, field(17, field(7, field(1, "{"))))), "fieldsV1: is not read as protobuf, only as JSON"),
        (sent("Pod", field(1, 7)), "a number where a message must be"),
        (sent("Pod", field(2, field(5, b"x"))), "a message where a number must be"),
        (sent("Pod", field(1, field(1, b"\xff"))), "a text that is not UTF-8"),
        (sent("Pod", field(1, field(8, field(1, 1 << 60)))), "is no time"),
        (sent("Pod", b"\x0a\x7f"), "ends in the middle"),
        (sent("Pod", b"\x80"), "a number without an end"),
        (sent("Pod", b"\x0b"), "wire type 3"),
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


@pytest.mark.programs
def test_the_table_is_that_of_the_published_types() -> None:
    shipped = resources.files("imagegate.web.image_api").joinpath("kubernetes_messages.json").read_bytes()
    assert json.loads(shipped) == kubernetes_types.table(kubernetes_types.read_types())


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
