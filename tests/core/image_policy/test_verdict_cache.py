"""Verdicts are cached under the snapshot of the answers they come from, and no longer."""

from __future__ import annotations

from typing import Any

from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.plugin import Question
from imagegate.core.image_policy.behaviour import Behaviour
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
