"""Updates: what changes no image passes, and what a rewritten object is applied with again is no change.

The manifest keeps its tags, the stored object has digests: every second ``kubectl apply`` sends the tags again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.request import Phase
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from tests.support.image_policy_setup import PolicySetup, request_for

REGISTRY = "registry.svc:5000"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
EVERYTHING = (
    '[{resource: "*"}, {group: apps, resource: "*"}, {group: batch, resource: "*"}, '
    '{group: apps.openshift.io, resource: "*"}, {group: build.openshift.io, resource: "*"}]'
)
REWRITING = f"""
kind: ImagePolicyConfig
apiVersion: v1
resolveImages: AttemptRewrite
resolutionRules:
- {{targetResource: {{resource: "*"}}, localNames: true, policy: AttemptRewrite}}
- {{targetResource: {{group: apps, resource: "*"}}, localNames: true, policy: AttemptRewrite}}
- {{targetResource: {{group: batch, resource: "*"}}, localNames: true, policy: AttemptRewrite}}
- {{targetResource: {{group: apps.openshift.io, resource: "*"}}, localNames: true, policy: AttemptRewrite}}
- {{targetResource: {{group: build.openshift.io, resource: "*"}}, localNames: true, policy: AttemptRewrite}}
executionRules:
- {{name: denied, reject: true, matchImageAnnotations: [{{key: deny, value: "true"}}], skipOnResolutionFailure: true,
   onResources: {EVERYTHING}}}
- {{name: integrated, matchIntegratedRegistry: true, onResources: {EVERYTHING}}}
"""
TIGHTENED = f"""
kind: ImagePolicyConfig
apiVersion: v1
resolveImages: RequiredRewrite
executionRules:
- {{name: nothing, reject: true, onResources: {EVERYTHING}}}
"""

TEMPLATED = {
    "ReplicationController": "v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "DeploymentConfig": "apps.openshift.io/v1",
}
KINDS = ("Pod", "PodTemplate", *TEMPLATED, "Build", "BuildConfig")
FIXED = ("Job", "Build")
"""Kinds whose images the API server does not let anybody change."""


def an_object(kind: str, image: str) -> dict[str, Any]:
    """An object of ``kind`` with one image."""
    metadata = {"name": "x", "labels": {"app": "x"}, "finalizers": ["example.com/keep"]}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    if kind == "Pod":
        return {"kind": kind, "apiVersion": "v1", "metadata": metadata, "spec": template["spec"]}
    if kind == "PodTemplate":
        return {"kind": kind, "apiVersion": "v1", "metadata": metadata, "template": template}
    if kind in ("Build", "BuildConfig"):
        start = {"kind": "DockerImage", "name": image}
        spec = {"strategy": {"type": "Docker", "dockerStrategy": {"from": start}}}
        return {"kind": kind, "apiVersion": "build.openshift.io/v1", "metadata": metadata, "spec": spec}
    held: dict[str, Any] = {"replicas": 2, "template": template}
    if kind == "CronJob":
        held = {"schedule": "* * * * *", "jobTemplate": {"spec": held}}
    return {"kind": kind, "apiVersion": TEMPLATED[kind], "metadata": metadata, "spec": held}


def stream(digest: str, repository: str = "team/app") -> dict[str, Any]:
    """The image stream ``default/app`` whose tag ``latest`` is ``digest``, and which may be named locally."""
    event = {"dockerImageReference": f"{repository}@{digest}", "image": digest, "generation": 1}
    return {
        "kind": "ImageStream",
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {"lookupPolicy": {"local": True}},
        "status": {"tags": [{"tag": "latest", "items": [event]}]},
    }


def image(digest: str, *, denied: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": digest, "annotations": {"deny": "true"} if denied else {}}
    return {"kind": "Image", "metadata": metadata, "dockerImageReference": f"team/app@{digest}"}


def world(
    *objects: dict[str, Any], behaviour: Behaviour | None = None, policy: str = REWRITING, **more: Any
) -> PolicySetup:
    chosen = behaviour or Behaviour(integrated_registries=(REGISTRY,))
    return PolicySetup(policy, chosen, list(objects or (stream(ONE), image(ONE), image(TWO))), **more)


def created(scene: PolicySetup, document: dict[str, Any]) -> dict[str, Any]:
    """What is stored of a new object."""
    mutated, left, validated = scene.both_passes(request_for(document))
    assert left is not None, mutated
    assert validated is not None
    assert validated.allowed
    return left


def applied(scene: PolicySetup, old: dict[str, Any], new: dict[str, Any]) -> tuple[Decision, dict[str, Any] | None]:
    """What becomes of an update through both passes."""
    mutated, left, validated = scene.both_passes(request_for(new, operation="UPDATE", old=old))
    assert validated is None or validated.allowed, validated
    return mutated, left


LOCAL, PULLED = "app:latest", f"{REGISTRY}/default/app:latest"


@pytest.mark.parametrize("written", [PULLED, LOCAL])
@pytest.mark.parametrize("kind", KINDS)
def test_applying_the_same_manifest_again_changes_nothing(kind: str, written: str) -> None:
    scene = world()
    manifest = an_object(kind, written)
    stored = created(scene, manifest)
    assert ONE in str(stored)
    mutated, left = applied(scene, stored, manifest)
    assert left == stored
    assert mutated.warnings == ()
    labelled = copy.deepcopy(manifest)
    labelled["metadata"]["labels"]["team"] = "a"
    assert applied(scene, stored, labelled)[1] == {**stored, "metadata": labelled["metadata"]}


def test_a_build_from_a_stream_tag_is_applied_again() -> None:
    scene = world()
    manifest = an_object("Build", "")
    start = manifest["spec"]["strategy"]["dockerStrategy"]
    start["from"] = {"kind": "ImageStreamTag", "namespace": "default", "name": "app:latest"}
    stored = created(scene, manifest)
    assert stored["spec"]["strategy"]["dockerStrategy"]["from"] == {"kind": "DockerImage", "name": f"team/app@{ONE}"}
    assert applied(scene, stored, manifest)[1] == stored


@pytest.mark.parametrize("kind", FIXED)
def test_a_tag_that_has_moved_stays_as_written_with_a_warning(kind: str) -> None:
    manifest = an_object(kind, PULLED)
    stored = created(world(), manifest)
    mutated, left = applied(world(stream(TWO), image(ONE), image(TWO)), stored, manifest)
    assert left == manifest
    assert mutated.rewrites == ()
    assert len(mutated.warnings) == 1
    assert f"{PULLED} now resolves to another image than this {kind} was created with" in mutated.warnings[0]


def test_a_tag_that_has_moved_to_a_denied_image_is_denied() -> None:
    manifest = an_object("Job", PULLED)
    stored = created(world(), manifest)
    mutated, left = applied(world(stream(TWO), image(ONE), image(TWO, denied=True)), stored, manifest)
    assert left is None
    assert [denial.because for denial in mutated.denials] == [
        'this image is prohibited by policy: rejected by rule "denied"'
    ]


def test_the_digest_is_written_back_only_where_it_stood() -> None:
    """Another container's digest, another repository in the manifest, a container without an earlier one."""
    scene = world()
    stored = created(scene, an_object("Job", PULLED))
    renamed = an_object("Job", PULLED)
    renamed["spec"]["template"]["spec"]["containers"][0]["name"] = "other"
    assert applied(scene, stored, renamed)[1] == renamed
    fixed = an_object("Job", f"{REGISTRY}/default/app@{ONE}")
    assert applied(scene, stored, fixed)[1] == fixed  # a digest is no tag: it is what the user wants, and refused
    refused, _ = applied(scene, stored, an_object("Job", "quay.io/evil/app:latest"))
    assert not refused.allowed


def test_an_image_from_before_the_policy_is_judged_when_a_manifest_brings_another() -> None:
    """The digest that is written back may stand for another repository: what is stored does not change."""
    stored = an_object("Job", f"quay.io/mirror/app@{ONE}")
    assert applied(world(), stored, an_object("Job", PULLED))[1] == stored


@pytest.mark.parametrize("failing", ["StreamTag", "Image"])
def test_an_image_that_cannot_be_looked_up_is_never_written_back(failing: str) -> None:
    manifest = an_object("Job", PULLED)
    stored = created(world(), manifest)
    mutated, left = applied(world(failing=frozenset({failing})), stored, manifest)
    assert left is None
    assert mutated.only_lacks_evidence


def test_the_original_never_writes_on_an_update_of_a_job() -> None:
    chosen = openshift_4(REGISTRY)
    manifest = an_object("Job", PULLED)
    stored = an_object("Job", f"team/app@{ONE}")
    mutated = world(behaviour=chosen).decide(request_for(manifest, operation="UPDATE", old=stored))
    assert (mutated.allowed, mutated.rewrites, mutated.warnings) == (True, (), ())


def with_volume(reference: str) -> dict[str, Any]:
    pod = an_object("Pod", PULLED)
    pod["spec"]["volumes"] = [{"name": "v", "image": {"reference": reference}}]
    return pod


def test_an_image_volume_of_a_pod_is_applied_again() -> None:
    stored = created(world(), with_volume(PULLED))
    assert stored["spec"]["volumes"][0]["image"]["reference"] == f"team/app@{ONE}"
    assert applied(world(), stored, with_volume(PULLED))[1] == stored
    mutated, left = applied(world(stream(TWO), image(ONE), image(TWO)), stored, with_volume(PULLED))
    assert left is not None
    assert left["spec"]["containers"][0]["image"] == f"team/app@{TWO}"  # may be changed, as ``kubectl set image`` does
    assert left["spec"]["volumes"] == with_volume(PULLED)["spec"]["volumes"]
    assert "spec.volumes[0].image.reference" in mutated.warnings[0]


class TestEphemeral:
    """``kubectl debug``: the subresource gets the whole pod with one container more."""

    def asked(
        self, old: dict[str, Any], *images: str, phase: Phase = Phase.MUTATE, names: str = "de"
    ) -> tuple[dict[str, Any], Any]:
        new = copy.deepcopy(old)
        new["spec"]["ephemeralContainers"] = [{"name": n, "image": i} for n, i in zip(names, images, strict=False)]
        return new, request_for(new, operation="UPDATE", old=old, sub_resource="ephemeralcontainers", phase=phase)

    def passed(self, scene: PolicySetup, old: dict[str, Any], *images: str) -> list[str]:
        """The ephemeral images that are stored, after both passes agreed."""
        mutated, left, validated = scene.both_passes(self.asked(old, *images)[1])
        assert left is not None, mutated
        assert validated is not None
        assert validated.allowed, validated
        assert left["spec"]["containers"] == old["spec"]["containers"]
        return [container["image"] for container in left["spec"]["ephemeralContainers"]]

    @pytest.mark.parametrize("written", [PULLED, LOCAL])
    @pytest.mark.parametrize("owned", [False, True], ids=["bare", "owned"])
    def test_it_is_pinned_like_any_other(self, written: str, *, owned: bool) -> None:
        old = an_object("Pod", f"team/app@{ONE}")
        if owned:
            old["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "r", "uid": "1", "controller": True}]
        assert self.passed(world(), old, written) == [f"team/app@{ONE}"]

    def test_the_pods_own_containers_are_never_written_there(self) -> None:
        """What was stored with a tag, before there was a policy, stays: the API server takes nothing else from here."""
        assert self.passed(world(), an_object("Pod", PULLED), PULLED) == [f"team/app@{ONE}"]
        old = an_object("Pod", "quay.io/x/y:1")
        changed, _ = self.asked(old, PULLED)
        changed["spec"]["containers"][0]["image"] = PULLED
        asked = request_for(changed, operation="UPDATE", old=old, sub_resource="ephemeralcontainers")
        assert [op.path for op in world().decide(asked).rewrites] == ["/spec/ephemeralContainers/0/image"]

    def test_an_older_one_keeps_its_digest(self) -> None:
        old = an_object("Pod", f"team/app@{ONE}")
        old["spec"]["ephemeralContainers"] = [{"name": "d", "image": f"team/app@{ONE}"}]
        assert self.passed(world(), old, PULLED, PULLED) == [f"team/app@{ONE}"] * 2
        moved = world(stream(TWO), image(ONE), image(TWO))
        assert self.passed(moved, old, PULLED, PULLED) == [PULLED, f"team/app@{TWO}"]

    def test_a_forbidden_one_is_denied_in_both_passes(self) -> None:
        old = an_object("Pod", f"team/app@{ONE}")
        for phase in Phase:
            _, asked = self.asked(old, "quay.io/evil/x", phase=phase)
            assert [denial.at for denial in world().decide(asked).denials] == ["spec.ephemeralContainers[0].image"]

    def test_the_original_does_not_look_there(self) -> None:
        old = an_object("Pod", f"team/app@{ONE}")
        scene = world(behaviour=openshift_4(REGISTRY))
        assert scene.decide(self.asked(old, PULLED)[1]) == Decision(plugin="image-policy")


def scaled_to_zero(document: dict[str, Any]) -> None:
    document["spec" if "spec" in document else "metadata"]["replicas"] = 0


def relabelled(document: dict[str, Any]) -> None:
    document["metadata"]["labels"] = {"team": "b"}


def without_finalizers(document: dict[str, Any]) -> None:
    del document["metadata"]["finalizers"]


def being_deleted(document: dict[str, Any]) -> None:
    document["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"


def orphaned(document: dict[str, Any]) -> None:
    """What the garbage collector sends; the old object has the owner."""
    document["metadata"].pop("ownerReferences", None)


def adopted(document: dict[str, Any]) -> None:
    document["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "r", "uid": "1", "controller": True}]


def with_status(document: dict[str, Any]) -> None:
    document["status"] = {"phase": "Running"}


def unchanged(document: dict[str, Any]) -> None:
    """``kubectl apply`` of what is there."""


CHANGES = [scaled_to_zero, relabelled, without_finalizers, being_deleted, orphaned, adopted, with_status, unchanged]


@pytest.mark.parametrize("failing", [frozenset(), frozenset({"Namespace", "StreamTag", "Image"})], ids=["up", "down"])
@pytest.mark.parametrize("stored", ["evil.example/x:1", f"team/app@{TWO}", PULLED, LOCAL, "no image?"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_update_that_changes_no_image_passes(
    kind: str, change: Callable[[dict[str, Any]], None], stored: str, failing: frozenset[str]
) -> None:
    """However tight the rules have become since, and whatever cannot be looked up."""
    for chosen in (Behaviour(integrated_registries=(REGISTRY,)), openshift_4(REGISTRY)):
        scene = world(policy=TIGHTENED, behaviour=chosen, failing=failing)
        old = an_object(kind, stored)
        if change is orphaned:
            adopted(old)
        new = copy.deepcopy(old)
        change(new)
        for phase in Phase:
            decision = scene.decide(request_for(new, operation="UPDATE", old=old, phase=phase))
            assert decision == Decision(plugin="image-policy")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_update_with_another_image_is_denied(kind: str) -> None:
    scene = world(policy=TIGHTENED)
    old, new = an_object(kind, "evil.example/x:1"), an_object(kind, "evil.example/x:2")
    for phase in Phase:
        assert not scene.decide(request_for(new, operation="UPDATE", old=old, phase=phase)).allowed


@pytest.mark.parametrize("sub_resource", ["status", "scale", "finalize", "resize", "eviction", "binding"])
@pytest.mark.parametrize("kind", ["Pod", "Deployment", "Job", "Build"])
def test_subresources_pass(kind: str, sub_resource: str) -> None:
    document = an_object(kind, "evil.example/x:1")
    asked = request_for(document, operation="UPDATE", old=document, sub_resource=sub_resource)
    assert world(policy=TIGHTENED).decide(asked) == Decision(plugin="image-policy")
