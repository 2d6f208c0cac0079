"""Failed connections in the words of Go's client, for answers that clients know from OpenShift's API server."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

HTTP_TO_HTTPS = "http: server gave HTTP response to HTTPS client"
_UNKNOWN_AUTHORITY = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
_UNKNOWN_AUTHORITY_CODES = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's ``X509_V_ERR_*``: no issuer, self-signed, the leaf cannot be verified."""
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_RESOLVER = Path("/etc/resolv.conf")
_CALLS = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.EHOSTUNREACH: "connect: no route to host",
    errno.ENETUNREACH: "connect: network is unreachable",
    errno.ETIMEDOUT: "connect: connection timed out",
}


def dialed(address: str, error: BaseException) -> str:
    """``dial tcp ADDRESS:PORT: ...``; empty if Go's words are not known.

    Args:
        address: ``ADDRESS:PORT``.
        error: of the connection.
    """
    if isinstance(error, TimeoutError):
        return f"dial tcp {address}: i/o timeout"
    call = _CALLS.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    return f"dial tcp {address}: {call}" if call else ""


def looked_up(host: str, error: BaseException) -> str:
    """``dial tcp: lookup HOST on SERVER: no such host``; empty for any other failure."""
    if not isinstance(error, socket.gaierror) or error.errno not in _NO_SUCH_NAME:
        return ""
    server = _name_server()
    return f"dial tcp: lookup {host}{f' on {server}:53' if server else ''}: no such host"


def verified(code: int) -> str:
    """The words for a certificate that OpenSSL refuses with ``code``; empty if they are not known."""
    return _UNKNOWN_AUTHORITY if code in _UNKNOWN_AUTHORITY_CODES else ""


def _name_server() -> str:
    try:
        lines = _RESOLVER.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    named = (line.split()[1:2] for line in lines if line.startswith("nameserver"))
    return next((first[0] for first in named if first), "")
