"""The trust server of an image, and the refusals (docs/spec/enforcement.md 12)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.admission.trace import Trace
from imagegate.core.content_trust.fetches import run
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.question import (
    AuthEndpointUnresolved,
    NoTrustCredentials,
    TrustedDigest,
    TrustedImage,
    TrustRefused,
    UnusableSigner,
)
from imagegate.core.content_trust.signed_digest import signed_digest
from imagegate.core.content_trust.update import update
from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import (
    CLUSTER_IMAGE_POLICY,
    IMAGE_POLICY,
    Entry,
    EntrySource,
    PolicyGroup,
    TrustPolicy,
)
from imagegate.core.enforcement.trust_servers import TRUST_SERVERS, TrustServer, may_have_registry_tokens, trust_server
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
)
from tests.support.trust_samples import FAR_EXPIRY, SAMPLES_NOW

PORTIERIS, CISE = PolicyGroup.PORTIERIS, PolicyGroup.CISE


def entry(group: PolicyGroup, server: str = "") -> Entry:
    source = EntrySource(group, CLUSTER_IMAGE_POLICY, "", "p", 0)
    return Entry(name="*", source=source, trust=TrustPolicy(enabled=True, trust_server=server))


@pytest.mark.parametrize(
    "image, portieris, cise",
    [
        ("nginx", "https://notary.docker.io", None),
        ("quay.io/a/b", "https://quay.io:443", None),
        ("icr.io/a/b", "https://icr.io:4443", "https://icr.io:4443"),
        ("us.icr.io:443/a/b", "https://us.icr.io:4443", "https://us.icr.io:4443"),
        ("registry.ng.bluemix.net/a/b", "https://registry.ng.bluemix.net:4443", "https://registry.ng.bluemix.net:4443"),
        ("evilicr.io/a/b", None, None),
        ("r.example.com/a", None, None),
    ],
)
def test_servers_by_host_and_group(image: str, portieris: str | None, cise: str | None) -> None:
    assert trust_server(entry(PORTIERIS), parse_image(image)) == portieris
    assert trust_server(entry(CISE), parse_image(image)) == cise


def test_the_entry_may_name_the_server() -> None:
    assert (
        trust_server(entry(CISE, "https://notary.example.com/"), parse_image("nginx")) == "https://notary.example.com"
    )


@pytest.mark.parametrize(
    "server, image, may",
    [
        ("", "r.example.com/a", True),
        ("https://notary.example.net", "r.example.com/a", False),
        ("https://r.example.com.example.net", "r.example.com/a", False),
        ("https://r.example.com@example.net", "r.example.com/a", False),
        ("https://[bad", "r.example.com/a", False),
        ("https://r.example.com:4443", "r.example.com/a", True),
        ("https://r.example.com:4443", "r.example.com:5000/a", True),
        ("https://notary.example.com", "r.example.com/a", True),
    ],
)
def test_an_author_in_a_namespace_gets_no_tokens_of_the_registry(server: str, image: str, may: bool) -> None:
    """Who may write an ImagePolicy need not be allowed to read the Secrets of its namespace."""
    rows = (TrustServer("r.example.com", "https://notary.example.com"), *TRUST_SERVERS)
    namespaced = EntrySource(PORTIERIS, IMAGE_POLICY, "shop", "p", 0)
    of_cluster = entry(PORTIERIS, server)
    asked = parse_image(image)
    assert may_have_registry_tokens(replace(of_cluster, source=namespaced), asked, rows) is may
    assert may_have_registry_tokens(of_cluster, asked, rows)


def test_a_domain_covers_whole_labels_only() -> None:
    row = TrustServer("*.icr.io", "https://{hostname}")
    assert row.covers(parse_image("us.icr.io/a/b"))
    assert not row.covers(parse_image("icr.io/a/b"))
    assert not row.covers(parse_image("evilicr.io/a/b"))


@pytest.mark.parametrize(
    "group, image, text",
    [
        (
            "portieris.cloud.ibm.com/v1",
            "r.example.com/a",
            "trust: Trust Server/Image Configuration Error: no trust server could be found",
        ),
        (CISE_GROUP, "r.example.com/a", "Trust is not supported for images from this registry"),
    ],
)
def test_an_image_without_a_trust_server_is_denied(group: str, image: str, text: str) -> None:
    world = CiseSetup(policy('{name: "*", policy: {trust: {enabled: true}}}', group=group))
    assert world.texts(request(pod(image))) == [text]


def trusted(*edits: str) -> TrustedDigest:
    """What the sample repository says of ``v1``; with ``other`` the same of another digest."""
    repository = run(update(FAR_EXPIRY.gun, None, Pinning(), SAMPLES_NOW), FAR_EXPIRY.fetch()).repository
    assert repository is not None
    signed = signed_digest(repository, "v1")
    if "other" in edits:
        signed = replace(signed, digest=OTHER_DIGEST)
    return TrustedDigest(signed, repository.anchor, "stored" in edits, repository.verified_at)


TRUST = '{name: "*", policy: {trust: {enabled: true, trustServer: "https://trust.example.com"}}}'
GUN = SIGNED_IMAGE.removesuffix(":v1")


def test_a_trusted_image_is_rewritten() -> None:
    world = CiseSetup(policy(TRUST), trusted={GUN: Found(trusted())})
    mutated, left, validated = world.both_passes(request(pod(SIGNED_IMAGE)))
    assert not mutated.denials
    assert left["spec"]["containers"][0]["image"] == f"{GUN}@{SIGNED_DIGEST}"
    assert not validated.denials
    questions = [question for question in world.asked if isinstance(question, TrustedImage)]
    assert {(question.server, question.gun) for question in questions} == {("https://trust.example.com", GUN)}
    assert [(question.tag, question.digest) for question in questions] == [("v1", ""), ("v1", SIGNED_DIGEST)]


@pytest.mark.parametrize(
    "image, tag, asked",
    [
        ("icr.io/a", "latest", ""),
        ("icr.io/a:v2", "v2", ""),
        (f"icr.io/a@{OTHER_DIGEST}", "", OTHER_DIGEST),
        (f"icr.io/a:v2@{OTHER_DIGEST}", "v2", OTHER_DIGEST),
    ],
)
def test_the_question_of_an_image(image: str, tag: str, asked: str) -> None:
    world = CiseSetup(policy(TRUST))
    world.decide(request(pod(image)))
    (question,) = (question for question in world.asked if isinstance(question, TrustedImage))
    assert (question.gun, question.tag, question.digest) == ("icr.io/a", tag, asked)


BOTH = SIGNED_ENTRY.replace("policy: {", 'policy: {trust: {enabled: true, trustServer: "https://trust.example.com"}, ')


def test_trust_and_simple_signing_must_agree() -> None:
    """Portieris compares addresses of buffers, so that both together always deny (docs/spec/enforcement.md 15.3)."""
    documents = policy(BOTH) + key_secret("signer1")
    agreed = CiseSetup(documents, trusted={GUN: Found(trusted())})
    assert agreed.texts(request(pod(SIGNED_IMAGE))) == []
    other = CiseSetup(documents, trusted={GUN: Found(trusted("other"))})
    digests = [digest.removeprefix("sha256:") for digest in (OTHER_DIGEST, SIGNED_DIGEST)]
    assert other.texts(request(pod(SIGNED_IMAGE))) == [
        f"Notary signs conflicting digest: {digests[0]} simple: {digests[1]}"
    ]


CAUSE = 'trust: policy denied the request: Deny "IMAGE", failed to get content trust information:'


@pytest.mark.parametrize(
    "answer, code, portieris, cise",
    [
        (
            TrustRefused("Incompatible digest", detail="targets/alice version 3: Incompatible digest"),
            DenialCode.TRUST,
            f"{CAUSE} Incompatible digest",
            "Deny, failed to get content trust information: Incompatible digest",
        ),
        (
            Unknown("unable to reach trust server at this time: 503."),
            DenialCode.LOOK_UP_FAILED,
            f"{CAUSE} unable to reach trust server at this time: 503.",
            "Deny, failed to get content trust information: unable to reach trust server at this time: 503.",
        ),
        (
            NoTrustCredentials("401"),
            DenialCode.NO_PULL_SECRET,
            'trust: policy denied the request: Deny "IMAGE", no valid ImagePullSecret defined for IMAGE',
            'Deny "IMAGE", no valid ImagePullSecret defined for IMAGE',
        ),
        (
            AuthEndpointUnresolved("no supported auth-endpoint found"),
            DenialCode.LOOK_UP_FAILED,
            'trust: Deny "IMAGE", could not resolve the auth-endpoint, no supported auth-endpoint found',
            'Deny "IMAGE", could not resolve the auth-endpoint, no supported auth-endpoint found',
        ),
        (
            UnusableSigner("no valid public key found"),
            DenialCode.TRUST,
            'trust: Deny "IMAGE", could not get signerSecret from your cluster, no valid public key found',
            'Deny "IMAGE", could not get signerSecret from your cluster, no valid public key found',
        ),
        (
            DeadlineExceeded("late"),
            DenialCode.DEADLINE,
            'imagegate: deadline exceeded while checking "IMAGE"',
            'imagegate: deadline exceeded while checking "IMAGE"',
        ),
    ],
)
def test_texts_of_both_dialects(answer: Lookup[TrustedDigest], code: DenialCode, portieris: str, cise: str) -> None:
    for group, text in (("portieris.cloud.ibm.com/v1", portieris), (CISE_GROUP, cise)):
        world = CiseSetup(policy(TRUST, group=group), trusted={GUN: answer})
        (denial,) = world.decide(request(pod(SIGNED_IMAGE))).denials
        assert denial.because == text.replace("IMAGE", SIGNED_IMAGE)
        assert denial.code is code


def test_the_trace_shows_the_chain() -> None:
    world = CiseSetup(policy(TRUST), trusted={GUN: Found(trusted("stored"))})
    trace = Trace()
    world.decide(request(pod(SIGNED_IMAGE)), trace)
    evidence = {step["outcome"]: step["because"] for step in trace.to_json() if step["what"] == "evidence"}
    assert evidence["released by"] == "targets/releases"
    assert evidence["root"].endswith(f"({GUN}) (1 of 1 key needed)")
    assert evidence["trusted since"].startswith("first use on 2026-11-22, root version 1, keys ")
    assert evidence["timestamp from"].startswith("memory: ")
    assert list(evidence)[4:9] == ["root", "timestamp", "snapshot", "targets", "targets/releases"]


def test_a_refusal_names_the_file_in_the_trace() -> None:
    refused = TrustRefused("Incompatible digest", detail="targets/alice version 3: Incompatible digest")
    world = CiseSetup(policy(TRUST), trusted={GUN: refused})
    trace = Trace()
    world.decide(request(pod(SIGNED_IMAGE)), trace)
    evidence = {step["outcome"]: step["because"] for step in trace.to_json() if step["what"] == "evidence"}
    assert evidence == {"server": "https://trust.example.com", "file": refused.detail}


@pytest.mark.parametrize("allowed", [True, False])
def test_servers_without_tls_need_a_setting(allowed: bool) -> None:
    settings = replace(CiseSettings.for_profile(Profile.PORTIERIS), trust_allow_http=allowed)
    world = CiseSetup(policy(TRUST.replace("https:", "http:")), settings, trusted={GUN: Found(trusted())})
    refusal = 'trust: imagegate: trust server "http://trust.example.com" is not an HTTPS URL'
    assert world.texts(request(pod(SIGNED_IMAGE))) == ([] if allowed else [refusal])


def test_a_row_of_the_settings_may_name_host_and_port() -> None:
    rows = (TrustServer("r.example.com:5000", "https://{hostname}:4443/"), *TRUST_SERVERS)
    assert trust_server(entry(CISE), parse_image("r.example.com:5000/a"), rows) == "https://r.example.com:4443"
    assert trust_server(entry(CISE), parse_image("r.example.com/a"), rows) is None
