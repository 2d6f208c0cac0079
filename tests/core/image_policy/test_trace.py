"""What explain shows of an image policy: every rule with why, look-ups, and the verdict."""

from __future__ import annotations

from typing import Any

from imagegate.core.admission.trace import Trace
from imagegate.core.image_policy.behaviour import Behaviour
from tests.support.image_policy_setup import PolicySetup, request_for

POLICY = """
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- {name: denied, reject: true, skipOnResolutionFailure: true, matchImageAnnotations: [{key: deny, value: "true"}]}
- {name: own, matchIntegratedRegistry: true}
- {name: hub, matchRegistries: [docker.io]}
- {name: anything-else, reject: true, invertMatch: true, matchRegistries: [docker.io, "REG:5000"]}
- {name: ignored, reject: true}
"""
DIGEST = "sha256:" + "1" * 64
OBJECTS: list[dict[str, Any]] = [
    {"kind": "Image", "metadata": {"name": DIGEST}, "dockerImageReference": f"quay.io/a/b@{DIGEST}"},
    {
        "kind": "Namespace",
        "metadata": {"name": "default", "annotations": {"alpha.image.policy.openshift.io/ignore-rules": "ignored"}},
    },
]


def traced(image: str, policy: str = POLICY, **settings: Any) -> dict[str, tuple[str, str]]:
    """Subject of each step -> outcome and reason."""
    pod = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": image}]}}
    trace = Trace()
    scene = PolicySetup(policy, Behaviour(integrated_registries=("REG:5000",), **settings), OBJECTS)
    decision = scene.decide(request_for(pod), trace)
    # the trace is a record, not an influence
    assert decision == PolicySetup(policy, scene.behaviour, OBJECTS).decide(request_for(pod))
    return {f"{step['what']} {step['subject']}": (step["outcome"], step.get("because", "")) for step in trace.to_json()}


def test_every_rule_says_why() -> None:
    steps = traced("docker.io/library/x")
    assert steps["coverage pods"] == ("covered", "5 execution rules, 1 resolution rule")
    assert steps["look-up docker.io/library/x"] == (
        "absent",
        "(docker.io/library/x) could not be resolved to an exact image reference",
    )
    assert steps["rule executionRules[0] denied"] == (
        "skipped",
        "there is no Image object and skipOnResolutionFailure is set",
    )
    assert steps["rule executionRules[1] own"] == ("not-matched", "integrated registry: no")
    assert steps["rule executionRules[2] hub"] == ("matched", 'its registry is "docker.io"')
    assert steps["rule executionRules[3] anything-else"] == ("not-matched", 'its registry is "docker.io"; inverted')
    assert steps["rule executionRules[4] ignored"] == ("skipped", "the namespace's annotation switches it off")
    assert steps["verdict docker.io/library/x"] == ("accepted", "by executionRules[2] hub")


def test_a_resolved_image() -> None:
    steps = traced(f"REG:5000/a/b@{DIGEST}")
    assert steps[f"look-up REG:5000/a/b@{DIGEST}"] == ("found", f"resolved to REG:5000/a/b@{DIGEST}")
    assert steps["rule executionRules[0] denied"][0] == "not-matched"
    assert steps[f"verdict REG:5000/a/b@{DIGEST}"] == ("accepted", "by executionRules[1] own")


def test_a_rejection_and_no_match() -> None:
    steps = traced("quay.io/x/y")
    assert steps["verdict quay.io/x/y"] == ("rejected", "by executionRules[3] anything-else")
    only = "{kind: ImagePolicyConfig, apiVersion: v1, executionRules: [{name: hub, matchRegistries: [docker.io]}]}"
    assert traced("quay.io/x/y", only)["verdict quay.io/x/y"] == ("rejected", "no accept rule matches")
    rejects = "{kind: ImagePolicyConfig, apiVersion: v1, executionRules: [{reject: true, matchRegistries: [evil.io]}]}"
    assert traced("quay.io/x/y", rejects)["verdict quay.io/x/y"] == (
        "accepted",
        "no rule matches, and there are only reject rules",
    )
    required = "{kind: ImagePolicyConfig, apiVersion: v1, resolveImages: Required}"
    assert traced("quay.io/x/y", required)["verdict quay.io/x/y"] == ("rejected", "it must resolve")


def test_nothing_to_say() -> None:
    nothing = "{kind: ImagePolicyConfig, apiVersion: v1, resolveImages: DoNotAttempt, executionRules: [{name: all}]}"
    steps = traced("x", nothing)
    assert steps["rule executionRules[0] all"] == ("matched", "the rule has no condition")
