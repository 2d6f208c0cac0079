"""One update of a repository's trust data: which files, in which order, and what each has to prove.

Root, timestamp, snapshot, targets, then delegations depth first. Where a step fails, the server's newest root is
verified by the trusted one, and if it is another, all is done once more.
Source: docs/spec/enforcement.md 12.8; notary, ``client/tufclient.go`` and ``tuf/builder.go``.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from imagegate.core.content_trust.errors import (
    ChecksumMismatch,
    Expired,
    InvalidMetadata,
    InvalidTrustState,
    MetadataTooLarge,
    RolledBack,
    ThresholdNotMet,
    TooManyDelegations,
    TrustDataError,
    TrustDataUnavailable,
)
from imagegate.core.content_trust.fetches import Fetch, Reader, Steps
from imagegate.core.content_trust.keys import PublicKey
from imagegate.core.content_trust.limits import MAX_DELEGATIONS, MAX_FILE_BYTES, MAX_TIMESTAMP_BYTES
from imagegate.core.content_trust.metadata import (
    BASE_ROLES,
    Delegation,
    FileMeta,
    Header,
    Targets,
    read_listing,
    read_targets,
)
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.repository import (
    Anchor,
    Repository,
    RoleEvidence,
    RoleKey,
    SkippedRole,
    TargetsRole,
)
from imagegate.core.content_trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from imagegate.core.content_trust.root import TrustedRoot
from imagegate.core.content_trust.root_update import RootUpdate, check_expiry
from imagegate.core.content_trust.signed_file import SignedFile, SigningRole, canonical_ids
from imagegate.core.content_trust.state import SeenVersion, TrustState


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """The end of an update: a repository, or what is wrong; in both cases what to remember."""

    state: TrustState | None
    """None: nothing is trusted yet, and nothing was learned."""
    repository: Repository | None
    error: TrustDataError | None
    first_use: bool = False
    """Trust began now, without a pin."""


def update(gun: str, state: TrustState | None, pins: Pinning, now: datetime) -> Steps[UpdateResult]:
    """Update and verify a repository's trust data.

    Args:
        state: what the last update of this repository gave to remember; None before the first.
        now: aware.

    Raises:
        InvalidTrustState: ``state`` is another repository's.
    """
    if state is not None and state.gun != gun:
        raise InvalidTrustState(f"stored trust state is of {state.gun}, not of {gun}")
    updating = _Update(gun, state, pins, now)
    try:
        repository = yield from updating.repository()
    except TrustDataError as error:
        return UpdateResult(updating.learned(), None, error)
    updating.forget_all_but(repository)
    return UpdateResult(updating.learned(complete=True), repository, None, first_use=updating.is_first_use)


class _Update:
    """Mutable on purpose: collects what has been verified so far, which counts also where the rest fails."""

    def __init__(self, gun: str, state: TrustState | None, pins: Pinning, now: datetime) -> None:
        self._gun, self._now, self._state = gun, now, state
        self._reader = Reader()
        self._roots = RootUpdate(gun, pins.pin(gun), pins.tofu, now, self._reader)
        self._versions = dict(state.versions) if state else {}
        self._stored: Mapping[str, bytes] = state.files if state else {}
        self._files: dict[str, bytes] = {}
        self._trusted: tuple[TrustedRoot, Anchor] | None = None
        self.is_first_use = False

    def learned(self, *, complete: bool = False) -> TrustState | None:
        """The state to remember. A first root counts only with a complete repository below it."""
        if self._trusted is None or (self._state is None and not complete):
            return self._state
        root, anchor = self._trusted
        files = self._files if complete else self._stored
        return TrustState(self._gun, root.content, anchor, dict(self._versions), dict(files))

    def repository(self) -> Steps[Repository]:
        """Everything, once more with a newer root where the first attempt fails."""
        root, anchor = yield from self._trusted_root()
        self._trust(root, anchor)
        try:
            return (yield from self._below(root, anchor))
        except (MetadataTooLarge, TooManyDelegations):
            raise
        except TrustDataError as error:
            if isinstance(error, TrustDataUnavailable) and not error.absent:
                raise
            newer = yield from self._after(error, root)
            self._trust(newer, anchor)
            return (yield from self._below(newer, anchor))

    def forget_all_but(self, repository: Repository) -> None:
        """Drop versions of delegations that exist no more; those below a skipped role may still exist."""
        known = {role.name for role in repository.targets_roles}
        known.update(name for role in repository.targets_roles for name in role.delegates_to)
        below_skipped = tuple(f"{skipped.name}/" for skipped in repository.skipped)
        for name in self._versions.keys() - known - set(BASE_ROLES):
            if not name.startswith(below_skipped):
                del self._versions[name]

    def _trusted_root(self) -> Steps[tuple[TrustedRoot, Anchor]]:
        stored = self._roots.stored(self._state.root) if self._state else None
        if self._state is None or stored is None:
            root = yield from self._roots.first()
            self.is_first_use = self._state is None and self._roots.pin is None
            return root, self._roots.anchor(root)
        root, is_usable = stored
        if not is_usable:
            root = yield from self._roots.newer(root)
        return root, self._state.anchor

    def _trust(self, root: TrustedRoot, anchor: Anchor) -> None:
        self._trusted = root, anchor
        self._remember(root.root.header, root.role, root.signed_by)

    def _after(self, error: TrustDataError, root: TrustedRoot) -> Steps[TrustedRoot]:
        """A newer root, for a second attempt after ``error``; raises ``error`` where there is none."""
        newer = yield from self._roots.newer(root)
        if newer.content == root.content:
            raise error
        return newer

    def _below(self, root: TrustedRoot, anchor: Anchor) -> Steps[Repository]:
        self._files.clear()
        timestamp, snapshot_meta, is_stored = yield from self._timestamp(root)
        snapshot, listed = yield from self._snapshot(root, snapshot_meta)
        listed[ROOT].check(root.content, ROOT)
        roles, skipped = yield from self._all_targets(root, listed)
        return Repository(
            gun=self._gun,
            root=_evidence(root.file, root.root.header, root.role, root.signed_by),
            timestamp=timestamp,
            snapshot=snapshot,
            targets_roles=tuple(roles),
            skipped=tuple(skipped),
            anchor=anchor,
            timestamp_stored=is_stored,
            verified_at=self._now,
        )

    def _timestamp(self, root: TrustedRoot) -> Steps[tuple[RoleEvidence, FileMeta, bool]]:
        """The server's; the stored one while the server has none to give and it is valid."""
        is_stored = False
        try:
            content = yield from self._reader.read(Fetch(TIMESTAMP, TIMESTAMP, MAX_TIMESTAMP_BYTES, immutable=False))
        except TrustDataUnavailable:
            if TIMESTAMP not in self._stored:
                raise
            content, is_stored = self._stored[TIMESTAMP], True
        file = SignedFile.parse(TIMESTAMP, content)
        role = root.root.roles[TIMESTAMP]
        signed_by = file.verify(role)
        header, listed = read_listing(file, "Timestamp", (SNAPSHOT,))
        return self._accept(file, header, role, signed_by), listed[SNAPSHOT], is_stored

    def _snapshot(self, root: TrustedRoot, meta: FileMeta) -> Steps[tuple[RoleEvidence, Mapping[str, FileMeta]]]:
        content = yield from self._listed(SNAPSHOT, meta)
        file = SignedFile.parse(SNAPSHOT, content)
        role = root.root.roles[SNAPSHOT]
        signed_by = file.verify(role)
        header, listed = read_listing(file, "Snapshot", (ROOT, TARGETS))
        return self._accept(file, header, role, signed_by), listed

    def _all_targets(
        self, root: TrustedRoot, listed: Mapping[str, FileMeta]
    ) -> Steps[tuple[list[TargetsRole], list[SkippedRole]]]:
        roles: list[TargetsRole] = []
        skipped: list[SkippedRole] = []
        pending = deque([Delegation(root.root.roles[TARGETS], ("",))])
        while pending:
            delegation = pending.popleft()
            name = delegation.role.name
            if name not in listed:
                skipped.append(SkippedRole(name, "the snapshot does not list it: nothing was ever signed by it"))
                continue
            if len(roles) + len(skipped) > MAX_DELEGATIONS:
                text = f"more than {MAX_DELEGATIONS} delegations"
                raise TooManyDelegations(text, role=name)
            try:
                evidence, targets = yield from self._targets(delegation.role, listed[name])
            except (Expired, ThresholdNotMet) as error:
                if name == TARGETS:
                    raise
                skipped.append(SkippedRole(name, str(error)))
                continue
            children = [child.within(delegation.paths) for child in targets.delegations]
            pending.extendleft(reversed(children))
            names = tuple(child.role.name for child in children)
            roles.append(TargetsRole(evidence, delegation.paths, targets.targets, names))
        # Depth first within each level is the order of the levels, in which roles are searched for a tag.
        roles.sort(key=lambda role: role.name.count("/"))
        return roles, skipped

    def _targets(self, role: SigningRole, meta: FileMeta) -> Steps[tuple[RoleEvidence, Targets]]:
        content = yield from self._listed(role.name, meta)
        file = SignedFile.parse(role.name, content)
        signed_by = file.verify(role)
        targets = read_targets(file)
        return self._accept(file, targets.header, role, signed_by), targets

    def _listed(self, role: str, meta: FileMeta) -> Steps[bytes]:
        """A file with known length and hashes: the stored one if it is that, else by its hash."""
        if meta.sha256 is None:
            raise InvalidMetadata(f"missing {role} sha256 checksum information", role=SNAPSHOT)
        if meta.length > MAX_FILE_BYTES:
            text = f"{role} is listed with {meta.length} bytes; at most {MAX_FILE_BYTES} are read"
            raise MetadataTooLarge(text, role=role)
        stored = self._stored.get(role)
        if stored is not None:
            try:
                meta.check(stored, role)
                return stored
            except ChecksumMismatch:
                pass
        content = yield from self._reader.read(Fetch(role, f"{role}.{meta.sha256}", meta.length, immutable=True))
        meta.check(content, role)
        return content

    def _accept(self, file: SignedFile, header: Header, role: SigningRole, signed_by: tuple[str, ...]) -> RoleEvidence:
        """The last two questions about a file with good signatures: is it old, and has it expired?"""
        seen = self._versions.get(header.role)
        if seen is not None and header.version < seen.version and seen.holds_for(role):
            text = f"version {header.version} is lower than current version {seen.version}"
            raise RolledBack(text, role=header.role, version=header.version)
        check_expiry(header, self._now)
        self._remember(header, role, signed_by)
        self._files[header.role] = file.content
        return _evidence(file, header, role, signed_by)

    def _remember(self, header: Header, role: SigningRole, signed_by: tuple[str, ...]) -> None:
        self._versions[header.role] = SeenVersion(header.version, canonical_ids(role, signed_by))


def _evidence(file: SignedFile, header: Header, role: SigningRole, signed_by: tuple[str, ...]) -> RoleEvidence:
    return RoleEvidence(
        name=header.role,
        version=header.version,
        expires=header.expires,
        threshold=role.threshold,
        sha256=hashlib.sha256(file.content).hexdigest(),
        length=len(file.content),
        keys=tuple(_role_key(key_id, key) for key_id, key in role.keys.items()),
        signed_by=tuple(_role_key(key_id, role.keys[key_id]) for key_id in signed_by),
    )


def _role_key(key_id: str, key: PublicKey) -> RoleKey:
    return RoleKey(key_id, key.canonical_id, key.key_type, key.subject)
