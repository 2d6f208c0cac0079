"""Public keys of trust data: what they decode to, and their two ids.

Source: docs/spec/enforcement.md 12.6 and 12.7; notary, ``tuf/data/keys.go`` and ``tuf/utils/x509.go``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from imagegate.core.content_trust.certificates import CertificateBundle, InvalidCertificate
from imagegate.core.kube import canonical_json

MIN_RSA_BITS = 2048
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

Material: TypeAlias = "ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey"


@dataclass(frozen=True)
class PublicKey:
    """A key as a role lists it. A key that cannot be used has an id and verifies nothing."""

    key_type: str
    public: bytes = field(repr=False)
    """The decoded member ``keyval.public``."""

    @cached_property
    def key_id(self) -> str:
        """Hex SHA-256 of the canonical form of the key as it is listed."""
        return canonical_json.key_id(self.key_type, base64.b64encode(self.public).decode())

    @cached_property
    def canonical_id(self) -> str:
        """The id of the bare key, the same for every certificate and encoding that holds it.

        ``notary key list`` prints this one. A key that cannot be decoded has only its own id.
        """
        if self.material is None:
            return self.key_id
        bare = bare_key(self.material)
        return self.key_id if bare == self else bare.key_id

    @cached_property
    def certificates(self) -> CertificateBundle | None:
        """The certificate that wraps the key, with its intermediates; None for a bare or unreadable key."""
        if not self.key_type.endswith("-x509"):
            return None
        try:
            return CertificateBundle.parse(self.public)
        except InvalidCertificate:
            return None

    @cached_property
    def material(self) -> Material | None:
        """The key itself; None where the bytes are not a key of the type, or are too weak."""
        return decode_key(self.key_type, self.public)

    @property
    def subject(self) -> str | None:
        """Common name of the certificate; None for a bare key."""
        bundle = self.certificates
        return bundle.first.common_name if bundle else None


def bare_key(material: Material) -> PublicKey:
    """A public key without a certificate, as ``notary delegation add`` stores one."""
    if isinstance(material, ed25519.Ed25519PublicKey):
        return PublicKey("ed25519", material.public_bytes_raw())
    key_type = "rsa" if isinstance(material, rsa.RSAPublicKey) else "ecdsa"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return PublicKey(key_type, material.public_bytes(serialization.Encoding.DER, form))


@lru_cache(maxsize=128)
def decode_key(key_type: str, public: bytes) -> Material | None:
    """The key itself; None where the bytes are not a key of the type, or are too weak."""
    try:
        decoded = _decoded(key_type, public)
    except (ValueError, UnsupportedAlgorithm, InvalidCertificate):
        return None
    if isinstance(decoded, rsa.RSAPublicKey):
        return decoded if key_type.startswith("rsa") and decoded.key_size >= MIN_RSA_BITS else None
    if isinstance(decoded, ec.EllipticCurvePublicKey):
        return decoded if key_type.startswith("ecdsa") and isinstance(decoded.curve, CURVES) else None
    if isinstance(decoded, ed25519.Ed25519PublicKey):
        return decoded if key_type == "ed25519" else None
    return None


def _decoded(key_type: str, public: bytes) -> object:
    if key_type in {"ecdsa-x509", "rsa-x509"}:
        certificate = CertificateBundle.parse(public).first
        return None if certificate.is_weak else certificate.public_key
    if key_type == "ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(public)
    if key_type == "rsa" and public.startswith(b"-----BEGIN"):
        return serialization.load_pem_public_key(public)
    if key_type in {"ecdsa", "rsa"}:
        return serialization.load_der_public_key(public)
    return None
