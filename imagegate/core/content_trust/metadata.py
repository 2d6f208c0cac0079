"""The four kinds of role files, and the rules on their form.

Source: docs/spec/enforcement.md 12.6; notary, ``tuf/data/{root,timestamp,snapshot,targets,roles}.go``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from imagegate.core.content_trust.errors import ChecksumMismatch, InvalidMetadata
from imagegate.core.content_trust.expiry import read_expires
from imagegate.core.content_trust.fields import Fields
from imagegate.core.content_trust.keys import PublicKey
from imagegate.core.content_trust.limits import MAX_KEY_BYTES
from imagegate.core.content_trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from imagegate.core.content_trust.signed_file import SignedFile, SigningRole

BASE_ROLES = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)

_HASH_SIZES = {"sha256": 32, "sha512": 64}
_DELEGATION = re.compile(r"targets(?:/(?!\.{0,2}(?:/|$))[-a-z0-9_]+)+")
_MAX_ROLE_NAME = 255


@dataclass(frozen=True, slots=True)
class Header:
    """The fields that all roles have."""

    role: str
    version: int
    expires: datetime
    """Aware; with the offset from UTC that was written, which messages show."""


@dataclass(frozen=True, slots=True)
class FileMeta:
    """Length and hashes of a file or of an image manifest; hashes of other algorithms are left out."""

    length: int
    hashes: Mapping[str, bytes]

    @property
    def sha256(self) -> str | None:
        """Hex; None where only other algorithms are listed."""
        value = self.hashes.get("sha256")
        return value.hex() if value is not None else None

    def check(self, content: bytes, role: str) -> None:
        """Compare a file with what is listed for it; readers have made sure that a sha256 is.

        Raises:
            ChecksumMismatch: another length, or another value of any listed hash.
        """
        for algorithm, expected in self.hashes.items():
            if hashlib.new(algorithm, content).digest() != expected:
                text = f"{algorithm} checksum for {role} did not match: expected {expected.hex()}"
                raise ChecksumMismatch(text, role=role)
        if len(content) != self.length:
            text = f"length of {role} did not match: expected {self.length} bytes, got {len(content)}"
            raise ChecksumMismatch(text, role=role)


@dataclass(frozen=True, slots=True)
class Root:
    """Keys and threshold of each role."""

    header: Header
    roles: Mapping[str, SigningRole]


@dataclass(frozen=True, slots=True)
class Delegation:
    """One entry of ``delegations.roles``: keys, and the prefixes of the tags it may sign."""

    role: SigningRole
    paths: tuple[str, ...]

    def within(self, parent_paths: tuple[str, ...]) -> Delegation:
        """The same, with the paths alone that lie inside one of the parent's."""
        return Delegation(self.role, tuple(path for path in self.paths if path.startswith(parent_paths)))


@dataclass(frozen=True, slots=True)
class Targets:
    """The tags that a role has signed, and the roles it delegates to, in order."""

    header: Header
    targets: Mapping[str, FileMeta] = field(repr=False)
    delegations: tuple[Delegation, ...]


def read_root(file: SignedFile) -> Root:
    """Read a root.

    Raises:
        InvalidMetadata: a role is missing, has no threshold, or lists a key that is not there.
    """
    header = _header(file, "Root", "version cannot be less than 1")
    keys = _keys(file.signed.within("keys"))
    listed = file.signed.within("roles")
    roles = {}
    for name in BASE_ROLES:
        if listed.value(name) is None:
            raise InvalidMetadata(f"missing {name} role specification", role=ROOT, version=header.version)
        roles[name] = _signing_role(header, name, listed.within(name), keys)
    return Root(header, roles)


def read_listing(file: SignedFile, kind: str, required: tuple[str, ...]) -> tuple[Header, Mapping[str, FileMeta]]:
    """Read the header and ``meta`` of a snapshot or timestamp.

    Args:
        kind: the value of ``_type``.
        required: roles that have to be listed with a sha256.

    Raises:
        InvalidMetadata: a required role is missing or has no usable hash.
    """
    header = _header(file, kind)
    listed = file.signed.within("meta")
    for name in required:
        if listed.within(name).within("hashes").value("sha256") is None:
            text = f"missing {name} sha256 checksum information"
            raise InvalidMetadata(text, role=file.role, version=header.version)
    return header, {name: _file_meta(header, name, entry) for name, entry in listed.objects()}


def read_targets(file: SignedFile) -> Targets:
    """Read targets or a delegation.

    Raises:
        InvalidMetadata: also for a delegation that is no direct child, or is listed twice.
    """
    header = _header(file, "Targets")
    delegations = tuple(_delegations(file, header))
    targets = {}
    for tag, entry in file.signed.within("targets").objects():
        targets[tag] = _file_meta(header, tag, entry)
    return Targets(header, targets, delegations)


def is_delegation(name: str) -> bool:
    """True for ``targets/`` and components of lower-case letters, digits, ``-`` and ``_``, below 256 characters."""
    return len(name) <= _MAX_ROLE_NAME and _DELEGATION.fullmatch(name) is not None


def _header(file: SignedFile, kind: str, low_version: str = "version cannot be less than one") -> Header:
    signed = file.signed
    version = signed.integer("version")
    if signed.text("_type") != kind:
        text = f"expected type {kind}, not {signed.text('_type')}"
        raise InvalidMetadata(text, role=file.role, version=version)
    if version < 1:
        raise InvalidMetadata(low_version, role=file.role, version=version)
    expires = read_expires(signed.text("expires"))
    if expires is None:
        text = f"expires {signed.text('expires')!r} is not an RFC 3339 time"
        raise InvalidMetadata(text, role=file.role, version=version)
    return Header(file.role, version, expires)


def _keys(listed: Fields) -> dict[str, PublicKey]:
    keys = {}
    for key_id, entry in listed.objects():
        public = entry.within("keyval").octets("public")
        if len(public) > MAX_KEY_BYTES:
            raise entry.wrong("keyval.public", f"a key of at most {MAX_KEY_BYTES} bytes")
        keys[key_id] = PublicKey(entry.text("keytype"), public)
    return keys


def _signing_role(header: Header, name: str, entry: Fields, keys: Mapping[str, PublicKey]) -> SigningRole:
    threshold = entry.integer("threshold")
    if threshold < 1:
        text = f"invalid threshold specified for {name}: {threshold} "
        raise InvalidMetadata(text, role=header.role, version=header.version)
    own = {}
    for key_id in entry.texts("keyids"):
        if key_id not in keys:
            text = f"key ID {key_id} specified in {name} without corresponding key"
            raise InvalidMetadata(text, role=header.role, version=header.version)
        own[key_id] = keys[key_id]
    return SigningRole(name, own, threshold)


def _delegations(file: SignedFile, header: Header) -> Iterator[Delegation]:
    listed = file.signed.within("delegations")
    keys = _keys(listed.within("keys"))
    seen = set()
    for entry in listed.each("roles"):
        name = entry.text("name")
        if not is_delegation(name) or name.rpartition("/")[0] != file.role or name in seen:
            raise InvalidMetadata(f"delegation role {name} invalid", role=file.role, version=header.version)
        seen.add(name)
        yield Delegation(_signing_role(header, name, entry, keys), entry.texts("paths"))


def _file_meta(header: Header, name: str, entry: Fields) -> FileMeta:
    """Refuses a hash of the wrong size; whether there has to be one depends on what is listed."""
    length = entry.integer("length")
    if length < 0:
        raise entry.wrong("length", "a length")
    listed = entry.within("hashes")
    hashes = {}
    for algorithm, size in _HASH_SIZES.items():
        if listed.value(algorithm) is None:
            continue
        value = listed.octets(algorithm)
        if len(value) != size:
            text = f"invalid {name} checksum information, {algorithm} checksum invalid"
            raise InvalidMetadata(text, role=header.role, version=header.version)
        hashes[algorithm] = value
    return FileMeta(length, hashes)
