"""Which digest a tag has, and whether every required signer has signed it.

Source: docs/spec/enforcement.md 12.9 and 12.10; notary, ``client/reader.go`` ``GetAllTargetMetadataByName``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from imagegate.core.content_trust.errors import IncompatibleDigest, NoTrustData, PublicKeysDiffer, SignerMissing
from imagegate.core.content_trust.repository import Repository, RoleEvidence, RoleKey, TargetsRole
from imagegate.core.content_trust.roles import TARGETS
from imagegate.core.content_trust.signers import Signer

RELEASES = "targets/releases"
ALGORITHM = "sha256:"

Statement: TypeAlias = Callable[[TargetsRole], bool | None]
"""Whether a role has signed the digest in question; None: it says nothing about the tag or digest."""


@dataclass(frozen=True, slots=True)
class SignerEvidence:
    """A signer's own signature on the digest."""

    signer: Signer
    role: RoleEvidence
    key: RoleKey
    """The configured key, as the role lists it."""


@dataclass(frozen=True, slots=True)
class SignedDigest:
    """A digest that may run, and everything that vouches for it."""

    digest: str
    """``sha256:`` and hex."""
    tag: str
    released_by: RoleEvidence
    signers: tuple[SignerEvidence, ...]
    chain: tuple[RoleEvidence, ...]
    """Root, timestamp, snapshot, then every targets role that vouches."""
    valid_until: datetime


def signed_digest(
    repository: Repository, tag: str, signers: Sequence[Signer] = (), *, signer_key_must_sign: bool = True
) -> SignedDigest:
    """The digest that is released under a tag, signed by every signer.

    ``targets/releases`` goes before ``targets``; other roles release nothing.

    Raises:
        NoTrustData: no role releases a sha256 for the tag.
        PublicKeysDiffer: a signer's key is none of its role's.
        IncompatibleDigest: a signer has signed another digest, or one without sha256.
        SignerMissing: a signer has not signed the tag, or not with this key.
    """
    released_by = _releasing(repository, tag)
    sha256 = _sha256(released_by, tag)
    if released_by is None or sha256 is None:
        raise NoTrustData(tag)

    def has_signed(role: TargetsRole) -> bool | None:
        return None if role.target(tag) is None else _sha256(role, tag) == sha256

    evidence = _all_signers(repository, signers, has_signed, signer_key_must_sign)
    return _signed(repository, sha256, tag, released_by, evidence)


def signed_by_digest(
    repository: Repository,
    digest: str,
    tag: str | None = None,
    signers: Sequence[Signer] = (),
    *,
    signer_key_must_sign: bool = True,
) -> SignedDigest:
    """The same for an image that is given by digest: it has to be that of the tag, or without one of any tag.

    The original verifies the tag ``latest`` instead, whatever the digest.

    Raises:
        NoTrustData: the digest is not released.
        PublicKeysDiffer, IncompatibleDigest, SignerMissing: as for a tag.
    """
    if not digest.startswith(ALGORITHM):
        raise NoTrustData(digest)
    sha256 = digest.removeprefix(ALGORITHM)
    if tag is not None:
        if _sha256(_releasing(repository, tag), tag) != sha256:
            raise NoTrustData(digest)
        return signed_digest(repository, tag, signers, signer_key_must_sign=signer_key_must_sign)
    for name in (RELEASES, TARGETS):
        role = repository.targets_role(name)
        found = role.tags_by_sha256.get(sha256) if role is not None else None
        if role is not None and found is not None:
            break
    else:
        raise NoTrustData(digest)

    def has_signed(role: TargetsRole) -> bool | None:
        return True if sha256 in role.tags_by_sha256 else None

    evidence = _all_signers(repository, signers, has_signed, signer_key_must_sign)
    return _signed(repository, sha256, found, role, evidence)


def _releasing(repository: Repository, tag: str) -> TargetsRole | None:
    """The last of the releasing roles that has the tag."""
    for name in (RELEASES, TARGETS):
        role = repository.targets_role(name)
        if role is not None and role.target(tag) is not None:
            return role
    return None


def _sha256(role: TargetsRole | None, tag: str) -> str | None:
    target = role.target(tag) if role is not None else None
    return target.sha256 if target is not None else None


def _all_signers(
    repository: Repository, signers: Sequence[Signer], has_signed: Statement, signer_key_must_sign: bool
) -> list[tuple[SignerEvidence, TargetsRole]]:
    """Evidence of every signer; a wrong key or digest is reported before a missing signer, as the original does."""
    evidence, missing = [], []
    for signer in signers:
        role = repository.targets_role(signer.role)
        verdict = has_signed(role) if role is not None else None
        if role is None or verdict is None:
            missing.append(SignerMissing(signer.name, role.evidence.version if role else None))
            continue
        key = _key_of(signer, role.evidence.keys)
        if key is None:
            raise PublicKeysDiffer(role.name, role.evidence.version)
        if not verdict:
            raise IncompatibleDigest(role.name, role.evidence.version)
        if signer_key_must_sign and _key_of(signer, role.evidence.signed_by) is None:
            missing.append(SignerMissing(signer.name, role.evidence.version))
        evidence.append((SignerEvidence(signer, role.evidence, key), role))
    if missing:
        raise missing[0]
    return evidence


def _key_of(signer: Signer, keys: Sequence[RoleKey]) -> RoleKey | None:
    """A bare key fits a role that lists its certificate, and the other way round."""
    return next((key for key in keys if key.canonical_id == signer.canonical_id), None)


def _signed(
    repository: Repository,
    sha256: str,
    tag: str,
    released_by: TargetsRole,
    evidence: Sequence[tuple[SignerEvidence, TargetsRole]],
) -> SignedDigest:
    vouching = {role.name: role.evidence for role in _ancestry(repository, released_by)}
    for _, role in evidence:
        vouching |= {ancestor.name: ancestor.evidence for ancestor in _ancestry(repository, role)}
    return SignedDigest(
        digest=f"{ALGORITHM}{sha256}",
        tag=tag,
        released_by=released_by.evidence,
        signers=tuple(one for one, _ in evidence),
        chain=(repository.root, repository.timestamp, repository.snapshot, *vouching.values()),
        valid_until=repository.valid_until,
    )


def _ancestry(repository: Repository, role: TargetsRole) -> list[TargetsRole]:
    """``targets`` and every role on the way down to ``role``."""
    return [one for one in repository.targets_roles if f"{role.name}/".startswith(f"{one.name}/")]
