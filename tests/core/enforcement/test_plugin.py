"""The CISE plug-in: what is examined, which texts come out, what is asked."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import DeadlineExceeded, Unknown
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.core.admission.request import GroupResource, Phase
from imagegate.core.enforcement.behaviour import CiseSettings, Dialect, Profile
from imagegate.core.enforcement.plugin import Hook
from imagegate.core.enforcement.questions import ManifestDigest, Secret, ServiceAccount
from imagegate.core.enforcement.selection import PolicySet
from imagegate.core.signing.requirements import ImageSignatures
from imagegate.documents.image_policies import Reading, read_policies
from tests.support.enforcement_setup import (
    CISE_GROUP,
    KINDS,
    NOW,
    OTHER_DIGEST,
    SIGNED_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    again,
    containers,
    key_secret,
    pod,
    policy,
    request,
    workload,
)

ALLOW_REGISTRY = policy('{name: "r.example.com/*"}')
GOOD, BAD = "r.example.com/app:1", "other.example.com/app:1"
BAD_TEXT = (
    f'Deny "{BAD}", no matching repositories in ClusterImagePolicy and no ImagePolicies in the "default" namespace'
)
SIGNED_POLICY = policy(SIGNED_ENTRY) + key_secret("signer1")
DENIED = "simple: policy denied the request: "


def simple(requirement: str, store: str = 'storeURL: "https://signatures.example.com", ') -> str:
    """A policy whose one entry has these requirements."""
    return policy(f'{{name: "127.0.0.1:5000/*", policy: {{simple: {{{store}requirements: [{requirement}]}}}}}}')


class TestWhatIsExamined:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_with_its_path(self, kind: str) -> None:
        world = CiseSetup(ALLOW_REGISTRY)
        assert world.decide(request(workload(kind, GOOD))).allowed
        (denial,) = world.decide(request(workload(kind, BAD))).denials
        assert (denial.image, denial.because) == (BAD, BAD_TEXT)
        assert denial.at.endswith("spec.containers[0].image")
        assert denial.code is DenialCode.NO_MATCHING_REPOSITORY

    def test_cron_job_path(self) -> None:
        (denial,) = CiseSetup(ALLOW_REGISTRY).decide(request(workload("CronJob", BAD))).denials
        assert denial.at == "spec.jobTemplate.spec.template.spec.containers[0].image"

    @pytest.mark.parametrize("group", ["extensions", "apps"])
    def test_old_group_of_deployments(self, group: str) -> None:
        asked = request(workload("Deployment", BAD), resource=GroupResource(group, "deployments"))
        assert not CiseSetup(ALLOW_REGISTRY).decide(asked).allowed

    def test_pods_only_leaves_controllers_to_their_pods(self) -> None:
        world = CiseSetup(ALLOW_REGISTRY, CiseSettings.for_profile(Profile.CISE))
        assert not world.plugin.covers(request(workload("Deployment", BAD)))
        assert world.plugin.covers(request(pod(BAD)))

    @pytest.mark.parametrize(
        "resource, api_version, shown",
        [
            (GroupResource("", "services"), "v1", "/v1/services"),
            (GroupResource("example.com", "jobs"), "example.com/v1alpha1", "example.com/v1alpha1/jobs"),
        ],
    )
    def test_what_is_no_workload(self, resource: GroupResource, api_version: str, shown: str) -> None:
        """Denied where it reaches an endpoint of this path, none of our business beside other plug-ins."""
        asked = request({"apiVersion": api_version, "kind": "Service", "metadata": {"name": "x"}}, resource=resource)
        assert not CiseSetup(ALLOW_REGISTRY).plugin.covers(asked)
        for hook in (Hook.ADMIT, Hook.TRUST, Hook.VA):
            assert CiseSetup(ALLOW_REGISTRY, hook=hook).message(asked) == (
                f'\nThe resource "{shown}" is not supported. Make sure that you are using a supported kubectl version, '
                "and that you are using a supported Kubernetes workload type"
            )

    @pytest.mark.parametrize("operation, covered", [("CREATE", True), ("UPDATE", True), ("DELETE", False)])
    def test_operations(self, operation: str, covered: bool) -> None:
        """Deleting a workload is never examined."""
        assert CiseSetup(ALLOW_REGISTRY).plugin.covers(request(pod(BAD), operation=operation)) is covered

    @pytest.mark.parametrize("sub_resource, covered", [("ephemeralcontainers", True), ("status", False)])
    def test_sub_resources(self, sub_resource: str, covered: bool) -> None:
        asked = request(pod(BAD), operation="UPDATE", sub_resource=sub_resource)
        assert CiseSetup(ALLOW_REGISTRY).plugin.covers(asked) is covered

    def test_malformed_objects_are_denied_with_the_place(self) -> None:
        document = pod(GOOD)
        document["spec"]["containers"] = "none"
        assert CiseSetup(ALLOW_REGISTRY).message(request(document)) == "\nspec.containers: expected a list, got str"

    def test_template_without_spec_is_an_empty_pod(self) -> None:
        document = workload("ReplicationController", BAD)
        del document["spec"]["template"]
        assert CiseSetup(ALLOW_REGISTRY).decide(request(document)).allowed


class TestDenials:
    def test_all_are_reported_in_container_order_init_first(self) -> None:
        document = pod("b.example.com/x", GOOD, "a.example.com/x", initContainers=containers("z.example.com/x"))
        decision = CiseSetup(ALLOW_REGISTRY).decide(request(document))
        assert [denial.image for denial in decision.denials] == [
            "z.example.com/x",
            "b.example.com/x",
            "a.example.com/x",
        ]
        assert [denial.at for denial in decision.denials] == [
            "spec.initContainers[0].image",
            "spec.containers[0].image",
            "spec.containers[2].image",
        ]
        assert decision.status is not None
        assert decision.status.message == "".join(f"\n{denial.because}" for denial in decision.denials)
        assert (decision.status.code, decision.status.reason) == (0, "")

    def test_the_same_sentence_is_said_once(self) -> None:
        world = CiseSetup(ALLOW_REGISTRY)
        assert world.message(request(pod(BAD, BAD))) == f"\n{BAD_TEXT}"
        assert len(world.decide(request(pod(BAD, BAD))).denials) == 2

    def test_document_003_text_stands_on_the_api_servers_line(self) -> None:
        settings = CiseSettings.for_profile(Profile.CISE)
        text = f"Deny, no image policies or cluster polices for {BAD}"
        assert CiseSetup("", settings).message(request(pod(BAD))) == text
        world = CiseSetup(ALLOW_REGISTRY, CiseSettings(messages=Dialect.CISE))
        assert world.message(request(pod(BAD))) == text
        assert world.message(request(pod(BAD, "Bad"))) == f'\n{text}\nDeny "Bad", invalid image name'

    def test_no_policy_at_all(self) -> None:
        (denial,) = CiseSetup("").decide(request(pod(BAD))).denials
        assert denial.because == f'Deny "{BAD}", no image policies or cluster polices'
        assert denial.code is DenialCode.NO_POLICY

    def test_policies_that_cannot_be_read_deny_everything(self) -> None:
        world = CiseSetup(policy('{name: "*"}'))
        assert world.decide(request(pod(GOOD))).allowed
        unread = PolicySet((), unavailable="clusterimagepolicies: connection refused")
        object.__setattr__(world.plugin, "policies", unread)
        decision = world.decide(request(pod(GOOD)))
        assert decision.only_lacks_evidence
        assert decision.denials[0].because == "clusterimagepolicies: connection refused"

    @pytest.mark.parametrize("image", ["R.example.com/App", "r.example.com/app@sha256:12", "r.example.com/app:"])
    def test_invalid_image_name(self, image: str) -> None:
        (denial,) = CiseSetup(policy('{name: "*"}')).decide(request(pod(image))).denials
        assert denial.because == f'Deny "{image}", invalid image name'
        assert denial.code is DenialCode.INVALID_IMAGE_NAME

    def test_rules_name_the_entries_that_decided(self) -> None:
        world = CiseSetup(
            policy('{name: "r.example.com/*"}', '{name: "*", policy: {simple: {requirements: [{type: reject}]}}}')
        )
        decision = world.decide(request(pod(GOOD, BAD)))
        assert decision.rules == (
            "ClusterImagePolicy p repositories[0] r.example.com/*",
            "ClusterImagePolicy p repositories[1] *",
        )
        assert decision.denials[0].rule == "ClusterImagePolicy p repositories[1] *"


class TestReservedNamespaces:
    def test_a_bypass_is_visible_and_reads_no_policy(self) -> None:
        world = CiseSetup("", CiseSettings.for_profile(Profile.CLOUDPAK))
        decision = world.decide(request(pod(BAD), namespace="kube-system"))
        assert decision.allowed
        assert decision.annotations == {"bypass": "reserved-namespace"}
        assert not world.decide(request(pod(BAD), namespace="kube-systems")).allowed

    def test_none_in_the_other_profiles(self) -> None:
        for profile in (Profile.CISE, Profile.PORTIERIS):
            world = CiseSetup("", CiseSettings.for_profile(profile))
            assert not world.decide(request(pod(BAD), namespace="kube-system")).allowed


class TestBlankImages:
    @pytest.mark.parametrize("image", ["", " \t"])
    def test_pods_are_denied_by_the_final_pass(self, image: str) -> None:
        world = CiseSetup(policy('{name: "*"}'))
        assert world.decide(request(pod(image))).allowed
        (text,) = world.texts(request(pod(image), phase=Phase.VALIDATE))
        assert text == 'Deny "{}", invalid image name'.format(image.replace("\t", "\\t"))

    def test_templates_may_leave_the_image_to_a_trigger(self) -> None:
        world = CiseSetup(ALLOW_REGISTRY)
        for phase in Phase:
            assert world.decide(request(workload("Deployment", ""), phase=phase)).allowed
            assert not world.decide(request(workload("Deployment", "", BAD), phase=phase)).allowed


class TestEphemeralContainersAndVolumes:
    def document(self, image: str) -> dict[str, object]:
        document = pod(GOOD)
        document["spec"]["ephemeralContainers"] = [{"name": "debug", "image": image}]
        return document

    def update(self, image: str) -> list[str]:
        asked = request(self.document(image), operation="UPDATE", old=pod(GOOD), sub_resource="ephemeralcontainers")
        decision = CiseSetup(ALLOW_REGISTRY).decide(asked)
        return [denial.at for denial in decision.denials]

    def test_ephemeral_containers(self) -> None:
        assert self.update(BAD) == ["spec.ephemeralContainers[0].image"]
        assert self.update(GOOD) == []

    def test_image_volumes_are_examined_and_never_rewritten(self) -> None:
        def volumes(image: str) -> list[dict[str, object]]:
            return [{"name": "data", "image": {"reference": image}}]

        (denial,) = CiseSetup(ALLOW_REGISTRY).decide(request(pod(GOOD, volumes=volumes(BAD)))).denials
        assert denial.at == "spec.volumes[0].image.reference"
        for phase in Phase:
            asked = request(pod(volumes=volumes(SIGNED_IMAGE)), phase=phase)
            decision = CiseSetup(SIGNED_POLICY).decide(asked)
            assert (decision.denials, decision.rewrites) == ((), ())
            (warning,) = decision.warnings
            assert warning == (
                f"imagegate: image {SIGNED_IMAGE} of volume data was verified as {SIGNED_DIGEST}, but is not "
                "rewritten: the node mounts what the tag then resolves to; name the digest in the volume's reference"
            )
        pinned = f"{SIGNED_IMAGE.removesuffix(':v1')}@{SIGNED_DIGEST}"
        assert CiseSetup(SIGNED_POLICY).decide(request(pod(volumes=volumes(pinned)))).warnings == ()
        assert CiseSetup(ALLOW_REGISTRY).decide(request(pod(volumes=volumes(GOOD)))).warnings == ()


class TestUpdates:
    def test_a_pod_whose_images_stay_is_left_alone(self) -> None:
        """Finalisers and labels of running Pods must not depend on a registry or on newer policies."""
        decision = CiseSetup(ALLOW_REGISTRY).decide(request(pod(BAD), operation="UPDATE", old=pod(BAD)))
        assert decision.annotations == {"skipped": "images-unchanged"}

    @pytest.mark.parametrize("old", [pod(GOOD), pod(BAD, "x")])
    def test_a_changed_or_moved_image_is_examined(self, old: dict[str, object]) -> None:
        new = pod(BAD) if len(old["spec"]["containers"]) == 1 else pod("x", BAD)  # type: ignore[index]
        assert not CiseSetup(ALLOW_REGISTRY).decide(request(new, operation="UPDATE", old=old)).allowed

    def update(self, new: dict[str, Any], old: dict[str, Any]) -> bool:
        """Whether an update passes where the images of ``BAD``'s registry are no longer allowed."""
        asked = request(new, operation="UPDATE", old=old)
        decisions = [
            CiseSetup(ALLOW_REGISTRY, hook=hook).decide(dataclasses.replace(asked, phase=phase))
            for hook in Hook
            for phase in Phase
        ]  # at every endpoint, in both passes
        assert len({decision.allowed for decision in decisions}) == 1
        return decisions[0].allowed

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_controllers_and_people_do_to_old_objects_passes(self, kind: str) -> None:
        """A policy that was tightened must not stop scaling to zero, rollouts, adoption, labels and deletion."""
        old = workload(kind, BAD, initContainers=containers(BAD))
        changes: tuple[Callable[[dict[str, Any]], object], ...] = (
            lambda new: new["spec"].update(replicas=0, paused=True, suspend=True),
            lambda new: new["metadata"].update(labels={"a": "b"}, annotations={"a": "b"}),
            lambda new: new["metadata"].update(finalizers=["orphan"], deletionTimestamp="2026-11-22T00:00:00Z"),
            lambda new: new["metadata"].update(ownerReferences=[{"kind": "ReplicaSet", "uid": "1"}]),
            lambda new: new.update(status={"replicas": 3}),
        )
        for change in changes:
            new = copy.deepcopy(old)
            change(new)
            assert self.update(new, old)
            assert not self.update(new, workload(kind, GOOD))  # its twin: the image came with this update

    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_is_smuggled_in_as_unchanged(self, kind: str) -> None:
        template = {"Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec")}
        volume = {"name": "v", "image": {"reference": GOOD}}
        old = workload(kind, BAD, GOOD, volumes=[volume], ephemeralContainers=containers(GOOD)[:1])

        def changed(**spec: Any) -> dict[str, Any]:
            new = copy.deepcopy(old)
            at = new
            for key in template.get(kind, ("spec", "template", "spec")):
                at = at[key]
            at.update(spec)
            return new

        c0, c1 = containers(BAD, GOOD)
        assert self.update(changed(), old)
        assert self.update(changed(containers=[c1, c0]), old)  # the same two, in another order
        assert self.update(changed(containers=[c0]), old)  # one that may not run is left, none came
        for new in (
            changed(containers=[c0 | {"image": GOOD}, c1 | {"image": BAD}]),  # swapped
            changed(containers=[c0, c1 | {"image": BAD}]),  # held by another container before
            changed(containers=[c0, c1, {"name": "c2", "image": BAD}]),
            changed(containers=[c0 | {"name": "renamed"}, c1]),
            changed(initContainers=[c0]),  # another kind of container
            changed(ephemeralContainers=[{"name": "c0", "image": BAD}]),
            changed(volumes=[volume | {"image": {"reference": BAD}}]),
            changed(volumes=[volume, {"name": "c0", "image": {"reference": BAD}}]),
            changed(containers=[c0 | {"imagePullPolicy": "Always"}, c1]),
            changed(volumes=[{"name": "v", "image": {"reference": GOOD, "pullPolicy": "Always"}}]),
            changed(imagePullSecrets=[{"name": "other"}]),
            changed(serviceAccountName="other"),
            changed(containers=[c0 | {"image": f"{BAD}\n"}, c1]),
        ):
            assert not self.update(new, old)

    def test_an_old_object_that_cannot_be_read_vouches_for_nothing(self) -> None:
        for spec in ({"containers": BAD}, {"containers": [BAD]}, {"containers": [{"name": "c0", "image": [BAD]}]}):
            assert not self.update(pod(BAD), pod() | {"spec": spec})
        assert not self.update(pod(BAD), {})

    def test_an_update_without_its_old_object_is_examined(self) -> None:
        asked = request(workload("Deployment", BAD), operation="UPDATE")
        assert not CiseSetup(ALLOW_REGISTRY).decide(asked).allowed
        assert not CiseSetup(ALLOW_REGISTRY).decide(request(workload("Deployment", BAD))).allowed

    def test_debugging_a_pod_with_an_older_debug_container(self) -> None:
        """An ephemeral container can never be taken away: a policy tightened since must not end all debugging."""

        def debugged(*images: str) -> dict[str, Any]:
            return pod(GOOD, ephemeralContainers=[{"name": f"d{n}", "image": each} for n, each in enumerate(images)])

        for images, allowed in (((BAD, GOOD), True), ((BAD, BAD), False), ((BAD,), True)):
            asked = request(
                debugged(*images), operation="UPDATE", old=debugged(BAD), sub_resource="ephemeralcontainers"
            )
            decision = CiseSetup(ALLOW_REGISTRY).decide(asked)
            assert decision.allowed is allowed
            assert [denial.at for denial in decision.denials] == ["spec.ephemeralContainers[1].image"][allowed:]


class TestPodsOnly:
    @pytest.mark.parametrize("hook", Hook)
    def test_it_holds_at_every_endpoint(self, hook: Hook) -> None:
        only = CiseSetup(ALLOW_REGISTRY, CiseSettings(pods_only=True), hook=hook)
        every = CiseSetup(ALLOW_REGISTRY, CiseSettings(pods_only=False), hook=hook)
        for kind in KINDS:
            asked = request(workload(kind, BAD))
            assert only.decide(asked).allowed is (kind != "Pod")
            assert not every.decide(asked).allowed

    def test_what_is_no_workload_is_still_denied_at_the_endpoints_of_its_own(self) -> None:
        asked = request({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}})
        for hook in Hook:
            assert CiseSetup(ALLOW_REGISTRY, CiseSettings(), hook=hook).decide(asked).allowed is (hook is Hook.ANY)


class TestSimple:
    def texts(self, documents: str, image: str = SIGNED_IMAGE, **world: object) -> list[str]:
        return CiseSetup(documents, **world).texts(request(pod(image)))  # type: ignore[arg-type]

    def test_signed_is_allowed(self) -> None:
        assert self.texts(SIGNED_POLICY) == []

    @pytest.mark.parametrize("image", ["127.0.0.1:5000/unsigned/app:v1", f"127.0.0.1:5000/unsigned/app@{OTHER_DIGEST}"])
    def test_unsigned(self, image: str) -> None:
        digests = {image: OTHER_DIGEST}
        (denial,) = CiseSetup(SIGNED_POLICY, digests=digests).decide(request(pod(image))).denials
        assert denial.because == f"{DENIED}A signature was required, but no signature exists"
        assert denial.code is DenialCode.SIGNATURE

    def test_another_key(self) -> None:
        (text,) = self.texts(policy(SIGNED_ENTRY) + key_secret("expired"))
        assert text.startswith(f"{DENIED}None of the signatures were accepted, reasons: ")

    def test_any_key_of_a_ring_will_do(self) -> None:
        assert self.texts(policy(SIGNED_ENTRY) + key_secret("expired", "signer2")) == []

    def test_all_requirements_must_hold(self) -> None:
        two = "{type: signedBy, keySecret: key}, {type: signedBy, keySecret: second}"
        keys = key_secret("signer1") + key_secret("signer2", name="second")
        assert self.texts(simple(two) + keys) == []
        keys = key_secret("signer1") + key_secret("revoked", name="second")
        assert len(self.texts(simple(two) + keys)) == 1

    def test_wrong_identity(self) -> None:
        image = "127.0.0.1:5000/signed/app:v2"
        (text,) = self.texts(policy(SIGNED_ENTRY) + key_secret("signer1"), image, digests={image: SIGNED_DIGEST})
        assert 'Signature for identity "127.0.0.1:5000/signed/app:v1" is not accepted' in text
        relaxed = simple("{type: signedBy, keySecret: key, signedIdentity: {type: matchRepository}}")
        assert self.texts(relaxed + key_secret("signer1"), image, digests={image: SIGNED_DIGEST}) == []

    def test_reject_needs_no_registry(self) -> None:
        world = CiseSetup(simple("{type: reject}"))
        assert world.texts(request(pod(SIGNED_IMAGE))) == [
            f"{DENIED}Running image docker://{SIGNED_IMAGE} is rejected by policy."
        ]
        assert world.asked == []

    def test_accept_anything_reads_the_manifest_and_rewrites(self) -> None:
        decision = CiseSetup(simple("{type: insecureAcceptAnything}")).decide(request(pod(SIGNED_IMAGE)))
        assert decision.rewrites[0].value == f"127.0.0.1:5000/signed/app@{SIGNED_DIGEST}"

    @pytest.mark.parametrize(
        "documents, text",
        [
            (simple("{type: signedBy}"), "KeySecret missing in signedBy requirement"),
            (simple("{type: signedBy, keySecret: absent}"), 'secrets "absent" not found'),
            (
                simple("{type: signedBy, keySecret: key}")
                + "---\n{apiVersion: v1, kind: Secret, metadata: {name: key}}\n",
                'secret "key" in "default" does not contain a "key" attribute',
            ),
            (
                simple("{type: signedBy, keySecret: key}")
                + '---\n{apiVersion: v1, kind: Secret, metadata: {name: key}, stringData: {key: ""}}\n',
                "Key: empty",
            ),
            (
                simple("{type: signedBy, keySecret: key}")
                + "---\n{apiVersion: v1, kind: Secret, metadata: {name: key}, data: {key: '!'}}\n",
                "key is not base64",
            ),
            (
                simple("{type: signedBy, keySecret: key, signedIdentity: {type: remapIdentity, prefix: 'x y'}}")
                + key_secret("signer1"),
                'prefix "x y" is not valid',
            ),
            (
                simple("{type: signedBy, keySecret: key}", "storeURL: 'file:///x', ") + key_secret("signer1"),
                "expecting https:// or http:// URL, got: file:///x",
            ),
            (
                simple("{type: signedBy, keySecret: key}", "storeSecret: s, storeURL: 'https://s.example.com', ")
                + key_secret("signer1")
                + "---\n{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {username: u}}\n",
                "secret: s, does not contain password",
            ),
        ],
    )
    def test_mistakes_of_the_policy_have_no_prefix(self, documents: str, text: str) -> None:
        assert self.texts(documents) == [text]

    def test_image_with_tag_and_digest(self) -> None:
        image = f"{SIGNED_IMAGE}@{SIGNED_DIGEST}"
        assert self.texts(SIGNED_POLICY, image) == [
            "simple: Docker references with both a tag and digest are currently not supported"
        ]

    def test_no_such_manifest(self) -> None:
        assert self.texts(SIGNED_POLICY, "127.0.0.1:5000/absent:1") == [
            "simple: manifest unknown: 127.0.0.1:5000/absent:1"
        ]

    def test_private_image_without_any_pull_secret(self) -> None:
        documents = policy('{name: "*", policy: {simple: {requirements: [{type: insecureAcceptAnything}]}}}')
        (denial,) = CiseSetup(documents).decide(request(pod("private.example.com/a:1"))).denials
        assert denial.because == 'Deny "private.example.com/a:1", no valid ImagePullSecret, 0 tried'
        assert denial.code is DenialCode.NO_PULL_SECRET

    @pytest.mark.parametrize("question", [Secret, ManifestDigest, ImageSignatures])
    def test_what_cannot_be_found_out_denies(self, question: type[Question]) -> None:
        failing = {question: Unknown("connection refused")}
        decision = CiseSetup(SIGNED_POLICY, failing=failing).decide(request(pod(SIGNED_IMAGE)))
        assert decision.only_lacks_evidence
        assert "connection refused" in decision.denials[0].because

    @pytest.mark.parametrize("question", [Secret, ManifestDigest, ImageSignatures])
    def test_out_of_time(self, question: type[Question]) -> None:
        failing = {question: DeadlineExceeded("no answer within 8 s")}
        (denial,) = CiseSetup(SIGNED_POLICY, failing=failing).decide(request(pod(SIGNED_IMAGE))).denials
        assert denial.because == f'imagegate: deadline exceeded while checking "{SIGNED_IMAGE}"'
        assert denial.code is DenialCode.DEADLINE

    def test_a_missing_answer_counts_as_out_of_time(self) -> None:
        asked = request(pod(SIGNED_IMAGE))
        world = CiseSetup(SIGNED_POLICY)
        (denial,) = world.plugin.decide(asked, KnownAnswers(), now=NOW).denials
        assert denial.code is DenialCode.DEADLINE


class TestKeyNamespaces:
    REQUIREMENT = "{type: signedBy, keySecret: key, keySecretNamespace: keys}"

    def documents(self, namespace: str) -> str:
        entry = SIGNED_ENTRY.replace("{type: signedBy, keySecret: key}", self.REQUIREMENT)
        return policy(entry, namespace=namespace) + key_secret("signer1", namespace="keys")

    def test_a_cluster_policy_may_use_any_namespace(self) -> None:
        assert CiseSetup(self.documents("")).decide(request(pod(SIGNED_IMAGE))).allowed

    def test_a_namespace_policy_only_its_own_and_those_of_the_settings(self) -> None:
        world = CiseSetup(self.documents("default"))
        assert world.texts(request(pod(SIGNED_IMAGE))) == [
            'imagegate: an ImagePolicy of namespace "default" may not use keys of namespace "keys"'
        ]
        assert world.asked == []
        settings = CiseSettings(profile=Profile.PORTIERIS, pods_only=False, simple_key_namespaces=frozenset({"keys"}))
        assert CiseSetup(self.documents("default"), settings).decide(request(pod(SIGNED_IMAGE))).allowed


class TestPullSecrets:
    DOCUMENTS = (
        policy('{name: "*", policy: {simple: {requirements: [{type: insecureAcceptAnything}]}}}')
        + "---\n{apiVersion: v1, kind: Secret, metadata: {name: pull}, stringData: "
        + """{.dockerconfigjson: '{"auths": {"private.example.com": {"username": "u", "password": "p"}}}'}}\n"""
        + "---\n{apiVersion: v1, kind: Secret, metadata: {name: broken}, stringData: {.dockerconfigjson: '{'}}\n"
        + "---\n{apiVersion: v1, kind: Secret, metadata: {name: other}, stringData: {x: y}}\n"
        + "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: builder}, imagePullSecrets: [{name: pull}]}\n"
    )
    IMAGE = "private.example.com/a:1"

    def world(self) -> CiseSetup:
        return CiseSetup(self.DOCUMENTS, digests={self.IMAGE: OTHER_DIGEST})

    def test_those_of_the_pod_in_order_broken_ones_left_out(self) -> None:
        names = [{"name": name} for name in ("absent", "broken", "other", "pull")]
        world = self.world()
        assert world.decide(request(pod(self.IMAGE, imagePullSecrets=names))).allowed
        (asked,) = [question for question in world.asked if isinstance(question, ManifestDigest)]
        assert [secret.name for secret in asked.secrets] == ["pull"]

    def test_a_controllers_service_account_where_it_names_none(self) -> None:
        world = self.world()
        assert world.decide(request(workload("Deployment", self.IMAGE, serviceAccountName="builder"))).allowed
        assert ServiceAccount("default", "builder") in world.asked
        assert not world.decide(request(workload("Deployment", self.IMAGE))).allowed
        assert ServiceAccount("default", "default") in world.asked

    def test_not_for_pods_which_have_them_already(self) -> None:
        world = self.world()
        assert not world.decide(request(pod(self.IMAGE, serviceAccountName="builder"))).allowed
        assert not any(isinstance(question, ServiceAccount) for question in world.asked)

    def test_nothing_is_asked_where_only_names_decide(self) -> None:
        world = CiseSetup(ALLOW_REGISTRY)
        world.decide(request(workload("Deployment", GOOD, imagePullSecrets=[{"name": "pull"}])))
        assert world.asked == []


class TestWhatIsNotBuiltYet:
    """Content trust: asked for, it denies and says why; it never passes."""

    TRUST = '{name: "*", policy: {trust: {enabled: true}}}'
    VA = '{name: "*", policy: {va: {enabled: true}}}'

    @pytest.mark.parametrize(
        "entry, group, image, text",
        [
            (TRUST, CISE_GROUP, "r.example.com/a", "Trust is not supported for images from this registry"),
            (TRUST, CISE_GROUP, "nginx", "Trust is not supported for images from this registry"),
            (
                TRUST,
                "portieris.cloud.ibm.com/v1",
                "r.example.com/a",
                "trust: Trust Server/Image Configuration Error: no trust server could be found",
            ),
            (
                TRUST,
                "portieris.cloud.ibm.com/v1",
                "nginx",
                'trust: policy denied the request: Deny "nginx", failed to get content trust information: not asked',
            ),
            (
                TRUST,
                CISE_GROUP,
                "us.icr.io/a/b",
                "Deny, failed to get content trust information: not asked",
            ),
        ],
    )
    def test_texts(self, entry: str, group: str, image: str, text: str) -> None:
        world = CiseSetup(policy(entry, group=group))
        assert world.texts(request(pod(image))) == [text]

    def test_trust_first_and_the_first_refusal_ends_it(self) -> None:
        """docs/spec/enforcement.md 11.2 row 4: the second flag is not applied."""
        entry = '{name: "*", policy: {trust: {enabled: true}, va: {enabled: true}}}'
        world = CiseSetup(policy(entry, group=CISE_GROUP))
        assert world.texts(request(pod("r.example.com/a"))) == ["Trust is not supported for images from this registry"]
        world = CiseSetup(policy(entry), CiseSettings(report_all=True))
        assert [text[:6] for text in world.texts(request(pod("r.example.com/a")))] == ["Cannot", "trust:"]

    def test_hooks(self) -> None:
        """The trust hook asks for no report; the va hook finds what it must."""
        assert CiseSetup(policy(self.VA), hook=Hook.TRUST).decide(request(pod("us.icr.io/a"))).allowed
        for hook in (Hook.VA, Hook.ADMIT, Hook.ANY):
            assert not CiseSetup(policy(self.VA), hook=hook).decide(request(pod("us.icr.io/a"))).allowed

    def test_disabled_is_not_asked_for(self) -> None:
        entry = '{name: "*", policy: {trust: {enabled: false}, va: {enabled: false}}}'
        assert CiseSetup(policy(entry)).decide(request(pod("r.example.com/a"))).allowed


def test_an_unknown_requirement_type_that_a_cluster_has_stored() -> None:
    world = CiseSetup("")
    loaded = read_policies(simple("{type: sigstoreSigned}"), "stored", Reading(lenient=True))
    object.__setattr__(world.plugin, "policies", PolicySet(loaded.policies))
    assert world.texts(request(pod(SIGNED_IMAGE))) == ["simple policy invalid Type: sigstoreSigned"]


def test_report_all_waits_for_every_check() -> None:
    settings = CiseSettings(profile=Profile.PORTIERIS, report_all=True)
    entry = SIGNED_ENTRY.replace("policy: {", "policy: {va: {enabled: true}, ")
    texts = CiseSetup(policy(entry) + key_secret("revoked"), settings).texts(request(pod(SIGNED_IMAGE)))
    assert [text.partition(" ")[0] for text in texts] == ["Cannot", "simple:"]


def test_name_and_object_that_is_missing() -> None:
    world = CiseSetup(ALLOW_REGISTRY)
    assert world.plugin.name == "cise"
    asked = again(request(pod(GOOD)), None, Phase.MUTATE)
    assert world.texts(asked) == ["the request has no object"]
