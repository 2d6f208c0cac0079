"""The documents' own examples and commands (docs/spec/enforcement.md 11.2, 16, 23 and 24), one test a row.

Rows that need nothing of imagegate, or that other tests hold:

* signing: ``gpg``, ``buildah --sign-by``, ``skopeo --sign-by``, ``curl`` to a key vault:
  ``tests/service/test_signed_images.py`` and ``tests/cli/test_key.py``;
* ``sed`` on the sample policy, the YAML of all documents: ``tests/documents/test_image_policies_shipped.py``;
* ``helm``, ``kubectl delete ...WebhookConfiguration``, ``ibmcloud oc cluster image-security``: installation;
* ``docker trust signer add``, trust and vulnerability verdicts: content trust, which denies until it is built;
* ``git clone``, ``vi``, ``jq``, ``base64``, ``bx cr images``, ``kubectl get``: nothing that imagegate answers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from imagegate.core.admission.request import Phase
from imagegate.core.enforcement.behaviour import CiseSettings, Dialect, Profile
from imagegate.core.enforcement.plugin import Hook
from imagegate.core.references.docker import DockerReference
from tests.core.enforcement.test_plugin_rewriting import TrustSays
from tests.support.enforcement_setup import (
    CISE_GROUP,
    OTHER_DIGEST,
    SIGNED_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    SIGNING,
    CiseSetup,
    containers,
    key_secret,
    pod,
    policy,
    request,
    workload,
)
from tests.support.kubectl import Kubectl

ROOT = Path(__file__).parents[3]
CISE = CiseSettings.for_profile(Profile.CISE)
PORTIERIS = CiseSettings.for_profile(Profile.PORTIERIS)


def shipped(*names: str) -> str:
    return "---\n".join((ROOT / "config/policies" / name).read_text() for name in names)


class TestDocument003:
    WORLD = ("cise/cluster-wide.yaml", "cise/kube-system.yaml", "cise/ibm-system.yaml")

    def test_default_policies(self) -> None:
        """kube-system and ibm-system allow everything, elsewhere trust is asked for first."""
        world = CiseSetup(shipped(*self.WORLD), CISE)
        for namespace in ("kube-system", "ibm-system"):
            assert world.decide(request(pod("quay.io/x"), namespace=namespace)).allowed
        assert world.message(request(pod("quay.io/x"))) == "Trust is not supported for images from this registry"

    def test_deployment_is_created_and_its_pods_are_not(self) -> None:
        """``kubectl describe rs`` then shows the pod's denial."""
        world = CiseSetup(shipped(*self.WORLD), CISE)
        assert not world.plugin.covers(request(workload("Deployment", "quay.io/x")))
        assert not world.plugin.covers(request(workload("ReplicaSet", "quay.io/x")))
        assert not world.decide(request(pod("quay.io/x"))).allowed

    def test_no_policy_text(self) -> None:
        message = CiseSetup("", CISE).message(request(pod("r.example.com/app:1")))
        assert message == "Deny, no image policies or cluster polices for r.example.com/app:1"

    def test_empty_repositories_block_everything(self) -> None:
        assert not CiseSetup(policy(group=CISE_GROUP), CISE).decide(request(pod("a"))).allowed

    def test_a_new_document_overrides_for_its_namespace(self) -> None:
        documents = shipped(*self.WORLD) + policy('{name: "quay.io/*"}', namespace="team", group=CISE_GROUP)
        world = CiseSetup(documents, CISE)
        assert world.decide(request(pod("quay.io/x"), namespace="team")).allowed
        assert not world.decide(request(pod("docker.io/x"), namespace="team")).allowed


class TestDocument000:
    def world(self) -> CiseSetup:
        return CiseSetup(shipped("cloudpak/cluster-image-policy.yaml"), CiseSettings.for_profile(Profile.CLOUDPAK))

    def test_denial_as_printed(self) -> None:
        assert self.world().message(request(pod("docker.io/rook/rook-agent:v0.7.1"))) == (
            '\nDeny "docker.io/rook/rook-agent:v0.7.1", no matching repositories in ClusterImagePolicy '
            'and no ImagePolicies in the "default" namespace'
        )

    @pytest.mark.parametrize(
        "image, allowed",
        [
            ("cp.icr.io/cp/app:1", True),
            ("us.icr.io/a/b", True),
            ("icr.io/a@sha256:" + "a" * 64, True),
            ("docker.io/nginx:1", True),
            ("docker.io/nginx", False),
            ("docker.io/library/nginx:1", False),
            ("nginx:1", False),
            (f"quay.io/openshift-release-dev/x@{OTHER_DIGEST}", True),
            ("evil.io/icr.io/a", False),
            ("icr.io.evil.io/a", False),
        ],
    )
    def test_default_list(self, image: str, allowed: bool) -> None:
        assert self.world().decide(request(pod(image))).allowed is allowed
        assert self.world().decide(request(workload("Deployment", image))).allowed is allowed

    def test_reserved_namespace(self) -> None:
        assert self.world().decide(request(pod("evil.io/x"), namespace="ibm-common-services")).allowed

    def test_namespace_scope_is_used_instead_of_the_cluster_scope(self) -> None:
        documents = shipped("cloudpak/cluster-image-policy.yaml") + policy('{name: "a/*"}', namespace="default")
        world = CiseSetup(documents, CiseSettings.for_profile(Profile.CLOUDPAK))
        assert not world.decide(request(pod("icr.io/a"))).allowed


class TestDocument001:
    """The four cases with trust and va, as far as they can be told without those services."""

    def world(self, trust: bool, va: bool, signed: bool) -> CiseSetup:
        text = (ROOT / "config/walkthrough/contents/defaultcluster-wide.yaml").read_text()
        lines = text.splitlines()
        lines[12] = lines[12].replace("false", str(trust).lower())
        lines[14] = lines[14].replace("false", str(va).lower())
        checks = CiseSetup("").checks
        if signed:
            checks = tuple(TrustSays("ab" * 32) if check.kind == "trust" else check for check in checks)
        return CiseSetup("\n".join(lines) + "\n", CISE, checks=checks)

    def pod(self) -> dict[str, object]:
        template = yaml.safe_load((ROOT / "config/walkthrough/contents/tomcat.yaml").read_text())["spec"]["template"]
        image = "us.icr.io/space/tomcat:latest"
        return pod(image) | {"metadata": template["metadata"] | {"name": "tomcat", "namespace": "default"}}

    def denials(self, world: CiseSetup, hook: Hook) -> int:
        world.plugin = world.plugin.for_hook(hook)
        phase = Phase.VALIDATE if hook is Hook.VA else Phase.MUTATE
        return len(world.decide(request(self.pod(), phase=phase)).denials)

    @pytest.mark.parametrize(
        "trust, va, signed, by_trust_hook, by_va_hook",
        [
            (False, False, False, 0, 0),
            (False, True, False, 0, 1),
            (True, False, False, 1, 1),
            (True, False, True, 0, 0),
            (True, True, False, 1, 1),
            (True, True, True, 0, 1),
        ],
    )
    def test_which_webhook_denies(
        self, trust: bool, va: bool, signed: bool, by_trust_hook: int, by_va_hook: int
    ) -> None:
        """One denial each: trust first, and after it va is not consulted."""
        assert self.denials(self.world(trust, va, signed), Hook.TRUST) == by_trust_hook
        assert self.denials(self.world(trust, va, signed), Hook.VA) == by_va_hook

    def test_deleting_a_workload_is_never_examined(self) -> None:
        world = self.world(True, True, False)
        assert not world.plugin.covers(request(self.pod(), operation="DELETE"))


class TestDocument002:
    POLICY = """\
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata:
  name: mynamespace-cluster-image-policy
spec:
  repositories:
    - name: "127.0.0.1:5000/signed/*"
      policy:
        mutateImage: false
        simple:
          storeURL: https://signatures.example.com
          requirements:
            - type: "signedBy"
              keySecret: image-signing-public-key
"""

    def test_policy_with_the_secret_that_kubectl_makes(self, kubectl: Kubectl, tmp_path: Path) -> None:
        """``oc create secret generic image-signing-public-key --from-file=key=key.pubkey``."""
        public_key = tmp_path / "key.pubkey"
        public_key.write_bytes((SIGNING / "keys/signer2.asc").read_bytes())
        secret = kubectl(
            "create", "secret", "generic", "image-signing-public-key", f"--from-file=key={public_key}",
            "--namespace=default", "--dry-run=client", "-o", "yaml",
        ).stdout  # fmt: skip
        world = CiseSetup(f"{self.POLICY}---\n{secret}")
        decision = world.decide(request(workload("Deployment", SIGNED_IMAGE)))
        assert (decision.denials, decision.rewrites) == ((), ())

    def test_denial_as_quoted(self) -> None:
        image = "127.0.0.1:5000/signed/unsigned:1"
        documents = self.POLICY + key_secret("signer1", name="image-signing-public-key")
        (text,) = CiseSetup(documents, digests={image: OTHER_DIGEST}).texts(request(pod(image)))
        assert text == "simple: policy denied the request: A signature was required, but no signature exists"

    def test_signer_secret_that_kubectl_makes(self, kubectl: Kubectl, tmp_path: Path) -> None:
        """docs/spec/enforcement.md 24: ``--from-literal=name=<signer_name> --from-file=publicKey=<key.pub>``."""
        (tmp_path / "key.pub").write_text("PEM")
        made = kubectl(
            "create", "secret", "generic", "alice", "--from-literal=name=alice",
            f"--from-file=publicKey={tmp_path / 'key.pub'}", "--dry-run=client", "-o", "json",
        ).stdout  # fmt: skip
        assert set(json.loads(made)["data"]) == {"name", "publicKey"}


def simple(requirement: str) -> str:
    return policy(SIGNED_ENTRY.replace("{type: signedBy, keySecret: key}", requirement))


ANYTHING = policy('{name: "*", policy: {simple: {requirements: [{type: insecureAcceptAnything}]}}}')
SIGNED = policy(SIGNED_ENTRY) + key_secret("signer1")


@pytest.mark.parametrize(
    "number, documents, settings, image, expected",
    [
        (1, policy('{name: "*"}'), PORTIERIS, "A", 'Deny "A", invalid image name'),
        (2, "", PORTIERIS, "a", 'Deny "a", no image policies or cluster polices'),
        (3, "", CISE, "a", "Deny, no image policies or cluster polices for a"),
        (
            4,
            policy("{name: b}"),
            PORTIERIS,
            "a",
            'Deny "a", no matching repositories in ClusterImagePolicy and no ImagePolicies in the "default" namespace',
        ),
        (
            5,
            policy("{name: b}", namespace="default"),
            PORTIERIS,
            "a",
            'Deny "a", no matching repositories in the ImagePolicies',
        ),
        (
            7,
            policy('{name: "*", policy: {trust: {enabled: true}}}', group=CISE_GROUP),
            CISE,
            "a",
            "Trust is not supported for images from this registry",
        ),
        (
            10,
            policy('{name: "*", policy: {trust: {enabled: true}}}'),
            PORTIERIS,
            "r.io/a",
            "trust: Trust Server/Image Configuration Error: no trust server could be found",
        ),
        (
            16,
            SIGNED,
            PORTIERIS,
            f"{SIGNED_IMAGE}@{SIGNED_DIGEST}",
            "simple: Docker references with both a tag and digest are currently not supported",
        ),
        (
            17,
            simple("{type: reject}"),
            PORTIERIS,
            SIGNED_IMAGE,
            f"simple: policy denied the request: Running image docker://{SIGNED_IMAGE} is rejected by policy.",
        ),
        (18, simple("{type: signedBy}"), PORTIERIS, SIGNED_IMAGE, "KeySecret missing in signedBy requirement"),
        (
            19,
            ANYTHING,
            PORTIERIS,
            "private.example.com/a",
            'Deny "private.example.com/a", no valid ImagePullSecret, 0 tried',
        ),
        (
            21,
            policy('{name: "*", policy: {va: {enabled: true}}}'),
            PORTIERIS,
            "a",
            'Cannot use Vulnerability Advisor for IBM Cloud Container Registry with image "a"',
        ),
    ],
)
def test_texts_of_section_16_3(number: int, documents: str, settings: CiseSettings, image: str, expected: str) -> None:
    """By number. 6, 20, 22: ``test_cise_plugin``, ``test_cise_rewriting``; 8, 9, 11-15, the rest of 21: not built."""
    assert CiseSetup(documents, settings).texts(request(pod(image))) == [expected]


def test_familiar_names_in_the_rejection() -> None:
    world = CiseSetup(policy('{name: "*", policy: {simple: {requirements: [{type: reject}]}}}'))
    (text,) = world.texts(request(pod("nginx")))
    assert text.endswith("Running image docker://nginx:latest is rejected by policy.")
    assert DockerReference.parse("docker.io/library/nginx").familiar == "nginx"


def test_one_entry_of_each_group_answers_in_its_own_words() -> None:
    trust = '{name: "%s", policy: {trust: {enabled: true}}}'
    documents = policy(trust % "one.example.com/*", name="a") + policy(trust % "two.example.com/*", group=CISE_GROUP)
    message = CiseSetup(documents).message(request(pod("one.example.com/x", "two.example.com/x")))
    assert message == (
        '\n"one.example.com/x": trust: Trust Server/Image Configuration Error: no trust server could be found'
        '\n"two.example.com/x": Trust is not supported for images from this registry'
    )
    for messages in (Dialect.PORTIERIS, Dialect.CISE):
        settings = CiseSettings(profile=Profile.PORTIERIS, pods_only=False, messages=messages)
        found = CiseSetup(documents, settings).message(request(pod("one.example.com/x", "two.example.com/x")))
        lines = found.strip("\n").split("\n")
        assert [line.partition(":")[0] for line in lines] == ['"one.example.com/x"', '"two.example.com/x"']


def test_init_containers_come_first_in_the_message() -> None:
    document = pod("b.io/x", initContainers=containers("a.io/x"))
    message = CiseSetup("", PORTIERIS).message(request(document))
    assert message == (
        '\nDeny "a.io/x", no image policies or cluster polices\nDeny "b.io/x", no image policies or cluster polices'
    )
