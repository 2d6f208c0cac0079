from __future__ import annotations

import re
from typing import Any

import pytest

from imagegate.core.admission.request import GroupKind, GroupResource
from imagegate.errors import InvalidInput
from imagegate.service.replay.audit_log import read_event
from imagegate.service.replay.recorded import Judged, NoChange, NotReplayable, Reason, Recorded, Word
from tests.support.audit_events import denied, event, pod


def recorded(document: dict[str, Any] | None, **more: Any) -> Recorded:
    found = read_event(event(document, **more))
    assert isinstance(found, Recorded), found
    return found


def test_a_creation_is_the_request_that_the_webhook_got() -> None:
    request, then = recorded(pod("nginx"))
    assert (request.operation, request.kind, request.resource) == (
        "CREATE",
        GroupKind("", "Pod"),
        GroupResource("", "pods"),
    )
    assert (request.namespace, request.name, request.user.name) == ("shop", "web", "ann")
    assert request.user.groups == ("system:authenticated",)
    assert request.object == pod("nginx")
    assert request.dry_run is False
    assert then == Judged(Word.ALLOWED)


def test_who_is_impersonated_counts() -> None:
    request, _ = recorded(pod("nginx"), impersonatedUser={"username": "bob"})
    assert request.user.name == "bob"


def test_a_dry_run_is_one() -> None:
    assert recorded(pod("nginx"), requestURI="/api/v1/namespaces/shop/pods?dryRun=All").request.dry_run


def test_a_kind_that_is_not_written_follows_from_the_resource() -> None:
    document = pod("nginx")
    del document["kind"], document["apiVersion"]
    assert recorded(document).request.kind == GroupKind("", "Pod")
    unknown = event({"spec": {}}, objectRef={"resource": "widgets", "apiGroup": "example.com"})
    assert read_event(unknown) == NotReplayable("objects without a kind")


@pytest.mark.parametrize(
    "webhook", ["image-policy.imagegate.dev", "trust.hooks.securityenforcement.admission.cloud.ibm.com"]
)
def test_a_denial_by_an_own_webhook_is_the_recorded_verdict(webhook: str) -> None:
    found = recorded(pod("nginx"), code=403, message=denied(webhook, "not this one"))
    assert found.then == Judged(Word.DENIED, (Reason(plugin=webhook, because="not this one"),))


def test_a_denial_by_the_plug_in_of_openshift_is_the_recorded_verdict() -> None:
    message = 'Pod "web" is invalid: spec.containers[0].image: Forbidden: this image is prohibited by policy'
    assert recorded(pod("nginx"), code=422, message=message).then.word is Word.DENIED


@pytest.mark.parametrize("message", [denied("validate.kyverno.svc-fail"), denied("policies.imagegate.dev"), "quota"])
def test_other_failures_say_nothing_about_image_policy(message: str) -> None:
    found = read_event(event(pod("nginx"), code=403, message=message))
    assert found == NotReplayable("requests that failed for another reason than image policy (403)")


def test_a_further_webhook_counts_if_it_is_named() -> None:
    found = read_event(
        event(pod("nginx"), code=403, message=denied("other.example.com")), frozenset({"other.example.com"})
    )
    assert isinstance(found, Recorded)
    assert found.then.word is Word.DENIED


@pytest.mark.parametrize(
    "more",
    [
        {"verb": "get"},
        {"verb": "delete"},
        {"verb": "create", "objectRef": {"resource": "pods", "subresource": "exec"}},
        {"objectRef": {}},
        {"stage": "RequestReceived"},
        {"stage": "ResponseStarted"},
    ],
)
def test_what_admission_does_not_decide_is_no_change(more: dict[str, Any]) -> None:
    assert isinstance(read_event(event(pod("nginx"), **more)), NoChange)


@pytest.mark.parametrize(
    "more, why",
    [
        ({"level": "Metadata", "requestObject": None}, "audit level Metadata"),
        ({"level": "None"}, "audit level None"),
        ({"requestObject": None}, "requests without an object"),
        ({"requestObject": None, "annotations": {"audit.k8s.io/truncated": "true"}}, "objects that the API server cut"),
        ({"verb": "patch"}, "patches at audit level Request"),
        ({"verb": "patch", "code": 403, "message": denied("x.imagegate.dev")}, "patches that were denied"),
        ({"code": 409, "message": "exists"}, r"failed for another reason than image policy \(409\)"),
    ],
)
def test_what_is_not_in_the_log_is_named(more: dict[str, Any], why: str) -> None:
    found = read_event(event(pod("nginx"), **more))
    assert isinstance(found, NotReplayable)
    assert re.search(why, found.why)


def test_a_patch_is_replayed_with_the_object_that_was_stored() -> None:
    patched = {"verb": "patch", "level": "RequestResponse", "responseObject": pod("nginx:2")}
    request, _ = recorded({"spec": {}}, code=200, **patched)
    assert (request.operation, request.object) == ("UPDATE", pod("nginx:2"))
    assert (
        recorded({"spec": {}}, code=201, **patched).request.operation == "CREATE"
    )  # server-side apply of a new object


@pytest.mark.parametrize(
    "more",
    [
        {"responseStatus": {}},
        {"responseStatus": []},
        {"requestObject": ["no"]},
        {"user": {"username": 1}},
        {"user": {"groups": "all"}},
        {"objectRef": {"resource": 7}},
        {"verb": 1},
    ],
)
def test_fields_of_wrong_types_are_broken_records(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read_event(event(pod("nginx"), **more))
