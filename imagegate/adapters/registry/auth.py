"""Tokens of registries: from a challenge and a credential to an ``Authorization`` header.

Where a password may go is decided here. It goes to the registry itself (Basic), or to a token realm that the registry
announces and that is bound to it: the same host and port, or a host that the settings name for this registry; and in
both cases only over HTTPS, unless the registry is called insecure and the realm is the registry's own origin. Any other
realm is used only for anonymous tokens, and only where the registry's answer may lead (``core.registry.egress``). A
token is a credential of the registry it was issued for: another registry that names the same realm gets one of its own.
Source of the exchange: distribution, spec/auth/token.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.http.credentials import basic, is_token
from imagegate.caching import SingleFlight, TimedCache
from imagegate.core.references.registry_hosts import DOCKER_HUB
from imagegate.core.registry.auth_challenge import Challenge
from imagegate.core.registry.egress import Sender, canonical_registry, read_url, same_origin, shown_url
from imagegate.core.registry.manifest import bounded_json_object
from imagegate.core.registry.pull_secrets import Credential
from imagegate.errors import EvidenceError, Malformed, Refused, Unreachable

TOKEN_MAX_BYTES = 256 * 1024
SHORTEST_TOKEN_S = 60.0  # distribution, spec/auth/token: also without expires_in
LONGEST_TOKEN_S = 3600.0
_EARLY_S = 10.0  # a token is renewed this long before it ends
_INSTANT_MAX_LENGTH = 64
_REFUSALS = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "access_denied"})

_HUB_SERVER = "registry-1.docker.io"
KNOWN_REALMS: Mapping[str, frozenset[str]] = {
    _HUB_SERVER: frozenset({"auth.docker.io"}),
    "registry.gitlab.com": frozenset({"gitlab.com"}),
    "registry.connect.redhat.com": frozenset({"sso.redhat.com"}),
}


class CredentialRefused(Refused):
    """The token server does not know this user and password."""


class RealmRefused(Refused):
    """The token server is on another host, to which this registry's credentials are not sent."""


@dataclass(frozen=True, slots=True)
class TokenRealms:
    """Token servers that may be sent a registry's credentials although they are other hosts.

    ``allowed``: registry ``HOST[:PORT]`` -> ``HOST[:PORT]`` of realms; ``*`` among them means any HTTPS realm that the
    registry announces.
    """

    allowed: Mapping[str, frozenset[str]] = field(default_factory=lambda: dict(KNOWN_REALMS))

    @classmethod
    def with_known(cls, more: Mapping[str, Iterable[str]]) -> TokenRealms:
        """The well-known ones, and what the settings add."""
        allowed = dict(KNOWN_REALMS)
        for registry, realms in more.items():
            name = _HUB_SERVER if canonical_registry(registry) == DOCKER_HUB else registry
            allowed[name] = allowed.get(name, frozenset()).union(realms)
        return cls(allowed)

    def may_have_credentials(self, realm: str, base_url: str) -> bool:
        """True if the credentials for the registry at ``base_url`` may be sent to ``realm``."""
        if same_origin(realm, base_url):
            return True
        return read_url(realm).origin.scheme == "https" and ("*" in self._of(base_url) or self.names(realm, base_url))

    def names(self, realm: str, base_url: str) -> bool:
        """True if the settings themselves send the registry at ``base_url`` to ``realm``."""
        wanted = read_url(realm).origin
        named = {_authority(name) for name in self._of(base_url) if name != "*"}
        return wanted.scheme == "https" and wanted.authority in named

    def _of(self, base_url: str) -> frozenset[str]:
        registry = read_url(base_url).origin.authority
        return frozenset().union(*(realms for name, realms in self.allowed.items() if _authority(name) == registry))


def _authority(text: str) -> str:
    """A host of the settings as ``Origin.authority`` has it; empty, which equals no origin, if it is not a host."""
    try:
        return read_url(f"https://{text}").origin.authority
    except EvidenceError:
        return ""


@dataclass(frozen=True, slots=True)
class Authorization:
    """The header to send, or None. ``kept``: its token is of an earlier request and may have been revoked since."""

    header: str | None
    kept: bool = False


NOTHING = Authorization(None)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Request for a token; also the key under which the token is cached.

    ``registry`` gets the token; ``sender`` is the server whose answer names the realm, None if the settings name it.
    """

    registry: str
    realm: str
    service: str
    scope: str
    credential: Credential | None
    verify: bool
    sender: Sender | None = field(compare=False)


class Authenticator:
    """Makes ``Authorization`` headers, and caches tokens until shortly before they expire. Safe for threads.

    Args:
        client_id: asks for tokens with a password by a form first, under this name, as clients of Notary do
            (docs/spec/enforcement.md 12.4); empty: by GET alone, as clients of registries do.
    """

    def __init__(
        self, http: HttpClient, realms: TokenRealms | None = None, *, client_id: str = "", tokens: int = 4096
    ) -> None:
        self._http = http
        self._client_id = client_id
        self._realms = realms or TokenRealms()
        self._tokens: TimedCache[TokenRequest, str] = TimedCache(tokens)
        self._flights: SingleFlight[tuple[TokenRequest, bool], str] = SingleFlight()

    def authorization(
        self,
        challenges: Iterable[Challenge],
        base_url: str,
        scope: str,
        credential: Credential | None,
        *,
        until: float,
        verify: bool,
        sender: Sender | None = None,
        fresh: bool = False,
    ) -> Authorization:
        """The header that answers ``challenges``, a token before a password; None in it where nothing is to be sent.

        Args:
            base_url: ``https://HOST[:PORT]`` of the registry that sent the challenges.
            scope: ``repository:PATH:pull``.
            credential: None requests an anonymous token.
            until: instant of ``time.monotonic``.
            verify: check certificates.
            sender: the server that sent the challenges, as ``HttpAnswer`` has it.
            fresh: do not use a cached token (it was just refused).

        Raises:
            CredentialRefused: the token server answered 401 or 403.
            Refused: requests to the realm are not permitted, or not with this credential.
            Unreachable, Malformed, TooLarge: no token.
        """
        offered = tuple(challenges)
        refused: Refused | None = None
        for challenge in offered:
            if challenge.scheme != "bearer":
                continue
            server = sender or Sender(read_url(base_url).origin)
            try:
                request = self._token_request(challenge, base_url, scope, credential, verify=verify, server=server)
            except Refused as error:
                refused = refused or error
                continue
            kept = None if fresh else self._tokens.get(request)
            token = kept or self._token(request, base_url, until=until, fresh=fresh)
            return Authorization(f"Bearer {token}", kept=kept is not None)
        if credential and any(challenge.scheme == "basic" for challenge in offered):
            return self._password(credential, base_url)
        if refused is not None:
            raise refused
        return NOTHING

    @staticmethod
    def _password(credential: Credential, base_url: str) -> Authorization:
        if credential.identity_token:
            raise Refused(f"{base_url} takes passwords only, and the pull secret has an identity token")
        return Authorization(basic(credential))

    def _token_request(
        self,
        challenge: Challenge,
        base_url: str,
        scope: str,
        credential: Credential | None,
        *,
        verify: bool,
        server: Sender,
    ) -> TokenRequest:
        realm = challenge.parameters.get("realm", "")
        if not realm:
            raise Refused(f"{base_url} asks for a token and names no token realm")
        own = same_origin(realm, base_url)
        if not (own and not verify) and not realm.lower().startswith("https://"):
            raise Refused(f"{base_url} names the token realm {realm[:200]!r}, which is not HTTPS")
        target = read_url(realm)
        sender = None if self._realms.names(target.url, base_url) else server
        self._http.check(target, sender)  # also for a cached token: the server that names the realm must be allowed to
        if credential is not None and not self._realms.may_have_credentials(realm, base_url):
            raise RealmRefused(
                f"{base_url} names the token realm {realm[:200]!r} on another host; credentials are sent there only if"
                " registry.tokenRealms names it"
            )
        service = challenge.parameters.get("service", "")
        return TokenRequest(base_url, target.url, service, scope, credential, verify, sender)

    def _token(self, request: TokenRequest, base_url: str, *, until: float, fresh: bool) -> str:
        """A new token, one for all callers that need it now."""

        def ask() -> str:
            kept = None if fresh else self._tokens.get(request)  # another thread may have cached one meanwhile
            return kept or self._new_token(request, base_url, until=until)

        try:
            return self._flights.do((request, fresh), ask, until=until, failures=(Unreachable,))
        except TimeoutError as error:
            raise Unreachable(f"token server {shown_url(request.realm)} did not answer in time") from error

    def _new_token(self, request: TokenRequest, base_url: str, *, until: float) -> str:
        verify = request.verify or not same_origin(request.realm, base_url)
        answer = self._granted(request, until=until, verify=verify)
        if answer is None and request.credential is not None and request.credential.identity_token:
            answer = self._http.post_form(
                request.realm,
                _refresh_form(request, self._client_id),
                until=until,
                max_bytes=TOKEN_MAX_BYTES,
                verify=verify,
                sender=request.sender,
            )
        elif answer is None:
            answer = self._http.get(
                _with_query(request),
                until=until,
                max_bytes=TOKEN_MAX_BYTES,
                authorization=basic(request.credential) if request.credential else None,
                verify=verify,
                sender=request.sender,
            )
        if not 200 <= answer.status < 300:
            kind = CredentialRefused if _refuses_credential(answer) else Unreachable
            said = answer.sentence
            raise kind(f"token server {shown_url(request.realm)} answered status {answer.status}{said and f': {said}'}")
        token, lifetime_s = read_token(answer.body, now=time.time())
        self._tokens.put(request, token, ttl_s=lifetime_s - _EARLY_S)
        return token

    def _granted(self, request: TokenRequest, *, until: float, verify: bool) -> HttpAnswer | None:
        """The answer to a form with the password; None where that is not asked for, or not known there."""
        if request.credential is None or request.credential.identity_token or not self._client_id:
            return None
        form = {
            "service": request.service,
            "grant_type": "password",
            "client_id": self._client_id,
            "username": request.credential.username,
            "password": request.credential.password,
            "scope": request.scope,
        }
        answer = self._http.post_form(
            request.realm, form, until=until, max_bytes=TOKEN_MAX_BYTES, verify=verify, sender=request.sender
        )
        return None if answer.status in {404, 405} else answer


def _refuses_credential(answer: HttpAnswer) -> bool:
    """True if a token server does not take the credential; RFC 6749 section 5.2 says it with status 400."""
    if answer.status in {401, 403}:
        return True
    try:
        return answer.status == 400 and bounded_json_object(answer.body, "error").get("error") in _REFUSALS
    except EvidenceError:
        return False


def _refresh_form(request: TokenRequest, client_id: str) -> dict[str, str]:
    """The form that exchanges an identity token. Source: distribution, spec/auth/oauth."""
    assert request.credential is not None  # noqa: S101 - for mypy
    return {
        "service": request.service,
        "grant_type": "refresh_token",
        "client_id": client_id or "imagegate",
        "refresh_token": request.credential.identity_token,
        "scope": request.scope,
    }


def read_token(body: bytes, *, now: float) -> tuple[str, float]:
    """``token`` (or ``access_token``) and its remaining lifetime in seconds, from a token server's JSON.

    ``expires_in`` is at least a minute, whatever it says; ``issued_at`` counts if it is a time of RFC 3339 within that
    lifetime, since a clock that is wrong says nothing. Source: distribution/distribution, internal/client/auth.

    Args:
        now: seconds since 1970.

    Raises:
        Malformed, TooLarge: no such answer, or a token that cannot stand in a header.
    """
    document = bounded_json_object(body, "token")
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not is_token(token):
        raise Malformed("the token server's answer has no token")
    lifetime = document.get("expires_in")
    if isinstance(lifetime, bool) or not isinstance(lifetime, (int, float)):
        lifetime = SHORTEST_TOKEN_S
    lifetime = max(float(min(lifetime, 10**9)), SHORTEST_TOKEN_S)
    age = now - _issued_at(document.get("issued_at"), now)
    return token, min(lifetime - age if 0 < age < lifetime else lifetime, LONGEST_TOKEN_S)


def _issued_at(text: object, now: float) -> float:
    """The instant that ``issued_at`` names; ``now`` where it does not name one."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) and len(text) <= _INSTANT_MAX_LENGTH else None
        return now if found is None or found.tzinfo is None else found.timestamp()
    except (ValueError, OverflowError):
        return now


def _with_query(request: TokenRequest) -> str:
    parts = urlsplit(request.realm)
    query = [*parse_qsl(parts.query, keep_blank_values=True)]
    if request.service:
        query.append(("service", request.service))
    query.append(("scope", request.scope))
    if request.credential:
        query.append(("account", request.credential.username))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
