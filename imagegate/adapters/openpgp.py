"""OpenPGP signed messages, verified in process by Sequoia.

Sequoia checks the mathematics, the algorithms and that the key was valid when it signed. What it lets pass
is refused here: other forms of message (``core.openpgp_message``), keys and subkeys that have expired or
were revoked since, and signatures past their lifetime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
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
        try:
            ends = [end for end in (self.certificate.expiration, self.subkey_expires) if end is not None]
        except RuntimeError:  # its self-signature is no longer acceptable
            return _EPOCH
        return min(ends) if ends else None

    @property
    def revoked(self) -> str:
        """Why the key must not be used at all, however good the signature; empty if it may."""
        if self.certificate.is_revoked:
            return "the key is revoked"
        return "the signing subkey is revoked" if self.subkey_revoked else ""


class OpenPgpVerifier:
    """Port ``MessageVerifier``. Certificates are parsed once and kept; results are not."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._keys = lru_cache(maxsize=RINGS_CACHED)(_read_keys)

    def check(self, ring: KeyRing) -> None:
        """See ``MessageVerifier``."""
        self._usable(ring)

    def verify(self, blob: bytes, ring: KeyRing) -> Verification:
        """See ``MessageVerifier``."""
        keys = self._usable(ring)
        try:
            return _verified(SignedMessage.read(blob), keys, self._now())
        except BadSignature as error:
            return Verification(error=str(error))

    def _usable(self, ring: KeyRing) -> tuple[_SigningKey, ...]:
        keys = self._keys(ring)
        if not keys:
            raise InvalidKeyRing(NO_KEYS)
        return keys


def _verified(message: SignedMessage, keys: Sequence[_SigningKey], now: datetime) -> Verification:
    known = [key for key in keys if key.key_id == message.signer]
    if not known:
        raise BadSignature(f"Key not found for key ID {message.signer.lstrip('0')} in signature")
    usable = [key for key in known if not key.revoked]
    if not usable:
        raise BadSignature(f"signature by key {known[0].fingerprint} is not accepted: {known[0].revoked}")
    key = _signer(message, usable)
    if key.expires is not None and key.expires <= now:
        expired = f"the key expired on {_go_time(key.expires)}"
        raise BadSignature(f"signature by key {key.fingerprint} is not accepted: {expired}")
    if message.signature.expires is not None and message.signature.expires <= now:
        raise BadSignature(f"Signature expired on {_go_time(message.signature.expires)}")
    ends = [end for end in (key.expires, message.signature.expires) if end is not None]
    return Verification(message.content, key.fingerprint, valid_until=min(ends) if ends else None)


def _signer(message: SignedMessage, keys: Sequence[_SigningKey]) -> _SigningKey:
    """Which of ``keys`` made the signature.

    Sequoia gets the message as it was read here, so that both speak of the same bytes.
    """
    certificates = [key.certificate for key in keys]
    try:
        result = verify(message.packets, store=lambda _ids: certificates)
    except RuntimeError as error:
        raise BadSignature(f"signature error: {_first_line(error)}") from error
    signers = {signature.certificate for signature in result.valid_sigs}
    made = [key for key in keys if key.certificate.fingerprint in signers]
    if len(result.valid_sigs) != 1 or len(made) != 1:
        raise BadSignature(f"Unexpected GPG signature count {len(result.valid_sigs)}")
    if result.bytes is None or bytes(result.bytes) != message.content:
        raise BadSignature("signature error: the verified text is not the text that was read")
    return made[0]


def _read_keys(ring: KeyRing) -> tuple[_SigningKey, ...]:
    keys: list[_SigningKey] = []
    for certificate in _certificates(ring):
        with suppress(RuntimeError):  # packets that Sequoia keeps and cannot take apart: not a key to rely on
            keys.extend(_signing_keys(certificate))
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
    for packet in [*filter(_is_known, PacketPile.from_bytes(bytes(certificate))), None]:
        if packet is None or packet.tag == Tag.PublicSubkey:
            if subkey is not None:
                keys.append(_subkey(certificate, subkey, bindings))
            subkey, bindings = packet, []
        elif packet.tag == Tag.PublicKey:
            keys.append(_SigningKey(certificate, str(packet.key_id)))
        elif packet.tag == Tag.Signature and subkey is not None:
            bindings.append(packet)
    return keys


def _is_known(packet: Packet) -> bool:
    """A key may carry packets of kinds still to be invented."""
    try:
        return packet.tag is not None
    except RuntimeError:
        return False


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
