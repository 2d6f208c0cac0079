"""The server's TLS certificate, read again when its files change."""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from imagegate.ports.certificates import PairFile
from imagegate.service.certificates.served import CHAIN_MAX_BYTES, InvalidCertificate, Served, read_served
from imagegate.service.health import Check

RETRY_S = 1.0
"""Files that could not be used are read again after so long, although they look the same."""

_log = logging.getLogger(__name__)


class TlsFiles(NamedTuple):
    """PEM files of a server's TLS."""

    certificate: Path
    key: Path
    """May be the same file."""
    client_ca: Path | None = None
    """Every client must show a certificate of this CA."""
    optional_cas: tuple[Path, ...] = ()
    """Clients may show a certificate of one of these CAs; each path decides whether it needs one."""


class _Loaded(NamedTuple):
    context: ssl.SSLContext
    served: Served
    content: bytes
    """Certificates and key, PEM."""
    more_cas: str


class Certificates:
    """A TLS context that follows its files, which certificate managers replace while the service runs.

    The last good pair stays in use while the new certificate and key do not match (they are seldom replaced in one
    step), and instead of a new certificate that is expired, not valid yet, or not good for a wanted name.

    Args:
        wanted: names that the certificate must be good for.
        kept: where the last good pair is kept for processes that are forked later: they know only that of the start.
    """

    def __init__(
        self,
        files: TlsFiles,
        wanted: Iterable[str] = (),
        *,
        kept: PairFile | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the files for the first time.

        Raises:
            InvalidCertificate: a file cannot be read, or certificate and key do not match.
        """
        self._files = files
        self._wanted = tuple(wanted)
        self._now = now
        self._clock = clock
        self._lock = threading.Lock()
        self._failure = ""
        """Why the files on disk are not used."""
        self._retry_at = 0.0
        self._more_cas: Callable[[], str] = str
        self._seen = self._state()
        self._kept = kept
        self._loaded = self._read()
        self._keep()
        if problem := self._problem_of(self._loaded.served):
            _log.error("%s", problem)

    def context(self) -> ssl.SSLContext:
        """The context for a new connection. A few ``stat`` calls each: cheap beside a handshake, and exact."""
        state = self._state()
        if state != self._seen or self._is_due():
            with self._lock:
                if state != self._seen or self._is_due():  # again: another thread may have read the files since
                    self._seen = state  # before the attempt: a change during it is seen by the next connection
                    self._reread()
        return self._loaded.context

    def trust_also(self, more_cas: Callable[[], str]) -> None:
        """Let clients show certificates of further CAs, in PEM, as they are now; empty: of no others.

        Not where ``client_ca`` says which certificate every client must show.
        """
        self._more_cas = more_cas

    def served(self) -> Served:
        """The certificate that a new connection is shown."""
        self.context()
        return self._loaded.served

    def checks(self) -> list[Check]:
        """For ``/readyz``: the API server refuses a certificate that is expired or for another name."""
        return [
            Check("certificate", lambda: self._problem_of(self.served()), stops=True),
            Check("certificate files", self.failure),
        ]

    def failure(self) -> str:
        """Why the files on disk are not used; empty if they are."""
        self.context()
        return self._failure

    def _is_due(self) -> bool:
        return bool(self._failure) and self._clock() >= self._retry_at

    def _reread(self) -> None:
        self._take_last_good()
        try:
            fresh = self._read()
            why = "" if self._problem_of(self._loaded.served) else self._problem_of(fresh.served)
        except InvalidCertificate as error:
            why = str(error)
        self._retry_at = self._clock() + RETRY_S
        if why and why != self._failure:
            _log.error("TLS certificate not reloaded, the last good one stays in use: %s", why)
        self._failure = why
        if not why:
            self._loaded = fresh
            self._keep()
            _log.info(
                "TLS certificate reloaded",
                extra={"notAfter": fresh.served.not_after.isoformat(), "fingerprint": fresh.served.fingerprint},
            )

    def _take_last_good(self) -> None:
        """Use the last good pair of all processes, with the CAs of now."""
        try:
            kept = (b"" if self._kept is None else self._kept.content()) or self._loaded.content
            if (kept, self._more_cas()) != (self._loaded.content, self._loaded.more_cas):
                self._loaded = self._made(kept)
        except (OSError, InvalidCertificate) as error:
            _log.error("the last good TLS certificate cannot be read: %s", error)

    def _keep(self) -> None:
        try:
            if self._kept is not None and self._kept.content() != self._loaded.content:
                self._kept.put(self._loaded.content)
        except OSError as error:
            _log.error("the last good TLS certificate cannot be kept for processes that start later: %s", error)

    def _problem_of(self, served: Served) -> str:
        if problem := served.untimely(self._now()):
            return problem
        if missing := served.lacks(self._wanted):
            found = ", ".join(sorted(served.names)) or "no name"
            return f"the serving certificate is not good for {', '.join(missing)}: it is for {found}"
        return ""

    def _read(self) -> _Loaded:
        """Both files, read once: what is checked is what is used."""
        files = self._files
        try:
            content = _content(files.certificate)
            read_served(content)  # a key file that holds a certificate must not stand in for it
            if files.key != files.certificate:
                content += b"\n" + _content(files.key)
            return self._made(content)
        except OSError as error:
            raise InvalidCertificate(f"TLS certificate: {error.filename}: {error.strerror or error}") from error
        except InvalidCertificate as error:
            raise InvalidCertificate(f"TLS certificate {files.certificate}: {error}") from error

    def _made(self, pair: bytes) -> _Loaded:
        """The TLS context that serves with the certificates and the key in ``pair``."""
        try:
            more_cas = self._more_cas()
            return _Loaded(_context(pair, self._files, more_cas), read_served(pair), pair, more_cas)
        except ssl.SSLError as error:
            raise InvalidCertificate(_reason(error)) from error

    def _state(self) -> tuple[object, ...]:
        files = self._files
        paths = (files.certificate, files.key, *((files.client_ca,) if files.client_ca else ()), *files.optional_cas)
        return (self._more_cas(), *(file_state(path) for path in paths))


def _context(pair: bytes, files: TlsFiles, more_cas: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # a handshake costs the server more than the client, and only the first one has a deadline
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load(context, pair)
    if files.client_ca is not None:
        context.load_verify_locations(cadata=_certificates(files.client_ca))
        context.verify_mode = ssl.CERT_REQUIRED
    elif files.optional_cas or more_cas:
        for authorities in (*map(_certificates, files.optional_cas), more_cas):
            if authorities:
                context.load_verify_locations(cadata=authorities)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as in Go: an intermediate CA may be the anchor
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, pair: bytes) -> None:
    """Load certificates and key from memory: the library reads nothing but named files."""
    descriptor = os.memfd_create("serving-certificate")
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(pair)
        file.flush()
        # with an empty password an encrypted key is an error; without one the library would ask on the terminal
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(CHAIN_MAX_BYTES + 1)
    if len(content) > CHAIN_MAX_BYTES:
        raise InvalidCertificate(f"{path} is larger than {CHAIN_MAX_BYTES} bytes")
    return content


def _certificates(path: Path) -> str:
    try:
        return _content(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidCertificate(f"{path} is not a PEM file") from error


def _reason(error: ssl.SSLError) -> str:
    """The library's reason in words."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    if "PEM" in str(error):  # the certificates could be read, so it is the key
        return "there is no private key in PEM, or it is cut off or encrypted"
    return error.reason or str(error)


def file_state(path: Path) -> tuple[int, int, int]:
    """Another value after the file, or the one that a symbolic link leads to, was replaced or written."""
    try:
        status = path.stat()
    except OSError:  # between removal and replacement
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)
