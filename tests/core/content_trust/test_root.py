"""Roots: their certificates, their rotation, and the stored one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from imagegate.core.content_trust.errors import (
    Expired,
    InvalidMetadata,
    RootNotTrusted,
    RootRotationFailed,
    TrustDataUnavailable,
)
from imagegate.core.content_trust.pinning import Pinning
from tests.support.samples import SAMPLES
from tests.support.trust_collection import GUN, PAST, Collection
from tests.support.trust_keys import (
    NOW,
    SigningKey,
    certificate,
    certified,
    ecdsa_key,
    ed25519_key,
    issuer,
    pem,
    root_key,
    rsa_key,
)

NO_LEAF = "could not validate the path to a trusted root: unable to retrieve valid leaf certificates"
NOT_ITSELF = "could not validate the path to a trusted root: failed to validate integrity of roots"
NOT_BY_PREVIOUS = (
    "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates"
)
PAST_CERTIFICATE = {"before": NOW - timedelta(days=30), "after": NOW - timedelta(seconds=1)}


def with_root_keys(*keys: SigningKey, threshold: int = 1) -> Collection:
    collection = Collection()
    collection.keys["root"], collection.thresholds["root"] = list(keys), threshold
    return collection.publish()


@pytest.mark.parametrize(
    "key",
    [
        root_key(GUN),
        root_key("registry.example.com/*"),
        certified(rsa_key().private, GUN),
        root_key(GUN, issuer("CA")),
        root_key(GUN, before=NOW + timedelta(days=1)),
    ],
    ids=["exact", "wildcard", "RSA", "with its issuer", "begins tomorrow"],
)
def test_root_keys(key: SigningKey) -> None:
    with_root_keys(key).repository()


@pytest.mark.parametrize(
    "key",
    [
        ecdsa_key(),
        ed25519_key(),
        root_key("registry.example.com/other"),
        root_key(GUN, **PAST_CERTIFICATE),
        root_key(GUN, before=NOW + timedelta(days=1, seconds=1)),
        root_key(GUN, ca=True),
        SigningKey(ecdsa_key().private, "rsa-x509", (SAMPLES.parent / "sha1-certificate.pem").read_bytes()),
    ],
    ids=["bare", "Ed25519", "other GUN", "expired", "begins later", "CA", "SHA-1"],
)
def test_keys_without_a_usable_certificate(key: SigningKey) -> None:
    error = with_root_keys(key).refusal()
    assert type(error) is RootNotTrusted
    assert error.detail == f"root version 1: {NO_LEAF}"


def test_intermediate_that_has_expired_changes_the_key() -> None:
    """The key is built anew from what is valid, so its id is not the one that has signed; as in the original."""
    key = root_key(GUN, issuer("CA", after=NOW - timedelta(hours=1), before=NOW - timedelta(days=2)))
    assert str(with_root_keys(key).refusal()) == NOT_ITSELF


@pytest.mark.parametrize(
    "encode",
    [lambda one: one + b"\n", lambda one: one.replace(b"\n", b"\r\n"), lambda one: b"# mine\n" + one],
    ids=["line end", "CRLF", "comment"],
)
def test_key_in_another_spelling_of_its_certificate(encode: Callable[[bytes], bytes]) -> None:
    assert str(with_root_keys(root_key(GUN, encode=encode)).refusal()) == NOT_ITSELF


def test_certificate_with_another_key_type() -> None:
    key = root_key(GUN)
    assert str(with_root_keys(key._replace(key_type="rsa-x509")).refusal()) == NOT_ITSELF


def test_a_bad_root_key_beside_a_good_one_is_ignored() -> None:
    with_root_keys(ecdsa_key(), root_key(GUN)).repository()


def test_root_that_has_not_signed_itself(collection: Collection) -> None:
    collection.signers["root"] = [root_key(GUN)]
    collection.publish_root()
    assert str(collection.refusal()) == NOT_ITSELF


def test_threshold_of_two_root_keys() -> None:
    first, second = root_key(GUN), root_key(GUN)
    with_root_keys(first, second, threshold=2).repository()
    collection = Collection()
    collection.keys["root"], collection.thresholds["root"] = [first, second], 2
    collection.signers["root"] = [first, first]
    collection.publish_root()
    assert str(collection.publish().refusal()) == NOT_ITSELF


def test_threshold_of_two_by_one_key_in_two_certificates() -> None:
    first = root_key(GUN)
    again = certified(first.private, GUN)
    assert first.key_id != again.key_id
    assert str(with_root_keys(first, again, threshold=2).refusal()) == NOT_ITSELF


# Rotation.


def test_rotation_by_one_version(collection: Collection) -> None:
    state = collection.state()
    new = root_key(GUN)
    collection.rotate_root(new)
    result = collection.publish("timestamp").update(state)
    assert result.error is None
    assert result.state is not None
    assert result.state.root == collection.files["root"]
    assert result.state.anchor == state.anchor
    assert not result.first_use
    assert result.repository is not None
    assert result.repository.root.version == 2
    assert [key.key_id for key in result.repository.root.signed_by] == [new.key_id]


def test_rotation_over_many_versions(collection: Collection) -> None:
    state = collection.state()
    for _ in range(4):
        collection.rotate_root(root_key(GUN))
    collection.publish("timestamp")
    assert collection.repository(state).root.version == 5
    assert [name for name in collection.asked if "root" in name] == ["root", "2.root", "3.root", "4.root"]


def test_versions_in_between_may_have_expired(collection: Collection) -> None:
    state = collection.state()
    collection.expires["root"] = PAST
    collection.rotate_root(root_key(GUN, **PAST_CERTIFICATE))
    collection.expires["root"] = "2036-01-01T00:00:00Z"
    collection.rotate_root(root_key(GUN))
    assert collection.publish("timestamp").repository(state).root.version == 3


def test_rotation_that_the_old_key_has_not_signed(collection: Collection) -> None:
    state = collection.state()
    collection.keys["root"] = [root_key(GUN)]
    collection.versions["root"] = 2
    collection.publish_root()
    error = collection.publish("timestamp").refusal(state)
    assert type(error) is RootRotationFailed
    assert error.detail == f"root version 2: {NOT_BY_PREVIOUS}"


def test_rotation_that_the_new_key_has_not_signed(collection: Collection) -> None:
    state = collection.state()
    old = collection.keys["root"]
    collection.keys["root"] = [root_key(GUN)]
    collection.signers["root"] = old
    collection.versions["root"] = 2
    collection.publish_root()
    assert str(collection.publish("timestamp").refusal(state)) == NOT_ITSELF


def test_rotation_needs_the_old_threshold() -> None:
    first, second, new = root_key(GUN), root_key(GUN), root_key(GUN)
    collection = with_root_keys(first, second, threshold=2)
    state = collection.state()
    collection.keys["root"], collection.thresholds["root"], collection.versions["root"] = [new], 1, 2
    collection.publish_root(also_signed_by=[second])
    assert str(collection.publish("timestamp").refusal(state)) == NOT_BY_PREVIOUS
    collection.publish_root(also_signed_by=[first, second])
    collection.publish().repository(state)


def test_version_under_another_name(collection: Collection) -> None:
    state = collection.state()
    collection.rotate_root(root_key(GUN))
    collection.rotate_root(root_key(GUN))
    collection.rotate_root(root_key(GUN))
    collection.files["2.root"], collection.files["3.root"] = collection.files["3.root"], collection.files["2.root"]
    error = collection.publish("timestamp").refusal(state)
    assert str(error) == NOT_BY_PREVIOUS
    collection.files["2.root"] = collection.files["1.root"]
    error = collection.refusal(state)
    assert type(error) is InvalidMetadata
    assert error.detail == "root version 1: root type metadata invalid: 2.root has version 1"


def test_server_that_fails_between_two_roots(collection: Collection) -> None:
    """Not a broken chain: a later attempt may succeed."""
    state = collection.state()
    collection.rotate_root(root_key(GUN))
    collection.rotate_root(root_key(GUN))
    collection.publish("timestamp")
    collection.failing = {"2.root"}
    error = collection.refusal(state)
    assert type(error) is TrustDataUnavailable
    assert error.retryable
    assert not error.absent


# The stored root.


def test_stored_root_that_has_expired(collection: Collection) -> None:
    state = collection.state()
    later = NOW + timedelta(days=3400)
    assert type(collection.refusal(state, now=later)) is Expired
    collection.expires = defaultdict(lambda: "2056-01-01T00:00:00Z")
    collection.rotate_root(root_key(GUN, after=later + timedelta(days=1)))
    assert collection.publish("timestamp").repository(state, now=later).root.version == 2
    assert collection.asked[:2] == ["root", "timestamp"]


def test_stored_root_whose_certificate_has_expired(collection: Collection) -> None:
    """It was trusted while it was valid, so it vouches for the next; the original fails here for ever."""
    collection.keys["root"] = [root_key(GUN, after=NOW + timedelta(days=1))]
    collection.publish_root()
    state = collection.publish().state()
    later = NOW + timedelta(days=2)
    assert str(collection.refusal(state, now=later)) == NO_LEAF
    collection.rotate_root(root_key(GUN))
    collection.publish("timestamp").repository(state, now=later)
    evil = Collection()
    evil.versions["root"] = 2
    assert str(evil.publish().refusal(state, now=later)) == NOT_BY_PREVIOUS


def test_stored_root_that_is_damaged(collection: Collection) -> None:
    """It is the anchor: nothing the server says may replace it."""
    state = collection.state()
    for root in (b"", b"{}", Collection("registry.example.com/other").publish().files["root"]):
        damaged = replace(state, root=root)
        result = collection.update(damaged)
        assert isinstance(result.error, InvalidMetadata | RootNotTrusted)
        assert result.state == damaged
        assert collection.asked == []


def test_stored_root_that_fits_a_pin_and_has_expired(collection: Collection) -> None:
    collection.keys["root"] = [root_key(GUN, after=NOW + timedelta(days=1))]
    collection.publish_root()
    state = collection.publish().state()
    old, new = collection.keys["root"][0], root_key(GUN)
    collection.rotate_root(new)
    pins = Pinning(certs=((GUN, (old.key_id, new.key_id)),))
    collection.publish("timestamp").repository(state, pins=pins, now=NOW + timedelta(days=2))


def test_previous_root_for_another_repository_is_no_previous_root() -> None:
    """Two roots of one key, the second with a certificate for all repositories, the first for another one."""
    key = ecdsa_key().private
    other = SigningKey(key, "ecdsa-x509", pem(certificate(key, ["registry.example.com/other"])))
    collection = Collection("registry.example.com/other")
    collection.keys["root"] = [other]
    state = collection.publish().state()
    assert (
        str(collection.refusal(replace(state, gun=collection.gun, root=with_root_keys(root_key(GUN)).files["root"])))
        == NO_LEAF
    )
