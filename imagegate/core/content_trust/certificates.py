"""X.509 certificates that wrap keys: one leaf first, then perhaps intermediates.

Source: docs/spec/enforcement.md 12.8; notary, ``trustpinning/certs.go`` and ``tuf/utils/x509.go``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import verification

from imagegate.core.content_trust.limits import MAX_KEY_BYTES
from imagegate.errors import InvalidInput

MIN_RSA_BITS = 2048
EARLY = timedelta(days=1)
"""How far in the future a certificate's validity may begin: the signer's clock may be wrong."""

_BROKEN_HASHES = frozenset({"md5", "sha1"})
_BEGIN = b"-----BEGIN "
_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class InvalidCertificate(InvalidInput):
    """Bytes are not a bundle of certificates."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The parts of a certificate that count here, read once."""

    common_name: str | None
    """None where the subject has none or several."""
    is_ca: bool
    not_before: datetime
    not_after: datetime
    is_weak: bool
    """Signed with SHA-1 or MD5, or with an RSA key below 2048 bits."""
    public_key: object = field(repr=False, compare=False)
    parsed: x509.Certificate = field(repr=False)

    @classmethod
    def of(cls, parsed: x509.Certificate) -> Certificate:
        """Read the parts.

        Raises:
            InvalidCertificate: an extension or a name cannot be decoded.
        """
        try:
            public_key = parsed.public_key()
            names = parsed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            return cls(
                common_name=str(names[0].value) if len(names) == 1 else None,
                is_ca=_is_ca(parsed),
                not_before=parsed.not_valid_before_utc,
                not_after=parsed.not_valid_after_utc,
                is_weak=_is_weak(parsed, public_key),
                public_key=public_key,
                parsed=parsed,
            )
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
            raise InvalidCertificate(f"certificate cannot be read: {error}") from error

    @property
    def pem(self) -> bytes:
        """Encoded anew: 64 characters a line and nothing around the block."""
        return self.parsed.public_bytes(serialization.Encoding.PEM)

    def is_acceptable(self, now: datetime | None) -> bool:
        """True if the certificate is strong enough and, at ``now``, in its time; None: whatever the time."""
        if self.is_weak or self.not_before > self.not_after:
            return False
        return now is None or (self.not_before <= now + EARLY and now <= self.not_after)

    def is_for(self, gun: str) -> bool:
        """True if the common name is the GUN, or ends in ``*`` and the rest is a prefix of it."""
        name = self.common_name
        if name is None:
            return False
        return gun.startswith(name.rstrip("*")) if name.endswith("*") else name == gun


class CertificateBundle(NamedTuple):
    """Certificates in the order written; at least one."""

    certificates: tuple[Certificate, ...]

    @classmethod
    def parse(cls, pem: bytes) -> CertificateBundle:
        """Read PEM blocks.

        Raises:
            InvalidCertificate: a block is no certificate, or there is none.
        """
        return cls(read_certificates(pem))

    @property
    def first(self) -> Certificate:
        """The certificate whose key the bundle is."""
        return self.certificates[0]

    @property
    def leaf(self) -> Certificate | None:
        """The only certificate that is no CA, where it is the first; else None."""
        leaves = [certificate for certificate in self.certificates if not certificate.is_ca]
        return self.first if leaves == [self.first] else None

    def intermediates(self, now: datetime | None) -> tuple[Certificate, ...]:
        """The CA certificates that are acceptable at ``now``; None: all."""
        authorities = (certificate for certificate in self.certificates if certificate.is_ca)
        return tuple(certificate for certificate in authorities if now is None or certificate.is_acceptable(now))


def chains_to(
    leaf: Certificate, intermediates: tuple[Certificate, ...], anchors: tuple[Certificate, ...], now: datetime
) -> bool:
    """True if a path leads from ``leaf`` to one of ``anchors`` at ``now``, whatever the leaf may be used for."""
    anything = verification.ExtensionPolicy.permit_all()
    builder = verification.PolicyBuilder().time(now.replace(tzinfo=None))
    builder = builder.store(verification.Store([anchor.parsed for anchor in anchors]))
    builder = builder.extension_policies(ca_policy=_CA_POLICY, ee_policy=anything)
    try:
        builder.build_client_verifier().verify(leaf.parsed, [one.parsed for one in intermediates])
    except verification.VerificationError:
        return False
    return True


_CA_POLICY = verification.ExtensionPolicy.webpki_defaults_ca()


@lru_cache(maxsize=128)
def read_certificates(pem: bytes) -> tuple[Certificate, ...]:
    """Read PEM blocks; at least one.

    Raises:
        InvalidCertificate: a block is no certificate, or there is none.
    """
    if len(pem) > MAX_KEY_BYTES:
        raise InvalidCertificate(f"more than {MAX_KEY_BYTES} bytes of certificates")
    if pem.count(_BEGIN) != pem.count(_BEGIN_CERTIFICATE):
        raise InvalidCertificate("a block is not a certificate")
    try:
        parsed = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise InvalidCertificate(f"not certificates: {error}") from error
    return tuple(Certificate.of(one) for one in parsed)


def _is_ca(parsed: x509.Certificate) -> bool:
    try:
        return parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_weak(parsed: x509.Certificate, key: object) -> bool:
    algorithm = parsed.signature_hash_algorithm
    if algorithm is not None and algorithm.name in _BROKEN_HASHES:
        return True
    return isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS
