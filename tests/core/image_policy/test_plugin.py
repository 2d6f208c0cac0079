"""The image policy in profile documented: the walk-through, worked cases, and every safer choice that is on."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.workload import BUILDS, WORKLOADS, Extent, build_images, dig, pod_images
from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned, NamespaceOverride
from tests.support.policy_world import NOW, PolicyWorld, request_for, review_of
from tests.support.vectors import vectors

CHOICES = {"controller_owned": ControllerOwned, "namespace_override": NamespaceOverride}
SETS = ("trusted_controllers", "exempt_namespaces", "exempt_service_accounts")


def behaviour(given: dict[str, Any]) -> Behaviour:
    """The documented profile with the case's settings."""
    settings = dict(given.get("settings", {}))
    for name, kind in CHOICES.items():
        if name in settings:
            settings[name] = kind(settings[name])
    for name in SETS:
        if name in settings:
            settings[name] = frozenset(settings[name])
    return Behaviour(integrated_registries=tuple(given.get("integrated", ())), **settings)


def world(given: dict[str, Any]) -> PolicyWorld:
    """The policy and the objects of a case."""
    return PolicyWorld(
        given["policy"],
        behaviour(given),
        given.get("objects", []),
        frozenset((user, namespace) for user, namespace in given.get("mayUse", ())),
        frozenset(given.get("failing", ())),
    )


def pod(images: str | list[str], **metadata: Any) -> dict[str, Any]:
    """A pod with these images in containers c0, c1, ..."""
    names = [images] if isinstance(images, str) else images
    containers = [{"name": f"c{index}", "image": name} for index, name in enumerate(names)]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", **metadata},
        "spec": {"containers": containers},
    }


def request(given: dict[str, Any]) -> AdmissionRequest:
    """The request of a case."""
    document = given["object"] if "object" in given else pod(given["pod"], **given.get("metadata", {}))
    old = given.get("old")
    return request_for(
        document,
        operation="UPDATE" if old is not None else "CREATE",
        old=pod(old) if isinstance(old, (str, list)) else old,
        user=given.get("user", "alice"),
        sub_resource=given.get("subResource", ""),
    )


def images(document: dict[str, Any], asked: AdmissionRequest) -> list[str]:
    """Every image of the object, in order."""
    if asked.kind in BUILDS:
        return [use.name for use in build_images(document["spec"])]
    spec = dig(document, WORKLOADS[asked.kind].pod_spec)
    return [use.name for use in pod_images(spec or {}, "", Extent())]


def texts(decision: Decision) -> list[str]:
    """Every denial as ``FIELD: TEXT``."""
    return [f"{denial.at}: {denial.because}" for denial in decision.denials]


@pytest.mark.parametrize("given, expect", vectors("image_policy"))
def test_vector(given: dict[str, Any], expect: dict[str, Any]) -> None:
    asked = request(given)
    scene = world(given)
    mutated, left, validated = scene.both_passes(asked)
    if "denied" in expect:
        assert texts(mutated) == expect["denied"]
        assert mutated.status is not None
        assert mutated.status.code == expect.get("code", 422)
        # what the mutating pass denies, the validating pass denies in the same words
        assert texts(scene.decide(request_for_validation(asked))) == expect["denied"]
        return
    assert mutated.allowed, texts(mutated)
    assert left is not None
    assert images(left, asked) == expect["images"]
    assert validated is not None
    assert validated.allowed, texts(validated)
    assert list(mutated.warnings) == expect.get("warnings", [])
    assert mutated.annotations == expect.get("annotations", {})


def request_for_validation(asked: AdmissionRequest) -> AdmissionRequest:
    """The same request in the validating pass, as if nothing had mutated it."""
    return review_of(asked, dict(asked.object or {}), Phase.VALIDATE)


class TestVerdictCache:
    """Verdicts are kept under the snapshot of the answers they came from."""

    class Snapshot:
        missed = False

        def __init__(self, scene: PolicyWorld, snapshot: object) -> None:
            self.scene, self.snapshot = scene, snapshot
            self.looked_up = 0

        def get(self, question: Question, /) -> Lookup[Any]:
            self.looked_up += 1
            return self.scene.answer(question)

    POLICY = (
        "{kind: ImagePolicyConfig, apiVersion: v1, executionRules: [{name: execution-denied, reject: true, "
        'matchImageAnnotations: [{key: images.openshift.io/deny-execution, value: "true"}], '
        "skipOnResolutionFailure: true}]}"
    )
    DIGEST = "sha256:" + "1" * 64

    def image(self, mark: str) -> dict[str, Any]:
        metadata = {"name": self.DIGEST, "annotations": {"images.openshift.io/deny-execution": mark}}
        return {"kind": "Image", "metadata": metadata, "dockerImageReference": f"quay.io/a/b@{self.DIGEST}"}

    def test_a_verdict_holds_while_the_snapshot_is_the_same_and_not_a_moment_longer(self) -> None:
        scene = PolicyWorld(self.POLICY, Behaviour(), [self.image("false")])
        marked = PolicyWorld(self.POLICY, Behaviour(), [self.image("true")])
        asked, before, after = request_for(pod(f"quay.io/a/b@{self.DIGEST}")), object(), object()
        first = self.Snapshot(scene, before)
        assert scene.plugin.decide(asked, first, now=NOW).allowed
        assert first.looked_up > 0
        again = self.Snapshot(marked, before)
        assert scene.plugin.decide(asked, again, now=NOW).allowed
        assert again.looked_up == 0
        changed = self.Snapshot(marked, after)
        assert not scene.plugin.decide(asked, changed, now=NOW).allowed
        assert changed.looked_up > 0

    def test_what_could_not_be_found_out_is_not_kept(self) -> None:
        failing = PolicyWorld(self.POLICY, Behaviour(), [self.image("false")], failing=frozenset({"Image"}))
        scene = PolicyWorld(self.POLICY, Behaviour(), [self.image("false")])
        asked, snapshot = request_for(pod(f"quay.io/a/b@{self.DIGEST}")), object()
        assert not scene.plugin.decide(asked, self.Snapshot(failing, snapshot), now=NOW).allowed
        assert scene.plugin.decide(asked, self.Snapshot(scene, snapshot), now=NOW).allowed

    def test_what_depends_on_who_asks_is_not_kept(self) -> None:
        text = "{kind: ImagePolicyConfig, apiVersion: v1, resolveImages: Required}"
        objects = [
            {**self.image("false"), "dockerImageReference": f"quay.io/a/b@{self.DIGEST}"},
            {
                "kind": "ImageStream",
                "metadata": {"name": "app", "namespace": "shared"},
                "spec": {},
                "status": {
                    "tags": [
                        {
                            "tag": "latest",
                            "items": [{"dockerImageReference": f"quay.io/a/b@{self.DIGEST}", "image": self.DIGEST}],
                        }
                    ]
                },
            },
        ]
        chosen = Behaviour(integrated_registries=("REG:5000",))
        scene = PolicyWorld(text, chosen, objects, may_use=frozenset({("alice", "shared")}))
        snapshot = object()
        for user, allowed in (("alice", True), ("mallory", False), ("alice", True)):
            asked = request_for(pod("REG:5000/shared/app"), user=user)
            assert scene.plugin.decide(asked, self.Snapshot(scene, snapshot), now=NOW).allowed is allowed

    def test_every_namespace_has_verdicts_of_its_own(self) -> None:
        override = {
            "kind": "Namespace",
            "metadata": {
                "name": "lenient",
                "annotations": {"alpha.image.policy.openshift.io/ignore-rules": "execution-denied"},
            },
        }
        scene = PolicyWorld(self.POLICY, Behaviour(), [self.image("true"), override])
        snapshot = object()
        for namespace, allowed in (("default", False), ("lenient", True), ("default", False), ("lenient", True)):
            asked = request_for(pod(f"quay.io/a/b@{self.DIGEST}"), namespace=namespace)
            assert scene.plugin.decide(asked, self.Snapshot(scene, snapshot), now=NOW).allowed is allowed
