"""OpenPGP signed messages, verified in process by Sequoia.

Sequoia checks the mathematics, the algorithms and that the key was valid when it signed. What it lets pass
is refused here: other forms of message (``core.openpgp_message``), keys and subkeys that have expired or
were revoked since, and signatures past their lifetime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from pysequoia import Cert, verify
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from imagegate.core.key_ring import NO_KEYS, InvalidKeyRing, KeyRing
from imagegate.core.openpgp_message import SignedMessage
from imagegate.core.simple_signing import Verification
from imagegate.errors import BadSignature

RINGS_CACHED = 512
CERTIFICATES_MAX = 1024  # in one ring

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class _SigningKey:
    """A primary key or subkey of a certificate; ``subkey_expires`` and ``subkey_revoked`` only of a subkey."""

    certificate: Cert
    key_id: str
    subkey_expires: datetime | None = None
    subkey_revoked: bool = False

    @property
    def fingerprint(self) -> str:
        """The primary key's, in upper-case hex, as GnuPG prints it."""
        return self.certificate.fingerprint.upper()

    @property
    def expires(self) -> datetime | None:
        """From when on the key no longer counts; None: never."""
        ends = [end for end in (self.certificate.expiration, self.subkey_expires) if end is not None]
        return min(ends) if ends else None

    def objection(self, now: datetime) -> str:
        """Why the key must not be used at ``now``, however good the signature; empty if it may."""
        if self.certificate.is_revoked:
            return "the key is revoked"
        if self.subkey_revoked:
            return "the signing subkey is revoked"
        expires = self.expires
        return f"the key expired on {_go_time(expires)}" if expires is not None and expires <= now else ""


class OpenPgpVerifier:
    """Port ``MessageVerifier``. Certificates are parsed once and kept; results are not."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._keys = lru_cache(maxsize=RINGS_CACHED)(_read_keys)

    def verify(self, blob: bytes, ring: KeyRing) -> Verification:
        """See ``MessageVerifier``."""
        keys = self._keys(ring)
        try:
            return _verified(SignedMessage.read(blob), keys, self._now())
        except BadSignature as error:
            return Verification(error=str(error))


def _verified(message: SignedMessage, keys: Sequence[_SigningKey], now: datetime) -> Verification:
    candidates = [key for key in keys if key.key_id == message.signer]
    if not candidates:
        raise BadSignature(f"Key not found for key ID {message.signer.lstrip('0')} in signature")
    certificate = _good_certificate(message, candidates)
    key = next(key for key in candidates if key.certificate.fingerprint == certificate)
    objection = key.objection(now)
    if objection:
        raise BadSignature(f"signature by key {key.fingerprint} is not accepted: {objection}")
    ends = [end for end in (key.expires, message.signature.expires) if end is not None]
    if message.signature.expires is not None and message.signature.expires <= now:
        raise BadSignature(f"Signature expired on {_go_time(message.signature.expires)}")
    return Verification(payload=message.content, fingerprint=key.fingerprint, valid_until=min(ends) if ends else None)


def _good_certificate(message: SignedMessage, candidates: Sequence[_SigningKey]) -> str:
    """The fingerprint of the certificate that made the signature.

    Sequoia gets the message as it was read here, so that both speak of the same bytes.
    """
    for key in candidates:
        if key.certificate.is_revoked:  # refused by Sequoia too, in its own words
            raise BadSignature(f"signature by key {key.fingerprint} is not accepted: the key is revoked")
    certificates = [key.certificate for key in candidates]
    try:
        result = verify(message.packets, store=lambda _ids: certificates)
    except RuntimeError as error:
        raise BadSignature(f"signature error: {_first_line(error)}") from error
    signers = [signature.certificate for signature in result.valid_sigs]
    if len(signers) != 1:
        raise BadSignature(f"Unexpected GPG signature count {len(signers)}")
    if result.bytes is None or bytes(result.bytes) != message.content:
        raise BadSignature("signature error: the verified text is not the text that was read")
    return str(signers[0])


def _read_keys(ring: KeyRing) -> tuple[_SigningKey, ...]:
    keys: list[_SigningKey] = []
    for certificate in _certificates(ring):
        keys.extend(_signing_keys(certificate))
    if not keys:
        raise InvalidKeyRing(NO_KEYS)
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


def _signing_keys(certificate: Cert) -> list[_SigningKey]:
    """The primary key and every subkey, with what the newest binding of a subkey says of its end."""
    keys: list[_SigningKey] = []
    subkey: Packet | None = None
    bindings: list[Packet] = []
    for packet in [*PacketPile.from_bytes(bytes(certificate)), None]:
        if packet is None or packet.tag == Tag.PublicSubkey:
            if subkey is not None:
                keys.append(_subkey(certificate, subkey, bindings))
            subkey, bindings = packet, []
        elif packet.tag == Tag.PublicKey:
            keys.append(_SigningKey(certificate, str(packet.key_id)))
        elif packet.tag == Tag.Signature and subkey is not None:
            bindings.append(packet)
    return keys


def _subkey(certificate: Cert, subkey: Packet, signatures: Sequence[Packet]) -> _SigningKey:
    bindings = [packet for packet in signatures if packet.signature_type == SignatureType.SubkeyBinding]
    newest = max(
        bindings, key=lambda packet: packet.signature_created or datetime.min.replace(tzinfo=UTC), default=None
    )
    lifetime = newest.key_validity_period if newest is not None else None
    expires = subkey.key_created + lifetime if lifetime and subkey.key_created else None
    revoked = any(packet.signature_type == SignatureType.SubkeyRevocation for packet in signatures)
    return _SigningKey(certificate, str(subkey.key_id), expires, revoked)


def _first_line(error: RuntimeError) -> str:
    """Without the backtrace that follows where the environment asks for one."""
    return str(error).split("\n", 1)[0]


def _go_time(moment: datetime) -> str:
    """A time as Go prints it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
