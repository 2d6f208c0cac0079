"""The order of an update: what is asked for, what is re-used, what is done once more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from imagegate.core.content_trust.errors import (
    ChecksumMismatch,
    Expired,
    InvalidMetadata,
    InvalidTrustState,
    KeyIdMismatch,
    NoSignatures,
    RolledBack,
    ThresholdNotMet,
    TrustDataUnavailable,
)
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.repository import AnchorKind
from tests.core.content_trust.conftest import MANIFEST
from tests.support.trust_collection import PAST, Collection, Document
from tests.support.trust_keys import NOW, certified, ecdsa_key, ed25519_key, rsa_key


def test_first_use_is_recorded(collection: Collection) -> None:
    result = collection.update()
    assert result.first_use
    assert result.state is not None
    anchor = result.state.anchor
    assert (anchor.kind, anchor.at, anchor.root_version) == (AnchorKind.FIRST_USE, NOW, 1)
    assert anchor.key_ids == (collection.keys["root"][0].key_id,)
    assert not collection.update(result.state).first_use


def test_nothing_is_trusted_where_a_first_update_fails(collection: Collection) -> None:
    collection.failing = {"targets"}
    result = collection.update()
    assert result.state is None
    assert not result.first_use


def test_only_what_has_changed_is_asked_for(collection: Collection) -> None:
    state = collection.state()
    collection.tag("targets/releases", "v2", MANIFEST)
    collection.tampering = {}
    unchanged = {name: content for name, content in collection.files.items() if name.startswith("targets/alice")}
    collection.publish("targets/releases", "snapshot", "timestamp")
    assert unchanged
    collection.repository(state)
    assert collection.asked[0] == "timestamp"
    assert "root" not in collection.asked
    collection.repository(collection.state(state))
    assert collection.asked == ["timestamp"]


def test_stored_file_that_was_changed_is_fetched_again(collection: Collection) -> None:
    state = collection.state()
    damaged = replace(state, files={**state.files, "targets": b"{}"})
    collection.repository(damaged)
    assert collection.asked == ["timestamp", "targets"]


def test_state_of_another_repository(collection: Collection) -> None:
    state = collection.state()
    with pytest.raises(
        InvalidTrustState, match=r"is of registry\.example\.com/app, not of registry\.example\.com/other"
    ):
        Collection("registry.example.com/other").update(state)


# A server that does not answer.


def test_stored_timestamp_serves_until_it_expires(collection: Collection) -> None:
    collection.expires["timestamp"] = "2026-12-06T12:00:00Z"
    state = collection.publish().state()
    collection.failing = {"timestamp", "root", "snapshot", "targets"}
    repository = collection.repository(state, now=NOW + timedelta(days=14))
    assert repository.timestamp_stored
    assert repository.valid_until == NOW + timedelta(days=14)
    assert collection.asked == ["timestamp"]
    error = collection.refusal(state, now=NOW + timedelta(days=14, seconds=1))
    assert type(error) is TrustDataUnavailable
    assert error.retryable


def test_stored_timestamp_serves_where_the_server_has_none(collection: Collection) -> None:
    state = collection.state()
    del collection.files["timestamp"]
    assert collection.repository(state).timestamp_stored
    error = collection.refusal()
    assert type(error) is TrustDataUnavailable
    assert error.absent
    assert not error.retryable


def test_stored_timestamp_that_is_older_than_one_seen(collection: Collection) -> None:
    state = collection.state()
    collection.publish("snapshot", "timestamp")
    collection.failing = {"snapshot"}
    failed = collection.update(state)
    assert failed.error is not None
    collection.failing = {"timestamp"}
    error = collection.refusal(failed.state)
    assert type(error) is RolledBack


def test_repository_that_does_not_exist() -> None:
    error = Collection().refusal()
    assert type(error) is TrustDataUnavailable
    assert (error.role, error.absent) == ("root", True)
    assert str(error) == "root trust data unavailable.  Has a notary repository been initialized?"


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "targets/alice"])
def test_server_that_fails(collection: Collection, role: str) -> None:
    collection.failing = {role}
    error = collection.refusal()
    assert type(error) is TrustDataUnavailable
    assert (error.role, error.absent, error.retryable) == (role, False, True)
    assert error.detail == f"{role}: unable to reach trust server at this time: 503."
    assert collection.asked[-1] == role


@pytest.mark.parametrize("role", ["snapshot", "targets", "targets/alice"])
def test_file_that_is_listed_and_not_there(collection: Collection, role: str) -> None:
    name = next(name for name in collection.files if name.startswith(f"{role}."))
    del collection.files[name]
    error = collection.refusal()
    assert type(error) is TrustDataUnavailable
    assert (error.role, error.absent) == (role, True)


# Once more with a newer root.


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_key_of_a_role_was_replaced(collection: Collection, role: str) -> None:
    state = collection.state()
    collection.keys[role] = [ecdsa_key()]
    collection.versions["root"] += 1
    collection.publish_root()
    repository = collection.publish(role).repository(state)
    assert repository.root.version == 2
    assert "root" in collection.asked


def test_same_root_means_no_second_attempt(collection: Collection) -> None:
    collection.signers["targets"] = [ecdsa_key()]
    assert type(collection.publish().refusal()) is ThresholdNotMet
    assert collection.asked == ["root", "timestamp", "snapshot", "targets", "root"]


def test_second_attempt_fails_too(collection: Collection) -> None:
    state = collection.state()
    collection.versions["root"] += 1
    collection.publish_root()
    collection.expires["timestamp"] = PAST
    result = collection.publish("timestamp").update(state)
    assert type(result.error) is Expired
    assert result.state is not None
    assert result.state.root == collection.files["root"]
    assert result.state.files == state.files


# Files that do not prove what they must.


def test_no_signatures(collection: Collection) -> None:
    for role in ("timestamp", "snapshot", "targets", "targets/releases"):
        collection.signers = {role: []}
        error = collection.publish().refusal()
        assert type(error) is NoSignatures
        assert error.detail == f"{role} version 1: tuf: data has no signatures"


def test_signatures_are_null(collection: Collection) -> None:
    collection.tampering["timestamp"] = lambda content: (
        content[: content.index(b',"signatures"')] + b',"signatures":null}'
    )
    assert type(collection.publish().refusal()) is NoSignatures


def test_tampered_targets(collection: Collection) -> None:
    """Changed after they were signed, and listed as changed: the checksum fits, the signature does not."""
    collection.tampering["targets"] = lambda content: content.replace(b'"base"', b'"evil"')
    error = collection.publish().refusal()
    assert type(error) is ThresholdNotMet
    assert error.detail == "targets version 1: valid signatures did not meet threshold for targets"


def test_tampered_delegation_is_skipped(collection: Collection) -> None:
    collection.tampering["targets/releases"] = lambda content: content.replace(b'"v1"', b'"v9"')
    repository = collection.publish().repository()
    assert [one.name for one in repository.targets_roles] == ["targets", "targets/alice"]
    assert [(one.name, one.why) for one in repository.skipped] == [
        ("targets/releases", "valid signatures did not meet threshold for targets/releases")
    ]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_threshold_of_two_with_one_key_twice(collection: Collection, role: str) -> None:
    key, other = collection.keys[role][0], ecdsa_key()
    collection.keys[role], collection.thresholds[role] = [key, other], 2
    collection.publish_root()
    collection.publish().repository()
    collection.signers[role] = [key, key]
    error = collection.publish().refusal()
    assert type(error) is ThresholdNotMet
    assert str(error) == f"valid signatures did not meet threshold for {role}"


@pytest.mark.parametrize("role", ["timestamp", "targets/releases"])
def test_threshold_of_two_by_one_key_under_two_ids(collection: Collection, role: str) -> None:
    """Bare and in a certificate, or in two certificates: the original counts two keys."""
    private = rsa_key().private
    for keys in ([rsa_key(), certified(private, "bob")], [certified(private, "bob"), certified(private, "eve")]):
        assert keys[0].key_id != keys[1].key_id
        if role == "timestamp":
            collection.keys[role], collection.thresholds[role] = keys, 2
            collection.publish_root()
            assert type(collection.publish().refusal()) is ThresholdNotMet
        else:
            collection.delegate(role, *keys, threshold=2)
            assert [one.name for one in collection.publish().repository().skipped] == [role]


def test_threshold_of_three_by_three_kinds_of_keys(collection: Collection) -> None:
    keys = [ecdsa_key(), ed25519_key(), certified(rsa_key().private, "bob")]
    collection.delegate("targets/releases", *keys, threshold=3)
    role = collection.publish().repository().targets_role("targets/releases")
    assert role is not None
    assert {key.key_type for key in role.evidence.signed_by} == {"ecdsa", "ed25519", "rsa-x509"}


def test_key_under_the_id_of_another(collection: Collection) -> None:
    """Another key stands in the root under the id of the true one; only root keys could write that."""
    key, mallory = collection.keys["timestamp"][0], ecdsa_key()

    def swap(signed: Document) -> None:
        signed["keys"][key.key_id] = mallory.listed

    collection.edits["root"] = swap
    collection.publish_root()
    error = collection.publish().refusal()
    assert type(error) is KeyIdMismatch
    assert error.detail == "timestamp version 1: key ID is not valid for key content"


def test_signatures_of_strangers_are_ignored(collection: Collection) -> None:
    for role in ("timestamp", "targets"):
        collection.signers[role] = [ecdsa_key(), *collection.keys[role], ed25519_key()]
    collection.publish().repository()


def test_delegation_without_keys_is_skipped(collection: Collection) -> None:
    collection.signers["targets/empty"] = [ecdsa_key()]
    collection.delegate("targets/empty")
    assert [one.name for one in collection.publish().repository().skipped] == ["targets/empty"]


def test_delegation_that_nobody_has_signed(collection: Collection) -> None:
    collection.unlisted = {"targets/alice"}
    repository = collection.publish().repository()
    assert [one.name for one in repository.skipped] == ["targets/alice"]
    assert "does not list it" in repository.skipped[0].why


@pytest.mark.parametrize(
    "by, role",
    [("timestamp", "snapshot"), ("snapshot", "root"), ("snapshot", "targets"), ("snapshot", "targets/alice")],
)
def test_listed_with_sha512_alone(collection: Collection, by: str, role: str) -> None:
    def edit(signed: Document) -> None:
        del signed["meta"][role]["hashes"]["sha256"]

    collection.edits[by] = edit
    error = collection.publish().refusal()
    assert type(error) is InvalidMetadata
    assert str(error) == f"{by} type metadata invalid: missing {role} sha256 checksum information"


@pytest.mark.parametrize(
    "by, role", [("timestamp", "snapshot"), ("snapshot", "targets"), ("snapshot", "targets/alice")]
)
def test_listed_with_a_wrong_sha512(collection: Collection, by: str, role: str) -> None:
    """The sha256 is right; every listed hash has to be."""

    def edit(signed: Document) -> None:
        hashes = signed["meta"][role]["hashes"]
        hashes["sha512"] = "A" * 86 + "=="

    collection.edits[by] = edit
    error = collection.publish().refusal()
    assert type(error) is ChecksumMismatch
    assert str(error) == f"sha512 checksum for {role} did not match: expected {'00' * 64}"


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_listed_with_a_larger_length(collection: Collection, role: str) -> None:
    def edit(signed: Document) -> None:
        signed["meta"][role]["length"] += 1

    collection.edits["timestamp" if role == "snapshot" else "snapshot"] = edit
    error = collection.publish().refusal()
    assert type(error) is ChecksumMismatch
    assert str(error).startswith(f"length of {role} did not match: expected ")


def test_evidence_of_a_role(collection: Collection) -> None:
    repository = collection.repository()
    snapshot = repository.snapshot
    key = collection.keys["snapshot"][0]
    assert (snapshot.name, snapshot.version, snapshot.threshold) == ("snapshot", 1, 1)
    assert [one.key_id for one in snapshot.signed_by] == [key.key_id]
    assert f"snapshot.{snapshot.sha256}" in collection.files
    assert snapshot.length == len(collection.files[f"snapshot.{snapshot.sha256}"])
    root = repository.root.keys[0]
    assert (root.key_type, root.subject) == ("ecdsa-x509", collection.gun)
    assert root.canonical_id == collection.keys["root"][0].bare.key_id
    assert repository.is_valid(repository.valid_until)
    assert not repository.is_valid(repository.valid_until + timedelta(microseconds=1))
    assert repository.targets_role("targets/nobody") is None


def test_roles_come_level_by_level(collection: Collection) -> None:
    for name in ("targets/alice/one", "targets/releases/two", "targets/alice/three"):
        collection.delegate(name, ecdsa_key(), paths=["v1"])
    repository = collection.publish().repository(pins=Pinning())
    assert [role.name for role in repository.targets_roles] == [
        "targets",
        "targets/releases",
        "targets/alice",
        "targets/releases/two",
        "targets/alice/one",
        "targets/alice/three",
    ]
    assert repository.targets_roles[2].delegates_to == ("targets/alice/one", "targets/alice/three")


def test_paths_of_a_child_lie_within_its_parent(collection: Collection) -> None:
    collection.delegate("targets/alice", ecdsa_key(), paths=["rel-", "x/"])
    collection.delegate("targets/alice/sub", ecdsa_key(), paths=["rel-1", "", "other", "x/y"])
    role = collection.publish().repository().targets_role("targets/alice/sub")
    assert role is not None
    assert role.paths == ("rel-1", "x/y")
