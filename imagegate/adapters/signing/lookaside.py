"""Lookaside stores: simple-signing signatures as static files beside a registry.

Layout and the way to the end of a list: containers/image, docs/signature-protocols.md; docs/spec/enforcement.md 13.4.
Over HTTP only 404 means "no more"; any other status may hide a signature, so the result is ``Unknown``.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.http.failures import CertificateRefused, NotTls
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.kube.printable import printable
from imagegate.core.references.docker import check_digest
from imagegate.core.registry.egress import read_url, shown_url
from imagegate.core.signing.requirements import SIGNATURE_MAX_BYTES, LookasideStore
from imagegate.errors import EvidenceError, InvalidDigest, Malformed, Unreachable
from imagegate.ports.signatures import SignatureStore

NO_MORE = "no such signature"


class LookasideHttp:
    """Port ``SignatureStore`` over HTTP and HTTPS. A store's credential goes to the store's own origin only."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def signature(
        self, store: LookasideStore, repository_path: str, digest: str, number: int, *, deadline_s: float
    ) -> Lookup[bytes]:
        """See ``SignatureStore``."""
        until = time.monotonic() + deadline_s
        try:
            target = read_url(_url(store.url, _place(repository_path, digest, number)))
            url = shown_url(target.url)
            answer = self._http.get(
                target.url,
                until=until,
                max_bytes=SIGNATURE_MAX_BYTES,
                authorization=_authorization(store),
                verify=target.origin.scheme == "https",
                subject=repository_path,
            )
        except EvidenceError as error:
            return Unknown(f"reading signature: {printable(str(error))}", retryable=_retryable(error))
        if answer.status == HTTPStatus.OK:
            return Found(answer.body, url)
        if answer.status == HTTPStatus.NOT_FOUND:
            return Absent(NO_MORE)
        return Unknown(f"reading signature from {url}: status {_status(answer.status)}", retryable=False)


class LookasideFiles:
    """Port ``SignatureStore`` over a directory with a lookaside's layout, whatever the store's URL."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def signature(
        self,
        store: LookasideStore,  # noqa: ARG002 - every store is this directory
        repository_path: str,
        digest: str,
        number: int,
        *,
        deadline_s: float,  # noqa: ARG002 - files are not waited for
    ) -> Lookup[bytes]:
        """See ``SignatureStore``."""
        try:
            file = self._directory / _place(repository_path, digest, number)
            with _translate_errors(file), file.open("rb") as stream:
                blob = stream.read(SIGNATURE_MAX_BYTES + 1)
        except FileNotFoundError:
            return Absent(NO_MORE)
        except EvidenceError as error:
            return Unknown(f"reading signature: {error}", retryable=False)
        if len(blob) > SIGNATURE_MAX_BYTES:
            return Unknown(f"reading signature: {file} has more than {SIGNATURE_MAX_BYTES} bytes", retryable=False)
        return Found(blob, str(file))


@contextmanager
def _translate_errors(file: Path) -> Iterator[None]:
    """A file that is not there stays what it is; every other error becomes an ``EvidenceError``."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreachable(f"{file}: {error.strerror}") from error


def _place(repository_path: str, digest: str, number: int) -> str:
    """``team/app@sha256=HEX/signature-1``; a digest that is not one must not become a path."""
    try:
        check_digest(digest)
    except InvalidDigest as error:
        raise Malformed(f"{digest[:200]!r}: {error}") from error
    if any(part in {"", ".", ".."} for part in repository_path.split("/")):
        raise Malformed(f"{repository_path[:200]!r} is not a repository path")
    return f"{repository_path}@{digest.replace(':', '=', 1)}/signature-{number}"


def _url(store_url: str, place: str) -> str:
    try:
        parts = urlsplit(store_url)
    except ValueError as error:
        raise Malformed(f"{store_url[:200]!r} is not a URL") from error
    return parts._replace(path=f"{parts.path.rstrip('/')}/{place}", fragment="").geturl()


def _authorization(store: LookasideStore) -> str | None:
    if store.credential is None:
        return None
    pair = f"{store.credential.username}:{store.credential.password}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _retryable(error: EvidenceError) -> bool:
    return isinstance(error, Unreachable) and not isinstance(error, (CertificateRefused, NotTls))


def _status(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[SignatureStore], type[SignatureStore]] = (LookasideHttp, LookasideFiles)
