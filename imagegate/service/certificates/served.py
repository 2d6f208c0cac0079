"""A certificate chain as TLS clients see it: its time, its names, and what is wrong with it."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from imagegate.errors import ConfigError

CHAIN_MAX_BYTES = 256 * 1024
"""More than any chain: a certificate with a hundred names takes 4 KiB."""


class InvalidCertificate(ConfigError):
    """A certificate, or its key, cannot be used."""


@dataclass(frozen=True, slots=True)
class Served:
    """The first certificate of a chain."""

    not_before: datetime
    not_after: datetime
    names: frozenset[str]
    """DNS names in lower case, and addresses, of the subject alternative names: clients look at nothing else."""
    fingerprint: str
    """SHA-256, in hexadecimal."""

    def untimely(self, now: datetime) -> str:
        """Why it is not valid at ``now``; empty if it is."""
        if now < self.not_before:
            return f"the serving certificate is not valid before {_time(self.not_before)}"
        if now >= self.not_after:
            return f"the serving certificate expired at {_time(self.not_after)}"
        return ""

    def lacks(self, wanted: Iterable[str]) -> list[str]:
        """Those of the wanted names and addresses that it is not good for."""
        return [name for name in wanted if not self._is_for(name)]

    def _is_for(self, name: str) -> bool:
        """RFC 6125, 6.4.3: ``*`` stands for one whole label, the first; never for an address."""
        wanted = normal_name(name)
        _, dot, rest = wanted.partition(".")
        return wanted in self.names or (bool(dot) and not _is_address(wanted) and f"*.{rest}" in self.names)


class Serving(Protocol):
    """The certificate in use, for ``/readyz`` and metrics."""

    def served(self) -> Served:
        """The certificate that a new connection is shown."""

    def failure(self) -> str:
        """Why a newer certificate is not used; empty if there is none."""


def read_certificates(content: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM bundle; at least one.

    Raises:
        InvalidCertificate: there is none, or one cannot be read.
    """
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise InvalidCertificate(
            "no certificate can be read: it is not PEM (-----BEGIN CERTIFICATE-----), or is damaged"
        ) from error


def read_served(chain: bytes) -> Served:
    """The first certificate of a PEM chain; other blocks, such as a key, are passed over.

    Raises:
        InvalidCertificate: there is none, or one of them cannot be read.
    """
    if len(chain) > CHAIN_MAX_BYTES:
        raise InvalidCertificate(f"the certificate chain is larger than {CHAIN_MAX_BYTES} bytes")
    return served(read_certificates(chain)[0])


def served(leaf: x509.Certificate) -> Served:
    """The parts of a certificate that clients look at.

    Raises:
        InvalidCertificate: an extension cannot be decoded.
    """
    try:
        names = _names(leaf)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise InvalidCertificate(f"the certificate's extensions cannot be read: {error}") from error
    der = leaf.public_bytes(serialization.Encoding.DER)
    return Served(leaf.not_valid_before_utc, leaf.not_valid_after_utc, names, hashlib.sha256(der).hexdigest())


def _names(leaf: x509.Certificate) -> frozenset[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    names = [name.lower().rstrip(".") for name in found.get_values_for_type(x509.DNSName)]
    return frozenset((*names, *(str(address) for address in found.get_values_for_type(x509.IPAddress))))


def normal_name(name: str) -> str:
    """A DNS name in lower case, or an address as Python writes it."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _time(when: datetime) -> str:
    return when.isoformat(timespec="seconds")
