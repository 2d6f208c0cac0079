"""Objects from files under both passes, as an API server would run them."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.decision import DenialCode, PatchOp
from imagegate.core.admission.request import GroupKind, GroupResource, Phase
from imagegate.errors import InvalidInput
from imagegate.service.policies.policy_set import Mode, Modes
from imagegate.service.review.both_passes import creation, plural, review_manifest
from tests.service.plugins import allowing, denying, pod, request, reviewer, rewriting

DIGEST = "nginx@sha256:" + "1" * 64


@pytest.mark.parametrize(
    "kind, resource",
    [
        ("Pod", "pods"),
        ("NetworkPolicy", "networkpolicies"),
        ("Ingress", "ingresses"),
        ("Endpoints", "endpoints"),
        ("ImageStream", "imagestreams"),
    ],
)
def test_the_resource_of_a_kind(kind: str, resource: str) -> None:
    assert plural(kind) == resource


def test_the_request_that_creates_an_object() -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    created = creation(manifest, uid="u", namespace="shop")
    assert (created.phase, created.operation) == (Phase.MUTATE, "CREATE")
    assert (created.kind, created.resource) == (GroupKind("apps", "Deployment"), GroupResource("apps", "deployments"))
    assert (created.namespace, created.name) == ("shop", "web")
    own = creation({**manifest, "metadata": {"namespace": "own"}}, uid="u", namespace="shop")
    assert (own.namespace, own.name) == ("own", "")


@pytest.mark.parametrize(
    "manifest, message",
    [
        ({"kind": "Pod"}, "apiVersion and kind are required"),
        ({"apiVersion": "v1", "kind": ""}, "apiVersion and kind are required"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": []}, "metadata: expected an object"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 1}}, "expected name and namespace as strings"),
    ],
)
def test_what_cannot_be_created(manifest: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        creation(manifest, uid="u")


def test_the_validating_pass_sees_the_patched_object() -> None:
    rewrite = PatchOp("replace", "/spec/containers/0/image", DIGEST)
    result = review_manifest(reviewer(rewriting("image-policy", rewrite)), request())
    assert result.allowed
    assert result.covered
    assert result.patch == (rewrite,)
    assert result.validating.request.phase is Phase.VALIDATE
    assert result.validating.request.object == pod(DIGEST)
    assert not result.denials


def test_a_denial_of_both_passes_is_listed_once() -> None:
    result = review_manifest(reviewer(allowing("cise", warnings=("old",)), denying("image-policy", "hub")), request())
    assert not result.allowed
    assert not result.finds_nothing
    assert [(plugin, denial.because) for plugin, denial in result.denials] == [("image-policy", "hub")]
    assert result.patch == ()
    assert result.warnings == ("old",)


def test_soft_denials_do_not_count() -> None:
    result = review_manifest(reviewer(denying("image-policy", "hub"), modes=Modes(Mode.AUDIT)), request())
    assert result.allowed
    assert result.denials == ()
    (soft,) = result.soft_denials
    assert (soft.mode, soft.plugin, soft.denial.code) == (Mode.AUDIT, "image-policy", DenialCode.REJECTED_BY_RULE)
    assert not result.only_lacks_evidence


def test_nothing_covered() -> None:
    result = review_manifest(reviewer(), request())
    assert (result.covered, result.allowed, result.finds_nothing) == (False, True, True)
