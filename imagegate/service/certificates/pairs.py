"""Certificates with their keys: read, and made. ECDSA P-256 throughout."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from imagegate.service.certificates.served import (
    CHAIN_MAX_BYTES,
    InvalidCertificate,
    Served,
    normal_name,
    read_certificates,
    served,
)

CLOCKS_DIFFER = timedelta(minutes=5)
"""A certificate is valid before it is made, for machines whose clocks are late."""
_RSA_BITS = range(2048, 8193)

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: _Key

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone."""
        return pem(self.certificate)

    @property
    def key_pem(self) -> bytes:
        """PKCS #8, not encrypted."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(encoding, form, serialization.NoEncryption())

    @property
    def served(self) -> Served:
        """The parts that clients look at."""
        return served(self.certificate)


def read_pair(chain: bytes, key: bytes) -> Pair:
    """The first certificate of a PEM chain, and its key.

    Raises:
        InvalidCertificate: one of them cannot be read, or they do not belong together.
    """
    if max(len(chain), len(key)) > CHAIN_MAX_BYTES:
        raise InvalidCertificate(f"it is larger than {CHAIN_MAX_BYTES} bytes")
    certificate = read_certificates(chain)[0]
    served(certificate)
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidCertificate(f"the key cannot be read: {error}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise InvalidCertificate("the key is neither ECDSA nor RSA")
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size not in _RSA_BITS:
        raise InvalidCertificate(f"the RSA key has {private.key_size} bits")
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidCertificate(f"the certificate's key cannot be read: {error}") from error
    if public != private.public_key():
        raise InvalidCertificate("the key is not that of the certificate")
    return Pair(certificate, private)


def new_authority(namespace: str, now: datetime, life: timedelta) -> Pair:
    """A CA, self-signed, that may issue no further CAs.

    Args:
        namespace: goes into the name, together with a part of the key's hash: CAs that follow one another have
            different names.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()
    name = _name(f"imagegate CA {key_id[:12]} {namespace}")
    builder = _builder(name, name, key, (now - CLOCKS_DIFFER, now + life))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(is_authority=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Pair, names: Iterable[str], now: datetime, life: timedelta) -> Pair:
    """A serving certificate for DNS names and addresses; it ends with the CA at the latest."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    alternatives = [_alternative(name) for name in names]
    until = min(now + life, issuer.not_valid_after_utc)
    builder = _builder(_name("imagegate"), issuer.subject, key, (now - CLOCKS_DIFFER, until))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(is_authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(known, critical=False)
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def is_authority(certificate: x509.Certificate) -> bool:
    """True if the certificate may issue others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """True if the key of ``authority`` signed ``certificate``."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def pem(certificate: x509.Certificate) -> bytes:
    """One PEM block."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    public = key.public_key()
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(valid[0]).not_valid_after(valid[1])
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(normal_name(name))


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
