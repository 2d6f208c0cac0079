"""Requirements judged on signatures that were verified before."""

from __future__ import annotations

import json

import pytest

from imagegate.core.admission.lookup import Absent, Found, Unknown
from imagegate.core.registry.pull_secrets import Credential
from imagegate.core.signing.identity import image_identity, signed_identity
from imagegate.core.signing.key_ring import KeyRing
from imagegate.core.signing.requirements import (
    InsecureAcceptAnything,
    InvalidStoreSecret,
    LookasideStore,
    Reject,
    Requirement,
    SignatureCheck,
    SignatureRejection,
    SignedBy,
    UnusableKeys,
    Verification,
    check_requirements,
    conclude,
    rings,
    store_credential,
    unmet,
)
from imagegate.errors import InvalidPolicy

DIGEST = "sha256:" + "ab" * 32
OTHER_DIGEST = "sha256:" + "cd" * 32
IMAGE = image_identity("icr.io/a/b:1")
RING, OTHER_RING = KeyRing((b"one",)), KeyRing((b"other",))
SIGNED_BY = SignedBy(RING, signed_identity())
BY_OTHER = SignedBy(OTHER_RING, signed_identity())


def payload(digest: str = DIGEST, reference: str = "icr.io/a/b:1") -> bytes:
    return json.dumps(
        {
            "critical": {
                "type": "atomic container signature",
                "image": {"docker-manifest-digest": digest},
                "identity": {"docker-reference": reference},
            },
            "optional": {},
        }
    ).encode()


def by(ring: KeyRing, text: bytes) -> SignatureCheck:
    """A signature by a key of ``ring``, unknown to the other one."""
    other = OTHER_RING if ring is RING else RING
    unknown = Verification(error="Key not found for key ID 1 in signature")
    return SignatureCheck("test", {ring: Verification(text, "AA"), other: unknown})


GOOD = by(RING, payload())
GOOD_OF_OTHER = by(OTHER_RING, payload())
WRONG_DIGEST = by(RING, payload(OTHER_DIGEST))
WRONG_IDENTITY = by(RING, payload(reference="icr.io/a/b:2"))
NOT_CLAIMS = by(RING, b"{}")
DIGEST_REASON = f"Signature for digest {OTHER_DIGEST} does not match"
IDENTITY_REASON = 'Signature for identity "icr.io/a/b:2" is not accepted'


def reason(requirements: tuple[Requirement, ...], *signatures: SignatureCheck) -> str | None:
    refusal = check_requirements(requirements, IMAGE, DIGEST, signatures)
    if refusal is None:
        return None
    assert refusal.text == f"simple: policy denied the request: {refusal.reason}"
    assert not refusal.lacks_evidence
    return refusal.reason


def test_no_requirements_hold_for_nothing() -> None:
    assert reason((), GOOD) == "List of verification policy requirements must not be empty"


def test_accept_anything_and_reject() -> None:
    assert reason((InsecureAcceptAnything(),)) is None
    assert reason((Reject(),)) == "Running image docker://icr.io/a/b:1 is rejected by policy."
    assert reason((InsecureAcceptAnything(), Reject()), GOOD) == reason((Reject(),))


@pytest.mark.parametrize(
    "signatures, expected",
    [
        ((GOOD,), None),
        ((WRONG_DIGEST, GOOD), None),
        ((), "A signature was required, but no signature exists"),
        ((GOOD_OF_OTHER,), "Key not found for key ID 1 in signature"),
        ((WRONG_DIGEST,), DIGEST_REASON),
        ((WRONG_IDENTITY,), IDENTITY_REASON),
        ((NOT_CLAIMS,), 'Key "critical" missing in a JSON object'),
        ((SignatureCheck("test", {}),), "signature was not verified"),
        (
            (WRONG_DIGEST, WRONG_IDENTITY),
            f"None of the signatures were accepted, reasons: {DIGEST_REASON}; {IDENTITY_REASON}",
        ),
    ],
)
def test_signed_by(signatures: tuple[SignatureCheck, ...], expected: str | None) -> None:
    assert reason((SIGNED_BY,), *signatures) == expected


def test_all_requirements_must_hold_by_whichever_signature() -> None:
    both = (SIGNED_BY, BY_OTHER)
    assert reason(both, GOOD, GOOD_OF_OTHER) is None
    assert reason(both, GOOD_OF_OTHER, GOOD) is None
    assert reason(both, GOOD) == "Key not found for key ID 1 in signature"
    assert reason((*both, Reject()), GOOD, GOOD_OF_OTHER) == reason((Reject(),))


def test_a_payload_counts_only_for_the_ring_that_verified_it() -> None:
    """The other requirement has another identity rule, and must not borrow the first one's payload."""
    strict = SignedBy(OTHER_RING, signed_identity("matchRepository"))
    assert reason((SIGNED_BY, strict), GOOD) == "Key not found for key ID 1 in signature"


def test_which_rings_are_asked_for() -> None:
    assert rings((SIGNED_BY, BY_OTHER, SIGNED_BY)) == (RING, OTHER_RING)
    assert rings((InsecureAcceptAnything(), Reject(), SIGNED_BY)) == ()
    assert rings((SIGNED_BY, Reject(), BY_OTHER)) == (RING,)


def test_what_is_still_looked_for() -> None:
    requirements = (InsecureAcceptAnything(), SIGNED_BY, BY_OTHER)
    assert unmet(requirements, IMAGE, DIGEST, GOOD) == (BY_OTHER,)
    assert unmet((BY_OTHER,), IMAGE, DIGEST, GOOD) == (BY_OTHER,)
    assert unmet((BY_OTHER,), IMAGE, DIGEST, GOOD_OF_OTHER) == ()
    assert unmet((SIGNED_BY, Reject(), BY_OTHER), IMAGE, DIGEST, GOOD) == ()


def test_conclusions() -> None:
    required = (SIGNED_BY,)
    assert conclude(required, IMAGE, DIGEST, Found((GOOD,))) is None
    assert conclude(required, IMAGE, DIGEST, Found(())) == SignatureRejection.denied(
        "A signature was required, but no signature exists"
    )
    assert conclude(required, IMAGE, DIGEST, Absent("no such")) == conclude(required, IMAGE, DIGEST, Found(()))
    unknown = conclude(required, IMAGE, DIGEST, Unknown("status 500"))
    assert unknown == SignatureRejection("status 500", "simple: status 500", lacks_evidence=True)
    missing = conclude(required, IMAGE, DIGEST, None)
    assert missing is not None
    assert missing.lacks_evidence
    unusable = conclude(required, IMAGE, DIGEST, UnusableKeys("No public keys imported"))
    assert unusable == SignatureRejection("No public keys imported", "No public keys imported")
    assert conclude((InsecureAcceptAnything(),), IMAGE, DIGEST, None) is None
    assert conclude((Reject(), SIGNED_BY), IMAGE, DIGEST, None) is not None


def test_taking_signatures_away_never_admits() -> None:
    every = (WRONG_DIGEST, WRONG_IDENTITY, NOT_CLAIMS, GOOD_OF_OTHER)
    for count in range(len(every) + 1):
        assert reason((SIGNED_BY,), *every[:count]) is not None


def test_store() -> None:
    assert LookasideStore.create("https://h/x/").url == "https://h/x"
    assert LookasideStore.create("http://h").url == "http://h"
    for url in ("", "h/x", "file:///x", "HTTPS://h"):
        with pytest.raises(InvalidPolicy) as raised:
            LookasideStore.create(url)
        assert str(raised.value) == f"expecting https:// or http:// URL, got: {url}"


def test_store_secret() -> None:
    assert store_credential("s", {"username": b"u", "password": b"p@/%"}) == Credential("u", "p@/%")
    for data, error in (
        ({"password": b"p"}, "secret: s, does not contain username"),
        ({"username": b"u"}, "secret: s, does not contain password"),
        ({"username": b"u", "password": b"\xff"}, "secret: s, password is not text"),
    ):
        with pytest.raises(InvalidStoreSecret) as raised:
            store_credential("s", data)
        assert str(raised.value) == error
