"""The errors of a request, made from those of the libraries below."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from urllib3.exceptions import HTTPError

from imagegate.adapters.http.go_words import HTTP_TO_HTTPS, verified
from imagegate.core.kube.printable import printable
from imagegate.core.registry.egress import shown_url
from imagegate.errors import Malformed, Unreachable

OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
"""Errors of this machine, which say nothing of the server."""
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_CLIENT_REFUSED = tuple(
    f"_ALERT_{alert}"
    for alert in ("CERTIFICATE_REQUIRED", "UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN")
)
"""Alerts of a server that wants another client certificate."""


class NotTls(Unreachable):
    """The server does not speak TLS where TLS is required."""


class UnavailableStatus(Unreachable):
    """The server answered 429 or 5xx to the last attempt."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class CertificateRefused(Unreachable):
    """The certificate of the server or of the client is not trusted; asking again will not help."""


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Translate the libraries' exceptions into ``EvidenceError``."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        raise _trouble(url, error) from error


def _trouble(url: str, error: BaseException) -> Exception:
    shown = shown_url(url)
    causes = list(chain(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = f"{shown}: certificate refused: {printable(cause.verify_message)}"
            return CertificateRefused(why, in_go=verified(cause.verify_code))
        if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
            return NotTls(f"{shown} does not speak TLS", in_go=HTTP_TO_HTTPS)
        if isinstance(cause, ssl.SSLError) and (cause.reason or "").endswith(_CLIENT_REFUSED):
            alert = (cause.reason or "").partition("_ALERT_")[2].replace("_", " ").lower()
            return CertificateRefused(f"{shown} refuses the client ({alert}); see registry.certificates")
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return Unreachable(f"{shown} did not answer in time")
    if isinstance(error, ValueError) and not isinstance(error, (requests.RequestException, OSError)):
        return Malformed(f"{shown}: {printable(str(error))}")
    return Unreachable(f"{shown}: {printable(str(causes[-1] if causes else error))}")


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it was made from; requests and urllib3 hide it in arguments and ``reason``."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < 32:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting.extend(cause for cause in inner if isinstance(cause, BaseException))
