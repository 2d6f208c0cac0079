"""Trust servers (Notary v1) over HTTP: metadata files, with the token protocol of registries.

A credential goes where it may go for a registry (``auth``). One that is meant for the trust server's own host is
treated as the trust server's. One of the image's registry is sent to a token realm only if that realm belongs to the
registry: its own origin, or a host that the settings name for it; never to the trust server itself, which a policy may
have named. The token for it does go to the trust server, so the realm may not add scopes to it.
Source: docs/spec/enforcement.md 12.4 and 12.5.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.http.failures import CertificateRefused, NotTls, UnavailableStatus
from imagegate.adapters.registry.auth import Authenticator, TokenRealms
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.content_trust.fetches import Fetch
from imagegate.core.content_trust.question import TrustedImage
from imagegate.core.content_trust.roles import ROOT
from imagegate.core.kube.printable import printable
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.auth_challenge import Challenge, parse_challenges
from imagegate.core.registry.egress import read_url
from imagegate.core.registry.manifest import bounded_json_object
from imagegate.core.registry.pull_secrets import Credential, credentials_for
from imagegate.errors import EvidenceError, Malformed, TooLarge, Unreachable
from imagegate.ports.content_trust import AuthEndpointError, NotAuthorized, TrustServers, TrustSession

NO_ENDPOINT = "no supported auth-endpoint found"
BAD_RESPONSE = "trust server returned a bad response."
REJECTED = "trust server rejected operation."
_SHOWN_ERROR_MAX = 1024

_log = logging.getLogger(__name__)


CLIENT_ID = "imagegate"
"""Under this name tokens are asked for by a form."""


class NotaryServers:
    """The ``TrustServers`` port over HTTP. Safe for threads; caches tokens.

    Args:
        http: with the addresses and authorities that are permitted.
        realms: token servers on other hosts than the registry's.
    """

    def __init__(self, http: HttpClient, realms: TokenRealms | None = None) -> None:
        self._http = http
        self._auth = Authenticator(http, realms, client_id=CLIENT_ID)

    def sessions(self, question: TrustedImage) -> Iterator[TrustSession]:
        """See ``TrustServers``."""
        place = _Place(self._http, self._auth, question.server, question.gun)
        yield _Session(place, None, question.server)
        own, registry = _authority(question.server), _registry_url(question.registry)
        seen: set[tuple[Credential, str]] = set()
        for credential in credentials_for(question.secrets, own, question.repository) if own else ():
            seen.add((credential, question.server))
            yield _Session(place, credential, question.server)
        for credential in credentials_for(question.secrets, question.registry, question.repository):
            if not question.registry_tokens:
                return
            if (credential, registry) not in seen:
                yield _Session(place, credential, registry, is_registrys=True)


@dataclass(slots=True)
class _Place:
    """A repository at a trust server; its challenges, once one session has met them."""

    http: HttpClient
    auth: Authenticator
    server: str
    gun: str
    guard: HttpAnswer | None = None
    challenges: tuple[Challenge, ...] = ()


@dataclass(slots=True)
class _Session:
    """One credential (None: anonymous) and the base URL of the server that it belongs to."""

    place: _Place
    credential: Credential | None = field(repr=False)
    base_url: str
    is_registrys: bool = False
    reached: bool = False
    _header: str | None = field(default=None, repr=False)

    def fetch(self, fetch: Fetch, *, until: float) -> Lookup[bytes]:
        """See ``TrustSession``."""
        place = self.place
        url = f"{place.server}/v2/{quote(place.gun, safe='/:')}/_trust/tuf/{fetch.name}.json"
        try:
            answer = self._authorized(url, fetch.max_bytes, until)
        except (NotAuthorized, AuthEndpointError):
            raise
        except TooLarge:
            self.reached = True
            return Unknown(BAD_RESPONSE, retryable=False)
        except UnavailableStatus as error:
            self.reached = True
            return Unknown(f"unable to reach trust server at this time: {error.status}.")
        except EvidenceError as error:
            retryable = isinstance(error, Unreachable) and not isinstance(error, (CertificateRefused, NotTls))
            return Unknown(printable(str(error)), retryable=retryable)
        match answer.status:
            case 200:
                return Found(answer.body, answer.url)
            case 404 if fetch.role == ROOT:
                host = _authority(place.server) or place.server
                return Absent(f"{host} does not have trust data for {place.gun}")
            case 404:
                return Absent(f"{fetch.role} trust data unavailable.  Has a notary repository been initialized?")
            case 400:
                return Unknown(_rejection(answer.body), retryable=False)
        return Unknown(f"unable to reach trust server at this time: {answer.status}.")

    def _authorized(self, url: str, max_bytes: int, until: float) -> HttpAnswer:
        """The answer to a request that is not refused for its credential. Raises ``EvidenceError``."""
        place = self.place
        if self._header is None and place.guard is not None:
            self._header = self._new_header(until, fresh=False)
        answer = self._get(url, max_bytes, until)
        if answer.status == 401 and self._header is None:
            try:
                place.guard, place.challenges = answer, parse_challenges(answer.authenticate)
            except Malformed as error:
                raise AuthEndpointError(str(error)) from error
            if not any(challenge.scheme in ("bearer", "basic") for challenge in place.challenges):
                raise AuthEndpointError(NO_ENDPOINT)
            self._header = self._new_header(until, fresh=False)
            answer = self._get(url, max_bytes, until)
        if answer.status == 401 and self.credential is not None:  # a kept token may have been ended
            self._header = self._new_header(until, fresh=True)
            answer = self._get(url, max_bytes, until)
        if answer.status in (401, 403):
            raise NotAuthorized(f"{place.server} answered with status {answer.status}")
        return answer

    def _get(self, url: str, max_bytes: int, until: float) -> HttpAnswer:
        answer = self.place.http.get(
            url,
            until=until,
            max_bytes=max_bytes,
            headers={"Accept": "application/json"},
            authorization=self._header,
            verify=not url.startswith("http://"),
            subject=self.place.gun,
        )
        self.reached = True
        return answer

    def _new_header(self, until: float, *, fresh: bool) -> str:
        place = self.place
        challenges = place.challenges
        if self.is_registrys:  # a password is not sent to a host that it is not for
            challenges = tuple(challenge for challenge in challenges if challenge.scheme == "bearer")
            if any("?" in challenge.parameters.get("realm", "") for challenge in challenges):
                # It could ask for more than this repository's trust data (``?scope=repository:other:push``).
                raise NotAuthorized(f"{place.server} names a token realm with parameters")
        try:
            authorization = place.auth.authorization(
                challenges,
                self.base_url,
                f"repository:{place.gun}:pull",
                self.credential,
                until=until,
                verify=not self.base_url.startswith("http://"),
                sender=None if place.guard is None else place.guard.server,
                fresh=fresh,
            )
        except EvidenceError as error:
            why = printable(str(error))
            _log.info("no token for trust data", extra={"server": place.server, "gun": place.gun, "why": why})
            raise NotAuthorized(why) from error
        if authorization.header is None:
            raise NotAuthorized(f"{place.server} asks for credentials, and there are none to send")
        return authorization.header


def _authority(url: str) -> str:
    """``HOST[:PORT]`` of a base URL; empty if it is not one, which the request will report."""
    try:
        return read_url(url).origin.authority
    except EvidenceError:
        return ""


def _registry_url(registry: str) -> str:
    """The base URL that token realms are bound to, as for the registry's own requests."""
    return f"https://{ImageReference(registry, '', 'x').as_v2().registry}"


def _rejection(body: bytes) -> str:
    """The single error of a 400, if there is one that can be read."""
    try:
        errors = bounded_json_object(body, "error").get("errors")
    except EvidenceError:
        return REJECTED
    if isinstance(errors, list) and len(errors) == 1 and isinstance(errors[0], dict):
        message = errors[0].get("message")
        if isinstance(message, str) and message:
            return printable(message[:_SHOWN_ERROR_MAX])
    return REJECTED


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[TrustServers], type[TrustSession]] = (NotaryServers, _Session)
