"""A repository's trust data after verification: values for policies, ``explain`` and the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # reads metadata with cryptography, which takes time and memory
    from imagegate.core.content_trust.metadata import FileMeta


class AnchorKind(StrEnum):
    """Why the first root of a repository was trusted."""

    FIRST_USE = "first-use"
    PINNED_CERTIFICATE = "pinned-certificate"
    PINNED_CA = "pinned-ca"


@dataclass(frozen=True, slots=True)
class Anchor:
    """How trust in a repository began."""

    kind: AnchorKind
    key_ids: tuple[str, ...]
    """Of the root keys that had signed."""
    at: datetime
    root_version: int


@dataclass(frozen=True, slots=True)
class RoleKey:
    """One public key of a role."""

    key_id: str
    """As listed in the metadata; for a certificate the id of the certificate."""
    canonical_id: str
    """Of the bare key, as ``notary key list`` prints it."""
    key_type: str
    subject: str | None
    """Common name of the certificate; None for a bare key."""


@dataclass(frozen=True, slots=True)
class RoleEvidence:
    """One verified file: what it is, and who has signed it."""

    name: str
    version: int
    expires: datetime
    threshold: int
    sha256: str
    """Of the file; hex."""
    length: int
    keys: tuple[RoleKey, ...]
    signed_by: tuple[RoleKey, ...]


@dataclass(frozen=True)
class TargetsRole:
    """Targets or a delegation."""

    evidence: RoleEvidence
    paths: tuple[str, ...]
    """Prefixes of the tags it may sign, within those of its parents; ``""`` is every tag."""
    targets: Mapping[str, FileMeta] = field(repr=False)
    delegates_to: tuple[str, ...]

    @property
    def name(self) -> str:
        """The role's name."""
        return self.evidence.name

    def target(self, tag: str) -> FileMeta | None:
        """The target that the role has signed for a tag; None: nothing, or the tag is outside its paths."""
        return self.targets.get(tag) if tag.startswith(self.paths) else None

    @cached_property
    def tags_by_sha256(self) -> Mapping[str, str]:
        """For each sha256 in hex the first tag that has it, among the tags inside the role's paths."""
        tags: dict[str, str] = {}
        for tag, target in self.targets.items():
            if target.sha256 is not None and tag.startswith(self.paths):
                tags.setdefault(target.sha256, tag)
        return tags


@dataclass(frozen=True, slots=True)
class SkippedRole:
    """A delegation that is not used."""

    name: str
    why: str


@dataclass(frozen=True)
class Repository:
    """Everything that was verified of one GUN."""

    gun: str
    root: RoleEvidence
    timestamp: RoleEvidence
    snapshot: RoleEvidence
    targets_roles: tuple[TargetsRole, ...]
    """``targets`` first, then the delegations level by level."""
    skipped: tuple[SkippedRole, ...]
    anchor: Anchor
    timestamp_stored: bool
    """The server had no timestamp to give, so the stored one was used, which is still valid."""
    verified_at: datetime

    @cached_property
    def valid_until(self) -> datetime:
        """The earliest expiry of all roles in use."""
        roles = (self.root, self.timestamp, self.snapshot, *(role.evidence for role in self.targets_roles))
        return min(role.expires for role in roles)

    def is_valid(self, now: datetime) -> bool:
        """True while no role in use has expired."""
        return now <= self.valid_until

    def targets_role(self, name: str) -> TargetsRole | None:
        """A role by name; None: there is none, or it was skipped."""
        return next((role for role in self.targets_roles if role.name == name), None)
