"""Verdicts are cached under the snapshot of the answers they come from, and no longer."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.request import Phase
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.verdict_cache import IMAGES_MAX
from tests.core.image_policy.test_plugin import pod
from tests.support.image_policy_setup import NOW, PolicySetup, request_for


class TestVerdictCache:
    """Verdicts are kept under the snapshot of the answers they came from."""

    class Snapshot:
        missed = False

        def __init__(self, scene: PolicySetup, snapshot: object) -> None:
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
        scene = PolicySetup(self.POLICY, Behaviour(), [self.image("false")])
        marked = PolicySetup(self.POLICY, Behaviour(), [self.image("true")])
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
        failing = PolicySetup(self.POLICY, Behaviour(), [self.image("false")], failing=frozenset({"Image"}))
        scene = PolicySetup(self.POLICY, Behaviour(), [self.image("false")])
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
        scene = PolicySetup(text, chosen, objects, may_use=frozenset({("alice", "shared")}))
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
        scene = PolicySetup(self.POLICY, Behaviour(), [self.image("true"), override])
        snapshot = object()
        for namespace, allowed in (("default", False), ("lenient", True), ("default", False), ("lenient", True)):
            asked = request_for(pod(f"quay.io/a/b@{self.DIGEST}"), namespace=namespace)
            assert scene.plugin.decide(asked, self.Snapshot(scene, snapshot), now=NOW).allowed is allowed


class TestDecisionCache:
    """Whole decisions that allow are shared by the requests that only their names tell apart."""

    POLICY = (
        "{kind: ImagePolicyConfig, apiVersion: v1, resolveImages: DoNotAttempt, executionRules: ["
        "{name: ours, matchRegistries: [quay.io]}, "
        "{name: soft, mode: warn, reject: true, skipOnResolutionFailure: true, matchRegistries: [soft.io]}]}"
    )

    def decide(self, scene: PolicySetup, snapshot: object, image: str, **asked: Any) -> Decision:
        document = pod(image)
        document["metadata"].update(asked.pop("metadata", {}))
        answers = TestVerdictCache.Snapshot(scene, snapshot)
        return scene.plugin.decide(request_for(document, **asked), answers, now=NOW)

    def test_pods_of_one_workload_share_a_decision(self) -> None:
        scene, snapshot = PolicySetup(self.POLICY, Behaviour(), []), object()
        first = self.decide(scene, snapshot, "quay.io/a/b:1", metadata={"name": "one"})
        assert first.allowed
        assert self.decide(scene, snapshot, "quay.io/a/b:1", metadata={"name": "two"}, user="bob") is first
        assert self.decide(scene, object(), "quay.io/a/b:1", metadata={"name": "two"}) is not first

    @pytest.mark.parametrize(
        "other",
        [
            {"image": "quay.io/a/b:2"},
            {"namespace": "elsewhere"},
            {"phase": Phase.VALIDATE},
            {"metadata": {"annotations": {"alpha.image.policy.openshift.io/resolve-names": "*"}}},
            {"operation": "UPDATE", "old": pod("quay.io/a/b:0")},
            {"sub_resource": "ephemeralcontainers", "operation": "UPDATE", "old": pod("quay.io/a/b:0")},
        ],
        ids=["image", "namespace", "phase", "resolve-names", "update", "sub-resource"],
    )
    def test_whatever_the_decision_may_depend_on_tells_requests_apart(self, other: dict[str, Any]) -> None:
        scene, snapshot = PolicySetup(self.POLICY, Behaviour(), []), object()
        first = self.decide(scene, snapshot, "quay.io/a/b:1")
        assert self.decide(scene, snapshot, "quay.io/a/b:1") is first
        image = other.pop("image", "quay.io/a/b:1")
        assert self.decide(scene, snapshot, image, **other) is not first

    def test_a_denial_names_its_own_object(self) -> None:
        scene, snapshot = PolicySetup(self.POLICY, Behaviour(), []), object()
        for name in ("one", "two"):
            decision = self.decide(scene, snapshot, "docker.io/a/b:1", metadata={"name": name})
            assert decision.status is not None
            assert f'"{name}"' in decision.status.message

    def test_an_object_with_many_images_is_decided_anew(self) -> None:
        scene, snapshot = PolicySetup(self.POLICY, Behaviour(), []), object()
        document = pod("quay.io/a/b:1")
        document["spec"]["containers"] *= IMAGES_MAX + 1
        answers = TestVerdictCache.Snapshot(scene, snapshot)
        first, second = (scene.plugin.decide(request_for(document), answers, now=NOW) for _ in range(2))
        assert first.allowed
        assert first is not second
        assert first == second
