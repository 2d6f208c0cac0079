"""TLS contexts: the authorities that are trusted, and for some hosts more of them and a client certificate.

Files of a host are looked at for every new request, so that a renewed certificate is used at once; connections that
were opened with the old one serve no further request. Files that cannot be used refuse the request: going without the
certificate, or without the authority, would be another request than the settings ask for.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeAlias

from imagegate.core.references.registry_hosts import DOCKER_HUB, DOCKER_HUB_NAMES
from imagegate.core.registry.egress import DEFAULT_PORTS, join_host_port, split_host_port
from imagegate.errors import Refused

_CA, _CERTIFICATE, _KEY = ".crt", ".cert", ".key"
_FILES_MAX = 64
State: TypeAlias = tuple[tuple[str, int, int, int], ...]


class CertificateUnusable(Refused):
    """Files of certificates that the settings name for a host cannot be used."""


@dataclass(frozen=True, slots=True)
class HostFiles:
    """PEM files for one host; ``pairs`` are client certificates (chains) with their private keys."""

    authorities: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: HostFiles) -> HostFiles:
        """Both."""
        return HostFiles(self.authorities + other.authorities, self.pairs + other.pairs)

    @property
    def paths(self) -> tuple[str, ...]:
        """All files."""
        return (*self.authorities, *(path for pair in self.pairs for path in pair))


@dataclass(frozen=True, slots=True)
class HostCertificates:
    """Files by host.

    Attributes:
        hosts: by canonical host and port.
        folders: in the layout of Docker and containers: ``HOST[:PORT]/*.crt`` are authorities, ``*.cert`` with
            ``*.key`` of the same name a client certificate. The first folder that has the host counts.
            Source: containers/image, pkg/tlsclientconfig; moby/moby, registry/registry.go.
    """

    hosts: Mapping[tuple[str, int], HostFiles] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()

    @classmethod
    def of(cls, hosts: Mapping[str, HostFiles], folders: tuple[str, ...] = ()) -> HostCertificates:
        """From ``HOST[:PORT]``; without a port that of HTTPS.

        Raises:
            Malformed: a host is not of this form.
        """
        by_place: dict[tuple[str, int], HostFiles] = {}
        for text, files in hosts.items():
            host, port = split_host_port(text)
            for name in DOCKER_HUB_NAMES if host == DOCKER_HUB else (host,):
                by_place[name, port or DEFAULT_PORTS["https"]] = files
        return cls(by_place, tuple(map(Path, folders)))

    def files(self, host: str, port: int) -> HostFiles:
        """The files for a host.

        Raises:
            CertificateUnusable: a folder cannot be read, or a certificate or a key is alone.
        """
        named = self.hosts.get((host, port), HostFiles())
        for folder in self.folders:
            for name in _folder_names(host, port):
                found = _listed(folder / name)
                if found is not None:
                    return named + found
        return named


def _folder_names(host: str, port: int) -> tuple[str, ...]:
    with_port = join_host_port(host, port)
    if port != DEFAULT_PORTS["https"]:
        return (with_port,)
    bare = join_host_port(host, None)
    return (bare, with_port, DOCKER_HUB) if host in DOCKER_HUB_NAMES else (bare, with_port)


def _listed(folder: Path) -> HostFiles | None:
    """The files of one host's folder; None if there is no such folder."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except FileNotFoundError:
        return None
    except OSError as error:
        _unusable(folder, error)
    kinds = (_CA, _CERTIFICATE, _KEY)
    of_kind = {kind: [name.removesuffix(kind) for name in names if name.endswith(kind)] for kind in kinds}
    alone = set(of_kind[_CERTIFICATE]) ^ set(of_kind[_KEY])
    if alone:
        stem = min(alone)
        kind, missing = (_CERTIFICATE, _KEY) if stem in of_kind[_CERTIFICATE] else (_KEY, _CERTIFICATE)
        raise CertificateUnusable(
            f"{folder / (stem + kind)} has no {stem}{missing} beside it; certificates of authorities end in {_CA}"
        )
    if len(names) > _FILES_MAX:
        raise CertificateUnusable(f"{folder} has more than {_FILES_MAX} files")
    pairs = ((str(folder / (stem + _CERTIFICATE)), str(folder / (stem + _KEY))) for stem in of_kind[_CERTIFICATE])
    return HostFiles(tuple(str(folder / (stem + _CA)) for stem in of_kind[_CA]), tuple(pairs))


class TlsContexts:
    """The context for each host. Safe for threads.

    Args:
        ca_files: PEM bundles trusted beside the system's, for all hosts.
        verify: False accepts any certificate of a server; client certificates are shown all the same.
        certificates: more files for some hosts.
        socket_class: of the connections.
    """

    def __init__(
        self,
        ca_files: tuple[str, ...] = (),
        *,
        verify: bool,
        certificates: HostCertificates | None = None,
        socket_class: type[ssl.SSLSocket] = ssl.SSLSocket,
    ) -> None:
        self._socket_class = socket_class
        self._ca_files = ca_files
        self._verify = verify
        self._certificates = certificates or HostCertificates()
        self._default = self._context(HostFiles())
        self._kept: dict[tuple[str, int, bool], tuple[State, ssl.SSLContext]] = {}
        self._lock = threading.Lock()

    def get(self, host: str, port: int, *, show_certificate: bool) -> ssl.SSLContext:
        """The context for a connection.

        Args:
            host: canonical.
            show_certificate: False leaves the client certificate out.

        Raises:
            CertificateUnusable: files of this host cannot be used.
        """
        files = self._certificates.files(host, port)
        if not show_certificate:
            files = HostFiles(files.authorities)
        if not files.paths:
            return self._default
        state = _state(files)
        key = (host, port, show_certificate)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept[0] != state:
                kept = self._kept[key] = (state, self._context(files))
        return kept[1]

    def _context(self, files: HostFiles) -> ssl.SSLContext:
        context = ssl.create_default_context() if self._verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = self._socket_class
        for file in self._ca_files:
            context.load_verify_locations(cafile=file)
        for file in files.authorities:
            try:
                context.load_verify_locations(cafile=file)
            except OSError as error:  # an ssl.SSLError is one
                _unusable(Path(file), error)
        for certificate, key in files.pairs:
            _load_pair(context, certificate, key)
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    asked = False

    def password() -> str:  # without it OpenSSL asks at the terminal
        nonlocal asked
        asked = True
        return ""

    try:
        context.load_cert_chain(certificate, key, password)
    except (OSError, ValueError) as error:
        if asked:
            raise CertificateUnusable(f"{key}: the private key is encrypted, and there is no password") from error
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateUnusable(f"{key} is not the private key of {certificate}") from error
        raise CertificateUnusable(f"{certificate}, {key}: {_reason(error)}") from error


def _state(files: HostFiles) -> State:
    """State of the files now; every one is opened, since a key may be there and not be readable."""
    found = []
    for path in files.paths:
        try:
            with Path(path).open("rb") as file:
                status = os.fstat(file.fileno())
        except OSError as error:
            _unusable(Path(path), error)
        found.append((path, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _unusable(path: Path, error: OSError) -> NoReturn:
    raise CertificateUnusable(f"{path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"cannot be used as a PEM file: {error.reason or error}"
    return f"cannot be read: {(error.strerror if isinstance(error, OSError) else '') or error}"
