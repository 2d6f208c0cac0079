"""Images of a workload, the changes of an update, and the short way for images that are known to be allowed."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.request import AdmissionRequest, GroupResource
from imagegate.core.admission.workload import InvalidObject
from imagegate.core.enforcement.rewrite_record import ANNOTATION
from imagegate.core.enforcement.selection import AllowedImageCache
from imagegate.core.enforcement.workload import allowed_rules, read_workload, unsupported_text
from tests.support.enforcement_setup import KINDS, pod, request, workload


def cache(*images: str) -> AllowedImageCache:
    found = AllowedImageCache()
    for image in images:
        found.add(image, f"rule of {image}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_every_kind(kind: str) -> None:
    found = read_workload(request(workload(kind, "a", "b")))
    assert [use.name for use in found.uses] == ["a", "b"]
    assert found.is_pod is (kind == "Pod")
    assert all(use.field.startswith(".".join(found.spec_path)) for use in found.uses)


def updated(new: dict[str, Any], old: dict[str, Any]) -> bool:
    return read_workload(request(new, operation="UPDATE", old=old)).unchanged


def test_an_update_without_a_new_image_is_unchanged() -> None:
    assert updated(pod("a", "b"), pod("a", "b"))
    assert updated(pod("a"), pod("a", "b"))
    assert not updated(pod("a", "c"), pod("a", "b"))
    assert not read_workload(request(pod("a"))).unchanged, "a new object has no earlier images"


@pytest.mark.parametrize(
    "change",
    [
        {"imagePullSecrets": [{"name": "x"}]},
        {"serviceAccountName": "robot"},
        {"containers": [{"name": "c0", "image": "a", "imagePullPolicy": "Always"}]},
        {"volumes": [{"name": "v", "image": {"reference": "d"}}]},
    ],
)
def test_whatever_decides_which_image_a_node_gets_is_a_change(change: dict[str, Any]) -> None:
    assert not updated(pod("a", **change), pod("a"))


def test_an_old_object_that_cannot_be_read_leaves_nothing_unchanged() -> None:
    assert not updated(pod("a"), {**pod("a"), "spec": {"containers": "none"}})


def test_only_new_ephemeral_containers_of_that_subresource_count() -> None:
    old = pod("a", ephemeralContainers=[{"name": "e", "image": "e:1"}])
    new = pod("b", ephemeralContainers=[{"name": "e", "image": "e:1"}, {"name": "f", "image": "f:1"}])
    found = read_workload(request(new, operation="UPDATE", old=old, sub_resource="ephemeralcontainers"))
    assert [use.name for use in found.uses] == ["f:1"]


def test_kind_and_resource_must_agree() -> None:
    with pytest.raises(InvalidObject, match="is not one of"):
        read_workload(request(pod("a"), resource=GroupResource("apps", "deployments")))


def test_known_images_are_allowed_without_a_closer_look() -> None:
    assert allowed_rules(request(pod("a", "b", "a")), cache("a", "b")) == ("rule of a", "rule of b")
    assert allowed_rules(request(workload("Deployment", "a")), cache("a")) == ("rule of a",)


def changed(**metadata: Any) -> AdmissionRequest:
    document = pod("a")
    document["metadata"] |= metadata
    return request(document)


@pytest.mark.parametrize(
    "asked",
    [
        request(pod("a", "unknown")),
        request(pod("a"), operation="UPDATE", old=pod("a")),
        request(pod("a"), sub_resource="ephemeralcontainers"),
        request(pod("a", ephemeralContainers=[])),
        request(pod("a", volumes=[{"name": "v", "image": {"reference": "b"}}])),
        request(pod("a", volumes="none")),
        request(pod("a", initContainers="none")),
        request(pod("a", containers=[{"image": "a"}])),
        request(pod("a", containers=["a"])),
        request({**pod("a"), "spec": None}),
        request(pod("a"), resource=GroupResource("apps", "deployments")),
        changed(ownerReferences=[{"kind": "Job"}]),
        changed(annotations={ANNOTATION: "{}"}),
        changed(annotations=["a"]),
    ],
)
def test_everything_else_gets_one(asked: AdmissionRequest) -> None:
    assert allowed_rules(asked, cache("a")) is None


def test_the_message_for_other_resources() -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {}}
    asked = request(widget, resource=GroupResource("example.com", "widgets"))
    assert unsupported_text(asked).startswith('The resource "example.com/v1/widgets" is not supported.')
