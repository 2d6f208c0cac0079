"""Signers that a policy requires: a name, which is a role, and a public key.

Source: docs/spec/enforcement.md 12.9; notary, ``tuf/utils/x509.go`` ``ParsePEMPublicKey``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from imagegate.core.content_trust.certificates import Certificate, CertificateBundle, InvalidCertificate
from imagegate.core.content_trust.errors import InvalidSigner
from imagegate.core.content_trust.keys import PublicKey, bare_key
from imagegate.core.content_trust.limits import MAX_KEY_BYTES
from imagegate.core.content_trust.metadata import is_delegation
from imagegate.core.content_trust.roles import TARGETS
from imagegate.core.kube.go_quote import go_quote

_BLOCK = re.compile(rb"-----BEGIN ([^\r\n-]+)-----\r?\n.*?-----END \1-----[ \t]*\r?(?:\n|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Signer:
    """A signer and the key that is configured for it."""

    name: str
    key_id: str
    canonical_id: str
    secret: str
    """Name of the Secret it was read from."""

    @property
    def role(self) -> str:
        """The delegation whose tags the signer has signed."""
        return f"{TARGETS}/{self.name}"


def read_signer(secret: str, name: bytes | None, public_key: bytes | None, now: datetime) -> Signer:
    """Read the items ``name`` and ``publicKey`` of a signer's Secret.

    Raises:
        InvalidSigner: an item is missing, the name is no component of a role's name, or the key cannot be used.
    """
    if not name or not public_key:
        raise InvalidSigner(f"name or publicKey field in secret {secret} is empty")
    text = name.decode(errors="replace")
    if "/" in text or not is_delegation(f"{TARGETS}/{text}"):
        raise InvalidSigner(f"name {go_quote(text)} in secret {secret} is not the name of a signer")
    key = _public_key(public_key, now)
    return Signer(text, key.key_id, key.canonical_id, secret)


def _public_key(pem: bytes, now: datetime) -> PublicKey:
    if len(pem) > MAX_KEY_BYTES:
        raise InvalidSigner(f"publicKey has more than {MAX_KEY_BYTES} bytes")
    block = _BLOCK.search(pem)
    if block is None:
        raise InvalidSigner("no valid public key found")
    kind = block[1].decode(errors="replace")
    if kind == "CERTIFICATE":
        return _certified_key(block[0], now)
    if kind == "PUBLIC KEY":
        return _plain_key(block[0])
    raise InvalidSigner(f"unsupported PEM block type {go_quote(kind)}, expected CERTIFICATE or PUBLIC KEY")


def _certified_key(pem: bytes, now: datetime) -> PublicKey:
    try:
        certificate = CertificateBundle.parse(pem).first
        key = certificate.public_key
    except InvalidCertificate as error:
        raise InvalidSigner(f"could not parse provided certificate: {error}") from error
    if not certificate.is_acceptable(now):
        raise InvalidSigner(f"invalid certificate: {_weakness(certificate)}")
    key_type = "rsa-x509" if isinstance(key, rsa.RSAPublicKey) else "ecdsa-x509"
    return _usable(PublicKey(key_type, certificate.pem))


def _weakness(certificate: Certificate) -> str:
    if certificate.is_weak:
        return "its signature or key is too weak"
    return f"certificate with CN {certificate.common_name} is expired"


def _plain_key(pem: bytes) -> PublicKey:
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidSigner(f"unable to parse pem encoded public key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise InvalidSigner("unknown public key format")
    return _usable(bare_key(key))


def _usable(key: PublicKey) -> PublicKey:
    if key.material is None:
        raise InvalidSigner("publicKey is a key of a type or size that verifies nothing")
    return key
