"""Reports and VEX documents over HTTPS: a folder with ``sha256-HEX.json`` files, or single documents."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.http.credentials import is_token
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.kube.printable import printable
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import shown_url
from imagegate.core.registry.manifest import is_strict_digest
from imagegate.errors import EvidenceError, Malformed, Unreachable
from imagegate.ports.registry import RegistryAccess
from imagegate.ports.vulnerabilities import FoundDocument, ReportDocuments


class WebDocuments:
    """The port ``ReportDocuments`` over HTTPS.

    Args:
        http: with the addresses and authorities that are permitted.
        url: of the folder, or of one document.
        by_digest: True for a folder.
        token: reads the bearer token, which goes to the URL's own server only; raises OSError. None: none is sent.
    """

    def __init__(self, http: HttpClient, url: str, *, by_digest: bool, token: Callable[[], str] | None = None) -> None:
        self._http = http
        self._url = url
        self._by_digest = by_digest
        self._token = token

    def documents(
        self,
        image: ImageReference,
        *,
        access: RegistryAccess,  # noqa: ARG002 - a registry's credentials do not leave for other servers
        max_bytes: int,
        deadline_s: float,
    ) -> Lookup[tuple[FoundDocument, ...]]:
        """See ``ReportDocuments``. Only 404 means that there is none; any other status may hide one."""
        until = time.monotonic() + deadline_s
        if self._by_digest and not is_strict_digest(image.id):
            return Unknown(f"{image.id[:200]!r} is not a digest", retryable=False)
        url = f"{self._url.rstrip('/')}/{image.id.replace(':', '-', 1)}.json" if self._by_digest else self._url
        try:
            answer = self._http.get(
                url, until=until, max_bytes=max_bytes, authorization=self._authorization(), subject=url
            )
        except EvidenceError as error:
            return Unknown(printable(str(error)), retryable=isinstance(error, Unreachable))
        if answer.status == HTTPStatus.NOT_FOUND:
            return Found((), shown_url(url)) if self._by_digest else Unknown(f"{shown_url(url)}: status 404")
        if answer.status != HTTPStatus.OK:
            return Unknown(f"{shown_url(url)}: status {answer.status}", retryable=False)
        return Found((FoundDocument(shown_url(url), answer.body, self._by_digest, _modified(answer)),), shown_url(url))

    def _authorization(self) -> str | None:
        if self._token is None:
            return None
        try:
            token = self._token().strip()
        except (OSError, ValueError) as error:
            raise Unreachable(f"the token for {shown_url(self._url)} cannot be read: {error}") from error
        if not is_token(token):
            raise Malformed(f"the token for {shown_url(self._url)} cannot stand in a header")
        return f"Bearer {token}"


def _modified(answer: HttpAnswer) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("Last-Modified", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[ReportDocuments] = WebDocuments
