"""Could not be found out is never "there is none": no plug-in permits for want of an answer.

Any answers of any request are replaced by ``Unknown``; whatever was denied stays denied, in both passes. And who may
look at less than others is never told yes where they are told no.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.admission.access_review import Access, AccessAnswer, GrantedRules, Grantees, PathAccess
from imagegate.core.admission.lookup import Absent, Ambiguous, DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.plugin import Plugin, Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.running_images import RunningImages
from imagegate.core.content_trust.question import TrustedImage
from imagegate.core.enforcement.behaviour import CiseSettings, Parents, Profile
from imagegate.core.enforcement.plugin import Hook
from imagegate.core.enforcement.questions import ManifestDigest, NeedsCredentials, Secret, ServiceAccount
from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned, NamespaceOverride, openshift_4
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.import_gate.behaviour import DOCUMENTED, OPENSHIFT_4, GateBehaviour
from imagegate.core.namespace_guard import NamespaceGuard
from imagegate.core.signing.requirements import ImageSignatures
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.core.vulnerabilities.rules import ImageScan, ScanRules
from tests.support.answering import answered
from tests.support.enforcement_setup import (
    SIGNED_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    key_secret,
    policy,
    workload,
)
from tests.support.enforcement_setup import request as cise_request
from tests.support.image_policy_setup import PolicySetup, request_for, review_of
from tests.support.import_gate_setup import KINDS, MANUAL, ImportSetup, request_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)
VECTORS = Path(__file__).parents[2] / "vectors" / "upstream" / "import_streams.jsonl"
UNKNOWNS = (Unknown("down"), Unknown("damaged", retryable=False), DeadlineExceeded("late"))
TRIED = {
    StreamTag, Stream, StreamImage, Image, PullSpecHolders, Namespace, Access, Owner, ImageSignatures, Secret,
    ServiceAccount, ManifestDigest, TrustedImage, AdvisorStatus, ImageScan,
}  # fmt: skip
"""Every question of a plug-in that judges images; the tests below ask all of them."""
ASKED_ELSEWHERE = {RunningImages, PathAccess, GrantedRules, Grantees}
"""Asked by the guard of policies (service/guard) and by the image API."""

Answer = Callable[[Question], Lookup[Any]]


def decided(plugin: Plugin, request: AdmissionRequest, answer: Answer, asked: list[Question] | None = None) -> bool:
    """Whether the plug-in allows the request."""
    if not plugin.covers(request):
        return True
    answers = answered(plugin, request, answer, [] if asked is None else asked)
    return plugin.decide(request, answers, now=NOW).allowed


@dataclass
class Spoiled:
    """Answers of which some are replaced; the same question gets the same answer."""

    answer: Answer
    replaced: Callable[[Question], Lookup[Any] | None]
    given: dict[Question, Lookup[Any]] = field(default_factory=dict)

    def __call__(self, question: Question) -> Lookup[Any]:
        """The answer, or what is given in its place."""
        if question not in self.given:
            self.given[question] = self.replaced(question) or self.answer(question)
        return self.given[question]


def test_every_question_is_tried() -> None:
    """A new question joins the worlds of this file."""
    ours = {each.__qualname__ for each in Question.__subclasses__() if each.__module__.startswith("imagegate.")}
    assert ours == {
        each.__qualname__ for each in TRIED | ASKED_ELSEWHERE
    }  # by name: a dataclass with slots is made twice


REGISTRY = "reg.corp:5000"
DIGESTS = ["sha256:" + character * 64 for character in "12"]
NAMESPACES = ["default", "shared"]
MARK = "images.openshift.io/deny-execution"
IGNORE = "alpha.image.policy.openshift.io/ignore-rules"
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "matchIntegratedRegistry": st.booleans(),
        "matchRegistries": st.lists(st.sampled_from(["", "docker.io", "quay.io", REGISTRY]), max_size=2),
        "matchRegistryPatterns": st.lists(st.sampled_from(["*.io", "reg.*"]), max_size=1),
        "matchImageAnnotations": st.just([{"key": MARK, "value": "true"}]),
        "matchImageLabels": st.just([{"matchLabels": {"approved": "yes"}}]),
        "invertMatch": st.booleans(),
        "skipOnResolutionFailure": st.booleans(),
        "ignoreNamespaceOverride": st.booleans(),
    },
)
_BUILDS = {"group": "build.openshift.io", "resource": "builds"}
RULES = st.builds(lambda reject, fields: {"reject": reject, **fields}, st.booleans(), CONDITIONS)
MODES = st.sampled_from(["Attempt", "AttemptRewrite", "Required", "RequiredRewrite"])
POLICIES = st.builds(
    lambda mode, rules, local: {
        "kind": "ImagePolicyConfig",
        "apiVersion": "image.openshift.io/v1",
        "resolveImages": mode,
        "executionRules": [
            {"name": f"r{index}", "onResources": [{"resource": "pods"}, _BUILDS], **rule}
            for index, rule in enumerate(rules)
        ],
        "resolutionRules": [{"targetResource": {"resource": "pods"}, "localNames": local, "policy": mode}],
    },
    MODES,
    st.lists(RULES, min_size=1, max_size=3),
    st.booleans(),
)
IMAGES = st.sampled_from(
    [
        f"{REGISTRY}/default/app:latest", f"{REGISTRY}/shared/app", "REG.corp:05000/shared/app", "app", "app:none",
        f"quay.io/a/b@{DIGESTS[0]}", f"{REGISTRY}/shared/app@{DIGESTS[1]}", "docker.io/x", "quay.io/x:1",
        "docker-registry.default.svc:5000/shared/app", "a/b",
    ]
)  # fmt: skip
BEHAVIOURS = st.sampled_from(
    [
        Behaviour(integrated_registries=(REGISTRY,)),
        Behaviour(integrated_registries=(REGISTRY,), require_known_repository=True),
        Behaviour(integrated_registries=(REGISTRY,), namespace_override=NamespaceOverride.RESTRICTED),
        Behaviour(
            integrated_registries=(REGISTRY,),
            controller_owned=ControllerOwned.TRUSTED,
            trusted_controllers=frozenset({"alice"}),
        ),
        openshift_4(REGISTRY),
    ]
)


@st.composite
def catalogues(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A stream ``app`` in each namespace, Images with and without marks, namespaces, and an owner."""
    objects: list[dict[str, Any]] = []
    for namespace in NAMESPACES:
        digest, origin = draw(st.sampled_from(DIGESTS)), draw(st.sampled_from(["quay.io/a/b", "docker.io/a", "a/b"]))
        items = [{"dockerImageReference": f"{origin}@{digest}", "image": digest, "generation": 1}]
        kind = draw(st.sampled_from(["Source", "Local"]))
        tag = {"name": "latest", "from": {"kind": "DockerImage", "name": "a/b"}, "referencePolicy": {"type": kind}}
        objects.append(
            {
                "kind": "ImageStream",
                "metadata": {"name": "app", "namespace": namespace},
                "spec": {"lookupPolicy": {"local": draw(st.booleans())}, "tags": [tag]},
                "status": {"tags": [{"tag": "latest", "items": items}]},
            }
        )
        if draw(st.booleans()):
            ignored = draw(st.sampled_from(["r0", "r1", "r0,r1,r2"]))
            objects.append({"kind": "Namespace", "metadata": {"name": namespace, "annotations": {IGNORE: ignored}}})
    for digest in DIGESTS:
        if draw(st.integers(0, 4)):
            metadata = {
                "name": digest,
                "annotations": {MARK: draw(st.sampled_from(["true", "false"]))},
                "labels": draw(st.sampled_from([{}, {"approved": "yes"}])),
            }
            objects.append({"kind": "Image", "metadata": metadata, "dockerImageReference": f"quay.io/a/b@{digest}"})
    return objects


@st.composite
def requests(draw: st.DrawFn) -> AdmissionRequest:
    """A pod (maybe one that names an owner), or a build from a stream's tag or image."""
    phase = draw(st.sampled_from(Phase))
    if draw(st.integers(0, 3)) == 0:
        kind, name = draw(
            st.sampled_from(
                [("ImageStreamTag", "app:latest"), ("ImageStreamTag", "app:none"), ("ImageStreamImage", "app@sha256:1")]
            )
        )
        source = {"kind": kind, "name": name, "namespace": draw(st.sampled_from(NAMESPACES))}
        spec: dict[str, Any] = {"strategy": {"dockerStrategy": {"from": source}}}
        build = {"kind": "Build", "apiVersion": "build.openshift.io/v1", "metadata": {"name": "b"}, "spec": spec}
        return request_for(build, phase=phase)
    metadata: dict[str, Any] = {"name": "p"}
    if draw(st.booleans()):
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1", "controller": True}
        metadata["ownerReferences"] = [owner]
    if draw(st.integers(0, 5)) == 0:
        metadata["annotations"] = {"alpha.image.policy.openshift.io/resolve-names": "*"}
    images = draw(st.lists(IMAGES, min_size=1, max_size=2))
    containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]
    return request_for({"kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}, phase=phase)


@settings(max_examples=600, deadline=None)
@given(POLICIES, BEHAVIOURS, catalogues(), requests(), st.booleans(), st.randoms(use_true_random=False))
def test_image_policy(
    policy: dict[str, Any],
    behaviour: Behaviour,
    objects: list[dict[str, Any]],
    request: AdmissionRequest,
    may_use: bool,
    chance: random.Random,
) -> None:
    rights = frozenset({("alice", "shared"), ("alice", "default")} if may_use else ())
    world = PolicySetup(json.dumps(policy), behaviour, objects, may_use=rights)
    if decided(world.plugin, request, world.answer):
        return
    for _ in range(6):
        share = chance.choice([0.2, 0.5, 1.0])
        spoiled = Spoiled(
            world.answer,
            lambda question, share=share: chance.choice(UNKNOWNS) if chance.random() < share else None,  # type: ignore[misc]
        )
        assert not decided(world.plugin, request, spoiled), spoiled.given


@settings(max_examples=400, deadline=None)
@given(POLICIES, catalogues(), requests())
def test_who_may_look_at_less_is_told_no_more_yes(
    policy: dict[str, Any], objects: list[dict[str, Any]], request: AdmissionRequest
) -> None:
    verdicts = []
    for rights in (frozenset({("alice", "shared")}), frozenset[tuple[str, str]]()):
        world = PolicySetup(json.dumps(policy), Behaviour(integrated_registries=(REGISTRY,)), objects, may_use=rights)
        verdicts.append(decided(world.plugin, request, world.answer))
    assert verdicts != [False, True]


def test_an_id_that_several_images_have_is_no_permission() -> None:
    """Which image a build's prefix means can change by taking one of them out of the stream."""
    policy = (
        "{kind: ImagePolicyConfig, apiVersion: v1, executionRules: [{name: marked, reject: true, "
        'onResources: [{resource: builds}], matchImageAnnotations: [{key: deny, value: "true"}], '
        "skipOnResolutionFailure: true}]}"
    )
    digests = [f"sha256:1{character * 63}" for character in "23"]
    items = [{"dockerImageReference": f"a/b@{digest}", "image": digest} for digest in digests]
    stream = {"kind": "ImageStream", "metadata": {"name": "app", "namespace": "default"}, "spec": {},
              "status": {"tags": [{"tag": "latest", "items": items}]}}  # fmt: skip
    images = [{"kind": "Image", "metadata": {"name": item["image"]}, "dockerImageReference": "a/b"} for item in items]
    world = PolicySetup(policy, Behaviour(), [stream, *images])
    for name, allowed in (("app@sha256:1", False), (f"app@{items[0]['image']}", True), ("app@sha256:4", True)):
        source = {"kind": "ImageStreamImage", "name": name}
        spec = {"strategy": {"dockerStrategy": {"from": source}}}
        build = {"kind": "Build", "apiVersion": "build.openshift.io/v1", "metadata": {"name": "b"}, "spec": spec}
        assert world.decide(request_for(build)).allowed is allowed
    assert isinstance(world.answer(StreamImage("default", "app", "sha256:1")), Ambiguous)


@pytest.fixture(scope="module")
def imports() -> list[dict[str, Any]]:
    return [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]


MAPPINGS = [
    {
        "id": f"mapping {reference}",
        "operation": "imagestreammapping.create",
        "object": {
            "kind": "ImageStreamMapping",
            "metadata": {"name": "app", "namespace": "test"},
            "image": {
                "metadata": {"name": f"sha256:{number:064x}", "annotations": {"openshift.io/image.managed": "true"}},
                "dockerImageReference": reference,
            },
            "tag": "latest",
        },
    }
    for number, reference in enumerate(["evil.com/a/b:1", "registry.access.redhat.com/a/b:1", "registry:5000/test/app"])
]
"""Images that were pushed: whether they are known decides which reference is written. No vector has them."""


@pytest.mark.parametrize("behaviour", [DOCUMENTED, OPENSHIFT_4])
@pytest.mark.parametrize("integrated", ["", "registry:5000"])
def test_import_gate(imports: list[dict[str, Any]], behaviour: GateBehaviour, integrated: str) -> None:
    chance = random.Random(7)
    plugin = ImportSetup(MANUAL, integrated=integrated, behaviour=behaviour).plugin
    resources = {kind.lower(): resource for resource, kind in KINDS.items()}
    denied = 0
    asked: list[Question] = []
    for case in (*chance.sample(imports, 700), *MAPPINGS):
        kind, _, operation = case["operation"].partition(".")
        request = request_of(
            resources[kind],
            case["object"],
            case.get("oldObject"),
            sub_resource="status" if operation == "statusUpdate" else "",
        )
        stored = chance.choice(imports)["object"]
        known = {
            Stream: chance.choice([Absent("none"), Found(stored)]),
            Image: chance.choice([Absent("none"), Found({"kind": "Image", "metadata": {"name": "x"}})]),
            Access: Found(AccessAnswer(chance.random() < 0.5)),
        }
        if decided(plugin, request, lambda question, known=known: known[type(question)], asked):  # type: ignore[misc]
            continue
        denied += 1
        for share in (0.3, 0.6, 1.0):
            spoiled = Spoiled(
                lambda question, known=known: known[type(question)],  # type: ignore[misc]
                lambda question, share=share: chance.choice(UNKNOWNS) if chance.random() < share else None,  # type: ignore[misc]
            )
            assert not decided(plugin, request, spoiled), (case["id"], spoiled.given)
    assert denied > 100
    assert {type(question) for question in asked} == {Stream, Image, Access}


CISE_DOCUMENTS = (
    policy('{name: "r.example.com/*"}', SIGNED_ENTRY, '{name: "private.example.com/*", policy: {simple: {requirements: '
           "[{type: signedBy, keySecret: key}]}}}",
           '{name: "trusted.icr.io/*", policy: {trust: {enabled: true}}}',
           '{name: "scanned.icr.io/*", policy: {va: {enabled: true}}}')
    + key_secret("signer1")
    + "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: default}, "
    + "imagePullSecrets: [{name: pull}]}\n"
)  # fmt: skip
CISE_IMAGES = ["r.example.com/a:1", "evil.example.com/a:1", SIGNED_IMAGE, "127.0.0.1:5000/signed/none:1",
               "private.example.com/a:1", "trusted.icr.io/a/b:1", "scanned.icr.io/a/b:1",
               f"scanned.icr.io/a/b@{SIGNED_DIGEST}"]  # fmt: skip
SCANNED = ScanRules()


@pytest.mark.parametrize("parents", Parents)
@pytest.mark.parametrize("profile", Profile)
def test_image_enforcement(profile: Profile, parents: Parents) -> None:
    chance = random.Random(11)
    asked: list[Question] = []
    denied = 0
    for hook in Hook:
        settings = CiseSettings(profile=profile, pods_only=False, parents=parents)
        for documents, scan_rules in (
            (CISE_DOCUMENTS, None),
            (CISE_DOCUMENTS, SCANNED),
            (policy(SIGNED_ENTRY) + key_secret("revoked"), None),
            (policy(SIGNED_ENTRY), None),
        ):
            settings = replace(settings, scan_rules=scan_rules)
            world = CiseSetup(documents, settings, hook=hook)
            for _ in range(12):
                document = workload(chance.choice(["Pod", "Deployment", "ReplicaSet"]), chance.choice(CISE_IMAGES))
                document["metadata"]["ownerReferences"] = [
                    {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "1", "controller": True}
                ]
                request = cise_request(document, phase=chance.choice(list(Phase)))
                if parents is Parents.TRUST or decided(world.plugin, request, world._answer, asked):
                    continue
                denied += 1
                spoiled = Spoiled(
                    world._answer,
                    lambda _: chance.choice((*UNKNOWNS, NeedsCredentials("401"))) if chance.random() < 0.5 else None,
                )
                assert not decided(world.plugin, request, spoiled), spoiled.given
    assert denied > 100 or parents is Parents.TRUST
    if parents is Parents.VERIFY:
        assert {type(question) for question in asked} == {
            Owner,
            Secret,
            ServiceAccount,
            ManifestDigest,
            ImageSignatures,
            TrustedImage,
            AdvisorStatus,
            ImageScan,
        }


def test_namespace_guard() -> None:
    namespace = {"kind": "Namespace", "metadata": {"name": "n", "annotations": {IGNORE: "r0"}}}
    request = review_of(cise_request(namespace, namespace="n"), namespace, Phase.VALIDATE)
    for unknown in UNKNOWNS:
        assert not decided(NamespaceGuard(), request, lambda _, unknown=unknown: unknown)  # type: ignore[misc]
    assert decided(NamespaceGuard(), request, lambda _: Found(AccessAnswer(True)))
