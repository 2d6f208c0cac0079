"""The server's TLS certificate, read again when its files change."""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path

_log = logging.getLogger(__name__)


class Certificates:
    """A TLS context that follows its files, which certificate managers replace while the service runs.

    While the new certificate and key do not match (they are seldom replaced in one step), the last good pair is used.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """Read the files for the first time.

        Args:
            client_ca: clients must present a certificate signed by it; None: clients need no certificate.

        Raises:
            OSError: a file cannot be read, or certificate and key do not match (``ssl.SSLError``).
        """
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._lock = threading.Lock()
        self._seen = self._state()
        self._context = self._read()

    def context(self) -> ssl.SSLContext:
        """The context for a new connection. A few ``stat`` calls each: cheap beside a handshake, and exact."""
        state = self._state()
        if state != self._seen:
            with self._lock:
                if state != self._seen:  # again: with gthread another thread may have read the files since
                    self._seen = state  # before the attempt: one that fails is logged once, not for each connection
                    self._reread()
        return self._context

    def _reread(self) -> None:
        try:
            self._context = self._read()
        except OSError as error:
            _log.error("TLS certificate not reloaded, the last good one stays in use: %s", error)
        else:
            _log.info("TLS certificate reloaded")

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # a handshake costs the server more than the client, and only the first one has a deadline
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.load_cert_chain(self._certificate, self._key)
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        paths = (self._certificate, self._key, *((self._client_ca,) if self._client_ca else ()))
        return tuple(_state(path) for path in paths)


def _state(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:  # between removal and replacement
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)
