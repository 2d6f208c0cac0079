"""Certificates of clients: which CA issued one, and who may send reviews.

The TLS handshake accepts certificates of several CAs on one port (``TlsFiles.optional_cas``). Here a path finds out
whether a client's certificate is of the CA that it trusts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from imagegate.service.certificates.pairs import is_issued_by
from imagegate.service.certificates.served import CHAIN_MAX_BYTES, InvalidCertificate, read_certificates
from imagegate.web.http_error import HttpError
from imagegate.web.tls import file_state

LOOK_EVERY_S = 1.0
_CACHED_MAX = 256

_log = logging.getLogger(__name__)


class CertificateAuthorities:
    """A bundle of CA certificates."""

    def __init__(self, authorities: Iterable[x509.Certificate]) -> None:
        self._authorities = tuple(authorities)
        self._issued: dict[bytes, x509.Certificate] = {}

    def issued(self, certificate: bytes) -> x509.Certificate | None:
        """The decoded certificate, if a CA of the bundle issued it directly and it is valid now.

        Args:
            certificate: DER, as the handshake verified it: so its time and purpose were good when the connection began.
        """
        issued = self._issued
        found = issued.get(certificate) or self._verified(certificate)
        if found is None or not _is_timely(found):
            return None
        if len(issued) < _CACHED_MAX:
            issued[certificate] = found
        return found

    def _verified(self, certificate: bytes) -> x509.Certificate | None:
        try:
            decoded = x509.load_der_x509_certificate(certificate)
        except ValueError:
            return None
        return decoded if any(is_issued_by(decoded, each) for each in self._authorities) else None


class ClientAuthority:
    """A bundle of CA certificates in a file, which is followed.

    Raises:
        InvalidCertificate: it cannot be read.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._look_at = clock() + LOOK_EVERY_S
        self._seen = file_state(path)
        self._authorities = CertificateAuthorities(_read(path))

    def issued(self, certificate: bytes) -> x509.Certificate | None:
        """See ``CertificateAuthorities``."""
        self._look()
        return self._authorities.issued(certificate)

    def _look(self) -> None:
        if self._clock() < self._look_at:
            return
        self._look_at = self._clock() + LOOK_EVERY_S
        state = file_state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._authorities = CertificateAuthorities(_read(self._path))
        except InvalidCertificate as error:
            _log.error("the CA of clients is not reloaded, the last good one stays in use: %s", error)


class Callers:
    """Clients that may send reviews.

    Args:
        names: accepted common names; empty: every one.
    """

    def __init__(self, authority: ClientAuthority, names: tuple[str, ...] = ()) -> None:
        self._authority = authority
        self._names = frozenset(names)

    def check(self, certificate: bytes | None) -> None:
        """Check that the client with this certificate, DER, may send reviews.

        Raises:
            HttpError: it may not.
        """
        if certificate is None:
            raise HttpError("401 Unauthorized", "no client certificate was shown: server.clientCAFile requires one")
        found = self._authority.issued(certificate)
        if found is None:
            raise HttpError("403 Forbidden", "the client certificate is not of server.clientCAFile, or not valid now")
        if self._names and self._names.isdisjoint(subject_values(found, x509.NameOID.COMMON_NAME)):
            raise HttpError("403 Forbidden", "the client certificate's common name is not among server.callers")


def subject_values(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> tuple[str, ...]:
    """The values of one attribute of the subject, in their order; none if the subject cannot be read."""
    try:
        return tuple(str(each.value) for each in certificate.subject.get_attributes_for_oid(name))
    except ValueError:
        return ()


def _is_timely(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_before_utc <= datetime.now(UTC) < certificate.not_valid_after_utc


def _read(path: Path) -> list[x509.Certificate]:
    try:
        with path.open("rb") as file:
            return read_certificates(file.read(CHAIN_MAX_BYTES))
    except OSError as error:
        raise InvalidCertificate(f"{path}: cannot be read: {error.strerror or error}") from error
    except InvalidCertificate as error:
        raise InvalidCertificate(f"{path}: {error}") from error
