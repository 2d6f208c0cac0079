"""The user of a request to the image API behind a cluster's API server.

The API server authenticates its callers and names them in headers, which count only beside its own client certificate.
Callers that come directly show a client certificate or a bearer token of the cluster. Everybody else is refused.
Source: k8s.io/apiserver, ``DelegatingAuthenticatorConfig``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from cryptography import x509
from flask import Request

from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.request import User
from imagegate.core.admission.request_headers import (
    DelegatedAuthentication,
    Headers,
    InvalidRequestHeaders,
    certificates,
    with_authenticated_group,
)
from imagegate.core.kube.status import Status, StatusError
from imagegate.ports.access import TokenReviews
from imagegate.web.client_certificates import CertificateAuthorities, subject_values
from imagegate.web.local_requests import cross_origin_problem
from imagegate.web.peer_certificate import peer_certificate
from imagegate.web.raw_headers import RAW_HEADERS

LOG_S = 10.0
"""Refusals of users that somebody names are logged once in so many seconds: whoever reaches the port causes them."""
REVIEW_S = 5.0
"""Time for one TokenReview."""
_IMPERSONATION = b"impersonate-"
_log = logging.getLogger(__name__)


class _Authorities(NamedTuple):
    published: DelegatedAuthentication
    request_header: CertificateAuthorities
    client: CertificateAuthorities


class DelegatedUsers:
    """Finds the user of each request; an ``Identify``.

    Args:
        published: what the API server publishes, as it is now; None: not known yet.
        tokens: asks about bearer tokens.
    """

    def __init__(self, published: Callable[[], DelegatedAuthentication | None], tokens: TokenReviews) -> None:
        self._published = published
        self._tokens = tokens
        self._authorities = _made(DelegatedAuthentication())
        self._log_again_at = 0.0

    def __call__(self, request: Request) -> User:
        """The user.

        Raises:
            StatusError: 401, there is none, or headers name one that the caller must not name; 403, the request
                impersonates or comes from a web page; 503, it cannot be found out now.
        """
        headers: Headers | None = request.environ.get(RAW_HEADERS)
        if headers is None or not request.is_secure:
            raise _unauthorized("the image API authenticates callers only over TLS, with the event loop")
        if any(name.startswith(_IMPERSONATION) for name, _ in headers):
            raise _forbidden("Impersonate-* headers are not read here: impersonate at the API server (kubectl --as)")
        authorities = self._current()
        shown = peer_certificate(request.environ)
        try:
            remote = self._remote_user(authorities, headers, shown)
        except StatusError as error:
            self._note_refusal(request, error)
            raise
        if remote is not None:
            return remote
        elsewhere = cross_origin_problem(request)
        if elsewhere:
            raise _forbidden(f"the image API answers no web pages: {elsewhere}")
        user = _certified_user(authorities.client, shown) or self._bearer(request)
        if user is None:
            raise _unauthorized("show a client certificate or a bearer token of the cluster, or ask its API server")
        return with_authenticated_group(user)

    def _note_refusal(self, request: Request, error: StatusError) -> None:
        if time.monotonic() >= self._log_again_at:
            self._log_again_at = time.monotonic() + LOG_S
            _log.warning("image API: %s", error.status.message, extra={"client": request.remote_addr})

    def _current(self) -> _Authorities:
        """The authorities of now; made anew after a change.

        Raises:
            StatusError: 503, they are not known yet.
        """
        published = self._published()
        if published is None:
            why = "the configuration of request-header authentication was not read yet: see /readyz"
            raise StatusError(Status(code=503, reason="ServiceUnavailable", message=why, retry_after_s=1))
        if self._authorities.published is not published:
            self._authorities = _made(published)
        return self._authorities

    def _remote_user(self, authorities: _Authorities, headers: Headers, shown: bytes | None) -> User | None:
        """The user whom the API server names; None if the request names none.

        Raises:
            StatusError: 401, somebody else names one, or the headers cannot be read.
        """
        names = authorities.published.request_headers
        if not names.name_a_user(headers):
            return None
        found = None if shown is None else authorities.request_header.issued(shown)
        if found is None:
            raise _unauthorized(
                "the request names a user in X-Remote-* headers without a client certificate of the request-header CA"
            )
        common_name = _common_name(found)
        if names.allowed_names and common_name not in names.allowed_names:
            raise _unauthorized(
                f"the request names a user in X-Remote-* headers: x509: subject with cn={common_name} is not in the "
                "allowed list"
            )
        try:
            user = names.user(headers)
        except InvalidRequestHeaders as error:
            raise _unauthorized(str(error)) from error
        if user is None:
            raise _unauthorized("the request has X-Remote-* headers that name no user")
        return user

    def _bearer(self, request: Request) -> User | None:
        """The user of the bearer token; None without one.

        Raises:
            StatusError: 401 or 503.
        """
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = self._tokens.user(token.strip(), deadline_s=REVIEW_S)
        if isinstance(found, Found):
            return found.value
        if isinstance(found, Unknown):
            raise StatusError(Status(code=503, reason="ServiceUnavailable", message=found.why, retry_after_s=1))
        raise _unauthorized(found.why)


def _made(published: DelegatedAuthentication) -> _Authorities:
    bundles = (published.request_header_ca, published.client_ca)
    request_header, client = (CertificateAuthorities(certificates(bundle)) for bundle in bundles)
    return _Authorities(published, request_header, client)


def _certified_user(authorities: CertificateAuthorities, shown: bytes | None) -> User | None:
    """The user of a client certificate: common name and organizations. Source: x509 ``CommonNameUserConversion``."""
    found = None if shown is None else authorities.issued(shown)
    name = "" if found is None else _common_name(found)
    if found is None or not name:
        return None
    return User(name, "", subject_values(found, x509.NameOID.ORGANIZATION_NAME))


def _common_name(certificate: x509.Certificate) -> str:
    """The last common name, as Go reads it."""
    return next(reversed(subject_values(certificate, x509.NameOID.COMMON_NAME)), "")


def _unauthorized(why: str) -> StatusError:
    return StatusError(Status(code=401, reason="Unauthorized", message=f"Unauthorized: {why}"))


def _forbidden(why: str) -> StatusError:
    return StatusError(Status(code=403, reason="Forbidden", message=why))
