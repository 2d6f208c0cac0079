"""Validates a root: by its certificates, by the root before it, by a pin, by itself.

Source: docs/spec/enforcement.md 12.8; notary, ``trustpinning/certs.go`` ``ValidateRoot``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from imagegate.core.content_trust.certificates import Certificate, CertificateBundle, InvalidCertificate
from imagegate.core.content_trust.errors import InvalidPinning, RootNotTrusted, RootRotationFailed, TrustDataError
from imagegate.core.content_trust.keys import PublicKey
from imagegate.core.content_trust.metadata import Root, read_root
from imagegate.core.content_trust.pinning import Pin, PinnedKeys
from imagegate.core.content_trust.roles import ROOT
from imagegate.core.content_trust.signed_file import SignedFile, SigningRole


@dataclass(frozen=True, slots=True)
class RootKey:
    """A root key whose certificate is for the GUN and may be used."""

    key: PublicKey
    """Built anew from the leaf and the intermediates; its id is what signatures have to name."""
    leaf: Certificate
    intermediates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """A root that has passed ``validate_root``."""

    file: SignedFile
    root: Root
    role: SigningRole
    """The root role with the accepted keys alone."""
    signed_by: tuple[str, ...]
    content: bytes = field(repr=False)

    @property
    def version(self) -> int:
        """The root's version."""
        return self.root.header.version


def validate_root(
    content: bytes, gun: str, *, previous: TrustedRoot | None, pin: Pin | None, now: datetime | None, pin_time: datetime
) -> TrustedRoot:
    """Validate one root file, but for its version and expiry.

    Args:
        previous: the root that is trusted so far, which has to have signed this one too.
        pin: what one of the root's certificates has to fit.
        now: time for the certificates; None: whatever their time, for a root that only vouches for the next.
        pin_time: time for the path to a pinned CA.

    Raises:
        InvalidMetadata: the file does not have the required form.
        RootRotationFailed: ``previous`` has not signed it.
        RootNotTrusted: no certificate is usable, none fits the pin, or the root has not signed itself.
    """
    file = SignedFile.parse(ROOT, content)
    root = read_root(file)
    version = root.header.version
    candidates = _root_keys(root, gun, now)
    if not candidates:
        raise RootNotTrusted("unable to retrieve valid leaf certificates", version=version)
    if previous is not None:
        _verify_by_previous(file, previous, gun, version)
    accepted = [key for key in candidates if pin is None or _fits(key, pin, pin_time, version)]
    if not accepted:
        raise RootNotTrusted("unable to match any certificates to trust_pinning config", version=version)
    role = _role(accepted, root.roles[ROOT].threshold)
    try:
        signed_by = file.verify(role)
    except TrustDataError as error:
        raise RootNotTrusted("failed to validate integrity of roots", version=version) from error
    return TrustedRoot(file, root, role, signed_by, content)


def _verify_by_previous(file: SignedFile, previous: TrustedRoot, gun: str, version: int) -> None:
    """Certificates of the root before may have expired: it was trusted while they had not."""
    trusted = _root_keys(previous.root, gun, None)
    try:
        file.verify(_role(trusted, previous.root.roles[ROOT].threshold))
    except TrustDataError as error:
        reason = "failed to validate data with current trusted certificates"
        raise RootRotationFailed(reason, version=version) from error


def _root_keys(root: Root, gun: str, now: datetime | None) -> list[RootKey]:
    """Keys with exactly one leaf, in front, acceptable and for the GUN; others are ignored."""
    found = []
    for key in root.roles[ROOT].keys.values():
        try:
            bundle = CertificateBundle.parse(key.public)
        except InvalidCertificate:
            continue
        leaf = bundle.leaf
        if leaf is None or not leaf.is_for(gun) or not leaf.is_acceptable(now):
            continue
        intermediates = bundle.intermediates(now)
        pem = b"".join(one.pem for one in (leaf, *intermediates))
        rebuilt = key if pem == key.public else PublicKey(key.key_type, pem)
        found.append(RootKey(rebuilt, leaf, intermediates))
    return found


def _role(keys: list[RootKey], threshold: int) -> SigningRole:
    listed: Mapping[str, PublicKey] = {one.key.key_id: one.key for one in keys}
    return SigningRole(ROOT, listed, threshold)


def _fits(key: RootKey, pin: Pin, now: datetime, version: int) -> bool:
    if isinstance(pin, PinnedKeys):
        return not pin.key_ids.isdisjoint({key.key.key_id, key.key.canonical_id})
    try:
        return pin.vouches_for(key.leaf, key.intermediates, now)
    except InvalidPinning as error:
        raise RootNotTrusted(str(error), version=version) from error
