"""AlwaysPullImages, both passes."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.admission.decision import Decision, DenialCode, PatchOp
from imagegate.core.admission.patch import apply_patch
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.always_pull import ADVICE, AlwaysPullPlugin
from tests.support.image_policy_setup import NOW, request_for, review_of

PLUGIN = AlwaysPullPlugin()
POD: dict[str, Any] = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "p"},
    "spec": {
        "initContainers": [{"name": "i", "image": "a", "imagePullPolicy": "Never"}],
        "containers": [{"name": "c", "image": "b"}, {"name": "d", "image": "c", "imagePullPolicy": "Always"}],
        "ephemeralContainers": [{"name": "e", "image": "d", "imagePullPolicy": "IfNotPresent"}],
        "volumes": [{"name": "v", "image": {"reference": "e", "pullPolicy": "Never"}}, {"name": "w", "emptyDir": {}}],
    },
}


def decide(request: AdmissionRequest) -> Decision:
    """The decision on a request that the plug-in covers."""
    assert PLUGIN.covers(request)
    assert list(PLUGIN.questions(request, KnownAnswers())) == []
    return PLUGIN.decide(request, KnownAnswers(), now=NOW)


def test_the_mutating_pass_writes_always_everywhere() -> None:
    decision = decide(request_for(POD))
    assert decision.rewrites == (
        PatchOp("add", "/spec/initContainers/0/imagePullPolicy", "Always"),
        PatchOp("add", "/spec/containers/0/imagePullPolicy", "Always"),
        PatchOp("add", "/spec/ephemeralContainers/0/imagePullPolicy", "Always"),
        PatchOp("add", "/spec/volumes/0/image/pullPolicy", "Always"),
    )
    left = apply_patch(POD, decision.rewrites)
    assert decide(request_for(left)).rewrites == ()
    assert decide(request_for(left, phase=Phase.VALIDATE)).allowed


def test_the_validating_pass_refuses_every_other_policy() -> None:
    decision = decide(request_for(POD, phase=Phase.VALIDATE))
    assert [denial.at for denial in decision.denials] == [
        "spec.initContainers[0].imagePullPolicy",
        "spec.containers[0].imagePullPolicy",
        "spec.ephemeralContainers[0].imagePullPolicy",
        "spec.volumes[0].image.pullPolicy",
    ]
    assert {denial.code for denial in decision.denials} == {DenialCode.NOT_ALWAYS_PULLED}


def test_the_text_is_the_originals() -> None:
    pod = {**POD, "spec": {"containers": [{"name": "c", "image": "x", "imagePullPolicy": "IfNotPresent"}]}}
    status = decide(request_for(pod, phase=Phase.VALIDATE)).status
    assert status is not None
    assert (status.code, status.reason) == (403, "Forbidden")
    assert status.message == (
        'pods "p" is forbidden: spec.containers[0].imagePullPolicy: Unsupported value: "IfNotPresent": '
        'supported values: "Always"'
    )


@pytest.mark.parametrize("phase", list(Phase))
def test_an_update_without_a_new_image_is_left_alone(phase: Phase) -> None:
    request = request_for(POD, operation="UPDATE", old=POD, phase=phase)
    assert decide(request) == Decision(plugin="always-pull")
    fewer = {**POD, "spec": {"containers": POD["spec"]["containers"][1:]}}
    changed = request_for(POD, operation="UPDATE", old=fewer, phase=phase)
    assert decide(changed) != Decision(plugin="always-pull")


def debugged(*added: dict[str, Any], phase: Phase = Phase.MUTATE) -> Decision:
    """What is said of ``kubectl debug`` on a pod from before the plug-in was switched on, debugged once already."""
    old = {**POD, "spec": {**POD["spec"], "ephemeralContainers": POD["spec"]["ephemeralContainers"][:1]}}
    new = {**old, "spec": {**old["spec"], "ephemeralContainers": [*old["spec"]["ephemeralContainers"], *added]}}
    return decide(request_for(new, operation="UPDATE", old=old, sub_resource="ephemeralcontainers", phase=phase))


@pytest.mark.parametrize("image", ["new", "b"], ids=["another-image", "an-image-the-pod-has"])
def test_through_the_subresource_only_what_is_added_is_looked_at(image: str) -> None:
    added = {"name": "debugger", "image": image, "imagePullPolicy": "IfNotPresent"}
    assert debugged(added).rewrites == (PatchOp("add", "/spec/ephemeralContainers/1/imagePullPolicy", "Always"),)
    assert debugged({**added, "imagePullPolicy": "Always"}, phase=Phase.VALIDATE).allowed
    refused = debugged(added, phase=Phase.VALIDATE)
    assert [denial.at for denial in refused.denials] == ["spec.ephemeralContainers[1].imagePullPolicy"]


@pytest.mark.parametrize("phase", list(Phase))
def test_through_the_subresource_older_containers_are_left_alone(phase: Phase) -> None:
    assert debugged(phase=phase) == Decision(plugin="always-pull")


def test_an_ephemeral_container_whose_policy_is_no_text_is_changed() -> None:
    policy = {"name": "debugger", "image": "new", "imagePullPolicy": ["IfNotPresent"]}
    assert debugged(policy).rewrites == (PatchOp("add", "/spec/ephemeralContainers/1/imagePullPolicy", "Always"),)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("change", ["labels", "finalizers", "status", "tolerations"])
def test_an_older_pod_may_be_changed_where_images_and_policies_stay(change: str, phase: Phase) -> None:
    new = copy.deepcopy(POD)
    if change == "status":
        new["status"] = {"phase": "Running"}
    elif change == "tolerations":
        new["spec"]["tolerations"] = [{"operator": "Exists"}]
    else:
        new["metadata"][change] = {"a": "b"} if change == "labels" else []
    assert decide(request_for(new, operation="UPDATE", old=POD, phase=phase)) == Decision(plugin="always-pull")


def test_templates_and_other_subresources_are_not_touched() -> None:
    deployment = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "d"}, "spec": {}}
    assert not PLUGIN.covers(request_for(deployment))
    assert not PLUGIN.covers(request_for(POD, sub_resource="status"))
    assert not PLUGIN.covers(request_for(POD, operation="DELETE"))


def test_a_malformed_pod_is_refused_not_passed() -> None:
    decision = decide(request_for({**POD, "spec": {"containers": {"image": "x"}}}))
    assert [denial.code for denial in decision.denials] == [DenialCode.INVALID_OBJECT]
    assert decide(review_of(request_for(POD), {**POD, "spec": None}, Phase.MUTATE)).allowed


def test_a_denial_tells_what_to_do_after_the_originals_sentence() -> None:
    request = replace(request_for({**POD, "spec": {"containers": [{"name": "c", "image": "b"}]}}), phase=Phase.VALIDATE)
    plain = PLUGIN.decide(request, KnownAnswers(), now=NOW)
    advising = AlwaysPullPlugin(advises=True).decide(request, KnownAnswers(), now=NOW)
    assert plain.status is not None
    assert advising.status is not None
    assert advising.status.message == f"{plain.status.message}; {ADVICE}"
    assert [each.because for each in advising.denials] == [each.because for each in plain.denials]
