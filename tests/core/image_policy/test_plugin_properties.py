"""Properties of the image policy that hold for any policy, any catalogue and any pod."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.image_policy.attributes import Attributes
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import ExecutionRule, ImagePolicyConfig
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.references.openshift import ImageReference
from imagegate.documents.image_policy_config import load_image_policy
from tests.support.image_policy_setup import PolicySetup, request_for, review_of

DIGESTS = ["sha256:" + character * 64 for character in "123"]
REGISTRY = "REG:5000"
REGISTRIES = ["", "docker.io", "quay.io", REGISTRY, "index.docker.io", "Docker.IO"]
STREAMS = ["app", "base"]
TAGS = ["latest", "v1"]
MARK = "images.openshift.io/deny-execution"

conditions = st.fixed_dictionaries(
    {},
    optional={
        "matchIntegratedRegistry": st.booleans(),
        "matchRegistries": st.lists(st.sampled_from(REGISTRIES), max_size=2),
        "matchImageAnnotations": st.just([{"key": MARK, "value": "true"}]),
        "invertMatch": st.booleans(),
        "skipOnResolutionFailure": st.booleans(),
    },
)
usual_rules = st.sampled_from(
    [
        {"matchIntegratedRegistry": True},
        {"matchRegistries": ["docker.io"]},
        {"reject": True, "matchImageAnnotations": [{"key": MARK, "value": "true"}], "skipOnResolutionFailure": True},
    ]
)
rules = usual_rules | st.builds(lambda reject, fields: {"reject": reject, **fields}, st.booleans(), conditions)
policies = st.builds(
    lambda mode, execution, local, policy: {
        "kind": "ImagePolicyConfig",
        "apiVersion": "v1",
        "resolveImages": mode,
        "executionRules": [{"name": f"r{index}", **rule} for index, rule in enumerate(execution)],
        "resolutionRules": [{"targetResource": {"resource": "pods"}, "localNames": local, "policy": policy}],
    },
    st.sampled_from(["Attempt", "AttemptRewrite", "RequiredRewrite"]),
    st.lists(rules, max_size=4),
    st.booleans(),
    st.sampled_from(["Attempt", "AttemptRewrite"]),
)
NAMES = [f"{REGISTRY}/default/{stream}:{tag}" for stream in STREAMS for tag in TAGS]
NAMES += ["app", "base:v1", *(f"quay.io/a/b@{digest}" for digest in DIGESTS)]
NAMES += ["none", "UPPER", "", "my.image:1.0", f"app:v1@{DIGESTS[0]}", "docker.io/x", "quay.io/x"]
names = st.sampled_from(NAMES)


@st.composite
def catalogues(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Streams of namespace default, and Images, some marked, some missing."""
    objects: list[dict[str, Any]] = []
    for name in STREAMS:
        tags = []
        for tag in TAGS:
            digest, origin = (
                draw(st.sampled_from(DIGESTS)),
                draw(st.sampled_from(["quay.io/a/b", "a/b", "docker.io/a"])),
            )
            items = [{"dockerImageReference": f"{origin}@{digest}", "image": digest, "generation": 1}]
            tags.append({"tag": tag, "items": items if draw(st.booleans()) else []})
        kind = draw(st.sampled_from(["Source", "Local"]))
        spec_tags = [
            {"name": tag, "from": {"kind": "DockerImage", "name": "a/b"}, "referencePolicy": {"type": kind}}
            for tag in TAGS
        ]
        spec = {"lookupPolicy": {"local": draw(st.booleans())}, "tags": spec_tags}
        metadata = {"name": name, "namespace": "default"}
        objects.append({"kind": "ImageStream", "metadata": metadata, "spec": spec, "status": {"tags": tags}})
    for digest in DIGESTS:
        if draw(st.integers(0, 3)):
            annotations = {MARK: draw(st.sampled_from(["true", "false"]))}
            named: dict[str, Any] = {"name": digest, "annotations": annotations}
            objects.append({"kind": "Image", "metadata": named, "dockerImageReference": f"quay.io/a/b@{digest}"})
    return objects


def pods() -> st.SearchStrategy[AdmissionRequest]:
    """Requests to create a pod with up to three images."""

    def request(images: list[str]) -> AdmissionRequest:
        containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]
        return request_for({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}})

    return st.lists(names, min_size=1, max_size=3).map(request)


def world(policy: dict[str, Any], objects: list[dict[str, Any]]) -> PolicySetup:
    return PolicySetup(json.dumps(policy), Behaviour(integrated_registries=(REGISTRY,)), objects)


@settings(max_examples=300, deadline=None)
@given(policies, catalogues(), pods(), rules)
def test_adding_a_reject_rule_never_lets_an_image_in(
    policy: dict[str, Any], objects: list[dict[str, Any]], request: AdmissionRequest, rule: dict[str, Any]
) -> None:
    stricter = {**policy, "executionRules": [*policy["executionRules"], {**rule, "name": "added", "reject": True}]}
    before = world(policy, objects).decide(request)
    after = world(stricter, objects).decide(request)
    assert before.allowed or not after.allowed


@settings(max_examples=300, deadline=None)
@given(policies, catalogues(), pods())
def test_reviewing_a_patched_object_patches_nothing(
    policy: dict[str, Any], objects: list[dict[str, Any]], request: AdmissionRequest
) -> None:
    scene = world(policy, objects)
    _, left, _ = scene.both_passes(request)
    if left is not None:
        again = scene.decide(review_of(request, left, Phase.MUTATE))
        assert again.rewrites == ()


@settings(max_examples=300, deadline=None)
@given(policies, catalogues(), pods())
def test_both_passes_agree(policy: dict[str, Any], objects: list[dict[str, Any]], request: AdmissionRequest) -> None:
    scene = world(policy, objects)
    mutated, _, validated = scene.both_passes(request)
    unmutated = scene.decide(review_of(request, dict(request.object or {}), Phase.VALIDATE))
    assert unmutated.allowed == mutated.allowed
    if validated is not None:
        assert validated.allowed, (validated.denials, mutated.rewrites)


@settings(max_examples=200, deadline=None)
@given(policies, catalogues(), pods(), st.randoms())
def test_the_order_of_rules_does_not_change_the_verdict(
    policy: dict[str, Any], objects: list[dict[str, Any]], request: AdmissionRequest, random: Any
) -> None:
    shuffled = list(policy["executionRules"])
    random.shuffle(shuffled)
    expected = world(policy, objects).decide(request).allowed
    assert world({**policy, "executionRules": shuffled}, objects).decide(request).allowed == expected


KEYS = ["spec", "template", "containers", "initContainers", "image", "name", "metadata", "volumes", "reference"]
KEYS += ["annotations", "strategy", "source", "images", "from", "dockerStrategy", "ownerReferences", "controller"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(KEYS), children, max_size=4),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["spec", "metadata", "template"]), JSON, max_size=3),
    st.none() | st.dictionaries(st.sampled_from(["spec", "metadata", "kind"]), JSON, max_size=3),
    st.sampled_from(["Pod", "Deployment", "CronJob", "Build", "ReplicationController", "ConfigMap", "PodTemplate"]),
)
def test_any_object_gets_a_decision(document: dict[str, Any], old: dict[str, Any] | None, kind: str) -> None:
    text = (
        "{kind: ImagePolicyConfig, apiVersion: v1, executionRules: [{name: a, matchRegistries: [docker.io], "
        "onResources: [{resource: '*'}, {group: apps, resource: '*'}, {group: batch, resource: '*'}]}]}"
    )
    scene = PolicySetup(text, Behaviour())
    base = {"kind": kind, "metadata": {"name": "x"}, "spec": {}}
    request = request_for(base, operation="CREATE" if old is None else "UPDATE", old=old)
    decision = scene.decide(review_of(request, {**document, "kind": kind}, Phase.MUTATE))
    assert decision.allowed == (decision.status is None)


def plugin_with(rule_count: int) -> ImagePolicyPlugin:
    """A policy with that many rules, each for a registry of its own."""
    config = load_image_policy("{kind: ImagePolicyConfig, apiVersion: v1}").config
    many = tuple(
        ExecutionRule(name=f"r{index}", match_registries=(f"r{index}.example",), on_resources=(resource,))
        for index in range(rule_count)
        for resource in [request_for({"kind": "Pod", "metadata": {}}).resource]
    )
    config = replace(config, execution_rules=many)
    assert isinstance(config, ImagePolicyConfig)
    return ImagePolicyPlugin(config, Behaviour())


def test_rules_touched_do_not_grow_with_the_number_of_rules() -> None:
    request = request_for(
        {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "r7.example/x"}]}}
    )
    touched = []
    for count in (10, 10_000):
        plan = plugin_with(count)._coverage.plan(request.resources)
        assert plan is not None
        assert plan.rules is not None
        candidates = plan.rules.candidates(Attributes(ImageReference.parse("r7.example/x")))
        assert [rule.rule.name for rule in candidates] == ["r7"]
        touched.append(len(candidates))
    assert touched == [1, 1]
