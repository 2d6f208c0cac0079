"""AdmissionReviews as they come in: what is kept, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.errors import InvalidReview

REQUEST: dict[str, Any] = {
    "uid": "u-1",
    "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
    "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
    "operation": "UPDATE",
    "namespace": "shop",
    "name": "web",
    "userInfo": {"username": "alice", "uid": "7", "groups": ["devs", "system:authenticated"]},
    "object": {"kind": "Deployment"},
    "oldObject": {"kind": "Deployment", "spec": {}},
    "dryRun": True,
}


def review(**changes: Any) -> dict[str, Any]:
    """A review; None takes a field away."""
    request = {key: value for key, value in {**REQUEST, **changes}.items() if value is not None}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def test_what_authenticators_add_to_users() -> None:
    extra = {"scopes.authorization.openshift.io": ["user:info"], "empty": None}
    parsed = AdmissionRequest.parse(review(userInfo={"username": "alice", "extra": extra}), Phase.VALIDATE)
    assert parsed.user.extra == (("scopes.authorization.openshift.io", ("user:info",)), ("empty", ()))


def test_everything_is_kept() -> None:
    parsed = AdmissionRequest.parse(review(), Phase.VALIDATE)
    assert (parsed.uid, parsed.operation, parsed.namespace, parsed.name) == ("u-1", "UPDATE", "shop", "web")
    assert parsed.kind == parsed.request_kind == GroupKind("apps", "Deployment")
    assert parsed.resources == (GroupResource("apps", "deployments"),)
    assert parsed.user == User("alice", "7", ("devs", "system:authenticated"))
    assert parsed.object == {"kind": "Deployment"}
    assert parsed.old_object == {"kind": "Deployment", "spec": {}}
    assert parsed.dry_run
    assert str(parsed.kind) == "Deployment.apps"
    assert str(parsed.resources[0]) == "deployments.apps"


def test_a_request_through_another_group_counts_as_both() -> None:
    asked = {
        "requestKind": {"group": "extensions", "version": "v1beta1", "kind": "Deployment"},
        "requestResource": {"group": "extensions", "version": "v1beta1", "resource": "deployments"},
    }
    parsed = AdmissionRequest.parse(review(**asked), Phase.MUTATE)
    assert parsed.request_kind == GroupKind("extensions", "Deployment")
    assert parsed.resources == (GroupResource("extensions", "deployments"), GroupResource("apps", "deployments"))


def test_what_may_be_left_out() -> None:
    parsed = AdmissionRequest.parse(
        review(namespace=None, name=None, userInfo=None, object=None, oldObject=None, dryRun=None), Phase.MUTATE
    )
    assert (parsed.namespace, parsed.name, parsed.user, parsed.object, parsed.dry_run) == ("", "", User(), None, False)


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"uid": None}, "request.uid: required"),
        ({"uid": 5}, "request.uid: required"),
        ({"operation": None}, "request.operation: expected a string, got None"),
        ({"operation": ""}, "request.operation: expected a string, got ''"),
        ({"namespace": 5}, "request.namespace: expected a string, got 5"),
        ({"object": [1]}, "request.object: expected an object, got list"),
        ({"oldObject": "x"}, "request.oldObject: expected an object, got str"),
        ({"kind": None}, "request.kind: required"),
        ({"kind": {"group": "apps"}}, "request.kind: expected group, version and kind as strings"),
        ({"kind": {"group": ["apps"], "kind": "D"}}, "request.kind: expected group, version and kind as strings"),
        ({"resource": "pods"}, "request.resource: required"),
        ({"resource": {"resource": 1}}, "request.resource: expected group, version and resource as strings"),
        ({"requestKind": "x"}, "request.requestKind: required"),
        ({"userInfo": "alice"}, "request.userInfo: expected an object"),
        ({"userInfo": {"groups": "devs"}}, "request.userInfo.groups: expected a list of strings"),
        ({"userInfo": {"groups": ["devs", 1]}}, "request.userInfo.groups: expected a list of strings"),
        ({"userInfo": {"extra": ["x"]}}, "request.userInfo.extra: expected an object"),
        ({"userInfo": {"extra": {"x": "y"}}}, "request.userInfo.extra: expected lists of strings"),
        ({"userInfo": {"extra": {"x": [1]}}}, "request.userInfo.extra: expected lists of strings"),
        ({"userInfo": {"username": 1}}, "request.userInfo: expected username and uid as strings"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], text: str) -> None:
    document = review(**changes)
    if changes.get("object") == [1]:
        document["request"]["object"] = [1]
    with pytest.raises(InvalidReview) as refused:
        AdmissionRequest.parse(document, Phase.MUTATE)
    assert str(refused.value) == text


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v2", "request": REQUEST},
        {"kind": "Pod", "apiVersion": "v1"},
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"},
    ],
)
def test_what_is_no_review(document: object) -> None:
    with pytest.raises(InvalidReview):
        AdmissionRequest.parse(document, Phase.MUTATE)


def test_v1beta1_is_read_alike() -> None:
    document = {**review(), "apiVersion": "admission.k8s.io/v1beta1"}
    assert AdmissionRequest.parse(document, Phase.MUTATE).api_version == "admission.k8s.io/v1beta1"
