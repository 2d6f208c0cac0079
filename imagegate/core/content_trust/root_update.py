"""Finds the root to trust: the stored one, a newer one that it leads to, or the first that is seen.

Source: docs/spec/enforcement.md 12.8; notary, ``client/tufclient.go`` ``bootstrapClient`` and ``updateRoot``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from imagegate.core.content_trust.errors import (
    Expired,
    InvalidMetadata,
    RolledBack,
    RootNotTrusted,
    RootRotationFailed,
    TrustDataUnavailable,
)
from imagegate.core.content_trust.expiry import print_expires
from imagegate.core.content_trust.fetches import Fetch, Reader, Steps
from imagegate.core.content_trust.limits import MAX_ROOT_BYTES, MAX_ROOT_ROTATIONS
from imagegate.core.content_trust.metadata import Header, read_root
from imagegate.core.content_trust.pinning import Pin, PinnedKeys
from imagegate.core.content_trust.repository import Anchor, AnchorKind
from imagegate.core.content_trust.roles import ROOT
from imagegate.core.content_trust.root import TrustedRoot, validate_root
from imagegate.core.content_trust.signed_file import SignedFile


@dataclass(frozen=True, slots=True)
class RootUpdate:
    """The rules for one repository at one time."""

    gun: str
    pin: Pin | None
    tofu: bool
    now: datetime
    reader: Reader

    def stored(self, content: bytes) -> tuple[TrustedRoot, bool] | None:
        """A stored root, and whether it may be used as it is; else it only vouches for a newer one.

        None: a pin covers the repository and the stored root does not fit it; what is configured now goes before
        what was seen first.

        Raises:
            TrustDataError: the stored root is damaged. Nothing may replace it, because it is the anchor.
        """
        try:
            current = validate_root(content, self.gun, previous=None, pin=self.pin, now=self.now, pin_time=self.now)
            return current, not is_expired(current.root.header, self.now)
        except RootNotTrusted:
            anchor = validate_root(content, self.gun, previous=None, pin=None, now=None, pin_time=self.now)
        try:
            validate_root(content, self.gun, previous=None, pin=self.pin, now=None, pin_time=self.now)
        except RootNotTrusted:
            return None
        return anchor, False

    def first(self) -> Steps[TrustedRoot]:
        """The root of a repository of which none is stored.

        Raises:
            RootNotTrusted: it fits no pin, or there is none and trust on first use is off.
        """
        if self.pin is None and not self.tofu:
            raise RootNotTrusted("invalid trust pinning specified")
        content = yield from self._newest()
        root = validate_root(content, self.gun, previous=None, pin=self.pin, now=self.now, pin_time=self.now)
        check_expiry(root.root.header, self.now)
        return root

    def newer(self, trusted: TrustedRoot) -> Steps[TrustedRoot]:
        """The server's root, if ``trusted`` leads to it: directly, or over all versions in between.

        Raises:
            RootRotationFailed: it does not.
            RolledBack: it is older.
            Expired: the server has none that is still valid.
        """
        content = yield from self._newest()
        try:
            root = self._validate(content, trusted)
        except RootRotationFailed as error:
            root = yield from self._over_versions_between(content, trusted, error)
        if root.version < trusted.version:
            text = f"version {root.version} is lower than current version {trusted.version}"
            raise RolledBack(text, role=ROOT, version=root.version)
        check_expiry(root.root.header, self.now)
        return root

    def anchor(self, root: TrustedRoot) -> Anchor:
        """How trust begins with a first root."""
        kind = AnchorKind.FIRST_USE
        if self.pin is not None:
            kind = AnchorKind.PINNED_CERTIFICATE if isinstance(self.pin, PinnedKeys) else AnchorKind.PINNED_CA
        return Anchor(kind, root.signed_by, self.now, root.version)

    def _over_versions_between(
        self, newest: bytes, trusted: TrustedRoot, error: RootRotationFailed
    ) -> Steps[TrustedRoot]:
        """The versions in between only vouch for the next, so neither their expiry nor a pin counts."""
        last = read_root(SignedFile.parse(ROOT, newest)).header.version
        if last <= trusted.version + 1:
            raise error
        if last - trusted.version > MAX_ROOT_ROTATIONS:
            reason = f"version {last} is more than {MAX_ROOT_ROTATIONS} versions ahead of {trusted.version}"
            raise RootRotationFailed(reason, version=last)
        for version in range(trusted.version + 1, last):
            try:
                content = yield from self.reader.read(Fetch(ROOT, f"{version}.root", MAX_ROOT_BYTES, immutable=True))
            except TrustDataUnavailable as missing:
                if not missing.absent:
                    raise
                raise RootRotationFailed(f"the server has no version {version}", version=last) from missing
            root = validate_root(content, self.gun, previous=trusted, pin=None, now=None, pin_time=self.now)
            if root.version != version:
                raise InvalidMetadata(f"{version}.root has version {root.version}", role=ROOT, version=root.version)
            trusted = root
        return self._validate(newest, trusted)

    def _validate(self, content: bytes, previous: TrustedRoot) -> TrustedRoot:
        return validate_root(content, self.gun, previous=previous, pin=self.pin, now=self.now, pin_time=self.now)

    def _newest(self) -> Steps[bytes]:
        return self.reader.read(Fetch(ROOT, ROOT, MAX_ROOT_BYTES, immutable=False))


def is_expired(header: Header, now: datetime) -> bool:
    """True if the time of expiry is before ``now``."""
    return header.expires < now


def check_expiry(header: Header, now: datetime) -> None:
    """Refuse a role that has expired.

    Raises:
        Expired: it has.
    """
    if is_expired(header, now):
        text = f"{header.role} expired at {print_expires(header.expires)}"
        raise Expired(text, role=header.role, version=header.version)
