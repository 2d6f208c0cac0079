"""Weaknesses of Portieris 0.14.2, each in a test named after it; a twin shows what passes.

Source: docs/spec/enforcement.md 17.

Those that live elsewhere: the deadline of calls, repeated look-ups and their caches in ``tests/service``; token
requests and the status that decides on the next credential in ``tests/adapters/registry/test_client_hostile.py``; body
limits, probes, certificates, metrics and client certificates in ``tests/web``. Roots of trust per replica and the
digest of unreleased delegations belong to content trust, which denies until it is built.
"""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.lookup import DeadlineExceeded
from imagegate.core.admission.request import GroupResource, Phase
from imagegate.core.enforcement.plugin import Hook
from imagegate.core.enforcement.questions import Secret
from imagegate.core.enforcement.selection import PolicySet
from imagegate.core.enforcement.simple_requirement import SimpleCheck
from imagegate.core.enforcement.trust_servers import trust_server
from imagegate.core.image_streams.questions import Namespace
from imagegate.core.signing.requirements import ImageSignatures
from imagegate.documents.image_policies import read_policies
from tests.core.enforcement.test_plugin_rewriting import TrustSays
from tests.support.enforcement_setup import (
    CISE_GROUP,
    OTHER_DIGEST,
    SIGNED_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    key_secret,
    pod,
    policy,
    request,
    workload,
)

SIGNED = policy(SIGNED_ENTRY) + key_secret("signer1")
HEX = SIGNED_DIGEST.removeprefix("sha256:")
ALLOW = policy('{name: "r.example.com/*"}')


def allowed(world: CiseSetup, document: dict[str, Any], **asked: Any) -> bool:
    return world.decide(request(document, **asked)).allowed


def test_weakness_owner_references_are_believed() -> None:
    document = pod("evil.example.com/x")
    document["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "x", "uid": "x"}]
    assert not allowed(CiseSetup(ALLOW), document)
    document["spec"]["containers"][0]["image"] = "r.example.com/x"
    assert allowed(CiseSetup(ALLOW), document)


@pytest.mark.parametrize(
    "entries, images",
    [
        (
            ('{name: "r.io/a", policy: {trust: {enabled: true}}}', '{name: "r.io/a@sha256:*"}'),
            ("r.io/a:bad", f"r.io/a@{OTHER_DIGEST}"),
        ),
        (
            ('{name: "r.io/b:x*", policy: {trust: {enabled: true}}}', '{name: "r.io/b:good*"}'),
            (f"r.io/b:x@{OTHER_DIGEST}", f"r.io/b:good@{OTHER_DIGEST}"),
        ),
    ],
)
def test_weakness_denials_overwritten_by_key(entries: tuple[str, ...], images: tuple[str, str]) -> None:
    """Two images that share Portieris' key: the allowed second one must not clear the first one's denial."""
    world = CiseSetup(policy(*entries))
    denied, passes = images
    assert not allowed(world, pod(denied, passes))
    assert not allowed(world, pod(passes, denied))
    assert allowed(world, pod(passes, passes))


def test_weakness_denials_overwritten_by_key_with_the_texts_of_the_report() -> None:
    """``r.io/a:bad`` and ``r.io/a@sha256:bad``: here the second is no image name at all."""
    world = CiseSetup(policy('{name: "r.io/a", policy: {trust: {enabled: true}}}', '{name: "r.io/a@sha256:*"}'))
    decision = world.decide(request(pod("r.io/a:bad", "r.io/a@sha256:bad")))
    assert [denial.image for denial in decision.denials] == ["r.io/a:bad", "r.io/a@sha256:bad"]


def test_weakness_trust_and_simple_always_conflict() -> None:
    documents = policy(SIGNED_ENTRY.replace("policy: {", "policy: {trust: {enabled: true}, ")) + key_secret("signer1")
    assert allowed(CiseSetup(documents, checks=(SimpleCheck(), TrustSays(HEX))), pod(SIGNED_IMAGE))
    assert not allowed(CiseSetup(documents, checks=(SimpleCheck(), TrustSays("ab" * 32))), pod(SIGNED_IMAGE))


def test_weakness_digest_references_checked_as_latest() -> None:
    """What was verified must be the digest that will run."""
    world = CiseSetup(policy('{name: "*", policy: {trust: {enabled: true}}}'), checks=(TrustSays(HEX),))
    assert allowed(world, pod(f"r.example.com/a@{SIGNED_DIGEST}"))
    assert not allowed(world, pod(f"r.example.com/a@{OTHER_DIGEST}"))


def test_weakness_empty_digest_is_never_written() -> None:
    world = CiseSetup(policy('{name: "*", policy: {trust: {enabled: true}}}'), checks=(TrustSays(""),))
    assert world.decide(request(pod("r.example.com/a"))).rewrites == ()


def test_weakness_blank_images_allowed_in_pods() -> None:
    world = CiseSetup(policy('{name: "*"}'))
    assert not allowed(world, pod(" "), phase=Phase.VALIDATE)
    assert allowed(world, pod("a"), phase=Phase.VALIDATE)


@pytest.mark.parametrize("hook", [Hook.ANY, Hook.VA])
def test_weakness_only_a_mutating_webhook(hook: Hook) -> None:
    """An image that another webhook put in after the mutating pass is examined in full by the validating one."""
    world = CiseSetup(SIGNED, hook=hook)
    _, left, validated = world.both_passes(request(pod(SIGNED_IMAGE)))
    assert validated.allowed
    left["spec"]["containers"][0]["image"] = "evil.example.com/x"
    assert not allowed(world, left, phase=Phase.VALIDATE)
    left["spec"]["containers"].append({"name": "sidecar", "image": "127.0.0.1:5000/unsigned:1"})
    assert len(world.decide(request(left, phase=Phase.VALIDATE)).denials) == 2


def test_weakness_ephemeral_containers_and_image_volumes_unchecked() -> None:
    world = CiseSetup(ALLOW)
    for image, passes in (("r.example.com/x", True), ("evil.example.com/x", False)):
        document = pod("r.example.com/a")
        document["spec"]["ephemeralContainers"] = [{"name": "e", "image": image}]
        update = {"operation": "UPDATE", "old": pod("r.example.com/a"), "sub_resource": "ephemeralcontainers"}
        assert allowed(world, document, **update) is passes
        volumes = [{"name": "v", "image": {"reference": image}}]
        assert allowed(world, pod("r.example.com/a", volumes=volumes)) is passes


@pytest.mark.parametrize("algorithm, digits", [("sha512", 128), ("sha384", 96)])
def test_weakness_crash_on_other_digests(algorithm: str, digits: int) -> None:
    image = f"r.example.com/a@{algorithm}:{'a' * digits}"
    assert CiseSetup(policy('{name: "*"}')).texts(request(pod(image))) == [f'Deny "{image}", invalid image name']
    assert allowed(CiseSetup(policy('{name: "*"}')), pod(f"r.example.com/a@sha256:{'a' * 64}"))


def test_weakness_crash_on_replication_controller_without_template() -> None:
    document = workload("ReplicationController", "evil.example.com/x")
    assert not allowed(CiseSetup(ALLOW), document)
    document["spec"]["template"] = None
    assert allowed(CiseSetup(ALLOW), document)


def test_weakness_suffix_tests() -> None:
    """``evilicr.io`` must not be asked about itself, nor ``evildocker.io`` be spoken for by Docker Hub's server."""
    va = CiseSetup(policy('{name: "*", policy: {va: {enabled: true}}}'))
    assert va.texts(request(pod("evilicr.io/a")))[0].startswith("Cannot use Vulnerability Advisor")
    assert not va.texts(request(pod("us.icr.io/a")))[0].startswith("Cannot use Vulnerability Advisor")
    trust = CiseSetup(policy('{name: "*", policy: {trust: {enabled: true}}}'))
    for image, known in (
        ("evildocker.io/a", False),
        ("docker.io/a", True),
        ("evilquay.io/a", False),
        ("quay.io/a", True),
    ):
        assert ("no trust server" not in trust.texts(request(pod(image)))[0]) is known


def test_weakness_policies_listed_for_every_container() -> None:
    """Selection asks nothing: policies are compiled once."""
    world = CiseSetup(ALLOW)
    world.decide(request(pod("r.example.com/a", "r.example.com/b")))
    assert world.asked == []


def test_weakness_no_deadline() -> None:
    world = CiseSetup(SIGNED, failing={ImageSignatures: DeadlineExceeded("no answer within 8 s")})
    assert (
        world.message(request(pod(SIGNED_IMAGE))) == f'\nimagegate: deadline exceeded while checking "{SIGNED_IMAGE}"'
    )


def test_weakness_secrets_read_per_image() -> None:
    world = CiseSetup(SIGNED)
    world.decide(request(pod(SIGNED_IMAGE, SIGNED_IMAGE, "127.0.0.1:5000/unsigned:1")))
    assert world.asked.count(Secret("default", "key")) == 1


def test_weakness_namespace_label_switches_it_off() -> None:
    """No label of a namespace is read."""
    world = CiseSetup(SIGNED)
    world.decide(request(pod(SIGNED_IMAGE)))
    assert not any(isinstance(question, Namespace) for question in world.asked)


def test_weakness_foreign_kinds_called_jobs_are_denied() -> None:
    world = CiseSetup(ALLOW)
    document = {"apiVersion": "example.com/v1", "kind": "Job", "metadata": {"name": "x"}}
    assert not world.plugin.covers(request(document, resource=GroupResource("example.com", "jobs")))
    assert world.plugin.covers(request(workload("Job", "x")))


@pytest.mark.parametrize(
    "identity, image",
    [
        ("type: matchRepoDigestOrExact", SIGNED_IMAGE),
        ("type: exactReference, dockerReference: 'HOST/signed/app:v1'", "127.0.0.1:5000/moved/app:v1"),
        ("type: exactRepository, dockerRepository: 'HOST/signed/app'", "127.0.0.1:5000/moved/app:v1"),
    ],
)
def test_weakness_documented_identity_types_refused(identity: str, image: str) -> None:
    identity = identity.replace("HOST", "127.0.0.1:5000")
    requirement = f"{{type: signedBy, keySecret: key, signedIdentity: {{{identity}}}}}"
    documents = policy(SIGNED_ENTRY.replace("{type: signedBy, keySecret: key}", requirement)) + key_secret("signer1")
    loaded = read_policies(documents, "p.yaml")
    assert loaded.warnings == []
    world = CiseSetup(documents, digests={image: SIGNED_DIGEST})
    texts = world.texts(request(pod(image)))
    if image == SIGNED_IMAGE:
        assert texts == []
    else:  # the samples' store has signatures under the signed name only, so the type is taken and evidence is missing
        assert texts == ["simple: policy denied the request: A signature was required, but no signature exists"]


@pytest.mark.parametrize("group", ["portieris.cloud.ibm.com/v1", CISE_GROUP])
def test_weakness_null_policy_refused(group: str) -> None:
    """The schema side is in ``tests/documents/test_image_policies_shipped.py``."""
    assert allowed(CiseSetup(policy('{name: "*", policy: }', group=group)), pod("a"))


def test_weakness_ed25519_keys_and_second_armour_blocks() -> None:
    """signer2's key is Ed25519; behind another block it counts too."""
    for signers in (("signer2",), ("expired", "signer2")):
        assert allowed(CiseSetup(policy(SIGNED_ENTRY) + key_secret(*signers)), pod(SIGNED_IMAGE))
    assert not allowed(CiseSetup(policy(SIGNED_ENTRY) + key_secret("expired")), pod(SIGNED_IMAGE))


@pytest.mark.parametrize(
    "key, found",
    [
        ("private.example.com", True),
        ("https://private.example.com", True),
        ("https://private.example.com/v2/", True),
        ("*.example.com", True),
        ("private.example.com:443", False),
        ("example.com", False),
        ("private.example.com.evil.com", False),
    ],
)
def test_weakness_registry_keys_with_scheme_or_port_never_match(key: str, found: bool) -> None:
    documents = (
        policy('{name: "*", policy: {simple: {requirements: [{type: insecureAcceptAnything}]}}}')
        + "---\n{apiVersion: v1, kind: Secret, metadata: {name: pull}, stringData: "
        + f"""{{.dockerconfigjson: '{{"auths": {{"{key}": {{"username": "u", "password": "p"}}}}}}'}}}}\n"""
    )
    world = CiseSetup(documents, digests={"private.example.com/a:1": OTHER_DIGEST})
    world.decide(request(pod("private.example.com/a:1", imagePullSecrets=[{"name": "pull"}])))
    ((secret,),) = [question.secrets for question in world.asked if hasattr(question, "secrets")]
    assert bool(secret.credentials_for("private.example.com", "a")) is found


def test_weakness_both_groups_missing_fails_closed() -> None:
    world = CiseSetup(policy('{name: "*"}'))
    object.__setattr__(world.plugin, "policies", PolicySet((), unavailable="no policy API is served"))
    assert not allowed(world, pod("a"))


def test_trust_server_table() -> None:
    """docs/spec/enforcement.md 12.2, for when trust is verified; lint uses it now."""
    from imagegate.core.enforcement.image import parse_image

    def server(group: str, image: str, trust: str = "{enabled: true}") -> str | None:
        text = policy(f'{{name: "*", policy: {{trust: {trust}}}}}', group=group)
        return trust_server(read_policies(text, "p").policies[0].entries[0], parse_image(image))

    v1 = "portieris.cloud.ibm.com/v1"
    assert server(v1, "nginx") == "https://notary.docker.io"
    assert server(CISE_GROUP, "nginx") is None
    for group in (v1, CISE_GROUP):
        assert server(group, "us.icr.io/a") == "https://us.icr.io:4443"
        assert server(group, "registry.ng.bluemix.net/a") == "https://registry.ng.bluemix.net:4443"
        assert server(group, "r.example.com/a") is None
        assert server(group, "r.example.com/a", "{enabled: true, trustServer: 'https://n:4443/'}") == "https://n:4443"
