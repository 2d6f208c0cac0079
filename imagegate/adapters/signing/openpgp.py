"""OpenPGP signed messages, verified in process by Sequoia.

Sequoia checks the mathematics, the algorithms and that the key was valid when it signed. What it lets pass
is refused here: other forms of message (``core.signing.openpgp_message``), keys and subkeys that have expired, were
revoked or have lost the right to sign since (``openpgp_keys``), signatures past their lifetime, and messages that
name another maker than the key that verified. Who signed is Sequoia's answer, never what the message says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from pysequoia import verify

from imagegate.adapters.signing.openpgp_keys import SigningKey, read_keys
from imagegate.core.signing.key_ring import NO_KEYS, InvalidKeyRing, KeyRing
from imagegate.core.signing.openpgp_message import SignedMessage
from imagegate.core.signing.requirements import Verification
from imagegate.errors import BadSignature
from imagegate.ports.signatures import MessageVerifier

RINGS_CACHED = 512
"""Parsed key rings: as many as policies name; parsing one for each signature would be slow."""


class OpenPgpVerifier:
    """Port ``MessageVerifier``. Parsed certificates are cached; results are not."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._keys = lru_cache(maxsize=RINGS_CACHED)(read_keys)

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

    def _usable(self, ring: KeyRing) -> tuple[SigningKey, ...]:
        keys = self._keys(ring)
        if not keys:
            raise InvalidKeyRing(NO_KEYS)
        return keys


def _verified(message: SignedMessage, keys: Sequence[SigningKey], now: datetime) -> Verification:
    named = [key for key in keys if key.key_id == message.signer]  # words a refusal; what is accepted is decided below
    if not named:
        raise BadSignature(f"Key not found for key ID {message.signer.lstrip('0')} in signature")
    usable = [key for key in named if not key.unusable]
    if not usable:
        raise _not_accepted(named[0], named[0].unusable)
    key = _signer(message, usable, keys)
    if key.unusable:
        raise _not_accepted(key, key.unusable)
    if key.expires is not None and key.expires <= now:
        raise _not_accepted(key, f"the key expired on {_go_time(key.expires)}")
    if not message.names_only(key.own_fingerprint, key.key_id):
        raise BadSignature(f"signature error: made by key {key.own_fingerprint.upper()}, but the message names another")
    if message.signature.expires is not None and message.signature.expires <= now:
        raise BadSignature(f"Signature expired on {_go_time(message.signature.expires)}")
    ends = [end for end in (key.expires, message.signature.expires) if end is not None]
    return Verification(message.content, key.fingerprint, valid_until=min(ends) if ends else None)


def _signer(message: SignedMessage, named: Sequence[SigningKey], keys: Sequence[SigningKey]) -> SigningKey:
    """The key that made the signature, of the certificates of ``named``: perhaps another one of theirs.

    Sequoia gets the message as it was read here, so that both speak of the same bytes.
    """
    certificates = list({key.certificate.fingerprint: key.certificate for key in named}.values())
    try:
        result = verify(message.packets, store=lambda _ids: certificates)
    except RuntimeError as error:
        raise BadSignature(f"signature error: {_first_line(error)}") from error
    makers = {(signature.certificate, signature.signing_key) for signature in result.valid_sigs}
    made = [key for key in keys if (key.certificate.fingerprint, key.own_fingerprint) in makers]
    if len(result.valid_sigs) != 1 or len(made) != 1:
        raise BadSignature(f"Unexpected GPG signature count {len(result.valid_sigs)}")
    if result.bytes is None or bytes(result.bytes) != message.content:
        raise BadSignature("signature error: the verified text is not the text that was read")
    return made[0]


def _not_accepted(key: SigningKey, why: str) -> BadSignature:
    return BadSignature(f"signature by key {key.fingerprint} is not accepted: {why}")


def _first_line(error: RuntimeError) -> str:
    """Without the backtrace that follows where the environment asks for one."""
    return str(error).split("\n", 1)[0]


def _go_time(moment: datetime) -> str:
    """A time as Go prints it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[MessageVerifier] = OpenPgpVerifier
