"""Keys that sign trust data in tests, in every form that Notary lists them.

Canonical JSON is written by ``json.dumps`` here, so that a fault of the package's own writer would show.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.certificates import key_usage

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

Private: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


def canonical(value: object) -> bytes:
    """Canonical JSON of a value whose strings have no control characters and whose numbers are whole."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


class SigningKey(NamedTuple):
    """A private key and the form its public part is listed in."""

    private: Private
    key_type: str
    public: bytes

    @property
    def listed(self) -> dict[str, Any]:
        return {"keytype": self.key_type, "keyval": {"private": None, "public": base64_of(self.public)}}

    @property
    def key_id(self) -> str:
        return hashlib.sha256(canonical(self.listed)).hexdigest()

    @property
    def bare(self) -> SigningKey:
        """The same key without its certificate."""
        return bare(self.private)

    def raw_signature(self, message: bytes) -> tuple[str, bytes]:
        """Method and signature as the original's client makes them."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return "eddsa", self.private.sign(message)
        if isinstance(self.private, rsa.RSAPrivateKey):
            return "rsapss", self.private.sign(message, PSS, hashes.SHA256())
        size = (self.private.key_size + 7) // 8
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return "ecdsa", r.to_bytes(size) + s.to_bytes(size)

    def sign(self, message: bytes) -> dict[str, str]:
        """An entry of ``signatures``."""
        method, value = self.raw_signature(message)
        return {"keyid": self.key_id, "method": method, "sig": base64_of(value)}


def bare(private: Private) -> SigningKey:
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return SigningKey(private, "ed25519", private.public_key().public_bytes_raw())
    key_type = "rsa" if isinstance(private, rsa.RSAPrivateKey) else "ecdsa"
    return SigningKey(private, key_type, spki(private))


def spki(private: Private) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.DER, form)


def public_pem(private: Private) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form)


def ecdsa_key(curve: ec.EllipticCurve | None = None) -> SigningKey:
    return bare(ec.generate_private_key(curve or ec.SECP256R1()))


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> SigningKey:
    """Cached, because making one takes long."""
    return bare(rsa.generate_private_key(65537, bits))


def ed25519_key() -> SigningKey:
    return bare(ed25519.Ed25519PrivateKey.generate())


class Issuer(NamedTuple):
    """A CA of tests."""

    private: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return pem(self.certificate)


def certificate(
    private: Private,
    common_names: Sequence[str],
    *,
    issuer: Issuer | None = None,
    ca: bool | None = False,
    before: datetime = NOW - timedelta(days=1),
    after: datetime = NOW + timedelta(days=3650),
    code_signing: bool = True,
) -> x509.Certificate:
    """A certificate as ``notary`` makes root certificates; signed by itself unless there is an issuer."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in common_names])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(before)
        .not_valid_after(after)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if ca:
        builder = builder.add_extension(key_usage(signs_certificates=True), critical=True)
        key_id = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
        builder = builder.add_extension(key_id, critical=False)
    elif code_signing:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(purpose, critical=False)
    if issuer is not None:
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private.public_key())
        builder = builder.add_extension(above, critical=False)
    signer = issuer.private if issuer else private
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def issuer(name: str, above: Issuer | None = None, **changes: Any) -> Issuer:
    private = ec.generate_private_key(ec.SECP256R1())
    return Issuer(private, certificate(private, [name], issuer=above, ca=True, **changes))


def pem(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.PEM)


def certified(
    private: Private,
    common_names: Sequence[str] | str,
    *above: Issuer,
    encode: Callable[[bytes], bytes] = bytes,
    **changes: Any,
) -> SigningKey:
    """A key in a certificate, followed by those of its issuers."""
    names = [common_names] if isinstance(common_names, str) else common_names
    leaf = certificate(private, names, issuer=above[0] if above else None, **changes)
    kind = "rsa-x509" if isinstance(private, rsa.RSAPrivateKey) else "ecdsa-x509"
    return SigningKey(private, kind, encode(pem(leaf) + b"".join(one.pem for one in above)))


def root_key(gun: str, *above: Issuer, **changes: Any) -> SigningKey:
    """A root key for a GUN."""
    return certified(ec.generate_private_key(ec.SECP256R1()), gun, *above, **changes)
