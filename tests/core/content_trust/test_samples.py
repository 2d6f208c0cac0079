"""Trust data that a real notary-server served, byte for byte."""

from __future__ import annotations

import pytest

from imagegate.core.content_trust.errors import NoTrustData
from imagegate.core.content_trust.fetches import run
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.repository import Repository
from imagegate.core.content_trust.signed_digest import signed_by_digest, signed_digest
from imagegate.core.content_trust.state import TrustState
from imagegate.core.content_trust.update import UpdateResult, update
from tests.support.trust_samples import (
    SAMPLES_NOW,
    SERVER_ECDSA,
    SERVER_LOCAL,
    SERVER_OFFSET,
    SIGNED_DIGEST,
    TRUST_SAMPLES,
    TrustSample,
)


def updated(sample: TrustSample, state: TrustState | None = None, asked: list[str] | None = None) -> UpdateResult:
    return run(update(sample.gun, state, Pinning(), SAMPLES_NOW), sample.fetch(asked))


def repository(sample: TrustSample) -> Repository:
    result = updated(sample)
    assert result.error is None
    assert result.repository is not None
    return result.repository


@pytest.mark.parametrize("sample", TRUST_SAMPLES, ids=lambda sample: sample.folder)
def test_first_update_then_timestamp_alone(sample: TrustSample) -> None:
    first = updated(sample)
    assert first.error is None
    assert first.first_use
    assert first.state is not None
    asked: list[str] = []
    second = updated(sample, TrustState.decode(first.state.encode()), asked)
    assert second.error is None
    assert not second.first_use
    assert second.repository == first.repository
    assert asked == ["timestamp"]


def test_files_are_asked_for_in_order() -> None:
    asked: list[str] = []
    updated(SERVER_ECDSA, asked=asked)
    assert asked == ["root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice"]


@pytest.mark.parametrize("tag, role", [("v1", "targets"), ("v2", "targets/releases"), ("v3", "targets/releases")])
def test_tags(tag: str, role: str) -> None:
    signed = signed_digest(repository(SERVER_ECDSA), tag)
    assert (signed.digest, signed.released_by.name) == (SIGNED_DIGEST, role)
    assert signed.chain[0].name == "root"
    assert signed.chain[-1].name == role


def test_two_keys_have_signed_releases() -> None:
    role = repository(SERVER_ECDSA).targets_role("targets/releases")
    assert role is not None
    assert {(key.key_type, key.subject) for key in role.evidence.signed_by} == {("ecdsa", None), ("rsa-x509", "bob")}


def test_target_with_sha512_alone_has_no_digest() -> None:
    local = repository(SERVER_LOCAL)
    target = local.targets_roles[0].target("only512")
    assert target is not None
    assert target.hashes.keys() == {"sha512"}
    with pytest.raises(NoTrustData, match="No valid trust data for only512"):
        signed_digest(local, "only512")


def test_nested_delegation_is_limited_to_its_paths() -> None:
    role = repository(SERVER_LOCAL).targets_role("targets/secp384r1/sub")
    assert role is not None
    assert role.paths == ("rel-", "x/")


def test_delegation_without_a_file_is_skipped() -> None:
    offset = repository(SERVER_OFFSET)
    assert [skipped.name for skipped in offset.skipped] == ["targets/releases"]
    assert signed_by_digest(offset, SIGNED_DIGEST).tag == "v1"
