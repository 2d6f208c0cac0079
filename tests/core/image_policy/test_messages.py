"""Messages of a denial, and the Status around them (docs/spec/image-policy.md 10)."""

from __future__ import annotations

import pytest

from imagegate.core.admission.decision import Denial, DenialCode
from imagegate.core.admission.request import GroupKind
from imagegate.core.image_policy.attributes import Attributes, Unresolved
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from imagegate.core.image_policy.config import ExecutionRule
from imagegate.core.image_policy.execution_rules import compile_rule
from imagegate.core.image_policy.messages import (
    PROHIBITED,
    RETRY_AFTER_S,
    documented_detail,
    forbidden_status,
    invalid_status,
    no_images,
    type_name,
    types_differ,
    upstream_detail,
)
from imagegate.core.references.openshift import ImageReference
from tests.core.image_policy.test_plugin import pod
from tests.support.image_policy_setup import PolicySetup, request_for

REQUEST = request_for(pod("nginx", name="p"))
HUB = Attributes(ImageReference.parse("docker.io/a/b"))


@pytest.mark.parametrize(
    "error, mutating, validating",
    [
        (None, PROHIBITED, f"{PROHIBITED}: error in image policy validation: {PROHIBITED}"),
        (Unresolved("why"), f"{PROHIBITED}: why", f"{PROHIBITED}: error in image policy validation: why"),
        (
            Unresolved("why", not_found=True),
            f"{PROHIBITED}: ",
            f"{PROHIBITED}: error in image policy validation: why",
        ),
    ],
)
def test_the_originals_message_loses_a_404_in_the_mutating_pass(
    error: Unresolved | None, mutating: str, validating: str
) -> None:
    assert upstream_detail(error, validating=False) == mutating
    assert upstream_detail(error, validating=True) == validating


def test_the_documented_message_names_the_rule() -> None:
    rule = compile_rule(2, ExecutionRule(name="no-hub", reject=True), Behaviour())
    assert documented_detail(rule, HUB, None, "pods") == f'{PROHIBITED}: rejected by rule "no-hub"'
    nameless = compile_rule(2, ExecutionRule(reject=True), Behaviour())
    assert documented_detail(nameless, HUB, None, "pods") == f'{PROHIBITED}: rejected by rule "executionRules[2]"'
    unresolved = documented_detail(None, HUB, Unresolved("timed out"), "pods")
    assert unresolved == (
        f'{PROHIBITED}: no rule allows it (resource pods, registry "docker.io"); image could not be resolved: timed out'
    )


def denial(code: DenialCode, at: str = "spec.containers[0].image") -> Denial:
    return Denial(code=code, image="nginx", at=at, rule="", because="no")


def test_failed_look_ups_alone_may_be_tried_again() -> None:
    failed = invalid_status(REQUEST, [denial(DenialCode.LOOK_UP_FAILED)])
    assert (failed.code, failed.reason, failed.retry_after_s) == (500, "InternalError", RETRY_AFTER_S)
    mixed = invalid_status(REQUEST, [denial(DenialCode.LOOK_UP_FAILED), denial(DenialCode.REJECTED_BY_RULE, "b")])
    assert (mixed.code, mixed.retry_after_s) == (422, 0)
    assert mixed.message == ('Pod "p" is invalid: [spec.containers[0].image: Forbidden: no, b: Forbidden: no]')
    assert [cause.field for cause in mixed.causes] == ["spec.containers[0].image", "b"]


def test_an_object_without_readable_images_is_forbidden() -> None:
    status = forbidden_status(REQUEST, "why")
    assert (status.code, status.message, status.kind) == (403, 'pods "p" is forbidden: why', "pods")


@pytest.mark.parametrize(
    "kind, documented, original",
    [
        (GroupKind("", "Pod"), "Pod", "*core.Pod"),
        (GroupKind("extensions", "Deployment"), "Deployment.extensions", "*apps.Deployment"),
        (
            GroupKind("apps.openshift.io", "DeploymentConfig"),
            "DeploymentConfig.apps.openshift.io",
            "*apps.DeploymentConfig",
        ),
        (GroupKind("example.com", "Widget"), "Widget.example.com", "*unstructured.Unstructured"),
    ],
)
def test_kinds_are_printed_as_go_types_in_profile_openshift_4(kind: GroupKind, documented: str, original: str) -> None:
    assert type_name(kind, Behaviour()) == documented
    assert type_name(kind, openshift_4()) == original


def test_refusals_of_objects_name_the_type() -> None:
    kind = GroupKind("apps", "Deployment")
    assert no_images(kind, Behaviour()).endswith("of type Deployment.apps: No list of images available for this object")
    assert "Deployment.apps != DaemonSet.apps" in types_differ(kind, {"kind": "DaemonSet"}, Behaviour())
    assert "Deployment.apps != Deployment.apps" in types_differ(kind, None, Behaviour())


PLAIN = "matchRegistries: [registry.example]"


@pytest.mark.parametrize(
    "accept, image, told",
    [
        (PLAIN, "quay.io/team/app:1", False),
        (f"{PLAIN}, matchImageLabels: [{{matchLabels: {{a: b}}}}]", "quay.io/team/app:1", True),
        (f"{PLAIN}, matchImageAnnotations: [{{key: a, value: b}}]", "quay.io/team/app:1", True),
        (f"{PLAIN}, skipOnResolutionFailure: true", "quay.io/team/app:1", True),
        # here something was looked up, or the name itself is wrong
        (PLAIN, "app", True),
        (PLAIN, "integrated.svc:5000/other/app:1", True),
        (PLAIN, f"quay.io/team/app@sha256:{'a' * 64}", True),
    ],
)
def test_a_failed_resolution_is_told_where_a_rule_could_have_used_it(accept: str, image: str, *, told: bool) -> None:
    policy = (
        "kind: ImagePolicyConfig\napiVersion: v1\nresolveImages: Attempt\nexecutionRules:\n"
        f"- {{name: a, onResources: [{{resource: pods}}], {accept}}}\n"
        "- {name: b, onResources: [{resource: pods}], reject: true, matchImageAnnotations: [{key: x, value: z}]}\n"
    )
    scene = PolicySetup(policy, Behaviour(integrated_registries=("integrated.svc:5000",)))
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": image}]},
    }
    (denial,) = scene.decide(request_for(document)).denials
    assert denial.because.startswith(f"{PROHIBITED}: no rule allows it")
    assert ("could not be resolved" in denial.because) is told
    upstream = PolicySetup(policy, Behaviour(integrated_registries=("integrated.svc:5000",), upstream_messages=True))
    (denial,) = upstream.decide(request_for(document)).denials
    assert denial.because.startswith(f"{PROHIBITED}: ")
