"""Simple signing: which look-ups are made together, and how refusals are worded (docs/spec/enforcement.md 13)."""

from __future__ import annotations

import pytest

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Lookup, Unknown
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.core.enforcement.questions import ManifestDigest, NeedsCredentials, Secret
from imagegate.core.signing.requirements import ImageSignatures
from tests.support.enforcement_setup import (
    NOW,
    SIGNED_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    key_secret,
    pod,
    policy,
    request,
)

SIGNED = policy(SIGNED_ENTRY) + key_secret("signer1")


def entry(*requirements: str, namespace: str = "") -> str:
    listed = ", ".join(requirements)
    return policy(f'{{name: "*", policy: {{simple: {{requirements: [{listed}]}}}}}}', namespace=namespace)


def rounds(world: CiseSetup) -> list[set[type[Question]]]:
    """The kinds of questions of each round."""
    known, asked = KnownAnswers(), []
    while missing := [each for each in world.plugin.questions(request(pod(SIGNED_IMAGE)), known) if each not in known]:
        asked.append({type(each) for each in missing})
        known.update({each: world._answer(each) for each in missing})
    return asked


def test_key_and_manifest_are_looked_up_together_then_the_signatures() -> None:
    assert rounds(CiseSetup(SIGNED)) == [{Secret, ManifestDigest}, {ImageSignatures}]


def test_nothing_is_looked_up_where_no_answer_could_help() -> None:
    assert rounds(CiseSetup(entry("{type: reject}"))) == []


def test_insecure_accept_anything_still_pins_the_digest() -> None:
    world = CiseSetup(entry("{type: insecureAcceptAnything}"))
    (operation, *_) = world.decide(request(pod(SIGNED_IMAGE))).rewrites
    assert operation.value == f"127.0.0.1:5000/signed/app@{SIGNED_DIGEST}"


@pytest.mark.parametrize(
    "kind, answer, code, text",
    [
        (Secret, Unknown("connection refused"), DenialCode.LOOK_UP_FAILED, "connection refused"),
        (Secret, Absent('secrets "key" not found'), DenialCode.SIGNATURE, 'secrets "key" not found'),
        (ManifestDigest, Unknown("down"), DenialCode.LOOK_UP_FAILED, "simple: down"),
        (ManifestDigest, Absent("manifest unknown"), DenialCode.SIGNATURE, "simple: manifest unknown"),
        (
            ManifestDigest,
            NeedsCredentials("401"),
            DenialCode.NO_PULL_SECRET,
            f'Deny "{SIGNED_IMAGE}", no valid ImagePullSecret, 0 tried',
        ),
        (
            ManifestDigest,
            DeadlineExceeded("late"),
            DenialCode.DEADLINE,
            f'imagegate: deadline exceeded while checking "{SIGNED_IMAGE}"',
        ),
        (ImageSignatures, Unknown("status 500"), DenialCode.LOOK_UP_FAILED, "simple: status 500"),
        (
            ImageSignatures,
            Absent("none"),
            DenialCode.SIGNATURE,
            "simple: policy denied the request: A signature was required, but no signature exists",
        ),
    ],
)
def test_refusals(kind: type[Question], answer: Lookup[object], code: DenialCode, text: str) -> None:
    world = CiseSetup(SIGNED)
    known = KnownAnswers()
    while missing := [each for each in world.plugin.questions(request(pod(SIGNED_IMAGE)), known) if each not in known]:
        known.update({each: answer if isinstance(each, kind) else world._answer(each) for each in missing})
    (denial,) = world.plugin.decide(request(pod(SIGNED_IMAGE)), known, now=NOW).denials
    assert (denial.code, denial.because) == (code, text)


def test_an_image_policy_uses_keys_of_its_own_namespace() -> None:
    world = CiseSetup(entry("{type: signedBy, keySecret: key, keySecretNamespace: other}", namespace="default"))
    assert world.texts(request(pod(SIGNED_IMAGE))) == [
        'imagegate: an ImagePolicy of namespace "default" may not use keys of namespace "other"'
    ]
