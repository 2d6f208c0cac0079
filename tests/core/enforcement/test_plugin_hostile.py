"""Whatever an object holds, there is a decision; and taking evidence away never turns a denial into a permission."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.admission.lookup import Unknown
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.request import Phase
from imagegate.core.admission.trace import Trace
from imagegate.core.enforcement.behaviour import CiseSettings, Parents, Profile
from imagegate.core.enforcement.plugin import Hook
from imagegate.core.enforcement.questions import ManifestDigest, Secret
from imagegate.core.enforcement.rewrite_record import ANNOTATION
from imagegate.core.signing.requirements import ImageSignatures
from tests.support.enforcement_setup import (
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    key_secret,
    pod,
    policy,
    request,
    workload,
)

GOOD, BAD = "r.example.com/a:1", "evil.example.com/a:1"
_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
_IMAGES = st.sampled_from([GOOD, BAD, SIGNED_IMAGE, "", " ", "A", "r.example.com/a@sha256:x"]) | _JSON
_CONTAINER = st.fixed_dictionaries({"name": st.sampled_from(["a", "b"]) | _JSON, "image": _IMAGES}) | _JSON
_CONTAINERS = st.lists(_CONTAINER, max_size=3) | _JSON
_REFERENCE = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.just("apps/v1") | _JSON,
        "kind": st.just("ReplicaSet") | _JSON,
        "name": st.just("rs") | _JSON,
        "uid": st.just("1") | _JSON,
        "controller": st.just(True) | _JSON,
    },
)
_METADATA = st.fixed_dictionaries(
    {},
    optional={
        "ownerReferences": st.lists(_REFERENCE | _JSON, max_size=2) | _JSON,
        "annotations": st.dictionaries(st.just(ANNOTATION), st.text(max_size=30) | _JSON) | _JSON,
        "deletionTimestamp": _JSON,
    },
)
_SPEC = st.fixed_dictionaries(
    {},
    optional={
        "containers": _CONTAINERS,
        "initContainers": _CONTAINERS,
        "ephemeralContainers": _CONTAINERS,
        "volumes": st.lists(st.fixed_dictionaries({"image": _JSON}) | _JSON, max_size=2) | _JSON,
        "imagePullSecrets": st.lists(st.fixed_dictionaries({"name": _JSON}) | _JSON, max_size=2) | _JSON,
        "serviceAccountName": _JSON,
    },
)
DOCUMENTS = policy('{name: "r.example.com/*"}', SIGNED_ENTRY) + key_secret("signer1")
WORLDS = [
    CiseSetup(DOCUMENTS, CiseSettings(profile=Profile.PORTIERIS, pods_only=False, parents=parents))
    for parents in Parents
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(WORLDS), st.sampled_from(["Pod", "Deployment", "CronJob"]), _METADATA | _JSON, _SPEC | _JSON,
    st.sampled_from(Phase), st.sampled_from(["CREATE", "UPDATE"]),
)  # fmt: skip
def test_there_is_always_a_decision(
    world: CiseSetup, kind: str, metadata: Any, spec: Any, phase: Phase, operation: str
) -> None:
    document = workload(kind, GOOD)
    document["metadata"] = metadata
    if kind == "Pod":
        document["spec"] = spec
    elif kind == "Deployment":
        document["spec"]["template"] = {"metadata": metadata, "spec": spec}
    else:
        document["spec"]["jobTemplate"]["spec"]["template"] = {"metadata": metadata, "spec": spec}
    before = copy.deepcopy(document)
    asked = request(document, phase=phase, operation=operation, old=workload(kind, GOOD))
    decision = world.decide(asked)
    assert document == before
    assert world.decide(asked, Trace()) == decision, "what is remembered must answer what a closer look answers"
    assert decision.allowed or decision.status is not None
    if world.settings.parents is Parents.EXAMINE and decision.allowed and not decision.annotations:
        assert BAD not in images(spec)


def images(spec: Any) -> list[object]:
    """Image strings at the places where images stand."""
    if not isinstance(spec, dict):
        return []
    groups = [spec.get(name) for name in ("containers", "initContainers", "ephemeralContainers")]
    containers = [each for group in groups if isinstance(group, list) for each in group if isinstance(each, dict)]
    return [container.get("image") for container in containers]


@pytest.mark.parametrize("question", [Secret, ManifestDigest, ImageSignatures, Owner])
@pytest.mark.parametrize("hook", Hook)
def test_taking_evidence_away_never_allows(question: type, hook: Hook) -> None:
    denied = policy(SIGNED_ENTRY) + key_secret("revoked")
    phase = Phase.VALIDATE if hook is Hook.VA else Phase.MUTATE
    for failing in ({}, {question: Unknown("gone")}):
        world = CiseSetup(denied, failing=failing, hook=hook)
        assert not world.decide(request(pod(SIGNED_IMAGE), phase=phase)).allowed


@given(st.lists(st.sampled_from([GOOD, BAD, SIGNED_IMAGE]), min_size=1, max_size=4))
@settings(deadline=None)
def test_one_denied_image_denies_wherever_it_stands(chosen: list[str]) -> None:
    world = WORLDS[0]
    assert world.decide(request(pod(*chosen))).allowed is (BAD not in chosen)
    denied = [denial.at for denial in world.decide(request(pod(*chosen))).denials]
    assert denied == [f"spec.containers[{index}].image" for index, image in enumerate(chosen) if image == BAD]


def test_adding_an_entry_that_denies_lets_nothing_in() -> None:
    reject = '{name: "r.example.com/*", policy: {simple: {requirements: [{type: reject}]}}}'
    for entries in ((reject, '{name: "*"}'), ('{name: "*"}', reject)):
        assert not CiseSetup(policy(*entries)).decide(request(pod(GOOD))).allowed
        assert CiseSetup(policy(*entries)).decide(request(pod(BAD))).allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": {"containers": [{"name": "a", "image": GOOD}, {"name": "b", "image": BAD}]}},
        {"spec": {"containers": [{"name": "a", "image": GOOD}], "initContainers": [{"name": "b", "image": BAD}]}},
        {"spec": {"containers": [{"name": "a", "image": GOOD}], "ephemeralContainers": [{"name": "b", "image": BAD}]}},
        {
            "spec": {
                "containers": [{"name": "a", "image": GOOD}],
                "volumes": [{"name": "v", "image": {"reference": BAD}}],
            }
        },
        {"spec": {"containers": [{"name": "a", "image": GOOD}], "volumes": ["x"]}},
        {"spec": {"containers": [{"name": 5, "image": GOOD}]}},
        {"spec": {"containers": {"name": "a", "image": GOOD}}},
        {"spec": [{"name": "a", "image": GOOD}]},
    ],
)
def test_an_image_that_is_known_answers_for_no_other(changes: dict[str, Any]) -> None:
    world = CiseSetup(policy('{name: "r.example.com/*"}'))
    for _ in range(3):
        assert world.decide(request(pod(GOOD))).allowed
    assert not world.decide(request(pod(GOOD) | changes)).allowed


def test_an_image_that_is_known_answers_for_no_other_namespace() -> None:
    world = CiseSetup(policy('{name: "*"}') + policy('{name: "quay.io/*"}', namespace="team"))
    for _ in range(3):
        assert world.decide(request(pod(GOOD))).allowed
        assert not world.decide(request(pod(GOOD), namespace="team")).allowed


def test_a_record_is_read_also_of_an_image_that_is_known() -> None:
    """The rewritten name is allowed for whoever writes it; where imagegate wrote it, the entry of the tag decides."""
    reject = policy(
        f'{{name: "{SIGNED_IMAGE}", policy: {{simple: {{requirements: [{{type: reject}}]}}}}}}', '{name: "*"}'
    )
    _, left, _ = CiseSetup(policy(SIGNED_ENTRY) + key_secret("signer1")).both_passes(request(pod(SIGNED_IMAGE)))
    world = CiseSetup(reject)
    for _ in range(3):
        assert world.decide(request(pod(left["spec"]["containers"][0]["image"]))).allowed
        assert not world.decide(request(left)).allowed
