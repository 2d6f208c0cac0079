"""Rewriting to digests, and the record that lets a second look find the same entry (docs/spec/enforcement.md 15)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import Decision, DenialCode
from imagegate.core.admission.request import Phase
from imagegate.core.enforcement.behaviour import CiseSettings, Profile, Rewriting
from imagegate.core.enforcement.plugin import Hook
from imagegate.core.enforcement.policy import Entry
from imagegate.core.enforcement.requirement import ImageUnderPolicy, RequirementResult, Verified
from imagegate.core.enforcement.rewrite_record import ANNOTATION
from imagegate.core.enforcement.simple_requirement import SimpleCheck
from tests.support.enforcement_setup import (
    KEY,
    KINDS,
    OTHER_DIGEST,
    SIGNED_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    containers,
    key_secret,
    pod,
    policy,
    request,
    workload,
)

TAGGED_ENTRY = SIGNED_ENTRY.replace("127.0.0.1:5000/*", SIGNED_IMAGE)
SIGNED = policy(SIGNED_ENTRY) + key_secret("signer1")
TAGGED = policy(TAGGED_ENTRY) + key_secret("signer1")
REWRITTEN = f"127.0.0.1:5000/signed/app@{SIGNED_DIGEST}"
ANYTHING = '{name: "*", policy: {simple: {requirements: [{type: insecureAcceptAnything}]}}}'


def settings(**changes: Any) -> CiseSettings:
    return CiseSettings(**{"profile": Profile.PORTIERIS, "pods_only": False, **changes})


def images(decision: Decision) -> dict[str, str]:
    return {op.path: op.value for op in decision.rewrites if op.op == "replace"}


class TestPatch:
    @pytest.mark.parametrize("kind", KINDS)
    def test_path_and_value_for_every_kind(self, kind: str) -> None:
        document = workload(kind, SIGNED_IMAGE, initContainers=containers(SIGNED_IMAGE))
        prefix = {"Pod": "/spec", "CronJob": "/spec/jobTemplate/spec/template/spec"}.get(kind, "/spec/template/spec")
        assert images(CiseSetup(SIGNED).decide(request(document))) == {
            f"{prefix}/initContainers/0/image": REWRITTEN,
            f"{prefix}/containers/0/image": REWRITTEN,
        }

    def test_short_names_become_fully_qualified_and_lose_their_tag(self) -> None:
        world = CiseSetup(policy(ANYTHING), digests={"docker.io/library/nginx:1": OTHER_DIGEST})
        decision = world.decide(request(pod("nginx:1")))
        assert images(decision) == {"/spec/containers/0/image": f"docker.io/library/nginx@{OTHER_DIGEST}"}

    def test_tag_and_digest_on_request(self) -> None:
        world = CiseSetup(SIGNED, settings(keep_tag=True))
        mutated, left, validated = world.both_passes(request(pod(SIGNED_IMAGE)))
        assert left["spec"]["containers"][0]["image"] == f"{SIGNED_IMAGE}@{SIGNED_DIGEST}"
        assert mutated.allowed
        assert (validated.denials, validated.rewrites) == ((), ())

    def test_entry_without_requirements_never_rewrites(self) -> None:
        assert CiseSetup(policy('{name: "*"}')).decide(request(pod("nginx"))).rewrites == ()

    def test_one_denied_image_and_nothing_is_rewritten(self) -> None:
        decision = CiseSetup(SIGNED).decide(request(pod(SIGNED_IMAGE, "evil.example.com/x")))
        assert (decision.allowed, decision.rewrites) == (False, ())

    def test_mutate_image_false(self) -> None:
        """docs/spec/enforcement.md 2.2: GitOps must not loop over rewritten paths."""
        entry = SIGNED_ENTRY.replace("policy: {", "policy: {mutateImage: false, ")
        decision = CiseSetup(policy(entry) + key_secret("signer1")).decide(request(pod(SIGNED_IMAGE)))
        assert (decision.denials, decision.rewrites) == ((), ())
        explicit = SIGNED_ENTRY.replace("policy: {", "policy: {mutateImage: true, ")
        assert CiseSetup(policy(explicit) + key_secret("signer1")).decide(request(pod(SIGNED_IMAGE))).rewrites

    @pytest.mark.parametrize(
        "phase, hook", [(Phase.VALIDATE, Hook.ANY), (Phase.VALIDATE, Hook.VA), (Phase.MUTATE, Hook.VA)]
    )
    def test_never_in_the_validating_pass(self, phase: Phase, hook: Hook) -> None:
        decision = CiseSetup(SIGNED, hook=hook).decide(request(pod(SIGNED_IMAGE), phase=phase))
        assert (decision.denials, decision.rewrites) == ((), ())

    @pytest.mark.parametrize(
        "rewriting, pods, deployments",
        [(Rewriting.ALL, True, True), (Rewriting.PODS, True, False), (Rewriting.NEVER, False, False)],
    )
    def test_gitops_safe_modes(self, rewriting: Rewriting, pods: bool, deployments: bool) -> None:
        world = CiseSetup(SIGNED, settings(rewriting=rewriting))
        assert bool(world.decide(request(pod(SIGNED_IMAGE))).rewrites) is pods
        assert bool(world.decide(request(workload("Deployment", SIGNED_IMAGE))).rewrites) is deployments
        bad = workload("Deployment", "127.0.0.1:5000/absent:1")
        assert not world.decide(request(bad)).allowed


class TestRecord:
    def test_a_rewritten_image_still_finds_the_entry_that_names_its_tag(self) -> None:
        mutated, _left, validated = CiseSetup(TAGGED).both_passes(request(pod(SIGNED_IMAGE)))
        assert images(mutated) == {"/spec/containers/0/image": REWRITTEN}
        assert validated.allowed
        bare = pod(REWRITTEN)
        assert not CiseSetup(TAGGED).decide(request(bare)).allowed

    def test_reviewing_a_patched_object_patches_nothing(self) -> None:
        for kind in KINDS:
            world = CiseSetup(TAGGED)
            _, left, _ = world.both_passes(request(workload(kind, SIGNED_IMAGE)))
            assert world.decide(request(left)) == Decision(
                plugin="cise", rules=(f"ClusterImagePolicy p repositories[0] {SIGNED_IMAGE}",)
            )

    def test_the_template_carries_it_to_the_pods(self) -> None:
        world = CiseSetup(TAGGED)
        _, left, _ = world.both_passes(request(workload("Deployment", SIGNED_IMAGE)))
        child = pod(left["spec"]["template"]["spec"]["containers"][0]["image"])
        child["metadata"]["annotations"] = left["spec"]["template"]["metadata"]["annotations"]
        assert world.decide(request(child)).allowed
        assert left["metadata"]["annotations"] == left["spec"]["template"]["metadata"]["annotations"]

    def test_a_job_has_it_from_its_cron_job_in_the_template_only(self) -> None:
        world = CiseSetup(TAGGED)
        _, left, _ = world.both_passes(request(workload("CronJob", SIGNED_IMAGE)))
        job = workload("Job")
        job["spec"] = left["spec"]["jobTemplate"]["spec"]
        assert job["spec"]["template"]["spec"]["containers"][0]["image"] == REWRITTEN
        for phase in Phase:
            assert world.decide(request(job, phase=phase)).allowed
        job["spec"]["template"]["metadata"]["annotations"] = {}
        assert not world.decide(request(job)).allowed

    @pytest.mark.parametrize(
        "change",
        [
            {"mac": "AAAA"},
            {"mac": ""},
            {"mac": "\u00e9"},
            {"mac": 5},
            {"from": "127.0.0.1:5000/signed/app:v2"},
            {"to": f"127.0.0.1:5000/signed/app@{OTHER_DIGEST}"},
        ],
    )
    def test_a_record_that_was_tampered_with_is_ignored(self, change: dict[str, object]) -> None:
        world = CiseSetup(TAGGED)
        _, left, _ = world.both_passes(request(pod(SIGNED_IMAGE)))
        record = json.loads(left["metadata"]["annotations"][ANNOTATION])
        record["containers/c0"].update(change)
        left["metadata"]["annotations"][ANNOTATION] = json.dumps(record)
        assert not world.decide(request(left)).allowed

    @pytest.mark.parametrize(
        "text", ["", "[]", "{", "5", '{"containers/c0": []}', '{"containers/c0": {}}', "[" * 100_000]
    )
    def test_an_annotation_that_is_none_is_ignored(self, text: str) -> None:
        document = pod(REWRITTEN)
        document["metadata"]["annotations"] = {ANNOTATION: text}
        assert not CiseSetup(TAGGED).decide(request(document)).allowed

    def test_it_proves_no_signature(self) -> None:
        """The checks run again: a key that was revoked meanwhile denies."""
        _, left, _ = CiseSetup(TAGGED).both_passes(request(pod(SIGNED_IMAGE)))
        later = CiseSetup(policy(TAGGED_ENTRY) + key_secret("revoked"))
        assert not later.decide(request(left)).allowed

    def test_another_image_of_the_update_gets_a_record_of_its_own(self) -> None:
        world = CiseSetup(policy(ANYTHING), digests={"r.example.com/a:2": OTHER_DIGEST})
        _, left, _ = CiseSetup(policy(ANYTHING)).both_passes(request(pod(SIGNED_IMAGE)))
        left["spec"]["containers"].append({"name": "two", "image": "r.example.com/a:2"})
        _, left, validated = world.both_passes(request(left))
        assert set(json.loads(left["metadata"]["annotations"][ANNOTATION])) == {"containers/c0", "containers/two"}
        assert validated.allowed

    def test_other_annotations_stay(self) -> None:
        document = pod(SIGNED_IMAGE)
        document["metadata"]["annotations"] = {"team": "a"}
        _, left, _ = CiseSetup(TAGGED).both_passes(request(document))
        assert set(left["metadata"]["annotations"]) == {"team", ANNOTATION}


class TestWithoutARecord:
    """Where none can be kept, an image is rewritten only if the rewritten one finds its entry again."""

    def test_no_key(self) -> None:
        assert images(CiseSetup(SIGNED, record_key=b"").decide(request(pod(SIGNED_IMAGE))))
        decision = CiseSetup(TAGGED, record_key=b"").decide(request(pod(SIGNED_IMAGE)))
        assert decision.rewrites == ()
        assert decision.warnings == (
            f"imagegate: image {SIGNED_IMAGE} admitted without digest: {SIGNED_IMAGE} names a tag",
        )

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_key_that_a_restart_replaces(self, kind: str) -> None:
        """What makes Pods for months keeps its tag where a record would be needed; a Pod is made once."""
        before, after = (CiseSetup(TAGGED, record_key=key, key_lasts=False) for key in (KEY, b"of the next start"))
        mutated, left, validated = before.both_passes(request(workload(kind, SIGNED_IMAGE)))
        assert mutated.allowed
        assert validated.allowed
        rewritten = kind == "Pod"
        assert bool(mutated.rewrites) is rewritten
        assert bool(mutated.warnings) is not rewritten
        assert after.decide(request(left)).allowed is not rewritten
        found_again = CiseSetup(SIGNED, key_lasts=False)
        mutated, left, _ = found_again.both_passes(request(workload(kind, SIGNED_IMAGE)))
        assert images(mutated)
        assert CiseSetup(SIGNED, record_key=b"of the next start", key_lasts=False).decide(request(left)).allowed

    def test_no_tag_is_kept_without_a_record(self) -> None:
        """A second look could not take ``NAME:TAG@DIGEST`` apart again."""
        document = pod("x")
        document["spec"]["ephemeralContainers"] = [{"name": "debug", "image": SIGNED_IMAGE}]
        asked = request(document, operation="UPDATE", old=pod("x"), sub_resource="ephemeralcontainers")
        mutated, _, validated = CiseSetup(SIGNED, settings(keep_tag=True)).both_passes(asked)
        assert images(mutated) == {"/spec/ephemeralContainers/0/image": REWRITTEN}
        assert validated.allowed
        for world in (
            CiseSetup(SIGNED, settings(keep_tag=True), key_lasts=False),
            CiseSetup(SIGNED, settings(keep_tag=True), record_key=b""),
        ):
            mutated, _, validated = world.both_passes(request(workload("Deployment", SIGNED_IMAGE)))
            assert images(mutated) == {"/spec/template/spec/containers/0/image": REWRITTEN}
            assert validated.allowed

    @pytest.mark.parametrize("documents, rewritten", [(SIGNED, True), (TAGGED, False)])
    def test_ephemeral_containers(self, documents: str, rewritten: bool) -> None:
        document = pod("x")
        document["spec"]["ephemeralContainers"] = [{"name": "debug", "image": SIGNED_IMAGE}]
        asked = request(document, operation="UPDATE", old=pod("x"), sub_resource="ephemeralcontainers")
        decision = CiseSetup(documents).decide(asked)
        assert decision.allowed
        assert images(decision) == ({"/spec/ephemeralContainers/0/image": REWRITTEN} if rewritten else {})
        assert all(operation.op == "replace" for operation in decision.rewrites)


@dataclass(frozen=True)
class TrustSays:
    """Stands where content trust will: a check that verified one digest."""

    digest: str
    kind: str = "trust"

    def applies(self, entry: Entry) -> bool:
        return entry.trust.enabled

    def evaluate(self, subject: ImageUnderPolicy, reader: AnswerReader) -> RequirementResult | None:
        return Verified(self.digest)


class TestTrustAndSimpleTogether:
    DOCUMENTS = policy(SIGNED_ENTRY.replace("policy: {", "policy: {trust: {enabled: true}, ")) + key_secret("signer1")
    HEX = SIGNED_DIGEST.removeprefix("sha256:")

    def world(self, digest: str) -> CiseSetup:
        return CiseSetup(self.DOCUMENTS, checks=(SimpleCheck(), TrustSays(digest)))

    def test_equal_digests_are_admitted(self) -> None:
        assert images(self.world(self.HEX).decide(request(pod(SIGNED_IMAGE))))

    def test_different_digests_conflict(self) -> None:
        (denial,) = self.world("ab" * 32).decide(request(pod(SIGNED_IMAGE))).denials
        assert denial.because == f"Notary signs conflicting digest: {'ab' * 32} simple: {self.HEX}"
        assert denial.code is DenialCode.CONFLICT

    def test_a_digest_that_is_not_the_one_written_is_refused(self) -> None:
        entry = '{name: "*", policy: {trust: {enabled: true}}}'
        world = CiseSetup(policy(entry), checks=(TrustSays("ab" * 32),))
        (text,) = world.texts(request(pod(f"r.example.com/a@{SIGNED_DIGEST}")))
        assert text == f"imagegate: sha256:{'ab' * 32} was verified, but the image names {SIGNED_DIGEST}"
        assert world.decide(request(pod(f"r.example.com/a@{OTHER_DIGEST}"))).allowed

    def test_trust_without_mutation_warns(self) -> None:
        entry = '{name: "*", policy: {mutateImage: false, trust: {enabled: true}}}'
        decision = CiseSetup(policy(entry), checks=(TrustSays("ab" * 32),)).decide(request(pod("r.example.com/a")))
        assert decision.rewrites == ()
        assert decision.warnings == ("imagegate: image r.example.com/a admitted without digest (mutateImage: false)",)
