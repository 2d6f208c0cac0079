"""The published attacks on update systems, each by somebody with the keys that it takes.

The list is that of the TUF specification and of "Survivable Key Compromise in Software Update
Systems" (Samuel, Mathewson, Cappos, Dingledine, 2010). docs/content-trust-attacks.md is the table of these tests.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from imagegate.core.admission.lookup import Found
from imagegate.core.content_trust import limits
from imagegate.core.content_trust.errors import (
    ChecksumMismatch,
    Expired,
    IncompatibleDigest,
    InvalidMetadata,
    MetadataTooLarge,
    NoTrustData,
    RolledBack,
    RootNotTrusted,
    RootRotationFailed,
    SignerMissing,
    ThresholdNotMet,
    TooManyDelegations,
    TrustDataError,
    TrustDataUnavailable,
)
from imagegate.core.content_trust.fetches import Fetch, run
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.signed_digest import signed_by_digest, signed_digest
from imagegate.core.content_trust.signed_file import SignedFile
from imagegate.core.content_trust.signers import Signer, read_signer
from imagegate.core.content_trust.update import update
from tests.core.content_trust.conftest import MANIFEST
from tests.support.trust_collection import GUN, PAST, Collection, digest
from tests.support.trust_keys import NOW, ecdsa_key, public_pem, root_key

EVIL = b'{"evil":true}'


def refused(error: TrustDataError, kind: type[TrustDataError], detail: str) -> None:
    assert type(error) is kind
    assert error.detail == detail


def alice(collection: Collection) -> Signer:
    pem = public_pem(collection.delegations["targets/alice"].keys[0].private)
    return read_signer("alice-key", b"alice", pem, NOW)


# Freeze: an attacker answers with what was good once, for ever.


def test_freeze_ends_when_the_timestamp_expires(collection: Collection) -> None:
    collection.expires["timestamp"] = "2026-12-06T12:00:00Z"
    state = collection.publish().state()
    frozen = dict(collection.files)
    collection.tag("targets/releases", "v1", EVIL)
    collection.publish("targets/releases", "snapshot", "timestamp")
    collection.files = frozen
    collection.repository(state, now=NOW + timedelta(days=14))
    refused(
        collection.refusal(state, now=NOW + timedelta(days=14, seconds=1)),
        Expired,
        "timestamp version 1: timestamp expired at Sun Dec 6 12:00:00 UTC 2026",
    )


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "root"])
def test_freeze_with_one_expired_role(collection: Collection, role: str) -> None:
    collection.expires[role] = PAST
    if role == "root":
        collection.publish_root()
    collection.publish()
    refused(collection.refusal(), Expired, f"{role} version 1: {role} expired at Sun Nov 22 11:59:59 UTC 2026")


def test_freeze_of_a_signer(collection: Collection) -> None:
    """An expired delegation is not used; what it had signed is not signed any more."""
    collection.expires["targets/alice"] = PAST
    repository = collection.publish().repository()
    assert [(one.name, one.why) for one in repository.skipped] == [
        ("targets/alice", "targets/alice expired at Sun Nov 22 11:59:59 UTC 2026")
    ]
    with pytest.raises(SignerMissing, match="no signature found for role alice"):
        signed_digest(repository, "v1", [alice(collection)])


# Rollback: an attacker answers with what was good once, to somebody who knows better.


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "targets/releases"])
def test_rollback_of_one_role(collection: Collection, role: str) -> None:
    """Everything above the role is signed anew, so the attacker has those keys."""
    collection.versions[role] = 4
    state = collection.publish().state()
    collection.versions[role] = 3
    refused(
        collection.publish().refusal(state),
        RolledBack,
        f"{role} version 3: version 3 is lower than current version 4",
    )


def test_rollback_of_everything(collection: Collection) -> None:
    before = dict(collection.files)
    state = collection.state()
    collection.tag("targets/releases", "v1", EVIL)
    state = collection.publish("targets/releases", "targets", "snapshot", "timestamp").state(state)
    collection.files = before
    refused(collection.refusal(state), RolledBack, "timestamp version 1: version 1 is lower than current version 2")


def test_rollback_is_remembered_where_the_rest_of_an_update_failed(collection: Collection) -> None:
    before = dict(collection.files)
    state = collection.state()
    collection.publish("snapshot", "timestamp")
    collection.files = {name: content for name, content in collection.files.items() if "snapshot" not in name}
    failed = collection.update(state)
    assert isinstance(failed.error, TrustDataUnavailable)
    collection.files = before
    refused(
        collection.refusal(failed.state), RolledBack, "timestamp version 1: version 1 is lower than current version 2"
    )


def test_rollback_of_the_root(collection: Collection) -> None:
    old_root, old_key = collection.files["root"], collection.keys["root"][0]
    new_key = root_key(GUN)
    collection.rotate_root(new_key)
    state = collection.publish().state()
    collection.files["root"] = old_root
    collection.expires["timestamp"] = PAST
    collection.publish()
    refused(
        collection.refusal(state),
        RootRotationFailed,
        "root version 1: could not rotate trust to a new trusted root: "
        "failed to validate data with current trusted certificates",
    )
    collection.keys["root"], collection.versions["root"] = [old_key], 1
    collection.publish_root(also_signed_by=[new_key])
    refused(
        collection.publish().refusal(state), RolledBack, "root version 1: version 1 is lower than current version 2"
    )


# Fast-forward: an attacker with a key drives a version up, so that nothing good can follow.


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_fast_forward_is_undone_by_another_key(collection: Collection, role: str) -> None:
    collection.versions[role] = 2**53
    state = collection.publish().state()
    collection.versions[role] = 2
    refused(
        collection.publish().refusal(state),
        RolledBack,
        f"{role} version 2: version 2 is lower than current version {2**53}",
    )
    collection.keys[role] = [ecdsa_key()]
    collection.versions["root"] += 1
    collection.publish_root()
    collection.publish().repository(state)


def test_fast_forward_beyond_whole_numbers(collection: Collection) -> None:
    collection.versions["timestamp"] = 2**53 + 2
    error = collection.publish().refusal()
    refused(
        error, InvalidMetadata, "timestamp: timestamp type metadata invalid: integer 9007199254740994 is beyond 2**53"
    )


# Mix and match: an attacker combines files that were never published together.


@pytest.mark.parametrize("role", ["snapshot", "targets", "targets/releases"])
def test_mix_and_match_of_listed_files(collection: Collection, role: str) -> None:
    old = {name: content for name, content in collection.files.items() if name.startswith(f"{role}.")}
    collection.tag("targets/releases", "v1", EVIL)
    collection.publish(role, "targets/releases", "targets", "snapshot", "timestamp")
    wanted = [name for name in collection.files if name.startswith(f"{role}.") and name not in old]
    assert len(wanted) == 1
    collection.files[wanted[0]] = next(iter(old.values()))
    error = collection.refusal()
    assert type(error) is ChecksumMismatch
    assert error.role == role
    assert str(error).endswith(f"checksum for {role} did not match: expected {wanted[0].rpartition('.')[2]}")


def test_mix_and_match_of_the_root(collection: Collection) -> None:
    """The root of another day, though it is signed by the same keys."""
    published = dict(collection.files)
    collection.versions["root"] += 1
    collection.publish_root()
    collection.files = published | {"root": collection.files["root"]}
    error = collection.refusal()
    assert type(error) is ChecksumMismatch
    assert str(error).startswith("sha256 checksum for root did not match: expected ")


# Endless data.


@pytest.mark.parametrize("role, limit", [("root", limits.MAX_ROOT_BYTES), ("timestamp", limits.MAX_TIMESTAMP_BYTES)])
def test_endless_file_of_unknown_length(collection: Collection, role: str, limit: int) -> None:
    collection.files[role] = b" " * (limit + 2)
    refused(
        collection.refusal(), MetadataTooLarge, f"{role}: {role} is larger than the {limit} bytes that are expected"
    )


def test_endless_file_of_known_length(collection: Collection) -> None:
    name = next(name for name in collection.files if name.startswith("targets."))
    length = len(collection.files[name])
    collection.files[name] += b" " * 1000
    refused(
        collection.refusal(),
        MetadataTooLarge,
        f"targets: {name} is larger than the {length} bytes that are expected",
    )


def test_huge_metadata_is_not_even_asked_for(collection: Collection) -> None:
    def huge(signed: dict[str, dict[str, dict[str, int]]]) -> None:
        signed["meta"]["targets"]["length"] = limits.MAX_FILE_BYTES + 1

    collection.edits["snapshot"] = huge
    refused(
        collection.publish().refusal(),
        MetadataTooLarge,
        f"targets: targets is listed with {limits.MAX_FILE_BYTES + 1} bytes; at most {limits.MAX_FILE_BYTES} are read",
    )
    assert "targets" not in collection.asked


def test_many_large_files(collection: Collection) -> None:
    """Each below its limit, together beyond what an update reads."""
    padding = {"custom": "x" * (limits.MAX_FILE_BYTES - 4096)}
    for number in range(4):
        name = f"targets/large{number}"
        collection.delegate(name, ecdsa_key())
        collection.edits[name] = lambda signed: signed.update(padding)
    refused(
        collection.publish().refusal(),
        MetadataTooLarge,
        f"targets/large3: trust data of the repository is larger than {limits.MAX_UPDATE_BYTES} bytes",
    )


def test_endless_delegation_tree() -> None:
    wide = Collection()
    key = ecdsa_key()
    for number in range(limits.MAX_DELEGATIONS + 1):
        wide.delegate(f"targets/r{number}", key)
    error = wide.publish().refusal()
    assert type(error) is TooManyDelegations
    assert str(error) == f"more than {limits.MAX_DELEGATIONS} delegations"
    assert len(wide.asked) <= limits.MAX_DELEGATIONS + 6


def test_deepest_delegation_tree() -> None:
    """A role's name is below 256 characters, so a tree of one-letter roles is 124 deep, and no deeper."""
    deep = Collection()
    key = ecdsa_key()
    name = "targets"
    while len(name) < 254:
        name += "/a"
        deep.delegate(name, key)
    deep.tag(name, "v1", MANIFEST)
    repository = deep.publish().repository()
    assert repository.targets_roles[-1].name == name
    deep.delegate(f"{name}/a", key)
    assert str(deep.publish().refusal()) == f"{name} type metadata invalid: delegation role {name}/a invalid"


def test_endless_signatures(collection: Collection) -> None:
    collection.signers["timestamp"] = collection.keys["timestamp"] * (limits.MAX_SIGNATURES + 1)
    refused(
        collection.publish().refusal(),
        MetadataTooLarge,
        "timestamp: timestamp has 65 signatures, at most 64 are verified",
    )


@pytest.mark.parametrize("role, limit", [("root", 20_000), ("timestamp", 20_000), ("targets", 400_000)])
def test_endless_values(role: str, limit: int) -> None:
    """Small in bytes, large in memory."""
    content = b'{"signed":{"a":[' + b"[]," * (limit // 2) + b'0]},"signatures":[]}'
    assert len(content) < limits.MAX_TIMESTAMP_BYTES
    with pytest.raises(MetadataTooLarge, match=f"{role} has more than {limit} values"):
        SignedFile.parse(role, content)


def test_endless_root_rotations(collection: Collection) -> None:
    state = collection.state()
    collection.versions["root"] = limits.MAX_ROOT_ROTATIONS + 2
    collection.keys["root"] = [root_key(GUN)]
    collection.publish_root()
    refused(
        collection.publish("timestamp").refusal(state),
        RootRotationFailed,
        "root version 258: could not rotate trust to a new trusted root: "
        "version 258 is more than 256 versions ahead of 1",
    )


# Wrong software: an attacker offers another image than the signed one.


def test_wrong_digest_of_a_tag(collection: Collection) -> None:
    repository = collection.repository()
    assert signed_digest(repository, "v1").digest == digest(MANIFEST)
    with pytest.raises(NoTrustData, match=f"No valid trust data for {digest(EVIL)}"):
        signed_by_digest(repository, digest(EVIL), "v1")
    with pytest.raises(NoTrustData, match="No valid trust data for v2"):
        signed_digest(repository, "v2")


def test_trust_data_of_another_repository(collection: Collection) -> None:
    """Whoever owns one repository of the server answers with it for another."""
    collection.gun = "registry.example.com/other"
    refused(
        collection.refusal(),
        RootNotTrusted,
        "root version 1: could not validate the path to a trusted root: unable to retrieve valid leaf certificates",
    )


def test_wrong_role_under_a_name(collection: Collection) -> None:
    """The snapshot's key signs timestamps too; its snapshot is still no timestamp."""
    collection.keys["timestamp"] = collection.keys["snapshot"]
    collection.publish_root()
    collection.publish()
    collection.files["timestamp"] = next(
        content for name, content in collection.files.items() if name.startswith("snapshot.")
    )
    refused(
        collection.refusal(),
        InvalidMetadata,
        "timestamp version 1: timestamp type metadata invalid: expected type Timestamp, not Snapshot",
    )


def test_delegation_signs_outside_its_paths(collection: Collection) -> None:
    collection.delegate("targets/releases", ecdsa_key(), paths=["v2"])
    repository = collection.publish().repository()
    with pytest.raises(NoTrustData):
        signed_digest(repository, "v1")


# Key compromise: an attacker has the keys of one role, and the network, but no other key.


def test_timestamp_key_compromised(collection: Collection) -> None:
    """It lists another snapshot, which nobody signed."""
    state = collection.state()
    collection.signers["snapshot"] = [ecdsa_key()]
    refused(
        collection.publish("snapshot", "timestamp").refusal(state),
        ThresholdNotMet,
        "snapshot version 2: valid signatures did not meet threshold for snapshot",
    )


def test_timestamp_and_snapshot_keys_compromised(collection: Collection) -> None:
    """As on a hijacked server: they list other targets, which nobody signed."""
    state = collection.state()
    collection.signers["targets"] = [ecdsa_key()]
    refused(
        collection.publish("targets", "snapshot", "timestamp").refusal(state),
        ThresholdNotMet,
        "targets version 2: valid signatures did not meet threshold for targets",
    )


def test_snapshot_key_compromised(collection: Collection) -> None:
    """It lists older targets; without the timestamp's key nobody is told of it."""
    state = collection.state()
    collection.signers["timestamp"] = [ecdsa_key()]
    refused(
        collection.publish("snapshot", "timestamp").refusal(state),
        ThresholdNotMet,
        "timestamp version 2: valid signatures did not meet threshold for timestamp",
    )


def test_targets_key_compromised(collection: Collection) -> None:
    """Without the snapshot's key its targets are in no snapshot."""
    state = collection.state()
    evil = Collection()
    evil.keys = collection.keys | {"snapshot": [ecdsa_key()], "timestamp": [ecdsa_key()]}
    evil.tag("targets", "base", EVIL)
    evil.files["root"] = collection.files["root"]
    evil.publish("targets")
    refused(
        evil.refusal(state),
        ThresholdNotMet,
        "timestamp version 1: valid signatures did not meet threshold for timestamp",
    )


def test_targets_snapshot_and_timestamp_keys_compromised(collection: Collection) -> None:
    """They release what they like, until the root replaces them; a required signer still has to sign."""
    signer = alice(collection)
    state = collection.state()
    del collection.delegations["targets/releases"]
    collection.tag("targets", "v1", EVIL)
    taken_over = collection.publish("targets", "snapshot", "timestamp").update(state)
    assert taken_over.repository is not None
    assert signed_digest(taken_over.repository, "v1").digest == digest(EVIL)
    with pytest.raises(IncompatibleDigest):
        signed_digest(taken_over.repository, "v1", [signer])
    evil_files = dict(collection.files)
    for role in ("targets", "snapshot", "timestamp"):
        collection.keys[role] = [ecdsa_key()]
        collection.versions[role] = 2
    collection.tag("targets", "v1", MANIFEST)
    collection.versions["root"] += 1
    collection.publish_root()
    recovered = collection.publish().state(taken_over.state)
    assert signed_digest(collection.repository(recovered), "v1").digest == digest(MANIFEST)
    collection.files = evil_files
    refused(
        collection.refusal(recovered),
        RolledBack,
        "root version 1: version 1 is lower than current version 2",
    )


def test_delegation_key_compromised(collection: Collection) -> None:
    """Without the snapshot's key its file is in no snapshot: the checksum differs."""
    evil = Collection()
    evil.keys, evil.delegations = collection.keys, collection.delegations
    evil.tag("targets/releases", "v1", EVIL)
    evil.publish()
    name = next(name for name in collection.files if name.startswith("targets/releases."))
    evil_name = next(name for name in evil.files if name.startswith("targets/releases."))
    collection.files[name] = evil.files[evil_name]
    error = collection.refusal()
    assert type(error) is ChecksumMismatch
    assert error.role == "targets/releases"


def test_releases_key_compromised_with_the_server(collection: Collection) -> None:
    """It releases another digest; alice has not signed that."""
    signer = alice(collection)
    state = collection.state()
    collection.tag("targets/releases", "v1", EVIL)
    repository = collection.publish("targets/releases", "snapshot", "timestamp").repository(state)
    with pytest.raises(IncompatibleDigest, match="Incompatible digest"):
        signed_digest(repository, "v1", [signer])


def test_one_root_key_of_two_compromised() -> None:
    collection = Collection()
    first, second = root_key(GUN), root_key(GUN)
    collection.keys["root"], collection.thresholds["root"] = [first, second], 2
    state = collection.publish().state()
    collection.keys["root"], collection.thresholds["root"] = [root_key(GUN)], 1
    collection.versions["root"] += 1
    collection.publish_root(also_signed_by=[first])
    refused(
        collection.publish("timestamp").refusal(state, pins=Pinning()),
        RootRotationFailed,
        "root version 2: could not rotate trust to a new trusted root: "
        "failed to validate data with current trusted certificates",
    )


def test_root_key_compromised_before_first_use(collection: Collection) -> None:
    """A pin is what helps: a root by other keys is never trusted."""
    pins = Pinning(certs=((GUN, (collection.keys["root"][0].key_id,)),))
    collection.repository(pins=pins)
    evil = Collection()
    evil.tag("targets", "v1", EVIL)
    refused(
        evil.publish().refusal(pins=pins),
        RootNotTrusted,
        "root version 1: could not validate the path to a trusted root: "
        "unable to match any certificates to trust_pinning config",
    )


def test_replaced_root_without_chain(collection: Collection) -> None:
    """The repository deleted and made anew, or a server that somebody else took over."""
    state = collection.state()
    evil = Collection().publish()
    result = evil.update(state)
    assert result.error is not None
    refused(
        result.error,
        RootRotationFailed,
        "root version 1: could not rotate trust to a new trusted root: "
        "failed to validate data with current trusted certificates",
    )
    assert result.state == state


def test_replaced_root_with_a_broken_chain(collection: Collection) -> None:
    state = collection.state()
    evil = Collection()
    evil.versions["root"] = 3
    evil.publish()
    refused(
        evil.refusal(state),
        RootRotationFailed,
        "root version 3: could not rotate trust to a new trusted root: the server has no version 2",
    )
    evil.files["2.root"] = Collection().publish().files["root"]
    refused(
        evil.refusal(state),
        RootRotationFailed,
        "root version 1: could not rotate trust to a new trusted root: "
        "failed to validate data with current trusted certificates",
    )


def test_replaced_root_behind_a_true_chain(collection: Collection) -> None:
    """Every version in between is the publisher's own; the newest is not."""
    state = collection.state()
    collection.rotate_root(root_key(GUN))
    collection.keys["root"] = [root_key(GUN)]
    collection.versions["root"] = 3
    collection.publish_root()
    refused(
        collection.publish("timestamp").refusal(state),
        RootRotationFailed,
        "root version 3: could not rotate trust to a new trusted root: "
        "failed to validate data with current trusted certificates",
    )
    assert collection.asked[-2:] == ["root", "2.root"]


def test_driver_that_ignores_the_limit(collection: Collection) -> None:
    def answer(fetch: Fetch) -> Found[bytes]:
        return Found(collection.files[fetch.name] + b" " * fetch.max_bytes)

    result = run(update(GUN, None, Pinning(), NOW), answer)
    assert isinstance(result.error, MetadataTooLarge)
