"""Image registries over HTTP: distribution's API v2, as Docker Hub, OpenShift, Quay, Harbor and others speak it.

Nothing a registry says is taken on trust: a digest is the hash of the bytes received, a media type must be one that was
asked for, pages of tags stay in their repository. Credentials are looked up for the host that is really asked, mirror
or source, so a secret for one never reaches the other. Texts follow docs/spec/import-gate.md 6.1 and
docs/spec/enforcement.md 13.4.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.adapters.http.circuits import CircuitOpen
from imagegate.adapters.http.client import HttpClient, server_name
from imagegate.adapters.registry.auth import (
    NOTHING,
    Authenticator,
    Authorization,
    CredentialRefused,
    RealmRefused,
    TokenRealms,
)
from imagegate.adapters.registry.endpoints import (
    Endpoint,
    Endpoints,
    Opening,
    RegistryFailure,
    challenges_of,
)
from imagegate.adapters.registry.failures import NotFound, error_kind_of, is_retryable, raise_status, unauthorized_text
from imagegate.adapters.registry.place import Place, RegistryLimits
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.kube.printable import printable
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.auth_challenge import Challenge
from imagegate.core.registry.egress import (
    DEFAULT_PORTS,
    BlockedHosts,
    join_host_port,
    same_origin,
    split_host_port,
)
from imagegate.core.registry.manifest import (
    Manifest,
)
from imagegate.core.registry.mirrors import MirrorRule, places_of
from imagegate.core.registry.pull_secrets import Credential, credentials_for
from imagegate.errors import EvidenceError, Malformed, Refused, Unreachable
from imagegate.ports.registry import ANONYMOUS, Registry, RegistryAccess, RegistryErrorKind, RegistryUnknown

T = TypeVar("T")

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:__|[._]|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:__|[._]|-+)[a-z0-9]+)*)*")
_ENDED_TOKEN = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Settings of registries.

    Attributes:
        insecure: ``HOST[:PORT]`` contacted insecurely for every caller.
        blocked: ``HOST[:PORT]`` never contacted: not for an image, as a mirror, or because an answer leads there.
        mirrors: see ``core.registry.mirrors``.
        watched_mirrors: further ones, which change; None: not known yet, so that no place is known to be permitted.
        realms: token servers on other hosts.
    """

    insecure: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()
    mirrors: tuple[MirrorRule, ...] = ()
    watched_mirrors: Callable[[], Sequence[MirrorRule] | None] = tuple
    realms: TokenRealms | None = None


class HttpRegistry:
    """The ``Registry`` port over HTTP. Safe for threads; caches only what a registry says of itself (and tokens).

    Args:
        http: with the addresses and authorities that are permitted.
        settings: insecure and blocked registries, mirrors, token realms.
        limits: see ``RegistryLimits``.
    """

    def __init__(
        self, http: HttpClient, *, settings: RegistrySettings | None = None, limits: RegistryLimits | None = None
    ) -> None:
        self._settings = settings or RegistrySettings()
        self._blocked = BlockedHosts.of(self._settings.blocked)
        self._insecure = frozenset(map(_host_and_port, self._settings.insecure))
        self._http = http = http.refusing(self._blocked)
        self._limits = limits or RegistryLimits()
        self._auth = Authenticator(http, self._settings.realms)
        self.endpoints = Endpoints(http, ttl_s=self._limits.endpoint_ttl_s, max_bytes=self._limits.manifest_max_bytes)

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        """See ``ports.registry``."""
        return self.ask(image, access, deadline_s, lambda place: place.manifest())

    def config(
        self, image: ImageReference, manifest: Manifest, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[bytes]:
        """See ``ports.registry``."""
        descriptor = manifest.config
        if descriptor is None:
            return Absent("a manifest of this kind has no configuration")
        pinned = replace(image, id=manifest.digest)  # digest mirrors hold an image's blobs too
        return self.ask(pinned, access, deadline_s, lambda place: place.blob(descriptor.digest))

    def tags(
        self, repository: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[str, ...]]:
        """See ``ports.registry``."""
        return self.ask(repository.as_repository(), access, deadline_s, lambda place: place.tags())

    def signatures(
        self, image: ImageReference, digest: str, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[bytes, ...]]:
        """See ``ports.registry``."""
        return self.ask(replace(image, tag="", id=digest), access, deadline_s, lambda place: place.signatures(digest))

    def not_answering(self, image: ImageReference) -> str:
        """Why asking about ``image`` would be useless now: all its places are servers that have not answered lately.

        Empty if one may be asked. Takes no lock.
        """
        why = ""
        for place in places_of(image.with_docker_defaults(), self._mirrors() or ()):
            host, port = _host_and_port(_canonical(place.as_v2().registry))
            if (host, port) in self._insecure and port == DEFAULT_PORTS["https"]:
                return ""  # it may answer at port 80
            why = self._http.circuits.problem(server_name(host, port))
            if not why:
                return ""
        return why

    def _mirrors(self) -> tuple[MirrorRule, ...] | None:
        watched = self._settings.watched_mirrors()
        return None if watched is None else (*self._settings.mirrors, *watched)

    def ask(
        self, image: ImageReference, access: RegistryAccess, deadline_s: float, question: Callable[[Place], Found[T]]
    ) -> Lookup[T]:
        """Send one request to each place of the image in turn, until one answers.

        ``question`` raises ``EvidenceError``; ``NotFound`` becomes ``Absent``.
        """
        until = time.monotonic() + deadline_s
        wanted = image.with_docker_defaults()
        if self._blocked.covers_registry(wanted.registry):
            return _blocked(image.registry)  # as written: the original's text
        answer: Lookup[T] = RegistryUnknown("no place to ask", retryable=False)
        unanswered: RegistryUnknown | None = None
        mirrors = self._mirrors()
        if mirrors is None:
            return RegistryUnknown("the cluster's mirrors are not known yet")
        places = places_of(wanted, mirrors)
        if not places:
            return RegistryUnknown(f"{wanted.registry} must not be contacted and has no mirror for {wanted.exact}")
        for place in places:
            # what a user says of the image's own registry is not said of a mirror, which has credentials of its own
            insecure = access.insecure and _host_and_port(place.registry) == _host_and_port(wanted.registry)
            answer = self._ask_place(place, replace(access, insecure=insecure), until, question)
            if isinstance(answer, Found):
                return answer
            if isinstance(answer, RegistryUnknown):
                unanswered = answer
        if isinstance(answer, Absent) and unanswered is not None and places[-1] != wanted:
            return unanswered  # absence at one mirror proves nothing while another one is unreachable
        return answer

    def _ask_place(
        self, image: ImageReference, access: RegistryAccess, until: float, question: Callable[[Place], Found[T]]
    ) -> Lookup[T]:
        """One question at one place, with each credential that may be sent there."""
        if self._blocked.covers_registry(image.registry):
            return _blocked(image.registry)
        host = _canonical(image.as_v2().registry)
        insecure = access.insecure or _host_and_port(image.registry) in self._insecure
        if _HOST.fullmatch(host) is None or _PATH.fullmatch(image.repository_name) is None:
            return RegistryUnknown(
                f"{image.exact[:200]!r} is not an image", retryable=False, error_kind=RegistryErrorKind.MALFORMED
            )
        credentials = credentials_for(access.secrets, image.registry, image.repository_name)
        shown: Absent | RegistryUnknown | None = None
        for credential in (None, *credentials) if access.anonymous_first else (*credentials, None):
            place = Place(self, image, host, insecure=insecure, credential=credential, until=until)
            outcome = _outcome(question, place)
            if isinstance(outcome, Found):
                return outcome
            if shown is None or access.anonymous_first:
                shown = outcome  # the last error, or what was wrong with the first credential
            if not _worth_another(outcome, credential):
                break
        return shown or RegistryUnknown("nothing was requested", retryable=False)

    @property
    def limits(self) -> RegistryLimits:
        """As given."""
        return self._limits

    def get(self, place: Place, url: str, *, accept: str, max_bytes: int, opening: Opening | None = None) -> HttpAnswer:
        """GET below a repository, with the place's credential. Raises ``EvidenceError``.

        Args:
            opening: the same question as it was just answered to a stranger; enough where nothing would be sent.
        """
        endpoint = place.endpoint
        authorization = self._known_authorization(place, endpoint)
        if opening is not None and opening.url == url and authorization.header is None:
            answer = opening.answer
        else:
            answer = self._get(place, url, accept, max_bytes, authorization)
        if same_origin(answer.url, url) and _worth_a_token(answer, endpoint, authorization):
            # the token has been ended, or this repository is guarded in another way than what made us acquainted
            self.endpoints.learn_challenges(place.host, answer, insecure=place.insecure)
            challenges = challenges_of(answer)
            asking = replace(endpoint, challenges=challenges, server=answer.server) if challenges else endpoint
            authorization = self._authorization(place, asking, fresh=True)
            if authorization.header:
                answer = self._get(place, url, accept, max_bytes, authorization)
        if answer.status != 200:
            raise_status(answer, place.shown, sent=place.credential is not None and authorization.header is not None)
        return answer

    def _known_authorization(self, place: Place, endpoint: Endpoint) -> Authorization:
        """The header for the cached challenges; none if they lead to a server that is not permitted.

        This repository may have other challenges, and will answer with them.
        """
        try:
            return self._authorization(place, endpoint)
        except (CredentialRefused, RealmRefused):
            raise
        except Refused:
            return NOTHING

    def _authorization(self, place: Place, endpoint: Endpoint, *, fresh: bool = False) -> Authorization:
        return self._auth.authorization(
            endpoint.challenges,
            endpoint.base_url,
            f"repository:{place.path}:pull",
            place.credential,
            until=place.until,
            verify=endpoint.verify,
            sender=endpoint.server,
            fresh=fresh,
        )

    def _get(self, place: Place, url: str, accept: str, max_bytes: int, authorization: Authorization) -> HttpAnswer:
        try:
            return self._http.get(
                url,
                until=place.until,
                max_bytes=max_bytes,
                headers={"Accept": accept},
                authorization=authorization.header,
                verify=place.endpoint.verify,
                subject=place.path,
            )
        except CircuitOpen:
            raise
        except Unreachable:
            self.endpoints.discard(place.host, insecure=place.insecure)
            raise


def _worth_another(outcome: Absent | RegistryUnknown, credential: Credential | None) -> bool:
    """True if another credential may get another answer: without one, a private repository may look absent."""
    if isinstance(outcome, Absent):
        return credential is None
    return outcome.error_kind in {
        RegistryErrorKind.UNAUTHORIZED,
        RegistryErrorKind.NO_CREDENTIALS,
        RegistryErrorKind.BAD_CREDENTIALS,
        RegistryErrorKind.REALM,
    }


def _outcome(question: Callable[[Place], Found[T]], place: Place) -> Found[T] | Absent | RegistryUnknown:
    try:
        return question(place)
    except NotFound as error:
        return Absent(str(error))
    except EvidenceError as error:
        error_kind = error_kind_of(error, has_credential=place.credential is not None)
        why = str(error)
        if isinstance(error, CredentialRefused):
            why = unauthorized_text(place.shown, sent=place.credential is not None, wrong=True)
        elif error_kind is RegistryErrorKind.HTTP_ONLY:
            why = f"the repository {place.image.repository_name} is HTTP only and requires the insecure flag to import"
        return RegistryUnknown(
            printable(why), retryable=is_retryable(error), error_kind=error_kind, in_go=_in_go(error, place)
        )


def _in_go(error: EvidenceError, place: Place) -> str:
    """The failure in the words of Go's client, which asks for ``/v2/`` first; without TLS if it may and TLS fails."""
    if not isinstance(error, (Unreachable, RegistryFailure)) or not error.in_go:
        return ""
    words = printable(error.in_go)
    scheme = "http" if place.insecure else "https"
    return words if words.startswith("Get ") else f'Get "{scheme}://{place.host}/v2/": {words}'


def _worth_a_token(answer: HttpAnswer, endpoint: Endpoint, sent: Authorization) -> bool:
    """True if a new token may end a refusal: none or an old one was sent, or the answer names another realm.

    Registries refuse a token that has ended with 401, some with 400 or 403.
    """
    if sent.kept:
        return answer.status in _ENDED_TOKEN
    if answer.status != 401:
        return False
    if not sent.header:
        return True
    return _realms(challenges_of(answer)) != _realms(endpoint.challenges)


def _realms(challenges: tuple[Challenge, ...]) -> set[tuple[str, str, str]]:
    return {(each.scheme, each.parameters.get("realm", ""), each.parameters.get("service", "")) for each in challenges}


def _blocked(registry: str) -> RegistryUnknown:
    why = f"registry {printable(registry)} blocked"
    return RegistryUnknown(why, retryable=False, error_kind=RegistryErrorKind.BLOCKED)


def _host_and_port(registry: str) -> tuple[str, int]:
    """``HOST[:PORT]`` in canonical form, always with a port; a string that is not a host stays as it is."""
    try:
        host, port = split_host_port(registry)
    except Malformed:
        return registry, 0
    return host, port or DEFAULT_PORTS["https"]


def _canonical(registry: str) -> str:
    """The registry as URLs name it; a string that is not a host stays as it is, and is refused when contacted."""
    try:
        return join_host_port(*split_host_port(registry))
    except Malformed:
        return registry


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Registry] = HttpRegistry
