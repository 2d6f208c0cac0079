"""The keys of a ring that may have signed, with what the certificates say of them now.

Sequoia judges a key as of the moment a signature claims to be from, which its maker writes. What holds *now* (expired,
revoked for whatever reason, no longer for signing) is read here, from self-signatures that Sequoia has verified: a
ring may contain packets that no key in it signed, from a key server for instance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pysequoia import Cert
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from imagegate.core.signing.key_ring import KeyRing

CERTIFICATES_MAX = 1024  # in one ring

_EPOCH = datetime.fromtimestamp(0, UTC)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LAST_COMPONENT = bytes((0xC0 | 60, 3)) + b"end"
"""A packet of a private kind: Sequoia keeps it behind all keys, and behind it the signatures it cannot verify."""

_KEY_REVOKED, _SUBKEY_REVOKED = "the key is revoked", "the signing subkey is revoked"
_PRIMARY_BINDINGS = (
    SignatureType.DirectKey,
    SignatureType.GenericCertification,
    SignatureType.PersonaCertification,
    SignatureType.CasualCertification,
    SignatureType.PositiveCertification,
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A primary key or subkey of a certificate."""

    certificate: Cert
    own_fingerprint: str
    """Of the key or subkey itself, lower-case hex."""
    key_id: str
    may_sign: bool
    """True if its newest binding lets it sign."""
    bound_until: datetime | None = None
    """From when on a subkey or its binding no longer counts."""
    revoked: str = ""
    """True if there is a revocation of any kind and by any key: not every revocation shows who may issue it."""

    @property
    def fingerprint(self) -> str:
        """The primary key's, in upper-case hex, as GnuPG prints it."""
        return self.certificate.fingerprint.upper()

    @property
    def expires(self) -> datetime | None:
        """From when on the key no longer counts; None: never."""
        try:
            ends = [end for end in (self.certificate.expiration, self.bound_until) if end is not None]
        except RuntimeError:  # its self-signature is no longer acceptable
            return _EPOCH
        return min(ends) if ends else None

    @property
    def unusable(self) -> str:
        """Why the key must not be used at all, however good the signature; empty if it may."""
        if self.certificate.is_revoked:
            return _KEY_REVOKED
        return self.revoked or ("" if self.may_sign else "the key is not for signing")


def read_keys(ring: KeyRing) -> tuple[SigningKey, ...]:
    """All keys and subkeys of the certificates in a ring that can be read and have a valid self-signature."""
    keys: list[SigningKey] = []
    for certificate in _certificates(ring):
        with suppress(RuntimeError):  # packets that Sequoia keeps and cannot take apart: not a key to rely on
            keys.extend([*_signing_keys(certificate)])
    return tuple(keys)


def _certificates(ring: KeyRing) -> list[Cert]:
    """All certificates of the ring that can be read and have a valid self-signature, each once."""
    found: dict[str, Cert] = {}
    for block in ring.blocks:
        try:
            certificates = Cert.split_bytes(block)
        except (RuntimeError, ValueError):
            continue
        for certificate in certificates[:CERTIFICATES_MAX]:
            try:
                _ = certificate.expiration
            except RuntimeError:
                continue
            known = found.get(certificate.fingerprint)
            found[certificate.fingerprint] = certificate if known is None else known.merge(certificate)
    return list(found.values())


def _signing_keys(certificate: Cert) -> Iterator[SigningKey]:
    """The primary key and every subkey."""
    verified, unverified = _packets(certificate)
    groups: list[list[Packet]] = []
    for packet in verified:
        if packet.tag in (Tag.PublicKey, Tag.PublicSubkey):
            groups.append([packet])
        elif packet.tag == Tag.Signature and groups:
            groups[-1].append(packet)
    whole = _KEY_REVOKED if _any_of(SignatureType.KeyRevocation, [*verified, *unverified]) else ""
    stray = _SUBKEY_REVOKED if _any_of(SignatureType.SubkeyRevocation, unverified) else ""
    for key, *signatures in groups:
        if key.tag == Tag.PublicKey:
            yield _primary(certificate, key, signatures, whole)
        else:
            own = _SUBKEY_REVOKED if _any_of(SignatureType.SubkeyRevocation, signatures) else ""
            yield _subkey(certificate, key, signatures, whole or own or stray)


def _any_of(kind: SignatureType, packets: Sequence[Packet]) -> bool:
    return any(packet.signature_type == kind for packet in packets)


def _packets(certificate: Cert) -> tuple[list[Packet], list[Packet]]:
    """The packets up to the last component, whose self-signatures are verified, and those behind it."""
    verified: list[Packet] = []
    unverified: list[Packet] = []
    into = verified
    for packet in PacketPile.from_bytes(bytes(Cert.from_bytes(bytes(certificate) + _LAST_COMPONENT))):
        if _is_known(packet):
            into.append(packet)
        else:
            into = unverified  # of a kind still to be invented, or the last component
    return verified, unverified


def _is_known(packet: Packet) -> bool:
    try:
        return packet.tag is not None
    except RuntimeError:
        return False


def _primary(certificate: Cert, key: Packet, signatures: Sequence[Packet], revoked: str) -> SigningKey:
    own = {certificate.fingerprint, str(key.key_id)}
    bindings = [
        packet
        for packet in signatures
        if packet.signature_type in _PRIMARY_BINDINGS
        and own & {packet.issuer_fingerprint, packet.issuer_key_id}
        and packet.key_flags is not None
    ]
    return SigningKey(
        certificate, certificate.fingerprint, str(key.key_id), _may_sign(_newest(bindings)), revoked=revoked
    )


def _subkey(certificate: Cert, key: Packet, signatures: Sequence[Packet], revoked: str) -> SigningKey:
    newest = _newest([packet for packet in signatures if packet.signature_type == SignatureType.SubkeyBinding])
    known = [packet.signature_expiration_time for packet in newest if packet.signature_expiration_time is not None]
    created = key.key_created or _EPOCH
    known += [created + packet.key_validity_period for packet in newest if packet.key_validity_period]
    return SigningKey(
        certificate,
        str(key.fingerprint),
        str(key.key_id),
        bool(newest) and _may_sign(newest),
        bound_until=min(known) if known else None,
        revoked=revoked,
    )


def _newest(signatures: Sequence[Packet]) -> list[Packet]:
    """Those with the latest date. Of several with the same one the strictest counts."""
    latest = max((packet.signature_created or _LONG_AGO for packet in signatures), default=None)
    return [packet for packet in signatures if (packet.signature_created or _LONG_AGO) == latest]


def _may_sign(bindings: Sequence[Packet]) -> bool:
    """If a binding does not state the key's use, only Sequoia's verdict at the time of signing counts."""
    return all(packet.key_flags is None or packet.key_flags.signing for packet in bindings)
