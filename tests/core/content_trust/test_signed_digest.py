"""Which digest a tag has under which signers, and what vouches for it."""

from __future__ import annotations

import pytest

from imagegate.core.content_trust.errors import IncompatibleDigest, NoTrustData, PublicKeysDiffer, SignerMissing
from imagegate.core.content_trust.signed_digest import signed_by_digest, signed_digest
from imagegate.core.content_trust.signers import Signer, read_signer
from tests.core.content_trust.conftest import MANIFEST
from tests.support.trust_collection import Collection, Document, digest
from tests.support.trust_keys import NOW, SigningKey, certified, ecdsa_key, public_pem

OTHER = b'{"other":true}'
DIGEST, OTHER_DIGEST = digest(MANIFEST), digest(OTHER)


def signer(name: str, key: SigningKey) -> Signer:
    return read_signer(f"{name}-key", name.encode(), public_pem(key.private), NOW)


def alice(collection: Collection) -> Signer:
    return signer("alice", collection.delegations["targets/alice"].keys[0])


def test_releases_go_before_targets(collection: Collection) -> None:
    collection.tag("targets", "v1", OTHER)
    repository = collection.publish().repository()
    assert signed_digest(repository, "v1").digest == DIGEST
    assert signed_digest(repository, "v1").released_by.name == "targets/releases"
    assert signed_digest(repository, "base").released_by.name == "targets"


def test_other_roles_release_nothing(collection: Collection) -> None:
    """The original answers with an empty digest here."""
    collection.tag("targets/alice", "alone", MANIFEST)
    repository = collection.publish().repository()
    for signers in ((), (alice(collection),)):
        with pytest.raises(NoTrustData, match="No valid trust data for alone"):
            signed_digest(repository, "alone", signers)


def test_release_with_sha512_alone(collection: Collection) -> None:
    """It hides what ``targets`` says of the tag, and gives no digest itself."""
    collection.tag("targets", "v1", MANIFEST)
    del collection.tags["targets/releases"]["v1"]["hashes"]["sha256"]
    repository = collection.publish().repository()
    with pytest.raises(NoTrustData, match="No valid trust data for v1"):
        signed_digest(repository, "v1")


def test_chain(collection: Collection) -> None:
    signed = signed_digest(collection.repository(), "v1", [alice(collection)])
    names = ["root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice"]
    assert [role.name for role in signed.chain] == names
    assert signed.valid_until == min(role.expires for role in signed.chain)
    assert [(one.signer.name, one.role.name) for one in signed.signers] == [("alice", "targets/alice")]
    assert signed.signers[0].key.key_id == signed.signers[0].signer.key_id
    assert (signed.tag, signed.digest) == ("v1", DIGEST)


def test_every_signer_has_to_sign(collection: Collection) -> None:
    bob = ecdsa_key()
    collection.delegate("targets/bob", bob)
    signers = [alice(collection), signer("bob", bob)]
    repository = collection.publish().repository()
    with pytest.raises(SignerMissing, match="no signature found for role bob") as caught:
        signed_digest(repository, "v1", signers)
    assert caught.value.detail == "targets/bob version 1: no signature found for role bob"
    collection.tag("targets/bob", "v1", MANIFEST)
    signed = signed_digest(collection.publish().repository(), "v1", signers)
    assert [one.signer.name for one in signed.signers] == ["alice", "bob"]


def test_signer_without_a_role(collection: Collection) -> None:
    with pytest.raises(SignerMissing) as caught:
        signed_digest(collection.repository(), "v1", [signer("carol", ecdsa_key())])
    assert caught.value.detail == "targets/carol: no signature found for role carol"


def test_signer_of_another_digest(collection: Collection) -> None:
    collection.tag("targets/alice", "v1", OTHER)
    with pytest.raises(IncompatibleDigest, match="Incompatible digest"):
        signed_digest(collection.publish().repository(), "v1", [alice(collection)])


def test_signer_of_sha512_alone(collection: Collection) -> None:
    del collection.tags["targets/alice"]["v1"]["hashes"]["sha256"]
    with pytest.raises(IncompatibleDigest):
        signed_digest(collection.publish().repository(), "v1", [alice(collection)])


def test_key_that_is_not_the_signers(collection: Collection) -> None:
    repository = collection.repository()
    with pytest.raises(PublicKeysDiffer, match="Public keys are different") as caught:
        signed_digest(repository, "v1", [signer("alice", ecdsa_key())])
    assert caught.value.role == "targets/alice"


def test_wrong_key_is_reported_before_a_missing_signer(collection: Collection) -> None:
    signers = [signer("nobody", ecdsa_key()), signer("alice", ecdsa_key())]
    with pytest.raises(PublicKeysDiffer):
        signed_digest(collection.repository(), "v1", signers)


def test_key_that_is_listed_and_has_not_signed(collection: Collection) -> None:
    """Two keys with a threshold of one: the original is content that the key is listed."""
    mine, other = ecdsa_key(), ecdsa_key()
    collection.delegate("targets/alice", mine, other)
    collection.signers["targets/alice"] = [other]
    repository = collection.publish().repository()
    with pytest.raises(SignerMissing, match="no signature found for role alice"):
        signed_digest(repository, "v1", [signer("alice", mine)])
    assert signed_digest(repository, "v1", [signer("alice", mine)], signer_key_must_sign=False).digest == DIGEST
    assert signed_digest(repository, "v1", [signer("alice", other)]).digest == DIGEST


def test_two_secrets_of_one_signer(collection: Collection) -> None:
    """Both keys have to have signed; the original keeps the last alone."""
    mine, other = ecdsa_key(), ecdsa_key()
    collection.delegate("targets/alice", mine, other)
    signers = [signer("alice", mine), signer("alice", other)]
    assert len(signed_digest(collection.publish().repository(), "v1", signers).signers) == 2
    collection.signers["targets/alice"] = [other]
    with pytest.raises(SignerMissing):
        signed_digest(collection.publish().repository(), "v1", signers)


@pytest.mark.parametrize("listed_as", ["bare", "certificate"])
@pytest.mark.parametrize("configured_as", ["bare", "certificate"])
def test_mixed_canonical_ids(collection: Collection, listed_as: str, configured_as: str) -> None:
    """A key and its certificate are the same key, whichever is listed and whichever is configured."""
    key = ecdsa_key()
    collection.delegate("targets/alice", key if listed_as == "bare" else certified(key.private, "alice"))
    pem = public_pem(key.private) if configured_as == "bare" else certified(key.private, "alice").public
    configured = read_signer("alice-key", b"alice", pem, NOW)
    signed = signed_digest(collection.publish().repository(), "v1", [configured])
    assert signed.signers[0].key.canonical_id == configured.canonical_id == key.key_id


def test_signer_outside_its_paths(collection: Collection) -> None:
    key = ecdsa_key()
    collection.delegate("targets/alice", key, paths=["rel-"])
    with pytest.raises(SignerMissing):
        signed_digest(collection.publish().repository(), "v1", [signer("alice", key)])


# Images by digest.


def test_digest_of_any_tag(collection: Collection) -> None:
    collection.tag("targets", "base", OTHER)
    repository = collection.publish().repository()
    signed = signed_by_digest(repository, DIGEST)
    assert (signed.digest, signed.tag, signed.released_by.name) == (DIGEST, "v1", "targets/releases")
    assert signed_by_digest(repository, OTHER_DIGEST).released_by.name == "targets"
    assert signed_by_digest(repository, DIGEST, "v1").digest == DIGEST


@pytest.mark.parametrize(
    "wanted, tag",
    [
        (OTHER_DIGEST, None),
        (OTHER_DIGEST, "v1"),
        (DIGEST, "v2"),
        (DIGEST.upper(), None),
        (DIGEST.removeprefix("sha256:"), None),
        (DIGEST.removeprefix("sha256:"), "v1"),
        ("sha512:" + "00" * 64, None),
        ("sha256:None", "v2"),
        ("", None),
    ],
)
def test_digests_that_are_not_released(collection: Collection, wanted: str, tag: str | None) -> None:
    with pytest.raises(NoTrustData) as caught:
        signed_by_digest(collection.repository(), wanted, tag)
    assert str(caught.value) == f"No valid trust data for {wanted}"


def test_digest_where_nothing_is_released(collection: Collection) -> None:
    collection.delegations.pop("targets/releases")
    collection.tags["targets"].clear()
    with pytest.raises(NoTrustData):
        signed_by_digest(collection.publish().repository(), DIGEST)


def test_digest_under_tags_outside_the_paths(collection: Collection) -> None:
    collection.delegate("targets/releases", ecdsa_key(), paths=["rel-"])
    collection.tags["targets"].clear()
    collection.tag("targets/releases", "rel-1", OTHER)
    repository = collection.publish().repository()
    with pytest.raises(NoTrustData):
        signed_by_digest(repository, DIGEST)
    assert signed_by_digest(repository, OTHER_DIGEST).tag == "rel-1"


def test_signers_of_a_digest(collection: Collection) -> None:
    """A signer may have signed the digest under another tag."""
    collection.tags["targets/alice"].clear()
    collection.tag("targets/alice", "elsewhere", MANIFEST)
    repository = collection.publish().repository()
    assert signed_by_digest(repository, DIGEST, None, [alice(collection)]).signers[0].role.name == "targets/alice"
    with pytest.raises(SignerMissing):
        signed_by_digest(repository, DIGEST, "v1", [alice(collection)])
    with pytest.raises(PublicKeysDiffer):
        signed_by_digest(repository, DIGEST, None, [signer("alice", ecdsa_key())])
    collection.tags["targets/alice"].clear()
    with pytest.raises(SignerMissing):
        signed_by_digest(collection.publish().repository(), DIGEST, None, [alice(collection)])


def test_targets_without_sha256_have_no_digest(collection: Collection) -> None:
    def strip(signed: Document) -> None:
        for target in signed["targets"].values():
            del target["hashes"]["sha256"]

    collection.edits = {"targets/releases": strip, "targets": strip}
    with pytest.raises(NoTrustData):
        signed_by_digest(collection.publish().repository(), DIGEST)
